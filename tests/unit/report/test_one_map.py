"""The page of one map: what it says, and that it stands alone."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import trifold
from trifold import advice
from trifold.errors import InputError
from trifold.genome import Region
from trifold.io.cool import write_cool, write_weight
from trifold.report import samples

BIN_BP = 10_000


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A map of two chromosomes, 300 and 90 bins, the second without contacts off the diagonal."""
    monkeypatch.chdir(tmp_path)
    distance = np.abs(np.subtract.outer(np.arange(390), np.arange(390)))
    rate = 100 / (1 + distance)
    rate[:300, 300:] = 0
    rate[300:] *= np.eye(390)[300:]
    counts = np.triu(np.random.default_rng(1).poisson(rate))
    row, column = np.nonzero(counts)
    pixels = {"bin1_id": row, "bin2_id": column, "count": counts[row, column]}
    write_cool("mine.cool", {"one": 300 * BIN_BP, "two": 90 * BIN_BP}, BIN_BP, [pixels])
    return tmp_path


def test_the_page_stands_beside_the_map_and_alone(mine):
    trifold.enhance("mine.cool", "trifold", "out.mcool", page="out.html", chromosomes="one", device="cpu")
    page = (mine / "out.html").read_text()
    assert "<h1>mine.cool, enhanced</h1>" in page and "How far to trust it" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)  # nothing is fetched
    assert page.count('alt="one:') == 2 and "two:" not in page
    rows = re.findall(r'<tr><th scope="row">([^<]+)</th>', page)
    assert rows == ["20 kb to 30 kb", "40 kb to 70 kb", "80 kb to 150 kb", "160 kb to 310 kb", "320 kb to 480 kb"]
    assert sorted(path.name for path in mine.iterdir()) == ["mine.cool", "out.html", "out.mcool"]


def test_a_map_whose_halves_are_too_shallow_is_enhanced_and_the_page_says_so(mine, monkeypatch):
    def too_few(low, *_, **__):
        raise InputError(f"{low} (1/2 of the contacts): cannot be balanced; give a map with more contacts")

    monkeypatch.setattr(advice, "reliability", too_few)
    trifold.enhance("mine.cool", "trifold", "out.cool", page="out.html", chromosomes="one", device="cpu")
    page = (mine / "out.html").read_text()
    assert "How far to trust it is not known: mine.cool (1/2 of the contacts): cannot be balanced" in page
    assert 'id="trust"' not in page and page.count('alt="one:') == 2 and (mine / "out.cool").is_file()


def test_a_page_is_checked_before_any_work(mine):
    (mine / "there.html").write_text("kept")
    with pytest.raises(InputError, match=r"there\.html: exists"):
        trifold.enhance("mine.cool", "trifold", "out.mcool", page="there.html")
    with pytest.raises(InputError, match=r"ends with \.html"):
        trifold.enhance("mine.cool", "trifold", "out.mcool", page="page.pdf")
    assert not (mine / "out.mcool").exists() and (mine / "there.html").read_text() == "kept"


def test_windows_are_spread_and_overlap_no_other(tmp_path):
    """Four windows of 20 bins with 1, 2, 3 and 4 contacts, the third with bins that are not known."""
    pixels = pd.DataFrame({"bin1_id": [2, 22, 42, 62], "bin2_id": [8, 28, 48, 68], "count": [1, 2, 3, 4]})
    for name in ("low", "made"):
        write_cool(tmp_path / f"{name}.cool", {"a": 800_000}, BIN_BP, [pixels])
        weight = np.ones(80)
        weight[44:60] = np.nan
        write_weight(str(tmp_path / f"{name}.cool"), weight)
    found = samples.spread_out(tmp_path / "low.cool", tmp_path / "made.cool", 20, 3)
    assert Region("a", 600_000, 800_000) in found and len(found) == 3
    assert all(first.end_bp <= second.start_bp for first, second in pairwise(found))
    assert not any(region.start_bp == 400_000 for region in found)
    assert len(samples.spread_out(tmp_path / "low.cool", tmp_path / "made.cool", 20, 9)) == 3
