"""Features that Peakachu 2.3 makes of a made-up map, and what it does not look at: peakachu_features.npz.

    pip install --no-deps peakachu==2.3 numpy scipy scikit-learn numba cooler "pandas<3"
    python tests/models/expected/peakachu_features.py

Peakachu's licence is MIT, as its LICENSE file says. Stored are the map (counts of the upper triangle, weights, NaN on
bad bins), pairs, the expected value by distance, and of the pairs that Peakachu keeps every third one's features.
"""

from pathlib import Path

import numpy as np
from peakachu.trainUtils import buildmatrix
from peakachu.utils import calculate_expected, distance_normalize
from scipy.sparse import csr_matrix

N_BINS, HALF = 110, 5


def main() -> None:
    rng = np.random.default_rng(5)
    apart = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)))
    # Nothing from 60 bins on, so that some windows are nearly empty.
    counts = np.triu(rng.poisson(np.where(apart < 60, 60 / (1 + apart) ** 0.8 + 0.2, 0)))
    weight = rng.uniform(0.6, 1.5, N_BINS)
    weight[[17, 63]] = np.nan
    row, column = np.nonzero(counts)
    whole = counts + np.triu(counts, 1).T
    at = np.nonzero(whole)
    balanced = csr_matrix((whole[at] * weight[at[0]] * weight[at[1]], at), shape=whole.shape)
    pairs = np.array([(x, x + d) for x in range(0, N_BINS - 7, 3) for d in (4, 6, 9, 15, 24, 40, 58)])
    pairs = pairs[(pairs[:, 0] >= HALF) & (pairs[:, 1] + HALF < N_BINS)]
    far = pairs[pairs[:, 1] - pairs[:, 0] > HALF]
    features = np.array(buildmatrix(balanced, [tuple(pair) for pair in pairs], w=HALF))
    expected = calculate_expected(balanced, int((far[:, 1] - far[:, 0]).max()) + 2 * HALF)
    around = np.arange(-HALF, HALF + 1)
    rows, columns = np.broadcast_arrays(far[:, 0, None, None] + around[:, None], far[:, 1, None, None] + around)
    windows = np.asarray(balanced[rows.ravel(), columns.ravel()]).reshape(rows.shape)
    _, kept = distance_normalize(windows, expected, far[:, 0], far[:, 1], HALF)
    assert len(kept) == len(features)
    np.savez_compressed(
        Path(__file__).with_suffix(".npz"),
        row=row.astype(np.int16),
        column=column.astype(np.int16),
        counts=counts[row, column].astype(np.int16),
        weight=weight,
        pairs=pairs.astype(np.int16),
        expected=expected,
        kept=np.array(kept, dtype=np.int16),
        features=features[::3],
    )


if __name__ == "__main__":
    main()
