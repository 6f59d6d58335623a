"""MIX-HIC's tables: means, the paper's numbers, paired differences, renderings."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from trifold.errors import InputError
from trifold.metrics import multimodal
from trifold.papers import paper
from trifold.papers.mixhic2025 import tables as mixhic2025

PUBLISHED = paper.read_published(Path(__file__).parents[3] / "papers/mixhic2025/published.tsv")
ROWS = {
    "2": {"MIX-HIC-InferMap": ["map", "map-published", "map-k562"], "Expected": ["expected"]},
    "3": {"MIX-HIC-Bimodal": ["loop", "loop-published"], "Corner": ["corner", "corner-published"]},
    "4": {"MIX-HIC": ["cage"], "Nearest": ["nearest"]},
}
TASKS = {"2": "window", "3": "loop", "4": "cage"}


def scores(
    run,
    task,
    values,
    *,
    protocol="corrected",
    sample="alpha",
    trained="alpha",
    seed=1,
    role="test",
    distance=np.nan,
    n=10,
):
    """One row per (metric, value)."""
    labels = {"run": run, "task": task, "mode": "bimodal", "protocol": protocol, "variant": "full", "pretraining": ""}
    labels |= {"dim": 8, "fraction": 1.0, "train_samples": trained, "sample": sample, "seed": seed, "role": role}
    return pd.DataFrame(
        [{**labels, "metric": m, "distance_bp": distance, "n": n, "value": v} for m, v in values.items()]
    )


@pytest.fixture
def maps():
    return pd.concat(
        [
            scores("map", "window", {"pearson": 0.90, "r2": 0.7, "r2_swapped": 0.6, "scc_hicrep": 0.5}, seed=1),
            scores("map", "window", {"pearson": 0.94, "r2": 0.8, "r2_swapped": 0.7, "scc_hicrep": np.nan}, seed=2),
            scores("map", "window", {"pearson": 0.3, "r2": 0.1}, seed=1, distance=5000.0, n=98),
            scores("map", "window", {"pearson": 0.5, "r2": 0.3}, seed=2, distance=5000.0, n=98),
            scores("map-published", "window", {"pearson": 0.8}, protocol="published"),
            scores("map-k562", "window", {"pearson": 0.85}, sample="K562", trained="alpha,K562"),
            scores("expected", "window", {"pearson": 0.88}, seed=0),
            # Not of the table: a sample it was not trained on, another role, another task, a run of no row.
            scores("map", "window", {"pearson": 9.0}, sample="K562"),
            scores("map", "window", {"pearson": 9.0}, role="validation"),
            scores("map", "loop", {"pearson": 9.0}),
            scores("other", "window", {"pearson": 9.0}),
        ],
        ignore_index=True,
    )


def cell(frame, row, metric, protocol, sample="alpha"):
    own = frame[frame["distance_bp"].isna()]
    (found,) = own.query(
        "row == @row and metric == @metric and protocol == @protocol and sample == @sample"
    ).itertuples()
    return found


def test_the_papers_numbers_are_all_there():
    assert PUBLISHED["table"].value_counts().to_dict() == {"1": 19, "2": 20, "3": 24, "4": 20, "S2": 30}
    values = PUBLISHED.set_index(["table", "row", "set", "metric"])["value"]
    assert values["1", "HCT116", "pretrain", "after"] == "189099"
    assert values["2", "EPCOT-transformer", "GM12878", "r2_swapped"] == "0.5409"
    assert values["3", "MIX-HIC-Bimodal", "K562", "auroc"] == "0.9194"
    assert values["4", "MIX-HIC", "K562", "pearson"] == "0.9569"
    assert values["S2", "MIX-HIC", "GM12878", "validated"] == "5179"
    pretrain = PUBLISHED[(PUBLISHED["set"] == "pretrain") & (PUBLISHED["metric"] != "share")]
    sums = pretrain.assign(value=pretrain["value"].astype(int)).pivot(index="row", columns="metric", values="value")
    for metric in ("before", "after"):  # the paper's total before is three short of its parts
        assert sums.drop("Total")[metric].sum() - sums.loc["Total", metric] == {"before": 3, "after": 0}[metric]


def test_means_and_spreads_are_over_seeds(maps):
    frame = mixhic2025.table("2", maps, ROWS["2"], PUBLISHED)
    assert list(frame) == mixhic2025.COLUMNS
    ours = cell(frame, "MIX-HIC-InferMap", "pearson", "corrected")
    assert (ours.run, ours.n_seeds, ours.n) == ("map", 2, 10)
    assert (ours.mean, ours.sd) == (pytest.approx(0.92), pytest.approx(np.std([0.90, 0.94], ddof=1)))
    assert cell(frame, "MIX-HIC-InferMap", "scc_hicrep", "corrected").n_seeds == 1
    assert cell(frame, "MIX-HIC-InferMap", "pearson", "published").mean == 0.8
    assert cell(frame, "MIX-HIC-InferMap", "pearson", "corrected", "K562").run == "map-k562"


def test_the_papers_numbers_stand_beside_the_sample_of_that_name(maps):
    frame = mixhic2025.table("2", maps, ROWS["2"], PUBLISHED)
    assert cell(frame, "MIX-HIC-InferMap", "pearson", "paper").printed == "0.9441"  # alpha: GM12878's
    assert cell(frame, "MIX-HIC-InferMap", "pearson", "paper", "K562").printed == "0.9181"
    assert cell(frame, "Epiphany", "r2_swapped", "paper").mean == 0.7970
    assert frame.query("row == 'Expected' and protocol == 'paper'").empty
    assert mixhic2025.papers_sample("k562") == "K562"
    nothing = mixhic2025.table("3", maps.iloc[:0], ROWS["3"], PUBLISHED)
    assert set(nothing["sample"]) == {"GM12878", "K562"}
    assert nothing.query("protocol == 'paper'")["mean"].count() == 24 and (nothing["run"] == "").all()


def test_distances_have_rows_of_their_own(maps):
    frame = mixhic2025.table("2", maps, ROWS["2"], PUBLISHED)
    far = frame[frame["distance_bp"] == 5000]
    assert far["metric"].tolist() == ["pearson", "r2"]
    np.testing.assert_allclose(far["mean"], [0.4, 0.2])
    assert far["n"].tolist() == [98, 98]
    titles = [part.title for part, _ in mixhic2025.parts(frame)]
    assert "Table 2 by distance, alpha" in titles and "Table 2 by distance, K562" not in titles


def test_two_runs_of_a_protocol_and_missing_columns_are_refused(maps):
    with pytest.raises(InputError, match=r"row 'Both' of Table 2 holds the runs \['expected', 'map'\], both corrected"):
        mixhic2025.table("2", maps, {"Both": ["map", "expected"]}, PUBLISHED)
    with pytest.raises(InputError, match=r"columns \['train_samples'\] are missing"):
        mixhic2025.table("2", maps.drop(columns="train_samples"), ROWS["2"], PUBLISHED)
    with pytest.raises(InputError, match=r"counts.tsv: columns \['protocol'\] are missing"):
        columns = ["sample", "window_bins", "kind", "label", "before", "after"]
        mixhic2025.table1(pd.DataFrame(columns=columns), [], PUBLISHED)


@pytest.fixture
def predictions(tmp_path):
    """Predictions of Tables 2 to 4: three runs on 40 windows, the reference lacking the last and in another order."""
    rng = np.random.default_rng(2)
    chrom, x = np.repeat(["chr5", "chr6"], 20), 50 * np.arange(40) + 100
    shapes = {"2": (40, 50, 50), "3": (40,), "4": (40, 100)}
    stored = {}
    for name, shape in shapes.items():
        target = (rng.random(shape) < 0.5).astype(np.float32) if name == "3" else rng.random(shape, np.float32)
        for run, seed, noise in (("ours", 1, 0.3), ("ours", 2, 0.4), ("reference", 0, 0.9)):
            predicted = np.clip(target + rng.normal(0, noise, shape), 0, 1).astype(np.float32)
            order = np.arange(40) if run == "ours" else rng.permutation(39)
            path = tmp_path / f"{name}-{run}-{seed}.npz"
            parts = {"label" if name == "3" else "target": target, "prediction": predicted}
            threshold = {"threshold": np.float64(0.2 + seed / 10)} if name == "3" else {}
            np.savez(
                path,
                chrom=chrom[order],
                x=x[order],
                y=x[order],
                window_bins=50,
                **threshold,
                **{key: own[order] for key, own in parts.items()},
            )
            row = {"fold": "a", "seed": seed, "path": path}
            stored.setdefault(name, {}).setdefault((run, "alpha"), []).append(row)
    return stored


@pytest.mark.parametrize("name", ["2", "3", "4"])
def test_differences_are_of_the_windows_both_have(predictions, name):
    metrics = mixhic2025.LAYOUTS[name].metrics
    own = pd.concat(
        [
            scores("ours", TASKS[name], dict.fromkeys(metrics, 0.5), seed=1),
            scores("reference", TASKS[name], dict.fromkeys(metrics, 0.4), seed=0),
            scores("lonely", TASKS[name], dict.fromkeys(metrics, 0.4), seed=0, protocol="published"),
        ]
    )
    rows = {"Ours": ["ours"], "Reference": ["reference"], "Lonely": ["lonely"]}
    frame = mixhic2025.table(name, own, rows, PUBLISHED)
    compared = mixhic2025.with_differences(frame, predictions[name], "Reference")
    found = compared[compared["difference"].notna()]
    # Of negatives that are matched in distance the predictions are not kept: scores without a difference. At the chosen
    # threshold F1 alone is compared.
    kept = {metric for metric in metrics if not metric.endswith("_matched")} - {"precision_chosen", "recall_chosen"}
    assert set(found["row"]) == {"Ours"} and set(found["metric"]) == kept
    assert (found["against"] == "Reference").all()
    assert (found["n_windows"] == 39).all() and (found["n_stretches"] == 39).all()
    arrays = []
    for prediction in (*predictions[name]["ours", "alpha"], *predictions[name]["reference", "alpha"]):
        with np.load(prediction["path"]) as stored:
            order = np.argsort(stored["x"])[:39]
            arrays.append({key: stored[key][order] for key in stored if stored[key].ndim})
    metric = {"2": "pearson", "3": "auroc", "4": "r2_tss"}[name]

    def value(own):
        if name == "2":
            table = multimodal.map_metrics(own["prediction"], own["target"], own["x"], own["y"], 5000)
            return table.query("metric == 'pearson' and distance_bp.isna()")["value"].item()
        if name == "3":
            return multimodal.loop_metrics(own["label"], own["prediction"])["auroc"]
        return multimodal.cage_metrics(own["prediction"], own["target"], np.arange(100) == 25)["r2_tss"]

    expected = np.mean([value(each) for each in arrays[:2]]) - value(arrays[2])
    one = found.set_index("metric").loc[metric]
    assert one["difference"] == pytest.approx(expected, abs=1e-9)
    assert 0 < one["ci_low"] < expected < one["ci_high"]
    # The AUROC alone would decide for the row (p 0.013); of six scores it does not.
    assert one["better"] == ("undecided" if name == "3" else "row")
    pd.testing.assert_frame_equal(mixhic2025.with_differences(frame, predictions[name], None), frame)
    if name == "3":  # every prediction at the threshold that is stored with it: 0.3, 0.4, and 0.2 of the reference
        f1 = [f1_score(own["label"], own["prediction"] > at) for own, at in zip(arrays, (0.3, 0.4, 0.2))]
        difference = found.set_index("metric").loc["f1_chosen", "difference"]
        assert difference == pytest.approx(np.mean(f1[:2]) - f1[2], abs=1e-9)


def test_folds_are_pooled(predictions, tmp_path):
    """A seed's score is its mean over folds; stretches of all folds are left out in turn, each in its fold."""
    halves = {}
    for (run, sample), rows in predictions["3"].items():
        for row in rows:
            with np.load(row["path"]) as stored:
                arrays = dict(stored)
            for fold, chrom in (("a-1", "chr5"), ("a-2", "chr6")):
                kept = arrays["chrom"] == chrom
                path = tmp_path / f"{fold}-{run}-{row['seed']}.npz"
                np.savez(path, **{name: part[kept] if part.ndim else part for name, part in arrays.items()})
                halves.setdefault((run, sample), []).append({"fold": fold, "seed": row["seed"], "path": path})
    ours, reference = halves["ours", "alpha"], halves["reference", "alpha"]
    n_windows, both = mixhic2025.difference("loop", ours, reference)
    of_fold = [
        mixhic2025.difference("loop", *([row for row in rows if row["fold"] == fold] for rows in (ours, reference)))
        for fold in ("a-1", "a-2")
    ]
    assert n_windows == sum(n for n, _ in of_fold) == 39 and (both["n_stretches"] == 39).all()
    expected = np.mean([frame["difference"] for _, frame in of_fold], axis=0)
    np.testing.assert_allclose(both["difference"], expected)
    # Two independent halves: errors of the folds add up, those of the mean are half of that.
    half = [(frame["ci_high"] - frame["ci_low"]) / 2 / stats.t.ppf(0.975, n - 1) for n, frame in of_fold]
    error = (both["ci_high"] - both["ci_low"]) / 2 / stats.t.ppf(0.975, 38)
    np.testing.assert_allclose(error, np.hypot(*half) / 2, rtol=0.05)


