import math

import made_up
import pandas as pd
import pytest

from trifold.errors import InputError
from trifold.metrics.aggregate import HIGHER_IS_BETTER
from trifold.report import tables
from trifold.report.tables import View

ARMS = {
    "image_1": {"architecture": "vehicle"},
    "old": {"architecture": "vehicle", "protocol": "published"},
    "identity": {"architecture": "identity"},
}
KEY = ["low", "alpha", "deep", "oe"]


def _scores(**means) -> pd.DataFrame:
    """mse and pearson of each arm, two seeds for learned ones."""
    rows = []
    for arm, (mse, pearson) in means.items():
        seeds, sd = (1, math.nan) if arm == "identity" else (2, 0.001)
        rows += [[*KEY, "mse", arm, seeds, 20, mse, sd], [*KEY, "pearson", arm, seeds, 20, pearson, sd]]
    return pd.DataFrame(rows, columns=[*tables.KEYS, "metric", "arm", "n_seeds", "n_windows", "mean", "sd"])


def _comparisons(*rows) -> pd.DataFrame:
    """Of 20 windows, each a stretch; p stands for both."""
    columns = ["metric", "arm", "reference_arm", "difference", "ci_low", "ci_high", "p", "better"]
    frame = pd.DataFrame([[*KEY, *row] for row in rows], columns=[*tables.KEYS, *columns])
    return frame.assign(n_windows=20, n_stretches=20, p_holm=frame["p"])


SCORES = _scores(identity=(0.5, 0.4), image_1=(0.4, 0.7), old=(0.45, 0.3))
COMPARISONS = _comparisons(
    ("mse", "image_1", "identity", -0.1, -0.12, -0.08, 0.001, "arm"),
    ("pearson", "image_1", "identity", 0.3, -0.01, 0.61, 0.06, "undecided"),
    ("mse", "old", "identity", -0.05, -0.06, -0.04, 0.001, "arm"),
    ("pearson", "old", "identity", -0.1, -0.2, -0.05, 0.002, "reference_arm"),
)


def table(reference_arm="identity") -> pd.DataFrame:
    return tables.score_table(SCORES, COMPARISONS, ARMS, reference_arm=reference_arm, test_regions="chr6:0-900")


def cell(frame, arm, metric):
    grid = tables.grid(*next(tables.views(frame)))
    return next(row for row in grid.rows if row.arm == arm).cells[grid.metrics.index(metric)]


def test_metrics_are_those_of_the_aggregates():
    assert {name: metric.higher_is_better for name, metric in tables.METRICS.items()} == HIGHER_IS_BETTER


def test_rows_without_a_model_come_first_then_corrected_then_published():
    assert tables.arm_order(ARMS) == ["identity", "image_1", "old"]
    assert list(dict.fromkeys(table()["arm"])) == ["identity", "image_1", "old"]
    assert list(table()["protocol"].unique()) == ["no model", "corrected", "published"]


def test_best_respects_the_direction_and_the_protocol():
    frame = table().set_index(["arm", "metric"])["best"]
    assert frame["image_1", "mse"]
    assert frame["image_1", "pearson"]
    # The only published arm is best of its protocol on MSE, although a corrected one is lower; on Pearson r the row
    # without a model is higher than it.
    assert frame["old", "mse"]
    assert not frame["old", "pearson"]
    assert not frame["identity", "mse"]
    assert not frame["identity", "pearson"]


def test_no_difference_is_taken_across_protocols():
    pairs = [("image_1", "old"), ("image_1", "identity"), ("identity", "old"), ("old", "old")]
    assert [tables.comparable(ARMS, *pair) for pair in pairs] == [False, True, True, True]
    frame = table("image_1").set_index(["arm", "metric"])
    assert math.isnan(frame.loc[("old", "mse"), "difference"])
    assert cell(table("image_1"), "old", "mse").difference == ""


