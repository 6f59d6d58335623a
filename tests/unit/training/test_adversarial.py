"""Generator and discriminator in turns: each step moves its own network; a broken training ends in the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fitted import fit_model
from test_fit import SETTINGS, STATISTICS, digests, history, interrupt
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from trifold.config import Geometry
from trifold.data.samples import Samples
from trifold.errors import InputError
from trifold.models import registry, weights
from trifold.models.blocks import crop
from trifold.training.adversarial import Adversarial
from trifold.training.regression import learning_rate_factor, one_cycle

# Cropped by 6: 30 bins, of which a discriminator of VEHiCLE's makes 2, and HiCSR's takes two tiles a side.
GEOMETRY = Geometry(bin_bp=16, window_bins=42, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
COUNTS = {"counts": {"low_max": 10.0, "deep_max": 30.0, "low_q999": 9.0, "deep_q999": 25.0, "ratio": 3.0}}
OPTIONS = {
    "vehicle": {"channels": 4, "residual_blocks": 1},
    "hicsr": {"channels": 4, "residual_blocks": 1},
    "deephic": {"channels": 4, "residual_blocks": 1},
    "vae": {"channels": [4, 8, 8], "latent": 4},
    "hicsr-dae": {"channels": 4},
    "hicgan": {"channels": 4, "residual_blocks": 1},
    "akita": {"channels": 8, "bottleneck": 4, "head_channels": 4, "trunk_blocks": 1, "head_blocks": 1},
}
NETWORKS = {"vehicle": {"vae": "vae"}, "deephic": {}, "hicsr": {"dae": "hicsr-dae"}, "hicgan": {}}
# hicGAN's discriminator reads 40 bins, which its published generator leaves of 42.
every_loss = pytest.mark.parametrize(
    ("loss", "protocol"), [(loss, "published" if loss == "hicgan" else "corrected") for loss in NETWORKS]
)
GAN = replace(
    SETTINGS,
    epochs=3,
    batch_size=3,
    learning_rate=1e-3,
    loss="vehicle",
    discriminator_learning_rate=1e-4,
    accumulate=1,
    clip_gradient_norm=10.0,
)


class Windows(Samples):
    """Windows whose targets are on all scales, with one bin that is not valid; `die_at` = (epoch, item) interrupts."""

    def __init__(self, count: int, seed: int, die_at: tuple[int, int] | None = None):
        maps = np.random.default_rng(seed).random((count, 1, 42, 42), dtype=np.float32)
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
        low = self.maps[i]
        return {"map": low, "observed": low**2, "counts": 25 * low**2, "valid": np.arange(42) != 20}


def make(name: str, protocol: str = "corrected"):
    torch.manual_seed(0)
    return registry.build(name, GEOMETRY, OPTIONS[name], COUNTS | STATISTICS, protocol=protocol)


def networks_of(loss: str):
    return {role: make(name).eval() for role, name in NETWORKS[loss].items()}


def train(folder, loss="vehicle", protocol="corrected", die_at=None, count=7, **settings):
    settings = replace(GAN, loss=loss, **settings)
    arm = {"name": loss, "protocol": protocol}
    model, windows, networks = make(loss, protocol), Windows(count, 1, die_at), networks_of(loss)
    return fit_model(model, windows, Windows(2, 2), settings, folder, arm=arm, networks=networks)


def checkpoint(out) -> dict:
    return torch.load(out.parent / "checkpoints/last.ckpt", weights_only=True)


def same(first, second) -> bool:
    """Nested dicts and lists of tensors and numbers, equal bit for bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


# ---------------------------------------------------------------- whole trainings


