"""Structure on the page: the numbers of the tables, what is said where nothing is known, the calls that are drawn."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from trifold import structure as called
from trifold.genome import Region
from trifold.io.cool import write_cool
from trifold.plan import Evaluation
from trifold.report import sections, structure, tables

ARMS = {"identity": {"architecture": "identity"}, "image": {"architecture": "vehicle"}}
SETTINGS = {"min_bp": 8000, "max_bp": 40000, "window_bp": 10000, "tolerance_bins": 2}


def rows(sample, planted, reach=0.3):
    """Scores of two seeds of an arm, a row without a model and the deep map."""
    table = []
    for arm, kind, seed, f1 in (("deep", "map", 0, 1), ("image", "arm", 1, 0.5), ("image", "arm", 2, 0.7)):
        place = ["low", arm, "a", seed, sample, kind]
        for feature in ("loops", "boundaries"):
            table += [[*place, feature, "deep", name, value] for name, value in (("n_calls", 1234), ("f1", f1))]
            table += [[*place, feature, "planted", "n_reference", planted], [*place, feature, "planted", "f1", np.nan]]
    table.append(["low", "deep", "a", 0, sample, "map", "compartments", "deep", "e1_reach", reach])
    if reach > 0.8:
        table.append(["low", "image", "a", 1, sample, "arm", "compartments", "deep", "e1_pearson", 0.91])
    return pd.DataFrame(table, columns=called.COLUMNS)


def of_stretches(arm, kind, counts, seed=1, reference="deep"):
    """Counts of stretches of 1 Mb: rows of (n_calls, n_reference, n_matched, n_invented)."""
    rows = []
    for number, four in enumerate(counts):
        place = ["chr1", number * 10**6, (number + 1) * 10**6, 1.0]
        rows.append(["low", arm, "a", seed, "alpha", kind, "loops", reference, *place, *four])
    return pd.DataFrame(rows, columns=called.STRETCH_COLUMNS)


def test_intervals_are_those_of_stretches():
    """Invented calls per Mb are a mean over stretches of one length: Student's interval of it."""
    invented = [3, 1, 4, 1, 5, 2]
    one = of_stretches("image", "arm", [(9, 8, 4, n) for n in invented])
    two = of_stretches("image", "arm", [(9, 8, 4, n + 2) for n in invented], seed=2)
    spread = structure.spread(pd.concat([one, two])).set_index("metric")
    mean, sd = np.mean(invented) + 1, np.std(invented, ddof=1)
    half = stats.t.ppf(0.975, 5) * sd / np.sqrt(6)
    assert spread.loc["invented_per_mb", ["ci_low", "ci_high"]].tolist() == pytest.approx([mean - half, mean + half])
    assert spread["n_stretches"].tolist() == [6] * 4
    assert spread.loc["precision", ["ci_low", "ci_high"]].tolist() == pytest.approx([4 / 9, 4 / 9])
    few = structure.spread(of_stretches("image", "arm", [(9, 8, 4, 1)] * 4))
    assert few[["ci_low", "ci_high"]].isna().all(axis=None)


def test_arms_are_held_against_the_low_map_and_the_strongest_row_without_a_model():
    arms = ARMS | {"gaussian": {"architecture": "gaussian"}}
    random = np.random.default_rng(3)

    def counts(matched, invented):
        return [(10, 10, matched, n) for n in random.poisson(invented, 12)]

    table = pd.concat(
        [
            of_stretches("low", "map", counts(4, 20), 0),
            of_stretches("identity", "arm", counts(3, 20), 0),
            of_stretches("gaussian", "arm", counts(5, 20), 0),
            of_stretches("image", "arm", counts(8, 2)),
        ]
    )
    compared = structure.compare(table, arms)
    assert set(zip(compared["arm"], compared["other"])) == {("image", "low"), ("image", "gaussian")}
    value = compared.set_index(["other", "metric"])
    assert value.loc[("gaussian", "f1"), "difference"] == pytest.approx(0.3)
    assert value.loc[("low", "f1"), "difference"] == pytest.approx(0.4)
    assert (compared["better"] == "arm").all() and (compared["p_holm"] >= compared["p"]).all()
    worse = structure.compare(table.assign(arm=table["arm"].replace({"image": "gaussian", "gaussian": "image"})), arms)
    assert set(worse.loc[worse["other"] == "gaussian", "better"]) == {"other"}
    assert structure.compare(table[table["arm"] != "image"], arms).empty
    # A program of others is no row without a model: it is compared, and nothing with it.
    program = structure.compare(table, {**arms, "image": {"architecture": "chromosight"}})
    assert set(zip(program["arm"], program["other"])) == {("image", "low"), ("image", "gaussian")}
    summary = structure.summarise(rows("alpha", 3)).merge(structure.spread(table), how="left", on=structure.KEYS)
    first, differences, *_ = structure.section(summary, compared, arms, SETTINGS, []).tables
    assert first.title == "Loops of alpha, low map “low”" and differences.title == f"{first.title}: differences"
    assert [heading for heading, _ in differences.groups] == [
        "against low map; against the calls on the deep map",
        "against gaussian; against the calls on the deep map",
    ]
    ((names, cells),) = differences.rows
    assert names == ["image", "corrected"] and cells[0].value == "+0.400"
    assert cells[1].value.startswith(tables.MINUS) and cells[1].spread.endswith("better")


