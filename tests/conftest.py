"""Fixtures of the whole suite: where the shared reference data lie, and what happens without them."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from parity import recipe as small_recipe
from parity import subset

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("TRIFOLD_SHARED", REPOSITORY.parent / "shared"))


def _required() -> bool:
    """Whether the shared reference data must be there, whole."""
    return os.environ.get("TRIFOLD_REQUIRE_SHARED") == "1"


def _shared(relative: str) -> Path:
    """A path of the shared reference data; without it the test is skipped, or fails under TRIFOLD_REQUIRE_SHARED=1."""
    path = SHARED / relative
    if not path.exists():
        reason = f"reference data {relative} not found beside the checkout (set TRIFOLD_SHARED)"
        if _required():
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@pytest.fixture(scope="session")
def parity():
    """Outputs of the reference implementations: ``parity("enhancement/scc")["replicates/a"]``.

    Without the shared reference data, those that lie in ``tests/parity``.
    """

    def load(name: str):
        small = not (SHARED / f"parity/{name}.npz").exists() and not _required() and subset.path_of(name).exists()
        return subset.Subset(name) if small else np.load(_shared(f"parity/{name}.npz"))

    return load


@pytest.fixture(scope="session")
def whole_parity() -> Path:
    """The folder of all reference outputs."""
    return _shared("parity")


@pytest.fixture(scope="session")
def recipe():
    """The module that makes the deterministic weights of the ``*_recipe`` parity files."""
    if not (SHARED / "parity/recipe.py").exists() and not _required():
        return small_recipe
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