@pytest.mark.parametrize(
    ("loss", "protocol"),
    [("vehicle", "published"), ("deephic", "published"), ("hicsr", "corrected"), ("hicgan", "published")],
)
def test_interrupted_training_ends_in_the_same_bits(tmp_path, loss, protocol):
    short = {"count": 4, "epochs": 2}
    unbroken = train(tmp_path / "unbroken", loss, protocol, **short)
    with pytest.raises(RuntimeError, match="interrupted"):
        train(tmp_path / "broken", loss, protocol, die_at=(1, 3), **short)
    resumed = train(tmp_path / "broken", loss, protocol, **short)
    assert digests(resumed) == digests(unbroken)
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert same(checkpoint(resumed)[part], checkpoint(unbroken)[part]), part
    assert len(checkpoint(resumed)["optimizer_states"]) == 2


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_only_the_published_auto_encoder_changes_and_only_its_statistics(tmp_path, protocol):
    out = train(tmp_path, protocol=protocol, epochs=1)
    start, state = networks_of("vehicle")["vae"], checkpoint(out)["state_dict"]
    changed = {key for key, value in start.state_dict().items() if not torch.equal(state[f"networks.vae.{key}"], value)}
    encoder = {key for key, _ in start.named_buffers() if key.startswith("encoder.")}
    assert changed == (encoder if protocol == "published" else set())


def test_writes_the_generator_alone_and_its_history(tmp_path):
    out = train(tmp_path)
    rows = history(out)
    columns = ["epoch", "train_loss", "validation_loss", "validation_pearson", "learning_rate", "discriminator_loss"]
    assert list(rows[0]) == columns
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    model = make("vehicle").eval()
    weights.load(out / "weights.safetensors", model, "vehicle")  # refuses a key too many
    windows = [Windows(2, 2)[i] for i in range(2)]
    low, target, valid = (torch.from_numpy(np.stack([w[key] for w in windows])) for key in ("map", "observed", "valid"))
    with torch.no_grad():
        difference = (model({"map": low}) - target[..., 6:-6, 6:-6]).abs()
    kept = valid[0, 6:-6]
    expected = difference[:, :, kept][..., kept].mean().item()
    assert min(row["validation_loss"] for row in rows) == pytest.approx(expected, rel=1e-5)


def test_accumulates_and_ends_its_schedule(tmp_path, monkeypatch):
    """Five batches by two are three steps an epoch, of each network."""
    updates, descend = [], Adversarial._descend

    def spy(self, which, loss, update):
        updates.append((which, update))
        descend(self, which, loss, update)

    monkeypatch.setattr(Adversarial, "_descend", spy)
    rows = history(train(tmp_path, count=5, batch_size=1, accumulate=2, epochs=2))
    assert updates == [(which, step in (1, 3, 4)) for _ in range(2) for step in range(5) for which in (0, 1)]
    expected = [1e-3 * learning_rate_factor(step, 6, "cosine") for step in (2, 5)]
    assert [row["learning_rate"] for row in rows] == pytest.approx(expected)


def test_one_cycle_moves_rate_and_first_beta_of_both_networks(tmp_path):
    """From step to step, and where a training goes on after a break."""
    seen, one = [], {"epochs": 11, "count": 4, "batch_size": 1, "optimiser": "adamw", "schedule": "one-cycle"}
    hook = register_optimizer_step_post_hook(
        lambda optimiser, *_: seen.append([optimiser.param_groups[0]["lr"], *optimiser.param_groups[0]["betas"]])
    )
    try:
        with pytest.raises(RuntimeError, match="interrupted"):
            train(tmp_path, die_at=(9, 0), **one)
        train(tmp_path, **one)
    finally:
        hook.remove()
    cycle = [(learning_rate_factor(step, 44, "one-cycle"), one_cycle(step, 44)[1]) for step in range(44)]
    expected = [(rate * share, beta, 0.999) for share, beta in cycle for rate in (1e-3, 1e-4)]
    np.testing.assert_allclose(seen, expected)


