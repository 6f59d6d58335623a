"""Where a network works, by the name that a user gives it."""

import re

import torch

from trifold.errors import InputError


def device_of(name: str) -> torch.device:
    """The GPU for "gpu" or "cuda" (or one of several, "cuda:1"), for "auto" where there is one.

    Raises InputError for a GPU that is not there, and for another name.
    """
    if not re.fullmatch(r"auto|cpu|gpu|cuda(:\d+)?", name):
        problem = f"{name!r} is no device; choose auto, cpu or gpu"
        raise InputError(f"config: accelerator: {problem}", f"device: {problem}")
    number = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if number else "cpu")
    if name == "cpu":
        return torch.device(name)
    if not number:
        raise InputError(
            f"config: accelerator: {name}: no GPU here; use auto or cpu", f"device {name}: no GPU here; use auto or cpu"
        )
    device = torch.device("cuda" if name == "gpu" else name)
    if (device.index or 0) >= number:
        raise InputError(f"device {name}: the GPUs here are cuda:0 to cuda:{number - 1}; choose one of them, or gpu")
    return device
