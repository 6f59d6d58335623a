"""Windows whose reads are drawn anew: low map and target share out the deep map's reads, and an epoch has its own."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from trifold.config import Degradation
from trifold.data.balance import balance
from trifold.data.draws import VALIDATION_DRAWS, DrawnWindows, balancing_of
from trifold.data.rates import RateScale, expected_counts, expected_of
from trifold.errors import InputError
from trifold.io.cool import Band, write_cool

N, W, BIN_BP = 120, 16, 1_000
OPTIONS = {"ignore_diags": 1, "mad_max": 0, "min_nnz": 1}
STARTS = {"train": range(0, 80, 8), "validation": (88, 96), "test": (104,)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A balanced map of two chromosomes, and windows of it."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(1)
    sizes = {"chr1": N * BIN_BP, "chr2": 40 * BIN_BP}
    i, j = np.triu_indices(N + 40)
    keep = (i < N) == (j < N)
    i, j = i[keep], j[keep]
    bias = rng.uniform(0.5, 2, N + 40)
    count = rng.poisson(3000 / (1 + j - i) * bias[i] * bias[j])
    write_cool(folder / "deep.cool", sizes, BIN_BP, [{"bin1_id": i, "bin2_id": j, "count": count}])
    balance(folder / "deep.cool", OPTIONS)
    rows = [("chr1", start * BIN_BP, (start + W) * BIN_BP, role) for role, starts in STARTS.items() for start in starts]
    tiles = pd.DataFrame(rows, columns=["chrom", "start_bp", "end_bp", "role"])
    tiles.to_csv(folder / "tiles.tsv", sep="\t", index=False)
    np.save(folder / "valid.npy", np.ones((len(rows), W), dtype=bool))
    (folder / "statistics.json").write_text(json.dumps({"geometry": {"bin_bp": BIN_BP, "window_bins": W}}))
    return folder


def windows(place, role="train", depths=(4, 64), **settings):
    return DrawnWindows([place / "deep.cool"], [place], role, depths=depths, seed=3, **settings)


def test_low_map_and_target_share_out_the_reads(place):
    made = windows(place)
    made.set_epoch(2)
    deep = Band.read(place / "deep.cool", "chr1", W)
    for index in (0, 4):
        sample = made[index]
        counts, _ = deep.windows(np.array([8 * index]), W)
        total = sample["map"] + sample["rates"]
        np.testing.assert_array_equal(total[0].numpy(), counts[0])
        assert 1 / 70 < float(sample["map"].sum() / total.sum()) < 1 / 3.5


def test_an_epoch_has_its_own_draw_and_the_same_again(place):
    first, again = windows(place), windows(place)
    maps = []
    for epoch in (0, 1, 0):
        first.set_epoch(epoch)
        maps.append(first[0]["map"])
    again.set_epoch(1)
    assert torch.equal(maps[0], maps[2]) and not torch.equal(maps[0], maps[1])
    assert torch.equal(again[0]["map"], maps[1])


def test_depths_are_drawn_over_the_range(place):
    made, shares = windows(place), []
    for epoch in range(12):
        made.set_epoch(epoch)
        shares.append(float(made[0]["map"].sum() / made[0]["rates"].sum()))
    assert min(shares) < 1 / 20 and max(shares) > 1 / 12


def test_validation_sees_the_range_of_depths_and_does_not_change(place):
    made = windows(place, "validation")
    assert len(made) == 2 * VALIDATION_DRAWS
    samples = [made[i] for i in (0, 2, 4)]
    shares = [float(one["map"].sum() / (one["map"] + one["rates"]).sum()) for one in samples]
    assert shares == pytest.approx([1 / 4, 1 / 16, 1 / 64], rel=0.2)
    made.set_epoch(5)
    assert torch.equal(made[2]["rates"], samples[1]["rates"])
    assert len(windows(place, "validation", depths=(16, 16))) == 2, "one depth is drawn once"


def test_contacts_over_expected_are_balanced_values_over_their_mean(place):
    path = place / "deep.cool"
    expected, band = expected_of(path, W), Band.read(path, "chr1", W)
    both = np.concatenate([band.balanced, Band.read(path, "chr2", W).balanced])
    np.testing.assert_allclose(expected, np.nanmean(both, axis=0))
    counts, balanced = band.windows(np.array([20]), W)
    wanted = expected_counts(band.weight[None, 20 : 20 + W], expected)
    distance = np.abs(np.subtract.outer(np.arange(W), np.arange(W)))
    np.testing.assert_allclose(counts / wanted, balanced / expected[distance], rtol=1e-5)
    np.testing.assert_allclose(RateScale(expected).inverse(np.log(counts / wanted)), balanced, rtol=1e-5)
    assert (expected_counts(np.array([[1.0, np.nan, 2.0]]), expected)[0] == 0).sum() == 5


def test_where_too_little_is_left_more_is_kept(place, caplog):
    made = windows(place, depths=(4, 64))
    low, rest = made._divided(place / "deep.cool", Degradation(1, 1e7, 1), made.balance[0], ["chr1"])
    assert "is kept instead" in caplog.text
    (counts, expected), (others, _) = low.window("chr1", 0), rest.window("chr1", 0)
    assert 0 < counts.sum() < others.sum() / 4 and expected.shape == (1, W, W)


def test_balancing_is_the_maps_own_and_asks_for_few_pixels(place):
    assert balancing_of(place / "deep.cool") == {"ignore_diags": 1, "mad_max": 0, "min_nnz": 1}


def test_a_role_without_windows_is_refused(place):
    with pytest.raises(InputError, match="no pretest window"):
        windows(place, "pretest")


def test_data_sets_of_other_windows_are_refused(place, tmp_path):
    for name in ("tiles.tsv", "valid.npy"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    (tmp_path / "statistics.json").write_text(json.dumps({"geometry": {"bin_bp": 500, "window_bins": 32}}))
    with pytest.raises(InputError, match="windows of 32 bins, and 16 in"):
        DrawnWindows([place / "deep.cool"] * 2, [place, tmp_path], "train", depths=(4, 64), seed=1)
