"""Scores of windows about pairs: predictions in the order of the tables, whatever the order they are made in."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Dataset

from trifold import score_pairs
from trifold.errors import InputError

TARGETS = {"loop": "label", "window": "map", "cage": "cage"}


class Doubled:
    """Predicts so many times the target."""

    def __init__(self, task: str, factor: float = 2):
        self.target, self.factor = TARGETS[task], factor

    def __call__(self, batch: dict) -> torch.Tensor:
        return self.factor * batch[self.target]


class Samples(Dataset):
    """Items of one task; what it predicts is what is there."""

    collate = None  # the DataLoader's own

    def __init__(self, task: str, shape: tuple[int, ...], count: int = 7):
        self.task = task
        self.values = torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {TARGETS[self.task]: self.values[index], "index": index}


@pytest.mark.parametrize(
    ("task", "shape", "expected"), [("loop", (1,), ()), ("window", (1, 50, 50), (50, 50)), ("cage", (100,), (100,))]
)
def test_predictions_and_targets_of_a_task(task, shape, expected):
    data = Samples(task, shape)
    predicted, found = score_pairs.predict(Doubled(task), data, 3, "cpu", workers=0)
    assert predicted.shape == found.shape == (7, *expected)
    np.testing.assert_array_equal(found.ravel(), data.values.numpy().ravel())
    np.testing.assert_array_equal(predicted, 2 * found)


def test_predictions_that_are_not_numbers_are_refused():
    with pytest.raises(InputError, match="predicts values that are not numbers"):
        score_pairs.predict(Doubled("cage", np.inf), Samples("cage", (100,)), 3, "cpu", workers=0)


def test_numbers_of_what_is_scored():
    """Pairs, pixels, bins; a bin with a TSS counts in its own window alone."""
    rng = np.random.default_rng(0)
    pairs = np.array([(60, 60), (90, 90), (100, 100)])
    loops = score_pairs.measure("loop", rng.random(3), np.array([0.0, 1, 1]), pairs, 1000)
    assert set(loops["n"]) == {3} and loops["distance_bp"].isna().all()
    target = rng.random((3, 100))
    cage = score_pairs.measure("cage", target + 1, target, pairs, 1000).set_index("metric")
    assert cage.loc["pearson", "n"] == 300 and cage.loc["pearson_tss", "n"] == 3
    assert cage.loc["pearson", "value"] == pytest.approx(1) and cage.loc["r2", "value"] < 0
    moved = target.copy()
    moved[:, np.arange(100) != 25] = rng.random((3, 99))
    other = score_pairs.measure("cage", moved, target, pairs, 1000).set_index("metric")
    assert other.loc["pearson_tss", "value"] == pytest.approx(1) and other.loc["pearson", "value"] < 0.5
    maps = score_pairs.measure("window", rng.random((3, 50, 50)), rng.random((3, 50, 50)), pairs, 1000)
    assert maps[maps["distance_bp"] == 2000].set_index("metric").loc["pearson", "n"] == 3 * 2 * 48
    assert list(maps.columns) == ["metric", "distance_bp", "n", "value"] and isinstance(maps, pd.DataFrame)
