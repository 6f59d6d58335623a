"""How a network is built by the name of its architecture; its module is loaded when it is asked for.

What an architecture is, its module declares (`trifold.architectures`).
"""

from importlib import import_module

import torch

from trifold.architectures import ARCHITECTURES, check_options, traits
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.blocks import Architecture

PROTOCOLS = ("published", "corrected")


def _refuse(field: str, value, known) -> None:
    raise InputError(f"{field} {value!r} is not known; choose from {sorted(known)}")


def kind(architecture: str, task: str | None = None) -> type[Architecture]:
    """The class of an architecture in a task, by default its first. Raises InputError for names that do not exist."""
    if architecture not in ARCHITECTURES:
        _refuse("architecture", architecture, ARCHITECTURES)
    known = ARCHITECTURES[architecture]
    task = next(iter(known.tasks)) if task is None else task
    if task not in known.tasks:
        _refuse(f"task of {architecture!r}", task, known.tasks)
    return getattr(import_module(known.module), known.at(task).network)


def build(
    architecture: str,
    geometry: Geometry,
    options: dict,
    statistics: dict,
    backbones: dict[str, Architecture] | None = None,
    protocol: str = "corrected",
    task: str = "maps",
) -> Architecture:
    """A freshly initialised model of the architecture; `options` override its defaults.

    statistics: the data set's statistics.json; backbones: role -> model; task: of `trifold.tasks`.
    Raises InputError for a name or an option that does not exist, listing those that do.
    """
    network = kind(architecture, task)
    if protocol not in PROTOCOLS:
        _refuse("protocol", protocol, PROTOCOLS)
    check_options(architecture, options, "options", task, protocol)
    given = {"statistics": statistics, "backbones": backbones, "protocol": protocol}
    context = {name: given[name] for name in network.context}
    model = network.make(geometry, **context, **{**traits(architecture, task).options, **options})
    if not network.channels_last:
        return model
    return model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - a form torch's stubs lack
