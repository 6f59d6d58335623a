"""Score tables and what they say in words.

One tidy frame of numbers (`score_table`) is the source of every rendering: TSV as it is, Markdown and LaTeX one table
per view, and the page. A **view** is a set of scores that may be compared with each other: one degradation, one
sample, one reference map and one scale. Arms of the published protocol and corrected ones stand in blocks of their
own: neither is marked as best against the other, and no difference is taken between them. Rows without a model
belong to both.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from trifold.architectures import ARCHITECTURES
from trifold.config import CEILINGS
from trifold.errors import InputError
from trifold.genome import Region
from trifold.metrics.aggregate import ALPHA, COMPARED, HIGHER_IS_BETTER, TOO_FEW, UNDECIDED
from trifold.metrics.intervals import LEAST_STRETCHES

NO_MODEL = "no model"
CEILING = "ceiling"  # the protocol of rows that are no arms
# How `aggregate.compare` comes to its verdicts.
JUDGED = f"better, worse: Holm's p over all comparisons of this map and scale is below {ALPHA}"
MINUS = "\u2212"


class Metric(NamedTuple):
    """How a column is called, in text and in LaTeX, and which way is better."""

    label: str
    tex: str
    higher_is_better: bool | None  # None: neither way

    @property
    def arrow(self) -> str:
        return {True: "↑", False: "↓", None: ""}[self.higher_is_better]


_LABELS = {
    "mse": ("MSE", "MSE"),
    "mae": ("MAE", "MAE"),
    "pearson": ("Pearson r", "Pearson $r$"),
    "spearman": ("Spearman ρ", r"Spearman $\rho$"),
    "ssim": ("SSIM", "SSIM"),
    "scc_hicrep": ("SCC (HiCRep)", "SCC (HiCRep)"),
    "scc_hicreppy": ("SCC (hicreppy)", "SCC (hicreppy)"),
    "scc_kriukov2021": ("SCC (Kriukov 2021)", "SCC (Kriukov 2021)"),
    "r2": ("R²", "$R^2$"),
    "r2_swapped": ("R², swapped", "$R^2$, swapped"),
    "pearson_tss": ("Pearson r at TSS", "Pearson $r$ at TSS"),
    "r2_tss": ("R² at TSS", "$R^2$ at TSS"),
    "r2_swapped_tss": ("R², swapped, at TSS", "$R^2$, swapped, at TSS"),
    "precision": ("precision", "precision"),
    "recall": ("recall", "recall"),
    "f1": ("F1", "F1"),
    "auroc": ("AUROC", "AUROC"),
    "auprc": ("AUPRC", "AUPRC"),
    "precision_chosen": ("precision, chosen", "precision, chosen"),
    "recall_chosen": ("recall, chosen", "recall, chosen"),
    "f1_chosen": ("F1, chosen", "F1, chosen"),
    "precision_matched": ("precision, matched", "precision, matched"),
    "recall_matched": ("recall, matched", "recall, matched"),
    "f1_matched": ("F1, matched", "F1, matched"),
    "auroc_matched": ("AUROC, matched", "AUROC, matched"),
    "auprc_matched": ("AUPRC, matched", "AUPRC, matched"),
    "invented_per_mb": ("invented per Mb", "invented per Mb"),
}
METRICS = {name: Metric(*labels, HIGHER_IS_BETTER[name]) for name, labels in _LABELS.items()}
# The metrics that the sentences at the top of the page name.
HEADLINE_METRICS = ("mse", "pearson", "scc_hicrep")


SCALES = {"oe": "O/E"}  # scale -> what headings call it, where that is not the key


class View(NamedTuple):
    """Scores that may be compared with each other."""

    degradation: str
    sample: str
    reference: str
    scale: str

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of a metric table that belong to this view."""
        keep = pd.Series(True, index=frame.index)
        for column, value in zip(self._fields, self):
            keep &= frame[column] == value
        return frame[keep]

    def __str__(self) -> str:
        scale = SCALES.get(self.scale, self.scale)
        return f"{self.sample}, low map “{self.degradation}”, {scale} scale, against the {self.reference} map"


