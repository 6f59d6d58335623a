import json

import cooler
import made_up
import numpy as np
import pandas as pd
import pytest
import yaml

from trifold.errors import InputError
from trifold.genome import Region
from trifold.report import build, samples
from trifold.report.samples import MapFacts

LOW = {"coarsen": 2, "thin": 16, "seed": 1, "share_reads": False}


@pytest.fixture
def summary(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(made_up.summary()))
    return path


def test_repairs_are_read_where_they_were_written(summary):
    assert samples.read("low", summary, "x.cool").repairs == []
    summary.with_name("checks.json").write_text(json.dumps({"repairs": ["sorted"], "source": "x.cool"}))
    found = samples.read("deep", summary, "x.cool")
    assert found == MapFacts("deep", "x.cool", made_up.summary(), ["sorted"])
    assert samples.said([found]) == ["sorted (deep map)"]


def test_a_summary_without_its_fields_is_refused(summary):
    summary.write_text(json.dumps({"bin_bp": 1000}))
    with pytest.raises(InputError, match=r"summary.json: \['contacts', .*delete the folder"):
        samples.read("deep", summary, "x.cool")


def test_d15_a_map_in_words():
    deep = MapFacts("deep", "x.mcool", made_up.summary(), [])
    facts = made_up.summary(2048, 250_000, 9)
    low = samples.row(MapFacts("low", "made", facts, []), deep)
    assert low == ("low", "made", "2,048 bp", "250,000", "96 %", "316", "1/16", "9 of 768 (1.2 %)")
    assert samples.row(deep, deep).share == "–"
    bare = {**facts, "contacts": 0, "cis_contacts": 0, "bad_bins": None, "contacts_per_bin": 0.0}
    assert samples.row(MapFacts("low", "made", bare, []), deep)[3:] == ("0", "–", "0", "–", "not balanced")


@pytest.mark.parametrize(
    ("part", "text"), [(0, "0 %"), (1000, "100 %"), (999.9, "99.990 %"), (0.1, "0.010 %"), (500, "50 %"), (21, "2.1 %")]
)
def test_a_share_is_all_or_nothing_only_where_it_is(part, text):
    assert samples._percent(part, 1000) == text


def test_a_measured_map_may_be_deeper():
    assert samples._share(300, 200) == "1.5×"


def test_y2_where_a_map_comes_from_and_what_it_is_scored_against():
    part = {"contacts": "/data/part.cool", "reads_in_deep": True}
    low = {"measured": "/data/low.cool", "sampled": part, "coarse": part, "whole": part}
    thinned = {"coarsen": 1, "thin": 2.5, "share_reads": False}
    config = {
        "samples": {"a": {"contacts": "/data/a.mcool", "low": low}},
        "degradations": {"low": LOW, "thin": thinned, "same": {"coarsen": 1, "thin": 1, "share_reads": True}}
        | {"measured": thinned, "sampled": thinned, "coarse": LOW, "whole": {**thinned, "share_reads": True}},
    }
    apart, among = "; scored against the reads that it does not have", "; scored against all reads, its own among them"
    assert samples.source_of(config, "a", "deep") == "/data/a.mcool"
    assert samples.source_of(config, "a", "low") == f"the deep map, 2 bins merged, one contact in 16 kept{apart}"
    assert samples.source_of(config, "a", "thin") == f"the deep map, one contact in 2.5 kept{apart}"
    assert samples.source_of(config, "a", "same") == f"the deep map, as it is{among}"
    assert "/data/low.cool; its reads are taken to be others than" in samples.source_of(config, "a", "measured")
    assert "/data/part.cool; its reads are among the deep map's, and are taken" in samples.source_of(
        config, "a", "sampled"
    )
    for name in ("coarse", "whole"):
        assert "its reads are among the deep map's, which it is scored" in samples.source_of(config, "a", name)


def test_contacts_by_distance_are_of_pixels_of_one_size():
    """A bin twice as wide has pixels of four times the area."""
    narrow = {**made_up.summary(), "bin_bp": 1000, "by_distance": [[1000, 8.0]]}
    wide = {**made_up.summary(), "bin_bp": 2000, "by_distance": [[2000, 8.0]]}
    found = samples.curves([MapFacts("deep", "", narrow, []), MapFacts("low", "", wide, [])])
    assert found == {"deep": [(1000, 8.0)], "low": [(2000, 2.0)]}


def test_a_model_in_words():
    assert samples.model_of({"contacts": "x", "arm": "image", "fold": "a", "seed": 0}) == "arm image, fold a, seed 0"
    assert samples.model_of({"contacts": "x", "model": "deephic"}) == "model deephic"


