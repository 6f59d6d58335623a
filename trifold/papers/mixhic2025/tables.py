"""Tables 1 to 4 and S2 of MIX-HIC (Yang et al. 2025): the paper's numbers beside ours.

A table function gives one tidy frame (`COLUMNS`), in which every number stands under one of three protocols: "paper"
(as printed), "published" and "corrected" (ours). A row of a table names runs, at most one of each protocol and sample;
Tables 2 to 4 take runs on the samples they were trained on, as the paper does. Means and standard deviations are over
seeds. Where the config names a reference row, every other row of the same protocol carries its paired difference from
it, with an interval over stretches of the genome and a verdict over all comparisons of the table and sample.

The paper prints R² without saying more; its number stands under the order of arguments that the released code has
(`r2_swapped`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from trifold.errors import InputError
from trifold.metrics import intervals, multimodal
from trifold.metrics.aggregate import COMPARED, judge
from trifold.metrics.multimodal import CAGE_METRICS, CHOSEN_METRICS, LOOP_METRICS, MAP_METRICS, Resamples
from trifold.papers import paper
from trifold.papers.paper import PROTOCOLS
from trifold.report.sections import Section, Table
from trifold.report.tables import Format
from trifold.tasks import TASKS

PAPERS_SAMPLES = ("GM12878", "K562")
TOTAL = "Total"
# Distances of Table 2's second part, as shares of the window.
_DISTANCES = (0.1, 0.2, 0.4, 0.6, 0.8)
COLUMNS = [
    *("table", "sample", "row", "metric", "distance_bp", "protocol", "run", "n_seeds", "n", "mean", "sd", "printed"),
    "map",  # the sample's contacts, because an overlay may put other data in the place of a cell line
    "negatives",  # what distance alone tells of the negatives that loops are held against
    *("against", *COMPARED),
]
# What is read of scores.tsv.
SCORES = ["run", "protocol", "task", "train_samples", "sample", "seed", "role", "metric", "distance_bp", "n", "value"]
SEARCHES = ["loops", "validated", "precision", "recall", "f1"]  # of validation.tsv
_INTEGERS = ["n_seeds", "n", "n_windows", "n_stretches"]
_NUMBERS = ["distance_bp", "mean", "sd", "difference", "ci_low", "ci_high", "p", "p_holm"]
_TEXT = ["table", "sample", "row", "run", "printed", "map", "negatives", "against", "better"]


class Layout(NamedTuple):
    """What one table scores, and how it is headed."""

    title: str
    task: str
    metrics: tuple[str, ...]


LAYOUTS = {
    "1": Layout("samples before and after cleaning", "", ("before", "after", "share")),
    "2": Layout("maps", "window", MAP_METRICS),
    "3": Layout("loops", "loop", (*LOOP_METRICS, *CHOSEN_METRICS, "auroc_matched", "auprc_matched")),
    "4": Layout("CAGE", "cage", CAGE_METRICS),
    "S2": Layout("loops of whole chromosomes", "", ("validated", "predicted", "proportion", "recall", "f1")),
}


# ---------------------------------------------------------------- the numbers


def make(
    name: str,
    paths: Sequence[str],
    published: str | Path,
    *,
    rows: Mapping[str, Sequence[str]],
    against: str | None,
    pretraining: Sequence[str],
    maps: Mapping[str, str],
    predictions: Sequence[Mapping],
    negatives: Sequence[str] = (),
) -> pd.DataFrame:
    """A table from files: name 1, 2, 3, 4 or s2; `paths` its counts.tsv, scores.tsv or validation.tsv; `negatives` the
    negatives.tsv of the pairs that Table 3 is scored on.

    maps: sample -> its contacts, as the config names them; predictions: run, fold, seed, sample and path
    of every predictions.npz. Raises InputError where `against` is no row of the table.
    """
    printed = paper.read_published(published)
    if name == "1":
        counts = [pd.read_csv(path, sep="\t") for path in paths]
        counted = ["protocol", "sample", "window_bins", "chrom", "kind", "label"]
        # The numbers depend on these alone, so every fold that reads them repeats them.
        once = pd.concat(counts or [pd.DataFrame(columns=[*counted, "before", "after"])]).drop_duplicates(counted)
        return _with_maps(table1(once, pretraining, printed), "row", maps)
    if name == "s2":
        tables = [
            pd.read_csv(path, sep="\t", dtype={"sample": str}).assign(search=number)
            for number, path in enumerate(paths)
        ]
        empty = pd.DataFrame(columns=["run", "protocol", "sample", "seed", "search", *SEARCHES])
        return _with_maps(table_s2(pd.concat(tables or [empty], ignore_index=True), rows, printed), "sample", maps)
    frame = table(name, paper.read_scores(paths) if paths else pd.DataFrame(columns=SCORES), rows, printed)
    frame = _with_negatives(_with_maps(frame, "sample", maps), negatives)
    if against is not None and rows and against not in rows:
        raise InputError(
            f"config: mixhic2025/tables/against/table{name}: {against!r} is none of the rows {sorted(rows)} that this "
            "experiment has; name one of them"
        )
    return with_differences(frame, by_run(predictions), against)


def _with_maps(frame: pd.DataFrame, samples: str, maps: Mapping[str, str]) -> pd.DataFrame:
    """Our numbers with the map of the sample that the column `samples` names."""
    is_ours = frame["protocol"] != PROTOCOLS[0]
    return frame.assign(map=frame[samples].map(maps).where(is_ours).fillna(""))


def _with_negatives(frame: pd.DataFrame, paths: Sequence[str]) -> pd.DataFrame:
    """Our numbers with what distance alone tells of the test negatives of their sample and protocol."""
    known = pd.concat([pd.read_csv(path, sep="\t", dtype={"sample": str}) for path in paths]) if paths else None
    if known is None:
        return frame
    known = known[known["role"] == "test"].drop_duplicates(["sample", "protocol", "negatives"])
    said = {
        key: "; ".join(map(_of_negatives, rows.to_dict("records")))
        for key, rows in known.groupby(["sample", "protocol"])
    }
    return frame.assign(negatives=[said.get(key, "") for key in zip(frame["sample"], frame["protocol"])])


def _of_negatives(row: Mapping) -> str:
    """One row of negatives.tsv in words."""
    beyond, near = (f"{100 * row[name] / max(row['n'], 1):.0f} %" for name in ("beyond", "near"))
    return (
        f"{row['negatives']}: {row['n']:,}, {beyond} beyond the longest loop, {near} within two bins of a listed loop"
    )


def table1(counts: pd.DataFrame, pretraining: Sequence[str], published: pd.DataFrame) -> pd.DataFrame:
    """Table 1 and the numbers of appendix A.1: pairs before and after cleaning; columns `COLUMNS`.

    `counts`: counts.tsv of every sample and protocol, with a column protocol; `pretraining`: samples that any
    pre-training reads. `sample` holds what is counted ("pretrain", "loop positive", …), `row` the sample; metric
    before, after, or share (%). Raises InputError for a missing column, and for windows of two sizes.
    """
    needed = ["protocol", "sample", "window_bins", "kind", "label", "before", "after"]
    if missing := [name for name in needed if name not in counts]:
        raise InputError(f"counts.tsv: columns {missing} are missing; make the samples of mixhic2025 again")
    if len(sizes := sorted(set(counts["window_bins"]))) > 1:
        raise InputError(
            f"config: mixhic2025: Table 1 counts windows of {' and of '.join(map(str, sizes))} bins, which are not "
            "cleaned alike; give all arms on pairs one window_bins"
        )
    counts = counts.assign(
        what=counts["kind"].where(counts["kind"] == "pretrain", counts["kind"] + " " + counts["label"])
    )
    counts = counts[(counts["kind"] != "pretrain") | counts["sample"].isin(pretraining)]
    sums = counts.groupby(["what", "sample", "protocol"], sort=False)[["before", "after"]].sum().reset_index()
    total = sums[sums["what"] == "pretrain"].groupby(["what", "protocol"])[["before", "after"]].sum().reset_index()
    sums = pd.concat([sums, total.assign(sample=TOTAL)])
    sums["share"] = 100 * sums["after"] / sums["before"].where(sums["before"] > 0)
    sums_of = sums.set_index(["what", "sample", "protocol"])
    printed = _printed(published, "1")
    lines = []
    kinds = dict.fromkeys(["pretrain", *sums["what"], *(kind for _, kind, _ in printed)])
    for kind in kinds:
        names = [row for row, printed_kind, _ in printed if printed_kind == kind]
        samples = sums.loc[sums["what"] == kind, "sample"]
        for row in sorted(dict.fromkeys([*names, *samples]), key=lambda name: name == TOTAL):
            for metric in LAYOUTS["1"].metrics:
                values = dict.fromkeys(PROTOCOLS[1:], math.nan)
                values |= {p: sums_of.loc[(kind, row, p), metric] for p in values if (kind, row, p) in sums_of.index}
                lines += _lines("1", kind, row, metric, printed.get((row, kind, metric), ""), values)
    return _frame(lines)


def table(name: str, scores: pd.DataFrame, rows: Mapping[str, Sequence[str]], published: pd.DataFrame) -> pd.DataFrame:
    """Table 2 (maps), 3 (loops) or 4 (CAGE) for every test sample; columns `COLUMNS`.

    `scores`: scores.tsv of every run; `rows`: the config's mixhic2025/tables/table<name>, row -> runs. A run counts on
    the samples it was trained on. The paper's rows that no run stands for are there too; a sample that the paper does
    not have stands beside its first. Table 2 has rows by distance_bp as well (NaN: over all). Raises InputError for a
    missing column and for two runs of one protocol in a row.
    """
    layout = LAYOUTS[name]
    if missing := [column for column in SCORES if column not in scores]:
        raise InputError(f"scores.tsv: columns {missing} are missing; make the scores of mixhic2025 again")
    tested = scores[
        (scores["task"] == layout.task) & (scores["role"] == "test") & scores["metric"].isin(layout.metrics)
    ]
    tested = tested[tested["run"].isin({run for runs in rows.values() for run in runs})]
    within = [sample in trained.split(",") for sample, trained in zip(tested["sample"], tested["train_samples"])]
    tested = tested[np.array(within, dtype=bool)]
    printed = _printed(published, name)
    lines = []
    for sample in dict.fromkeys(tested["sample"]) if len(tested) else PAPERS_SAMPLES:
        beside = papers_sample(sample)
        of_sample = tested[tested["sample"] == sample]
        for row in dict.fromkeys([*(row for row, _, _ in printed), *rows]):
            of_row = of_sample[of_sample["run"].isin(rows.get(row, []))]
            scores_of = {protocol: of_row[of_row["protocol"] == protocol] for protocol in PROTOCOLS[1:]}
            runs = {protocol: _one_run(of_protocol, name, row, protocol) for protocol, of_protocol in scores_of.items()}
            for metric in layout.metrics:
                cells = {protocol: _over_seeds(scores_of[protocol], metric) for protocol in scores_of}
                lines += _lines(name, sample, row, metric, printed.get((row, beside, metric), ""), cells, runs)
            for protocol in scores_of:
                lines += _by_distance(name, sample, row, protocol, runs[protocol], scores_of[protocol])
    return _frame(lines)


def table_s2(validations: pd.DataFrame, rows: Mapping[str, Sequence[str]], published: pd.DataFrame) -> pd.DataFrame:
    """Table S2, loops of whole chromosomes that ChIA-PET has seen too; columns `COLUMNS`.

    `validations`: validation.tsv of every search with the columns run, protocol, sample, seed, search (its number); of
    every search the row with the most loops counts. recall and f1, which the paper does not give, stand beside. Of
    several folds loops are added up, and shares are means.
    """
    last = validations.sort_values("loops").drop_duplicates("search", keep="last")
    added = {"loops": "sum", "validated": "sum", "precision": "mean", "recall": "mean", "f1": "mean"}
    last = last.groupby(["run", "protocol", "sample", "seed"], sort=False).agg(added).reset_index()
    last = last.rename(columns={"loops": "predicted", "precision": "proportion"})
    printed = _printed(published, "S2")
    lines = []
    for sample in dict.fromkeys(last["sample"]) if len(last) else PAPERS_SAMPLES:
        for row in dict.fromkeys([*(row for row, _, _ in printed), *rows]):
            of_row = last[(last["sample"] == sample) & last["run"].isin(rows.get(row, []))]
            searches_of = {protocol: of_row[of_row["protocol"] == protocol] for protocol in PROTOCOLS[1:]}
            runs = {
                protocol: _one_run(of_protocol, "S2", row, protocol) for protocol, of_protocol in searches_of.items()
            }
            for metric in LAYOUTS["S2"].metrics:
                cells = {
                    protocol: (
                        len(of_protocol),
                        pd.NA,
                        of_protocol[metric].astype(float).mean(),
                        of_protocol[metric].astype(float).std(),
                    )
                    for protocol, of_protocol in searches_of.items()
                }
                value = printed.get((row, papers_sample(sample), metric), "")
                lines += _lines("S2", sample, row, metric, value, cells, runs)
    return _frame(lines)


def papers_sample(sample: str) -> str:
    """The cell line of the paper whose numbers stand beside a sample's."""
    return next((name for name in PAPERS_SAMPLES if name.casefold() == sample.casefold()), PAPERS_SAMPLES[0])