KEYS = list(View._fields)


# ---------------------------------------------------------------- arms and metrics


def is_learned(arms: Mapping, name: str) -> bool:
    return ARCHITECTURES[arms[name]["architecture"]].learned


def protocol_of(arms: Mapping, name: str) -> str:
    if name in CEILINGS:
        return CEILING
    return arms[name].get("protocol", "corrected") if is_learned(arms, name) else NO_MODEL


def is_without_model(arms: Mapping, name: str) -> bool:
    """Whether it is a row without a model; a program of others is none."""
    return ARCHITECTURES[arms[name]["architecture"]].fitter in ("none", "closed form")


def comparable(arms: Mapping, name: str, other: str) -> bool:
    """Whether a difference is taken between two arms: of one protocol, or one of them without a model."""
    protocols = {protocol_of(arms, name), protocol_of(arms, other)}
    return len(protocols - {NO_MODEL}) < 2


def arm_order(arms: Mapping) -> list[str]:
    """Rows without a model first, then corrected arms, then published ones; each in the order of the config."""
    blocks = [NO_MODEL, "corrected", "published"]
    return sorted(arms, key=lambda name: blocks.index(protocol_of(arms, name)))


def strongest(scores: pd.DataFrame, arms: Mapping) -> pd.DataFrame:
    """The row without a model with the best mean, for every view and metric that has one: `KEYS`, metric, arm.

    scores: of `trifold.metrics.aggregate`. The best of several on the windows that are scored: the hardest rival.
    """
    scores = scores[~scores["arm"].isin(CEILINGS)]
    simple = scores[[is_without_model(arms, name) for name in scores["arm"]]]
    simple = simple[simple["mean"].notna() & simple["metric"].isin(METRICS)]
    merit = [mean if METRICS[name].higher_is_better else -mean for mean, name in zip(simple["mean"], simple["metric"])]
    best = simple.assign(merit=merit).sort_values("merit", ascending=False, kind="stable")
    return best.drop_duplicates([*KEYS, "metric"]).sort_index()[[*KEYS, "metric", "arm"]]


def references(scores: pd.DataFrame, arms: Mapping, reference_arms: Sequence[str]) -> list[str]:
    """The arms that the others are compared with: those that the config names, and the strongest rows without a model
    on the headline metrics that it does not name. Where it names none, nothing is compared."""
    if not reference_arms:
        return []
    best = strongest(scores, arms)
    hardest = set(best.loc[best["metric"].isin(HEADLINE_METRICS), "arm"])
    return [*reference_arms, *(name for name in arm_order(arms) if name in hardest - set(reference_arms))]


def _check(frame: pd.DataFrame, arms: Mapping) -> None:
    if unknown := set(frame["metric"]) - set(METRICS):
        raise InputError(f"scores: column metric: {sorted(unknown)} is not one of {sorted(METRICS)}")
    if unknown := set(frame["arm"]) - {*arms, *CEILINGS}:
        raise InputError(f"scores: column arm: {sorted(unknown)} is not an arm of the config; make the tables again")


def name_regions(regions: pd.DataFrame, most: int = 4) -> str:
    """The test regions in a few words, from the columns chrom, start_bp, end_bp of a metric table."""
    unique = regions[["chrom", "start_bp", "end_bp"]].drop_duplicates().sort_values(["chrom", "start_bp"])
    if len(unique) <= most:
        return ", ".join(str(Region(*row)) for row in unique.itertuples(index=False))
    length_bp = int((unique["end_bp"] - unique["start_bp"]).sum())
    chroms = list(dict.fromkeys(unique["chrom"]))
    where = ", ".join(chroms) if len(chroms) <= 8 else f"{len(chroms)} chromosomes"
    return f"{len(unique)} regions of {where} ({length_bp / 1e6:.1f} Mb)"


# ---------------------------------------------------------------- the frame of numbers


_COMPARED = [name for name in COMPARED if name != "n_windows"]