def test_cells_hold_value_spread_difference_and_interval():
    own = cell(table(), "image_1", "mse")
    assert own == ("0.4000", "± 0.0010", "−0.1000", "[−0.1200, −0.0800]", True, "better", "")
    assert cell(table(), "image_1", "pearson").verdict == "undecided"
    assert cell(table(), "old", "pearson").verdict == "worse"
    # One seed has no spread, and an arm is not compared with itself.
    assert cell(table(), "identity", "mse") == ("0.5000", "", "", "", False, "", "")


def test_y3_ceilings_come_last_and_say_how_much_of_the_way_is_made():
    """Worked by hand: (0.5 - 0.4) / (0.5 - 0.3) of the way in MSE, (0.7 - 0.4) / (0.8 - 0.4) in Pearson r."""
    ceilings = _scores(replicate=(0.3, 0.8), **{"noise-free": (0.1, 0.9)}).assign(n_seeds=5)
    scores = pd.concat([SCORES, ceilings])
    frame = tables.score_table(scores, COMPARISONS, ARMS, reference_arm="identity", test_regions="chr6:0-900")
    assert list(dict.fromkeys(frame["arm"])) == ["identity", "image_1", "old", "replicate", "noise-free"]
    rows = frame.set_index(["arm", "metric"])
    assert rows.loc[("image_1", "mse"), "share"] == pytest.approx(0.5)
    assert rows.loc[("image_1", "pearson"), "share"] == pytest.approx(0.75)
    assert rows.loc[("old", "pearson"), "share"] == pytest.approx(-0.25)
    assert rows.loc[("identity", "mse"), "share"] == 0
    # A ceiling is no arm: it is neither compared nor the best, and takes that from none.
    for name in ("replicate", "noise-free"):
        assert rows.loc[name, ["difference", "share"]].isna().all(axis=None)
        assert not rows.loc[name, "best"].any()
    arms = frame[frame["protocol"] != "ceiling"]
    assert arms["best"].tolist() == table()["best"].tolist()
    assert cell(frame, "image_1", "mse").share == "50 %"
    assert cell(frame, "old", "pearson").share == "−25 %"
    assert cell(frame, "identity", "mse").share == cell(frame, "replicate", "mse").share == ""
    # Seeds of arms are counted, not divisions of the reads.
    assert "20 windows, 2 seeds" in tables.grid(*next(tables.views(frame))).title
    assert "50 %" in tables.to_markdown(frame) and r"50 \%" in tables.to_tex(frame)
    assert tables.cautions(scores, COMPARISONS, ARMS) == tables.cautions(SCORES, COMPARISONS, ARMS)
    view = next(tables.views(frame))[0]
    assert tables.findings(scores, COMPARISONS, ARMS, view) == tables.findings(SCORES, COMPARISONS, ARMS, view)


def test_y3_far_behind_the_row_without_a_model_is_no_number():
    scores = pd.concat([SCORES, _scores(replicate=(0.3, 0.41))])
    frame = tables.score_table(scores, COMPARISONS, ARMS, reference_arm="identity", test_regions="chr6:0-900")
    assert frame.set_index(["arm", "metric"]).loc[("old", "pearson"), "share"] < -1
    assert cell(frame, "old", "pearson").share == "below −100 %"


def test_y3_the_way_begins_at_the_best_row_without_a_model():
    """Another one that is the best in Pearson r alone: (0.7 - 0.6) / (0.8 - 0.6) of the way from there."""
    arms = ARMS | {"blurred": {"architecture": "gaussian"}}
    scores = pd.concat([SCORES, _scores(blurred=(0.6, 0.6)), _scores(replicate=(0.3, 0.8))])
    frame = tables.score_table(scores, COMPARISONS, arms, reference_arm="identity", test_regions="")
    share = frame.set_index(["arm", "metric"])["share"]
    assert [share["image_1", "mse"], share["image_1", "pearson"]] == pytest.approx([0.5, 0.5])
    assert [share["blurred", "mse"], share["blurred", "pearson"]] == pytest.approx([-0.5, 0], abs=1e-12)