def test_maps_are_compared_over_the_stretches_that_both_have():
    """Invented calls per Mb by hand; the last stretch has a call for every base, of the arm alone."""
    invented = np.array([[5, 7, 6, 8, 5, 7], [9, 8, 9, 9, 8, 9]])
    low, image = ([(10, 10, 4, n) for n in counts] for counts in invented)
    table = pd.concat([of_stretches("low", "map", low, 0), of_stretches("image", "arm", [*image, (10, 10, 4, 10**6)])])
    value = structure.compare(table, ARMS).set_index("metric").loc["invented_per_mb"]
    known = stats.ttest_rel(*invented[::-1])
    assert value["n_stretches"] == 6 and value["difference"] == pytest.approx(np.diff(invented.mean(axis=1))[0])
    assert [value["ci_low"], value["ci_high"]] == pytest.approx(list(known.confidence_interval()))
    assert value["p"] == pytest.approx(known.pvalue)


def test_numbers_are_means_over_folds_and_seeds():
    summary = structure.summarise(rows("alpha", 3))
    one = summary[(summary["arm"] == "image") & (summary["metric"] == "f1") & (summary["feature"] == "loops")]
    assert one["reference"].tolist() == ["deep"], "a number that no run has makes no row"
    assert one["n"].item() == 2 and one["mean"].item() == pytest.approx(0.6)
    assert one["sd"].item() == pytest.approx(np.std([0.5, 0.7], ddof=1))


def test_a_table_has_maps_then_arms_and_says_what_is_not_scored():
    summary = structure.summarise(pd.concat([rows("alpha", 3), rows("flat", 0, reach=0.9)]))
    none = pd.DataFrame(columns=called.STRETCH_COLUMNS)
    summary = summary.merge(structure.spread(none), how="left", on=structure.KEYS)
    made = structure.section(summary, structure.compare(none, ARMS), ARMS, SETTINGS, [])
    assert [table.title for table in made.tables] == [
        f"{feature} of {sample}, low map “low”" for sample in ("alpha", "flat") for feature in ("Loops", "Boundaries")
    ]
    loops, boundaries, flat, of_flat = made.tables
    assert [names for names, _ in loops.rows] == [["deep map", "–"], ["image", "corrected"]]
    deep, image = (cells for _, cells in loops.rows)
    headings = loops.groups[0][1]
    assert [cell.value for cell in deep][: len(headings)] == ["1,234", "–", "–", "1.000", "–", "–", "–"]
    assert image[headings.index("F1 ↑")] == ("0.600", "± 0.141", "", "", False, "", "")
    assert loops.note == "" and flat.note == "None was planted: every call is invented."
    assert "Compartments are not scored" in boundaries.note and "r = 0.30" in boundaries.note
    assert of_flat.note.startswith("None was planted: what is called are borders of compartments, or noise.")
    assert "image 0.910" in of_flat.note
    assert "8,000 to 40,000 bp" in made.paragraphs[0]


def calls(loops, boundaries):
    table = pd.DataFrame(loops, columns=["x_bp", "y_bp"], dtype=int).assign(chrom="chr1", score=0.5)
    edges = pd.DataFrame({"chrom": "chr1", "position_bp": boundaries, "strength": 0.3})
    profile = pd.DataFrame({"chrom": ["chr1"], "start_bp": [0], "end_bp": [1000], "score": [np.nan]})
    return called.Calls(table, edges, profile)


def test_outcomes_are_found_missed_invented():
    deep, half = calls([(10_500, 30_500), (50_500, 80_500)], [10_500, 40_500]), calls([(90_500, 99_500)], [])
    image = calls([(11_500, 29_500), (90_500, 98_500), (70_500, 99_500)], [10_500, 70_500])
    loops, boundaries = structure.outcomes(image, deep, [half], 2000)
    places = {kind: table[["x_bp", "y_bp"]].to_numpy().tolist() for kind, table in loops.items()}
    assert places == {"found": [[11_500, 29_500]], "missed": [[50_500, 80_500]], "invented": [[70_500, 99_500]]}
    assert {kind: table["position_bp"].tolist() for kind, table in boundaries.items()} == {
        "found": [10_500],
        "missed": [40_500],
        "invented": [70_500],
    }


