"""Fixtures of the portals' tests."""

import pytest
from loopback import serving

from trifold.portals.web import Web


@pytest.fixture
def portal(monkeypatch):
    """A portal's double on loopback, without routes."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as double:
        yield double


@pytest.fixture
def web():
    """Short waits, no pace."""
    return Web(timeout_s=2.0, retries=2, backoff_s=0.01)


@pytest.fixture
def datasets_row():
    """Makes a row of datasets.tsv."""

    def make(**given) -> dict:
        names = "file sample assay assembly url bytes sha256 md5 status licence origin portal accession select note"
        return dict.fromkeys(names.split(), "") | {"status": "unpinned", "origin": "this test"} | given

    return make
