"""Low contacts -> deep contacts: hicGAN (Liu, Lv & Jiang 2019), and its discriminator of 40 × 40 maps.

Values are log2(contacts + 1) over its maximum, brought to [-1, 1], low and deep map each by its own. The generator
keeps the size: residual blocks, what the first convolution gave added to what they give, then three convolutions
without an activation between them.

The released code first multiplies the contacts of every chromosome by what the largest one has over its own, and takes
each chromosome's own maximum, of the deep map of test chromosomes too. Here, in both protocols, both are one number for
all chromosomes: the factor is the option `chromosome_factor`, 1 unless it is given, which reads every chromosome as the
released code reads the largest; the maxima are those of the training regions' pixels, as in HiCSR. Windows with less
than 5 % of their pixels above 0, which it drops, stay: what is left out are windows with bad bins (`geometry`).

- "published": windows are cut into 40 × 40 tiles and put together again, and every convolution pads every tile with
  zeros, so predictions change at the tiles' borders. Trained by the adversarial term alone: the mean square error is
  computed in the released code and not used (`trifold.loss_terms`).
- "corrected": as the paper says, mean square error and 0.1 of the adversarial term. The network sees the whole window
  and its output is symmetrised; zeros at the border reach 14 bins in, so convolutions mirror the map there, and 6 bins
  are cropped, which leaves the pixels that the other image models predict.

Layers and initial weights are the released ones in both: convolutions N(0, 0.02), batch-norm scales N(1, 0.02), biases
0; the discriminator's dense layers start as TensorLayer's do, a truncated N(0, 0.1). As in every network with batch
norm, "published" keeps its running statistics as the steps leave them; in "corrected" they are taken anew from training
windows (`training.regression`).
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.checkpoint import Checkpoint, of_contacts
from trifold.models.generator import ResidualBlock, initialise
from trifold.models.hicsr import contacts_of, log_scaled

# Read by trifold.architectures from the source.
CORRECTED_CROP_BINS = 6
ARCHITECTURES = {
    "hicgan": {
        "network": "Generator",
        "inputs": ["map"],
        "target": "counts",
        "crop_bins": CORRECTED_CROP_BINS,
        "options": {"channels": 64, "residual_blocks": 5, "chromosome_factor": 1.0, "tile_bins": 40},
    },
}
CHECKPOINTS = {"weights_hicgan_gm12878.safetensors": Checkpoint("hicgan", {}, of_contacts("raw", 16))}

SIDE_BINS = 40  # of the maps that the discriminator reads; `trifold.loss_terms.LEAST_BINS` refuses smaller ones


@blocks.declared(ARCHITECTURES["hicgan"])
class Generator(blocks.Architecture):
    """`map` (B, 1, W, W), contacts per pixel -> (B, 1, W - 2c, W - 2c) on [-1, 1].

    chromosome_factor: contacts are multiplied by it before the logarithm. tile_bins: side of the tiles of "published";
    windows no larger stay whole.
    statistics: `counts` {low_max, deep_max}.
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
        chromosome_factor: float,
        tile_bins: int,
    ):
        super().__init__()
        self.published = protocol == "published"
        self.crop_bins = 0 if self.published else CORRECTED_CROP_BINS
        self.factor, self.tile_bins = chromosome_factor, tile_bins
        self.low_max = chromosome_factor * blocks.contacts_statistic(statistics, "low_max")
        self.deep_max = chromosome_factor * blocks.contacts_statistic(statistics, "deep_max")
        border: blocks.Border = "zeros" if self.published else "reflect"
        self.head = nn.Conv2d(1, channels, 3, padding=1, padding_mode=border)
        self.blocks = nn.Sequential(*(ResidualBlock(channels, border, bias=False) for _ in range(residual_blocks)))
        middle = nn.Conv2d(channels, channels, 3, padding=1, padding_mode=border, bias=False)
        self.middle = nn.Sequential(OrderedDict(conv=middle, bn=nn.BatchNorm2d(channels)))
        self.tail = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, padding=1, padding_mode=border),
            nn.Conv2d(2 * channels, 4 * channels, 3, padding=1, padding_mode=border),
            nn.Conv2d(4 * channels, 1, 1),
        )
        _start(self)

    def encode(self, target: Tensor) -> Tensor:
        return log_scaled(self.factor * target, self.deep_max)

    def decode(self, output: Tensor) -> Tensor:
        return contacts_of(output, self.deep_max) / self.factor

    def network(self, x: Tensor) -> Tensor:
        """(N, 1, S, S) on [-1, 1] -> the same: the layers alone."""
        first = torch.relu(self.head(x))  # (N, C, S, S)
        return torch.tanh(self.tail(self.middle(self.blocks(first)) + first))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x = log_scaled(self.factor * batch["map"], self.low_max)
        if self.published:
            y = self.network(blocks.tiles(x, self.tile_bins, self.tile_bins))  # (B·T·T, 1, 40, 40)
            return blocks.untile(y, x.shape[-1], self.tile_bins)
        return blocks.symmetrise(blocks.crop(self.network(x), self.crop_bins))


class Discriminator(nn.Module):
    """Maps (N, 1, 40, 40) on [-1, 1] -> logits (N, 1) that each is a deep map.

    Every convolution but the first is without bias, and followed by LeakyReLU and then batch norm, in this order. Where
    they halve the side they pad after the last bin alone, as TensorFlow does. Raises InputError for maps of another
    side: its dense layers take no other.
    """

    def __init__(self, channels: int = 64):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, padding=1), nn.LeakyReLU(0.2)]
        for after, stride in ((channels, 2), (channels, 1), (channels, 2), (channels, 1), (channels, 2)):
            layers += self._layer(channels, after, stride)
        self.conv = nn.Sequential(*layers, *self._layer(channels, 2 * channels, 1))  # (N, 2C, S/8, S/8)
        self.dense = nn.Sequential(
            nn.Linear(2 * channels * (SIDE_BINS // 8) ** 2, 512), nn.LeakyReLU(0.2), nn.Linear(512, 1)
        )
        _start(self)

    @staticmethod
    def _layer(before: int, after: int, stride: int) -> list[nn.Module]:
        padding = nn.ZeroPad2d((0, 1, 0, 1) if stride == 2 else 1)
        convolution = nn.Conv2d(before, after, 3, stride=stride, bias=False)
        return [padding, convolution, nn.LeakyReLU(0.2), nn.BatchNorm2d(after)]

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[-1] != SIDE_BINS:
            raise InputError(
                f"loss hicgan: its discriminator reads maps of {SIDE_BINS} bins and got {maps.shape[-1]}; raise "
                "geometry/window_bins, or choose another training/loss"
            )
        return self.dense(self.conv(maps).flatten(1))


def _start(network: nn.Module) -> None:
    """The published start: `generator.initialise`, dense layers a truncated N(0, 0.1), biases of both 0."""
    initialise(network)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, 0.0, 0.1, -0.2, 0.2)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
