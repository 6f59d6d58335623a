"""What single architectures promise: baselines against SciPy and torch, the corrected protocols against their text."""

import numpy as np
import pytest
import scipy.ndimage
import torch
from test_registry import GEOMETRY, STATISTICS, make, make_batch
from torch import nn

from trifold import code
from trifold.architectures import ARCHITECTURES
from trifold.models import blocks, registry

W = GEOMETRY.window_bins
# Of trifold/models what the version of an architecture holds: its module and blocks, or these, which it stands on.
HELD = {
    "gaussian-tuned": {"tuned", "baselines", "blocks"},
    "gaussian-by-distance": {"tuned", "baselines", "blocks"},
    "gc": {"gc", "baselines", "blocks"},
    "akita": {"akita", "trunk", "checkpoint", "blocks"},
    "akita-graph": {"akita_graph", "trunk", "checkpoint", "blocks"},
    "aligned": {"aligned", "trunk", "generator", "blocks"},
    "aligned-bias": {"aligned", "trunk", "generator", "blocks"},
    "vehicle": {"vehicle", "generator", "quantile", "checkpoint", "blocks"},
    "vae": {"vae", "quantile", "checkpoint", "blocks"},
    # HiCSR's generator is VEHiCLE's with a tanh.
    "hicsr": {"hicsr", "vehicle", "generator", "quantile", "checkpoint", "blocks"},
    "hicsr-dae": {"hicsr", "vehicle", "generator", "quantile", "checkpoint", "blocks"},
    # Its backbones are arms, whose modules its jobs load by name.
    "hybrid": {"hybrid", "checkpoint", "blocks"},
    "hicplus": {"hicplus", "checkpoint", "blocks"},
    "deephic": {"deephic", "checkpoint", "blocks"},
    "hicgan": {"hicgan", "hicsr", "vehicle", "generator", "quantile", "checkpoint", "blocks"},
    "vgg16": {"deephic", "checkpoint", "blocks"},
    "hicfoundation": {"hicfoundation", "similarity", "checkpoint", "blocks"},
    "hicfoundation-mae": {"hicfoundation", "similarity", "checkpoint", "blocks"},
    "hicfoundation-seq": {"lau", "hicfoundation", "similarity", "checkpoint", "blocks"},
    "dloopcaller": {"dloopcaller", "mixhic", "blocks"},
    "epcot": {"epcot", "mixhic", "blocks"},
    "epi-cnn": {"graphreg", "mixhic", "blocks"},
    "epi-graph": {"graphreg", "mixhic", "blocks"},
    "corigami": {"corigami", "mixhic", "blocks"},
    "akita-embedded": {"embedded", "akita", "aligned", "checkpoint", "generator", "trunk", "blocks"},
    "aligned-embedded": {"embedded", "akita", "aligned", "checkpoint", "generator", "trunk", "blocks"},
    "epiphany": {"epiphany", "mixhic", "blocks"},
    "hicfoundation-embedded": {
        "lau_embedded",
        "akita",
        "aligned",
        "checkpoint",
        "embedded",
        "generator",
        "hicfoundation",
        "lau",
        "similarity",
        "trunk",
        "blocks",
    },
}


def test_an_architecture_s_version_holds_what_it_stands_on_and_no_other():
    held = {}
    for name, kind in ARCHITECTURES.items():
        if kind.fitter == "program":  # no network: a folder of `programs/`
            continue
        module = code.ROOT / f"{kind.module.replace('.', '/')}.py"
        reached = {module, *code.modules_of(module)}
        held[name] = {path.stem for path in reached if path.parent == module.parent} - {"__init__"}
    usual = {name: {kind.module.rpartition(".")[2], "blocks"} for name, kind in ARCHITECTURES.items() if name in held}
    assert held == usual | HELD


def test_identity_is_the_upsampled_map():
    batch = make_batch(GEOMETRY)
    assert torch.equal(registry.build("identity", GEOMETRY, {}, {})(batch), batch["map"])


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.3, 12.0])
def test_gaussian_is_scipys(sigma):
    batch = make_batch(GEOMETRY)
    y = registry.build("gaussian", GEOMETRY, {"sigma_bins": sigma}, {})(batch)
    expected = scipy.ndimage.gaussian_filter(batch["map"].numpy(), (0, 0, sigma, sigma))
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-6)


