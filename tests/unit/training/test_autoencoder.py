"""Networks of a loss are trained by their own loss, and as resumable as any other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fitted import fit_model
from scipy.stats import pearsonr
from test_fit import SETTINGS, STATISTICS, digests, history, interrupt

from trifold.config import Geometry
from trifold.data.samples import Samples
from trifold.models import registry, weights

GEOMETRY = Geometry(bin_bp=16, window_bins=24, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
OPTIONS = {
    "vae": {"channels": [4, 8], "latent": 4, "kl_weight": 0.01},
    "hicsr-dae": {"channels": 4},
}
COUNTS = {"counts": {"low_max": 10.0, "deep_max": 100.0}}


class Maps(Samples):
    """Nothing but deep maps and which bins are valid; `die_at` = (epoch, item) interrupts."""

    def __init__(self, count: int, seed: int, die_at: tuple[int, int] | None = None):
        maps = np.random.default_rng(seed).random((count, 1, 24, 24), dtype=np.float32)
        self.maps = (maps + maps.swapaxes(2, 3)) / 2
        self.epoch, self.served, self.die_at = -1, 0, die_at

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.served = epoch, 0

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, i: int) -> dict:
        if self.die_at == (self.epoch, self.served):
            interrupt()
        self.served += 1
        valid = np.arange(24) != 9
        return {"observed": self.maps[i], "counts": self.maps[i] * 100, "valid": valid}


def make(name: str):
    torch.manual_seed(0)
    return registry.build(name, GEOMETRY, OPTIONS[name], STATISTICS | COUNTS)


def train(folder, name="vae", die_at=None, **settings):
    windows, held_out = Maps(9, 1, die_at), Maps(3, 2)
    settings = replace(SETTINGS, **settings)
    return fit_model(make(name), windows, held_out, settings, folder, arm={"name": name})


@pytest.mark.parametrize("name", OPTIONS)
def test_resumes_bit_exactly_and_learns(tmp_path, name):
    unbroken = train(tmp_path / "unbroken", name)
    with pytest.raises(RuntimeError, match="interrupted"):
        train(tmp_path / "broken", name, die_at=(2, 5))
    assert digests(train(tmp_path / "broken", name)) == digests(unbroken)
    rows = history(unbroken)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert list(rows[0]) == ["epoch", "train_loss", "validation_loss", "validation_pearson", "learning_rate"]


def test_history_is_the_loss_and_the_reconstruction_of_the_weights(tmp_path):
    out = train(tmp_path)
    model, windows = make("vae"), Maps(3, 2)
    weights.load(out / "last.safetensors", model.eval(), "vae")
    maps = torch.from_numpy(windows.maps)
    with torch.no_grad():
        reconstruction, expected = model({"observed": maps}), model.loss(maps[..., 6:-6, 6:-6])
    last = history(out)[-1]
    assert last["validation_loss"] == pytest.approx(expected.item(), rel=1e-5)
    kept = np.arange(12) != 3
    pearson = [
        pearsonr(a[0][np.ix_(kept, kept)].ravel(), b[0, 6:-6, 6:-6][np.ix_(kept, kept)].ravel()).statistic
        for a, b in zip(reconstruction.numpy(), windows.maps)
    ]
    assert last["validation_pearson"] == pytest.approx(np.mean(pearson), rel=1e-4)
