"""MIX-HIC's trainings: what is minimised when, which epoch is kept, and that a broken one ends like an unbroken one."""

import csv
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from fitted import fit_model, learner_of
from scipy.stats import pearsonr
from test_fit import SETTINGS as ADAM
from torch.utils.data import DataLoader

from trifold.config import Geometry
from trifold.data.samples import Samples
from trifold.errors import InputError
from trifold.metrics.classification import auroc
from trifold.models import mixhic, registry, stored, weights

SETTINGS = replace(
    ADAM,
    epochs=3,
    learning_rate=0.002,
    schedule="constant",
    weight_decay=0.01,
    optimiser="adamw",
    accumulate=1,
    clip_gradient_norm=0.0,
    reverse_complement=False,
)
# Of one track, in two bins to a bin of the map.
GEOMETRY = Geometry(bin_bp=16, window_bins=50, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
STATISTICS = {"tracks": ["atac"], "track_bp": 8}
NETWORK = {"embed_dim": 4, "heads": 2, "depth": 1}
BYTES = ("weights.safetensors", "last.safetensors", "config.yaml", "history.csv")


class Pairs(Samples):
    """Random samples of every task, with noise by the epoch; `die_at` = (epoch, item) breaks the training."""

    def __init__(self, count: int, seed: int, die_at: tuple[int, int] | None = None):
        rng = np.random.default_rng(seed)
        self.items = [
            {
                "map": rng.random((1, 50, 50), dtype=np.float32),
                "tracks": rng.random((200, 1), dtype=np.float32),
                "label": np.array([i % 2], dtype=np.float32),
                "cage": rng.random(100, dtype=np.float32),
                "index": i,
            }
            for i in range(count)
        ]
        self.epoch, self.served, self.die_at = 0, 0, die_at

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.served = epoch, 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(index)
        if self.die_at == (self.epoch, self.served):
            raise ConnectionError("broken")
        self.served += 1
        item = self.items[index]
        noise = np.random.default_rng((self.epoch, index)).random(item["map"].shape, dtype=np.float32) * 0.1
        return {**item, "map": item["map"] + noise}


def make(task: str, protocol: str = "corrected", **options):
    return registry.build("mixhic", GEOMETRY, NETWORK | options, STATISTICS, {}, protocol, task)


def train(
    folder: Path,
    task: str = "loop",
    settings=SETTINGS,
    die_at=None,
    validation: int = 6,
    protocol="corrected",
    **options,
) -> Path:
    torch.manual_seed(0)
    network = make(task, protocol, **options)
    what = {"name": task, "architecture": "mixhic", "task": task, "protocol": protocol, "options": NETWORK | options}
    arm = {**what, "backbones": {}, "geometry": asdict(GEOMETRY)}
    return fit_model(network, Pairs(6, 1, die_at), Pairs(validation, 2), settings, folder, arm=arm)


def load(out: Path):
    """The model of a folder, with the statistics that the job writes there."""
    (out / "statistics.json").write_text(json.dumps(STATISTICS))
    return stored.load_arm(out)[:2]


def history(out: Path) -> list[dict]:
    with open(out / "history.csv") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_a_broken_training_ends_like_an_unbroken_one(tmp_path):
    whole = train(tmp_path / "whole")
    with pytest.raises(ConnectionError, match="broken"):
        train(tmp_path / "broken", die_at=(1, 3))
    assert (tmp_path / "broken/checkpoints/last.ckpt").exists() and not (tmp_path / "broken/out").exists()
    resumed = train(tmp_path / "broken")
    for name in BYTES:
        digests = [hashlib.sha256((out / name).read_bytes()).hexdigest() for out in (whole, resumed)]
        assert digests[0] == digests[1], name
    assert len(history(whole)) == 3


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_what_pre_training_minimises(tmp_path, protocol):
    """The contrastive term alone while it warms up, then half of it and the orthogonal one, and half of the mapping."""
    warmup = {"warmup_epochs": 1} if protocol == "published" else {}
    out = train(tmp_path, "pretraining", replace(SETTINGS, epochs=2), protocol=protocol, **warmup)
    rows = history(out)
    for epoch, row in enumerate(rows):
        share = 0.5 * (row["contrastive"] + row["orthogonal"]) + 0.5 * row["mapping"]
        warm = protocol == "published" and epoch == 0
        assert row["train_loss"] == pytest.approx(row["contrastive"] if warm else share, rel=1e-6)
        assert abs(row["contrastive"] - share) > 0.01
        assert np.isnan(row["validation_pearson"])
    learnt = weights.read(out / "last.safetensors")["temp"].item()
    assert (learnt != pytest.approx(mixhic.TEMPERATURE, abs=1e-7)) == (protocol == "published")


def test_loops_keep_the_best_auroc_and_stop(tmp_path):
    out = train(tmp_path, settings=replace(SETTINGS, epochs=12, early_stop_epochs=1))
    rows = history(out)
    aurocs = [row["validation_auroc"] for row in rows]
    best = yaml.safe_load((out / "config.yaml").read_text())["best_epoch"]
    assert best == int(np.argmax(aurocs))
    assert len(rows) == best + 2 < 12  # one epoch without a better one
    data = Pairs(6, 2)
    batch = next(iter(DataLoader(data, batch_size=6)))
    network, frozen = load(out)
    assert frozen["arm"]["task"] == "loop" and not network.training
    with torch.no_grad():
        scores = network(batch)[:, 0].numpy()
    assert auroc(batch["label"][:, 0].numpy(), scores) == pytest.approx(aurocs[best])


@pytest.mark.parametrize(("task", "target"), [("window", "map"), ("cage", "cage")])
def test_pearson_of_the_whole_validation_set(tmp_path, task, target):
    """Over all values at once, not the mean over batches or windows."""
    out = train(tmp_path, task, replace(SETTINGS, epochs=1))
    network, _ = load(out)
    batch = next(iter(DataLoader(Pairs(6, 2), batch_size=6)))
    with torch.no_grad():
        loss, predicted = network.loss_and_prediction(batch)
    row = history(out)[0]
    expected = pearsonr(predicted.numpy().ravel(), batch[target].numpy().ravel())[0]
    assert row["validation_pearson"] == pytest.approx(expected, abs=1e-5)
    assert row["validation_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_one_class_alone_has_no_auroc(tmp_path):
    out = train(tmp_path, settings=replace(SETTINGS, epochs=1), validation=1)
    assert np.isnan(history(out)[0]["validation_auroc"])
    assert yaml.safe_load((out / "config.yaml").read_text())["best_epoch"] == 0


def test_frozen_networks_change_in_their_head_alone(tmp_path):
    torch.manual_seed(0)
    before = make("loop").state_dict()
    after = weights.read(train(tmp_path, settings=replace(SETTINGS, epochs=1), freeze=True) / "last.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith("classifier.") for name in changed)


def test_a_loss_that_is_not_finite_is_refused(tmp_path):
    data = Pairs(4, 1)
    data.items[0]["tracks"][3] = np.nan
    network, arm = make("loop"), {"name": "loop", "task": "loop"}
    with pytest.raises(InputError, match=r"loop: the training loss is nan .* tracks of this batch hold NaN"):
        fit_model(network, data, data, SETTINGS, tmp_path, arm=arm, seed=0)


def test_the_task_says_by_what_an_epoch_is_judged():
    judged = {
        task: learner_of(make(task), SETTINGS, 1, {"name": task, "task": task}).criterion
        for task in ("pretraining", "loop", "window", "cage")
    }
    assert judged == {
        "pretraining": ("validation_loss", -1),
        "loop": ("validation_auroc", 1),
        "window": ("validation_pearson", 1),
        "cage": ("validation_pearson", 1),
    }