def score_table(
    scores: pd.DataFrame, comparisons: pd.DataFrame, arms: Mapping, *, reference_arm: str | None, test_regions: str
) -> pd.DataFrame:
    """Every number of the score tables, one row per view, arm and metric.

    `scores` and `comparisons` are those of `trifold.metrics.aggregate`, `arms` the config's. Columns: the view,
    arm, protocol, metric, n_seeds, n_windows, mean, sd (over seeds), reference_arm, n_stretches, difference, ci_low,
    ci_high, p, p_holm, better (arm − reference arm; empty across protocols), best (no comparable arm has a better
    mean), strongest (of the rows without a model, on that metric), share (of the way from the best row without a model
    to a replicate: 0 is that row, 1 the replicate; NaN where the replicate is hardly better), test_regions. Ceilings
    come last, with the protocol "ceiling" and an sd over divisions of the reads.
    """
    _check(scores, arms)
    against = comparisons[comparisons["reference_arm"] == reference_arm]
    frame = scores.merge(against[[*KEYS, "metric", "arm", *_COMPARED]], on=[*KEYS, "metric", "arm"], how="left")
    frame["protocol"] = [protocol_of(arms, name) for name in frame["arm"]]
    frame["reference_arm"] = reference_arm or ""
    frame["test_regions"] = test_regions
    frame["better"] = frame["better"].fillna("")
    frame["best"], frame["share"] = False, math.nan
    for (*_, metric), group in frame.groupby([*KEYS, "metric"], sort=False):
        of_arms = group[group["protocol"] != CEILING]
        frame.loc[of_arms.index, "best"] = _is_best(of_arms, METRICS[metric].higher_is_better)
        frame.loc[of_arms.index, "share"] = _share_of_way(group, METRICS[metric].higher_is_better)
    hardest = set(strongest(scores, arms).itertuples(index=False, name=None))
    frame["strongest"] = [key in hardest for key in zip(*(frame[name] for name in [*KEYS, "metric", "arm"]))]
    ranks = {"arm": [*arm_order(arms), *CEILINGS], "metric": list(METRICS)}
    ranks = {column: {name: rank for rank, name in enumerate(names)} for column, names in ranks.items()}
    frame = frame.sort_values(
        [*KEYS, "arm", "metric"],
        key=lambda column: column.map(ranks[column.name]) if column.name in ranks else column,
        kind="stable",
    ).reset_index(drop=True)
    numbers = ["n_seeds", "n_windows", "mean", "sd", "reference_arm", *_COMPARED, "best", "strongest", "share"]
    return frame[[*KEYS, "arm", "protocol", "metric", *numbers, "test_regions"]]


def summary_table(
    scores: pd.DataFrame,
    comparisons: pd.DataFrame,
    arms: Mapping,
    *,
    reference_arms: Sequence[str],
    test_regions: str,
) -> pd.DataFrame:
    """`score_table`, each low map against the first of the reference arms that was scored on it."""
    parts = []
    for degradation, of_degradation in scores.groupby("degradation", sort=False):
        first = next((name for name in reference_arms if name in set(of_degradation["arm"])), None)
        paired = comparisons[comparisons["degradation"] == degradation]
        parts.append(score_table(of_degradation, paired, arms, reference_arm=first, test_regions=test_regions))
    return pd.concat(parts, ignore_index=True)


def _share_of_way(group: pd.DataFrame, higher_is_better: bool) -> pd.Series:
    """(arm - best row without a model) / (replicate - best row without a model) of the arms of a group.

    NaN where the replicate is not better by more than twice its own spread: a share of nothing is any number.
    """
    means = group.set_index("arm")["mean"] * (1 if higher_is_better else -1)
    of_arms = group[group["protocol"] != CEILING]
    start = means[of_arms.loc[of_arms["protocol"] == NO_MODEL, "arm"]].max()
    way, spread = means.get("replicate", math.nan) - start, group.loc[group["arm"] == "replicate", "sd"].max()
    known = way > 0 and not way < 2 * spread
    shares = (means[of_arms["arm"]] - start) / way if known else means[of_arms["arm"]] * math.nan
    return shares.set_axis(of_arms.index)


