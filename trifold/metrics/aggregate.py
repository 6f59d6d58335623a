"""Scores of many windows, seeds and arms in two tables: how good each arm is, and how it differs from others.

Both read the rows of ``windows.tsv`` of every evaluation, folds together. Seeds and windows are kept apart: the spread
of a score is over seeds, each being its mean over the windows; the interval of a difference is over independent
stretches of the genome (`intervals`), each window being its mean over seeds.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from trifold.errors import InputError
from trifold.metrics import intervals

# metric -> is a larger value the better one?
HIGHER_IS_BETTER = {
    "mae": False,
    "mse": False,
    "pearson": True,
    "spearman": True,
    "ssim": True,
    "scc_hicrep": True,
    "scc_hicreppy": True,
    "scc_kriukov2021": True,
    "r2": True,
    "r2_swapped": True,
    "pearson_tss": True,
    "r2_tss": True,
    "r2_swapped_tss": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "auroc": True,
    "auprc": True,
    "precision_chosen": True,
    "recall_chosen": True,
    "f1_chosen": True,
    "precision_matched": True,
    "recall_matched": True,
    "f1_matched": True,
    "auroc_matched": True,
    "auprc_matched": True,
    "invented_per_mb": False,
}
VIEW = ["degradation", "sample", "reference", "scale"]
WINDOW = ["fold", "chrom", "start_bp", "end_bp"]
# Of a family of comparisons at most so often a verdict where there is no difference.
ALPHA = 0.05
UNDECIDED, TOO_FEW = "undecided", "too few"
# Of a comparison: what stands beside the names of what is compared.
COMPARED = ["n_windows", "n_stretches", "difference", "ci_low", "ci_high", "p", "p_holm", "better"]


def summarise(windows: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread of every score.

    Columns: degradation, sample, reference, scale, metric, arm, n_seeds, n_windows (those with a value), mean (over
    seeds of the mean over windows), sd (over seeds; NaN with one). A score that no window has makes no row.
    """
    keys = [*VIEW, "metric", "arm"]
    scores = _by_metric(windows)
    n_windows = scores.drop_duplicates([*keys, *WINDOW]).groupby(keys).size().rename("n_windows")
    of_seed = scores.groupby([*keys, "seed"])["value"].mean()
    table = of_seed.groupby(keys).agg(n_seeds="size", mean="mean", sd="std")
    return table.join(n_windows).reset_index()[[*keys, "n_seeds", "n_windows", "mean", "sd"]]


def compare(
    windows: pd.DataFrame,
    reference_arms: Sequence[str],
    comparable: Callable[[str, str], bool] = lambda arm, other: True,
) -> pd.DataFrame:
    """Paired differences between every arm and each reference arm, with a 95 % interval over stretches of the genome.

    Compared are the windows both arms have a value for, in pairs of arms that are `comparable`. The interval is that of
    the difference alone and says nothing of other seeds or genomes. Verdicts are over all comparisons of a view
    (`judge`): they are those of every table and figure that shows some of them.

    Columns: degradation, sample, reference, scale, metric, arm, reference_arm, n_windows, n_stretches, difference (arm
    minus reference arm), ci_low, ci_high, p (NaN with fewer than `intervals.LEAST_STRETCHES` stretches), p_holm, and
    better: "arm", "reference_arm", "undecided" or "too few". Raises InputError for a reference arm that no row has.
    """
    if unknown := set(reference_arms) - set(windows["arm"]):
        raise InputError(
            f"config: evaluate/comparison/reference_arms: {sorted(unknown)} was not evaluated; "
            f"name arms among {sorted(set(windows['arm']))}"
        )
    numbers = ["n_windows", "difference", "n_stretches", "ci_low", "ci_high", "p"]
    rows = []
    for view, scores in _by_metric(windows).groupby(VIEW):
        # One row per window and seed, one column per metric and arm.
        table = scores.groupby([*WINDOW, "seed", "metric", "arm"])["value"].mean().unstack(["metric", "arm"])
        pairs = [
            (metric, arm, reference)
            for metric, arm in table.columns
            for reference in reference_arms
            if reference != arm and (metric, reference) in table.columns and comparable(arm, reference)
        ]
        if not pairs:
            continue
        differences = _differences(table, pairs, scores.groupby("arm")["seed"].unique().map(set))
        stretch = intervals.stretches(differences.index.to_frame())
        n_windows, difference, interval = intervals.of_means(differences.to_numpy(), stretch)
        compared = zip(pairs, n_windows, difference, *interval)
        rows += [(*view, *pair, n, *of_pair) for pair, n, *of_pair in compared if n]
    frame = pd.DataFrame(rows, columns=[*VIEW, "metric", "arm", "reference_arm", *numbers])
    frame = judge(frame, VIEW, ("arm", "reference_arm"))
    order = [*VIEW, "metric", "arm", "reference_arm", *COMPARED]
    return frame[order].sort_values(order[:7], ignore_index=True)