def test_seeds_of_several_folds_are_seeds(maps):
    """Two seeds in two folds: the spread is over seeds, not over four runs."""
    rows = [
        ("map", fold, seed, value) for fold, seed, value in (("a", 1, 0.8), ("b", 1, 0.6), ("a", 2, 0.9), ("b", 2, 0.9))
    ]
    parts = [scores(run, "window", {"pearson": value}, seed=seed) for run, _, seed, value in rows]
    frame = mixhic2025.table("2", pd.concat(parts), {"MIX-HIC-InferMap": ["map"]}, PUBLISHED)
    shown = cell(frame, "MIX-HIC-InferMap", "pearson", "corrected")
    assert (shown.n_seeds, shown.mean) == (2, pytest.approx(0.8))
    assert shown.sd == pytest.approx(np.std([0.7, 0.9], ddof=1))
    assert shown.n == 2 * int(parts[0]["n"].iloc[0])


def test_y5_what_distance_tells_of_negatives_is_printed_with_the_loops(tmp_path, repository):
    """Of the test pairs of the sample and protocol, once of several folds; matched scores beside the others."""
    values = {"auroc": 0.9, "auroc_matched": 0.7, "auprc_matched": 0.6, "f1_matched": 0.5}
    own = scores("loop", "loop", {**values, "f1": 0.41, "f1_chosen": 0.62, "threshold_chosen": 0.2})
    own.to_csv(tmp_path / "scores.tsv", sep="\t", index=False)
    rows = [
        ("alpha", "corrected", "drawn", "train", 800, 30, 400, 80),
        ("alpha", "corrected", "drawn", "test", 50, 30, 25, 6),
        ("alpha", "corrected", "matched", "test", 48, 30, 0, 0),
        ("beta", "corrected", "drawn", "test", 10, 30, 1, 1),
    ]
    columns = ["sample", "protocol", "negatives", "role", "n", "longest_bins", "beyond", "near"]
    for fold in "ab":
        pd.DataFrame(rows, columns=columns).to_csv(tmp_path / f"{fold}.tsv", sep="\t", index=False)
    frame = mixhic2025.make(
        "3",
        [tmp_path / "scores.tsv"],
        repository / "papers/mixhic2025/published.tsv",
        rows={"MIX-HIC-Bimodal": ["loop"]},
        against=None,
        pretraining=[],
        maps={},
        predictions=[],
        negatives=[tmp_path / "a.tsv", tmp_path / "b.tsv"],
    )
    assert cell(frame, "MIX-HIC-Bimodal", "auroc_matched", "corrected").mean == 0.7
    mixhic2025.write(frame, tmp_path)
    text = (tmp_path / "mixhic2025_table3.md").read_text()
    assert "AUROC, matched ↑" in text and "F1, matched" not in text
    assert cell(frame, "MIX-HIC-Bimodal", "f1_chosen", "corrected").mean == 0.62
    assert "F1, chosen ↑" in text and "largest F1 on the sample's validation pairs" in text
    assert (
        "Test negatives, corrected: drawn: 50, 50 % beyond the longest loop, 12 % within two bins of a listed loop; "
        "matched: 48, 0 % beyond the longest loop, 0 % within two bins of a listed loop." in text
    )
    again = mixhic2025.read(tmp_path / "mixhic2025_table3.tsv")
    assert [table.note for table, _ in mixhic2025.parts(again)] == [table.note for table, _ in mixhic2025.parts(frame)]


