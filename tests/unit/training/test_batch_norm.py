"""Running statistics of batch norm: of the training windows in "corrected", as the steps leave them in "published"."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fitted import fit_model
from safetensors.torch import load_file
from test_adversarial import GAN, networks_of
from test_adversarial import Windows as GanWindows
from test_adversarial import make as make_gan
from test_fit import GEOMETRY, SETTINGS, Windows, history, make
from test_mixhic_training import SETTINGS as PAIR_SETTINGS
from test_mixhic_training import Pairs
from test_mixhic_training import make as make_pairs
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader

from trifold.models import registry
from trifold.models.blocks import Architecture
from trifold.training import batch_norm, regression
from trifold.training.fit import EpochOrder

# Ten windows in batches of 4, 4 and 2.
SHORT = replace(SETTINGS, epochs=2, accumulate=1)
LAST, SEED = SHORT.epochs - 1, 7


def train(folder: Path, model: Architecture, settings=SHORT, protocol="corrected") -> dict[str, torch.Tensor]:
    """The state with which a training of ten windows ends."""
    arm = {"name": "arm", "protocol": protocol}
    return load_file(fit_model(model, Windows(10, 1), Windows(4, 2), settings, folder, arm=arm) / "last.safetensors")


def batches(windows, batch_size: int, epoch: int = LAST) -> list[dict]:
    """Those of an epoch, in its order."""
    windows.set_epoch(epoch)
    return list(DataLoader(windows, batch_size, sampler=EpochOrder(len(windows), SEED, epoch)))


def statistics(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if "running_" in name}


def by_hand(model: Architecture, read: list[dict]) -> dict[str, torch.Tensor]:
    """Mean and variance of all that reaches each layer over batches, kept whole; the layers normalise by the batch."""
    model.eval()
    kept = {name: [] for name, layer in model.named_modules() if isinstance(layer, batch_norm.Layer)}
    for name, values in kept.items():
        layer = model.get_submodule(name)
        layer.train()
        layer.register_forward_pre_hook(lambda _, inputs, values=values: values.append(inputs[0].movedim(1, 0)))
    with torch.no_grad():
        for batch in read:
            model(batch)
    found = {}
    for name, values in kept.items():
        whole = torch.cat([value.flatten(1) for value in values], dim=1).double()  # (C, values)
        found |= {f"{name}.running_mean": whole.mean(1).float(), f"{name}.running_var": whole.var(1).float()}
    return found


def agree(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert expected and found.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("architecture", ["vehicle", "akita"])
def test_y10_statistics_are_those_of_the_training_windows(tmp_path, architecture):
    """Of all ten, also where batches are unlike; akita's dropout takes no part."""
    state = train(tmp_path, make(architecture))
    model = make(architecture)
    model.load_state_dict(state)
    agree(statistics(state), by_hand(model, batches(Windows(10, 1), 4)))


def test_y10_as_torch_itself_recomputes_them(tmp_path):
    """Of one batch, without dropout, `update_bn` has the same statistics."""
    settings = replace(SHORT, batch_size=10)
    state = train(tmp_path, make("vehicle"), settings)
    model = make("vehicle")
    model.load_state_dict(state)
    update_bn([batches(Windows(10, 1), 10)], model)
    agree(statistics(state), statistics(model.state_dict()))


class Faint(Windows):
    """Targets stand further from 0.5 than their low maps do: by a number for each window, and a little noise."""

    def __getitem__(self, i: int) -> dict:
        item = super().__getitem__(i)
        offset = 0.3 * np.random.default_rng((len(self), i)).normal() + 0.1 * (self.maps[i] - 0.5)
        return {
            **item,
            "map": (0.5 + 0.1 * offset).astype("float32"),
            "observed": (0.5 + 0.6 * offset).astype("float32"),
        }


def test_y10_after_few_steps_a_network_is_no_longer_its_input(tmp_path):
    """24 steps of the same weights: by variances that began at 1 the network adds next to nothing to its input."""
    rows = {}
    for protocol in registry.PROTOCOLS:
        torch.manual_seed(0)
        model = registry.build("vehicle", GEOMETRY, {"channels": 16, "residual_blocks": 2}, {})
        settings = replace(SETTINGS, epochs=8, accumulate=1, learning_rate=0.001, schedule="constant")
        arm = {"name": "arm", "protocol": protocol}
        rows[protocol] = history(fit_model(model, Faint(12, 1), Faint(4, 2), settings, tmp_path / protocol, arm=arm))
    (batch,) = DataLoader(Faint(4, 2), 4)
    identity = (batch["map"] - batch["observed"])[..., 6:-6, 6:-6].square().mean().item()
    published, corrected = ([row["validation_loss"] for row in rows[protocol]] for protocol in registry.PROTOCOLS)
    assert [row["train_loss"] for row in rows["published"]] == [row["train_loss"] for row in rows["corrected"]]
    assert min(published) > 0.85 * identity
    assert min(corrected) < 0.2 * identity