def _printed(published: pd.DataFrame, name: str) -> dict[tuple[str, str, str], str]:
    """(row, set, metric) -> the number as the paper prints it."""
    of_table = published[published["table"] == name]
    return of_table.set_index(["row", "set", "metric"])["value"].to_dict()


def _one_run(scores: pd.DataFrame, name: str, row: str, protocol: str) -> str:
    runs = sorted(set(scores["run"]))
    if len(runs) > 1:
        raise InputError(
            f"config: mixhic2025: row {row!r} of Table {name} holds the runs {runs}, both {protocol} and on one "
            "sample; give each a row of its own"
        )
    return "".join(runs)


def _over_seeds(runs: pd.DataFrame, metric: str) -> tuple:
    """n_seeds, n, mean and sd of a score over all distances."""
    overall = runs[(runs["metric"] == metric) & runs["distance_bp"].isna()]
    return _seeds_of(overall) if len(overall) else (0, pd.NA, math.nan, math.nan)


def _seeds_of(rows: pd.DataFrame) -> tuple[int, int, float, float]:
    """n_seeds, n, mean and sd over seeds of a score; that of a seed is its mean over folds, a row each."""
    of_seed = rows.astype({"value": float}).groupby("seed").agg(value=("value", "mean"), n=("n", "sum"))
    values = of_seed["value"].dropna()
    return len(values), int(of_seed["n"].max()), values.mean(), values.std()


