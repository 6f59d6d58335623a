"""Sequence -> features of bins: Akita's trunk (Fudenberg et al. 2020), and what every network of maps on it shares.

One convolution block and a tower, each halving the length, dilated residual blocks, a bottleneck. The number of
halvings is floor(log2(bin_bp)), so a bin of 2^n bp ends exactly on a pixel; otherwise the map (244 × 244 for 200 bins
of 5 kb) is resized bilinearly. What the protocols differ in stands in `akita`.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.models import blocks

# Read by trifold.architectures from the source of the modules that import them: options of the trunk, which reads the
# sequence, and those that every head on it shares.
TRUNK = {"channels": 96, "bottleneck": 64, "trunk_blocks": 8, "trunk_dropout": 0.4}
HEAD = {"bn_eps": None, "clip": 2.0, "crop_bins": None, "targets": 1}
HEAD_KINDS = {"bn_eps": "float", "crop_bins": "int"}

# Mean and standard deviation of the published targets, as hard-coded in the released model.
PUBLISHED_MEAN, PUBLISHED_SD = -0.11719574, 0.481647


def residual_tower(depth: int, width: int, *, dims: int, bn_eps: float, dropout: nn.Module) -> blocks.Tower:
    """Dilated residual blocks that narrow to half of their width."""
    return blocks.Tower(
        [
            blocks.DilatedResidual(width, width // 2, dilation, dims=dims, bn_eps=bn_eps, dropout=dropout)
            for dilation in blocks.dilations(depth)
        ]
    )


def make_trunk(
    geometry: Geometry, *, channels: int, bottleneck: int, depth: int, dropout: float, bn_eps: float
) -> nn.Sequential:
    """One-hot sequence (B, 4, 1, L) -> features of bins (B, bottleneck, 1, S), S = L >> floor(log2(bin_bp))."""
    one_dimensional = {"dims": 1, "bn_eps": bn_eps}
    halvings = geometry.bin_bp.bit_length() - 1
    return nn.Sequential(
        blocks.ConvBlock(4, channels, 11, pool=2, **one_dimensional),
        blocks.Tower([blocks.ConvBlock(channels, channels, 5, pool=2, **one_dimensional) for _ in range(halvings - 1)]),
        residual_tower(depth, channels, dropout=nn.Dropout(dropout), **one_dimensional),
        blocks.ConvBlock(channels, bottleneck, 5, **one_dimensional),
        nn.ReLU(),
    )


def initialise(model: nn.Module, published: bool) -> None:
    """Xavier throughout ("published"), or He for convolutions and residual branches that start at zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            if published:
                nn.init.xavier_uniform_(module.weight)
            else:
                nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        elif isinstance(module, blocks.DilatedResidual) and not published:
            nn.init.zeros_(module.get_parameter("1.bn.weight"))


class BinsToMap(blocks.Architecture):
    """Features of bins -> (B, targets, W - 2c, W - 2c), ln O/E; `full_map` gives it uncropped.

    A subclass gives `features`, what it reads as features of bins, and `pixels`, its head: features of bins -> map on
    standardised targets.
    statistics: `oe` {mean, sd} of the targets, read by "corrected" only. bottleneck: features of a bin. clip: largest
    |ln O/E| (recipes/oe/clip). bn_eps None follows the protocol. crop_bins None is a twentieth of the window (10 of
    200).
    """

    context = ("protocol", "statistics")
    has_batch_norm = True

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        bottleneck: int,
        bn_eps: float | None,
        clip: float,
        crop_bins: int | None,
    ):
        super().__init__()
        self.published = protocol == "published"
        self.window_bins, self.window_bp = geometry.window_bins, geometry.window_bp
        self.crop_bins = geometry.window_bins // 20 if crop_bins is None else crop_bins
        self.clip = clip
        if self.published:
            self.mean, self.sd = PUBLISHED_MEAN, PUBLISHED_SD
        else:
            self.mean, self.sd = statistics["oe"]["mean"], statistics["oe"]["sd"]
        self.bn_eps = bn_eps if bn_eps is not None else 1e-5 if self.published else 1e-3
        self.bottleneck = bottleneck

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, bottleneck, 1, S)"""
        raise NotImplementedError

    def pixels(self, x: Tensor) -> Tensor:
        """(B, bottleneck, 1, S) -> (B, targets, S, S)."""
        raise NotImplementedError

    def full_map(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, targets, W, W): the prediction before it is cropped."""
        y = self.pixels(self.features(batch))  # (B, targets, S, S)
        if y.shape[-1] != self.window_bins:
            y = F.interpolate(y, size=(self.window_bins, self.window_bins), mode="bilinear", align_corners=False)
        y = self.mean + self.sd * y
        return y.clamp(-self.clip, self.clip) if self.published or not self.training else y

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return blocks.crop(self.full_map(batch), self.crop_bins)


class SequenceToMap(BinsToMap):
    """`sequence` (B, L) -> a map as `BinsToMap`, on the trunk; channels: its width."""

    def __init__(
        self,
        geometry: Geometry,
        *,
        channels: int,
        bottleneck: int,
        trunk_blocks: int,
        trunk_dropout: float,
        **common,
    ):
        super().__init__(geometry, bottleneck=bottleneck, **common)
        self.trunk = make_trunk(
            geometry,
            channels=channels,
            bottleneck=bottleneck,
            depth=trunk_blocks,
            dropout=trunk_dropout,
            bn_eps=self.bn_eps,
        )

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        blocks.check_length(batch["sequence"], self.window_bp)
        return self.trunk(blocks.one_hot(batch["sequence"]))