def test_other_targets_are_refused(predictions):
    path = predictions["3"]["reference", "alpha"][0]["path"]
    with np.load(path) as stored:
        parts = dict(stored)
    np.savez(path, **{**parts, "label": 1 - parts["label"]})
    own = pd.concat([scores(run, "loop", {"auroc": 0.5}, seed=1) for run in ("ours", "reference")])
    frame = mixhic2025.table("3", own, {"Ours": ["ours"], "Reference": ["reference"]}, PUBLISHED)
    with pytest.raises(InputError, match="its targets are not those of"):
        mixhic2025.with_differences(frame, predictions["3"], "Reference")


@pytest.fixture
def counts():
    rows = [
        ("published", "alpha", "chr1", "train", "pretrain", "positive", 10, 8),
        ("published", "alpha", "chr2", "test", "pretrain", "positive", 10, 4),
        ("published", "beta", "chr1", "train", "pretrain", "positive", 5, 5),
        ("published", "gamma", "chr1", "train", "pretrain", "positive", 100, 100),
        ("corrected", "alpha", "chr1", "train", "pretrain", "positive", 10, 9),
        ("corrected", "alpha", "chr1", "train", "loop", "positive", 10, 9),
        ("corrected", "alpha", "chr1", "train", "loop", "negative", 30, 9),
        ("corrected", "alpha", "chr1", "train", "cage", "window", 7, 6),
    ]
    columns = ["protocol", "sample", "chrom", "role", "kind", "label", "before", "after"]
    return pd.DataFrame(rows, columns=columns).assign(window_bins=50)


