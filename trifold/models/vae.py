"""Auto-encoder of deep maps: the variational one inside VEHiCLE's loss (Highsmith & Cheng 2021, Kriukov et al. 2021).

Convolutions of stride 2 down to a few pixels, a Gaussian latent vector, the same steps back up. Six of them take 188
pixels to 3 (Kriukov et al.), seven 257 (Highsmith & Cheng). It only serves a loss: `encode_map` gives the mean of the
latent vector, which VEHiCLE compares between a prediction and its target.

Both protocols are the released networks; running statistics of batch norm are as the steps leave them in "published",
taken anew from training windows in "corrected" (`training.regression`). In evaluation the reconstruction is that of the
latent mean; the released validation draws from the latent distribution there too. The latent vector has 200 entries;
what Kriukov et al. call its dimension, 4608, is that of the layer before it. Their script weighs the Kullback-Leibler
term by 1e-6, the settings shipped beside their weights by 1e-5.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.checkpoint import GM12878_REPLICATE, MICRO_C, Checkpoint
from trifold.models.quantile import BY_QUANTILE, clipped, quantiles

# Read by trifold.architectures from the source.
ARCHITECTURES = {
    "vae": {
        "network": "VAE",
        "inputs": [],
        "target": "observed",
        "predicts": False,
        "least_window_bins": 17,
        "halved_by": "channels",
        "options": {"channels": None, "latent": 200, "crop_bins": 6, "kl_weight": 1e-6, "normalisation": "observed"},
        "kinds": {"channels": "list"},
        "choices": {"normalisation": ["observed", "quantile"]},
        "when": BY_QUANTILE,
    },
}
CHECKPOINTS = {
    "weights_vehicle_vae.ckpt": Checkpoint("vae", {"normalisation": "quantile"}, GM12878_REPLICATE, whole=False),
    "weights_dl2021_vehicle_vae.ckpt": Checkpoint("vae", {}, MICRO_C, whole=False),
}

# Widths of the original; fewer of them for maps that would shrink below SMALLEST pixels.
CHANNELS = (32, 64, 128, 256, 256, 512, 512)
SMALLEST = 3


def sides(side: int, steps: int) -> list[int]:
    """Pixels before, between and after `steps` convolutions of stride 2: 188, 94, 47, 24, 12, 6, 3."""
    pixels = [side]
    for _ in range(steps):
        pixels.append((pixels[-1] + 1) // 2)
    return pixels


def _up(before: int, width: int, small: int, large: int) -> list[nn.Module]:
    """Transposed convolution from `small` to `large` = 2·small or 2·small - 1 pixels, batch norm, activation."""
    padding = large - (2 * small - 1)
    convolution = nn.ConvTranspose2d(before, width, 3, stride=2, padding=1, output_padding=padding)
    return [convolution, nn.BatchNorm2d(width), nn.LeakyReLU()]


@blocks.declared(ARCHITECTURES["vae"])
class VAE(blocks.Architecture):
    """The deep map, cropped to (B, 1, S, S) with S = W - 2·crop_bins, reconstructed on [0, 1].

    channels: width after each halving; None takes as many of `CHANNELS` as leave at least 3 pixels. latent: entries of
    the latent vector. kl_weight: weight of the Kullback-Leibler term. normalisation: as VEHiCLE's generator.
    """

    context = ("statistics",)
    has_batch_norm = True

    def __init__(
        self,
        geometry: Geometry,
        *,
        statistics: dict,
        channels: list[int] | None,
        latent: int,
        crop_bins: int,
        kl_weight: float,
        normalisation: str,
    ):
        super().__init__()
        self.quantiles = quantiles(normalisation, statistics)
        self.target = "counts" if self.quantiles else "observed"
        self.crop_bins, self.kl_weight = crop_bins, kl_weight
        self.side = geometry.window_bins - 2 * crop_bins
        if channels is None:
            channels = [width for width, left in zip(CHANNELS, sides(self.side, len(CHANNELS))[1:]) if left >= SMALLEST]
        steps = sides(self.side, len(channels))
        if not channels or steps[-1] < 2:
            raise InputError(
                f"an auto-encoder of maps of {self.side} bins with channels {list(channels)} leaves fewer than 2 "
                "pixels; give its option `channels` fewer entries, or raise geometry/window_bins"
            )
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU())
                for a, b in pairwise([1, *channels])
            )
        )
        self.smallest = (channels[-1], steps[-1], steps[-1])
        flat = channels[-1] * steps[-1] ** 2
        self.fc_mu, self.fc_var = nn.Linear(flat, latent), nn.Linear(flat, latent)
        self.decoder_input = nn.Linear(latent, flat)
        widths, rising = [*channels[::-1], channels[0]], steps[::-1]
        *ups, last = [_up(*wide, *tall) for wide, tall in zip(pairwise(widths), pairwise(rising))]
        self.decoder = nn.Sequential(*(nn.Sequential(*up) for up in ups))
        self.final_layer = nn.Sequential(*last, nn.Conv2d(channels[0], 1, 3, padding=1), nn.Sigmoid())

    def encode(self, target: Tensor) -> Tensor:
        return clipped(target, self.quantiles["deep"]) if self.quantiles else target

    def decode(self, output: Tensor) -> Tensor:
        return output * self.quantiles["deep"] if self.quantiles else output

    def encode_map(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, S, S) on [0, 1] -> mean and log variance of the latent vector, (N, latent) each."""
        if maps.shape[-1] != self.side:
            raise InputError(
                f"the auto-encoder was built for maps of {self.side} bins and got {maps.shape[-1]}; train it with the "
                "geometry and the crop_bins of the arm whose loss it serves"
            )
        features = self.encoder(maps).flatten(1)  # (N, C·s·s)
        return self.fc_mu(features), self.fc_var(features)

    def reconstruct(self, latent: Tensor) -> Tensor:
        """(N, latent) -> (N, 1, S, S)."""
        features = self.decoder_input(latent).view(-1, *self.smallest)  # (N, C, s, s)
        return self.final_layer(self.decoder(features))

    def _sample(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """A draw from the latent distribution; in evaluation its mean."""
        return mean + torch.randn_like(mean) * (log_variance / 2).exp() if self.training else mean

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        maps = blocks.crop(self.encode(batch[self.target]), self.crop_bins)
        return self.reconstruct(self._sample(*self.encode_map(maps)))

    def loss(self, maps: Tensor) -> Tensor:
        """Mean square error of the reconstruction plus kl_weight × the Kullback-Leibler divergence from N(0, 1)."""
        mean, log_variance = self.encode_map(maps)
        reconstruction = self.reconstruct(self._sample(mean, log_variance))
        return F.mse_loss(reconstruction.float(), maps) + self.kl_weight * divergence(
            mean.float(), log_variance.float()
        )


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1): summed over the vector, mean over windows."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