def test_y3_there_is_no_way_to_a_replicate_that_is_no_better():
    # Better by less than twice its spread (0.001) in MSE, worse in Pearson r.
    scores = pd.concat([SCORES, _scores(replicate=(0.4985, 0.39))])
    frame = tables.score_table(scores, COMPARISONS, ARMS, reference_arm="identity", test_regions="chr6:0-900")
    assert frame["share"].isna().all()
    assert tables.score_table(SCORES, COMPARISONS, ARMS, reference_arm=None, test_regions="")["share"].isna().all()


def test_too_few_stretches_are_shown_as_such():
    few = {"n_stretches": 3, "ci_low": math.nan, "ci_high": math.nan, "p": math.nan, "better": "too few"}
    comparisons = COMPARISONS.assign(**few)
    frame = tables.score_table(SCORES, comparisons, ARMS, reference_arm="identity", test_regions="chr6:0-900")
    assert cell(frame, "image_1", "mse") == ("0.4000", "± 0.0010", "−0.1000", "[too few: 3]", True, "too few", "")
    assert "95 % interval over 3 stretches" in tables.grid(*next(tables.views(frame))).title
    assert r"\footnotesize $-$0.1000 [too few: 3]}" in tables.to_tex(frame)
    said = tables.findings(SCORES, comparisons, ARMS, View(*KEY))
    assert said[0].findings[0] == ("mse", "unknown", "on MSE: difference −0.1000 [too few: 3]")
    assert tables.headline(said) == (
        "Against the strongest row without a model, image_1 and old are without a verdict on MSE and Pearson r."
    )


def test_title_names_regions_windows_and_seeds():
    title = tables.grid(*next(tables.views(table()))).title
    assert "chr6:0-900" in title
    assert "20 windows, 2 seeds" in title
    assert "difference from identity, 95 % interval over 20 stretches; better, worse: Holm's p over all" in title


@pytest.mark.parametrize(
    "largest, value, text",
    [(0.8, 0.12345, "0.1235"), (3.2e-6, -1.5e-6, "−1.500"), (0.05, 0.0123, "12.30"), (250.0, 3.14159, "3.1")],
)
def test_number_formats(largest, value, text):
    assert tables.Format.of(pd.Series([largest])).number(value) == text


def test_zero_has_no_sign():
    assert tables.Format(0, 2).number(-0.001, sign=True) == "0.00"


def test_power_of_ten_stands_in_the_heading():
    assert tables.heading("mse", tables.Format.of(pd.Series([3.2e-6]))) == "MSE ↓ ×10⁻⁶"


def test_markdown():
    text = tables.to_markdown(table())
    assert "| arm | protocol | MSE ↓ | Pearson r ↑ |" in text
    assert (
        "| image\\_1 | corrected | **0.4000** ± 0.0010 (−0.1000 [−0.1200, −0.0800] better) "
        "| **0.7000** ± 0.0010 (+0.3000 [−0.0100, 0.6100]) |" in text
    )


def test_tex():
    text = tables.to_tex(table())
    assert r"image\_1 & corrected & \textbf{0.4000} $\pm$ 0.0010 & \textbf{0.7000} $\pm$ 0.0010 \\" in text
    assert r"{\footnotesize $-$0.1000 [$-$0.1200, $-$0.0800] better}" in text
    assert text.count(r"\midrule") == 3  # under the head, and between the three protocols
    assert text.count("{") == text.count("}")
    assert text.isascii() or set(text) - set(map(chr, range(128))) <= set("“”")


def test_escapes():
    assert tables.escape_tex(r"50%_a&b#$ {x} ~^\ ") == (
        r"50\%\_a\&b\#\$ \{x\} \textasciitilde{}\textasciicircum{}\textbackslash{} "
    )
    assert tables.escape_markdown("a|b_c*d`") == r"a\|b\_c\*d\`"


def test_write_gives_three_files_and_the_numbers_come_back(tmp_path):
    paths = tables.write(table(), "summary", tmp_path)
    assert [path.name for path in paths] == ["summary.tsv", "summary.md", "summary.tex"]
    back = pd.read_csv(paths[0], sep="\t", keep_default_na=False, na_values=[""])
    assert back["mean"].tolist() == table()["mean"].tolist()
    assert back["protocol"].tolist() == table()["protocol"].tolist()


