"""Low contacts -> deep contacts: HiCSR (Dimmick et al. 2020): VEHiCLE's generator with tanh, a discriminator of 28 × 28
tiles, and the denoising auto-encoder whose features its loss compares.

Values are log2(contacts + 1), divided by its maximum and brought to [-1, 1]. The released code takes each chromosome's
own maximum, test chromosomes included; here, in both protocols, it is that of the training regions' pixels.

- "published": windows are cut into 40 × 40 tiles with stride 28 and the 28 × 28 outputs put together. A window's maps
  are the same as without tiles but for the borders that the inner, padded convolutions see. The released code predicts
  the upper triangle and mirrors it; here the whole map is predicted, and need not be symmetric.
- "corrected": the released network on the whole window, its output symmetrised.
- "published" keeps batch norm's running statistics as its steps leave them, with the released momentum; in "corrected"
  they are taken anew from training windows (`training.regression`).
"""

import math

import torch
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks, vehicle
from trifold.models.checkpoint import Checkpoint, of_contacts
from trifold.models.generator import CROP_BINS, initialise

# Read by trifold.architectures from the source.
ARCHITECTURES = {
    "hicsr": {
        "network": "Generator",
        "inputs": ["map"],
        "target": "counts",
        "crop_bins": CROP_BINS,
        "options": {"channels": 64, "residual_blocks": 15, "final_channels": None, "tile_bins": 40},
        "kinds": {"final_channels": "list"},
    },
    "hicsr-dae": {
        "network": "DenoisingAutoEncoder",
        "inputs": [],
        "target": "counts",
        "predicts": False,
        "crop_bins": CROP_BINS,
        "least_window_bins": 14,
        "window_step": 2,
        "options": {"channels": 64, "noise": 0.1},
    },
}
CHECKPOINTS = {
    "weights_hicsr.pth": Checkpoint("hicsr", {}, of_contacts("raw", 16)),
    "weights_hicsr_dae.pth": Checkpoint("hicsr-dae", {}, of_contacts("raw", None)),
}


def log_scaled(contacts: Tensor, largest: float) -> Tensor:
    """Contacts 0..largest -> -1..1, by log2(contacts + 1)."""
    return 2 * torch.log2(contacts + 1) / math.log2(largest + 1) - 1


def contacts_of(values: Tensor, largest: float) -> Tensor:
    """The inverse of `log_scaled`."""
    return torch.exp2((values + 1) / 2 * math.log2(largest + 1)) - 1


