import numpy as np
import pytest
from hicreppy import hicrep as reference
from hicreppy.utils import mat_process
from scipy import sparse, stats

from trifold.metrics import scc
from trifold.metrics.pixels import to_bands

PAIRS = ("replicates", "different_tads", "random", "downsampled_with_gaps")


@pytest.fixture
def stacks(parity):
    """The four pairs of matrices as two stacks (4, 120, 120)."""
    known = parity("enhancement/scc")
    return tuple(np.stack([known[f"{pair}/{which}"] for pair in PAIRS]) for which in "ab")


@pytest.fixture
def symmetric():
    """Two stacks of sparse symmetric maps (3, 40, 40), float values, with an empty bin."""
    first, second = np.random.default_rng(3).gamma(0.5, size=(2, 3, 40, 40))
    first, second = (np.triu(np.where(each > 0.4, each, 0)) for each in (first, first + second))
    for each in (first, second):
        each += np.triu(each, 1).transpose(0, 2, 1)
        each[1, 11] = each[1, :, 11] = 0
    return first, second


def hicreppy_itself(first: np.ndarray, second: np.ndarray, h: int, max_bins: int) -> float:
    trimmed = (mat_process.diag_trim(sparse.dia_matrix(each), max_bins + h).tocoo() for each in (first, second))
    return reference.get_scc(*(mat_process.smooth(each, h) for each in trimmed), max_bins=max_bins)


@pytest.mark.parametrize("h", [0, 1, 3, 10])
@pytest.mark.parametrize("reach", [20, 60, 100])
def test_values_of_the_released_tools(parity, stacks, h, reach):
    known = parity("enhancement/scc")
    ours = {"hicreppy": scc.hicreppy(*stacks, h, reach), "hicrep_dejunlin": scc.hicrep(*stacks, h, reach)}
    for form, unit in (("hicreppy", "maxbins"), ("hicrep_dejunlin", "ndiags")):
        expected = [float(known[f"{pair}/{form}_h{h}_{unit}{reach}"]) for pair in PAIRS]
        np.testing.assert_allclose(ours[form], expected, rtol=0, atol=1e-9)


