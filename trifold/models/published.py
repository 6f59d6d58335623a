"""Weights that other groups have published: which model of ours each file is, what it was trained on, and its tensors.

Names are those of resources/datasets.tsv, where the addresses, licences and checksums are. A file is read as tensors
only: no code in it is run. Keys are compared with the model's, name by name and shape by shape.
"""

import argparse
import os
import re
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from trifold.architectures import ARCHITECTURES
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import registry
from trifold.models.blocks import Architecture
from trifold.models.checkpoint import Checkpoint

Shapes = dict[str, tuple[int, ...]]
# Steps that a layer of batch norm has counted, as torch stores them. Files of other frameworks have none, and where the
# layer has a momentum nothing reads them: they are 0 then.
_STEPS = "num_batches_tracked"


@cache
def checkpoints() -> dict[str, Checkpoint]:
    """Every published file that is known, by its name: what the modules of the architectures list as `CHECKPOINTS`."""
    modules = dict.fromkeys(traits.module for traits in ARCHITECTURES.values() if traits.module)  # programs have none
    return {name: kind for module in modules for name, kind in _listed(module).items()}


def of_architecture(architecture: str) -> dict[str, Checkpoint]:
    """The published files that the module of an architecture lists, by their names; no other module is loaded."""
    return _listed(ARCHITECTURES[architecture].module)


def _listed(module: str) -> dict[str, Checkpoint]:
    return vars(import_module(module)).get("CHECKPOINTS", {})


def checkpoint(name: str) -> Checkpoint:
    """The published file of that name; InputError lists the nearest names there are."""
    known = checkpoints()
    if name not in known:
        raise InputError(
            f"published weights {name!r} are not known{nearest(name)}; a file is known by the name it was published "
            "under: rename it back, or see `trifold models`"
        )
    return known[name]


def nearest(name: str) -> str:
    """ ", nearest are ..." with up to three names that are like this one; "" where none is."""
    like = get_close_matches(name, checkpoints(), n=3, cutoff=0.5)
    return f", nearest are {', '.join(map(repr, like))}" if like else ""


def build(name: str, geometry: Geometry, statistics: dict) -> Architecture:
    """A freshly initialised model of the architecture a published file is for, in its published form.

    geometry: that of the examples; statistics: their statistics.json, read where the architecture takes its scale from
    the data (HiCSR, VEHiCLE's "quantile").
    """
    kind = checkpoint(name)
    backbones = {
        role: registry.build(architecture, geometry, options, statistics, protocol=kind.protocol)
        for role, (architecture, options) in kind.backbones.items()
    }
    return registry.build(kind.architecture, geometry, kind.options, statistics, backbones, kind.protocol)


def load(name: str, path: str | os.PathLike, geometry: Geometry, statistics: dict) -> Architecture:
    """The model of a published file with its weights, in eval mode. Raises InputError as `read_state` does."""
    model = build(name, geometry, statistics)
    model.load_state_dict(_fitted(name, path, model))
    return model.eval()


def read_state(name: str, path: str | os.PathLike) -> dict[str, Tensor]:
    """The tensors of a published file under the keys of our model.

    They are compared with the model of the published geometry. Raises InputError, naming the file, for one that cannot
    be read, holds more than tensors, or does not fit (with the first tensors that differ).
    """
    expects = checkpoint(name).expects
    geometry = Geometry(
        bin_bp=expects.get("bin_bp", 1),
        window_bins=expects.get("window_bins", 32),
        stride_bins={},
        max_bad_bins=0,
        max_n_bins=0,
    )
    scale = dict.fromkeys(("ratio", "low_max", "deep_max", "low_q999", "deep_q999"), 1.0)
    with torch.device("meta"):  # shapes alone
        model = build(name, geometry, {"counts": scale})
    return _fitted(name, path, model)


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by key: a state dict, or one under `state_dict` (Lightning) or `model`."""
    try:
        with open(path, "rb") as file:
            head = file.read(512).lstrip().lower()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); fetch it, or put it there") from error
    if head.startswith((b"<!doctype", b"<html")):
        raise InputError(
            f"{path}: this is an HTML page, not weights (the server may want an account); delete it and fetch it again"
        )
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            # Scripts of the MAE family store their command line; it is names and values, no code.
            with torch.serialization.safe_globals([argparse.Namespace]):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken or foreign file may raise anything
        raise InputError(
            f"{path}: not readable as tensors alone ({_reason(error)}). Fetch the file again; if it "
            "holds more than tensors, save its state dict as safetensors where you trust it"
        ) from error
    state = content
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            state = content[key]
    if (
        not isinstance(state, dict)
        or not state
        or not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items())
    ):
        raise InputError(f"{path}: holds no state dict (tensors by name); save the model's state dict instead")
    return state


def _reason(error: Exception) -> str:
    """What is wrong with a file, without the library's advice to read it as code."""
    text = str(error)
    if match := re.search(r"GLOBAL ([\w.]+)", text):
        return f"it holds {match[1]}, which is no tensor"
    first = text.partition("\n")[0]
    return f"{type(error).__name__}: {first}" if first and "weights_only" not in text else "damaged, or of another kind"


def _differences(in_file: Shapes, wanted: Shapes) -> list[str]:
    return [
        f"{key} is {in_file.get(key, 'missing')} in the file and {wanted.get(key, 'missing')} in the model"
        for key in [*wanted, *sorted(in_file.keys() - wanted.keys())]
        if wanted.get(key) != in_file.get(key)
    ]


def _fitted(name: str, path: str | os.PathLike, model: Architecture) -> dict[str, Tensor]:
    """The file's tensors under the model's keys, every one of them there and of the right shape."""
    path, kind = Path(path), checkpoint(name)
    stored = _read(path)
    shapes = {key: tuple(tensor.shape) for key, tensor in stored.items()}
    wanted = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}

    state, used = {}, set()
    for ours in kind.parts:
        part = {key.removeprefix(ours): shape for key, shape in wanted.items() if key.startswith(ours)}
        fits, reasons = [], _differences(shapes, part)
        for theirs in _prefixes(shapes, part):
            there = {key: shapes[theirs + key] for key in part if theirs + key in shapes}
            uncounted = {key: () for key in part if key.endswith(_STEPS)}
            differences = _differences(uncounted | there, part)
            if not differences:
                fits.append(theirs)
            elif len(differences) < len(reasons):
                reasons = differences
        if len(fits) > 1:
            raise InputError(
                f"{path}: holds {kind.architecture!r} under several prefixes, {fits}; save the one meant as a state "
                "dict of its own"
            )
        if fits:
            state |= {ours + key: stored.get(fits[0] + key, torch.tensor(0)) for key in part}
            used |= {fits[0] + key for key in part}
            reasons = _differences({key: shapes[key] for key in shapes.keys() - used}, {}) if kind.whole else []
        if reasons:
            raise InputError(
                f"{path}: does not fit published weights {name!r}, architecture {kind.architecture!r} ({len(reasons)} "
                f"tensors differ: {'; '.join(reasons[:3])}). Fetch the file that its row of datasets.tsv names, and "
                f"read it with the geometry it was trained on, {kind.expects}"
            )
    return state


def _prefixes(shapes: Shapes, part: Shapes) -> list[str]:
    """Prefixes in the file under which one of the part's keys stands."""
    prefixes = {key.removesuffix(ours) for ours in part for key in shapes if key.endswith(ours)}
    return sorted(prefix for prefix in prefixes if not prefix or prefix.endswith("."))
