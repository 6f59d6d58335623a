"""VEHiCLE whole: discriminator, auto-encoder, insulation and the four-term loss as released; its units and refusals."""

import numpy as np
import pytest
import torch
from torch import nn

from trifold.config import Geometry, Training
from trifold.errors import InputError
from trifold.models import registry, vae
from trifold.models.vehicle import Discriminator
from trifold.training import losses
from trifold.training.adversarial import Adversarial

COUNTS = {"counts": {"low_q999": 4.0, "deep_q999": 20.0}}
SETTINGS = Training(
    epochs=1,
    batch_size=1,
    learning_rate=5e-5,
    schedule="constant",
    weight_decay=0.0,
    optimiser="adam",
    betas=(0.9, 0.999),
    layer_decay=1.0,
    loss="vehicle",
    loss_weights={},
    discriminator_learning_rate=1e-6,
    accumulate=1,
    clip_gradient_norm=0.0,
    early_stop_epochs=0,
    precision="32-true",
    devices=1,
    nodes=1,
    workers=0,
    stride_bins=None,
    reverse_complement=False,
    shift_bp=0,
    head_epochs=0,
)


def geometry(window_bins: int) -> Geometry:
    return Geometry(bin_bp=5000, window_bins=window_bins, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def filled(model: nn.Module, recipe, prefix: str, gain: float | None = None) -> nn.Module:
    """The model with the deterministic weights of the parity files."""
    state = {key: torch.from_numpy(recipe.fill(prefix + key, v.shape, gain)) for key, v in model.state_dict().items()}
    model.load_state_dict(state)
    return model.eval()


def make_vae(window_bins: int = 200, **options) -> vae.VAE:
    return registry.build("vae", geometry(window_bins), options, COUNTS)


def symmetric(seed: int) -> torch.Tensor:
    maps = np.random.default_rng(seed).random((2, 1, 188, 188))
    return torch.from_numpy(((maps + maps.swapaxes(2, 3)) / 2).astype(np.float32))


# ---------------------------------------------------------------- as released


@torch.no_grad()
def test_discriminator_parity(parity, recipe):
    data = parity("enhancement/hicsr_vehicle_discriminators_recipe")
    model = filled(Discriminator(), recipe, "Dv.")
    assert parameters(model) == 1_551_168
    found = model(torch.from_numpy(data["x_vehicle"])).numpy()
    np.testing.assert_allclose(found, data["d_vehicle"], rtol=1e-4)
    assert model(torch.zeros(1, 1, 257, 257)).shape == (1, 1, 17, 17)


@torch.no_grad()
def test_vae_parity(parity, recipe):
    data = parity("enhancement/vehicle_vae_dl2021_188_recipe")
    model = filled(make_vae(), recipe, "V.")
    assert parameters(model) == 7_098_737
    x, target = symmetric(int(data["x_seed"])), symmetric(int(data["target_seed"]))
    mean, log_variance = model.encode_map(x)
    reconstruction = model.reconstruct(mean)
    for found, key in ((mean, "mu"), (log_variance, "log_var"), (model.encode_map(target)[0], "mu_target")):
        np.testing.assert_allclose(found.numpy(), data[key], rtol=0, atol=1e-5)
    np.testing.assert_allclose(reconstruction[:, :, ::3, ::3].numpy(), data["recon_of_mu"], rtol=0, atol=1e-5)
    assert vae.divergence(mean, log_variance).item() == pytest.approx(float(data["kld"]), rel=1e-5)
    expected = float(data["recon_mse_vs_x"]) + 1e-6 * float(data["kld"])
    assert model.loss(x).item() == pytest.approx(expected, rel=1e-5)
    assert torch.equal(model({"observed": nn.functional.pad(x, (6, 6, 6, 6))}), reconstruction)


def test_vae_has_the_original_size():
    model = make_vae(269)
    assert parameters(model) == 11_820_401
    assert vae.sides(257, 7) == [257, 129, 65, 33, 17, 9, 5, 3]
    assert all(module.output_padding == (0, 0) for module in model.modules() if isinstance(module, nn.ConvTranspose2d))


def test_insulation_parity(parity):
    data = {key: torch.from_numpy(value) for key, value in parity("enhancement/vehicle_insulation").items()}
    for name in "abcd":
        torch.testing.assert_close(losses.insulation_vector(data[name]), data[f"dv_{name}"], atol=1e-5, rtol=0)
    for first, second in ("ab", "cd"):
        found = losses.insulation(data[first], data[second], "published")
        torch.testing.assert_close(found, data[f"loss_{first}{second}"], atol=1e-5, rtol=0)
    difference = losses.insulation_vector(data["a"]) - losses.insulation_vector(data["b"])
    torch.testing.assert_close(losses.insulation(data["a"], data["b"], "corrected"), difference.abs().mean())


def test_total_variation_parity(parity):
    """DeepHiC's."""
    data = parity("enhancement/deephic_generator")
    assert losses.total_variation(torch.from_numpy(data["x"])).item() == pytest.approx(float(data["tv_x"]), rel=1e-5)


@pytest.mark.parametrize(("mode", "tolerance"), [("eval", 1e-5), ("train", 1e-4)])
def test_total_loss_parity(parity, recipe, mode, tolerance):
    data = parity("enhancement/vehicle_total_loss_recipe")
    generator = filled(registry.build("vehicle", geometry(200), {}, {}, protocol="published"), recipe, "G.", 0.5)
    networks = {"vae": filled(make_vae(), recipe, "V.")}
    module = Adversarial(generator, SETTINGS, networks, protocol="published")
    filled(module.discriminator, recipe, "Dv.")
    # Sums in the order of the reference: the first layer's gradient is what is left of terms a hundred times larger.
    module.train(mode == "train").to(memory_format=torch.contiguous_format)
    batch = {
        "map": torch.from_numpy(data["x"]),
        "observed": torch.from_numpy(data["target"]),
        "valid": torch.ones(1, 200, dtype=torch.bool),
    }
    prediction, target, mask = module._compare_whole(batch)
    terms = module.terms(prediction, target, mask)
    total = sum(module.weights[name] * term for name, term in terms.items())
    total.backward()
    found = {
        "l1": terms["pixel"],
        "insulation": terms["insulation"],
        "gan": terms["adversarial"],
        "vae": terms["vae"],
        "total": total,
        "d_total": module.judge(prediction, target),
        "mse": (prediction - target).square().mean(),
    }
    expected = {key.removeprefix(f"{mode}/"): float(data[key]) for key in data.files if key.startswith(f"{mode}/")}
    for key in ("pre_res_block.0.weight", "final_block.4.weight"):
        found_norm = generator.get_parameter(key).grad.norm().item()
        assert found_norm == pytest.approx(expected.pop(f"gradnorm_{key}"), rel=1e-4), key
    assert {key: value.item() for key, value in found.items()} == pytest.approx(expected, rel=tolerance)


# ---------------------------------------------------------------- units


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
@torch.no_grad()
def test_quantile_normalisation_is_clip_and_divide(protocol):
    options = {"channels": 4, "residual_blocks": 1, "residual": False}
    plain = registry.build("vehicle", geometry(24), options, COUNTS, protocol=protocol).eval()
    model = registry.build("vehicle", geometry(24), {**options, "normalisation": "quantile"}, COUNTS, protocol=protocol)
    model.load_state_dict(plain.state_dict())
    contacts = torch.rand(2, 1, 24, 24) * 8
    expected = plain({"map": torch.where(contacts > 4, 1.0, contacts / 4)})
    torch.testing.assert_close(model.eval()({"map": contacts}), expected)
    assert (plain.target, model.target) == ("observed", "counts")
    for network in (model, make_vae(64, normalisation="quantile")):
        assert network.encode(torch.tensor([0.0, 5.0, 20.0, 90.0])).tolist() == [0, 0.25, 1, 1]
        assert network.decode(torch.tensor([0.25, 1.0])).tolist() == [5, 20]


def test_corrected_generator_starts_at_the_normalised_map():
    options = {"channels": 4, "residual_blocks": 1, "normalisation": "quantile"}
    model = registry.build("vehicle", geometry(24), options, COUNTS)
    contacts = torch.rand(1, 1, 24, 24) * 8
    expected = (contacts[..., 6:-6, 6:-6] / 4).clamp(0.01, 0.99)
    torch.testing.assert_close(model({"map": contacts}), expected)


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("window_bins", "expected"),
    [(200, [32, 64, 128, 256, 256, 512]), (269, [32, 64, 128, 256, 256, 512, 512]), (64, [32, 64, 128, 256])],
)
def test_vae_is_as_deep_as_three_pixels_allow(window_bins, expected):
    model = make_vae(window_bins)
    assert [step[0].out_channels for step in model.encoder] == expected
    assert model.smallest[-1] >= 3


