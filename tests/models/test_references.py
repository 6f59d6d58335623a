"""Rows without a model of MIX-HIC's tasks, against what they mean."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Dataset

from trifold import plan_mixhic2025
from trifold.data.bands import BandStore
from trifold.models import references


class Samples(Dataset):
    """A training set as the rows use it: its table, its bands, and batches."""

    collate = None  # the DataLoader's own

    def __init__(self, bands=(), table=None, items=()):
        self.bands, self.table, self.items = bands, table, items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def test_expected_is_the_mean_of_each_distance_over_training_chromosomes(tmp_path):
    generator, stores = np.random.default_rng(0), {}
    for chrom, n_bins in (("chr1", 120), ("chr2", 90), ("chr3", 100)):
        band = generator.random((n_bins, 80))
        for d in range(80):
            band[n_bins - d :, d] = np.nan
        stores[chrom] = BandStore.write(tmp_path / f"{chrom}.npy", band)
    table = pd.DataFrame({"number": [0, 0, 0], "chrom": ["chr1", "chr1", "chr2"]})
    expected = references.Expected().fit(Samples([stores], table))
    pair = torch.tensor([(50, 50), (30, 60)])
    predicted = expected({"pair": pair})
    assert predicted.shape == (2, 1, 50, 50)
    used = [stores["chr1"].values, stores["chr2"].values]
    for d in (0, 7, 29):
        mean = np.concatenate([values[: len(values) - d, d] for values in used]).mean()
        assert predicted[0, 0, 10, 10 + d].item() == predicted[0, 0, 10 + d, 10].item()
        assert predicted[0, 0, 10, 10 + d].item() == pytest.approx(mean, rel=1e-5)
    # Pixel (25, 25) of the second window is 30 bins from the diagonal, (45, 15) on it.
    assert predicted[1, 0, 25, 25] == expected.means[30] and predicted[1, 0, 45, 15] == expected.means[0]


def test_corner_compares_the_centre_with_the_lower_left():
    maps = torch.zeros(3, 1, 50, 50)
    maps[0, 0, 25, 25], maps[0, 0, 37:, :13] = 0.6, 0.2
    maps[1, 0, 25, 25], maps[1, 0, 37:, :13] = 0.1, 0.3
    corner = references.Corner().fit(Samples())
    torch.testing.assert_close(corner({"map": maps}), torch.tensor([[0.75], [0.25], [0.0]]))


def test_nearest_is_least_squares_on_the_bins_own_tracks():
    generator = torch.Generator().manual_seed(0)
    items = []
    for _ in range(300):
        tracks = torch.rand(400, 2, generator=generator)
        means = tracks.unflatten(0, (100, 4)).mean(1)
        cage = 2 * means[:, 0] - 0.5 * means[:, 1] + 0.25
        items.append({"tracks": tracks, "cage": cage + 0.01 * torch.randn(100, generator=generator)})
    nearest = references.Nearest().fit(Samples(items=items))
    np.testing.assert_allclose(nearest.coefficients, [2, -0.5, 0.25], atol=0.01)
    features = items[3]["tracks"].unflatten(0, (100, 4)).mean(1)
    expected = features @ torch.tensor([2.0, -0.5]) + 0.25
    torch.testing.assert_close(nearest({"tracks": items[3]["tracks"][None]})[0], expected, atol=0.02, rtol=0)


def test_the_plan_knows_them():
    assert {name: row.task for name, row in references.REFERENCES.items()} == plan_mixhic2025.REFERENCES
