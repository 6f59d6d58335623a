"""Rows without a model that are hard to beat: the low map under a Gaussian whose width the validation windows choose.

The best width depends on depth and bins: 1.5 bins at 1/16 of the contacts on fly and GM12878, 2.5 at 1/8 on yeast. So a
width that is fixed beforehand makes a weak row. Every width of `SIGMAS_BINS` is tried on the validation windows, and
the one with the smallest mean squared difference from the target is kept, over the pixels of valid bins that are two or
more bins apart. That is the loss by which the best epoch of a network on the same scale is chosen, so that row and
network are chosen alike; and it is a sum over pixels, so a width can be chosen for each band of distance alone.
"""

import logging

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.config import Geometry
from trifold.data.samples import Samples
from trifold.models import blocks
from trifold.models.baselines import smoothed

log = logging.getLogger(__name__)

ARCHITECTURES = {
    "gaussian-tuned": {"network": "TunedGaussian", "inputs": ["map"], "target": "observed", "fitter": "closed form"},
    "gaussian-by-distance": {
        "network": "GaussianByDistance",
        "inputs": ["map"],
        "target": "observed",
        "fitter": "closed form",
    },
}

SIGMAS_BINS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 12.0)
FIRST_DIAGONAL = 2  # nearer ones hold what is no contact of two places


def errors(validation: Samples, window_bins: int) -> tuple[Tensor, Tensor]:
    """Squared differences of the validation windows, summed by distance: (widths, W) float64 in the order of
    `SIGMAS_BINS`, and how many pixels there are, (W,)."""
    bins = torch.arange(window_bins)
    distance = (bins[:, None] - bins).abs().flatten()
    total = torch.zeros(len(SIGMAS_BINS), window_bins, dtype=torch.float64)
    number = torch.zeros(window_bins, dtype=torch.float64)
    for batch in DataLoader(validation, batch_size=16, collate_fn=validation.collate):
        mask = blocks.pixel_mask(batch["valid"], "observed", 0)
        number.index_add_(0, distance, mask.sum((0, 1)).double().flatten())
        for row, sigma_bins in zip(total, SIGMAS_BINS):
            squares = (smoothed(batch["map"], sigma_bins) - batch["observed"]).double() ** 2
            row.index_add_(0, distance, (squares * mask).sum((0, 1)).flatten())
    return total, number


class Tuned(blocks.Architecture):
    """What the two share: widths that are chosen on the validation windows, one for each of some bands of distance.

    `sigma_bins` (bands,) float64; 1 bin until it is fitted. `edges` (bands,) is the first distance of each, bins.
    """

    edges: tuple[int, ...]
    sigma_bins: Tensor

    def __init__(self, geometry: Geometry):
        super().__init__()
        self.window_bins = geometry.window_bins
        self.edges = self.bands(geometry.window_bins)
        self.register_buffer("sigma_bins", torch.ones(len(self.edges), dtype=torch.float64))
        bins = torch.arange(geometry.window_bins)
        distance = (bins[:, None] - bins).abs()
        band = torch.bucketize(distance, torch.tensor(self.edges), right=True) - 1
        self.register_buffer("band", band, persistent=False)

    @staticmethod
    def bands(window_bins: int) -> tuple[int, ...]:
        """First distance of each band, bins, of windows of so many; the first one is 0."""
        raise NotImplementedError

    def fit(self, train: Samples, validation: Samples) -> None:
        total, number = errors(validation, self.window_bins)
        total[:, :FIRST_DIAGONAL], number[:FIRST_DIAGONAL] = 0, 0
        overall = total.sum(1).argmin()
        for band, (first, end) in enumerate(zip(self.edges, (*self.edges[1:], self.window_bins))):
            # A band without a valid pixel says nothing of itself.
            best = total[:, first:end].sum(1).argmin() if number[first:end].sum() > 0 else overall
            self.sigma_bins[band] = SIGMAS_BINS[int(best)]
        if (self.sigma_bins == SIGMAS_BINS[-1]).any():
            log.warning(
                "the widest Gaussian that is tried, %g bins, is the best: the low map says little at this bin width",
                SIGMAS_BINS[-1],
            )

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        maps = batch["map"]
        output = torch.zeros_like(maps)
        for sigma_bins in self.sigma_bins.unique().tolist():
            chosen = (self.sigma_bins == sigma_bins)[self.band]
            output = torch.where(chosen, smoothed(maps, sigma_bins), output)
        return output


@blocks.declared(ARCHITECTURES["gaussian-tuned"])
class TunedGaussian(Tuned):
    """The low map under one Gaussian."""

    @staticmethod
    def bands(window_bins: int) -> tuple[int, ...]:
        return (0,)

    def chosen(self) -> dict:
        return {"sigma_bins": self.sigma_bins.item()}


@blocks.declared(ARCHITECTURES["gaussian-by-distance"])
class GaussianByDistance(Tuned):
    """The low map under a Gaussian for every band of distance: 0 to 3 bins, 4 to 7, 8 to 15 and so on, doubling."""

    @staticmethod
    def bands(window_bins: int) -> tuple[int, ...]:
        doubled = [4]
        while 2 * doubled[-1] < window_bins:
            doubled.append(2 * doubled[-1])
        return (0, *doubled)

    def chosen(self) -> dict:
        return {"sigma_bins": {f"from {edge} bins": s for edge, s in zip(self.edges, self.sigma_bins.tolist())}}
