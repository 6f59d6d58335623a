"""Low map -> deep map: the generator of HiCSR (Dimmick et al. 2020) and VEHiCLE (Highsmith & Cheng 2021), and VEHiCLE's
discriminator. What they are trained with is in `trifold.training.losses`, the auto-encoder of the loss in `vae`.

Convolutions without padding take 6 bins off every side. VEHiCLE ends in a sigmoid, HiCSR in a tanh.
The maps are those on [0, 1] of Kriukov et al. 2021 (normalisation "observed"), or contacts clipped at a quantile and
divided by it, as in Highsmith & Cheng ("quantile").

- "published" is exact: the map is generated from nothing but features, and need not be symmetric.
- "corrected" departs from both papers: the symmetrised output is added to the logit of the input,
  ``sigmoid(logit(clamp(x)) + y)``, and the last layer starts at zero. Training starts at the no-model row and learns a
  correction, instead of first learning to copy the input through twenty layers.
- "published" keeps batch norm's running statistics as its steps leave them, with the released momentum; in "corrected"
  they are taken anew from training windows (`training.regression`).
- Highsmith & Cheng take the 99.9 % quantile of each chromosome's whole matrix, test chromosomes included; here, in both
  protocols, it is that of the training regions' pixels.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.checkpoint import GM12878_REPLICATE, MICRO_C, Checkpoint
from trifold.models.generator import CROP_BINS, LOGIT_MARGIN, ResidualBlock, initialise
from trifold.models.quantile import BY_QUANTILE, clipped, quantiles

# Read by trifold.architectures from the source.
ARCHITECTURES = {
    "vehicle": {
        "network": "Generator",
        "inputs": ["map"],
        "target": "observed",
        "crop_bins": CROP_BINS,
        "options": {
            "channels": 64,
            "residual_blocks": 15,
            "final_channels": None,
            "activation": "sigmoid",
            "residual": None,
            "normalisation": "observed",
        },
        "kinds": {"final_channels": "list", "residual": "bool"},
        "choices": {"activation": ["sigmoid", "tanh"], "normalisation": ["observed", "quantile"]},
        "when": BY_QUANTILE,
    },
}
CHECKPOINTS = {
    "weights_vehicle_gan.ckpt": Checkpoint("vehicle", {"normalisation": "quantile"}, GM12878_REPLICATE, whole=False),
    "weights_dl2021_vehicle.ckpt": Checkpoint("vehicle", {}, MICRO_C, whole=False),
}

ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh}


@blocks.declared(ARCHITECTURES["vehicle"])
class Generator(blocks.Architecture):
    """`map` (B, 1, W, W) -> (B, 1, W - 12, W - 12) on [0, 1].

    final_channels None is (2, 2, 4, 4) times `channels`, as published for 64; residual None follows the protocol.
    normalisation: "observed" reads and predicts maps on [0, 1]; "quantile" contacts, which it divides by their 99.9 %
    quantile over the training pixels (statistics `counts`: low_q999, deep_q999) after clipping them there.
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
        final_channels: list[int] | None,
        activation: str,
        residual: bool | None,
        normalisation: str,
    ):
        super().__init__()
        self.quantiles = quantiles(normalisation, statistics)
        self.target = "counts" if self.quantiles else "observed"
        self.activation = ACTIVATIONS[activation]
        self.residual = protocol == "corrected" if residual is None else residual
        widths = [channels, *(final_channels or (2 * channels, 2 * channels, 4 * channels, 4 * channels)), 1]
        self.pre_res_block = nn.Sequential(nn.Conv2d(1, channels, 3), nn.ReLU())
        self.res_blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(residual_blocks)))
        self.post_res_block = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        # Five convolutions with nothing between them, as published.
        self.final_block = nn.Sequential(*(nn.Conv2d(a, b, 3) for a, b in pairwise(widths)))
        initialise(self)
        if self.residual:
            for parameter in self.final_block[-1].parameters():
                nn.init.zeros_(parameter)

    def encode(self, target: Tensor) -> Tensor:
        return clipped(target, self.quantiles["deep"]) if self.quantiles else target

    def decode(self, output: Tensor) -> Tensor:
        return output * self.quantiles["deep"] if self.quantiles else output

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x = clipped(batch["map"], self.quantiles["low"]) if self.quantiles else batch["map"]
        before = self.pre_res_block(x)  # (B, C, W - 2, W - 2)
        y = self.final_block(before + self.post_res_block(self.res_blocks(before)))  # (B, 1, W - 12, W - 12)
        if not self.residual:
            return self.activation(y)
        start = blocks.crop(x, CROP_BINS).clamp(LOGIT_MARGIN, 1 - LOGIT_MARGIN)
        return torch.sigmoid(torch.logit(start) + blocks.symmetrise(y))


class Discriminator(nn.Module):
    """Maps (N, 1, S, S) on [0, 1] -> logits (N, 1, ⌈S/16⌉, ⌈S/16⌉) that the map is a deep one (188 -> 12, 257 -> 17).

    channels: widths of the convolutions, each of which halves the side; no convolution has a bias.
    """

    def __init__(self, channels: tuple[int, ...] = (64, 128, 256, 512)):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, channels[0], 3, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)]
        for before, width in pairwise(channels):
            layers += [nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width)]
            layers.append(nn.LeakyReLU(0.2))
        self.conv = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 1, bias=False))
        self.smallest = 2 ** len(channels) + 1
        initialise(self)

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[-1] < self.smallest:  # a single pixel would be left, which batch norm makes zero
            raise InputError(
                f"VEHiCLE's discriminator needs maps of at least {self.smallest} bins and got {maps.shape[-1]}; raise "
                "geometry/window_bins, or train with loss l1"
            )
        return self.conv(maps)
