"""Weights on disk: a safetensors file with, in its header, the arm they belong to and their version."""

import json
import logging
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from trifold.errors import InputError
from trifold.models.blocks import Architecture

log = logging.getLogger(__name__)

# One header entry: safetensors writes several in an order that changes from process to process.
HEADER = "trifold"


def save(path: str | os.PathLike, state: dict, *, arm: dict, version: str) -> None:
    """Write a state dict beside `path`, then rename; equal states give equal bytes."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    header = json.dumps({"arm": arm, "version": version}, sort_keys=True, default=str)
    # contiguous(): channels-last parameters are stored in the usual order.
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}, partial, {HEADER: header})
    os.replace(partial, path)


def _open(path: str | os.PathLike):
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: no readable safetensors file ({error}); train the arm again or fetch it") from error


def read_header(path: str | os.PathLike) -> dict:
    """{"arm": settings, "version": text} of a weights file; empty for a file of another program."""
    with _open(path) as file:
        return json.loads((file.metadata() or {}).get(HEADER, "{}"))


def read(path: str | os.PathLike) -> dict[str, Tensor]:
    """The state dict of a weights file; InputError for one that cannot be read."""
    with _open(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def take(path: str | os.PathLike, model: Architecture, arm: str, parts: str) -> None:
    """Start a model from the weights of another: its `encoder`, which must fit, or `all` that fits.

    "encoder" is `model.load_encoder`. "all" takes the encoder likewise, where the model has one, and then every tensor
    of the same name and shape; what it leaves is logged. Raises InputError naming the file and the arm for a model
    without an encoder, one that does not fit, and weights of which nothing fits.
    """
    stored = read(path)
    if model.has_encoder:
        try:
            model.load_encoder(stored)
        except InputError as error:
            raise InputError(f"arm {arm!r}: pretrained: {path}: {error}") from error
    elif parts == "encoder":
        raise InputError(
            f"arm {arm!r}: pretrained: this architecture has no encoder to be taken over; set pretrained_parts: all "
            "where the other arm has the same architecture"
        )
    if parts == "encoder":
        return
    ours = model.state_dict()
    fits = {name: tensor for name, tensor in stored.items() if name in ours and ours[name].shape == tensor.shape}
    if not fits:
        raise InputError(f"arm {arm!r}: pretrained: nothing in {path} fits the arm; name one of the same architecture")
    model.load_state_dict(fits, strict=False)
    left = {"not taken": sorted(set(stored) - set(fits)), "freshly initialised": sorted(set(ours) - set(fits))}
    said = [f"; {fate}: {', '.join(names)}" for fate, names in left.items() if names]
    log.info("%s: %d of %d tensors taken by name and shape%s", path, len(fits), len(stored), "".join(said))


def load(path: str | os.PathLike, model: nn.Module, arm: str) -> None:
    """Put the weights of a file into a model of the same architecture and options.

    Raises InputError naming the file, the arm and the first tensors that do not fit.
    """
    stored = read(path)
    if isinstance(model, Architecture):
        model.make_room(stored)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    in_file = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    differences = [
        f"{name} is {in_file.get(name, 'missing')} in the file and {wanted.get(name, 'missing')} in the model"
        for name in [*wanted, *sorted(in_file.keys() - wanted.keys())]
        if wanted.get(name) != in_file.get(name)
    ]
    if differences:
        raise InputError(
            f"{path}: these weights do not fit arm {arm!r} ({len(differences)} tensors differ: "
            f"{'; '.join(differences[:3])}). Set the arm's architecture, options and geometry to those the "
            "weights were trained with (config.yaml beside them), or train the arm again"
        )
    model.load_state_dict(stored)