def test_table_1_sums_chromosomes_and_pre_training_samples(counts):
    frame = mixhic2025.table1(counts, ["alpha", "beta"], PUBLISHED)
    found = frame.set_index(["sample", "row", "metric", "protocol"])["mean"]
    assert found["pretrain", "alpha", "after", "published"] == 12
    assert found["pretrain", "alpha", "share", "published"] == 60
    assert found["pretrain", "Total", "before", "published"] == 25
    assert found["pretrain", "Total", "after", "corrected"] == 9
    assert found["pretrain", "Total", "after", "paper"] == 1_275_948
    assert found["loop negative", "alpha", "share", "corrected"] == 30
    assert found["cage window", "GM12878", "after", "paper"] == 16_046
    assert "gamma" not in set(frame["row"])
    ((table, _),) = mixhic2025.parts(frame)
    names = [names for names, _ in table.rows]
    assert names[:4] == [
        ["pre-training", "HepG2"],
        ["pre-training", "HCT116"],
        ["pre-training", "IMR90"],
        ["pre-training", "WTC11"],
    ]
    assert names[4:7] == [["pre-training", "alpha"], ["pre-training", "beta"], ["pre-training", "Total"]]
    assert [own for _, own in table.groups] == [["paper", "published", "corrected"]] * 3
    cells = {tuple(names): [each.value for each in cells] for names, cells in table.rows}
    assert cells["pre-training", "Total"] == ["1828401", "25", "10", "1275948", "17", "9", "69.8", "68.0", "90.0"]


