"""Low map and, where there are any, tracks -> the rate of contacts of every pixel, and how sure that is.

Our own model; no paper has it. What it reads is free of units, so that one set of weights serves maps of any depth,
bin width and organism: of every pixel its contacts n and those expected there, e (the mean of the map at that distance,
over the balancing weights of the two bins), from which everything else follows:

- ln of smoothed n over smoothed e, under Gaussians of several widths, each drawn towards 0 where contacts are few;
- how far n lies from e, in standard deviations of a Poisson count; ln(1 + n); ln e, which holds depth and bias;
- ln distance in bins, and which pixels there are.

It predicts ln O/E: a mixture of the smoothed maps, chosen pixel by pixel, and a residual on it. Beside it the variance
of the rate itself, relative to its square, with which contacts are negative binomial: the Poisson's noise is not in it.
The loss (`trifold.training.rates`) is the likelihood of contacts that the low map does not have, as counts: what is
expected, and balancing weights, are factors of the rate, and no noise of balancing is in a target.

Tracks, any number of them and known by their names, enter as features of the two bins of a pixel, added and multiplied.
In training each is left out of a window with the chance `leave_out`, and a vector of its own stands for it, as it does
for a track that a map comes without. `control: shuffled` gives bins the features of other bins of their window.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks

# Read by trifold.architectures from the source. Sizes: `small` (the default) for a laptop; base: channels 64,
# residual_blocks 10.
ARCHITECTURES = {
    "trifold": {
        "network": "Trifold",
        "inputs": ["map"],
        "target": "rates",
        "tasks": {"rates": {}},
        "any_bins": True,
        "options": {
            "channels": 24,
            "residual_blocks": 6,
            "track_channels": 16,
            "leave_out": 0.3,
            "reads_tracks": False,
            "control": "none",
            "depths": [4, 256],
        },
        "choices": {"control": ["none", "shuffled"]},
        "when": {"reads_tracks": {True: {"inputs": ["map", "tracks"]}}},
        "training": {
            "corrected": {"learning_rate": 0.001, "optimiser": "adamw", "schedule": "cosine", "batch_size": 8},
        },
    },
}

SIGMAS_BINS = (1.0, 2.0, 4.0)
PRIOR_COUNTS = 1.0  # contacts under a Gaussian that its ratio is drawn towards 0 with
LEAST_EXPECTED = 1e-6
MAP_CHANNELS = len(SIGMAS_BINS) + 5
DILATIONS = (1, 2, 4, 8)
LOG_DISPERSION = -3.0  # at the start
GROUPS = 8
SHUFFLE_SEED = 1


def gaussian(sigma_bins: float) -> Tensor:
    """Weights of one axis, of sum 1, out to three widths."""
    radius = round(3 * sigma_bins)
    steps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    weights = torch.exp(-(steps**2) / (2 * sigma_bins**2))
    return weights / weights.sum()


def smoothed(maps: Tensor, kernel: Tensor) -> Tensor:
    """(B, C, W, W) under a Gaussian along both axes; beyond the window there is nothing."""
    channels, half = maps.shape[1], len(kernel) // 2
    row = kernel.expand(channels, 1, 1, -1)
    maps = F.conv2d(maps, row, padding=(0, half), groups=channels)
    return F.conv2d(maps, row.mT, padding=(half, 0), groups=channels)


def map_features(counts: Tensor, expected: Tensor) -> Tensor:
    """Contacts and expected contacts (B, 1, W, W), 0 where there is no pixel -> features (B, `MAP_CHANNELS`, W, W):
    first ln O/E under every Gaussian, last which pixels there are."""
    present = expected > 0
    counts = torch.where(present, counts, 0.0)
    both = torch.cat([counts, torch.where(present, expected, 0.0)], dim=1)
    ratios = []
    for sigma_bins in SIGMAS_BINS:
        kernel = gaussian(sigma_bins).to(both)
        # A mean over the kernel; its effective number of pixels brings that to contacts.
        pixels = 1 / kernel.square().sum().square()
        observed, wanted = (smoothed(both, kernel) * pixels + PRIOR_COUNTS).split(1, dim=1)
        ratios.append(torch.log(observed / wanted))
    bins = torch.arange(counts.shape[-1], device=counts.device)
    distance = (bins[:, None] - bins).abs().to(counts.dtype).expand_as(counts)
    known = expected.clamp(min=LEAST_EXPECTED)
    others = [
        (counts - expected) / (expected + 1).sqrt() * present,
        torch.log1p(counts),
        torch.log(known) * present,
        torch.log1p(distance),
        present.to(counts.dtype),
    ]
    return torch.cat([*ratios, *others], dim=1)


class Residual(nn.Module):
    """(B, C, W, W): two convolutions `dilation` pixels apart, each after a norm over groups of channels."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        groups = min(GROUPS, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.norms = nn.ModuleList(nn.GroupNorm(groups, channels) for _ in range(2))
        nn.init.zeros_(self.second.weight)  # it starts as the identity
        nn.init.zeros_(self.second.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(F.relu(self.norms[0](x)))
        return x + self.second(F.relu(self.norms[1](y)))


class BinFeatures(nn.Module):
    """Tracks (B, T, W) and where they have a value (B, T, W) -> features of bins (B, C, W): those of the tracks, added.

    A track is read as ln(1 + x / its mean in the window), whatever its unit. Each goes through the same small network;
    a vector of its name is added to what it says, and another stands for it where it is not there.
    """

    def __init__(self, tracks: int, channels: int, leave_out: float):
        super().__init__()
        self.leave_out = leave_out
        self.read = nn.Sequential(
            nn.Conv1d(2, channels, 5, padding=2), nn.ReLU(), nn.Conv1d(channels, channels, 5, padding=2)
        )
        self.name = nn.Parameter(0.1 * torch.randn(tracks, channels))
        self.absent = nn.Parameter(torch.zeros(tracks, channels))

    def forward(self, tracks: Tensor, known: Tensor) -> Tensor:
        batch, number, _ = tracks.shape
        tracks = torch.where(known, tracks.clamp(min=0), 0.0)
        mean = tracks.sum(dim=2, keepdim=True) / known.sum(dim=2, keepdim=True).clamp(min=1)
        scaled = torch.log1p(tracks / mean.clamp(min=LEAST_EXPECTED))
        values = torch.stack([scaled, known.to(tracks.dtype)], dim=2)  # (B, T, 2, W)
        said = self.read(values.flatten(0, 1)).unflatten(0, (batch, number)) + self.name[:, :, None]  # (B, T, C, W)
        there = known.any(dim=2)
        if self.training and self.leave_out:
            there = there & (torch.rand(there.shape, device=there.device) >= self.leave_out)
        return torch.where(there[:, :, None, None], said, self.absent[:, :, None]).sum(dim=1)


@blocks.declared(ARCHITECTURES["trifold"])
class Trifold(blocks.Architecture):
    """`map` and `map_expected` (B, 1, W, W), contacts and those expected -> ln O/E (B, 1, W, W).

    channels, residual_blocks   of the network on the map
    track_channels              of what it reads of tracks (`reads_tracks`: `tracks`, `tracks_valid` (B, T, W))
    leave_out                   chance of each track to be left out of a training window
    control                     "shuffled": features of bins permuted, in training anew for every window
    depths                      one contact in so many is kept in a training map, from the least to the most
    `rates` gives the dispersion too.
    """

    context = ("statistics",)
    permutation: Tensor

    def __init__(
        self,
        geometry: Geometry,
        *,
        statistics: dict,
        channels: int,
        residual_blocks: int,
        track_channels: int,
        leave_out: float,
        reads_tracks: bool,
        control: str,
        depths: list[float],
    ):
        super().__init__()
        least, most = depths
        if not 1 < least <= most:
            raise InputError(
                f"config: the option depths is {list(depths)}: one contact in so many is kept, the smaller number "
                "first, above 1; 4 and 256, say"
            )
        if channels % min(GROUPS, channels):
            raise InputError(f"config: the option channels is a multiple of {GROUPS}, or below; it is {channels}")
        self.inputs = frozenset({"map", "tracks"} if reads_tracks else {"map"})
        self.enter = nn.Conv2d(MAP_CHANNELS, channels, 3, padding=1)
        dilations = [DILATIONS[number % len(DILATIONS)] for number in range(residual_blocks)]
        self.blocks = nn.Sequential(*(Residual(channels, dilation) for dilation in dilations))
        # Of every pixel: how the smoothed maps are mixed, the residual, ln of the relative variance.
        self.leave = nn.Conv2d(channels, len(SIGMAS_BINS) + 2, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(bias := self.leave.get_parameter("bias"))
        with torch.no_grad():
            bias[-1] = LOG_DISPERSION
        self.tracks = None
        if reads_tracks:
            self.tracks = BinFeatures(len(statistics["tracks"]), track_channels, leave_out)
            self.join = nn.Conv2d(2 * track_channels, channels, 1)
            nn.init.zeros_(self.join.weight)  # tracks have to earn their place
        self.shuffled = control == "shuffled"
        fixed = torch.randperm(geometry.window_bins, generator=torch.Generator().manual_seed(SHUFFLE_SEED))
        self.register_buffer("permutation", fixed, persistent=False)

    def rates(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """ln O/E, and ln of the variance of the rate over its square, (B, 1, W, W) each."""
        features = map_features(batch["map"].float(), batch["map_expected"].float())
        x = self.enter(features)
        if self.tracks is not None:
            x = x + self.join(self._pixels(self.tracks(batch["tracks"].float(), batch["tracks_valid"])))
        y = blocks.symmetrise(self.leave(F.relu(self.blocks(x))).float())
        share = y[:, : len(SIGMAS_BINS)].softmax(dim=1)
        start = (share * features[:, : len(SIGMAS_BINS)]).sum(dim=1, keepdim=True)
        return start + y[:, -2:-1], y[:, -1:]

    def _pixels(self, x: Tensor) -> Tensor:
        """Features of bins (B, C, W) -> of pixels (B, 2C, W, W): those of both bins added, and multiplied."""
        if self.shuffled:
            order = torch.rand(len(x), x.shape[-1]).argsort(dim=1).to(x.device) if self.training else self.permutation
            x = torch.take_along_dim(x, order.expand(len(x), -1)[:, None], dim=2)
        row, column = x[..., :, None], x[..., None, :]
        return torch.cat([row + column, row * column], dim=1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.rates(batch)[0]

    def with_doubt(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """ln O/E and its standard deviation: a rate of relative variance a is gamma distributed, and ln of it has the
        variance trigamma(1 / a)."""
        log_oe, log_dispersion = self.rates(batch)
        number = torch.exp(-log_dispersion).clamp(1 / blocks.LARGEST_DISPERSION, 1 / blocks.LEAST_DISPERSION)
        return log_oe, torch.polygamma(1, number).sqrt()
