"""Epiphany and C.Origami are trained, validated and kept like MIX-HIC's maps, with Epiphany its discriminator."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from fitted import fit_model
from scipy.stats import pearsonr
from test_mixhic_training import BYTES, GEOMETRY, SETTINGS, STATISTICS, Pairs, history, load
from torch.utils.data import DataLoader

from trifold.models import registry, weights
from trifold.models.blocks import Architecture

# Narrow; of a window of 50 bins of two bins of the tracks each.
OPTIONS = {
    "epiphany": {"channels": [4, 4, 4, 4], "pooled_bins": 3, "recurrent": 4, "dense": 6, "context_bins": 430},
    "corigami": {"stem": 4, "channels": [4, 6], "hidden": 8, "heads": 2, "layers": 1, "feed_forward": 8}
    | {"residual_blocks": 1},
}
ADAM = replace(SETTINGS, optimiser="adam", weight_decay=0.0005, epochs=2)


def make(name: str, protocol: str = "corrected", **options) -> Architecture:
    torch.manual_seed(0)
    return registry.build(name, GEOMETRY, OPTIONS[name] | options, STATISTICS, None, protocol, "window")


def train(folder: Path, name: str, protocol: str = "corrected", die_at=None, **options) -> Path:
    what = {"name": "maps", "architecture": name, "task": "window", "protocol": protocol}
    arm = {**what, "options": OPTIONS[name] | options, "backbones": {}, "geometry": asdict(GEOMETRY)}
    return fit_model(make(name, protocol, **options), Pairs(6, 1, die_at), Pairs(6, 2), ADAM, folder, arm=arm)


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_validated_is_the_network_that_is_kept(tmp_path, name, protocol):
    """By the mean square and the correlation over all pixels."""
    out = train(tmp_path, name, protocol)
    rows, (network, frozen) = history(out), load(out)
    assert len(rows) == 2 and all(row["train_loss"] > 0 for row in rows)
    network.load_state_dict(weights.read(out / "last.safetensors"))
    batch = next(iter(DataLoader(Pairs(6, 2), batch_size=6)))
    # In the batches of the training: as published a sample's vector is that of its place in the batch.
    starts = range(0, 6, ADAM.batch_size)
    parts = [{key: values[i : i + ADAM.batch_size] for key, values in batch.items()} for i in starts]
    with torch.no_grad():
        predicted = torch.cat([network(part) for part in parts])
    assert rows[-1]["validation_loss"] == pytest.approx(F.mse_loss(predicted, batch["map"]).item(), rel=1e-4)
    expected = pearsonr(predicted.numpy().ravel(), batch["map"].numpy().ravel())[0]
    assert rows[-1]["validation_pearson"] == pytest.approx(expected, abs=1e-4)
    assert frozen["arm"]["architecture"] == name and not network.training


def test_the_discriminator_learns_along(tmp_path):
    before = make("epiphany").state_dict()
    kept = weights.read(train(tmp_path / "with", "epiphany") / "last.safetensors")
    judging = [name for name in kept if name.startswith("discriminator.")]
    assert set(kept) == set(before) and len(judging) == 10
    assert not any(torch.equal(kept[name], before[name]) for name in judging)
    # Its weight in the loss changes what the generator learns.
    more = weights.read(train(tmp_path / "more", "epiphany", adversarial=0.9) / "last.safetensors")
    assert not any(torch.equal(kept[name], more[name]) for name in kept if name.startswith("stripes.fc"))
    alone = weights.read(train(tmp_path / "without", "epiphany", adversarial=0.0) / "last.safetensors")
    assert set(alone) == set(kept) - set(judging)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_broken_training_ends_like_an_unbroken_one(tmp_path, name):
    whole = train(tmp_path / "whole", name)
    with pytest.raises(ConnectionError, match="broken"):
        train(tmp_path / "broken", name, die_at=(1, 3))
    resumed = train(tmp_path / "broken", name)
    assert [file for file in BYTES if (whole / file).read_bytes() != (resumed / file).read_bytes()] == []
