"""Peakachu: the features of the package, the forest of scikit-learn, and how either is kept."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import make_scorer, matthews_corrcoef
from sklearn.model_selection import GridSearchCV

from trifold.config import Geometry
from trifold.data.bands import BandStore
from trifold.data.samples import Samples
from trifold.errors import InputError
from trifold.models import registry, weights
from trifold.models.peakachu import Peakachu, features_of, looked_at
from trifold.training import closed

N_BINS, HALF = 110, 5


def made(protocol="published", window_bins=50, **options) -> Peakachu:
    geometry = Geometry(bin_bp=5000, window_bins=window_bins, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    return registry.build("peakachu", geometry, options, {}, {}, protocol, "loop").eval()


@pytest.fixture(scope="module")
def package():
    """What Peakachu 2.3 made of a map of our own (`expected/peakachu_features.py`), and the map, 0 on bad bins."""
    with np.load(Path(__file__).parent / "expected/peakachu_features.npz") as stored:
        known = dict(stored)
    counts = np.zeros((N_BINS, N_BINS))
    counts[known["row"], known["column"]] = known["counts"]
    counts += np.triu(counts, 1).T
    return np.nan_to_num(counts * known["weight"][:, None] * known["weight"]), known


def windows_about(values: np.ndarray, pairs: np.ndarray, half: int = HALF) -> np.ndarray:
    return np.stack([values[x - half : x + half + 1, y - half : y + half + 1] for x, y in pairs.tolist()])


def test_parity_features_are_the_packages(package):
    values, known = package
    pairs = known["pairs"].astype(int)
    distance = pairs[:, 1] - pairs[:, 0]
    windows = windows_about(values, pairs)
    looked = looked_at(windows, distance, published=True)
    np.testing.assert_array_equal(pairs[looked], known["kept"])
    assert (~looked & (distance > HALF)).sum() == 14 and (distance <= HALF).sum() > 20
    apart = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)))
    expected = windows_about(np.append(known["expected"], np.zeros(N_BINS))[apart], pairs)
    ours = features_of(windows[looked], expected[looked])[::3]
    np.testing.assert_allclose(ours, known["features"], rtol=0, atol=1e-12)
    assert ours.min() == 0 and ours.max() == 1


def test_parity_what_is_expected_is_the_packages(package, tmp_path):
    """Of a band of as many diagonals, whose values are those of the map over their maximum."""
    values, known = package
    width = len(known["expected"])
    band = np.array([[values[i, i + d] if i + d < N_BINS else 0 for d in range(width)] for i in range(N_BINS)])
    store = BandStore.write(tmp_path / "chr1.npy", band * 200 / band.max(), 12)
    assert len(known["expected"]) == 69
    np.testing.assert_allclose(store.expected * band.max(), known["expected"], rtol=1e-6)
    pairs = np.array([[30, 45], [50, 50]])
    windows = store.expected_windows(pairs)
    assert windows.shape == (2, 12, 12)
    # Pixel (r, c) is 15 + c - r bins from the diagonal, or as many on its other side.
    assert windows[0, 6, 6] == np.float32(store.expected[15]) and windows[0, 0, 11] == np.float32(store.expected[26])
    assert windows[1, 9, 2] == windows[1, 2, 9] == np.float32(store.expected[7])


def test_parity_features_of_a_batch_are_the_packages(package, tmp_path):
    """The whole way, from a stored band: windows of 12 bins, of which the middle is read."""
    values, known = package
    width = len(known["expected"])
    band = np.array([[values[i, i + d] if i + d < N_BINS else 0 for d in range(width)] for i in range(N_BINS)])
    store = BandStore.write(tmp_path / "chr1.npy", band * 200 / band.max(), 12)
    pairs = known["kept"].astype(int)[::3]
    inside = store.inside(pairs) & (pairs[:, 1] - pairs[:, 0] <= store.farthest_bins)
    assert inside.sum() == 40
    pairs = pairs[inside]
    batch = {"map": store.windows(pairs), "expected": store.expected_windows(pairs)}
    batch = {name: torch.from_numpy(each)[:, None] for name, each in batch.items()} | {"pair": torch.from_numpy(pairs)}
    ours, looked = made(window_bins=12).features(batch)
    assert looked.all()
    np.testing.assert_allclose(ours, known["features"][inside], rtol=0, atol=2e-5)


def test_corrected_holds_the_centre_against_the_lower_left():
    """Nearer the diagonal; published as released, against the upper left, and only where something is there."""
    windows = np.ones((5, 11, 11))
    windows[0, 6:, :5] = 20  # lower left
    windows[1, :5, :5] = 20  # upper left
    windows[2, :5, :5] = 0
    windows[3] = 0
    windows[3, 0, :12] = windows[3, 5, 5] = 1  # 12 of 121 pixels: too few
    distance = np.array([20, 20, 20, 20, 5])
    assert looked_at(windows, distance, published=False).tolist() == [False, True, True, False, True]
    assert looked_at(windows, distance, published=True).tolist() == [True, False, False, False, False]


def test_windows_that_do_not_vary_have_no_features():
    assert not features_of(np.full((2, 11, 11), 3.0), np.ones((2, 11, 11))).any()
    assert not features_of(np.ones((2, 11, 11)), np.zeros((2, 11, 11))).any()


# ---------------------------------------------------------------- the forest


class Pairs(Samples):
    """Windows with a bright centre, or without; whole batches."""

    def __init__(self, n: int, seed: int):
        rng = np.random.default_rng(seed)
        self.labels = np.arange(n) % 2
        self.maps = rng.gamma(4, 0.05, (n, 1, 24, 24))
        self.maps[self.labels == 1, 0, 11:14, 11:14] += rng.uniform(0, 0.25, (self.labels.sum(), 3, 3))
        x = rng.integers(50, 200, n)
        self.pairs = np.stack([x, x + rng.integers(8, 40, n)], axis=1)
        self.table = pd.DataFrame({"label": self.labels})

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, indices):
        rows = np.asarray(indices)
        return {
            "map": torch.from_numpy(self.maps[rows]).float(),
            "expected": torch.full((len(rows), 1, 24, 24), 0.2),
            "pair": torch.from_numpy(self.pairs[rows]),
            "label": torch.from_numpy(self.labels[rows, None]).float(),
        }

    @staticmethod
    def collate(batch):
        return batch

    @property
    def batch(self):
        return self.__getitems__(range(len(self)))


def test_a_short_chromosome_has_what_is_expected_as_far_as_it_goes(tmp_path):
    """12 bins in a band of 30 diagonals: those with ten pixels or fewer are what the last one before them is."""
    values = np.zeros((12, 30))
    for d in range(12):
        values[: 12 - d, d] = 100 / (1 + d)
    store = BandStore.write(tmp_path / "chr1.npy", values, 4)
    assert store.expected.shape == (30,) and store.expected[0] == 1 and store.expected[1] == 0.5
    assert (store.expected[1:] == 0.5).all()


@pytest.fixture(scope="module")
def fitted():
    model = made("corrected", 24, trees=8, depths=[2, 6])
    model.fit(Pairs(240, 0), Samples())
    return model


def test_the_forest_is_scikit_learns(fitted):
    """The same search written out: what it chooses, and its probabilities on other pairs, to the last digits."""
    train, other = Pairs(240, 0), Pairs(200, 1)
    x = features_of(train.batch["map"][:, 0, 7:18, 7:18].numpy().astype(float), np.full((240, 11, 11), 0.2))
    grid = {
        "class_weight": ["balanced", "balanced_subsample", None],
        "max_depth": [2, 6],
        "criterion": ["entropy", "gini"],
    }
    assert fitted.features(train.batch)[1].all()
    forest = RandomForestClassifier(8, max_features="sqrt", random_state=0)
    search = GridSearchCV(forest, grid, scoring=make_scorer(matthews_corrcoef), cv=5)
    search.fit(x.astype(np.float32), train.labels)
    best = search.best_params_
    chosen = fitted.chosen()
    assert chosen["max_depth"] == best["max_depth"]
    ((words, score),) = chosen["matthews"].items()
    assert words == f"{best['criterion']}, class weight {best['class_weight'] or 'none'}"
    assert score == pytest.approx(search.best_score_, abs=1e-12) and 0.3 < score < 1
    features, _ = fitted.features(other.batch)
    expected = search.best_estimator_.predict_proba(features)[:, 1]
    np.testing.assert_allclose(fitted.predict(torch.from_numpy(features)), expected, rtol=0, atol=1e-12)
    assert len(np.unique(expected)) > 30
    np.testing.assert_allclose(fitted(other.batch)[:, 0], expected, atol=1e-6)


def test_deep_trees_of_unlike_size_are_scikit_learns():
    rng = np.random.default_rng(3)
    x, y = rng.random((500, 121)).astype(np.float32), rng.integers(0, 2, 500)
    forest = RandomForestClassifier(30, max_depth=25, class_weight="balanced_subsample", random_state=4).fit(x, y)
    model = made()
    model.take([tree.tree_ for tree in forest.estimators_])
    assert len({tree.tree_.node_count for tree in forest.estimators_}) > 5 and model.depth > 8
    other = rng.random((300, 121)).astype(np.float32)
    np.testing.assert_allclose(
        model.predict(torch.from_numpy(other)), forest.predict_proba(other)[:, 1], rtol=0, atol=1e-12
    )


def test_a_forest_is_kept_as_arrays(fitted, tmp_path):
    """A model's folder without a pickle, read into a model that has never seen the trees."""
    arm = {"name": "trees", "architecture": "peakachu"}
    other, batch = made("corrected", 24, trees=8, depths=[2, 6]), Pairs(60, 2).batch
    weights.save(tmp_path / "weights.safetensors", fitted.state_dict(), arm=arm, version="v")
    assert set(weights.read(tmp_path / "weights.safetensors")) == {
        *("roots", "branches", "feature", "threshold", "probability", "depth")
    }
    assert not torch.equal(other(batch), fitted(batch))
    weights.load(tmp_path / "weights.safetensors", other, "trees")
    assert torch.equal(other(batch), fitted(batch))
    # Arrays of another kind are refused as those of any model are.
    state = {**fitted.state_dict(), "threshold": fitted.threshold.float().reshape(1, -1)}
    weights.save(tmp_path / "other.safetensors", state, arm=arm, version="v")
    with pytest.raises(InputError, match="these weights do not fit arm 'trees'"):
        weights.load(tmp_path / "other.safetensors", made("corrected", 24), "trees")


def test_what_it_does_not_look_at_scores_nothing(fitted):
    pairs = Pairs(40, 5)
    batch = pairs.batch
    batch["map"][:7] = 0
    scores = fitted(batch)[:, 0]
    expected = fitted.predict(torch.from_numpy(fitted.features(batch)[0])).float()
    assert not scores[:7].any() and expected[:7].all()
    assert torch.equal(scores[7:], expected[7:]) and (scores[7:] > 0).sum() > 25
    released = made("published", 24)
    near = {**batch, "pair": torch.stack([batch["pair"][:, 0], batch["pair"][:, 0] + 5], dim=1)}
    assert not released(near).any() and torch.equal(fitted(near), fitted(batch))


def test_what_it_does_not_look_at_trains_nothing():
    """Empty windows among the negatives change neither the choice nor a tree."""

    class WithEmpty(Pairs):
        def __init__(self, empty: int):
            super().__init__(80, 0)
            self.labels = np.append(self.labels, np.zeros(empty, dtype=int))
            self.maps = np.concatenate([self.maps, np.zeros((empty, 1, 24, 24))])
            self.pairs = np.concatenate([self.pairs, self.pairs[:empty]])

    states = []
    for empty in (0, 30):
        model = made("corrected", 24, trees=2, depths=[3])
        model.fit(WithEmpty(empty), Samples())
        states.append(model.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_fit_is_the_same_again_and_stands_beside_its_weights(tmp_path):
    for name in ("one", "two"):
        model = made("corrected", 24, trees=2, depths=[3])
        closed.fit(model, Pairs(80, 0), Samples(), tmp_path / name, {"name": "trees"}, "v")
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]
    assert "max_depth: 3" in (tmp_path / "one/config.yaml").read_text()


def test_too_few_pairs_and_a_square_without_a_middle_are_refused():
    few = Pairs(9, 0)  # four loops
    with pytest.raises(InputError, match="peakachu: 4 training loops or negatives have windows that it looks at"):
        made("corrected", 24).fit(few, Samples())
    for side in (10, 13):
        with pytest.raises(InputError, match=f"options/side_bins: {side} bins"):
            made(window_bins=12, side_bins=side)