def test_clips_both_gradients(tmp_path):
    """One step of plain SGD moves weights by learning rate × clipped norm."""
    one_step = {"epochs": 1, "optimiser": "sgd", "schedule": "constant", "accumulate": 99, "learning_rate": 1.0}
    moved = []
    for norm in (1e-3, 0.0):
        options = {**one_step, "discriminator_learning_rate": 2.0, "clip_gradient_norm": norm}
        state = checkpoint(train(tmp_path / str(norm), **options))["state_dict"]
        start = Adversarial(make("vehicle"), GAN, networks_of("vehicle"), protocol="corrected", seed=7)
        for prefix in ("model.", "discriminator."):
            differences = [state[key] - p for key, p in start.named_parameters() if key.startswith(prefix)]
            moved.append(sum(difference.square().sum().item() for difference in differences) ** 0.5)
    assert moved[:2] == pytest.approx([1e-3, 2e-3], rel=1e-2)
    assert moved[2] > 2e-3
    assert moved[3] > 4e-3


def test_half_precision(tmp_path):
    rows = history(train(tmp_path, "deephic", epochs=1, precision="bf16-mixed"))
    full = history(train(tmp_path / "full", "deephic", epochs=1))
    assert rows[0]["train_loss"] == pytest.approx(full[0]["train_loss"], rel=0.05)
    assert rows != full


# ---------------------------------------------------------------- single steps


@every_loss
def test_each_step_moves_its_own_network(tmp_path, monkeypatch, loss, protocol):
    moved, descend = [], Adversarial._descend

    def parts(module):
        networks = (module.model, module.discriminator, module.networks)
        return [[parameter.detach().clone() for parameter in network.parameters()] for network in networks]

    def spy(self, which, loss, update):
        before = parts(self)
        descend(self, which, loss, update)
        moved.append((which, [not same(a, b) for a, b in zip(before, parts(self))]))
        assert all(p.grad is None for p in self.networks.parameters())
        if which == 0:
            assert all(p.grad is None for p in self.discriminator.parameters())

    monkeypatch.setattr(Adversarial, "_descend", spy)
    train(tmp_path, loss, protocol, epochs=1, count=3)
    assert moved == [(0, [True, False, False]), (1, [False, True, False])]


@every_loss
def test_discriminator_learns_against_a_frozen_generator(loss, protocol):
    settings = replace(GAN, loss=loss)
    module = Adversarial(make(loss, protocol), settings, networks_of(loss), protocol=protocol)
    maps = crop(torch.from_numpy(Windows(4, 3).maps), module.model.crop_bins)
    optimiser = torch.optim.Adam(module.discriminator.parameters(), lr=1e-4)
    found = []
    for _ in range(12):
        doubt = module.judge(nn.functional.avg_pool2d(maps, 3, 1, 1), maps)
        optimiser.zero_grad()
        doubt.backward()
        optimiser.step()
        found.append(doubt.item())
    assert found[-1] < 0.85 * found[0]


def batch_of(count: int) -> dict[str, torch.Tensor]:
    windows = Windows(count, 4)
    return {key: torch.from_numpy(np.stack([windows[i][key] for i in range(count)])) for key in windows[0]}


@every_loss
def test_pixels_that_are_not_valid_teach_nothing(loss, protocol):
    model = make(loss, protocol)
    module = Adversarial(model, replace(GAN, loss=loss), networks_of(loss), protocol=protocol).eval()
    side = 42 - 2 * model.crop_bins
    prediction = torch.rand(2, 1, side, side, requires_grad=True)
    module.model.forward = lambda batch: prediction
    terms = module.terms(*module._compare_whole(batch_of(2)))
    sum(terms.values()).backward()
    assert terms.keys() == module.weights.keys()
    bad = torch.zeros(side, dtype=torch.bool)
    bad[20 - model.crop_bins] = True
    assert (prediction.grad[..., bad, :] == 0).all() and (prediction.grad[..., bad] == 0).all()
    assert (prediction.grad[:, :, ~bad][..., ~bad] != 0).float().mean() > 0.9


