"""A row without a model: the low map, adaptively coarse-grained as cooltools does it for display.

The row `identity` is coarse-grained too, as its input is made (recipes/<protocol>/observed: a cutoff of 2), because a
logarithm needs values above zero. Here the cutoff is an option, by default that of cooltools: pixels with fewer
contacts than that are averaged over 2 × 2 blocks, and these again, until there are enough. Values are on the scale of
the deep map's contacts, not on a logarithm.
"""

import numpy as np
import torch
from torch import Tensor

from trifold.config import Geometry, Recipes, from_dict
from trifold.data import normalise
from trifold.data.normalise import CountsScale
from trifold.models import blocks

ARCHITECTURES = {
    "coarsegrain": {
        "network": "CoarseGrain",
        "inputs": ["map", "bias"],
        "target": "counts",
        "fitter": "none",
        "options": {"cutoff": 5, "max_levels": 8},
    },
}


@blocks.declared(ARCHITECTURES["coarsegrain"])
class CoarseGrain(blocks.Architecture):
    """(B, 1, W, W) contacts of the deep map: `cooltools.lib.numutils.adaptive_coarsegrain` of the low windows' balanced
    and raw contacts, upsampled bilinearly; missing bins are filled from their neighbours."""

    context = ("statistics",)

    def __init__(self, geometry: Geometry, *, cutoff: int, max_levels: int, statistics: dict):
        super().__init__()
        self.window_bins, self.cutoff, self.max_levels = geometry.window_bins, cutoff, max_levels
        self.recipes = from_dict(Recipes, statistics["recipes"])
        self.facts, self.coarsen = statistics["counts"], statistics["coarsen"]
        self.mean_log_weight = statistics["low_bias"]["mean_log_weight"]
        self.factor = normalise.low_factor(self.recipes.observed, statistics)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        k, recipe = self.coarsen, self.recipes.counts
        values = batch["map_coarse"][:, 0].double().cpu().numpy()
        of_bins = np.exp(batch["bias"].double().cpu().numpy() + self.mean_log_weight)
        weights = np.where(batch["low_valid"].cpu().numpy(), of_bins, np.nan)
        coarse = weights[:, ::k]
        of_pixels = coarse[:, :, None] * coarse[:, None, :]
        if recipe.bias == "raw":
            counts = values * k**2
            balanced = counts * of_pixels
        else:
            balanced = np.where(np.isfinite(of_pixels), values * (k / self.facts["low_per_balanced"]), np.nan)
            counts = balanced / of_pixels
        counts = np.rint(np.nan_to_num(counts))  # they are whole, and were stored in single precision
        grained = normalise.adaptive_coarsegrain(balanced, counts, self.cutoff, self.max_levels) / self.factor
        deep = normalise.upsample(normalise.interpolate(grained), self.window_bins // grained.shape[-1])
        back = CountsScale.of(weights, recipe, self.facts, k).factors
        divisor = back[:, :, None] * back[:, None, :]
        contacts = np.divide(deep, divisor, out=np.zeros_like(deep), where=divisor > 0)
        return torch.from_numpy(contacts).float()[:, None].to(batch["map_coarse"].device)
