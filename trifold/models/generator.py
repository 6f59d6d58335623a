"""Layers of the image generators of HiCSR, VEHiCLE and hicGAN, which networks of our design on them share too."""

import torch
from torch import Tensor, nn

from trifold.models.blocks import Border

# Bins that convolutions without padding (HiCSR, VEHiCLE) take off every side of a window; read by
# trifold.architectures from the source.
CROP_BINS = 6
# Input values are kept this far from 0 and 1: the logit stays finite, the sigmoid's slope usable.
LOGIT_MARGIN = 0.01


def initialise(network: nn.Module) -> None:
    """The published start: convolutions N(0, 0.02), batch-norm scales N(1, 0.02)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)


class ResidualBlock(nn.Module):
    """x + (conv, batch norm, ReLU, conv, batch norm); no activation after the sum."""

    def __init__(self, channels: int, border: Border = "zeros", *, bias: bool = True):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=border, bias=bias)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=border, bias=bias)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
