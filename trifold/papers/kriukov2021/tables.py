"""Tables I to III of Kriukov et al. 2021: the paper's numbers beside ours.

A table function gives one tidy frame (see `COLUMNS`), in which every number stands under one of three protocols:
"paper" (as printed), "published" and "corrected" (ours). `write` and `section` render it. The protocols differ in
normalisation and in the pixels scored, so no value is marked as best and no difference is taken between them.

Tables I and III score sequence models on ln O/E maps; Table II scores enhanced maps on [0, 1]. The paper's SCC is the
form `scc_kriukov2021` (see trifold.metrics.scc); the two other forms stand beside it without a number of the paper.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from trifold.papers import paper
from trifold.papers.paper import PROTOCOLS, WINDOW, merged, span
from trifold.report import tables
from trifold.report.sections import Section, Table
from trifold.report.tables import Format

SETS = {"train": "Train", "validation": "Val", "test": "Test"}  # role -> what the paper calls it
PIXEL_METRICS = ("mae", "mse", "pearson", "spearman")
# Set of the published Table II; the released test step scores the test set.
NOT_STATED = "not stated"

COLUMNS = [
    *("table", "sample", "degradation", "row", "set", "metric", "protocol", "arm"),
    *("n_seeds", "n_windows", "mean", "sd", "printed", "test_regions"),
]


class Layout(NamedTuple):
    """What one table of the paper scores, and how it is headed."""

    title: str
    scale: str
    roles: tuple[str, ...]
    metrics: tuple[str, ...]
    heads: list[str]
    reads_map: bool
    caution: str = ""  # ends the note


LAYOUTS = {
    "I": Layout("sequence models", "oe", tuple(SETS), PIXEL_METRICS, ["model", "set"], False),
    "II": Layout(
        "enhanced maps and baselines",
        "observed",
        ("test",),
        (*PIXEL_METRICS, "scc_kriukov2021", "scc_hicrep", "scc_hicreppy"),
        ["model"],
        True,
        " Published hybrids are scored as released: with the target's diagonal, first row and first column.",
    ),
    "III": Layout("random and chromosome split", "oe", tuple(SETS), PIXEL_METRICS, ["split", "set"], False),
}


class _Selection(NamedTuple):
    """The runs that make one row; fold None takes every fold."""

    arms: Sequence[str]
    fold: str | None

    def of(self, scores: pd.DataFrame) -> pd.DataFrame:
        return scores[scores["arm"].isin(self.arms) & ((scores["fold"] == self.fold) | (self.fold is None))]


# ---------------------------------------------------------------- the numbers


def table1(
    scores: pd.DataFrame, rows: Mapping[str, Sequence[str]], published: pd.DataFrame, fold: str | None = None
) -> pd.DataFrame:
    """Table I, sequence models on train, validation and test windows; columns `COLUMNS`.

    `scores` has a row per window and run: protocol, degradation, arm, fold, seed, sample, role, chrom, start_bp,
    end_bp, scale and the metrics. `rows` is the config's kriukov2021/table1: the paper's row -> arms, at most one of
    each protocol. `published` is `read_published`. fold None takes every fold.

    mean is over seeds of the mean over windows, sd over seeds (NaN with one); scores that are not finite are left out.
    A row without a score stays, with n_seeds 0 and mean NaN. Raises InputError for a missing column, for two arms of
    one protocol in a row, and for arms of windows that are not of one size.
    """
    return _tabulate("I", scores, {row: _Selection(arms, fold) for row, arms in rows.items()}, published)


def table2(
    scores: pd.DataFrame, rows: Mapping[str, Sequence[str]], published: pd.DataFrame, fold: str | None = None
) -> pd.DataFrame:
    """Table II, enhanced maps on test windows, for every sample and low map; as `table1`, with three forms of SCC."""
    return _tabulate("II", scores, {row: _Selection(arms, fold) for row, arms in rows.items()}, published)


def table3(scores: pd.DataFrame, rows: Mapping[str, Mapping], published: pd.DataFrame) -> pd.DataFrame:
    """Table III, one model on two splits; as `table1`, `rows` being the paper's row -> {fold, arms}."""
    selections = {row: _Selection(settings["arms"], settings["fold"]) for row, settings in rows.items()}
    return _tabulate("III", scores, selections, published)