def _is_best(group: pd.DataFrame, higher_is_better: bool) -> list[bool]:
    """Whether no comparable arm of the group (same protocol, or without a model) has a better mean."""
    means = group["mean"] if higher_is_better else -group["mean"]
    best = []
    for protocol, mean in zip(group["protocol"], means):
        comparable = group["protocol"].isin([protocol, NO_MODEL]) | (protocol == NO_MODEL)
        best.append(bool(mean >= means[comparable].max()))
    return best


def views(frame: pd.DataFrame) -> Iterator[tuple[View, pd.DataFrame]]:
    """The views of a table, in their order of appearance."""
    for key, rows in frame.groupby(KEYS, sort=False):
        yield View(*key), rows


# ---------------------------------------------------------------- cells


class Format(NamedTuple):
    """One format for a whole column: a shared power of ten and a number of decimals."""

    exponent: int
    decimals: int

    @classmethod
    def of(cls, values: pd.Series) -> "Format":
        largest = values.abs().max()
        if not largest > 0 or math.isinf(largest):
            return cls(0, 4)
        power = math.floor(math.log10(largest))
        exponent = 0 if -2 < power < 4 else 3 * (power // 3)
        return cls(exponent, min(4, 3 - (power - exponent)))

    @property
    def power(self) -> str:
        return f" ×10{superscript(self.exponent)}" if self.exponent else ""

    def number(self, value: float, sign: bool = False) -> str:
        text = f"{value / 10**self.exponent:{'+' if sign else ''}.{max(self.decimals, 0)}f}"
        if float(text) == 0:
            text = text.lstrip("+-")
        return text.replace("-", MINUS)

    def interval(self, low: float, high: float) -> str:
        return f"[{self.number(low)}, {self.number(high)}]"


def interval_of(row, style: Format) -> str:
    """The interval of a comparison (n_stretches, ci_low, ci_high), or that there are too few stretches for one."""
    if row.n_stretches < LEAST_STRETCHES:
        return f"[too few: {row.n_stretches:.0f}]"
    return "" if math.isnan(row.ci_low + row.ci_high) else style.interval(row.ci_low, row.ci_high)


class Cell(NamedTuple):
    """One score, formatted: `value` with its spread over seeds, and the difference from the reference arm."""

    value: str = "–"
    spread: str = ""
    difference: str = ""
    interval: str = ""
    best: bool = False
    verdict: str = ""  # better, worse, undecided or too few, against the reference arm; empty where nothing is compared
    share: str = ""  # of the way from the best row without a model to a replicate

    @property
    def is_decided(self) -> bool:
        return self.verdict in ("better", "worse")


class Row(NamedTuple):
    arm: str
    protocol: str
    cells: list[Cell]


class Grid(NamedTuple):
    """One view as a person reads it: rows are arms, columns are metrics."""

    title: str
    metrics: list[str]
    formats: list[Format]
    rows: list[Row]


def title_of(view: View, rows: pd.DataFrame) -> str:
    """Names the view, the test regions, the numbers of windows, stretches and seeds, and what is in the brackets."""
    of_arms = rows[rows["protocol"] != CEILING]
    seeds = int(of_arms["n_seeds"].max())
    if seeds == 1 and (of_arms["protocol"] == NO_MODEL).all():
        seeds = 0
    windows = sorted({int(n) for n in rows["n_windows"]})
    counts = f"{windows[0]}–{windows[-1]} windows" if len(windows) > 1 else count(windows[0], "window")
    counts += f", {count(seeds, 'seed')}" if seeds else ""
    title = f"{view}. Test regions: {rows['test_regions'].iloc[0]}; {counts}."
    if reference_arm := rows["reference_arm"].iloc[0]:
        title += f" In brackets: difference from {reference_arm}, 95 % interval{_over_stretches(rows)}; {JUDGED}."
    if rows["share"].notna().any():
        title += " In percent: the way from the best row without a model (0) to a replicate (100)."
    return title + _strongest_in_words(rows)


def _strongest_in_words(rows: pd.DataFrame) -> str:
    """Which of several rows without a model is the strongest, metric by metric where these differ."""
    hardest = rows[rows["strongest"]]
    if rows.loc[rows["protocol"] == NO_MODEL, "arm"].nunique() < 2 or hardest.empty:
        return ""
    metrics_of = {
        name: listed([METRICS[metric].label for metric in of_arm])
        for name, of_arm in hardest.groupby("arm", sort=False)["metric"]
    }
    said = [name if len(metrics_of) == 1 else f"{name} on {labels}" for name, labels in metrics_of.items()]
    return f" Strongest without a model: {'; '.join(said)}."


def _over_stretches(compared: pd.DataFrame) -> str:
    """over 12–38 stretches"""
    numbers = sorted(set(compared["n_stretches"].dropna().astype(int)))
    if not numbers:
        return ""
    return (
        f" over {numbers[0]}–{numbers[-1]} stretches" if len(numbers) > 1 else f" over {count(numbers[0], 'stretch')}"
    )


def count(n: int, noun: str) -> str:
    """1 window, 2 windows, 1,024 windows; 2 stretches."""
    return f"{n:,} {noun}{'' if n == 1 else 'es' if noun.endswith('ch') else 's'}"


def grid(view: View, rows: pd.DataFrame) -> Grid:
    """Format the rows of one view; metrics without a single number are left out."""
    metrics = [name for name in METRICS if rows.loc[rows["metric"] == name, "mean"].notna().any()]
    formats = [Format.of(rows.loc[rows["metric"] == name, "mean"]) for name in metrics]
    row_of = {(row.arm, row.metric): row for row in rows.itertuples()}
    lines = []
    for arm, protocol in rows[["arm", "protocol"]].drop_duplicates().itertuples(index=False):
        cells = [_cell(row_of.get((arm, name)), style) for name, style in zip(metrics, formats)]
        lines.append(Row(arm, protocol, cells))
    return Grid(title_of(view, rows), metrics, formats, lines)


VERDICTS = {"arm": "better", "reference_arm": "worse", UNDECIDED: UNDECIDED, TOO_FEW: TOO_FEW}


def _percent(share: float) -> str:
    """A share of the way; how far behind the row without a model is no number to compare."""
    return f"below {MINUS}100 %" if share < -1 else f"{100 * share:.0f} %".replace("-", MINUS)


def _cell(row, style: Format) -> Cell:
    if row is None or math.isnan(row.mean):
        return Cell()
    learned = row.protocol not in (NO_MODEL, CEILING)
    share = _percent(row.share) if learned and not math.isnan(row.share) else ""
    spread = "" if math.isnan(row.sd) else f"± {style.number(row.sd)}"
    cell = Cell(style.number(row.mean), spread, best=row.best, share=share)
    if math.isnan(row.difference) or row.arm == row.reference_arm:
        return cell
    return cell._replace(
        difference=style.number(row.difference, sign=True),
        interval=interval_of(row, style),
        verdict=VERDICTS[row.better],
    )


def superscript(number: int) -> str:
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def heading(metric: str, style: Format) -> str:
    """Column heading: label, the direction that is better, the shared power of ten."""
    return f"{METRICS[metric].label} {METRICS[metric].arrow}{style.power}"


# ---------------------------------------------------------------- Markdown and LaTeX


def escape_markdown(text: str) -> str:
    """Text that a Markdown table shows as it is."""
    for character in "\\`*_|<>[]":
        text = text.replace(character, "\\" + character)
    return text


_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {character: "\\" + character for character in "&%$#_{}"}
_TEX |= {MINUS: "$-$", "±": r"$\pm$", "×": r"$\times$", "–": "--", "↑": r"$\uparrow$", "↓": r"$\downarrow$"}


def escape_tex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(character, character) for character in text)


