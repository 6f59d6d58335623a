"""A small map, deep and shallow, and a small model in a folder of its own, for the tests of the command and the API."""

import numpy as np
import pytest
from small import N_BINS, write_counts, write_model


@pytest.fixture(scope="session")
def deep_counts():
    """(120, 120) symmetric contacts that fall with distance."""
    rng = np.random.default_rng(7)
    distance = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)))
    upper = np.triu(rng.poisson(900 / (1 + distance)))
    return upper + np.triu(upper, 1).T


@pytest.fixture(scope="session")
def shallow_counts(deep_counts):
    upper = np.triu(np.random.default_rng(8).binomial(deep_counts, 1 / 8))
    return upper + np.triu(upper, 1).T


@pytest.fixture
def door(tmp_path, monkeypatch, deep_counts, shallow_counts):
    """A folder to work in: deep.cool, shallow.cool, and the model of maps as shallow as that."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRIFOLD_MIRROR", raising=False)
    write_counts("deep.cool", deep_counts)
    write_counts("shallow.cool", shallow_counts)
    write_model(tmp_path / "model", np.triu(shallow_counts).sum() / N_BINS)
    return tmp_path
