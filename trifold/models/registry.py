"""Names of architectures, their hyper-parameters and how one is built."""

from typing import NamedTuple

import torch

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.akita import Akita
from trifold.models.baselines import Bicubic, Gaussian, Identity
from trifold.models.blocks import Architecture
from trifold.models.hybrid import Hybrid
from trifold.models.vehicle import Generator

PROTOCOLS = ("published", "corrected")


class Entry(NamedTuple):
    kind: type[Architecture]
    options: dict  # hyper-parameter -> default, as published


ARCHITECTURES: dict[str, Entry] = {
    "identity": Entry(Identity, {}),
    "gaussian": Entry(Gaussian, {"sigma_bins": 1.0}),
    "bicubic": Entry(Bicubic, {}),
    "akita": Entry(
        Akita,
        {
            "channels": 96,
            "bottleneck": 64,
            "head_channels": 48,
            "trunk_blocks": 8,
            "head_blocks": 6,
            "trunk_dropout": 0.4,
            "head_dropout": 0.1,
            "bn_eps": None,
            "clip": 2.0,
            "crop_bins": None,
            "targets": 1,
        },
    ),
    "vehicle": Entry(
        Generator,
        {
            "channels": 64,
            "residual_blocks": 15,
            "final_channels": None,
            "activation": "sigmoid",
            "residual": None,
        },
    ),
    "hybrid": Entry(Hybrid, {"head_channels": 16}),
}


def _refuse(what: str, value, known) -> None:
    raise InputError(f"{what} {value!r} is not known; choose from {sorted(known)}")


def build(
    architecture: str,
    geometry: Geometry,
    options: dict,
    statistics: dict,
    backbones: dict[str, Architecture] | None = None,
    protocol: str = "corrected",
) -> Architecture:
    """A freshly initialised model of the architecture; `options` override its defaults.

    statistics: the data set's statistics.json; backbones: role -> model, hybrid only.
    Raises InputError for a name or an option that does not exist, listing those that do.
    """
    if architecture not in ARCHITECTURES:
        _refuse("architecture", architecture, ARCHITECTURES)
    if protocol not in PROTOCOLS:
        _refuse("protocol", protocol, PROTOCOLS)
    kind, defaults = ARCHITECTURES[architecture]
    for option in options:
        if option not in defaults:
            _refuse(f"option of architecture {architecture!r}", option, defaults)
    given = {"statistics": statistics, "backbones": backbones, "protocol": protocol}
    model = kind(geometry, **{name: given[name] for name in kind.context}, **{**defaults, **options})
    # Small 2-D convolutions are a third faster on a CPU with channels last.
    return model.to(memory_format=torch.channels_last)