def to_markdown(frame: pd.DataFrame) -> str:
    """One Markdown table per view under its title; the best value of each column in bold."""
    parts = []
    for view, rows in views(frame):
        table = grid(view, rows)
        head = ["arm", "protocol", *(heading(*column) for column in zip(table.metrics, table.formats))]
        lines = [head, ["---", "---", *["---:"] * len(table.metrics)]]
        for row in table.rows:
            lines.append([escape_markdown(row.arm), row.protocol, *map(_markdown_cell, row.cells)])
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"**{escape_markdown(table.title)}**\n\n{body}\n")
    return "\n".join(parts)


def _markdown_cell(cell: Cell) -> str:
    value = f"**{cell.value}**" if cell.best else cell.value
    difference = f"({_difference_of(cell)})" if cell.difference else ""
    return " ".join(part for part in (value, cell.spread, cell.share, difference) if part)


def to_tex(frame: pd.DataFrame) -> str:
    """One booktabs table per view; differences in a second line under each arm, blocks of protocols apart."""
    parts = ["% \\usepackage{booktabs}"]
    for view, rows in views(frame):
        table = grid(view, rows)
        head = [r"arm", "protocol"]
        for name, style in zip(table.metrics, table.formats):
            power = rf" $\times 10^{{{style.exponent}}}$" if style.exponent else ""
            head.append(f"{METRICS[name].tex} {escape_tex(METRICS[name].arrow)}{power}")
        lines = []
        block = None
        for row in table.rows:
            if row.protocol != block and block is not None:
                lines.append(r"\midrule")
            block = row.protocol
            lines.append(" & ".join([escape_tex(row.arm), row.protocol, *map(_tex_value, row.cells)]) + r" \\")
            if any(cell.difference for cell in row.cells):
                lines.append(" & ".join(["", "", *map(_tex_difference, row.cells)]) + r" \\")
        parts += [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_tex(table.title)}}}",
            rf"\begin{{tabular}}{{ll{'r' * len(table.metrics)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    return "\n".join(parts)


