"""The released implementations, number by number, on the weights of the parity files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.config import Geometry
from trifold.models import hybrid, registry
from trifold.models.blocks import crop, upper_triangle

KRIUKOV = Geometry(bin_bp=5000, window_bins=200, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
BASENJI = Geometry(bin_bp=2048, window_bins=64, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
SMALL = Geometry(bin_bp=1024, window_bins=64, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
UNIT = {"oe": {"mean": 0.0, "sd": 1.0}}


def stored(data) -> dict[str, torch.Tensor]:
    return {key.removeprefix("sd/"): torch.from_numpy(data[key]) for key in data.files if key.startswith("sd/")}


def parameters(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def largest_difference(found: torch.Tensor, expected: np.ndarray) -> float:
    return np.abs(found.numpy() - expected).max()


@torch.no_grad()
def test_akita_as_released(parity, recipe):
    data = parity("enhancement/akita_dl2021_akita_recipe")
    model = registry.build("akita", KRIUKOV, {}, {}, protocol="published").eval()
    assert model.crop_bins == 10
    assert parameters(model) == 792_225
    model.load_state_dict(
        {k: torch.from_numpy(recipe.fill(f"A.{k}", v.shape, 0.2)) for k, v in model.state_dict().items()}
    )
    steps = {}
    model.trunk[3].register_forward_hook(lambda _, __, y: steps.update(trunk=y))
    model.final.register_forward_hook(lambda _, __, y: steps.update(final=y))
    codes = torch.from_numpy(recipe.unpack2bit(data["seq_packed2bit"]).astype(np.uint8))[None]
    full = model.full_map({"sequence": codes})

    assert largest_difference(steps["trunk"].squeeze(2), data["trunk_pre_relu"]) < 1e-4
    assert largest_difference(steps["final"][0, 0, ::4, ::4], data["final244"]) < 1e-4
    assert largest_difference(upper_triangle(crop(full, 10))[:, 0], data["out_triu_crop10"]) < 1e-4
    assert largest_difference(crop(full, 6)[:, 0], data["out_full_crop6"]) < 1e-4
    resized = torch.nn.functional.interpolate(steps["final"], size=(200, 200), mode="bilinear")
    assert largest_difference(resized[0, 0], data["interp200"]) < 1e-4


def test_akita_keys_are_the_released_ones(recipe):
    lines = (Path(recipe.__file__).parent / "enhancement/akita_dl2021_keys.txt").read_text().splitlines()
    expected = dict(line.split("\t") for line in lines)
    model = registry.build("akita", KRIUKOV, {}, {}, protocol="published")
    assert {key: str(tuple(value.shape)) for key, value in model.state_dict().items()} == expected


@torch.no_grad()
def test_akita_v1_as_in_tensorflow(parity):
    data = parity("enhancement/akita_tf_basenji_131kb")
    options = {"targets": 5, "crop_bins": 4, "clip": float("inf")}
    model = registry.build("akita", BASENJI, options, UNIT, protocol="corrected").eval()
    weights = stored(data)
    # The file numbers convolutions and batch norms in layer order; so does the state dict.
    for kind in ("conv", "bn"):
        modules = [module for name, module in model.named_modules() if name.endswith(f".{kind}")]
        assert len(modules) == 41
        for i, module in enumerate(modules):
            prefix = f"{kind}.{i}."
            state = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
            module.load_state_dict(state, strict=kind == "conv")  # Keras counts no batches
    model.final[0].dense.load_state_dict({"weight": weights["final.weight"], "bias": weights["final.bias"]})
    trunk = []
    model.trunk.register_forward_hook(lambda _, __, y: trunk.append(y))
    y = model({"sequence": torch.from_numpy(data["seq_codes"])[None]})
    assert largest_difference(trunk[0].squeeze(2).mT, data["trunk_out_after_relu"]) < 1e-5
    assert largest_difference(upper_triangle(y).mT, data["y"]) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize(
    ("activation", "given", "expected"),
    [("tanh", "x_hicsr", "y_hicsr_tanh"), ("sigmoid", "x_vehicle", "y_vehicle_sigmoid")],
)
def test_generator_as_released(parity, activation, given, expected):
    data = parity("enhancement/hicsr_vehicle_generator_1res")
    options = {"residual_blocks": 1, "activation": activation}
    model = registry.build("vehicle", KRIUKOV, options, {}, protocol="published").eval()
    assert parameters(model) == 1_220_801
    model.load_state_dict(stored(data))
    assert largest_difference(model({"map": torch.from_numpy(data[given])}), data[expected]) < 1e-5


def test_generator_has_the_published_size():
    assert parameters(registry.build("vehicle", KRIUKOV, {}, {}, protocol="published")) == 2_258_369


@torch.no_grad()
def test_hybrid_head_as_released(parity):
    data = parity("enhancement/hybrid_head")
    head = hybrid.Head(16, last_relu=True)
    assert parameters(head) == 449
    head.load_state_dict(stored(data))
    akita, image, target = (torch.from_numpy(data[name]) for name in ("akita", "vehicle", "target"))
    y = head(hybrid.stack(akita, image))
    assert largest_difference(y, data["y_train_path"]) < 1e-6
    assert largest_difference(hybrid.published_forward_bug(head, akita, image), data["y_forward_path_bug"]) < 1e-6
    assert largest_difference(hybrid.published_test_overwrite(y, target), data["y_test_overwritten"]) < 1e-6
    assert (hybrid.published_test_overwrite(y, target) == target).sum() >= 2 * 562


@torch.no_grad()
def test_published_hybrid_is_its_parts():
    """Whole module = head over (akita + 2) / 4 cropped by 6 and the generator's map."""
    options = {"channels": 8, "bottleneck": 8, "head_channels": 8, "trunk_blocks": 1, "head_blocks": 1}
    parts = {
        "sequence": registry.build("akita", SMALL, options, {}, protocol="published"),
        "image": registry.build("vehicle", SMALL, {"channels": 4, "residual_blocks": 1}, {}, protocol="published"),
    }
    model = registry.build("hybrid", SMALL, {}, {}, parts, protocol="published").eval()
    batch = {"sequence": torch.randint(0, 4, (2, 65536), dtype=torch.uint8), "map": torch.rand(2, 1, 64, 64)}
    akita = parts["sequence"].full_map(batch)[..., 6:-6, 6:-6]
    expected = model.head(torch.cat([akita / 4 + 0.5, parts["image"](batch)], dim=1))
    torch.testing.assert_close(model(batch), expected)
