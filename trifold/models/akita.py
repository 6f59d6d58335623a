"""Sequence -> ln O/E map: Akita (Fudenberg et al. 2020) and the Akita-like network of Kriukov et al. 2021.

The trunk is that of `trunk`. Head: mean of the two bins' features plus their distance, a 2-D convolution, dilated
residual blocks kept symmetric, a dense layer per pixel.

Deviations, by protocol:

- "published" is the released code of Kriukov2021, which differs from its text: pre-activation blocks, bottleneck kernel
  5, first 2-D kernel 3, batch-norm eps 1e-5, Xavier initialisation, channel dropout in 2-D, and an output of
  clip(-0.11719574 + 0.481647·x, ±2), whose constants are the mean and standard deviation of its targets.
- "corrected" follows Akita: eps 1e-3, He initialisation, residual branches that start at zero, element-wise dropout.
  The affine stays (it lets the network work on standardised targets) with the mean and sd of its own training regions;
  the clip acts on predictions only, where it cannot stop a gradient.
- "published" keeps batch norm's running statistics as its steps leave them, with the released momentum; in "corrected"
  they are taken anew from training windows (`training.regression`).
- Akita crops before the dense layer; here, as in Kriukov2021, after it: the same numbers.
"""

from torch import Tensor, nn

from trifold.config import Geometry
from trifold.models import blocks
from trifold.models.checkpoint import MICRO_C, Checkpoint
from trifold.models.trunk import HEAD, HEAD_KINDS, TRUNK, BinsToMap, SequenceToMap, initialise, residual_tower

# Read by trifold.architectures from the source.
ARCHITECTURES = {
    "akita": {
        "network": "Akita",
        "inputs": ["sequence"],
        "target": "oe",
        "options": {**TRUNK, "head_channels": 48, "head_blocks": 6, "head_dropout": 0.1, **HEAD},
        "kinds": HEAD_KINDS,
    },
}
CHECKPOINTS = {"weights_dl2021_akita.pth": Checkpoint("akita", {}, MICRO_C)}


def make_head(network: BinsToMap, channels: int, depth: int, dropout: float) -> nn.Sequential:
    """Features of bins (B, bottleneck, 1, S) -> of pixels (B, channels, S, S), symmetric."""
    kind = nn.Dropout2d if network.published else nn.Dropout
    return nn.Sequential(
        blocks.OuterMean(),
        blocks.ConcatDistance(),
        blocks.ConvBlock(network.bottleneck + 1, channels, 3, dims=2, bn_eps=network.bn_eps),
        blocks.Symmetrise(),
        residual_tower(depth, channels, dims=2, bn_eps=network.bn_eps, dropout=kind(dropout)),
    )


@blocks.declared(ARCHITECTURES["akita"])
class Akita(SequenceToMap):
    """`SequenceToMap` with the convolutional head.

    head_channels: width of the 2-D layers. targets: maps predicted at once; the workflow trains one.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        head_channels: int,
        head_blocks: int,
        head_dropout: float,
        targets: int,
        **trunk,
    ):
        super().__init__(geometry, protocol=protocol, **trunk)
        self.head = make_head(self, head_channels, head_blocks, head_dropout)
        self.final = nn.Sequential(blocks.PixelDense(head_channels, targets))
        initialise(self, self.published)

    def pixels(self, x: Tensor) -> Tensor:
        return self.final(self.head(x))