def _by_distance(name: str, sample: str, row: str, protocol: str, run: str, runs: pd.DataFrame) -> list[dict]:
    lines = []
    at_distances = runs[runs["distance_bp"].notna()]
    for (metric, distance_bp), at_distance in at_distances.groupby(["metric", "distance_bp"]):
        key = {"table": name, "sample": sample, "row": row, "metric": metric, "distance_bp": distance_bp}
        numbers = dict(zip(("n_seeds", "n", "mean", "sd"), _seeds_of(at_distance)))
        lines.append({**key, "protocol": protocol, "run": run, **numbers})
    return lines


def _lines(
    name: str, sample: str, row: str, metric: str, printed: str, cells: Mapping, runs: Mapping[str, str] | None = None
) -> list[dict]:
    """The paper's number and ours of one cell; a cell is a value, or n_seeds, n, mean and sd."""
    key = {"table": name, "sample": sample, "row": row, "metric": metric}
    lines = [{**key, "protocol": "paper", "mean": float(printed), "printed": printed}] if printed else []
    for protocol, value in cells.items():
        n_seeds, n, mean, sd = value if isinstance(value, tuple) else (pd.NA, pd.NA, value, math.nan)
        numbers = {"n_seeds": n_seeds, "n": n, "mean": mean, "sd": sd}
        lines.append({**key, "protocol": protocol, "run": (runs or {}).get(protocol, ""), **numbers})
    return lines


