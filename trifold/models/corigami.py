"""Hi-C from sequence and tracks by a transformer: C.Origami (Tan et al. 2023, doi:10.1038/s41587-022-01612-8).

Convolutions that halve the length, one branch for the bases and one for the tracks, leave one vector to a bin of the
map; transformer layers let bins attend to each other; every pixel is given the vectors of both its bins, and dilated
residual convolutions make the map of these.

What was released (github.com/tanjimin/C.Origami, no licence found): 2,097,152 bp as one-hot bases and two tracks of
single bp, 13 halvings to 256 positions, maps of 256 × 256, 12,840,369 parameters. This network has that size, those
keys and that order of channels where a window is 256 bins of 8,192 bp, tracks have bins of 1 bp, and `sequence` is on.
Rate, batch, epochs and gradient clipping are theirs (their cosine follows ten epochs of warm-up). Not ported: targets
ln(1 + contacts) resized from 210 bins, and augmentation (shift, noise, reverse complement).

- "published": positions are added with a bug. The table of positions is cut by the size of the batch, so that every
  bin of sample b is given the vector of position b: no bin knows where it is, and what is predicted depends on the
  sample's place in its batch.
- "corrected": bin i is given the vector of position i (`position_per_bin`).

The architecture `corigami` stands in the task `window`. Yang et al. 2025, who compare with it there, have not published
how; this is decided here, under both protocols:

- Without bases, as what they compare reads tracks alone; the branch of the bases, and its half of the last
  convolution's inputs, are then not there. `sequence: true` reads the batch's `sequence` too.
- The windows lie on the diagonal (x = y): the stretch about x alone is read.
- A branch halves the length as long as one position or more is left to a bin, at most 13 times (tracks of 100 bp to
  bins of 5 kb: 5 times; 250 kb of bases: 12 times); means then bring it to the bins. Widths are spread over the twelve
  that were released, the last among them.
- The loss is the mean square over the window on [0, 1]. What is predicted is not symmetric, as released.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.blocks import Architecture, declared, pre_norm_layers, read
from trifold.models.mixhic import TRAINING as ON_PAIRS

CHANNELS = [16, 16, 16, 16, 32, 32, 64, 64, 64, 64, 128, 128]
POSITIONS = 256  # in the released table
DROPOUT = 0.1
# Channels of the bases in their order, a t c g n, as codes of A C G T N.
BASES = (0, 3, 1, 2, 4)
TRAINING = {
    **ON_PAIRS,
    "optimiser": "adam",
    "schedule": "cosine",
    "epochs": 80,
    "batch_size": 8,
    "learning_rate": 2e-4,
    "weight_decay": 0,
    "clip_gradient_norm": 1,
    "early_stop_epochs": 0,
}
ARCHITECTURES = {
    "corigami": {
        "network": "COrigami",
        "inputs": ["tracks"],
        "target": "map",
        "tasks": {"window": {}},
        "window_bins": 50,
        "options": {
            "sequence": False,
            "stem": 16,
            "channels": CHANNELS,
            "hidden": 256,
            "heads": 8,
            "layers": 8,
            "feed_forward": 512,
            "residual_blocks": 5,
            "position_per_bin": None,
        },
        "kinds": {"position_per_bin": "bool"},
        "when": {"sequence": {True: {"inputs": ["tracks", "sequence"]}}},
        "training": {"published": TRAINING, "corrected": TRAINING},
    },
}


def halvings(per_bin: int, most: int) -> int:
    """How often a length of `per_bin` values to a bin is halved so that one or more are left, at most `most` times."""
    return min(per_bin.bit_length() - 1, most)


def spread(widths: list[int], number: int) -> list[int]:
    """So many of the widths, evenly: the first and the last among them; of one, the last."""
    if number == 1:
        return widths[-1:]
    return [widths[math.floor(i * (len(widths) - 1) / (number - 1) + 0.5)] for i in range(number)]


def one_hot_bases(codes: Tensor) -> Tensor:
    """Base codes (B, L), A C G T N = 0..4 -> float32 (B, 5, L), in the released order."""
    order = torch.tensor(BASES, device=codes.device, dtype=codes.dtype)
    return (codes[:, None] == order[:, None]).float()


# ---------------------------------------------------------------- encoder


class HalvingBlock(nn.Module):
    """(B, C, L) -> (B, channels, ⌈L / 2⌉): a convolution that halves, then two with a skip."""

    def __init__(self, channels_in: int, channels: int):
        super().__init__()
        self.scale = nn.Sequential(
            nn.Conv1d(channels_in, channels, 5, stride=2, padding=2), nn.BatchNorm1d(channels), nn.ReLU()
        )
        self.res = nn.Sequential(
            nn.Conv1d(channels, channels, 5, padding=2),
            nn.BatchNorm1d(channels),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 5, padding=2),
            nn.BatchNorm1d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.scale(x)
        return F.relu(x + self.res(x))


class Encoder(nn.Module):
    """Bases (B, 5, L), or none, and tracks (B, tracks, M) -> (B, hidden, bins).

    widths: by branch, "seq" and "epi", those of its blocks, each of which halves the length; the stem halves it before.
    """

    def __init__(self, tracks: int, widths: dict[str, list[int]], *, stem: int, hidden: int, bins: int):
        super().__init__()
        self.bins, self.branches = bins, list(widths)
        for branch, of_blocks in widths.items():
            first = nn.Conv1d(5 if branch == "seq" else tracks, stem, 3, stride=2, padding=1)
            self.add_module(f"conv_start_{branch}", nn.Sequential(first, nn.BatchNorm1d(stem), nn.ReLU()))
            blocks = [HalvingBlock(*both) for both in zip([stem, *of_blocks[:-1]], of_blocks, strict=False)]
            self.add_module(f"res_blocks_{branch}", nn.Sequential(*blocks))
        self.conv_end = nn.Conv1d(sum([stem, *of_blocks][-1] for of_blocks in widths.values()), hidden, 1)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        encoded = []
        for branch in self.branches:
            x = self.get_submodule(f"conv_start_{branch}")(inputs[branch])
            x = self.get_submodule(f"res_blocks_{branch}")(x)
            encoded.append(x if x.shape[2] == self.bins else F.adaptive_avg_pool1d(x, self.bins))
        return self.conv_end(torch.cat(encoded, dim=1))


# ---------------------------------------------------------------- transformer


class Positions(nn.Module):
    """Adds sines and cosines of a position, wavelengths of 2π to 20,000π bins, to (B, bins, hidden).

    per_bin: the position is the bin's; otherwise, as released, the sample's in its batch.
    """

    pe: Tensor

    def __init__(self, hidden: int, length: int, *, per_bin: bool):
        super().__init__()
        self.per_bin, self.dropout = per_bin, nn.Dropout(DROPOUT)
        wave = torch.exp(torch.arange(0, hidden, 2) * (-math.log(10_000.0) / hidden))
        angle = torch.arange(length)[:, None] * wave
        table = torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)  # sine and cosine of a wavelength in turn
        self.register_buffer("pe", table[:, None])  # (length, 1, hidden)

    def forward(self, x: Tensor) -> Tensor:
        if self.per_bin:
            return self.dropout(x + self.pe[: x.shape[1], 0])
        if len(x) > len(self.pe):
            raise InputError(
                f"a batch of {len(x)} samples: as released C.Origami has positions for {len(self.pe)}; lower "
                "training/batch_size, or set the option position_per_bin"
            )
        return self.dropout(x + self.pe[: len(x)])


class Attention(nn.Module):
    """Positions, then pre-norm transformer layers: (B, bins, hidden) -> the same."""

    def __init__(self, hidden: int, heads: int, layers: int, feed_forward: int, length: int, *, per_bin: bool):
        super().__init__()
        self.pos_encoder = Positions(hidden, length, per_bin=per_bin)
        self.module = pre_norm_layers(hidden, heads, feed_forward, layers, DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        return self.module(self.pos_encoder(x))


# ---------------------------------------------------------------- decoder


def pair(x: Tensor) -> Tensor:
    """(B, C, W) -> (B, 2C, W, W): pixel (i, j) has the features of bin j, then those of bin i."""
    side = x.shape[2]
    return torch.cat([x[:, :, None].expand(-1, -1, side, -1), x[:, :, :, None].expand(-1, -1, -1, side)], dim=1)


class DilatedBlock(nn.Module):
    """Two dilated 3 × 3 convolutions with a skip: (B, C, W, W) -> the same."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.res = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.res(x))