def test_values_of_kriukov2021(parity, stacks):
    known = parity("enhancement/scc")
    expected = [float(known[f"{pair}/dl2021_metrics_get_scc"]) for pair in PAIRS]
    np.testing.assert_allclose(scc.kriukov2021(*stacks), expected, rtol=0, atol=1e-9)
    # The two diagonals counted as 0 keep their weight: a map is not quite equal to itself.
    itself = scc.kriukov2021(stacks[0], stacks[0])
    np.testing.assert_allclose(itself[0], float(known["dl2021_SCC_A_A"]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("case, output", [("score", "y_train_path"), ("score_overwritten", "y_test_overwritten")])
def test_score_published_with_the_hybrid_head(parity, case, output):
    head = parity("enhancement/hybrid_head")
    value = scc.kriukov2021(head[output][:, 0], head["target"][:, 0]).mean()
    assert value == pytest.approx(float(head[f"{case}/scc"]), abs=1e-6)


@pytest.mark.parametrize("h", [0, 2])
def test_windows_are_scored_each_on_its_own(stacks, h, monkeypatch):
    together = scc.hicreppy(*stacks, h, 50), scc.hicrep(*stacks, h, 50), scc.kriukov2021(*stacks)
    monkeypatch.setattr(scc, "_BLOCK_PIXELS", 1)
    alone = scc.hicreppy(*stacks, h, 50), scc.hicrep(*stacks, h, 50), scc.kriukov2021(*stacks)
    for one, other in zip(together, alone):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("h", [0, 1, 4])
def test_a_band_gives_the_value_of_the_dense_map(symmetric, h):
    """The band holds just the diagonals a form reads, the dense map everything."""
    reach = 15
    for form, bands, width in (
        (scc.hicreppy, scc.hicreppy_bands, reach + h + 1),
        (scc.hicrep, scc.hicrep_bands, reach),
    ):
        narrow = [np.ascontiguousarray(to_bands(each, width)) for each in symmetric]
        np.testing.assert_allclose(bands(*narrow, h, reach), form(*symmetric, h, reach), rtol=0, atol=1e-12)
    expected = [hicreppy_itself(*pair, h, reach) for pair in zip(*symmetric)]
    np.testing.assert_allclose(scc.hicreppy(*symmetric, h, reach), expected, rtol=0, atol=1e-9)


def dense_hicrep(first: np.ndarray, second: np.ndarray, h: int, n_diags: int) -> float:
    """The definition, pixel by pixel."""
    size = len(first)
    near = np.triu(np.ones((size, size)), 1) - np.triu(np.ones((size, size)), n_diags)
    smooth = []
    for each in (first, second):
        padded = np.pad(each * near, h)
        sums = np.lib.stride_tricks.sliding_window_view(padded, (2 * h + 1, 2 * h + 1)).sum(axis=(2, 3))
        covered = np.pad(np.ones((size, size)), h)
        smooth.append(sums / np.lib.stride_tricks.sliding_window_view(covered, (2 * h + 1, 2 * h + 1)).sum(axis=(2, 3)))
    total, weights = 0.0, 0.0
    for d in range(1, n_diags):
        x, y = (np.diagonal(each, d) for each in smooth)
        seen = (x != 0) | (y != 0)
        x, y, n = x[seen], y[seen], seen.sum()
        if n >= 2:
            weights += n * (1 + 1 / n) / 12
            if np.ptp(x) > 0 and np.ptp(y) > 0:
                total += n * (1 + 1 / n) / 12 * np.corrcoef(x, y)[0, 1]
    return total / weights


@pytest.mark.parametrize("h, n_diags", [(0, 40), (1, 12), (3, 40), (5, 25)])
def test_hicrep_follows_its_definition(symmetric, h, n_diags):
    expected = [dense_hicrep(*pair, h, n_diags) for pair in zip(*symmetric)]
    np.testing.assert_allclose(scc.hicrep(*symmetric, h, n_diags), expected, rtol=0, atol=1e-12)


def test_bands_must_hold_the_diagonals_scored(symmetric):
    bands = [to_bands(each, 10) for each in symmetric]
    for form in (scc.hicrep_bands, scc.hicreppy_bands):
        with pytest.raises(ValueError, match="must be alike and hold 12 diagonals"):
            form(*bands, 0, 12)
        with pytest.raises(ValueError, match="must be alike"):
            form(bands[0], bands[1][:2], 0, 10)


def test_missing_pixels_are_zero_in_both_maps(symmetric):
    first, second = symmetric
    holes = np.random.default_rng(4).random(first.shape) < 0.05
    holes |= holes.transpose(0, 2, 1)
    zeroed = [np.where(holes, 0, each) for each in (first, second)]
    for form in (lambda *pair: scc.hicrep(*pair, 1, 30), lambda *pair: scc.hicreppy(*pair, 1, 30), scc.kriukov2021):
        np.testing.assert_array_equal(form(np.where(holes, np.nan, first), second), form(*zeroed))


def test_equal_maps_score_one_and_empty_maps_nothing(symmetric):
    first, _ = symmetric
    noise = np.random.default_rng(5).random(first.shape)
    for h in (0, 2):
        np.testing.assert_allclose(scc.hicrep(first, first, h, 38), 1, atol=1e-12)
        # Diagonals that are flat would keep their weight: neither empty nor all margin.
        np.testing.assert_allclose(scc.hicreppy(first + noise, 3 * (first + noise), h, 39 - 2 * h), 1, atol=1e-12)
    empty = np.zeros_like(first)
    assert np.isnan(scc.hicrep(empty, empty, 1, 38)).all()
    np.testing.assert_array_equal(scc.hicrep(first, empty, 0, 38), 0)
    # As released: flat in both maps is agreement, flat in one is none.
    np.testing.assert_array_equal(scc.kriukov2021(first + noise, empty), 0)
    weight = [(n**2 - 1) / n**3 for n in range(1, 41)]
    np.testing.assert_allclose(scc.kriukov2021(empty, empty), 1 - (weight[39] + weight[0]) / sum(weight))


@pytest.mark.parametrize("as_released", [False, True])
def test_diagonals_that_say_nothing_weigh_nothing_but_as_released(symmetric, as_released):
    """Diagonals from 2 on are scored, of which 5 is flat in both maps, 8 in one; forms have their own reach."""
    first, second = (np.triu(each, 2) for each in symmetric)
    i = np.arange(40)
    for d, flat in ((5, (first, second)), (8, (first,))):
        for each in flat:
            each[:, i[: 40 - d], i[d:]] = 2
    mask = np.broadcast_to(np.triu(np.ones((40, 40), dtype=bool), 2), first.shape)
    bands = [to_bands(each, 13) for each in (first, second, mask)]
    found = scc.forms(*bands, 0, 11, as_released=as_released)
    if as_released:
        assert set(found) == {"scc_hicrep", "scc_hicreppy", "scc_kriukov2021"}
        near = [np.where(np.tri(40, k=12, dtype=bool), each, 0) for each in (first, second)]
        expected = [dense_hicrep(*pair, 0, 12) for pair in zip(first, second)]
        np.testing.assert_allclose(found["scc_hicrep"], expected, atol=1e-12)
        np.testing.assert_allclose(found["scc_hicreppy"], scc.hicreppy(*near, 0, 11), atol=1e-12)
        np.testing.assert_allclose(found["scc_kriukov2021"], scc.kriukov2021(*near, 13), atol=1e-12)
        return
    for form, end in (("scc_hicrep", 12), ("scc_hicreppy", 11), ("scc_kriukov2021", 13)):
        for own, x, y in zip(found[form], first, second):
            r, weights = [], []
            for d in sorted({*range(2, end)} - {5}):
                pair = np.stack([np.diagonal(x, d), np.diagonal(y, d)])
                if form == "scc_hicrep":
                    pair = pair[:, (pair != 0).any(axis=0)]
                n = pair.shape[1]
                r.append(0 if d == 8 else stats.pearsonr(*pair).statistic)
                weights.append((n + 1) / 12 if form == "scc_hicrep" else (n**2 - 1) / (12 * n**3))
            assert own == pytest.approx(np.average(r, weights=weights), abs=1e-12), form