def test_terms_of_feature_networks():
    class Squares(nn.Module):
        target = "observed"

        def features(self, maps):
            return maps**2

    settings = replace(GAN, loss="deephic")
    module = Adversarial(make("deephic"), settings, {"vgg": Squares()}, protocol="corrected")
    prediction, target = torch.rand(2, 1, 1, 30, 30)  # (1, 1, 30, 30) each
    terms = module.terms(prediction, target, torch.ones(1, 1, 30, 30, dtype=torch.bool))
    torch.testing.assert_close(terms["perceptual"], (prediction**2 - target**2).square().mean())
    torch.testing.assert_close(terms["pixel"], (prediction - target).square().mean())

    module = Adversarial(make("hicsr"), replace(GAN, loss="hicsr"), networks_of("hicsr"), protocol="corrected")
    terms = module.terms(prediction, target, torch.ones(1, 1, 30, 30, dtype=torch.bool))
    starts = [(i, j) for i in (0, 2) for j in (0, 2)]  # 28 of 30 bins, flush with both ends
    layers = [
        [
            module.networks["dae"].features(torch.cat([maps[..., i : i + 28, j : j + 28] for i, j in starts]))[k]
            for maps in (prediction, target)
        ]
        for k in range(5)
    ]
    expected = sum((ours - theirs).square().mean() for ours, theirs in layers)
    torch.testing.assert_close(terms["feature"], expected)


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_hicgan_as_released_learns_from_its_adversary_alone(protocol):
    """The code computes the mean square error and leaves it out of the sum; the paper has both."""
    model = make("hicgan", "published")
    module = Adversarial(model, replace(GAN, loss="hicgan"), {}, protocol=protocol).eval()
    prediction, target = torch.rand(2, 2, 1, 42, 42).unbind()
    terms = module.terms(prediction, target, torch.ones_like(target, dtype=torch.bool))
    logits = torch.cat([module.discriminator(prediction[..., i : i + 40, j : j + 40]) for i in (0, 2) for j in (0, 2)])
    torch.testing.assert_close(terms["adversarial"], -torch.sigmoid(logits).log().mean())
    expected = 0.1 * terms["adversarial"]
    if protocol == "corrected":
        torch.testing.assert_close(terms["pixel"], (prediction - target).square().mean())
        expected = expected + terms["pixel"]
    assert len(terms) == (1 if protocol == "published" else 2)
    torch.testing.assert_close(sum(module.weights[name] * term for name, term in terms.items()), expected)


def test_hicgan_as_released_is_validated_by_its_mean_square_error(tmp_path):
    out = train(tmp_path, "hicgan", "published", epochs=2)
    model = make("hicgan", "published").eval()
    weights.load(out / "weights.safetensors", model, "hicgan")
    windows = [Windows(2, 2)[i] for i in range(2)]
    low, target = (torch.from_numpy(np.stack([w[key] for w in windows])) for key in ("map", "counts"))
    kept = torch.from_numpy(windows[0]["valid"])
    with torch.no_grad():
        difference = (model({"map": low}) - model.encode(target)).square()
    expected = difference[:, :, kept][..., kept].mean().item()
    assert min(row["validation_loss"] for row in history(out)) == pytest.approx(expected, rel=1e-5)


def test_discriminator_starts_from_the_seed_alone():
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(states))
        module = Adversarial(make("vehicle"), GAN, networks_of("vehicle"), protocol="corrected", seed=seed)
        states.append(module.discriminator.state_dict())
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


# ---------------------------------------------------------------- refusals


def test_refuses_what_does_not_fit():
    with pytest.raises(InputError, match=r"arm 'a': loss 'vehicle' .* predicts ln O/E"):
        Adversarial(make("akita"), GAN, networks_of("vehicle"), protocol="corrected", arm="a")
    with pytest.raises(
        InputError, match="loss network vae was trained on 'observed' maps and the arm predicts 'counts'"
    ):
        Adversarial(make("deephic"), GAN, networks_of("vehicle"), protocol="corrected", arm="a")


def test_loss_that_is_not_finite_is_explained(tmp_path):
    model = make("vehicle")
    nn.init.constant_(model.final_block[-1].bias, torch.nan)
    windows, networks = Windows(3, 1), networks_of("vehicle")
    with pytest.raises(InputError, match=r"arm 'a': the training loss is nan at epoch 0, step 0; .*learning_rate"):
        fit_model(model, windows, windows, GAN, tmp_path, arm={"name": "a"}, networks=networks)
