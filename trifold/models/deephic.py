"""Low contacts -> deep contacts: DeepHiC (Hong et al. 2020), its discriminator, and the features of its loss.

Contacts are cut at an upper bound and divided by it, low and deep map each by its own; the generator keeps the size.

- "published": bounds of 100 for 1/16 of the reads of GM12878 at 10 kb (80, 50 and 25 for 1/25, 1/50 and 1/100: option
  `low_clip`) and 255 for the deep map. The released code divides the deep map by the chromosome's largest value after
  the cut, which is 255 where any pixel reaches it. Windows are cut into 40 × 40 tiles and put together again; every
  convolution pads every tile with zeros, so predictions change at the tiles' borders.
- "corrected": the bounds are what the paper says they are, 99.9 % quantiles, here of the training regions; the network
  sees the whole window, and the output is symmetrised. Zeros at the border reach 19 bins in (the released network for
  1/16 of the raw contacts, on chr22: they change the outermost bins by 0.011 on average, bin 6 by 0.006, bin 12 by
  0.004), so no affordable crop removes them: convolutions mirror the map at its border, and 6 bins are cropped, which
  leaves the pixels that the other image models predict.

Layers and initial weights (torch's own) are the released ones in both. As in every network with batch norm, "published"
keeps its running statistics as the steps leave them; in "corrected" they are taken anew from training windows
(`training.regression`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.checkpoint import Checkpoint, of_contacts

# Read by trifold.architectures from the source.
CORRECTED_CROP_BINS = 6
ARCHITECTURES = {
    "deephic": {
        "network": "Generator",
        "inputs": ["map"],
        "target": "counts",
        "crop_bins": CORRECTED_CROP_BINS,
        "options": {"channels": 64, "residual_blocks": 5, "low_clip": None, "deep_clip": None, "tile_bins": 40},
        "kinds": {"low_clip": "float", "deep_clip": "float"},
    },
    "vgg16": {"network": "VGG16Features", "inputs": [], "target": "counts", "predicts": False},
}
_HICARN = {"low_clip": 100.0}  # retrained there; low maps of every depth are cut at 100
CHECKPOINTS = {
    **{
        f"weights_deephic_{short}_{depth}.pth": Checkpoint("deephic", {"low_clip": clip}, of_contacts(bias, depth))
        for short, bias in (("raw", "raw"), ("kr", "balanced"))
        for depth, clip in ((16, 100.0), (25, 80.0), (50, 50.0), (100, 25.0))
    },
    **{
        f"weights_hicarn_deephic_{depth}ds.pytorch": Checkpoint("deephic", _HICARN, of_contacts(None, depth))
        for depth in (16, 32, 64, 100)
    },
    "weights_vgg16.pth": Checkpoint("vgg16", {}, {}, whole=False),
}

PUBLISHED_LOW_CLIP, PUBLISHED_DEEP_CLIP = 100.0, 255.0


class ResidualBlock(nn.Module):
    """x + (conv, batch norm, swish, conv, batch norm)."""

    def __init__(self, channels: int, padding_mode: blocks.Border):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=padding_mode)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bn2(self.conv2(F.silu(self.bn1(self.conv1(x)))))


@blocks.declared(ARCHITECTURES["deephic"])
class Generator(blocks.Architecture):
    """`map` (B, 1, W, W), contacts per pixel -> (B, 1, W - 2c, W - 2c) on [0, 1], in units of `deep_clip`.

    low_clip, deep_clip: largest contacts of the input and the target, None follows the protocol. tile_bins: side of the
    tiles of "published"; windows no larger stay whole.
    statistics: `counts` {low_q999, deep_q999}, read by "corrected" only.
    """

    context = ("protocol", "statistics")
    has_batch_norm = True

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        channels: int,
        residual_blocks: int,
        low_clip: float | None,
        deep_clip: float | None,
        tile_bins: int,
    ):
        super().__init__()
        self.published = protocol == "published"
        self.crop_bins = 0 if self.published else CORRECTED_CROP_BINS
        self.tile_bins = tile_bins

        def bound(given: float | None, published: float, name: str) -> float:
            if given is not None:
                return given
            return published if self.published else blocks.contacts_statistic(statistics, name)

        self.low_clip = bound(low_clip, PUBLISHED_LOW_CLIP, "low_q999")
        self.deep_clip = bound(deep_clip, PUBLISHED_DEEP_CLIP, "deep_q999")
        border = "zeros" if self.published else "reflect"
        self.conv1 = nn.Conv2d(1, channels, 9, padding=4, padding_mode=border)
        self.resblocks = nn.Sequential(*(ResidualBlock(channels, border) for _ in range(residual_blocks)))
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=border)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 1, 9, padding=4, padding_mode=border)

    def encode(self, target: Tensor) -> Tensor:
        return target.clamp(max=self.deep_clip) / self.deep_clip

    def decode(self, output: Tensor) -> Tensor:
        return output * self.deep_clip

    def network(self, x: Tensor) -> Tensor:
        """(N, 1, S, S) on [0, 1] -> the same: the layers alone."""
        first = F.silu(self.conv1(x))  # (N, C, S, S)
        y = F.silu(self.bn2(self.conv2(self.resblocks(first))))
        return (torch.tanh(self.conv3(first + y)) + 1) / 2

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x = batch["map"].clamp(max=self.low_clip) / self.low_clip
        if self.published:
            y = self.network(blocks.tiles(x, self.tile_bins, self.tile_bins))  # (B·T·T, 1, 40, 40)
            return blocks.untile(y, x.shape[-1], self.tile_bins)
        return blocks.symmetrise(blocks.crop(self.network(x), self.crop_bins))


class Discriminator(nn.Module):
    """Maps (N, 1, S, S) of any size -> probability (N,) that each is a deep map: the mean's sigmoid."""

    def __init__(self, channels: int = 64):
        super().__init__()
        wide, widest = 2 * channels, 4 * channels
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(channels, wide, 3, padding=1)
        self.conv4 = nn.Conv2d(wide, wide, 3, stride=2, padding=1)
        self.conv5 = nn.Conv2d(wide, widest, 3, padding=1)
        self.conv6 = nn.Conv2d(widest, widest, 3, stride=2, padding=1)
        self.bn2, self.bn3, self.bn4 = nn.BatchNorm2d(channels), nn.BatchNorm2d(wide), nn.BatchNorm2d(wide)
        self.bn5, self.bn6 = nn.BatchNorm2d(widest), nn.BatchNorm2d(widest)
        self.conv7 = nn.Conv2d(widest, 1, 1)

    def forward(self, maps: Tensor) -> Tensor:
        x = F.silu(self.conv1(maps))
        x = F.silu(self.bn2(self.conv2(x)))  # (N, C, S/2, S/2)
        x = F.silu(self.bn3(self.conv3(x)))
        x = F.silu(self.bn4(self.conv4(x)))  # (N, 2C, S/4, S/4)
        x = F.silu(self.bn5(self.conv5(x)))
        x = F.silu(self.bn6(self.conv6(x)))  # (N, 4C, S/8, S/8)
        return torch.sigmoid(self.conv7(x).mean(dim=(1, 2, 3)))


class _GreyFeatures(nn.Sequential):
    """Maps (N, 1, S, S) as three equal colours through the layers, on [0, 1], without ImageNet's mean and deviation."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.expand(-1, 3, -1, -1))


@blocks.declared(ARCHITECTURES["vgg16"])
class VGG16Features(blocks.Architecture):
    """VGG-16's convolutions (Simonyan & Zisserman 2015), for the perceptual loss of DeepHiC and HiCARN.

    `features(maps)`: (N, 1, S, S), S of 32 or more -> (N, 512, S // 32, S // 32). The layers and keys are torchvision's
    `features`, all 31 of them. The weights are a published file; nothing here can train them.
    """

    def __init__(self, geometry: Geometry):
        super().__init__()
        layers, channels_in = [], 3
        for channels, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU()]
                channels_in = channels
            layers.append(nn.MaxPool2d(2))
        self.features = _GreyFeatures(*layers)

    def loss(self, maps: Tensor) -> Tensor:
        raise InputError(
            "architecture 'vgg16' cannot be trained here: its features are those learned from photographs; give the "
            "arm the published weights (`weights`: weights_vgg16.pth of datasets.tsv)"
        )

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.loss(batch[self.target])