@blocks.declared(ARCHITECTURES["hicsr"])
class Generator(vehicle.Generator):
    """`map` (B, 1, W, W), contacts per pixel -> (B, 1, W - 12, W - 12) on [-1, 1].

    statistics: `counts` {low_max, deep_max}. tile_bins: side of the tiles of "published"; windows no larger stay whole.
    The other options are those of VEHiCLE's generator.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        channels: int,
        residual_blocks: int,
        final_channels: list[int] | None,
        tile_bins: int,
    ):
        super().__init__(
            geometry,
            protocol=protocol,
            statistics=statistics,
            channels=channels,
            residual_blocks=residual_blocks,
            final_channels=final_channels,
            activation="tanh",
            residual=False,
            normalisation="observed",
        )
        self.target = "counts"  # the parent's follows its normalisation
        self.published, self.tile_bins = protocol == "published", tile_bins
        self.low_max = blocks.contacts_statistic(statistics, "low_max")
        self.deep_max = blocks.contacts_statistic(statistics, "deep_max")

    def encode(self, target: Tensor) -> Tensor:
        return log_scaled(target, self.deep_max)

    def decode(self, output: Tensor) -> Tensor:
        return contacts_of(output, self.deep_max)

    def network(self, x: Tensor) -> Tensor:
        """(N, 1, S, S) on [-1, 1] -> (N, 1, S - 12, S - 12): the layers alone."""
        return super().forward({"map": x})

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x = log_scaled(batch["map"], self.low_max)
        if self.published:
            lost = 2 * self.crop_bins
            y = self.network(blocks.tiles(x, self.tile_bins, self.tile_bins - lost))  # (B·T·T, 1, 28, 28)
            return blocks.untile(y, x.shape[-1] - lost, self.tile_bins - lost)
        return blocks.symmetrise(self.network(x))


class Discriminator(nn.Module):
    """Maps (N, 1, 28, 28) on [-1, 1] -> logits (N, 1, 1, 1) that each is a deep map.

    As DCGAN: four convolutions without bias, of `channels` times 1, 2, 4 and 8. Larger maps give maps of logits.
    """

    def __init__(self, channels: int = 64):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, channels, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)]
        for before in (channels, 2 * channels, 4 * channels):
            layers += [nn.Conv2d(before, 2 * before, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(2 * before)]
            layers.append(nn.LeakyReLU(0.2))
        # (N, 8·channels, 1, 1) -> (N, 1, 1, 1)
        self.conv = nn.Sequential(*layers, nn.Conv2d(8 * channels, 1, 1, bias=False))
        initialise(self)

    def forward(self, maps: Tensor) -> Tensor:
        return self.conv(maps)


@blocks.declared(ARCHITECTURES["hicsr-dae"])
class DenoisingAutoEncoder(blocks.Architecture):
    """The network of HiCSR's feature loss: deep maps (B, 1, W, W) -> themselves, (B, 1, W - 12, W - 12), on [-1, 1].

    Encoder: five convolutions, the first halves the side; decoder: their transposes; the second and fourth features and
    the input are added on the way back. noise: standard deviation added to the input in training.
    statistics: `counts` {deep_max}. Both protocols are one network; "corrected" symmetrises what `forward` gives.
    """

    context = ("protocol", "statistics")

    def __init__(self, geometry: Geometry, *, protocol: str, statistics: dict, channels: int, noise: float):
        super().__init__()
        if geometry.window_bins % 2:
            raise InputError(
                f"geometry/window_bins: {geometry.window_bins} is odd, and 'hicsr-dae' halves and doubles the side of "
                "its maps; choose an even number"
            )
        self.published, self.noise = protocol == "published", noise
        self.deep_max = blocks.contacts_statistic(statistics, "deep_max")
        self.conv_layers = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, channels, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()) for _ in range(4)),
        )
        self.deconv_layers = nn.Sequential(
            *(nn.Sequential(nn.ConvTranspose2d(channels, channels, 3, padding=1), nn.ReLU()) for _ in range(4)),
            nn.ConvTranspose2d(channels, 1, 3, stride=2, padding=1, output_padding=1),
        )

    def encode(self, target: Tensor) -> Tensor:
        return log_scaled(target, self.deep_max)

    def decode(self, output: Tensor) -> Tensor:
        return contacts_of(output, self.deep_max)

    def features(self, maps: Tensor) -> list[Tensor]:
        """(N, 1, S, S) on [-1, 1], S even -> the five encoder convolutions before ReLU, (N, C, S/2, S/2) each."""
        features, x = [], maps
        for layer in self.conv_layers:
            convolution, activation = layer.children()
            features.append(convolution(x))
            x = activation(features[-1])
        return features

    def network(self, maps: Tensor) -> Tensor:
        """(N, 1, S, S) on [-1, 1], S even -> the same, reconstructed."""
        features = self.features(maps)
        second, fourth, last = (torch.relu(features[i]) for i in (1, 3, 4))
        x = torch.relu(self.deconv_layers[0](last) + fourth)
        x = torch.relu(self.deconv_layers[2](self.deconv_layers[1](x)) + second)
        x = self.deconv_layers[4](self.deconv_layers[3](x))  # (N, 1, S, S)
        return torch.tanh(x + maps)

    def loss(self, maps: Tensor) -> Tensor:
        """Mean squared error of the reconstruction; in training that of the maps with noise added, kept on [-1, 1]."""
        given = (maps + self.noise * torch.randn_like(maps)).clamp(-1, 1) if self.training else maps
        return nn.functional.mse_loss(self.network(given).float(), maps)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        y = self.network(blocks.crop(self.encode(batch["counts"]), self.crop_bins))
        return y if self.published else blocks.symmetrise(y)