def _tex_value(cell: Cell) -> str:
    value = escape_tex(cell.value)
    value = rf"\textbf{{{value}}}" if cell.best else value
    return " ".join(filter(None, (value, escape_tex(cell.spread), escape_tex(cell.share))))


def _tex_difference(cell: Cell) -> str:
    return rf"{{\footnotesize {escape_tex(_difference_of(cell))}}}" if cell.difference else ""


def _difference_of(cell: Cell) -> str:
    """+0.012 [0.008, 0.016] better; what is undecided is not said."""
    return " ".join(filter(None, [cell.difference, cell.interval, cell.verdict if cell.is_decided else ""]))


def write(frame: pd.DataFrame, stem: str, folder: str | Path) -> list[Path]:
    """Write `<stem>.tsv` (the numbers), `<stem>.md` and `<stem>.tex` (a table per view) into a folder."""
    folder = Path(folder)
    paths = [folder / f"{stem}.{suffix}" for suffix in ("tsv", "md", "tex")]
    frame.to_csv(paths[0], sep="\t", index=False, float_format="%.8g")
    paths[1].write_text(to_markdown(frame))
    paths[2].write_text(to_tex(frame))
    return paths


# ---------------------------------------------------------------- sentences


STRONGEST = "the strongest row without a model"
_STANDS = {"beats": "better", UNDECIDED: UNDECIDED, "loses": "worse", "unknown": "without a verdict"}


class Finding(NamedTuple):
    """One comparison in words: `verdict` is beats, loses, undecided, or unknown where there are too few stretches;
    `text` is the rest of the sentence."""

    metric: str
    verdict: str
    text: str


class Findings(NamedTuple):
    """What a view says about one learned arm against one rival."""

    arm: str
    rival: str
    role: str  # what the rival is: the strongest row without a model on that metric, or a learned arm
    findings: list[Finding]