def test_table_1_counts_windows_of_one_size(counts, tmp_path, repository):
    """Data sets that differ in their windows alone: none of them is taken for a fold of the other."""
    for window_bins in (50, 100):
        counts.assign(window_bins=window_bins).to_csv(tmp_path / f"{window_bins}.tsv", sep="\t", index=False)
    paths = [tmp_path / "50.tsv", tmp_path / "100.tsv"]
    given = {"rows": {}, "against": None, "pretraining": [], "maps": {}, "predictions": []}
    with pytest.raises(InputError, match=r"Table 1 counts windows of 50 and of 100 bins, .* one window_bins"):
        mixhic2025.make("1", paths, repository / "papers/mixhic2025/published.tsv", **given)


@pytest.fixture
def validations():
    rows = [
        ("loop", "corrected", "alpha", 1, 0, 1, 1, 1, 1.0, 0.1, 0.2),
        ("loop", "corrected", "alpha", 1, 0, 10, 8, 9, 0.8, 0.3, 0.4),
        ("loop", "corrected", "alpha", 2, 1, 20, 10, 12, 0.5, 0.5, 0.5),
    ]
    columns = [
        "run",
        "protocol",
        "sample",
        "seed",
        "search",
        "loops",
        "validated",
        "found",
        "precision",
        "recall",
        "f1",
    ]
    return pd.DataFrame(rows, columns=columns)


def test_table_s2_takes_all_loops_of_each_search(validations):
    frame = mixhic2025.table_s2(validations, {"MIX-HIC": ["loop"]}, PUBLISHED)
    assert cell(frame, "MIX-HIC", "predicted", "corrected").mean == 15
    assert cell(frame, "MIX-HIC", "proportion", "corrected").mean == pytest.approx(0.65)
    assert cell(frame, "MIX-HIC", "validated", "corrected").sd == pytest.approx(np.std([8, 10], ddof=1))
    assert cell(frame, "MIX-HIC", "predicted", "paper").printed == "5893"
    ((table, _),) = mixhic2025.parts(frame)
    line = {names[0]: [each.value for each in cells] for names, cells in table.rows}["MIX-HIC"]
    assert line == ["5179", "9", "5893", "15", "0.88", "0.6500", "0.4000", "0.4500"]