@pytest.mark.parametrize("architecture", ["vehicle", "akita"])
def test_nothing_else_is_trained_otherwise(tmp_path, architecture):
    """Weights are the same bits, dropout of later epochs included; published statistics are as torch leaves them."""
    published, corrected = (train(tmp_path / name, make(architecture), protocol=name) for name in registry.PROTOCOLS)
    assert published.keys() == corrected.keys()
    differ = {name for name, tensor in published.items() if not torch.equal(tensor, corrected[name])}
    assert differ == set(statistics(published))


def test_published_keeps_the_momentum(tmp_path):
    settings = replace(SHORT, epochs=1, batch_size=10)
    state = train(tmp_path, make("vehicle"), settings, "published")
    first = by_hand(make("vehicle"), batches(Windows(10, 1), 10, epoch=0))  # by the weights before the only step
    for name, expected in first.items():
        start = float(name.endswith("var"))
        torch.testing.assert_close(state[name], 0.9 * start + 0.1 * expected, rtol=1e-5, atol=1e-7)


def test_time_is_bounded(tmp_path, monkeypatch):
    """One batch: the first of the epoch's order."""
    monkeypatch.setattr(regression, "STATISTICS_BATCHES", 1)
    windows = Windows(10, 1)
    arm = {"name": "arm"}
    out = fit_model(make("vehicle"), windows, Windows(4, 2), SHORT, tmp_path, arm=arm)
    # Ten in the steps, four for the statistics.
    assert windows.served == 14
    state, model = load_file(out / "last.safetensors"), make("vehicle")
    model.load_state_dict(state)
    agree(statistics(state), by_hand(model, batches(Windows(10, 1), 4)[:1]))


# ---------------------------------------------------------------- what keeps its statistics


def test_backbones_keep_theirs(tmp_path):
    """Of a corrected hybrid, which has no other, and of an aligned arm, whose image network has its own."""
    start = make("hybrid").state_dict()
    state = train(tmp_path / "hybrid", make("hybrid"))
    assert statistics(state) and all(torch.equal(tensor, start[name]) for name, tensor in statistics(state).items())
    image = {"pair_channels": 4, "distance_channels": 2, "image_channels": 4, "residual_blocks": 1}
    model = registry.build("aligned", GEOMETRY, image, {}, {"sequence": make("akita")})
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = train(tmp_path / "aligned", model)
    kept = {name for name, tensor in statistics(state).items() if torch.equal(tensor, start[name])}
    assert kept == {name for name in statistics(state) if name.startswith("sequence.")} != set(statistics(state))


def test_layers_without_values_keep_theirs():
    """A network of the map alone has the layers of the tracks too; one that is frozen but for its head has none."""
    for options in ({"mode": "map"}, {"freeze": True}):
        model = make_pairs("loop", **options).train()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        (batch,) = DataLoader(Pairs(4, 1), 4)
        batch_norm.recompute(model, [batch], model, lambda sums: sums)
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        assert model.classifier.training and model.training == (not model.freeze)


def test_an_error_leaves_the_network_as_it_was():
    model = make("akita").train()
    with pytest.raises(KeyError, match="sequence"):
        batch_norm.recompute(model, [{}], model, lambda sums: sums)
    layers = [layer for layer in model.modules() if isinstance(layer, batch_norm.Layer)]
    assert all(layer.track_running_stats and layer.training and not layer._forward_pre_hooks for layer in layers)


# ---------------------------------------------------------------- other losses


@pytest.mark.parametrize("loss", ["vehicle", "hicsr", "deephic"])
def test_y10_of_a_generator_with_an_adversary(tmp_path, loss):
    settings, arm = replace(GAN, loss=loss, epochs=2), {"name": loss, "protocol": "corrected"}
    windows, networks = (GanWindows(7, 1), GanWindows(2, 2)), networks_of(loss)
    out = fit_model(make_gan(loss), *windows, settings, tmp_path, arm=arm, networks=networks)
    state, model = load_file(out / "last.safetensors"), make_gan(loss)
    model.load_state_dict(state)
    agree(statistics(state), by_hand(model, batches(GanWindows(7, 1), 3, epoch=1)))


def test_y10_of_an_autoencoder(tmp_path):
    settings, arm = replace(GAN, loss="mse", epochs=2), {"name": "vae"}
    out = fit_model(make_gan("vae"), GanWindows(7, 1), GanWindows(2, 2), settings, tmp_path, arm=arm)
    state, model = load_file(out / "last.safetensors"), make_gan("vae")
    model.load_state_dict(state)
    agree(statistics(state), by_hand(model, batches(GanWindows(7, 1), 3, epoch=1)))


@pytest.mark.parametrize("task", ["pretraining", "cage"])
def test_y10_of_windows_about_pairs(tmp_path, task):
    arm = {"name": task, "task": task}
    settings = replace(PAIR_SETTINGS, epochs=2)
    out = fit_model(make_pairs(task), Pairs(6, 1), Pairs(4, 2), settings, tmp_path, arm=arm)
    state, model = load_file(out / "last.safetensors"), make_pairs(task)
    model.load_state_dict(state)
    agree(statistics(state), by_hand(model, batches(Pairs(6, 1), settings.batch_size, epoch=1)))