def test_unknown_metrics_and_arms_are_refused():
    with pytest.raises(InputError, match="psnr"):
        tables.score_table(SCORES.replace("mse", "psnr"), COMPARISONS, ARMS, reference_arm=None, test_regions="")
    with pytest.raises(InputError, match="stranger"):
        tables.score_table(SCORES.replace("old", "stranger"), COMPARISONS, ARMS, reference_arm=None, test_regions="")


def test_regions_are_named_or_counted():
    regions = pd.DataFrame({"chrom": ["chr2", "chr1", "chr1"], "start_bp": [0, 0, 0], "end_bp": [10, 2000, 2000]})
    assert tables.name_regions(regions) == "chr1:0-2,000, chr2:0-10"
    many = pd.DataFrame({"chrom": "chr1", "start_bp": range(0, 6_000_000, 1_000_000), "end_bp": 0})
    many["end_bp"] = many["start_bp"] + 500_000
    assert tables.name_regions(many) == "6 regions of chr1 (3.0 Mb)"


def test_findings_say_either_sign_and_undecided():
    view = View(*KEY)
    said = tables.findings(SCORES, COMPARISONS, ARMS, view)
    # Arms of different protocols are not compared: only identity is left as a rival.
    assert [(one.arm, one.rival) for one in said] == [("image_1", "identity"), ("old", "identity")]
    assert said[0].findings == [
        ("mse", "beats", "on MSE by 0.1000 [0.0800, 0.1200]"),
        ("pearson", "undecided", "on Pearson r: difference +0.3000 [−0.0100, 0.6100]"),
    ]
    assert said[1].findings[1] == ("pearson", "loses", "on Pearson r by 0.1000 [0.0500, 0.2000]")
    assert tables.headline(said) == (
        "Against the strongest row without a model, image_1 is better on MSE and undecided on Pearson r; "
        "old is better on MSE and worse on Pearson r."
    )


def test_the_rival_is_the_strongest_row_without_a_model_by_metric():
    arms = {"a": {"architecture": "identity"}, "b": {"architecture": "gaussian"}, "m": {"architecture": "vehicle"}}
    scores = pd.concat([_scores(a=(0.5, 0.6)), _scores(b=(0.3, 0.5)), _scores(m=(0.4, 0.7))])
    rows = [(metric, "m", rival, 0.1, 0.05, 0.15, 0.001, "arm") for metric in ("mse", "pearson") for rival in "ab"]
    said = tables.findings(scores, _comparisons(*rows), arms, View(*KEY))
    expected = {"a": ["pearson"], "b": ["mse"]}
    assert {one.rival: [f.metric for f in one.findings] for one in said} == expected
    # Nor is it a row whose score is not defined, even where it is compared with.
    arms = {"n": {"architecture": "mean-by-distance"}} | arms
    scores = pd.concat([_scores(n=(0.9, math.nan)), scores])
    rows += [(metric, "m", "n", 0.1, 0.05, 0.15, 0.001, "arm") for metric in ("mse", "pearson")]
    said = tables.findings(scores, _comparisons(*rows), arms, View(*KEY))
    assert {one.rival: [f.metric for f in one.findings] for one in said} == expected


SIMPLE = {name: {"architecture": name} for name in ("identity", "gaussian", "gaussian-tuned", "mean-by-distance")}
LEARNED = {"m": {"architecture": "vehicle"}}