@pytest.mark.parametrize("side", [11, 12, 17, 30])
def test_vae_of_any_side_gives_it_back(side):
    model = make_vae(side, channels=[4, 6, 8], crop_bins=0, latent=5)
    assert model.reconstruct(torch.zeros(3, 5)).shape == (3, 1, side, side)


def test_vae_samples_in_training_only():
    model, maps = make_vae(24, channels=[4, 8], latent=5), torch.rand(2, 1, 24, 24)
    assert not torch.equal(model({"observed": maps}), model({"observed": maps}))
    model.eval()
    assert torch.equal(model({"observed": maps}), model({"observed": maps}))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make_vae(24, channels=[4, 4, 4, 4]), "leaves fewer than 2 pixels"),
        (lambda: make_vae(24, channels=[4]).encode_map(torch.zeros(1, 1, 14, 14)), "maps of 12 bins and got 14"),
        (lambda: make_vae(24, normalisation="sqrt"), "'sqrt' is not one of observed, quantile"),
        (lambda: registry.build("vae", geometry(24), {"normalisation": "quantile"}, {}), "counts/low_q999 is missing"),
        (lambda: Discriminator()(torch.zeros(1, 1, 16, 16)), "at least 17 bins and got 16"),
    ],
)
def test_refuses(build, message):
    with pytest.raises(InputError, match=message):
        build()
