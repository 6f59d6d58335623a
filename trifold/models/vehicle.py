"""Low map -> deep map: the generator of HiCSR (Dimmick et al. 2020) and VEHiCLE (Highsmith & Cheng 2021).

Convolutions without padding take 6 bins off every side. VEHiCLE ends in a sigmoid, HiCSR in a tanh.

- "published" is exact: the map is generated from nothing but features, and need not be symmetric.
- "corrected" departs from both papers: the symmetrised output is added to the logit of the input,
  ``sigmoid(logit(clamp(x)) + y)``, and the last layer starts at zero. Training starts at the no-model row and learns a
  correction, instead of first learning to copy the input through twenty layers.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.models import blocks

CROP_BINS = 6
# Input values are kept this far from 0 and 1: the logit stays finite, the sigmoid's slope usable.
LOGIT_MARGIN = 0.01
ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}


class ResidualBlock(nn.Module):
    """x + (conv, batch norm, ReLU, conv, batch norm); no activation after the sum."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))


class Generator(blocks.Architecture):
    """`map` (B, 1, W, W) on [0, 1] -> (B, 1, W - 12, W - 12).

    final_channels None is (2, 2, 4, 4) times `channels`, as published for 64; residual None follows the protocol.
    """

    inputs = frozenset({"map"})
    target = "observed"
    context = ("protocol",)
    crop_bins = CROP_BINS

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        channels: int,
        residual_blocks: int,
        final_channels: list[int] | None,
        activation: str,
        residual: bool | None,
    ):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.residual = protocol == "corrected" if residual is None else residual
        widths = [channels, *(final_channels or (2 * channels, 2 * channels, 4 * channels, 4 * channels)), 1]
        self.pre_res_block = nn.Sequential(nn.Conv2d(1, channels, 3), nn.ReLU())
        self.res_blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(residual_blocks)))
        self.post_res_block = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        # Five convolutions with nothing between them, as published.
        self.final_block = nn.Sequential(*(nn.Conv2d(a, b, 3) for a, b in pairwise(widths)))
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)
        if self.residual:
            nn.init.zeros_(self.final_block[-1].weight)
            nn.init.zeros_(self.final_block[-1].bias)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x = batch["map"]
        before = self.pre_res_block(x)  # (B, C, W - 2, W - 2)
        y = self.final_block(before + self.post_res_block(self.res_blocks(before)))  # (B, 1, W - 12, W - 12)
        if not self.residual:
            return self.activation(y)
        start = blocks.crop(x, CROP_BINS).clamp(LOGIT_MARGIN, 1 - LOGIT_MARGIN)
        return torch.sigmoid(torch.logit(start) + blocks.symmetrise(y))