def write(path, coarsen=1, loop=None):
    """A map of 200 kb on bins of 1 kb times `coarsen`, falling with distance, with a dot."""
    n = 200 // coarsen
    i, j = np.triu_indices(n)
    values = 100 / (1.0 + j - i)
    if loop is not None:
        values[(i == loop[0]) & (j == loop[1])] *= 5
    pixels = {"bin1_id": i, "bin2_id": j, "count": values}
    write_cool(path, {"chr1": 200_000}, 1000 * coarsen, [pixels], np.ones(n))
    return path


def test_the_stretch_shown_holds_most_loops(tmp_path):
    low = write(tmp_path / "low.cool", 2)
    many = [(1000 * x + 500, 1000 * x + 20_500) for x in (150, 155, 160, 20)]
    region = structure.busiest(calls(many, []), low, 80_000)
    assert (region.start_bp <= 150_000) and region.end_bp >= 181_000 and region.end_bp - region.start_bp == 80_000
    assert structure.busiest(calls([], [30_500]), low, 80_000).start_bp == 0
    assert structure.busiest(calls([], []), low, 80_000) is None
    assert structure.busiest(calls(many, []), low, 800_000) is None, "longer than the chromosome"


def test_a_strip_is_the_map_with_the_calls_that_lie_there(tmp_path):
    region = Region("chr1", 20_000, 120_000)
    loops = {"found": calls([(30_500, 60_500), (10_500, 60_500), (60_500, 120_500)], []).loops}
    edges = {"missed": calls([], [19_500, 20_500, 119_500, 120_500]).boundaries}
    made = structure.strip("image", write(tmp_path / "map.cool", loop=(30, 60)), region, 1000, loops, edges)
    assert made.values.shape == (100, 100)
    assert np.nanmax(made.values) == made.values[10, 40] > np.log(4)
    assert made.loops["found"].tolist() == [[30_500, 60_500]]
    assert made.boundaries["missed"].tolist() == [20_500, 119_500]
    assert structure.strip("low", write(tmp_path / "low.cool", 2), region, 1000, {}, {}).values.shape == (50, 50)


def test_what_is_invented_is_drawn_where_it_lies(tmp_path):
    """The same panel with and without an invented loop differs about that loop, and in its colour."""
    folders = {}
    halves = {name: calls([], []) for name in called.HALVES}
    deep = calls([(40_500, 60_500)], [30_500])
    for name, found in (("without", deep), ("with", calls([(40_500, 60_500), (90_500, 110_500)], [30_500]))):
        for part, maps in (("maps", {"deep": deep, "low": deep, **halves}), ("arm", {"map": found})):
            (tmp_path / name / part).mkdir(parents=True)
            called._write_calls(tmp_path / name / part, maps)
        paths = [str(write(tmp_path / name / f"{what}.cool", k)) for what, k in (("map", 1), ("deep", 1), ("low", 2))]
        place = [tmp_path / name / part for part in ("arm", "maps")]
        shown = structure.Shown(Evaluation("low", "image", "a", 1, "alpha"), paths[0], *place, *paths[1:])
        (tmp_path / name / "out").mkdir()
        ((figure),) = [structure.draw(tmp_path / name / "out", [shown], ARMS, {**SETTINGS, "max_bp": 24_000})]
        folders[name] = tmp_path / name / "out/maps-low-alpha"
        assert "alpha, chr1:0-192,000, low map “low”" in figure[0].caption
        assert figure[0].source.startswith("data:image/png;base64,")
        assert sections.Figure(*figure[0]) == figure[0]
    first, second = (np.asarray(Image.open(f"{folders[name]}.png").convert("RGB")).astype(int) for name in folders)
    rows_of, columns = np.nonzero((first != second).any(axis=2))
    # One marker, in the last of three strips, at (90.5 + 110.5) / 2 of 192 kb.
    assert rows_of.min() > first.shape[0] / 2 and np.ptp(columns) < 0.03 * first.shape[1]
    left, width = 1.15 / 10.2, (10.2 - 1.25) / 10.2
    assert columns.mean() / first.shape[1] == pytest.approx(left + width * 100.5 / 192, abs=0.01)
    colours = second[rows_of, columns]
    wanted = np.array([int(structure.INVENTED[i : i + 2], 16) for i in (1, 3, 5)])
    assert (np.abs(colours - wanted).sum(axis=1) < 30).any()
