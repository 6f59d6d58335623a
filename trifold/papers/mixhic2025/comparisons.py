"""Whether one run of MIX-HIC beats another: the questions of the config's mixhic2025/comparisons, answered.

What Figures 4 to 6 of Yang et al. 2025 draw side by side, as paired differences: with and without pre-training, the map
inferred or not read at all, attention across the batch or along the sequence. The paper gives neither differences nor
intervals.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from trifold.metrics.aggregate import COMPARED, judge
from trifold.papers import paper
from trifold.papers.mixhic2025.tables import Part, difference
from trifold.report.sections import Table
from trifold.tasks import TASKS

COLUMNS = [
    *("comparison", "task", "protocol", "sample", "run", "against", "n_seeds", "n_seeds_against"),
    *("metric", *COMPARED),
]
_TEXT = ["comparison", "task", "protocol", "sample", "run", "against", "metric", "better"]
# Task -> heading, and the scores that are shown; the .tsv has all.
_SHOWN = {
    "loop": ("loops", ("auroc", "auprc", "f1")),
    "window": ("maps", ("pearson", "r2", "scc_hicrep")),
    "cage": ("CAGE", ("pearson", "r2", "pearson_tss")),
}


def make(comparisons: Sequence[Mapping], predictions: Mapping[tuple[str, str], Sequence[Mapping]]) -> pd.DataFrame:
    """Every comparison on every sample and score; columns `COLUMNS`.

    `comparisons`: rows of comparison, task, protocol, sample, run and against; `predictions`: `tables.by_run`. Run
    minus against, the means over seeds of both, over the windows (pairs) that both have (`tables.difference`). better:
    "run", "against", "undecided" or "too few", over all comparisons of a task, protocol and sample (`aggregate.judge`).
    Raises InputError for windows whose targets differ.
    """
    lines = []
    for question in comparisons:
        runs, runs_against = (predictions[question[name], question["sample"]] for name in ("run", "against"))
        n_windows, differences = difference(question["task"], runs, runs_against)
        counts = {"n_seeds": _n_seeds(runs), "n_seeds_against": _n_seeds(runs_against), "n_windows": n_windows}
        lines += [{**question, **counts, **score} for score in differences.to_dict("records")]
    frame = pd.DataFrame(lines, columns=COLUMNS[:-2])
    return judge(frame, ["task", "protocol", "sample"], ("run", "against"))[COLUMNS]


def _n_seeds(runs: Sequence[Mapping]) -> int:
    return len({row["seed"] for row in runs})


def parts(frame: pd.DataFrame) -> list[Part]:
    """The comparisons as a person reads them, by task, protocol and sample."""
    order = frame.sort_values("task", key=lambda column: column.map(list(_SHOWN).index), kind="stable")
    return [_part(*key, rows) for key, rows in order.groupby(["task", "protocol", "sample"], sort=False)]


def _part(task: str, protocol: str, sample: str, rows: pd.DataFrame) -> Part:
    heading, metrics = _SHOWN[task]
    units = f"{TASKS[task].unit}s"
    styles = [(metric, paper.style_of(metric, rows.loc[rows["metric"] == metric, "difference"])) for metric in metrics]
    keys, lines = ["comparison", "run", "against"], []
    for names, of_names in rows.groupby(keys, sort=False):
        # A score that a run does not have, as the correlation of a constant map, gives no verdict.
        known = of_names.dropna(subset="difference")
        score_of_metric, cells = {score.metric: score for score in known.itertuples()}, []
        for metric, style in styles:
            score = score_of_metric.get(metric)
            cells += paper.judged_cells(score, style)
        lines.append((list(names), cells))
    groups = [(paper.heading(metric, style), ["difference", "verdict"]) for metric, style in styles]
    counts = pd.concat([rows["n_seeds"], rows["n_seeds_against"]])
    seeds = paper.span(counts.min(), counts.max())
    note = (
        f"{protocol.capitalize()} runs. Run minus against on the same {units} of {sample}, means over seeds (each "
        f"{seeds}). {paper.compared_note(rows, TASKS[task].unit)} The paper gives no such number."
    )
    return Table(f"Whether one run beats another: {heading}, {sample}", keys, groups, lines, note), styles


def write(frame: pd.DataFrame, folder: str | Path) -> list[Path]:
    """Write mixhic2025_comparisons.tsv (the tidy frame), .md and .tex (to read) into a folder."""
    return paper.write(frame, parts(frame), folder, "mixhic2025_comparisons")


def read(path: str | Path) -> pd.DataFrame:
    """A frame that `write` wrote."""
    return pd.read_csv(path, sep="\t", dtype=dict.fromkeys(_TEXT, str))
