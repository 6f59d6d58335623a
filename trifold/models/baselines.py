"""Rows without a model: what the low map gives when nothing is learned. Each returns (B, 1, W, W), uncropped."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from trifold.config import Geometry
from trifold.models import blocks

# Read by trifold.architectures from the source.
ARCHITECTURES = {
    "identity": {"network": "Identity", "inputs": ["map"], "target": "observed", "fitter": "none"},
    "gaussian": {
        "network": "Gaussian",
        "inputs": ["map"],
        "target": "observed",
        "fitter": "none",
        "options": {"sigma_bins": 1.0},
    },
    "bicubic": {"network": "Bicubic", "inputs": ["map"], "target": "observed", "fitter": "none"},
}


@blocks.declared(ARCHITECTURES["identity"])
class Identity(blocks.Architecture):
    """The low map, upsampled bilinearly by the data set."""

    def __init__(self, geometry: Geometry):
        super().__init__()

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return batch["map"]


@blocks.declared(ARCHITECTURES["gaussian"])
class Gaussian(Identity):
    """The low map under a Gaussian of `sigma_bins`, cut at 4 sigma, normalised; the border is mirrored (abc|cba),
    as `scipy.ndimage.gaussian_filter` does by default."""

    taps: Tensor

    def __init__(self, geometry: Geometry, *, sigma_bins: float):
        super().__init__(geometry)
        radius = math.floor(4 * sigma_bins + 0.5)
        taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma_bins) ** 2)
        self.radius = radius
        self.register_buffer("taps", taps / taps.sum(), persistent=False)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x, r = batch["map"], self.radius
        x = torch.cat([x[..., :r].flip(-1), x, x[..., -r:].flip(-1)], dim=-1)
        x = torch.cat([x[..., :r, :].flip(-2), x, x[..., -r:, :].flip(-2)], dim=-2)
        taps = self.taps.to(x.dtype)
        return F.conv2d(F.conv2d(x, taps[None, None, None, :]), taps[None, None, :, None])


@blocks.declared(ARCHITECTURES["bicubic"])
class Bicubic(Identity):
    """The coarse map under bicubic interpolation; a low map that is not coarser is first averaged 2 × 2."""

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        coarse, side = batch["map_coarse"], batch["map"].shape[-1]
        if coarse.shape[-1] == side:
            coarse = F.avg_pool2d(coarse, 2)
        return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
