"""What the tables of several papers share: their printed numbers, cells, and renderings in Markdown and LaTeX."""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pandas as pd

from trifold.errors import InputError
from trifold.metrics.aggregate import ALPHA, TOO_FEW, UNDECIDED
from trifold.metrics.intervals import LEAST_STRETCHES
from trifold.report import tables
from trifold.report.sections import Table
from trifold.report.tables import METRICS, Cell, Format, Metric

# Of a comparison that `aggregate.judge` has judged, by the column of what is better.
_VERDICTS = {"row": "better", "run": "better", "against": "worse", UNDECIDED: UNDECIDED, TOO_FEW: "–"}
PROTOCOLS = ("paper", "published", "corrected")
WINDOW = ["fold", "chrom", "start_bp", "end_bp"]
# Columns of a paper's tables that are no scores.
_COUNTS = {
    "before": ("before cleaning", None),
    "after": ("after cleaning", None),
    "share": ("remain, %", None),
    "validated": ("validated loops", None),
    "predicted": ("predicted loops", None),
    "proportion": ("proportion", True),
}
COUNTS = {name: Metric(label, label.replace("%", r"\%"), better) for name, (label, better) in _COUNTS.items()}
_PUBLISHED = ["table", "row", "set", "metric", "value", "source"]


def read_published(path: str | Path) -> pd.DataFrame:
    """papers/<paper>/published.tsv: table, row, set, metric, value (text, as printed), source."""
    published = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if missing := [name for name in _PUBLISHED if name not in published]:
        raise InputError(f"{path}: columns {missing} are missing; it needs {_PUBLISHED}")
    if unknown := set(published["metric"]) - set(METRICS | COUNTS):
        raise InputError(f"{path}: column metric: {sorted(unknown)} is not one of {sorted(METRICS | COUNTS)}")
    if (twice := published.duplicated(_PUBLISHED[:4])).any():
        named = published.loc[twice, _PUBLISHED[:4]].iloc[0].tolist()
        raise InputError(f"{path}: {named} stands there twice; keep one row")
    return published


