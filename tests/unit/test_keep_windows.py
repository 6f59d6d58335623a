"""Windows that are kept for figures: those of predictions made directly, whole and without each part of a model."""

import numpy as np
import pytest
import torch
from test_score_windows import BIN, C, LowMap, Nothing, W, examples
from torch.utils.data import DataLoader

from trifold.data.dataset import WindowDataset
from trifold.errors import InputError
from trifold.keep_windows import choose, keep
from trifold.models.blocks import crop

__all__ = ["examples"]  # a fixture


class TwoParts(LowMap):
    """The low map, cropped, and its square; either may be silenced."""

    crop_bins, parts = 2, ("whole", "square")

    def forward(self, batch):
        low = crop(batch["map"], 2)
        parts = {"whole": low, "square": low**2}
        return sum(0 * part if name == self.silenced else part for name, part in parts.items())


def kept(folder, model, protocol, out, windows=2):
    out.mkdir()
    given = {"examples": folder, "sequence": None, "tracks": [], "windows": windows, "batch_size": 2}
    keep(out, model=model, protocol=protocol, **given)
    with np.load(out / "windows.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize(
    ("number", "wanted", "chosen"),
    [(10, 1, [0]), (10, 3, [0, 4, 9]), (7, 3, [0, 3, 6]), (2, 5, [0, 1]), (1, 3, [0])],
)
def test_windows_are_evenly_spaced_and_the_first_among_them(number, wanted, chosen):
    assert choose(number, wanted) == chosen


@pytest.mark.parametrize("protocol", ["published", "corrected"])
@torch.inference_mode()
def test_they_are_what_the_model_predicts(examples, tmp_path, protocol):
    folder, arrays = examples()
    model = TwoParts()
    found = kept(folder, model, protocol, tmp_path / "out")
    assert model.silenced is None
    test = [5, 6]
    inner = slice(2, W - 2)
    np.testing.assert_array_equal(found["target"], arrays["deep_observed"][test, inner, inner].astype(float))
    batch = next(iter(DataLoader(WindowDataset(folder, "test", inputs=model.inputs | {"bias"}, target="observed"), 2)))
    low = crop(batch["map"], 2)[:, 0].double().numpy()
    direct = {"prediction": low + low**2, "without_whole": low**2, "without_square": low}
    for name, expected in direct.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-6)
    np.testing.assert_array_equal(
        found["prediction"][:1], kept(folder, model, protocol, tmp_path / "one", 1)["prediction"]
    )
    assert found["chrom"].tolist() == ["chr1", "chr1"] and found["crop_bins"] == 2
    assert (found["start_bp"] // BIN).tolist() == [4 * W, 5 * W] and (found["end_bp"] // BIN).tolist() == [5 * W, 6 * W]


def test_a_prediction_that_breaks_off_leaves_the_model_whole(examples, tmp_path):
    class Broken(TwoParts):
        def forward(self, batch):
            return super().forward(batch) / (0 if self.silenced == "square" else 1)

    folder, _ = examples()
    model = Broken()
    with pytest.raises(InputError, match="not numbers"):
        kept(folder, model, "corrected", tmp_path / "out")
    assert model.silenced is None


def test_nothing_of_the_target_is_copied(examples, tmp_path):
    """The released test step's overwriting of a hybrid is a form of its scores, not of what it shows."""
    folder, _ = examples()
    model = Nothing()
    model.parts = ()
    found = kept(folder, model, "published", tmp_path / "out")
    assert model.crop_bins == C and not found["prediction"].any() and found["target"].any()
