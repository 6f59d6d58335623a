"""The row without a network of arms that read the sequence: the map that GC content alone gives, by least squares.

Bins of like GC meet more often (compartments), so ln O/E of a pixel is taken as a sum over Gaussian blurs of the GC
content of its two bins: for each blur the sum, the product and the sum of the squares of both, and each of these times
the logarithm of the distance. The coefficients are those of least squares on the pixels of the training windows: what a
network learns of the sequence beyond its GC content is what it scores above this row.
"""

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.config import Geometry
from trifold.data.samples import Samples
from trifold.models import blocks
from trifold.models.baselines import gaussian_operator

ARCHITECTURES = {
    "gc": {"network": "GC", "inputs": ["sequence"], "target": "oe", "fitter": "closed form"},
}

BLURS_BINS = (1.0, 2.0, 4.0, 8.0)
FEATURES = 1 + 6 * len(BLURS_BINS)


def gc_content(codes: Tensor, window_bins: int) -> Tensor:
    """Share of G and C among the known bases of each bin: base codes (B, L) -> (B, W) float64.

    A bin of N alone has the mean of its window, a window of N alone 0.5.
    """
    bins = codes.unflatten(1, (window_bins, -1))
    known, strong = (bins < 4).sum(-1).double(), ((bins == 1) | (bins == 2)).sum(-1).double()
    total = known.sum(1, keepdim=True)
    mean = torch.where(total > 0, strong.sum(1, keepdim=True) / total.clamp(min=1), 0.5)
    return torch.where(known > 0, strong / known.clamp(min=1), mean)


@blocks.declared(ARCHITECTURES["gc"])
class GC(blocks.Architecture):
    """(B, 1, W, W) ln O/E from the GC content of bins; all 0 until it is fitted."""

    coefficients: Tensor

    def __init__(self, geometry: Geometry):
        super().__init__()
        self.geometry = geometry
        self.register_buffer("coefficients", torch.zeros(FEATURES, dtype=torch.float64))

    def features(self, codes: Tensor) -> Tensor:
        """(B, L) -> (B, W, W, features) float64."""
        side = self.geometry.window_bins
        blocks.check_length(codes, self.geometry.window_bp)
        content = gc_content(codes, side) - 0.5
        bins = torch.arange(side, device=codes.device)
        distance = torch.log1p((bins[:, None] - bins).abs().double()).expand(len(codes), -1, -1)
        features = [torch.ones_like(distance)]
        for blur_bins in BLURS_BINS:
            blurred = content @ gaussian_operator(side, blur_bins).to(content).T
            rows, columns = blurred[:, :, None], blurred[:, None, :]
            for feature in (rows + columns, rows * columns, rows**2 + columns**2):
                features += [feature, feature * distance]
        return torch.stack(features, dim=-1)

    def fit(self, train: Samples, validation: Samples) -> None:
        squares = torch.zeros(FEATURES, FEATURES, dtype=torch.float64)
        products = torch.zeros(FEATURES, dtype=torch.float64)
        for batch in DataLoader(train, batch_size=16, collate_fn=train.collate):
            mask = blocks.pixel_mask(batch["valid"], "oe", 0)[:, 0]
            features, target = self.features(batch["sequence"])[mask], batch["oe"][:, 0].double()[mask]
            squares, products = squares + features.mT @ features, products + features.mT @ target
        # Features of one bin width differ by orders of magnitude, and blurs of one another: brought to one size first.
        size = squares.diagonal().sqrt().clamp(min=1e-12)
        scaled = squares / size / size[:, None]
        solution = torch.linalg.lstsq(scaled, (products / size)[:, None], driver="gelsd").solution[:, 0]
        self.coefficients.copy_(solution / size)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return (self.features(batch["sequence"]) @ self.coefficients)[:, None].float()
