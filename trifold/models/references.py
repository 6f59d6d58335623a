"""What MIX-HIC's tasks give without a model: each reads a batch as the networks do and learns next to nothing.

`fit(train)` takes the training samples (`trifold.data.pair_dataset.PairDataset`), calling predicts.
"""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.data.pair_dataset import PairDataset
from trifold.data.pairs import CORNER_BINS, HALF_BINS, WINDOW_BINS


class Expected:
    """Maps: every pixel the mean of its distance over the training chromosomes, (B, 1, 50, 50) on [0, 1]."""

    task, reads = "map", frozenset({"map"})

    def fit(self, train: PairDataset) -> "Expected":
        places = train.table[["number", "chrom"]].drop_duplicates()
        stores = [train.bands[number][chrom] for number, chrom in places.itertuples(index=False)]
        width = max(store.n_diagonals for store in stores)
        total, number = np.zeros(width), np.zeros(width)
        for store in stores:
            lengths = np.maximum(store.n_bins - np.arange(store.n_diagonals), 0)
            total[: store.n_diagonals] += store.values.sum(axis=0, dtype=np.float64)  # 0 past the chromosome's end
            number[: store.n_diagonals] += lengths
        self.means = torch.from_numpy(total / np.maximum(number, 1)).float()
        return self

    def __call__(self, batch: dict[str, Tensor]) -> Tensor:
        around = torch.arange(WINDOW_BINS, device=batch["pair"].device)
        x, y = batch["pair"].unbind(1)
        distance = ((y[:, None] + around)[:, None, :] - (x[:, None] + around)[:, :, None]).abs()
        return self.means.to(distance.device)[distance][:, None]


class Corner:
    """Loops: c / (c + l), c the centre of the window and l the mean of its lower left corner, (B, 1).

    Above 0.5 where the centre exceeds the corner; 0 where it holds nothing.
    """

    task, reads = "loop", frozenset({"map", "label"})

    def fit(self, train: PairDataset) -> "Corner":
        return self

    def __call__(self, batch: dict[str, Tensor]) -> Tensor:
        maps = batch["map"]
        centre = maps[:, :, HALF_BINS, HALF_BINS]
        corner = maps[:, :, -CORNER_BINS:, :CORNER_BINS].mean(dim=(2, 3))
        return torch.where(centre > 0, centre / (centre + corner), 0.0)


class Nearest:
    """CAGE of a bin from the tracks of that very bin: least squares on the training samples, (B, 100) log2(x + 1)."""

    task, reads = "cage", frozenset({"tracks", "cage"})

    @staticmethod
    def _features(tracks: Tensor) -> Tensor:
        """(B, L, T) -> means over each bin, and 1: (B, 100, T + 1) float64."""
        means = tracks.double().unflatten(1, (2 * WINDOW_BINS, -1)).mean(2)
        return torch.cat([means, torch.ones_like(means[..., :1])], dim=-1)

    def fit(self, train: PairDataset) -> "Nearest":
        squares, products = 0.0, 0.0
        for batch in DataLoader(train, batch_size=256, collate_fn=train.collate):
            features, target = self._features(batch["tracks"]).flatten(0, 1), batch["cage"].double().flatten()
            squares, products = squares + features.mT @ features, products + features.mT @ target
        self.coefficients = torch.linalg.lstsq(squares, products[:, None], driver="gelsd").solution[:, 0]
        return self

    def __call__(self, batch: dict[str, Tensor]) -> Tensor:
        features = self._features(batch["tracks"])
        return (features @ self.coefficients.to(features.device)).float()


REFERENCES = {"expected": Expected, "corner": Corner, "nearest": Nearest}