def _differences(table: pd.DataFrame, pairs: Sequence[tuple[str, str, str]], seeds_of: pd.Series) -> pd.DataFrame:
    """Windows x pairs: differences, means over seeds. Arms of the same seeds are paired seed by seed, so that a window
    that one of them lacks in some seed is not held against it in another; of others the means are."""
    means = table.groupby(level=WINDOW).mean()
    paired = {
        number: table[metric, arm] - table[metric, other]
        for number, (metric, arm, other) in enumerate(pairs)
        if seeds_of[arm] == seeds_of[other]
    }
    by_seed = pd.DataFrame(paired, index=table.index).groupby(level=WINDOW).mean()
    columns = [
        by_seed[number] if number in paired else means[metric, arm] - means[metric, other]
        for number, (metric, arm, other) in enumerate(pairs)
    ]
    return pd.concat(columns, axis=1)


def judge(comparisons: pd.DataFrame, family: Sequence[str], pair: tuple[str, str]) -> pd.DataFrame:
    """Comparisons (metric, difference, p) with p_holm and better, the verdict.

    family  columns that comparisons of one table share: p_holm is p corrected for their number (`intervals.holm`)
    pair    columns that name the two compared; the same two the other way round are one comparison
    better: the one of `pair` that is, where p_holm is below `ALPHA`; "undecided" else, and "too few" where p is NaN,
    since there are fewer than `intervals.LEAST_STRETCHES` stretches.
    """
    p_holm = np.full(len(comparisons), np.nan)
    for at in comparisons.groupby(list(family), sort=False, dropna=False).indices.values():
        rows = comparisons.iloc[at]
        names = zip(rows["metric"], *(rows[name] for name in pair))
        same = pd.Series([(metric, *sorted(two)) for metric, *two in names])
        once = ~same.duplicated()
        corrected = dict(zip(same[once], intervals.holm(rows["p"].to_numpy(dtype=float)[once])))
        p_holm[at] = same.map(corrected)
    judged = comparisons.assign(p_holm=p_holm)
    return judged.assign(better=[_better(row, pair) for row in judged.itertuples()])


def _better(row, pair: tuple[str, str]) -> str:
    if np.isnan(row.p):
        return TOO_FEW
    if row.p_holm >= ALPHA:
        return UNDECIDED
    return pair[0] if (row.difference > 0) == HIGHER_IS_BETTER[row.metric] else pair[1]


def _by_metric(windows: pd.DataFrame) -> pd.DataFrame:
    """One row per score that has a value: the keys of the window and of the run, metric, value."""
    metrics = [name for name in HIGHER_IS_BETTER if name in windows]
    keys = [*VIEW, *WINDOW, "arm", "seed"]
    long = windows.melt(id_vars=keys, value_vars=metrics, var_name="metric", value_name="value")
    return long[np.isfinite(long["value"])]