def test_the_strongest_row_without_a_model_is_named_metric_by_metric():
    """A mean that is not defined (no bin differs from another) is not the strongest; nor is what is learned."""
    scores = {"identity": (0.5, 0.6), "gaussian": (0.3, 0.5), "gaussian-tuned": (0.4, 0.65)}
    scores = _scores(m=(0.1, 0.9), **scores, **{"mean-by-distance": (0.35, math.nan)})
    arms = SIMPLE | LEARNED
    best = tables.strongest(scores, arms).set_index("metric")["arm"].to_dict()
    assert best == {"mse": "gaussian", "pearson": "gaussian-tuned"}
    nothing = _comparisons().astype({"difference": float})
    frame = tables.score_table(scores, nothing, arms, reference_arm=None, test_regions="x")
    marked = frame[frame["strongest"]]
    assert dict(zip(marked["metric"], marked["arm"])) == best
    title = tables.grid(*next(tables.views(frame))).title
    assert title.endswith(" Strongest without a model: gaussian on MSE; gaussian-tuned on Pearson r.")
    one = tables.score_table(
        scores[scores["arm"] != "gaussian-tuned"], nothing, arms, reference_arm=None, test_regions=""
    )
    assert "Strongest without a model: identity on Pearson r; gaussian on MSE." in tables.to_markdown(one)
    alone = scores[scores["arm"].isin(["m", "identity"])]
    frame = tables.score_table(alone, nothing, arms, reference_arm=None, test_regions="")
    assert "Strongest" not in tables.to_markdown(frame) and frame["strongest"].sum() == 2


@pytest.mark.parametrize(("seeds", "said"), [(1, "20 windows."), (3, "20 windows, 3 seeds.")])
def test_seeds_of_rows_without_a_model_are_counted_where_each_thins_anew(seeds, said):
    scores = _scores(identity=(0.5, 0.6), gaussian=(0.3, 0.5)).assign(n_seeds=seeds)
    nothing = _comparisons().astype({"difference": float})
    frame = tables.score_table(scores, nothing, SIMPLE, reference_arm=None, test_regions="chr6:0-900")
    assert f"Test regions: chr6:0-900; {said}" in tables.grid(*next(tables.views(frame))).title


def test_the_strongest_rows_without_a_model_are_always_compared_with():
    arms = SIMPLE | LEARNED
    scores = pd.concat(
        [_scores(m=(0.1, 0.9), identity=(0.5, 0.6), gaussian=(0.3, 0.7)), _scores(**{"gaussian-tuned": (0.2, 0.65)})]
    )
    assert tables.references(scores, arms, ["m", "identity"]) == ["m", "identity", "gaussian", "gaussian-tuned"]
    assert tables.references(scores, arms, ["gaussian-tuned", "m"]) == ["gaussian-tuned", "m", "gaussian"]
    assert tables.references(scores, arms, []) == []


def test_cautions():
    said = tables.cautions(SCORES.assign(n_seeds=1), COMPARISONS.assign(n_stretches=4), ARMS)
    assert "one seed" in said[0]
    assert "Only 4 independent stretches" in said[1] and "no verdict" in said[1] and "folds" in said[1]
    assert "rough" in tables.cautions(SCORES, COMPARISONS.assign(n_stretches=9), ARMS)[0]
    assert tables.cautions(SCORES, COMPARISONS, ARMS) == tables.cautions(SCORES, COMPARISONS.iloc[:0], ARMS) == []
    assert "No learned arm" in tables.cautions(SCORES[SCORES["arm"] == "identity"], COMPARISONS, ARMS)[0]


def test_a_made_up_experiment_has_every_view():
    settings = made_up.config(seeds=(1,))
    scores, comparisons = made_up.aggregates(made_up.window_scores(settings, n_windows=6), ["identity"])
    frame = tables.score_table(scores, comparisons, settings["arms"], reference_arm="identity", test_regions="x")
    assert len(list(tables.views(frame))) == 4
    assert frame.groupby([*tables.KEYS, "metric"])["best"].sum().eq(1).all()


def test_the_summary_compares_each_low_map_with_an_arm_of_its_own():
    """An arm named for one low map is no reference of another."""
    other = SCORES[SCORES["arm"] != "identity"].assign(degradation="other")
    paired = COMPARISONS[COMPARISONS["reference_arm"] == "image_1"].assign(degradation="other")
    table = tables.summary_table(
        pd.concat([SCORES, other]),
        pd.concat([COMPARISONS, paired]),
        ARMS,
        reference_arms=["identity", "image_1"],
        test_regions="chr6",
    )
    found = table.groupby("degradation")["reference_arm"].unique().map(list).to_dict()
    assert found == {"low": ["identity"], "other": ["image_1"]}
    row = table.query("degradation == 'low' and arm == 'image_1' and metric == 'mse'")
    assert row["difference"].item() == -0.1
