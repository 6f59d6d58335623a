"""Rows without a model on whole maps that learn nothing. Each returns (B, 1, W, W), uncropped."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter1d
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
    "mean-by-distance": {"network": "MeanByDistance", "inputs": [], "target": "oe", "fitter": "none"},
}


@cache
def gaussian_operator(window_bins: int, sigma_bins: float) -> Tensor:
    """What a Gaussian does along one side of a window, (W, W): M is smoothed by `operator @ M @ operator.T`.

    It is `scipy.ndimage.gaussian_filter1d` with its defaults: cut at 4 sigma, normalised, mirrored borders (cba|abc).
    """
    return torch.from_numpy(gaussian_filter1d(np.eye(window_bins), sigma_bins, axis=0)).float()


def smoothed(maps: Tensor, sigma_bins: float) -> Tensor:
    """Maps (..., W, W) under a Gaussian, as `scipy.ndimage.gaussian_filter` gives them."""
    operator = gaussian_operator(maps.shape[-1], sigma_bins).to(maps)
    return operator @ maps @ operator.T


@blocks.declared(ARCHITECTURES["identity"])
class Identity(blocks.Architecture):
    """The low map, upsampled bilinearly by the data set."""

    def __init__(self, geometry: Geometry):
        super().__init__()

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return batch["map"]


@blocks.declared(ARCHITECTURES["gaussian"])
class Gaussian(Identity):
    """The low map under a Gaussian of `sigma_bins` (`smoothed`)."""

    def __init__(self, geometry: Geometry, *, sigma_bins: float):
        super().__init__(geometry)
        self.sigma_bins = sigma_bins

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return smoothed(batch["map"], self.sigma_bins)


@blocks.declared(ARCHITECTURES["bicubic"])
class Bicubic(Identity):
    """The coarse map under bicubic interpolation; a low map that is not coarser is first averaged 2 × 2."""

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        coarse, side = batch["map_coarse"], batch["map"].shape[-1]
        if coarse.shape[-1] == side:
            coarse = F.avg_pool2d(coarse, 2)
        return F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)


@blocks.declared(ARCHITECTURES["mean-by-distance"])
class MeanByDistance(Identity):
    """No bin differs from another: ln O/E is 0, and a whole map is the mean of the training regions at each distance
    (`expected` of statistics.json)."""

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        windows, side = batch["valid"].shape
        return torch.zeros(windows, 1, side, side, device=batch["valid"].device)