def _frame(lines: list[dict]) -> pd.DataFrame:
    frame = pd.DataFrame(lines, columns=COLUMNS)
    frame[_TEXT] = frame[_TEXT].fillna("")
    return frame.astype({**dict.fromkeys(_INTEGERS, "Int64"), **dict.fromkeys(_NUMBERS, float)})


# ---------------------------------------------------------------- paired differences


def _of_loops(arrays: Mapping[str, np.ndarray]) -> Resamples:
    """At the chosen threshold F1 alone, by which it was chosen: each score that is compared makes the verdicts of all
    others harder, and precision and recall only trade for each other there."""
    resample = multimodal.loop_resamples(arrays["label"], arrays["prediction"], chosen=float(arrays["threshold"]))
    left_out = set(CHOSEN_METRICS) - {"f1_chosen"}
    return lambda weights: {name: values for name, values in resample(weights).items() if name not in left_out}


# By task: the arrays of predictions.npz -> the scores of resampled windows.
_RESAMPLES: dict[str, Callable[[Mapping[str, np.ndarray]], Resamples]] = {
    "window": lambda arrays: multimodal.map_resamples(arrays["prediction"], arrays["target"], arrays["x"], arrays["y"]),
    "loop": _of_loops,
    "cage": lambda arrays: multimodal.cage_resamples(
        arrays["prediction"], arrays["target"], multimodal.tss_bin(arrays["target"].shape[1])
    ),
}