def _tabulate(
    table: str, scores: pd.DataFrame, rows: Mapping[str, _Selection], published: pd.DataFrame
) -> pd.DataFrame:
    layout = LAYOUTS[table]
    paper.check_scores(scores, layout.metrics, "kriukov2021")
    named = {arm for selection in rows.values() for arm in selection.arms}
    scores = scores[(scores["scale"] == layout.scale) & scores["arm"].isin(named)]
    paper.check_windows(scores, "kriukov2021", table)
    if not layout.reads_map:
        # A model that reads no map has the same scores for every low map, so they are taken from the first alone.
        first = scores.groupby("arm")["degradation"].transform("first")
        scores = scores[scores["degradation"] == first].assign(degradation="")
    of_table = published[published["table"] == table]
    printed = of_table.set_index(["row", "set", "metric"])["value"].to_dict()
    lines = []
    for (sample, degradation), of_view in paper.views(scores):
        for row, selection in rows.items():
            of_row = selection.of(of_view)
            # The test regions are those of all rows of a fold together, because an arm may have fewer windows.
            beside = [arm for other in rows.values() if other.fold == selection.fold for arm in other.arms]
            tested = _Selection(beside, selection.fold).of(of_view)
            where = tables.name_regions(merged(tested[tested["role"] == "test"]))
            for role in layout.roles:
                in_paper = NOT_STATED if table == "II" else SETS[role]
                for metric in layout.metrics:
                    key = [table, sample, degradation, row, SETS[role], metric]
                    if metric in set(of_table["metric"]):
                        value = printed.get((row, in_paper, metric), "")
                        lines.append([*key, "paper", "", pd.NA, pd.NA, float(value or "nan"), math.nan, value, where])
                    for protocol in PROTOCOLS[1:]:
                        runs = of_row[(of_row["role"] == role) & (of_row["protocol"] == protocol)]
                        arm = paper.one_arm(runs, "kriukov2021", table, row, protocol)
                        lines.append([*key, protocol, arm, *_mean_over_seeds(runs, metric), "", where])
    frame = pd.DataFrame(lines, columns=COLUMNS)
    return frame.astype({"n_seeds": "Int64", "n_windows": "Int64", "mean": float, "sd": float})


def _mean_over_seeds(runs: pd.DataFrame, metric: str) -> tuple[int, int, float, float]:
    """n_seeds, n_windows, mean and sd of one cell."""
    runs = runs[np.isfinite(runs[metric].astype(float))]
    of_seed = runs.groupby("seed")[metric].mean()
    return len(of_seed), len(runs.drop_duplicates(WINDOW)), of_seed.mean(), of_seed.std()


# ---------------------------------------------------------------- tables to read


Part = tuple[Table, list[tuple[str, Format]]]


def parts(frame: pd.DataFrame) -> list[Part]:
    """The frame as a person reads it, one table per sample and low map, rows x (metric x protocol), and (metric,
    format) of its groups of columns."""
    return [_part(rows) for _, rows in frame.groupby(["sample", "degradation"], sort=False)]


def _part(rows: pd.DataFrame) -> Part:
    table = rows["table"].iloc[0]
    layout = LAYOUTS[table]
    groups, lines, styles = paper.arrange(rows, layout.metrics, ["row", "set"])
    lines = [(names[: len(layout.heads)], cells) for names, cells in lines]
    title = f"Table {table} of Kriukov et al. 2021: {layout.title}"
    return Table(title, layout.heads, groups, lines, _note(rows)), styles


def _note(rows: pd.DataFrame) -> str:
    """What stands below a table: test regions, windows, seeds, and whose data each number is of."""
    layout = LAYOUTS[rows["table"].iloc[0]]
    source = "The paper's numbers are of mouse Micro-C (mm10) at 5 kb"
    if layout.roles == ("test",):
        source += ", of a set it does not name (its code scores the test set)"
    scored = rows[rows["n_windows"].fillna(0) > 0]
    if scored.empty:
        return f"No arm of this table was scored. {source}."
    regions = scored.groupby("test_regions", sort=False)["row"].unique()
    where = [f"{region} ({', '.join(names)})" if len(regions) > 1 else region for region, names in regions.items()]
    windows = scored.groupby("set", sort=False)["n_windows"].agg(["min", "max"])
    counts = [f"{name} {span(low, high)}" for name, low, high in windows.itertuples()]
    seeds = span(scored["n_seeds"].min(), scored["n_seeds"].max())
    sample, low_map = rows["sample"].iloc[0], rows["degradation"].iloc[0]
    return (
        f"Test regions: {'; '.join(where)}. Windows: {', '.join(counts)}. Seeds: {seeds}; ± is the standard deviation "
        f"over seeds. {source}; published and corrected are of the sample {sample}"
        f"{f', low map “{low_map}”' if low_map else ''}. "
        f"The three are normalised and masked differently: compare within a column, not across.{layout.caution}"
    )


def write(frame: pd.DataFrame, stem: str, folder: str | Path) -> list[Path]:
    """Write `<stem>.tsv` (the tidy frame), `<stem>.md` and `<stem>.tex` (to read) into a folder."""
    return paper.write(frame, parts(frame), folder, stem)


def read(path: str | Path) -> pd.DataFrame:
    """A frame that `write` wrote."""
    text = ["sample", "degradation", "row", "set", "arm", "printed", "test_regions"]
    frame = pd.read_csv(path, sep="\t", dtype=dict.fromkeys(text, str))
    numbers = {name: frame[name].astype("Int64") for name in ("n_seeds", "n_windows")}
    return frame.assign(**{name: frame[name].fillna("") for name in text}, **numbers)


def section(frames: Sequence[pd.DataFrame]) -> Section:
    """The page's section: the tables of the frames in their order."""
    names = list(dict.fromkeys(name for frame in frames for name in frame["table"]))
    text = (
        "The paper's numbers as printed, beside arms that repeat its released code bug for bug (published) and arms "
        "that do what its text means (corrected). A dash is a number that the paper or this experiment does not have."
    )
    return Section(
        "kriukov2021",
        "Kriukov et al. 2021",
        paper.subject(names),
        [text],
        [table for frame in frames for table, _ in parts(frame)],
    )
