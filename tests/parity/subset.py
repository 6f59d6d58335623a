"""Reference outputs that lie in the repository: read like the `.npz` files they were chosen from (`choose.py`).

A file holds arrays as they were, and `index.json`: weights that `recipe` makes ("made"), arrays that another file holds
("same"), arrays that are left out ("left_out"), and the SHA-256 of the weights ("weights").
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from parity import recipe

FOLDER = Path(__file__).resolve().parent
INDEX = "index.json"
MULTIMODAL = "multimodal"  # in the place of a gain: the tensor is one of `fill_multimodal`
KERAS = "keras "  # before a gain: it is one of `fill_keras`


def path_of(name: str) -> Path:
    """File of a name such as "enhancement/scc"."""
    return FOLDER / f"{name}.npz"


def weight(name: str, gain: float | str | None, shape: list[int]) -> np.ndarray:
    if gain == MULTIMODAL:
        return recipe.fill_multimodal(name, shape)
    if isinstance(gain, str):
        return recipe.fill_keras(name, shape, float(gain.removeprefix(KERAS)))
    return recipe.fill(name, shape, gain)


def digest(arrays: Mapping[str, np.ndarray], keys) -> str:
    """SHA-256 over the bytes of the arrays of these keys, in the order of their names."""
    found = hashlib.sha256()
    for key in sorted(keys):
        found.update(np.ascontiguousarray(arrays[key]).tobytes())
    return found.hexdigest()


class Subset(Mapping):
    """One file of the subset; an array that is left out of it skips the test that asks for it."""

    def __init__(self, name: str):
        self.name = name
        with zipfile.ZipFile(path_of(name)) as archive:
            self.index = json.loads(archive.read(INDEX))
        with np.load(path_of(name)) as stored:
            self._stored = {key: stored[key] for key in stored.files if key != INDEX}

    @property
    def files(self) -> list[str]:
        """Names of the arrays, as of a file that `numpy.load` opens."""
        return sorted([*self._stored, *self.index["made"], *self.index["same"]])

    def __getitem__(self, key: str) -> np.ndarray:
        if key in self.index["made"]:
            return weight(*self.index["made"][key])
        if key in self.index["same"]:
            name, there = self.index["same"][key]
            return Subset(name)[there]
        if key in self.index["left_out"]:
            pytest.skip(f"{key} of {self.name} is not in tests/parity; set TRIFOLD_SHARED to the whole reference data")
        return self._stored[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)