def by_run(predictions: Sequence[Mapping]) -> dict[tuple[str, str], list[Mapping]]:
    """(run, sample) -> its predictions, of rows with run, fold, seed, sample and path."""
    rows_of: dict[tuple[str, str], list[Mapping]] = {}
    for row in predictions:
        rows_of.setdefault((row["run"], row["sample"]), []).append(row)
    return rows_of


def with_differences(
    frame: pd.DataFrame, predictions: Mapping[tuple[str, str], Sequence[Mapping]], against: str | None
) -> pd.DataFrame:
    """`table`'s frame with the differences of every row from the row `against` (None: none).

    `predictions` is `by_run`; a run without is left out. Row minus `against`, within a protocol and sample, as
    `difference` takes it. better: "row", "against", "undecided" or "too few", over all comparisons of a sample
    (`aggregate.judge`). Raises InputError for windows whose targets differ.
    """
    frame = frame.copy()
    if against is None:
        return frame
    scored = frame[frame["distance_bp"].isna() & (frame["run"] != "")]
    runs = scored.drop_duplicates(["sample", "protocol", "row"]).set_index(["sample", "protocol", "row"])["run"]
    for (sample, protocol, row), run in runs.items():
        other = runs.get((sample, protocol, against))
        pair = [predictions.get((name, sample)) for name in (run, other)]
        if row == against or not all(pair):
            continue
        n_windows, differences = difference(LAYOUTS[frame["table"].iloc[0]].task, *pair)
        chosen = (frame["sample"] == sample) & (frame["protocol"] == protocol) & (frame["row"] == row)
        chosen &= frame["distance_bp"].isna()
        for score in differences[differences["difference"].notna()].itertuples():
            at = chosen & (frame["metric"] == score.metric)
            frame.loc[at, ["against", "n_windows", "n_stretches"]] = [against, n_windows, score.n_stretches]
            numbers = ["difference", "ci_low", "ci_high", "p"]
            frame.loc[at, numbers] = [getattr(score, name) for name in numbers]
    compared = frame["difference"].notna()
    judged = judge(frame[compared], ["sample"], ("row", "against"))
    frame.loc[compared, ["p_holm", "better"]] = judged[["p_holm", "better"]]
    return frame