class Decoder(nn.Module):
    """(B, C, W, W) -> (B, 1, W, W); dilations 2, 4, 8, ..."""

    def __init__(self, channels_in: int, hidden: int, blocks: int):
        super().__init__()
        self.conv_start = nn.Sequential(nn.Conv2d(channels_in, hidden, 3, padding=1), nn.BatchNorm2d(hidden), nn.ReLU())
        self.res_blocks = nn.Sequential(*[DilatedBlock(hidden, 2 ** (i + 1)) for i in range(blocks)])
        self.conv_end = nn.Conv2d(hidden, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_end(self.res_blocks(self.conv_start(x)))


# ---------------------------------------------------------------- the task


@declared(ARCHITECTURES["corigami"])
class COrigami(Architecture):
    """Tracks, and bases if asked for, -> the window on the diagonal: `forward(batch) -> (B, 1, W, W)`.

    sequence           reads the batch's `sequence` too: uint8 codes (B, 2 W bin_bp), the stretch about x, then that
                       about y
    stem, channels     widths of the first convolution, and of the halvings that follow, were there all twelve
    hidden, heads, layers, feed_forward   of the transformer; `hidden` of the decoder too
    residual_blocks    of the decoder
    position_per_bin   None follows the protocol
    Raises InputError for tracks in bins wider than half a bin of the map, and a `hidden` that is odd or that the heads
    do not divide.
    """

    context = ("protocol", "statistics")
    has_batch_norm = True

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        sequence: bool,
        stem: int,
        channels: list[int],
        hidden: int,
        heads: int,
        layers: int,
        feed_forward: int,
        residual_blocks: int,
        position_per_bin: bool | None,
    ):
        super().__init__()
        bins, track_bins = geometry.window_bins, geometry.bin_bp // statistics["track_bp"]
        self.length, self.length_bp, self.tracks = bins * track_bins, geometry.window_bp, len(statistics["tracks"])
        if track_bins < 2:
            raise InputError(
                f"config: tracks/bin_bp {statistics['track_bp']} is more than half a bin of the map "
                f"({geometry.bin_bp}), and C.Origami halves the length of the tracks at least once; lower it"
            )
        if hidden % heads or hidden % 2:
            raise InputError(
                f"config: the option hidden {hidden} is odd, or does not divide into {heads} heads; change one of them"
            )
        if sequence:
            self.inputs = self.inputs | {"sequence"}
        # The stem halves once, each block once.
        per_bin = {**({"seq": geometry.bin_bp} if sequence else {}), "epi": track_bins}
        widths = {
            branch: spread(channels, halvings(values, len(channels) + 1) - 1) for branch, values in per_bin.items()
        }
        per_sample = protocol == "published" if position_per_bin is None else not position_per_bin
        self.encoder = Encoder(self.tracks, widths, stem=stem, hidden=hidden, bins=bins)
        self.attn = Attention(hidden, heads, layers, feed_forward, max(POSITIONS, bins), per_bin=not per_sample)
        self.decoder = Decoder(2 * hidden, hidden, residual_blocks)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        # Of either entry the stretch about x.
        inputs = {"epi": read(batch, "tracks", 2 * self.length, self.tracks)[:, : self.length].mT}
        if "sequence" in self.inputs:
            inputs["seq"] = one_hot_bases(read(batch, "sequence", 2 * self.length_bp)[:, : self.length_bp])
        x = self.encoder(inputs)  # (B, hidden, W)
        x = self.attn(x.mT).mT
        return self.decoder(pair(x))

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean square against `map`, and what `forward` gives."""
        prediction = self(batch)
        return F.mse_loss(prediction, batch["map"]), prediction