# ---------------------------------------------------------------- a map of one's own


def write_map(path, bin_bp: int, pixels: dict, bad=()) -> str:
    """chr1 of 64 kb and chr2 of 30.5 kb; pixels: (bin, bin) -> count; every weight is 0.5 but of bad bins."""
    bins = cooler.binnify(pd.Series({"chr1": 64_000, "chr2": 30_500}), bin_bp)
    bins["weight"] = np.where(bins.index.isin(bad), np.nan, 0.5)
    table = pd.DataFrame([(i, j, count) for (i, j), count in sorted(pixels.items())])
    table.columns = ["bin1_id", "bin2_id", "count"]
    cooler.create_cooler(str(path), bins, table, dtypes={"count": float}, ordered=True)
    return str(path)


@pytest.fixture
def own(tmp_path):
    """2-kb bins before, 1-kb bins after; most contacts off the diagonal lie in chr1:32,000-48,000."""
    low = write_map(tmp_path / "low.cool", 2000, {(0, 0): 900, (1, 2): 3, (17, 20): 7, (40, 41): 5})
    return low, write_map(tmp_path / "high.cool", 1000, {(34, 40): 8.0, (35, 35): 4.0})


def test_the_window_shown_has_most_contacts_off_the_diagonal(own):
    assert samples.busiest(*own, window_bins=16) == Region("chr1", 32_000, 48_000)


def test_a_window_of_mostly_missing_bins_is_not_shown(own, tmp_path):
    high = write_map(tmp_path / "holes.cool", 1000, {(1, 2): 1.0}, bad=range(24, 56))
    assert samples.busiest(own[0], high, window_bins=16) == Region("chr2", 8_000, 24_000)
    none = write_map(tmp_path / "none.cool", 1000, {(1, 2): 1.0}, bad=range(95))
    assert samples.busiest(own[0], none, window_bins=16) is None


def test_maps_before_and_after_share_one_scale(own):
    low, high = samples.pair(*own, Region("chr1", 32_000, 48_000))
    assert (low.shape, high.shape) == ((8, 8), (16, 16))
    assert low[1, 4] == low[4, 1] == 7 * 0.25 / 2
    assert high[2, 8] == 8 * 0.25
    assert high[3, 3] == 4 * 0.25


def test_what_was_fitted_at_once_is_read_beside_the_models(tmp_path):
    """A width, one for every band of distance; of a training nothing."""
    written = {"tuned": {"sigma_bins": 2.0}, "banded": {"sigma_bins": {"from 0 bins": 0.75, "from 4 bins": 1.25}}}
    records = []
    for name in ("image", *written):
        (folder := tmp_path / f"models/{name}/fold-b/seed-0").mkdir(parents=True)
        chosen = {"chosen": written[name]} if name in written else {}
        (folder / "config.yaml").write_text(yaml.safe_dump({"arm": {"name": name}, "version": "v", **chosen}))
        records.append(folder / "artifact.json")
    assert build.chosen(records) == [
        ("tuned", "b", "sigma_bins", "2"),
        ("banded", "b", "sigma_bins", "0.75 from 0 bins, 1.25 from 4 bins"),
    ]


def test_d15_facts_of_a_run_are_gathered_and_drawn(own, summary, tmp_path):
    high = own[1]
    config = {
        "samples": {"a": {"contacts": "/data/a.mcool"}},
        "degradations": {"low": LOW},
        "enhance": {"mine": {"contacts": "/data/mine.cool"}},
    }
    facts = build.gather(
        config,
        summaries={("a", "deep"): summary, ("a", "low"): summary},
        own={"mine": (summary, high)},
        enhance={"mine": {"contacts": "/data/mine.cool", "arm": "image", "fold": "a", "seed": 1}},
        datasets=[],
        inputs=[],
        root=tmp_path,
    )
    assert [(sample.name, [one.name for one in sample.maps]) for sample in facts.samples] == [("a", ["deep", "low"])]
    assert facts.enhanced[0][2:4] == ("arm image, fold a, seed 1", high)
    (tmp_path / "figures").mkdir()
    drawn = build.draw_maps(tmp_path / "figures", facts, {"mine": own}, 16)
    assert drawn.enhanced[0].region == Region("chr1", 32_000, 48_000)
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {"contacts-a.png", "contacts-a.svg", "enhanced-mine.png", "enhanced-mine.svg"}
    assert drawn.samples[0].figure.svg == (tmp_path / "figures" / "contacts-a.svg").read_text()