def difference(task: str, runs: Sequence[Mapping], runs_against: Sequence[Mapping]) -> tuple[int, pd.DataFrame]:
    """Windows that all predictions of a fold have, and `multimodal.compare` over those of all folds of both runs.

    task: "window", "loop" or "cage"; runs: rows with fold, seed and path of predictions.npz. The score of a seed is its
    mean over folds, since every fold has a model. Raises InputError for windows whose targets differ.
    """
    sides, places, n_windows = (runs, runs_against), [], 0
    parts: tuple[dict, dict] = ({}, {})  # seed -> the windows of every fold, and their scores
    in_both = {row["fold"] for row in runs_against}
    for fold in dict.fromkeys(row["fold"] for row in runs if row["fold"] in in_both):
        shared, stored = _read_fold(task, [[row for row in rows if row["fold"] == fold] for rows in sides])
        if shared.empty:
            continue
        at = slice(n_windows, n_windows := n_windows + len(shared))
        places.append(shared)
        for of_side, of_fold in zip(parts, stored):
            for seed, arrays in of_fold.items():
                of_side.setdefault(seed, []).append((at, _RESAMPLES[task](arrays)))
    if not places:
        empty = ("metric", "difference", "n_stretches", "ci_low", "ci_high", "p")
        return 0, pd.DataFrame({name: [] for name in empty})
    stretch = intervals.stretches(pd.concat(places, ignore_index=True))
    scores = [[_mean_over_folds(folds) for folds in of_side.values()] for of_side in parts]
    return n_windows, multimodal.compare(*scores, stretch)


def _read_fold(task: str, sides: Sequence[Sequence[Mapping]]) -> tuple[pd.DataFrame, list[dict[int, dict]]]:
    """Places of the windows that all predictions of a fold have, and by side and seed the arrays of these windows.

    A window about a pair of bins stands where its middle is: chrom, start_bp, end_bp, in halves of a bin.
    """
    read = [{row["seed"]: (row["path"], dict(np.load(row["path"]))) for row in rows} for rows in sides]
    of_all = [arrays for of_side in read for arrays in of_side.values()]
    sizes = [arrays.pop("window_bins") for _, arrays in of_all]
    keys = [pd.MultiIndex.from_arrays([arrays["chrom"], arrays["x"], arrays["y"]]) for _, arrays in of_all]
    shared = keys[0]
    for key in keys[1:]:
        shared = shared[shared.isin(key)]
    target = "label" if task == "loop" else "target"
    chosen, (first, _) = [], of_all[0]
    for (path, arrays), key in zip(of_all, keys):
        at = key.get_indexer(shared)
        chosen.append({name: values[at] if values.ndim else values for name, values in arrays.items()})
        if not np.array_equal(chosen[-1][target], chosen[0][target]):
            raise InputError(f"{path}: its targets are not those of {first}; make the predictions of both again")
    chrom, x, y = (shared.get_level_values(level).to_numpy() for level in range(3))
    places = pd.DataFrame({"chrom": chrom, "start_bp": x + y - sizes[0], "end_bp": x + y + sizes[0]})
    left = iter(chosen)
    return places, [{seed: next(left) for seed in of_side} for of_side in read]


def _mean_over_folds(folds: Sequence[tuple[slice, Resamples]]) -> Resamples:
    """The mean of scores that are each of some of the windows."""

    def resample(weights: np.ndarray) -> dict[str, np.ndarray]:
        of_folds = [scores(weights[:, at]) for at, scores in folds]
        return {name: np.mean([scores[name] for scores in of_folds], axis=0) for name in of_folds[0]}

    return resample


# ---------------------------------------------------------------- tables to read

Part = tuple[Table, list[tuple[str, Format]]]
_TITLE = "Table {} of Yang et al. 2025: {}"
_WHAT = {"pretrain": "pre-training", "cage window": "windows about TSS"}


