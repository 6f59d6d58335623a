"""Rows without a model of the tasks on windows about pairs, against what they mean."""

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy.spatial.distance import cdist

from trifold.architectures import ARCHITECTURES
from trifold.config import Geometry
from trifold.data.bands import BandStore
from trifold.data.pairs import code_of
from trifold.data.samples import Samples
from trifold.models import references, registry, weights
from trifold.models.references import Corner, Distance, Expected, Nearest, NearestLoop, PromoterMean
from trifold.training import closed


class TrainingSet(Samples):
    """A training set as the rows use it: its table, its bands, and batches."""

    def __init__(self, bands=(), table=None, items=()):
        self.bands, self.table, self.items = bands, table, items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


def row(name: str, window_bins: int = 50, n_diagonals: int = 80, tracks=("atac", "dnase"), loops: int = 3):
    """A row as a job makes it, for the windows and tracks of a data set."""
    geometry = Geometry(bin_bp=5000, window_bins=window_bins, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    statistics = {"n_diagonals": n_diagonals, "tracks": list(tracks), "loops": loops}
    return registry.build(name, geometry, {}, statistics, {}, "corrected", next(iter(ARCHITECTURES[name].tasks)))


@pytest.mark.parametrize("window_bins", [50, 48])
def test_expected_is_the_mean_of_each_distance_over_training_chromosomes(tmp_path, window_bins):
    generator, stores = np.random.default_rng(0), {}
    for chrom, n_bins in (("chr1", 120), ("chr2", 90), ("chr3", 100)):
        band = generator.random((n_bins, 80))
        for d in range(80):
            band[n_bins - d :, d] = np.nan
        stores[chrom] = BandStore.write(tmp_path / f"{chrom}.npy", band, window_bins)
    table = pd.DataFrame({"number": [0, 0, 0], "chrom": ["chr1", "chr1", "chr2"]})
    expected = row("expected", window_bins)
    expected.fit(TrainingSet([stores], table), TrainingSet())
    pair = torch.tensor([(50, 50), (30, 60)])
    predicted = expected({"pair": pair})
    assert predicted.shape == (2, 1, window_bins, window_bins)
    used = [stores["chr1"].values, stores["chr2"].values]
    for d in (0, 7, 29):
        mean = np.concatenate([values[: len(values) - d, d] for values in used]).mean()
        assert predicted[0, 0, 10, 10 + d].item() == predicted[0, 0, 10 + d, 10].item()
        assert predicted[0, 0, 10, 10 + d].item() == pytest.approx(mean, rel=1e-5)
    # Pixel (25, 25) of the second window is 30 bins from the diagonal, (45, 15) on it.
    assert predicted[1, 0, 25, 25] == expected.means[30] and predicted[1, 0, 45, 15] == expected.means[0]


@pytest.mark.parametrize("window_bins", [50, 64])
def test_corner_compares_the_centre_with_the_lower_left(window_bins):
    maps, half = torch.zeros(3, 1, window_bins, window_bins), window_bins // 2
    maps[0, 0, half, half], maps[0, 0, -13:, :13] = 0.6, 0.2
    maps[1, 0, half, half], maps[1, 0, -13:, :13] = 0.1, 0.3
    corner = row("corner", window_bins)
    assert not corner.state_dict()  # nothing is learned
    torch.testing.assert_close(corner({"map": maps}), torch.tensor([[0.75], [0.25], [0.0]]))


def test_nearest_is_least_squares_on_the_bins_own_tracks():
    generator = torch.Generator().manual_seed(0)
    items = []
    for _ in range(300):
        tracks = torch.rand(400, 2, generator=generator)
        means = tracks.unflatten(0, (100, 4)).mean(1)
        cage = 2 * means[:, 0] - 0.5 * means[:, 1] + 0.25
        items.append({"tracks": tracks, "cage": cage + 0.01 * torch.randn(100, generator=generator)})
    nearest = row("nearest")
    nearest.fit(TrainingSet(items=items), TrainingSet())
    np.testing.assert_allclose(nearest.coefficients, [2, -0.5, 0.25], atol=0.01)
    features = items[3]["tracks"].unflatten(0, (100, 4)).mean(1)
    expected = features @ torch.tensor([2.0, -0.5]) + 0.25
    torch.testing.assert_close(nearest({"tracks": items[3]["tracks"][None]})[0], expected, atol=0.02, rtol=0)


def test_nearest_counts_the_bins_of_the_window_it_is_made_for():
    """48 bins of a stretch, three tracks: 96 bins, and a coefficient for every track and for the mean."""
    nearest = row("nearest", 48, tracks=("a", "b", "c"))
    nearest.coefficients.copy_(torch.tensor([1.0, 2.0, 3.0, 0.5]))
    tracks = torch.rand(2, 96 * 5, 3, generator=torch.Generator().manual_seed(1))
    expected = tracks.unflatten(1, (96, 5)).mean(2) @ torch.tensor([1.0, 2.0, 3.0]) + 0.5
    torch.testing.assert_close(nearest({"tracks": tracks}), expected)


def test_the_mean_of_the_promoters_is_that_of_the_training_windows_place_by_place():
    """Of 300 windows, so of two batches: NumPy's mean over them, the same for whatever window is asked."""
    cage = np.random.default_rng(2).random((300, 96), dtype=np.float32)
    mean = row("promoter-mean", 48)
    mean.fit(TrainingSet(items=[{"cage": torch.from_numpy(window)} for window in cage]), TrainingSet())
    predicted = mean({"pair": torch.tensor([(50, 50), (90, 90)])})
    assert predicted.shape == (2, 96) and predicted.dtype == torch.float32
    np.testing.assert_allclose(predicted, np.stack([cage.mean(0)] * 2), rtol=1e-5)


def test_what_is_fitted_is_kept_as_a_models_folder(tmp_path):
    band = np.random.default_rng(0).random((90, 80))
    store = BandStore.write(tmp_path / "chr1.npy", band, 50)
    samples = TrainingSet([{"chr1": store}], pd.DataFrame({"number": [0], "chrom": ["chr1"]}))
    fitted, again = row("expected"), row("expected")
    closed.fit(fitted, samples, TrainingSet(), tmp_path / "model", {"name": "mean", "architecture": "expected"}, "v1")
    assert fitted.means.max() > 0 and not again.means.any()
    weights.load(tmp_path / "model/weights.safetensors", again, "mean")
    assert torch.equal(again.means, fitted.means)
    frozen = yaml.safe_load((tmp_path / "model/config.yaml").read_text())
    assert frozen == {"arm": {"name": "mean", "architecture": "expected"}, "version": "v1"}


def test_every_row_has_its_task_and_reads_what_it_declares():
    known = {name: (ARCHITECTURES[name].tasks, ARCHITECTURES[name].fitter) for name in references.ARCHITECTURES}
    assert known == {
        "expected": ({"window": {}}, "closed form"),
        "corner": ({"loop": {}}, "none"),
        "distance": ({"loop": {}}, "closed form"),
        "nearest-loop": ({"loop": {}}, "closed form"),
        "nearest": ({"cage": {}}, "closed form"),
        "promoter-mean": ({"cage": {}}, "closed form"),
    }
    assert [type(row(name)) for name in known] == [Expected, Corner, Distance, NearestLoop, Nearest, PromoterMean]
    entries = [["map"], ["label", "map"], ["label"], ["chromosome", "label"], ["cage", "tracks"], ["cage"]]
    assert [sorted(row(name).entries) for name in known] == entries


LOOPS = pd.DataFrame(
    {"chrom": ["chr1", "chr1", "chr2", "chr1"], "x": [10, 40, 10, 5], "y": [25, 70, 22, 95], "label": [1, 1, 1, 0]}
)


def test_y5_distance_orders_by_distance_and_ends_at_the_longest_loop_of_training():
    """A pair is above 0.5 as long as it is no longer than 30 bins, whatever the negatives are."""
    distance = row("distance")
    distance.fit(TrainingSet(table=LOOPS), TrainingSet())
    assert distance.chosen() == {"longest_bins": 30}
    spans = torch.tensor([0, 4, 29, 30, 31, 200])
    scores = distance({"pair": torch.stack([spans + 7, 2 * spans + 7], dim=1)})
    assert scores.shape == (6, 1) and scores.dtype == torch.float32
    assert (scores.diff(dim=0) < 0).all()
    assert (scores[:, 0] > 0.5).tolist() == [True, True, True, True, False, False]
    np.testing.assert_allclose(scores[:, 0], 30.5 / (30.5 + spans.numpy()), rtol=1e-6)


def test_y5_the_nearest_loop_of_training_is_on_the_same_chromosome():
    """Chebyshev distances of SciPy; 0 on a chromosome without a loop, and nothing of the negatives."""
    nearest = row("nearest-loop", loops=5)  # two more than there are, as of a share of the labels
    nearest.fit(TrainingSet(table=LOOPS), TrainingSet())
    places = np.array([(10, 25), (12, 23), (13, 25), (41, 70), (10, 22), (5, 95), (10, 25)])
    chroms = ["chr1", "chr1", "chr1", "chr1", "chr2", "chr1", "chr3"]
    codes = torch.tensor([code_of(chrom) for chrom in chroms])
    scores = nearest({"pair": torch.from_numpy(places), "chromosome": codes})[:, 0]
    for score, place, chrom in zip(scores, places, chroms):
        here = LOOPS[(LOOPS["chrom"] == chrom) & (LOOPS["label"] == 1)][["x", "y"]].to_numpy()
        away = cdist(place[None], here, "chebyshev").min() if len(here) else np.inf
        assert score.item() == pytest.approx(2.5 / (2.5 + away))
        assert (score > 0.5) == (away <= 2)
    # It knows nothing of held-out chromosomes: one value for all pairs.
    elsewhere = nearest({"pair": torch.from_numpy(places), "chromosome": torch.full((7,), code_of("chr9"))})
    assert not elsewhere.any()