def read_scores(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Tables of several runs, one below the other; chromosomes, samples and lists of samples are text."""
    text = dict.fromkeys(("chrom", "sample", "train_samples", "pretraining", "variant"), str)
    return pd.concat([pd.read_csv(path, sep="\t", dtype=text) for path in paths], ignore_index=True)


def check_scores(scores: pd.DataFrame, metrics: Sequence[str], paper: str) -> None:
    """Raises InputError for scores.tsv without the columns of a table, or of an unknown protocol."""
    needed = ["protocol", "degradation", "arm", "seed", "sample", "role", "scale", *WINDOW, *metrics]
    if missing := [name for name in needed if name not in scores]:
        raise InputError(f"scores.tsv: columns {missing} are missing; make the scores of {paper} again")
    if unknown := set(scores["protocol"]) - set(PROTOCOLS[1:]):
        raise InputError(f"scores.tsv: column protocol: {sorted(unknown)} is not one of {list(PROTOCOLS[1:])}")


def check_windows(scores: pd.DataFrame, paper: str, table: str) -> None:
    """Raises InputError for arms of a table whose windows, start_bp to end_bp, have not one size."""
    sizes_bp = (scores["end_bp"] - scores["start_bp"]).groupby(scores["arm"], sort=False).max()
    if sizes_bp.nunique() > 1:
        arms = [sizes_bp.idxmin(), sizes_bp.idxmax()]
        raise InputError(
            f"config: {paper}: Table {table} holds {arms[0]!r}, of windows of {sizes_bp.min():,} bp, and {arms[1]!r}, "
            f"of {sizes_bp.max():,} bp, whose scores are not of the same windows; give the arms one window_bins"
        )


def views(scores: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Scores by sample and low map; one empty view where there is none, so that the paper's numbers still stand."""
    if scores.empty:
        return iter([(("", ""), scores)])
    return iter(scores.groupby(["sample", "degradation"], sort=False))


def one_arm(runs: pd.DataFrame, paper: str, table: str, row: str, protocol: str) -> str:
    """The arm of a cell, empty without one. Raises InputError for two of one protocol in a row."""
    arms = sorted(set(runs["arm"]))
    if len(arms) > 1:
        raise InputError(
            f"config: {paper}: row {row!r} of Table {table} holds the arms {arms}, both scored under the {protocol} "
            "protocol; give each a row of its own"
        )
    return "".join(arms)


def merged(windows: pd.DataFrame) -> pd.DataFrame:
    """The regions that windows cover, where those that touch or overlap become one: chrom, start_bp, end_bp."""
    # Chromosomes named by numbers and letters sort as text.
    unique = windows[WINDOW[1:]].astype({"chrom": str}).drop_duplicates().sort_values(["chrom", "start_bp"])
    spans: list[list] = []
    for chrom, start_bp, end_bp in unique.itertuples(index=False, name=None):
        if spans and spans[-1][0] == chrom and start_bp <= spans[-1][2]:
            spans[-1][2] = max(spans[-1][2], end_bp)
        else:
            spans.append([chrom, start_bp, end_bp])
    return pd.DataFrame(spans, columns=WINDOW[1:])


def cell(row, style: Format) -> Cell:
    """A cell of a row with mean, sd and printed (the paper's own digits)."""
    if row is None or math.isnan(row.mean):
        return Cell()
    if row.printed:
        # The paper's own digits, on the scale of the column.
        return Cell(f"{Decimal(row.printed).scaleb(-style.exponent):f}")
    return Cell(style.number(row.mean), "" if math.isnan(row.sd) else f"± {style.number(row.sd)}")


def gain_cell(row, style: Format) -> Cell:
    """A cell of a row with difference, ci_low, ci_high and n_stretches."""
    if row is None or math.isnan(row.difference):
        return Cell()
    return Cell(style.number(row.difference, sign=True), tables.interval_of(row, style))


def judged_cells(row, style: Format) -> list[Cell]:
    """Two cells of a row with what `gain_cell` takes, and better: the difference and its verdict."""
    if row is None or math.isnan(row.difference):
        return [Cell(), Cell()]
    return [gain_cell(row, style), Cell(_VERDICTS[row.better])]


def compared_note(rows: pd.DataFrame, unit: str) -> str:
    """What a reader must know of the differences of a table: n_windows, n_stretches."""
    windows, stretches = (span(rows[name].min(), rows[name].max()) for name in ("n_windows", "n_stretches"))
    return (
        f"In brackets the 95 % interval of that difference over {stretches} independent stretches of the genome "
        f"({windows} {unit}s). Better or worse: Holm's p over all {len(rows)} comparisons of the table is below "
        f"{ALPHA}; with fewer than {LEAST_STRETCHES} stretches neither is said. An interval says nothing of other "
        "seeds or genomes."
    )


def span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low}–{high}"


def subject(names: Sequence[str]) -> str:
    """Table I; Tables I and II."""
    return f"Table{'s' if len(names) > 1 else ''} {tables.listed(list(names))}" if names else ""


# ---------------------------------------------------------------- tables to read


def heading(metric: str, style: Format) -> str:
    """Column heading: label, the direction that is better, the shared power of ten."""
    known = (METRICS | COUNTS)[metric]
    return f"{known.label} {known.arrow}{style.power}".strip()


def style_of(metric: str, values: pd.Series) -> Format:
    """One format for a column. Counts are whole; R², which has no lower end, has digits as if it had."""
    if metric in COUNTS and metric not in ("share", "proportion"):
        return Format(0, 0)
    return Format.of(values.clip(-1, 1) if metric.startswith("r2") else values)


