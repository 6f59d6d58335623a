"""What the tasks on windows give without a model: each reads a batch as the networks do and learns next to nothing."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.config import Geometry
from trifold.data.pair_dataset import PairDataset
from trifold.data.pairs import CORNER_BINS, NEAR_BINS, code_of
from trifold.models.blocks import Architecture, declared

ARCHITECTURES = {
    "expected": {
        "network": "Expected",
        "inputs": ["map"],
        "target": "map",
        "fitter": "closed form",
        "tasks": {"window": {}},
        "window_bins": 50,
    },
    "corner": {
        "network": "Corner",
        "inputs": ["map"],
        "target": "label",
        "fitter": "none",
        "tasks": {"loop": {}},
        "window_bins": 50,
    },
    "distance": {
        "network": "Distance",
        "inputs": [],
        "target": "label",
        "fitter": "closed form",
        "tasks": {"loop": {}},
        "window_bins": 50,
    },
    "nearest-loop": {
        "network": "NearestLoop",
        "inputs": [],
        "target": "label",
        "fitter": "closed form",
        "tasks": {"loop": {}},
        "window_bins": 50,
    },
    "nearest": {
        "network": "Nearest",
        "inputs": ["tracks"],
        "target": "cage",
        "fitter": "closed form",
        "tasks": {"cage": {}},
        "window_bins": 50,
    },
    "promoter-mean": {
        "network": "PromoterMean",
        "inputs": [],
        "target": "cage",
        "fitter": "closed form",
        "tasks": {"cage": {}},
        "window_bins": 50,
    },
}


class Reference(Architecture):
    """What they share: they are made for the windows and tracks of a data set."""

    context = ("statistics",)
    channels_last = False


@declared(ARCHITECTURES["expected"])
class Expected(Reference):
    """Windows: every pixel the mean of its distance over the training chromosomes, (B, 1, W, W) on [0, 1]."""

    means: Tensor

    def __init__(self, geometry: Geometry, *, statistics: dict):
        super().__init__()
        self.window_bins = geometry.window_bins
        self.register_buffer("means", torch.zeros(statistics["n_diagonals"]))

    def fit(self, train: PairDataset, validation: PairDataset) -> None:
        """From the bands of the chromosomes on which training windows lie."""
        places = train.table[["number", "chrom"]].drop_duplicates()
        stores = [train.bands[number][chrom] for number, chrom in places.itertuples(index=False)]
        total, number = np.zeros(len(self.means)), np.zeros(len(self.means))
        for store in stores:
            lengths = np.maximum(store.n_bins - np.arange(store.n_diagonals), 0)
            total[: store.n_diagonals] += store.values.sum(axis=0, dtype=np.float64)  # 0 past the chromosome's end
            number[: store.n_diagonals] += lengths
        self.means.copy_(torch.from_numpy(total / np.maximum(number, 1)).float())

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        around = torch.arange(self.window_bins, device=batch["pair"].device)
        x, y = batch["pair"].unbind(1)
        distance = ((y[:, None] + around)[:, None, :] - (x[:, None] + around)[:, :, None]).abs()
        return self.means[distance][:, None]


@declared(ARCHITECTURES["corner"])
class Corner(Reference):
    """Loops: c / (c + l), c the centre of the window and l the mean of its lower left corner, (B, 1).

    Above 0.5 where the centre exceeds the corner; 0 where it holds nothing.
    """

    def __init__(self, geometry: Geometry, *, statistics: dict):
        super().__init__()
        self.centre = geometry.window_bins // 2

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        maps = batch["map"]
        centre = maps[:, :, self.centre, self.centre]
        corner = maps[:, :, -CORNER_BINS:, :CORNER_BINS].mean(dim=(2, 3))
        return torch.where(centre > 0, centre / (centre + corner), 0.0)


@declared(ARCHITECTURES["distance"])
class Distance(Reference):
    """Loops: the nearer the bins of a pair, the likelier, (B, 1); above 0.5 up to the longest loop of training.

    Without the map: what is not above this row has learned how far apart listed loops are, and no more.
    """

    longest_bins: Tensor

    def __init__(self, geometry: Geometry, *, statistics: dict):
        super().__init__()
        self.register_buffer("longest_bins", torch.zeros((), dtype=torch.float64))

    def fit(self, train: PairDataset, validation: PairDataset) -> None:
        loops = train.table[train.table["label"] == 1]
        self.longest_bins.fill_(float((loops["y"] - loops["x"]).max()))

    def chosen(self) -> dict:
        return {"longest_bins": int(self.longest_bins)}

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x, y = batch["pair"].unbind(1)
        # Half a bin more, so that the longest loop itself is above 0.5.
        half = self.longest_bins + 0.5
        return (half / (half + (y - x).abs()))[:, None].float()


@declared(ARCHITECTURES["nearest-loop"])
class NearestLoop(Reference):
    """Loops: the nearer the nearest listed loop of training on the same chromosome, the likelier, (B, 1).

    Above 0.5 where both bins are within two of that loop's (`NEAR_BINS`), 0 on a chromosome without one. Where whole
    chromosomes are held out it knows nothing, and its AUROC is 0.5: what is above that, training and test pairs share.
    """

    loops: Tensor

    def __init__(self, geometry: Geometry, *, statistics: dict):
        super().__init__()
        # Chromosome (`code_of`; -1: no loop), x, y.
        self.register_buffer("loops", torch.full((statistics["loops"], 3), -1.0, dtype=torch.float64))

    @property
    def entries(self) -> set[str]:
        return {"label", "chromosome"}

    def fit(self, train: PairDataset, validation: PairDataset) -> None:
        loops = train.table[train.table["label"] == 1]
        rows = np.column_stack([loops["chrom"].map(code_of), loops["x"], loops["y"]]).astype(np.float64)
        self.loops[: len(rows)] = torch.from_numpy(rows)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        places = batch["pair"].double()
        away = (places[:, None] - self.loops[:, 1:]).abs().amax(2)
        elsewhere = batch["chromosome"][:, None].double() != self.loops[:, 0]
        away = away.masked_fill(elsewhere, torch.inf)
        nearest = torch.cat([away, away.new_full((len(away), 1), torch.inf)], dim=1).amin(1)
        half = NEAR_BINS + 0.5
        return (half / (half + nearest))[:, None].float()


@declared(ARCHITECTURES["nearest"])
class Nearest(Reference):
    """CAGE of a bin from the tracks of that very bin: least squares on the training samples, (B, 2W) log2(x + 1)."""

    coefficients: Tensor

    def __init__(self, geometry: Geometry, *, statistics: dict):
        super().__init__()
        self.bins = 2 * geometry.window_bins
        coefficients = torch.zeros(len(statistics["tracks"]) + 1, dtype=torch.float64)
        self.register_buffer("coefficients", coefficients)

    def _features(self, tracks: Tensor) -> Tensor:
        """(B, L, T) -> means over each bin, and 1: (B, 2W, T + 1) float64."""
        means = tracks.double().unflatten(1, (self.bins, -1)).mean(2)
        return torch.cat([means, torch.ones_like(means[..., :1])], dim=-1)

    def fit(self, train: PairDataset, validation: PairDataset) -> None:
        """From all training samples, batch by batch."""
        squares = torch.zeros(2 * self.coefficients.shape, dtype=torch.float64)
        products = torch.zeros_like(self.coefficients)
        for batch in DataLoader(train, batch_size=256, collate_fn=train.collate):
            features, target = self._features(batch["tracks"]).flatten(0, 1), batch["cage"].double().flatten()
            squares, products = squares + features.mT @ features, products + features.mT @ target
        self.coefficients.copy_(torch.linalg.lstsq(squares, products[:, None], driver="gelsd").solution[:, 0])

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return (self._features(batch["tracks"]) @ self.coefficients).float()


@declared(ARCHITECTURES["promoter-mean"])
class PromoterMean(Reference):
    """CAGE of a bin as the mean of the training windows at its place from the start site, (B, 2W) log2(x + 1).

    Without map and tracks: what is not above this row has learned that expression is high at a start site, and no more.
    At the start sites themselves it says the same everywhere, and has no correlation.
    """

    means: Tensor

    def __init__(self, geometry: Geometry, *, statistics: dict):
        super().__init__()
        self.register_buffer("means", torch.zeros(2 * geometry.window_bins, dtype=torch.float64))

    def fit(self, train: PairDataset, validation: PairDataset) -> None:
        total = torch.zeros_like(self.means)
        for batch in DataLoader(train, batch_size=256, collate_fn=train.collate):
            total += batch["cage"].double().sum(0)
        self.means.copy_(total / len(train))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.means.float().expand(len(batch["pair"]), -1)
