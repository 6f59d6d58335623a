"""The expected maps and the counts: the physics that was promised, and the statistics of the draw."""

import dataclasses

import cooler
import numpy as np
import pytest

from trifold.simulate import folding


def diagonal_means(band: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return band.sum(axis=1) / (band > 0).sum(axis=1)


def over_expected(band: np.ndarray) -> np.ndarray:
    return np.where(band > 0, band / diagonal_means(band)[:, None], np.nan)


def site_bins(chromosome, cell, strand) -> np.ndarray:
    """Bins of strong bound sites of one strand."""
    ctcf = chromosome.ctcf[chromosome.ctcf[cell] & ~chromosome.ctcf.weak & (chromosome.ctcf.strand == strand)]
    return np.unique(ctcf.start_bp // chromosome.bin_bp)


def simulate_extrusion(halt_left, halt_right, fall_off, slip, n_loops, n_keep, rng):
    """The same Markov chain, one cohesin after the other: time spent at each pair of bins, per loop."""
    n = len(halt_left)
    time = np.zeros((n_keep, n))
    for _ in range(n_loops):
        i = j = rng.integers(n)
        held = [False, False]
        while True:
            rates = np.array([slip if held[0] else 1.0, slip if held[1] else 1.0, fall_off])
            if j - i < n_keep:
                time[j - i, i] += 1 / rates.sum()
            event = np.searchsorted(np.cumsum(rates), rng.random() * rates.sum())
            if event == 2:
                break
            i, j = i - (event == 0), j + (event == 1)
            if i < 0 or j == n:
                break
            held[event] = rng.random() < (halt_left[i] if event == 0 else halt_right[j])
    return time / n_loops


def test_loops_are_the_steady_state_of_the_chain():
    halt_left, halt_right = np.zeros((2, 24))
    halt_left[6], halt_right[15] = 0.8, 0.6
    fall_off, slip, density = 0.2, 0.1, 0.05
    every, _ = folding.loop_occupancy(halt_left, halt_right, 24, fall_off, slip, density)
    n_loops = 6000
    sampled = simulate_extrusion(halt_left, halt_right, fall_off, slip, n_loops, 24, np.random.default_rng(1))
    # Cohesins land at rate density * fall_off per bin, so a bin's worth of loops is that many visits.
    sampled *= density * fall_off * 24
    corner = (9, 6)
    assert every[corner] == pytest.approx(sampled[corner], rel=0.1)
    np.testing.assert_allclose(every.sum(axis=1)[:12], sampled.sum(axis=1)[:12], rtol=0.12)
    assert np.corrcoef(every.ravel(), sampled.ravel())[0, 1] > 0.99


def test_without_barriers_loops_have_the_stated_number_and_mean_size():
    n, fall_off, density = 3000, 0.1, 0.02
    every, anchored = folding.loop_occupancy(np.zeros(n), np.zeros(n), 400, fall_off, 0.1, density)
    assert anchored.sum() == 0
    middle = every[:, 1000:2000].sum(axis=1)
    assert middle.sum() / 1000 == pytest.approx(density, rel=0.01)
    assert (np.arange(400) * middle).sum() / middle.sum() == pytest.approx(2 / fall_off, rel=0.01)


def test_sharing_counts_the_loops_around_a_pixel(world):
    occupancy = np.random.default_rng(0).random((6, 9))
    for d in range(6):
        occupancy[d, 9 - d :] = 0
    shared = folding.sharing(occupancy)
    for d, i in [(0, 3), (2, 4), (5, 2), (5, 3)]:
        direct = sum(occupancy[b - a, a] for a in range(i + 1) for b in range(i + d, 9) if b - a < 6)
        assert shared[d, i] == pytest.approx(direct)


def test_rows_of_the_expected_map_sum_to_one_less_the_background(world):
    for chromosome, band in zip(world.chromosomes, world.maps["alpha"]):
        n = chromosome.n_bins
        sums = np.zeros(n)
        for d in range(2, len(band)):
            sums[: n - d] += band[d, : n - d]
            sums[d:] += band[d, : n - d]
        used = chromosome.mappable > 0
        np.testing.assert_allclose(sums[used], 1 - world.settings.background, rtol=1e-5)
        assert (sums[~used] == 0).all()


def test_contacts_decay_about_inversely_with_distance(world):
    for cell in world.settings.cells:
        means = np.mean([diagonal_means(band) for band in world.maps[cell]], axis=0)
        distance = np.arange(6, 100)
        slope = np.polyfit(np.log(distance), np.log(means[6:100]), 1)[0]
        assert -1.8 < slope < -0.9
        assert (np.diff(means[:60]) < 0).all()


def test_bound_motifs_insulate(world):
    """Contacts across a bin, 3 to 12 bins apart, are fewer at boundaries than elsewhere."""
    for chromosome, band in zip(world.chromosomes, world.maps["alpha"]):
        ratio = over_expected(band)
        n = chromosome.n_bins
        insulation = np.array(
            [np.mean([ratio[d, k - d + 1 : k].mean() for d in range(3, 13)]) for k in range(13, n - 13)]
        )
        ends, begins = site_bins(chromosome, "alpha", -1), site_bins(chromosome, "alpha", 1)
        boundaries = np.array([end for end in ends if np.isin(end + np.arange(5), begins).any()]) + 1
        boundaries = boundaries[(boundaries >= 13) & (boundaries < n - 13)] - 13
        assert len(boundaries) >= 5
        assert np.nanmean(insulation[boundaries]) < np.nanquantile(insulation, 0.2)


def test_convergent_pairs_make_loops_and_the_other_orientations_do_not(world):
    enrichment = {"convergent": [], "divergent": [], "tandem": []}
    for cell in world.settings.cells:
        for chromosome, band in zip(world.chromosomes, world.maps[cell]):
            plus, minus = site_bins(chromosome, cell, 1), site_bins(chromosome, cell, -1)
            for kind, left, right in (
                ("convergent", plus, minus),
                ("divergent", minus, plus),
                ("tandem", plus, plus),
                ("tandem", minus, minus),
            ):
                distance = right[None] - left[:, None]
                for i, j in zip(*np.nonzero((distance >= 10) & (distance <= 45))):
                    d, start = distance[i, j], left[i]
                    corner = band[d, start]
                    # The surroundings of the pixel on its own diagonal, clear of the sites' own stripes.
                    around = band[d, [start - 6, start - 5, start + 5, start + 6]]
                    if corner > 0 and (around > 0).all():
                        enrichment[kind].append(np.log(corner / around.mean()))
    median = {kind: np.median(values) for kind, values in enrichment.items()}
    assert min(len(values) for values in enrichment.values()) > 20
    assert median["convergent"] > 0.4
    assert median["convergent"] > median["tandem"] + 0.3
    assert median["convergent"] > median["divergent"] + 0.3


def test_compartments_follow_gc_content(world):
    for chromosome, band in zip(world.chromosomes, world.maps["alpha"]):
        score = folding.compartment_score(chromosome, world.settings)
        gc = chromosome.gc
        known = ~np.isnan(gc)
        assert np.corrcoef(score[known], gc[known])[0, 1] > 0.8
        row = np.searchsorted(
            chromosome.compartments.end_bp, np.arange(chromosome.n_bins) * chromosome.bin_bp, side="right"
        )
        sign = np.where(chromosome.compartments.name.to_numpy()[row] == "A", 1, -1)
        assert np.mean(np.sign(score) == sign) > 0.85
        ratio = over_expected(band)[40:100]
        n = chromosome.n_bins
        product = np.array([score * np.append(score[d:], np.zeros(d)) for d in range(40, 100)])
        inside = (np.arange(40, 100)[:, None] + np.arange(n) < n) & np.isfinite(ratio)
        assert np.corrcoef(np.log(ratio[inside]), product[inside])[0, 1] > 0.5


def test_cell_types_differ_only_around_the_sites_bound_in_one_of_them(world):
    for chromosome, first, second in zip(world.chromosomes, world.maps["alpha"], world.maps["beta"]):
        switched = chromosome.ctcf[chromosome.ctcf.alpha != chromosome.ctcf.beta]
        positions = np.unique(switched.start_bp // chromosome.bin_bp)
        distance, start = np.nonzero((first > 0) & (second > 0) & (np.arange(len(first)) < 40)[:, None])
        change = np.abs(np.log(first[distance, start] / second[distance, start]))
        # Bins from a pixel's stretch [start, start + distance] to the nearest switched site, 0 inside.
        before = start[:, None] - positions
        gap = np.maximum(np.maximum(before, -before - distance[:, None]), 0).min(axis=1)
        assert change[gap == 0].mean() > 0.1
        assert change[gap == 0].mean() > 3 * change[gap > 15].mean()
        # With the same sites bound, the two are the same map.
        same = dataclasses.replace(chromosome, ctcf=chromosome.ctcf.assign(beta=chromosome.ctcf.alpha))
        alpha, beta = (folding.loops(same, cell, world.settings)[0] for cell in ("alpha", "beta"))
        np.testing.assert_array_equal(alpha, beta)


def test_counts_are_poisson_around_truth_times_bias(world):
    deep = cooler.Cooler(str(world.folder / "alpha.mcool::/resolutions/1024"))
    assert deep.info["sum"] == pytest.approx(world.settings.contacts, rel=2e-3)
    counts, means = [], []
    for chromosome, band, bias in zip(world.chromosomes, world.maps["alpha"], world.biases):
        matrix = deep.matrix(balance=False).fetch(chromosome.name)
        for d in (2, 5, 10, 20, 40):
            n = chromosome.n_bins - d
            counts.append(np.diag(matrix, d))
            means.append(bias[:n] * bias[d:] * np.where(band[d, :n] > 0, band[d, :n], 0))
    counts, means = np.concatenate(counts), np.concatenate(means)
    assert (counts[means == 0] == 0).all()
    counts, means = counts[means > 0], means[means > 0]
    means *= counts.sum() / means.sum()
    dispersion = ((counts - means) ** 2 / means).mean()
    assert dispersion == pytest.approx(1, abs=4 * np.sqrt(2 / len(counts)) + 0.02)


def test_the_balanced_deep_map_approaches_the_truth(world):
    for cell in world.settings.cells:
        deep = cooler.Cooler(str(world.folder / f"{cell}.mcool::/resolutions/1024"))
        truth = cooler.Cooler(str(world.folder / f"{cell}.truth.cool"))
        for chromosome in world.chromosomes:
            balanced = deep.matrix(balance=True).fetch(chromosome.name)
            expected = truth.matrix(balance=True).fetch(chromosome.name)
            np.testing.assert_array_equal(np.isnan(np.diag(expected)), chromosome.mappable == 0)
            for d in (2, 5, 10, 20):
                x, y = np.diag(expected, d), np.diag(balanced, d)
                known = np.isfinite(x) & np.isfinite(y)
                assert np.corrcoef(x[known], y[known])[0, 1] > 0.95
                assert y[known].mean() / x[known].mean() == pytest.approx(1, abs=0.02)


def test_coarse_maps_hold_the_same_contacts_and_are_balanced(world):
    fine, coarse = (cooler.Cooler(str(world.folder / f"alpha.mcool::/resolutions/{bp}")) for bp in (1024, 2048))
    assert fine.info["sum"] == coarse.info["sum"]
    for clr in (fine, coarse):
        assert np.issubdtype(clr.pixels()[:]["count"].dtype, np.integer)
        matrix = np.nan_to_num(clr.matrix(balance=True)[:])
        distance = np.abs(np.subtract.outer(np.arange(len(matrix)), np.arange(len(matrix))))
        sums = np.where(distance < 2, 0, matrix).sum(axis=1)
        np.testing.assert_allclose(sums[sums > 0], 1, atol=0.01)


def test_background_contacts_join_chromosomes_evenly(world):
    deep = cooler.Cooler(str(world.folder / "alpha.mcool::/resolutions/1024"))
    trans = deep.matrix(balance=False).fetch("chrI", "chrII")
    first, second = world.biases
    mean = np.outer(first, second)
    assert (trans[mean == 0] == 0).all()
    mean *= trans.sum() / mean.sum()
    rows, sums = mean.sum(axis=1), trans.sum(axis=1)
    known = rows > 0
    assert ((sums[known] - rows[known]) ** 2 / rows[known]).mean() == pytest.approx(1, abs=0.2)


def test_balancing_by_band_agrees_with_a_dense_solution():
    rng = np.random.default_rng(5)
    band = rng.uniform(0.5, 2, (5, 12))
    for d in range(5):
        band[d, 12 - d :] = 0
    dense = np.zeros((12, 12))
    for d in range(2, 5):
        dense += np.diag(band[d, : 12 - d], d) + np.diag(band[d, : 12 - d], -d)
    weights = np.ones(12)
    for _ in range(2000):
        weights /= np.sqrt(weights * (dense @ weights) / 0.9)
    balanced = folding.balance(band, 0.9, tolerance=1e-9)
    for d in range(5):
        np.testing.assert_allclose(
            balanced[d, : 12 - d], band[d, : 12 - d] * weights[: 12 - d] * weights[d:], rtol=1e-6
        )