def findings(scores: pd.DataFrame, comparisons: pd.DataFrame, arms: Mapping, view: View) -> list[Findings]:
    """Each learned arm against the strongest rows without a model, and against learned reference arms.

    The strongest row is taken metric by metric (the best mean among the reference arms without a model), which is
    the hardest of the comparisons made. Arms of different protocols are not compared.
    """
    scores, comparisons = view.of(scores), view.of(comparisons)
    _check(scores, arms)
    mean = scores.set_index(["arm", "metric"])["mean"]
    compared = {(row.arm, row.reference_arm, row.metric): row for row in comparisons.itertuples()}
    rivals = [name for name in arm_order(arms) if name in set(comparisons["reference_arm"])]
    metrics = [name for name in HEADLINE_METRICS if name in set(scores["metric"])]
    said = []
    for arm in arm_order(arms):
        if not is_learned(arms, arm):
            continue
        by_rival: dict[str, list[Finding]] = {}
        for metric in metrics:
            style = Format.of(mean.xs(metric, level="metric"))
            simple = [
                name
                for name in rivals
                if not is_learned(arms, name)
                and (arm, name, metric) in compared
                and not math.isnan(mean.get((name, metric), math.nan))
            ]
            sign = 1 if METRICS[metric].higher_is_better else -1
            strongest = max(simple, key=lambda name: sign * mean[name, metric], default=None)
            peers = [name for name in rivals if is_learned(arms, name) and name != arm]
            peers = [name for name in peers if protocol_of(arms, name) == protocol_of(arms, arm)]
            for rival in [strongest, *peers]:
                row = compared.get((arm, rival, metric))
                if row is not None and not math.isnan(row.difference):
                    by_rival.setdefault(rival, []).append(_finding(row, metric, style))
        for rival in sorted(by_rival, key=rivals.index):
            role = "a learned arm" if is_learned(arms, rival) else STRONGEST
            said.append(Findings(arm, rival, role, by_rival[rival]))
    return said


def headline(said: list[Findings]) -> str:
    """One sentence over all learned arms of a view: how each stands against the strongest row without a model."""
    verdicts: dict[str, dict[str, list[str]]] = {}
    for of_arm in said:
        if of_arm.role == STRONGEST:
            for finding in of_arm.findings:
                verdicts.setdefault(of_arm.arm, {}).setdefault(finding.verdict, []).append(
                    METRICS[finding.metric].label
                )
    arms_of: dict[str, list[str]] = {}
    for arm, metrics_of in verdicts.items():
        outcome = listed([f"{_STANDS[says]} on {listed(metrics_of[says])}" for says in _STANDS if says in metrics_of])
        arms_of.setdefault(outcome, []).append(arm)
    parts = [f"{listed(names)} {'is' if len(names) == 1 else 'are'} {said}" for said, names in arms_of.items()]
    return f"Against {STRONGEST}, {'; '.join(parts)}." if parts else ""


def listed(words: list[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _finding(row, metric: str, style: Format) -> Finding:
    label, says = METRICS[metric].label, VERDICTS[row.better]
    if says in (UNDECIDED, TOO_FEW):
        difference = f"{style.number(row.difference, sign=True)} {interval_of(row, style)}".strip()
        verdict = UNDECIDED if says == UNDECIDED else "unknown"
        return Finding(metric, verdict, f"on {label}: difference {difference}{style.power}")
    low, high = sorted((abs(row.ci_low), abs(row.ci_high)))
    by = f"{style.number(abs(row.difference))} {style.interval(low, high)}{style.power}"
    return Finding(metric, "beats" if says == "better" else "loses", f"on {label} by {by}")


def cautions(scores: pd.DataFrame, comparisons: pd.DataFrame, arms: Mapping, few_stretches: int = 10) -> list[str]:
    """What a reader must know before believing an interval."""
    said = []
    learned = scores[[name not in CEILINGS and is_learned(arms, name) for name in scores["arm"]]]
    if len(learned) and learned["n_seeds"].max() == 1:
        said.append(
            "Every arm was trained once (one seed): how much a score changes from training to training is unknown. "
            "The intervals cover only which stretches of the genome were tested, not which model came out."
        )
    if len(comparisons) and (least := int(comparisons["n_stretches"].min())) < few_stretches:
        what = (
            f"fewer than {LEAST_STRETCHES} give no interval and no verdict; test on more of the genome, by folds if it "
            "is small (splits: kind: folds)"
            if least < LEAST_STRETCHES
            else "the intervals are rough"
        )
        said.append(f"Only {count(least, 'independent stretch')} of the genome in the smallest comparison: {what}.")
    if learned.empty:
        said.append("No learned arm was scored: there is nothing yet to hold against the rows without a model.")
    return said
