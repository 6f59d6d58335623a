"""How a network is built by the name of its architecture; its module is loaded when it is asked for.

What an architecture is, its module declares (`trifold.architectures`).
"""

from importlib import import_module

import torch

from trifold.architectures import ARCHITECTURES, check_options
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.blocks import Architecture

PROTOCOLS = ("published", "corrected")


def _refuse(what: str, value, known) -> None:
    raise InputError(f"{what} {value!r} is not known; choose from {sorted(known)}")


def kind(architecture: str) -> type[Architecture]:
    """The class of an architecture. Raises InputError for a name that does not exist."""
    if architecture not in ARCHITECTURES:
        _refuse("architecture", architecture, ARCHITECTURES)
    traits = ARCHITECTURES[architecture]
    return getattr(import_module(traits.module), traits.network)


def build(
    architecture: str,
    geometry: Geometry,
    options: dict,
    statistics: dict,
    backbones: dict[str, Architecture] | None = None,
    protocol: str = "corrected",
) -> Architecture:
    """A freshly initialised model of the architecture; `options` override its defaults.

    statistics: the data set's statistics.json; backbones: role -> model.
    Raises InputError for a name or an option that does not exist, listing those that do.
    """
    network = kind(architecture)
    if protocol not in PROTOCOLS:
        _refuse("protocol", protocol, PROTOCOLS)
    check_options(architecture, options, "options")
    given = {"statistics": statistics, "backbones": backbones, "protocol": protocol}
    context = {name: given[name] for name in network.context}
    model = network(geometry, **context, **{**ARCHITECTURES[architecture].options, **options})
    # Small 2-D convolutions are a third faster on a CPU with channels last.
    return model.to(memory_format=torch.channels_last)