def test_bicubic_upsamples_the_coarse_map():
    model = registry.build("bicubic", GEOMETRY, {}, {})
    coarse = torch.rand(1, 1, W // 2, W // 2)
    expected = nn.functional.interpolate(coarse, scale_factor=2, mode="bicubic")
    assert torch.equal(model({"map": torch.zeros(1, 1, W, W), "map_coarse": coarse}), expected)
    # Not coarser: the mean of 2 × 2 pixels is what is interpolated.
    same = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)
    torch.testing.assert_close(model({"map": same, "map_coarse": same}), expected)


def test_one_hot_of_n_is_zero():
    hot = blocks.one_hot(torch.tensor([[0, 1, 2, 3, 4]], dtype=torch.uint8))
    assert torch.equal(hot[0, :, 0], torch.eye(4, 5))


def test_sequence_convolution_is_conv1d():
    layer, x = blocks.SequenceConv(4, 6, 5, dilation=3, bias=False), torch.rand(2, 4, 50)
    expected = nn.functional.conv1d(x, layer.weight, padding=6, dilation=3)
    torch.testing.assert_close(layer(x[:, :, None]).squeeze(2), expected)


def test_dilations_are_akitas():
    assert blocks.dilations(8) == [1, 2, 3, 5, 9, 16, 29, 50]


def test_upper_triangle_runs_row_by_row():
    values = torch.arange(25.0).reshape(1, 1, 5, 5)
    assert blocks.upper_triangle(values).tolist() == [[[2, 3, 4, 8, 9, 14]]]


@torch.no_grad()
def test_reverse_complement_reverses_the_map():
    """Swap the filters' strands and the map of the reversed sequence is the reversed map: no offset in any layer."""
    model, batch = make("akita", "corrected", GEOMETRY).eval(), make_batch(GEOMETRY)
    flipped = make("akita", "corrected", GEOMETRY).eval()
    for module in flipped.modules():
        if isinstance(module, nn.Conv1d):
            module.weight.copy_(module.weight.flip(-1))
        elif isinstance(module, nn.Conv2d):
            module.weight.copy_(module.weight.flip(-1, -2))
    y = flipped({"sequence": batch["sequence"].flip(-1)})
    torch.testing.assert_close(y.flip(-1, -2), model(batch), atol=1e-5, rtol=1e-4)


def test_corrected_akita_starts_from_akitas_choices():
    model = make("akita", "corrected", GEOMETRY)
    assert {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}
    residuals = [m for m in model.modules() if isinstance(m, blocks.DilatedResidual)]
    assert len(residuals) == 4
    assert all((residual[1].bn.weight == 0).all() for residual in residuals)
    assert not any(isinstance(m, nn.Dropout2d) for m in model.modules())
    assert (model.mean, model.sd) == (STATISTICS["oe"]["mean"], STATISTICS["oe"]["sd"])


@pytest.mark.parametrize(("protocol", "clips_in_training"), [("published", True), ("corrected", False)])
def test_akita_clips(protocol, clips_in_training):
    model, batch = make("akita", protocol, GEOMETRY), make_batch(GEOMETRY)
    nn.init.constant_(model.final[0].dense.bias, 100.0)
    assert (model.eval()(batch) == 2).all()
    assert (model.train()(batch) == 2).all() == clips_in_training


@torch.no_grad()
def test_corrected_generator_starts_at_its_input():
    batch = make_batch(GEOMETRY)
    expected = blocks.crop(batch["map"], 6).clamp(0.01, 0.99)
    torch.testing.assert_close(make("vehicle", "corrected", GEOMETRY)(batch), expected)


@torch.no_grad()
def test_corrected_hybrid_starts_at_its_image_arm():
    model, batch = make("hybrid", "corrected", GEOMETRY), make_batch(GEOMETRY)
    expected = make("vehicle", "corrected", GEOMETRY).eval()(batch)
    for mode in (True, False):
        torch.testing.assert_close(model.train(mode)(batch), expected)


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_frozen_backbones_keep_weights_and_statistics(protocol):
    model, batch = make("hybrid", protocol, GEOMETRY).train(), make_batch(GEOMETRY)
    nn.init.constant_(model.head[3].bias, 0.5)
    model.freeze_backbones()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model(batch).sum().backward()
    assert all((p.grad is not None) == key.startswith("head.") for key, p in model.named_parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    model.freeze_backbones(False)
    assert model.sequence.training == (protocol == "published")
    model(batch).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
