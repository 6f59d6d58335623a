"""Scores of many windows, seeds and arms in two tables: how good each arm is, and how it differs from others.

Both read the rows of ``windows.tsv`` of every evaluation. Seeds and windows are kept apart: the spread of a score is
over seeds, the interval of a difference is over windows, each window being its mean over seeds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from trifold.errors import InputError

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
    "precision_matched": True,
    "recall_matched": True,
    "f1_matched": True,
    "auroc_matched": True,
    "auprc_matched": True,
}
VIEW = ["degradation", "sample", "reference", "scale"]
WINDOW = ["fold", "chrom", "start_bp", "end_bp"]
_INTERVAL = (0.025, 0.975)


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


def compare(windows: pd.DataFrame, reference_arms: Sequence[str], n_bootstrap: int, seed: int) -> pd.DataFrame:
    """Paired differences between every arm and each reference arm, with a 95 % interval over windows.

    The windows both arms have a value for are resampled with replacement, `n_bootstrap` times, and the interval is
    that of the mean difference (percentiles). It says nothing of other seeds or other genomes. Every view starts the
    generator with `seed` and shares its resamples among metrics and arms, so one comparison does not depend on
    which others are made.

    Columns: degradation, sample, reference, scale, metric, arm, reference_arm, n_windows, difference (arm minus
    reference arm), ci_low, ci_high (NaN with fewer than two windows) and better: "arm", "reference_arm", or
    "undecided" where the interval holds zero. Raises InputError for a reference arm that no row has.
    """
    if unknown := set(reference_arms) - set(windows["arm"]):
        raise InputError(
            f"config: evaluate/comparison/reference_arms: {sorted(unknown)} was not evaluated; "
            f"name arms among {sorted(set(windows['arm']))}"
        )
    columns = [*VIEW, "metric", "arm", "reference_arm", "n_windows", "difference", "ci_low", "ci_high", "better"]
    rows = []
    for view, scores in _by_metric(windows).groupby(VIEW):
        # One row per window, one column per metric and arm.
        table = scores.groupby([*WINDOW, "metric", "arm"])["value"].mean().unstack(["metric", "arm"])
        pairs = [
            (metric, arm, reference)
            for metric, arm in table.columns
            for reference in reference_arms
            if reference != arm and (metric, reference) in table.columns
        ]
        if not pairs:
            continue
        differences = np.stack([(table[metric, arm] - table[metric, other]) for metric, arm, other in pairs], axis=1)
        n_windows, difference, low, high = bootstrap(differences, n_bootstrap, seed)
        for (metric, arm, other), n, *numbers in zip(pairs, n_windows, difference, low, high):
            if n:
                rows.append((*view, metric, arm, other, n, *numbers, _better(metric, *numbers[1:])))
    return pd.DataFrame(rows, columns=columns).sort_values(columns[:7], ignore_index=True)


def bootstrap(differences: np.ndarray, n_bootstrap: int, seed: int) -> tuple[np.ndarray, ...]:
    """Mean of each column of (windows, columns) and its 95 % percentile interval over resampled windows.

    Missing values are NaN; a column's mean is that of the values it has. Returns (n, mean, low, high), one value per
    column; low and high are NaN with fewer than two values.
    """
    present = np.isfinite(differences)
    values = np.where(present, differences, 0)
    n_windows = len(differences)
    n = present.sum(axis=0)
    rng = np.random.default_rng(seed)
    # How often each window is drawn: with it, all resampled means of all columns are one matrix product.
    drawn = rng.multinomial(n_windows, np.full(n_windows, 1 / n_windows), size=n_bootstrap).astype(np.float64)
    covered = drawn @ present
    means = np.divide(drawn @ values, covered, out=np.full(covered.shape, np.nan), where=covered > 0)
    intervals = np.full((2, len(n)), np.nan)
    enough = n >= 2
    intervals[:, enough] = np.nanquantile(means[:, enough], _INTERVAL, axis=0)
    mean = np.divide(values.sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    return n, mean, *intervals


def _by_metric(windows: pd.DataFrame) -> pd.DataFrame:
    """One row per score that has a value: the keys of the window and of the run, metric, value."""
    metrics = [name for name in HIGHER_IS_BETTER if name in windows]
    keys = [*VIEW, *WINDOW, "arm", "seed"]
    long = windows.melt(id_vars=keys, value_vars=metrics, var_name="metric", value_name="value")
    return long[np.isfinite(long["value"])]


def _better(metric: str, low: float, high: float) -> str:
    if not (low > 0 or high < 0):
        return "undecided"
    return "arm" if (low > 0) == HIGHER_IS_BETTER[metric] else "reference_arm"