def test_table_s2_adds_up_the_loops_of_folds(validations):
    folds = pd.concat([validations, validations.assign(search=validations["search"] + 2)])
    frame = mixhic2025.table_s2(folds, {"MIX-HIC": ["loop"]}, PUBLISHED)
    predicted = cell(frame, "MIX-HIC", "predicted", "corrected")
    assert (predicted.n_seeds, predicted.mean) == (2, 30)
    assert cell(frame, "MIX-HIC", "proportion", "corrected").mean == pytest.approx(0.65)


def test_our_numbers_name_their_map(maps, counts, tmp_path, repository):
    """A cell line's place may be taken by other data: the paper's number is not of it."""
    maps.to_csv(tmp_path / "scores.tsv", sep="\t", index=False)
    own = counts[counts["protocol"] == "corrected"]
    for folder in (folders := [tmp_path / f"corrected-w50/alpha/fold-{fold}" for fold in "ab"]):
        folder.mkdir(parents=True)
        own.to_csv(folder / "counts.tsv", sep="\t", index=False)
    common = {"published": repository / "papers/mixhic2025/published.tsv", "against": None, "predictions": []}
    common |= {"pretraining": ["alpha"], "maps": {"alpha": "yeast.cool"}}
    scored = mixhic2025.make("2", [tmp_path / "scores.tsv"], rows=ROWS["2"], **common)
    assert set(scored.loc[(scored["sample"] == "alpha") & (scored["protocol"] != "paper"), "map"]) == {"yeast.cool"}
    assert set(scored.loc[(scored["sample"] == "K562") | (scored["protocol"] == "paper"), "map"]) == {""}
    first, *_, last = (table.note for table, _ in mixhic2025.parts(scored))
    assert "corrected are of the sample alpha (yeast.cool)." in first and "of the sample K562. " in last
    counted = mixhic2025.make("1", [folder / "counts.tsv" for folder in folders], rows={}, **common)
    numbers = counted[counted["row"] == "alpha"].set_index(["sample", "metric", "protocol"])["mean"]
    assert numbers["pretrain", "before", "corrected"] == 10  # once, of two folds
    assert numbers["loop negative", "before", "corrected"] == 30
    assert mixhic2025.parts(counted)[0][0].note.startswith("Our maps: alpha yeast.cool. The paper's samples are human")


def test_renderings_hold_every_number(maps, counts, validations, predictions, tmp_path):
    frame = mixhic2025.table(
        "2",
        maps.replace({"run": {"map": "ours", "expected": "reference"}}),
        {"MIX-HIC-InferMap": ["ours", "map-published", "map-k562"], "Expected": ["reference"]},
        PUBLISHED,
    )
    frame = mixhic2025.with_differences(frame, predictions["2"], "Expected")
    paths = mixhic2025.write(frame, tmp_path)
    assert [path.name for path in paths] == [f"mixhic2025_table2.{suffix}" for suffix in ("tsv", "md", "tex")]
    again = mixhic2025.read(paths[0])
    assert list(again) == mixhic2025.COLUMNS
    pd.testing.assert_frame_equal(again, frame.reset_index(drop=True), rtol=1e-7, check_dtype=False)
    section = mixhic2025.section([again])
    assert section.subject == "Table 2"
    assert paper.markdown(section.tables) == paths[1].read_text()
    text = paths[1].read_text()
    assert "0.9441" in text and "0.9200 ± 0.0283" in text and "differences from Expected, alpha" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| Expected |") and "0.88" in line]
    assert "–" in line
    assert paths[2].read_text().count(r"\toprule") == 4  # alpha: scores, differences, distances; K562: scores
    for other in (
        mixhic2025.table1(counts, ["alpha"], PUBLISHED),
        mixhic2025.table_s2(validations, {"MIX-HIC": ["loop"]}, PUBLISHED),
    ):
        mixhic2025.write(other, tmp_path)
    assert r"remain, \%" in (tmp_path / "mixhic2025_table1.tex").read_text()
    assert "0.88" in (tmp_path / "mixhic2025_tables2.md").read_text()
