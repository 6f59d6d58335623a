"""Fixtures of the whole suite: where the shared reference data lie, and what happens without them."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TRIFOLD_SHARED", REPOSITORY.parent / "shared"))


def _shared(relative: str) -> Path:
    """A path of the shared reference data; without it the test is skipped, or fails under TRIFOLD_REQUIRE_SHARED=1."""
    path = SHARED / relative
    if not path.exists():
        reason = f"reference data {relative} not found beside the checkout (set TRIFOLD_SHARED)"
        if os.environ.get("TRIFOLD_REQUIRE_SHARED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def parity():
    """Outputs of the reference implementations: ``parity("enhancement/scc")["replicates/a"]``."""

    def load(name: str):
        return np.load(_shared(f"parity/{name}.npz"))

    return load


@pytest.fixture(scope="session")
def recipe():
    """The module that makes the deterministic weights of the ``*_recipe`` parity files."""
    path = _shared("parity/recipe.py")
    spec = importlib.util.spec_from_file_location("parity_recipe", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of small real data sets."""
    return _shared("mirror")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY
