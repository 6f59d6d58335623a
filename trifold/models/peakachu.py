"""Loops by a random forest on small windows of observed over expected contacts: Peakachu 2.3 (Salameh et al. 2020).

A window of 11 × 11 pixels about (x, y) is divided by what its distances have on that chromosome, blurred by a Gaussian
of one bin and brought to [0, 1]: 121 features. A forest of 100 trees says how likely the pair is a loop. How both kinds
of pairs are weighted, the criterion of a split and the depth are those of the best Matthews correlation in five-fold
cross-validation on the training pairs; the validation pairs are not looked at.

A batch: `map` (B, 1, W, W) on [0, 1], of which the middle is read; `expected` (B, 1, W, W), the mean of the chromosome
at the distance of each pixel, falling with it (`trifold.data.bands`); `pair` (B, 2); `label` (B, 1). The forest is kept
as arrays, one after the other of all trees, and predicts what scikit-learn's own does; a pickle would be code.

Windows that Peakachu does not look at, in training or in use, have a score of 0 and train nothing:

- "published": less than a tenth of the pixels above zero; a centre of at most a tenth of the mean of the corner at the
  upper left, which is as far from the diagonal as the centre, or nothing in that corner; bins at most 5 apart.
- "corrected": the corner is the lower left one, nearer the diagonal, which the released code names and misses; there
  may be nothing in it, and bins may be as near as one likes.
- Both: pairs are those of the task (`trifold.data.pairs`), in place of Peakachu's own negatives; values are clipped as
  all maps of the task are; the forest's seed is fixed, where Peakachu draws one; one forest for all chromosomes held
  out, where Peakachu leaves out one at a time; what is expected is fitted to all diagonals of the band; a window whose
  pixels are all alike, which has no features there, is all 0.
"""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.config import Geometry
from trifold.data.pair_dataset import PairDataset
from trifold.errors import InputError
from trifold.models.blocks import Architecture, declared

SIGMA_BINS = 1.0
MIN_NONZERO, MIN_CENTRE_TO_CORNER = 0.1, 0.1
FOLDS, SEED = 5, 0
CLASS_WEIGHTS = ("balanced", "balanced_subsample", None)
CRITERIA = ("entropy", "gini")
BATCH = 1024
ARCHITECTURES = {
    "peakachu": {
        "network": "Peakachu",
        "inputs": ["map"],
        "target": "label",
        "fitter": "closed form",
        "tasks": {"loop": {}},
        "window_bins": 50,
        "least_window_bins": 11,
        "reads": "side_bins",
        "options": {"side_bins": 11, "trees": 100, "depths": [15, 20, 25]},
    },
}


def looked_at(windows: np.ndarray, distance: np.ndarray, *, published: bool) -> np.ndarray:
    """Which windows (n, S, S), of pairs so many bins apart (n,), Peakachu takes: bool (n,)."""
    half = windows.shape[1] // 2
    filled = np.count_nonzero(windows, axis=(1, 2)) >= MIN_NONZERO * windows[0].size
    centre = windows[:, half, half]
    if not published:
        return filled & (centre > MIN_CENTRE_TO_CORNER * windows[:, half + 1 :, :half].mean(axis=(1, 2)))
    corner = windows[:, :half, :half].mean(axis=(1, 2))
    return filled & (corner > 0) & (centre > MIN_CENTRE_TO_CORNER * corner) & (distance > half)


def features_of(windows: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Windows and what is expected there (n, S, S) -> observed over expected, blurred, on [0, 1]: (n, S²) float64."""
    ratio = np.divide(windows, expected, out=np.zeros(windows.shape), where=expected > 0)
    blurred = gaussian_filter(ratio, (0, SIGMA_BINS, SIGMA_BINS)).reshape(len(ratio), -1)
    low, high = blurred.min(axis=1, keepdims=True), blurred.max(axis=1, keepdims=True)
    return np.divide(blurred - low, high - low, out=np.zeros(blurred.shape), where=high > low)


@declared(ARCHITECTURES["peakachu"])
class Peakachu(Architecture):
    """Is (x, y) a loop: `forward(batch) -> (B, 1)`, a probability; 0 for a window that is not looked at.

    side_bins: an odd number, of the square that is read; trees: of the forest; depths: greatest depths of a tree that
    are tried. Nodes of all trees stand one after the other, `roots` says where each tree starts, and both branches of a
    leaf lead to itself; before `fit` there is one tree, a leaf of 0.5. Raises InputError for a square that has no
    middle or does not fit the window.
    """

    context = ("protocol", "statistics")
    channels_last = False
    roots: Tensor  # (trees,)
    branches: Tensor  # (2, nodes): where a feature that is at most the threshold leads, and where another does
    feature: Tensor  # (nodes,)
    threshold: Tensor  # (nodes,)
    probability: Tensor  # (nodes,): share of loops
    depth: Tensor  # (): steps from a root to the farthest leaf

    def __init__(
        self,
        geometry: Geometry,
        *,
        side_bins: int,
        trees: int,
        depths: list[int],
        protocol: str,
        statistics: dict,
    ):
        super().__init__()
        if side_bins % 2 == 0 or not 3 <= side_bins <= geometry.window_bins:
            raise InputError(
                f"config: arms: peakachu: options/side_bins: {side_bins} bins; the square has a pixel in its middle "
                f"and lies in a window of {geometry.window_bins}: choose an odd number up to that"
            )
        self.side, self.trees, self.depths = side_bins, trees, depths
        self.published = protocol == "published"
        first = geometry.window_bins // 2 - side_bins // 2
        self.middle = slice(first, first + side_bins)
        self.register_buffer("roots", torch.zeros(1, dtype=torch.int32))
        self.register_buffer("branches", torch.zeros(2, 1, dtype=torch.int32))
        self.register_buffer("feature", torch.zeros(1, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("probability", torch.full((1,), 0.5, dtype=torch.float64))
        self.register_buffer("depth", torch.zeros((), dtype=torch.int32))
        self.best: dict = {}

    @property
    def entries(self) -> set[str]:
        return {"map", "expected", "label"}

    def features(self, batch: dict[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """-> features (B, S²) float32, as scikit-learn reads them, and which windows are looked at, (B,)."""
        windows, expected = (
            batch[name][:, 0, self.middle, self.middle].cpu().numpy().astype(np.float64) for name in ("map", "expected")
        )
        x, y = batch["pair"].cpu().numpy().T
        looked = looked_at(windows, y - x, published=self.published)
        return features_of(windows, expected).astype(np.float32), looked

    def fit(self, train: PairDataset, validation: PairDataset) -> None:
        """From all training pairs whose windows are looked at. Raises InputError for fewer than five of a kind."""
        # The workflow's alone: a model that is there predicts without it.
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.metrics import make_scorer, matthews_corrcoef
        from sklearn.model_selection import GridSearchCV

        features, labels = [], []
        for batch in DataLoader(train, batch_size=BATCH, collate_fn=train.collate):
            of_batch, looked = self.features(batch)
            features.append(of_batch[looked])
            labels.append(batch["label"][:, 0].numpy()[looked])
        x, y = np.concatenate(features), np.concatenate(labels).astype(int)
        if (fewest := np.bincount(y, minlength=2).min()) < FOLDS:
            raise InputError(
                f"peakachu: {fewest} training loops or negatives have windows that it looks at, and cross-validation "
                f"needs {FOLDS} of either; raise the arm's fraction, or give more training regions"
            )
        grid = {"class_weight": CLASS_WEIGHTS, "max_depth": self.depths, "criterion": CRITERIA}
        forest = RandomForestClassifier(
            self.trees, max_features="sqrt", random_state=SEED, n_jobs=torch.get_num_threads()
        )
        search = GridSearchCV(forest, grid, scoring=make_scorer(matthews_corrcoef), cv=FOLDS).fit(x, y)
        best, chosen = search.best_estimator_, search.best_params_
        self.take([estimator.tree_ for estimator in best.estimators_])
        weighted = f"{chosen['criterion']}, class weight {chosen['class_weight'] or 'none'}"
        self.best = {"max_depth": chosen["max_depth"], "matthews": {weighted: float(search.best_score_)}}

    def take(self, trees: list) -> None:
        """Keep trees as scikit-learn has them (`sklearn.tree._tree.Tree`), of two classes."""
        sizes = np.array([tree.node_count for tree in trees])
        roots = np.cumsum(sizes) - sizes
        branches, features, thresholds = [], [], []
        for root, tree in zip(roots, trees):
            both = np.stack([tree.children_left, tree.children_right])
            leaf = both[0] < 0
            branches.append(root + np.where(leaf, np.arange(tree.node_count), both))
            features.append(np.where(leaf, 0, tree.feature))
            thresholds.append(np.where(leaf, 0.0, tree.threshold))
        kept = {
            "roots": roots.astype(np.int32),
            "branches": np.concatenate(branches, axis=1).astype(np.int32),
            "feature": np.concatenate(features).astype(np.int32),
            "threshold": np.concatenate(thresholds),
            "probability": np.concatenate([tree.value[:, 0, 1] for tree in trees]),
            "depth": np.array(max(tree.max_depth for tree in trees), dtype=np.int32),
        }
        for name, values in kept.items():
            setattr(self, name, torch.from_numpy(values))

    def chosen(self) -> dict:
        return self.best

    def make_room(self, state: dict) -> None:
        for name, own in self.named_buffers():
            if name in state and (state[name].ndim, state[name].dtype) == (own.ndim, own.dtype):
                setattr(self, name, torch.empty_like(state[name]))

    def predict(self, features: Tensor) -> Tensor:
        """Features (B, S²) -> the mean over trees of the share of loops in the leaf they lead to, (B,) float64."""
        node = self.roots.expand(len(features), -1)  # (B, trees)
        for _ in range(int(self.depth)):
            reached = features.gather(1, self.feature[node].long()).double()
            right = (reached > self.threshold[node]).long()
            node = self.branches[right, node]
        return self.probability[node].mean(1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        features, looked = self.features(batch)
        where = self.roots.device
        probability = self.predict(torch.from_numpy(features).to(where))
        return torch.where(torch.from_numpy(looked).to(where), probability, 0.0)[:, None].float()
