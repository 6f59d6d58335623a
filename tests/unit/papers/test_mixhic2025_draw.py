"""MIX-HIC's figures from files: which stretch of the map is shown, and of which runs."""

import numpy as np
import pandas as pd
import pytest

from trifold import loops
from trifold.data.bands import BandStore
from trifold.errors import InputError
from trifold.papers.mixhic2025 import draw as mixhic2025_draw
from trifold.papers.mixhic2025 import tables as mixhic2025


@pytest.fixture
def stores(tmp_path):
    rng = np.random.default_rng(5)
    found = {}
    for chrom, n_bins in (("chr5", 300), ("chr6", 500)):
        values = rng.random((n_bins, 120))
        values[np.arange(n_bins)[:, None] + np.arange(120) >= n_bins] = 0
        found[chrom] = BandStore.write(tmp_path / f"{chrom}.npy", values, 50)
    return found


SEEN = {"chr5": np.array([[10, 40], [20, 60]]), "chr6": np.array([[300, 330], [310, 390], [305, 360], [100, 400]])}


def test_the_stretch_with_the_most_seen_loops_is_shown(stores):
    chrom, start, size = mixhic2025_draw.busiest(stores, SEEN)
    assert (chrom, size) == ("chr6", 120)
    assert start <= 300 and start + size > 390  # three of the four; the fourth is longer than the stretch
    assert mixhic2025_draw.busiest(stores, {}) == ("chr5", 0, 120)


def test_a_square_is_the_symmetric_map(stores):
    square = mixhic2025_draw.square(stores["chr6"], 30, 50)
    np.testing.assert_array_equal(square, square.T)
    assert square[3, 20] == stores["chr6"].values[33, 17]


def test_every_run_has_a_panel_of_its_first_seed(stores, tmp_path):
    searches = []
    for run, seed, places in (("ours", 1, [[300, 330]]), ("ours", 2, [[1, 2]]), ("theirs", 0, [[310, 380], [1, 60]])):
        folder = tmp_path / f"{run}-{seed}"
        folder.mkdir()
        table = pd.DataFrame(places, columns=["x", "y"]).assign(chrom="chr6", score=0.9, density=3.0, candidates=4)
        loops.write_bedpe(table, folder / "loops.bedpe", 1000)
        searches.append({"run": run, "seed": seed, "sample": "alpha", "path": str(folder)})
    rows = {"Theirs": ["theirs"], "Ours": ["ours"]}
    panels = mixhic2025_draw.loop_maps(searches, rows, stores, SEEN, 1000)
    assert [panel.title for panel in panels] == ["Theirs", "Ours"]
    assert panels[0].predicted.tolist() == [[310_500, 380_500]] and panels[1].predicted.tolist() == [[300_500, 330_500]]
    assert len(panels[0].seen) == 3 and panels[0].region.chrom == "chr6"


def test_a_reference_that_is_no_row_is_refused(repository):
    common = {"rows": {"A": ["a"]}, "pretraining": [], "maps": {}, "predictions": []}
    published = repository / "papers/mixhic2025/published.tsv"
    with pytest.raises(InputError, match=r"against/table3: 'B' is none of the rows \['A'\]"):
        mixhic2025.make("3", [], published, against="B", **common)
    # Without any file the paper's numbers stand alone.
    for name in ("1", "2", "3", "4", "s2"):
        frame = mixhic2025.make(name, [], published, against=None, **{**common, "rows": {}})
        assert frame.loc[frame["protocol"] == "paper", "mean"].notna().all() and (frame["run"] == "").all()
        assert len(mixhic2025.parts(frame)) == (1 if name == "1" else 2)
