"""The contract every architecture keeps (docs/architecture.md), on all of them."""

import contextlib
import inspect
from dataclasses import asdict
from importlib import import_module

import pytest
import torch
from torch import nn

from trifold.architectures import ARCHITECTURES, crop_of, windows_of, with_options
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import registry, weights
from trifold.models.blocks import crop, pixel_mask
from trifold.models.hicfoundation import MaskedAutoencoder
from trifold.models.ready import CORRECTED
from trifold.tasks import TASKS
from trifold.training.batch_norm import Layer, following
from trifold.training.rates import rates_loss
from trifold.training.regression import pixel_loss

GEOMETRY = Geometry(bin_bp=32, window_bins=24, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
# 40 = 2^5 + 8: five halvings leave 30 pixels for 24 bins, which takes the resize.
ODD = Geometry(bin_bp=40, window_bins=24, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
COUNTS = {"ratio": 15.0, "low_max": 6.0, "deep_max": 90.0, "low_q999": 5.0, "deep_q999": 80.0}
COUNTS |= {"low_per_balanced": 40.0, "deep_per_balanced": 600.0}
STATISTICS = {"oe": {"mean": -0.1, "sd": 0.4}, "counts": COUNTS, "coarsen": 2, "low_bias": {"mean_log_weight": -1.0}}
STATISTICS |= {"recipes": asdict(CORRECTED), "low": {"factor": 2.0}, "tracks": ["atac"]}
STATISTICS |= {"embeddings": {"channels": 12}}
# Of windows about pairs: two tracks at a quarter of a bin.
PAIR_STATISTICS = {"tracks": ["atac", "dnase"], "track_bp": GEOMETRY.bin_bp // 4, "n_diagonals": 64, "loops": 3}
PAIR_STATISTICS |= {"log_tracks": True}
ALIGNED_IMAGE = {"pair_channels": 4, "distance_channels": 2, "image_channels": 8, "residual_blocks": 2}
VIT = {"patch_size": 8, "width": 16, "depth": 2, "heads": 2} | {
    "decoder_width": 16,
    "decoder_depth": 2,
    "decoder_heads": 2,
}
OPTIONS = {
    "akita": {"channels": 12, "bottleneck": 8, "head_channels": 8, "trunk_blocks": 2, "head_blocks": 2},
    "vehicle": {"channels": 8, "residual_blocks": 2},
    "vae": {"channels": [8, 16], "latent": 4},
    "akita-graph": {"channels": 12, "bottleneck": 8, "trunk_blocks": 2, "graph_blocks": 2, "head_width": 4}
    | {"edge_features": 4, "pixel_channels": 8},
    "aligned": {"channels": 12, "bottleneck": 8, "trunk_blocks": 2} | ALIGNED_IMAGE,
    "aligned-bias": {"bias_features": 8} | ALIGNED_IMAGE,
    "akita-embedded": {"bottleneck": 8, "head_channels": 8, "head_blocks": 2},
    "aligned-embedded": {"bottleneck": 8} | ALIGNED_IMAGE,
    "deephic": {"channels": 8, "residual_blocks": 1},
    "hicsr": {"channels": 8, "residual_blocks": 1},
    "hicsr-dae": {"channels": 8},
    "hicgan": {"channels": 8, "residual_blocks": 1},
    "hicfoundation": VIT,
    "hicfoundation-seq": {"sequence_channels": [8, 8, 8], "sequence_pool": 2} | VIT,
    "hicfoundation-embedded": VIT,
    "hicfoundation-mae": VIT,
    "mixhic": {"embed_dim": 8, "heads": 2, "depth": 1},
    "trifold": {"channels": 8, "residual_blocks": 2, "track_channels": 4},
    "epcot": {"channels": [4, 4, 8], "hidden_dim": 12, "heads": 2, "layers": 1, "pool_bins": 2}
    | {"embed_dim": 12, "trunk_heads": 2},
    "epcot/window": {"pixel_channels": 4, "tower_blocks": 2},
    # As released 14,000 bins of the tracks to a bin of the map: tests/models/test_epiphany.py.
    "epiphany": {"channels": [8, 8, 8, 6], "pooled_bins": 5, "recurrent": 6, "dense": 8, "context_bins": 430},
    "corigami": {"stem": 4, "channels": [4, 4, 6], "hidden": 8, "heads": 2, "layers": 1, "feed_forward": 8}
    | {"residual_blocks": 1},
}
# As released they pad the map and crop nothing.
PADDED = {"deephic", "hicgan"}
# What the released code predicts need not be symmetric.
ASYMMETRIC = {("vehicle", "published"), ("hicplus", "published"), ("deephic", "published"), ("hicsr", "published")} | {
    ("hicsr-dae", "published"),
    ("hicgan", "published"),
    ("vae", "published"),
    ("vae", "corrected"),
    *(
        (name, "published")
        for name in ("hicfoundation", "hicfoundation-seq", "hicfoundation-embedded", "hicfoundation-mae")
    ),
}
CASES = [
    (name, task, protocol, geometry)
    for name, kind in ARCHITECTURES.items()
    if name != "vgg16"  # neither predicts nor learns: tests/models/test_deephic.py
    and kind.fitter != "program"  # no network
    for task in kind.tasks
    for protocol in (registry.PROTOCOLS if kind.learned else ["corrected"])
    for geometry in ((GEOMETRY, ODD) if "sequence" in kind.inputs else (GEOMETRY,))
]


def cases(chosen: list[tuple]) -> pytest.MarkDecorator:
    ids = [f"{name}-{task}-{protocol}-{geometry.bin_bp}bp" for name, task, protocol, geometry in chosen]
    return pytest.mark.parametrize(("name", "task", "protocol", "geometry"), chosen, ids=ids)


every_network = pytest.mark.parametrize(
    ("name", "task"),
    [(name, task) for name, kind in ARCHITECTURES.items() if kind.fitter != "program" for task in kind.tasks],
)
every_model = cases(CASES)
every_learned_model = cases([case for case in CASES if ARCHITECTURES[case[0]].learned])
every_fitted_model = cases([case for case in CASES if ARCHITECTURES[case[0]].fitted])


def make(name: str, protocol: str, geometry: Geometry, task: str = "maps", **options):
    torch.manual_seed(0)
    backbones = None
    if name == "hybrid":
        backbones = {"sequence": make("akita", protocol, geometry), "image": make("vehicle", protocol, geometry)}
    statistics = STATISTICS if TASKS[task].whole_maps else PAIR_STATISTICS
    small = OPTIONS.get(name, {}) | OPTIONS.get(f"{name}/{task}", {})
    return registry.build(name, geometry, small | options, statistics, backbones, protocol, task)


def make_batch(geometry: Geometry, windows: int = 2, coarsen: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    w = geometry.window_bins

    def symmetric(side: int) -> torch.Tensor:
        maps = torch.rand(windows, 1, side, side, generator=generator)
        return (maps + maps.mT) / 2

    coarse = symmetric(w // coarsen)
    return {
        "sequence": torch.randint(0, 5, (windows, geometry.window_bp), generator=generator, dtype=torch.uint8),
        "map_coarse": coarse,
        "map": nn.functional.interpolate(coarse, size=(w, w), mode="bilinear", align_corners=False),
        "valid": torch.ones(windows, w, dtype=torch.bool),
        "low_valid": torch.ones(windows, w, dtype=torch.bool),
        "observed": symmetric(w),
        "oe": symmetric(w) * 2 - 1,
        "bias": torch.randn(windows, -(-w // coarsen), generator=generator).repeat_interleave(coarsen, dim=1)[:, :w],
        "counts": (90 * symmetric(w)).round(),
        "total": torch.full((windows,), 5e7),
        "total_bp": torch.full((windows,), 1e8),
        "map_expected": 0.2 + symmetric(w),
        "rates": (20 * symmetric(w)).round(),
        "rates_expected": 10 * symmetric(w),
        "tracks": torch.rand(windows, 1, w, generator=generator),
        "tracks_valid": torch.ones(windows, 1, w, dtype=torch.bool),
        "embeddings": torch.randn(windows, STATISTICS["embeddings"]["channels"], w, generator=generator),
        "embeddings_valid": torch.arange(w).expand(windows, -1) != 3,
    }


def make_pairs(geometry: Geometry, windows: int = 4) -> dict[str, torch.Tensor]:
    """Windows about pairs of bins, tracks of both stretches, labels of every kind."""
    generator, w = torch.Generator().manual_seed(2), geometry.window_bins
    x = torch.randint(w, 200, (windows,), generator=generator)
    return {
        "pair": torch.stack([x, x + torch.arange(windows)], dim=1),
        "chromosome": torch.arange(windows) % 2,
        "index": torch.arange(windows),
        "map": torch.rand(windows, 1, w, w, generator=generator),
        "expected": torch.full((windows, 1, w, w), 0.5),
        "tracks": torch.rand(windows, 2 * geometry.window_bp // PAIR_STATISTICS["track_bp"], 2, generator=generator),
        "label": (torch.arange(windows)[:, None] % 2).float(),
        "cage": torch.rand(windows, 2 * w, generator=generator),
        "sequence": torch.randint(0, 5, (windows, 2 * geometry.window_bp), generator=generator, dtype=torch.uint8),
    }


def batch_of(model, geometry: Geometry, task: str = "maps") -> dict[str, torch.Tensor]:
    """A batch whose low map is on the model's scale."""
    if not TASKS[task].whole_maps:
        return make_pairs(geometry)
    batch = make_batch(geometry)
    return batch | {name: 6 * batch[name] for name in ("map", "map_coarse") if model.target == "counts"}


def loss_of(model, batch, task: str = "maps") -> torch.Tensor:
    if model.terms:
        return model.total(model(batch), model.warmup_epochs)  # of all of them
    if not TASKS[task].whole_maps:
        return model.loss_and_prediction(batch)[0]
    if task == "rates":
        return rates_loss(*model.rates(batch), batch)[0]
    if isinstance(model, MaskedAutoencoder):  # more than the map it predicts
        return model.loss(batch[model.target])
    target = crop(model.encode(batch[model.target]), model.crop_bins)
    return pixel_loss(model(batch), target, pixel_mask(batch["valid"], model.target, model.crop_bins), "mse")


# Entries of a batch that come with another.
READ_WITH = {"map_coarse": "map", "map_expected": "map", "expected": "map"}
READ_WITH |= {"total_bp": "total", "low_valid": "bias", "tracks_valid": "tracks"}
READ_WITH |= {"embeddings_valid": "embeddings"}


def read_by(model, geometry: Geometry, task: str) -> dict[str, torch.Tensor]:
    """Of a batch what a model reads: its inputs; a network of a loss reads the target; a row where its windows lie, and
    one that is no network what else comes with any window."""
    beside = {"pair"} if model.learned else {"pair", "valid", "chromosome"}
    reads = {*model.inputs, *beside} if model.predicts or not TASKS[task].whole_maps else {model.target}
    return {key: own for key, own in batch_of(model, geometry, task).items() if READ_WITH.get(key, key) in reads}


@every_model
def test_shape_and_symmetry(name, task, protocol, geometry):
    model = make(name, protocol, geometry, task).eval()
    with torch.no_grad():
        y = model(read_by(model, geometry, task))
    if model.terms:
        assert set(y) == set(model.terms) and all(term.shape == () and term.isfinite() for term in y.values())
        return
    side, w = geometry.window_bins - 2 * model.crop_bins, geometry.window_bins
    shapes = {
        "maps": (2, 1, side, side),
        "rates": (2, 1, w, w),
        "loop": (4, 1),
        "window": (4, 1, w, w),
        "cage": (4, 2 * w),
    }
    assert y.shape == shapes[task]
    assert y.dtype == torch.float32
    assert y.isfinite().all()
    if TASKS[task].whole_maps and (name, protocol) not in ASYMMETRIC:
        torch.testing.assert_close(y, y.mT, atol=1e-5, rtol=0)


@every_network
def test_a_class_is_what_its_module_declares(name, task):
    """The literal that is read from the source, and the class."""
    traits, network = ARCHITECTURES[name].at(task), registry.kind(name, task)
    declared = import_module(traits.module).ARCHITECTURES[name]
    declared = declared | declared.get("tasks", {}).get(task, {})
    assert (
        (network.inputs, network.target)
        == (traits.inputs, traits.target)
        == (
            frozenset(declared["inputs"]),
            declared["target"],
        )
    )
    assert (network.learned, network.predicts) == (traits.learned, traits.predicts)
    undecided = {option for option, default in traits.options.items() if default is None}
    assert set(traits.kinds) == undecided and set(traits.choices) <= set(traits.options)


OTHERWISE = [
    ("vehicle", protocol, {"normalisation": "quantile"}, {"map"}, "counts") for protocol in registry.PROTOCOLS
] + [
    ("vae", "published", {"normalisation": "quantile"}, set(), "counts"),
    ("hicfoundation", "published", {}, {"map", "total"}, "counts"),
    ("hicfoundation", "published", {"encoding": "window"}, {"map"}, "observed"),
    ("hicfoundation", "corrected", {}, {"map"}, "observed"),
    ("hicfoundation-seq", "published", {}, {"map", "sequence"}, "observed"),
    ("hicfoundation-seq", "published", {"encoding": "contacts"}, {"map", "sequence", "total"}, "counts"),
    ("hicfoundation-embedded", "published", {"encoding": "contacts"}, {"map", "embeddings", "total"}, "counts"),
]
OTHERWISE = [(name, "maps", *rest) for name, *rest in OTHERWISE] + [
    ("epcot", task, protocol, {"dna": dna}, {"sequence", "tracks"} if dna else {"tracks"}, target)
    for task, target in (("window", "map"), ("cage", "cage"))
    for protocol in registry.PROTOCOLS
    for dna in (True, False)
]


@pytest.mark.parametrize(("name", "task", "protocol", "options", "inputs", "target"), OTHERWISE)
def test_y15_the_plan_knows_what_options_change(name, task, protocol, options, inputs, target):
    known, model = with_options(name, options, protocol, task), make(name, protocol, GEOMETRY, task, **options)
    assert (known.inputs, known.target) == (model.inputs, model.target) == (inputs, target)


@every_model
def test_a_network_is_what_the_plan_knows(name, task, protocol, geometry):
    known, model = with_options(name, {}, protocol, task), make(name, protocol, geometry, task)
    assert (known.inputs, known.target) == (model.inputs, model.target)


# What no option says: windows and tracks of MIX-HIC, which `make` takes from the statistics, and what a class tells its
# base class.
GIVEN = {
    "mixhic": {"window_bins", "tracks", "track_bins", "idle_norms"},
    "hicfoundation": {"encoder"},
    "hicfoundation-seq": {"encoder"},
    "hicfoundation-embedded": {"encoder"},
}


def arguments_of(network: type) -> set[str]:
    """Keywords that a constructor takes, those that it hands on to the constructor of a base class among them."""
    taken = set()
    for kind in network.__mro__:
        if "__init__" in vars(kind):
            parameters = inspect.signature(kind.__init__).parameters.values()
            taken |= {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                break
    return taken


@every_network
def test_options_are_the_arguments_of_the_constructor(name, task):
    """All of them, and no other: an argument that is not declared could not be given, an option too many is refused."""
    network = registry.kind(name, task)
    context = set(network.context) - ({"statistics"} if name == "mixhic" else set())
    assert arguments_of(network) == set(ARCHITECTURES[name].at(task).options) | context | GIVEN.get(name, set())


@every_model
def test_the_plan_knows_what_is_cropped(name, task, protocol, geometry):
    """As released, DeepHiC and hicGAN pad instead."""
    known = crop_of(name, OPTIONS.get(name, {}), geometry.window_bins)
    assert make(name, protocol, geometry, task).crop_bins in ({known, 0} if name in PADDED else {known})


def predicted(name, task, protocol, window_bins):
    geometry = Geometry(bin_bp=32, window_bins=window_bins, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    model = make(name, protocol, geometry, task)
    found = model(read_by(model, geometry, task))
    return torch.stack(list(found.values())) if model.terms else found


@pytest.mark.parametrize(("name", "task", "protocol"), sorted({case[:3] for case in CASES}))
def test_d18_the_least_window_is_what_the_network_needs(name, task, protocol):
    """On it there is a prediction of a pixel or more; on the next smaller one there is none where a map is cropped."""
    least, step = windows_of(name, OPTIONS.get(name, {}))
    smaller = least - (step if TASKS[task].whole_maps else 2)  # windows about a pair are even
    assert predicted(name, task, protocol, least).numel() >= 2
    # As released some pad instead; where MIX-HIC infers the map, it infers one of no token.
    if least > 8 and protocol == "corrected" and task != "window":
        with contextlib.suppress(InputError, RuntimeError):
            assert predicted(name, task, protocol, smaller).numel() == 0


@every_learned_model
def test_every_parameter_gets_a_finite_gradient(name, task, protocol, geometry):
    model = make(name, protocol, geometry, task).train()
    if protocol == "corrected":  # what starts at zero hides the gradient of what comes before it
        for parameter in model.parameters():
            nn.init.normal_(parameter, 0.0, 0.1)
    loss_of(model, batch_of(model, geometry, task), task).backward()
    for key, parameter in model.named_parameters():
        if not parameter.requires_grad:  # tables, and what the protocol freezes
            continue
        if parameter.grad is None and model.has_idle_parameters:  # which these are, tests/models/test_mixhic.py says
            continue
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        if protocol == "corrected":
            assert parameter.grad.abs().max() > 0, key


@every_fitted_model
def test_weights_round_trip(tmp_path, name, task, protocol, geometry):
    model, other = make(name, protocol, geometry, task), make(name, protocol, geometry, task)
    for tensor in other.state_dict().values():
        if tensor.is_floating_point():
            nn.init.normal_(tensor)
    assert any(not torch.equal(own, other.state_dict()[key]) for key, own in model.state_dict().items())
    weights.save(tmp_path / "a", model.state_dict(), arm={"name": name}, version="1")
    weights.load(tmp_path / "a", other, name)
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[key]), key


@every_learned_model
def test_learns_one_batch_by_heart(name, task, protocol, geometry):
    model = make(name, protocol, geometry, task).train()
    batch = batch_of(model, geometry, task)
    for module in model.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
    optimiser = torch.optim.Adam(model.parameters(), lr=0.003)

    def compared() -> float:
        """The loss; of a network with a discriminator, whose losses are a game, what it is validated by."""
        with torch.no_grad():
            return loss_of(model.train(not hasattr(model, "discriminator")), batch, task).item()

    first = compared()
    for _ in range(40):
        optimiser.zero_grad()
        loss = loss_of(model.train(), batch, task)
        loss.backward()
        optimiser.step()
    assert compared() < 0.9 * first


def test_other_targets_of_one_model():
    model = make("akita", "corrected", GEOMETRY, targets=3)
    assert model(make_batch(GEOMETRY)).shape == (2, 3, 22, 22)


def test_crop_is_a_twentieth_of_the_window_or_what_is_asked():
    wide = Geometry(bin_bp=5000, window_bins=200, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    assert make("akita", "published", wide).crop_bins == 10
    assert make("akita", "published", wide, crop_bins=4).crop_bins == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unet", GEOMETRY, {}, {}), "architecture 'unet' is not known; choose from .*'akita'.*'identity'"),
        (("vehicle", GEOMETRY, {"width": 3}, {}), "options/width: the architecture 'vehicle' has no such option"),
        (("akita", GEOMETRY, {}, STATISTICS, None, "mended"), "protocol 'mended'"),
        (("hybrid", GEOMETRY, {}, {}), "'sequence', 'image'.* is missing"),
        (
            ("mixhic", GEOMETRY, {}, PAIR_STATISTICS),
            "task of 'mixhic' 'maps' is not known; choose from .*'cage', 'loop'",
        ),
        (("akita", GEOMETRY, {}, STATISTICS, None, "corrected", "loop"), r"task of 'akita' 'loop' .* \['maps'\]"),
    ],
)
def test_refuses_what_it_does_not_know(arguments, message):
    with pytest.raises(InputError, match=message):
        registry.build(*arguments)


def test_refuses_exchanged_backbones():
    swapped = {"sequence": make("vehicle", "corrected", GEOMETRY), "image": make("akita", "corrected", GEOMETRY)}
    with pytest.raises(InputError, match="exchange the arms"):
        registry.build("hybrid", GEOMETRY, {}, {}, swapped)


def test_refuses_sequences_of_another_length():
    with pytest.raises(InputError, match="768 bp"):
        make("akita", "corrected", GEOMETRY)({"sequence": torch.zeros(1, 700, dtype=torch.uint8)})


@every_learned_model
def test_y10_batch_norm_is_declared(name, task, protocol, geometry):
    """Of the layers that follow the data in training: those of a corrected hybrid's backbones do not."""
    model = make(name, protocol, geometry, task)
    with_sequence = name in ("hicfoundation-seq", "hicfoundation-embedded")
    if with_sequence and protocol == "published":  # which has none, in the sequence's part of "corrected"
        assert not following(model)
    elif name == "hybrid" and protocol == "published":  # whose backbones are trained with the rest, as released
        assert following(model) and not model.has_batch_norm
    else:
        assert model.has_batch_norm == bool(following(model))
    assert all(
        isinstance(layer, Layer) for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)
    )