def parts(frame: pd.DataFrame) -> list[Part]:
    """A table as a person reads it, sample by sample: the scores, the differences, Table 2's scores by distance."""
    name = frame["table"].iloc[0]
    if name == "1":
        return [_counts_part(frame)]
    parts_of_table = []
    for _, rows in frame.groupby("sample", sort=False):
        parts_of_table.append(_scores_part(rows[rows["distance_bp"].isna()]))
        if (compared := rows[rows["difference"].notna()]).size:
            parts_of_table.append(_differences_part(compared))
        if rows["distance_bp"].notna().any():
            parts_of_table.append(_distance_part(rows[rows["distance_bp"].notna()]))
    return parts_of_table


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the columns and rows that hold no number."""
    known = rows["mean"].notna()
    for keys in (["metric", "protocol"], ["row", "sample"]):
        rows = rows[known.groupby([rows[key] for key in keys]).transform("any")]
        known = rows["mean"].notna()
    return rows


def _counts_part(frame: pd.DataFrame) -> Part:
    layout = LAYOUTS["1"]
    rows = _numbered(frame).replace({"sample": _WHAT})
    groups, lines, styles = paper.arrange(rows, layout.metrics, ["sample", "row"])
    maps = frame.loc[frame["map"] != "", ["row", "map"]].drop_duplicates()
    map_names = ", ".join(f"{row} {map_name}" for row, map_name in maps.itertuples(index=False))
    note = (f"Our maps: {map_names}. " if map_names else "") + (
        "The paper's samples are human cell lines, hg38, 5-kb bins; its text gives loops before and windows after "
        "cleaning alone. Negative loops are drawn, not listed: “before” is how many were drawn to choose from. "
        "Published and corrected clean by different rules (docs/mixhic2025.md, item 12)."
    )
    return Table(_TITLE.format("1", layout.title), ["what", "sample"], groups, lines, note), styles


def _units(name: str) -> str:
    """What the scores of a table are of."""
    return f"{TASKS[LAYOUTS[name].task].unit}s"


def _scores_part(rows: pd.DataFrame) -> Part:
    name, sample = rows["table"].iloc[0], rows["sample"].iloc[0]
    layout = LAYOUTS[name]
    groups, lines, styles = paper.arrange(_numbered(rows), layout.metrics, ["row"])
    title = f"{_TITLE.format(name, layout.title)}, {sample}"
    return Table(title, ["model"], groups, lines, _note(rows)), styles


def _note(rows: pd.DataFrame) -> str:
    name, sample = rows["table"].iloc[0], rows["sample"].iloc[0]
    source = f"The paper's numbers are of {papers_sample(sample)} (hg38, 5 kb)"
    source += "" if name == "S2" else ", chromosomes 3, 13 and 17"
    extra = {
        "2": " Pearson and R² are over every pixel of all test windows, as in the paper, and follow the decay with "
        "distance; the paper gives no SCC. Its R² stands under the order of arguments its code has.",
        "3": " Precision, recall and F1 are at 0.5, as in the paper, and at the threshold that has the largest F1 on "
        "the sample's validation pairs (“chosen”: none of them is a test pair); the paper gives no AUPRC. To call "
        "every pair a loop has an F1 of 2p / (1 + p), p the share of loops. “Matched” scores hold the same loops "
        "against negatives that are as far apart as they are: distance alone has an AUROC of 0.5 there."
        + _said_of_negatives(rows),
        "4": " Scores are over every bin of the windows, as in the paper, and over the bins that hold the windows' TSS "
        "alone. The released code draws the paper's test windows from all chromosomes; the paper's R² stands under the "
        "order of arguments it has.",
        "S2": " A loop is validated where ChIA-PET has one with both anchors near (pairs/search/tolerance_bins); "
        "the paper states neither its tolerance nor its chromosomes.",
    }[name]
    scored = rows[(rows["run"] != "") & (rows["n_seeds"].fillna(0) > 0)]
    if scored.empty:
        return f"No run of this table was scored. {source}.{extra}"
    seeds = paper.span(scored["n_seeds"].min(), scored["n_seeds"].max())
    counts = scored.loc[scored["metric"].isin(("auroc", "scc_hicrep", "pearson_tss")), "n"].dropna()
    windows = f" {_units(name).capitalize()}: {paper.span(counts.min(), counts.max())}." if len(counts) else ""
    different = " Published and corrected may hold different windows: compare within a column."
    tested = next((f"{sample} ({map_name})" for map_name in rows["map"] if map_name), sample)
    return (
        f"{source}; published and corrected are of the sample {tested}.{windows} Seeds: {seeds}; ± is the standard "
        f"deviation over seeds.{'' if name == 'S2' else different}{extra}"
    )


def _said_of_negatives(rows: pd.DataFrame) -> str:
    known = rows.loc[rows["negatives"] != "", ["protocol", "negatives"]].drop_duplicates()
    said = "; ".join(f"{protocol}: {text}" for protocol, text in known.itertuples(index=False))
    return f" Test negatives, {said}." if said else ""


def _differences_part(rows: pd.DataFrame) -> Part:
    name, sample, against = (rows[key].iloc[0] for key in ("table", "sample", "against"))
    metrics = [metric for metric in LAYOUTS[name].metrics if metric in set(rows["metric"])]
    styles = [(metric, paper.style_of(metric, rows.loc[rows["metric"] == metric, "difference"])) for metric in metrics]
    lines = []
    for (row, protocol), of_row in rows.groupby(["row", "protocol"], sort=False):
        difference_of = {score.metric: score for score in of_row.itertuples()}
        cells = [cell for metric, style in styles for cell in paper.judged_cells(difference_of.get(metric), style)]
        lines.append(([row, protocol], cells))
    groups = [(paper.heading(metric, style), ["difference", "verdict"]) for metric, style in styles]
    note = (
        f"Row minus {against} on the same {_units(name)} of {sample}, means over seeds. "
        f"{paper.compared_note(rows, TASKS[LAYOUTS[name].task].unit)}"
    )
    title = f"Table {name}: differences from {against}, {sample}"
    return Table(title, ["model", "protocol"], groups, lines, note), styles


def _distance_part(rows: pd.DataFrame) -> Part:
    name, sample = rows["table"].iloc[0], rows["sample"].iloc[0]
    known = np.unique(rows["distance_bp"])
    shown = np.unique([known[np.abs(known - share * known.max()).argmin()] for share in _DISTANCES])
    rows = rows[rows["distance_bp"].isin(shown)].sort_values("distance_bp", kind="stable")
    order = {row: number for number, row in enumerate(dict.fromkeys(rows["row"]))}
    rows = rows.sort_values("row", key=lambda column: column.map(order), kind="stable")
    rows = rows.assign(distance=[f"{value / 1000:g} kb" for value in rows["distance_bp"]])
    metrics = [metric for metric in ("pearson", "r2", "scc_hicrep") if metric in set(rows["metric"])]
    groups, lines, styles = paper.arrange(rows, metrics, ["row", "distance"])
    note = (
        "Over the pixels of one distance of all test windows; of SCC, the mean over windows of the correlation that "
        "HiCRep weighs there. The paper gives none. A map that says nothing but the distance has no Pearson, an R² "
        "near 0, and an SCC that tells of the filter at the edges of the windows. All distances are in the .tsv."
    )
    title = f"Table {name} by distance, {sample}"
    return Table(title, ["model", "distance"], groups, lines, note), styles


def write(frame: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Write mixhic2025_table<name>.tsv (the tidy frame), .md and .tex (to read) into a folder; names in lower case."""
    return paper.write(frame, parts(frame), folder, f"mixhic2025_table{frame['table'].iloc[0].lower()}")


def read(path: str | Path) -> pd.DataFrame:
    """A frame that `write` wrote."""
    return _frame(pd.read_csv(path, sep="\t", dtype=dict.fromkeys(_TEXT, str)))


def section(frames: Sequence[pd.DataFrame], comparisons: Sequence[Table] = ()) -> Section:
    """The page's section: the tables of the frames in their order, then the comparisons."""
    names = list(dict.fromkeys(name for frame in frames for name in frame["table"]))
    text = (
        "The paper's numbers as printed, beside runs that repeat its released code (published) and runs that do what "
        "its text means (corrected). A dash is a number that the paper or this experiment does not have."
    )
    subjects = [paper.subject(names), "comparisons of runs" if comparisons else ""]
    return Section(
        "mixhic2025",
        "Yang et al. 2025",
        ", ".join(filter(None, subjects)),
        [text],
        [*(part for frame in frames for part, _ in parts(frame)), *comparisons],
    )