def arrange(rows: pd.DataFrame, metrics: Sequence[str], keys: Sequence[str]):
    """Columns metric × protocol and a line for every value of the columns `keys`, as `Table` takes them.

    `rows`: columns metric, protocol, mean, sd, printed and the keys. Returns groups, lines (names, cells), and
    (metric, format) of the groups.
    """
    means = {name: rows.loc[rows["metric"] == name, "mean"] for name in metrics}
    styles = [(name, style_of(name, means[name])) for name in metrics if len(means[name])]
    present = set(rows[["metric", "protocol"]].itertuples(index=False, name=None))
    columns = [
        (name, style, protocol) for name, style in styles for protocol in PROTOCOLS if (name, protocol) in present
    ]
    row_of = {(*(getattr(row, key) for key in keys), row.metric, row.protocol): row for row in rows.itertuples()}
    lines = []
    for names in rows[list(keys)].drop_duplicates().itertuples(index=False, name=None):
        cells = (row_of.get((*names, metric, protocol)) for metric, _, protocol in columns)
        lines.append((list(names), [cell(row, style) for row, (_, style, _) in zip(cells, columns)]))
    groups = [
        (heading(name, style), [protocol for metric, _, protocol in columns if metric == name])
        for name, style in styles
    ]
    return groups, lines, styles


def markdown(parts: Sequence[Table]) -> str:
    """Markdown tables, every one between its title and its note."""
    texts = []
    for table in parts:
        head = [*table.heads, *(f"{metric} {column}" for metric, columns in table.groups for column in columns)]
        lines = [head, [*["---"] * len(table.heads), *["---:"] * (len(head) - len(table.heads))]]
        for names, cells in table.rows:
            values = [" ".join(part for part in (cell.value, cell.spread) if part) for cell in cells]
            lines.append([*map(tables.escape_markdown, names), *values])
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        texts.append(f"**{tables.escape_markdown(table.title)}**\n\n{body}\n\n{tables.escape_markdown(table.note)}\n")
    return "\n".join(texts)


def tex(parts: Sequence[tuple[Table, list[tuple[str, Format]]]]) -> str:
    """Booktabs tables as wide as the page, spreads in small type; with the (metric, format) of the tables' groups."""
    texts = ["% \\usepackage{booktabs,graphicx}"]
    for table, styles in parts:
        upper, lower, rules = [""] * len(table.heads), list(table.heads), []
        for (metric, style), (_, columns) in zip(styles, table.groups):
            power = rf" $\times 10^{{{style.exponent}}}$" if style.exponent else ""
            known = (METRICS | COUNTS)[metric]
            text = f"{known.tex} {tables.escape_tex(known.arrow)}{power}"
            rules.append(rf"\cmidrule(lr){{{len(lower) + 1}-{len(lower) + len(columns)}}}")
            upper.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{text}}}")
            lower += columns
        lines, above = [], table.rows[0][0][0]
        for names, cells in table.rows:
            if names[0] != above and len(names) > 1:  # the sets of a model stay together
                lines.append(r"\midrule")
            above = names[0]
            lines.append(" & ".join([*map(tables.escape_tex, names), *map(_tex_cell, cells)]) + r" \\")
        texts += [
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{tables.escape_tex(table.title)}. {tables.escape_tex(table.note)}}}",
            r"\resizebox{\textwidth}{!}{%",
            rf"\begin{{tabular}}{{{'l' * len(table.heads)}{'r' * (len(lower) - len(table.heads))}}}",
            r"\toprule",
            " & ".join(upper) + r" \\",
            " ".join(rules),
            " & ".join(lower) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table*}",
            "",
        ]
    return "\n".join(texts)


def write(
    frame: pd.DataFrame, parts: Sequence[tuple[Table, list[tuple[str, Format]]]], folder: str | Path, stem: str
) -> list[Path]:
    """Write `<stem>.tsv` (the tidy frame), `<stem>.md` and `<stem>.tex` (its parts, to read) into a folder."""
    paths = [Path(folder) / f"{stem}.{suffix}" for suffix in ("tsv", "md", "tex")]
    frame.to_csv(paths[0], sep="\t", index=False, float_format="%.8g")
    paths[1].write_text(markdown([table for table, _ in parts]), encoding="utf-8")
    paths[2].write_text(tex(parts), encoding="utf-8")
    return paths


def _tex_cell(cell: Cell) -> str:
    spread = rf" {{\scriptsize {tables.escape_tex(cell.spread)}}}" if cell.spread else ""
    return tables.escape_tex(cell.value) + spread
