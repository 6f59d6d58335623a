"""Hi-C from epigenomic tracks, stripe by stripe: Epiphany (Yang et al. 2023, doi:10.1186/s13059-023-02934-9).

Every bin of the map looks at the tracks of a wide stretch about it through a few convolutions; two or three LSTMs,
which read the bins in both directions, join what bins have seen; two linear layers give the bin's stripe: its pixel of
every diagonal. Entry k of bin m's stripe is pixel (m − ⌈k / 2⌉, m + ⌊k / 2⌋), so that a stripe leaves the diagonal at a
right angle. A discriminator of whole maps may share in the loss.

What was released (github.com/arnavmdas/epiphany, MIT): 200 bins of 10 or 5 kb at once, five tracks in bins of 100 bp,
14,000 of them for every bin (`SIZES`). `Stripes` and `Discriminator` have the keys and the numbers of those networks;
dropout, learning rate and weight decay are theirs. Not ported: targets (observed over expected of HiC-DC+; here they
are those of the task), a later class with a ReLU at the end, the rate halved every 16 epochs (a cosine here, of the
same mean), and the optimiser made anew in every epoch.

The architecture `epiphany` is the network of 5-kb maps in the task `window`. Yang et al. 2025, who compare with it
there, have not published how; all of this is decided here:

- The windows lie on the diagonal (x = y): the stretch about x alone is read. Tracks beyond it are zeros, so a bin near
  the end sees less.
- As many stripes as the window has bins, and as many diagonals; their pixels within the window, mirrored, are the
  prediction. Entries outside are dropped. The loss is the mean square over the whole window, as of every network of
  the task (released: over stripes, which hold a pixel once).
- "published": 14,000 bins of the tracks to every bin of the map, most of them zeros, and no adversarial term. As
  released the discriminator of 5-kb maps cannot be used: it expects 5,400 values where its convolutions leave 3,240.
- "corrected": twice the stretch and what pooling cuts off, 5,128 bins, with which every bin sees all of it. The pools
  are 4 as released where a bin of the map has 50 of the tracks, less where it has fewer: as much of the map is taken
  together. An adversarial term of 0.05, as released for 10-kb maps. Its discriminator looks at the window. Its four
  convolutions are padded, which would leave nothing of 50 bins otherwise, and its last layer is as wide as what they
  leave.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.blocks import Architecture, declared, read
from trifold.models.mixhic import TRAINING as ON_PAIRS

# Of the released networks, with five tracks: by the bins of the map.
SIZES = {
    "10kb": {"recurrent": 1200, "recurrent_layers": 3, "dense": 900, "bands": 100, "stride_bins": 100},
    "5kb": {"recurrent": 2400, "recurrent_layers": 2, "dense": 1200, "bands": 200, "stride_bins": 50},
}
CONTEXT_BINS = 14_000
CHANNELS = [70, 90, 70, 20]
POOLED_BINS = 45
KERNELS, POOL = (17, 7, 5, 5), 4
DROPOUT = 0.1
ADVERSARIAL = 0.05  # share of the discriminator in the released loss
TRAINING = {
    **ON_PAIRS,
    "optimiser": "adam",
    "schedule": "cosine",
    "epochs": 55,
    # Of 50 bins each: 200 bins to a step, as released.
    "batch_size": 4,
    "learning_rate": 1e-4,
    "weight_decay": 0.0005,
    "early_stop_epochs": 0,
}
ARCHITECTURES = {
    "epiphany": {
        "network": "Epiphany",
        "inputs": ["tracks"],
        "target": "map",
        "tasks": {"window": {}},
        "window_bins": 50,
        "options": {
            "channels": CHANNELS,
            "pooled_bins": POOLED_BINS,
            "recurrent": 2400,
            "recurrent_layers": 2,
            "dense": 1200,
            "pool": None,
            "context_bins": None,
            "adversarial": None,
        },
        "kinds": {"pool": "int", "context_bins": "int", "adversarial": "float"},
        "training": {"published": TRAINING, "corrected": TRAINING},
    },
}


# ---------------------------------------------------------------- from stripes to windows


def stripes_to_window(stripes: Tensor) -> Tensor:
    """(..., W, bands) -> (..., W, W), symmetric; entries outside of the window are dropped.

    Raises ValueError for fewer bands than the window has diagonals.
    """
    window_bins, bands = stripes.shape[-2:]
    if bands < window_bins:
        raise ValueError(f"stripes of {bands} diagonals do not fill a window of {window_bins}")
    bins = torch.arange(window_bins, device=stripes.device)
    distance = (bins[:, None] - bins).abs()
    middle = torch.minimum(bins[:, None], bins) + (distance + 1) // 2
    return stripes[..., middle, distance]


# ---------------------------------------------------------------- networks


def least_context(pool: int) -> int:
    """Bins of the tracks that leave one value behind the convolutions and three pools by `pool`: 424 of 4."""
    length = KERNELS[-1]
    for kernel in reversed(KERNELS[:-1]):
        length = length * pool + kernel - 1
    return length


def usual_pool(track_bins: int) -> int:
    """The largest pool whose cube takes no more of the map than as released for 5 kb."""
    released = SIZES["5kb"]["stride_bins"]
    return max(pool for pool in range(1, POOL + 1) if pool**3 * released <= POOL**3 * track_bins)


class ConvBlock(nn.Module):
    """(B, C, L) -> (B, channels, L − kernel + 1), over `pool`: convolution, ReLU, max pooling."""

    def __init__(self, channels_in: int, channels: int, kernel: int, pool: int):
        super().__init__()
        self.conv, self.pool = nn.Conv1d(channels_in, channels, kernel), pool

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv(x))
        return F.max_pool1d(x, self.pool) if self.pool > 1 else x


class Stripes(nn.Module):
    """Tracks (B, tracks, L) -> stripes (B, rows, bands).

    Row t sees `context_bins` of the tracks from bin t · `stride_bins` on. The sizes that were released are `SIZES`.
    """

    def __init__(
        self,
        *,
        tracks: int,
        recurrent: int,
        recurrent_layers: int,
        dense: int,
        bands: int,
        stride_bins: int,
        context_bins: int = CONTEXT_BINS,
        channels: list[int] = CHANNELS,
        pool: int = POOL,
        pooled_bins: int = POOLED_BINS,
    ):
        super().__init__()
        self.stride_bins, self.context_bins, self.pooled_bins = stride_bins, context_bins, pooled_bins
        before = [tracks, *channels[:-1]]
        pools = [pool] * (len(KERNELS) - 1) + [1]
        for i, sizes in enumerate(zip(before, channels, KERNELS, pools, strict=True), 1):
            self.add_module(f"conv{i}", ConvBlock(*sizes))
        for i in range(1, recurrent_layers + 1):
            width = channels[-1] * pooled_bins if i == 1 else 2 * recurrent
            self.add_module(f"rnn{i}", nn.LSTM(width, recurrent, batch_first=True, bidirectional=True))
        self.recurrent_layers = recurrent_layers
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(2 * recurrent, dense)
        self.fc2 = nn.Linear(dense, bands)

    def forward(self, tracks: Tensor, rows: int) -> Tensor:
        x = tracks.unfold(2, self.context_bins, self.stride_bins)[:, :, :rows]  # (B, tracks, rows, context)
        x = x.transpose(1, 2).flatten(0, 1)  # (B·rows, tracks, context)
        for i in range(1, len(KERNELS) + 1):
            x = self.get_submodule(f"conv{i}")(x)
            if i == len(KERNELS):
                x = F.adaptive_max_pool1d(x, self.pooled_bins)
            x = self.dropout(x)
        x = x.flatten(1).unflatten(0, (-1, rows))  # (B, rows, channels · pooled)
        # The second LSTM's output is added to the first's, that of a third to this sum.
        x = self.get_submodule("rnn1")(x)[0]  # (B, rows, 2 recurrent)
        for i in range(2, self.recurrent_layers + 1):
            x = x + self.get_submodule(f"rnn{i}")(x)[0]
        return self.fc2(F.relu(self.fc(x)))


class Discriminator(nn.Module):
    """Is a map real: images (B, 1, height, width) -> logits (B, 1).

    channels, paddings   of the four convolutions. As released 15, 25, 25, 10 without padding for maps of 10 kb, 200
                         stripes by 100 diagonals; 25, 25, 25, 10, the first padded, for maps of 5 kb, 200 by 200, with
                         a last layer that does not fit them
    Raises InputError for maps of which the convolutions leave nothing.
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        channels: tuple[int, ...] = (15, 25, 25, 10),
        paddings: tuple[int, ...] = (0, 0, 0, 0),
    ):
        super().__init__()
        sides = [height, width]
        for i, sizes in enumerate(zip((1, *channels[:-1]), channels, paddings, strict=True), 1):
            channels_in, channels_out, padding = sizes
            self.add_module(f"conv{i}", nn.Conv2d(channels_in, channels_out, 5, padding=padding))
            sides = [(side + 2 * padding - 4) // (2 if i < len(channels) else 1) for side in sides]
        if min(sides) < 1:
            raise InputError(f"a discriminator leaves nothing of maps of {height} × {width} pixels; take larger ones")
        self.layers = len(channels)
        self.fc1 = nn.Linear(channels[-1] * sides[0] * sides[1], 1)

    def forward(self, maps: Tensor) -> Tensor:
        x = maps
        for i in range(1, self.layers + 1):
            x = F.relu(self.get_submodule(f"conv{i}")(x))
            if i < self.layers:
                x = F.max_pool2d(x, 2)
        return self.fc1(x.flatten(1))


def fooled(logits: Tensor) -> Tensor:
    """The generator's adversarial term: cross-entropy of the discriminator's logits of its maps against "real"."""
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def generator_loss(squares: Tensor, logits: Tensor, adversarial: float) -> Tensor:
    """Mean square and adversarial term in one, of which the latter has the share `adversarial`."""
    return (1 - adversarial) * squares + adversarial * fooled(logits)


def discriminator_loss(real: Tensor, made: Tensor) -> Tensor:
    """Cross-entropy of the logits of real and of made maps, (B, 1) each, mean over both."""
    labels = torch.cat([torch.ones_like(real), torch.zeros_like(made)])
    return F.binary_cross_entropy_with_logits(torch.cat([real, made]), labels)


# ---------------------------------------------------------------- the task


@declared(ARCHITECTURES["epiphany"])
class Epiphany(Architecture):
    """Tracks -> the window on the diagonal: `forward(batch) -> (B, 1, W, W)`, symmetric.

    channels, pooled_bins   of the convolutions, and values of every last channel to a bin of the map
    recurrent, recurrent_layers, dense   width of an LSTM in either direction, how many, width of the linear layer
    pool                    of the first three convolutions; None: 4 published, corrected `usual_pool`
    context_bins            bins of the tracks that a bin of the map sees; None: 14,000 published, corrected all of
                            the window from every bin
    adversarial             share of the adversarial term in the loss; None: 0 published, 0.05 corrected
    Raises InputError for other than four channels, a context that the convolutions use up, and a share of 1 or more.
    """

    context = ("protocol", "statistics")

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        channels: list[int],
        pooled_bins: int,
        recurrent: int,
        recurrent_layers: int,
        dense: int,
        pool: int | None,
        context_bins: int | None,
        adversarial: float | None,
    ):
        super().__init__()
        published = protocol == "published"
        self.window_bins, self.tracks = geometry.window_bins, len(statistics["tracks"])
        stride_bins = geometry.bin_bp // statistics["track_bp"]
        self.length = self.window_bins * stride_bins
        if pool is None:
            pool = POOL if published else usual_pool(stride_bins)
        # The pools cut off less than pool³ bins at the end.
        usual = CONTEXT_BINS if published else max(2 * (self.length + pool**3), least_context(pool))
        seen = usual if context_bins is None else context_bins
        self.adversarial = (0.0 if published else ADVERSARIAL) if adversarial is None else adversarial
        if len(channels) != len(KERNELS):
            raise InputError(
                f"config: the option channels has {len(channels)} entries; Epiphany has {len(KERNELS)} convolutions: "
                "give the width of each"
            )
        if seen < least_context(pool):
            raise InputError(
                f"config: the option context_bins {seen} leaves nothing behind the convolutions; give at least "
                f"{least_context(pool)}, or a smaller pool"
            )
        if self.adversarial >= 1:
            raise InputError(
                f"config: the option adversarial is {self.adversarial}, a share of the loss; give less than 1"
            )
        self.stripes = Stripes(
            tracks=self.tracks,
            recurrent=recurrent,
            recurrent_layers=recurrent_layers,
            dense=dense,
            bands=self.window_bins,
            stride_bins=stride_bins,
            context_bins=seen,
            channels=channels,
            pool=pool,
            pooled_bins=pooled_bins,
        )
        if self.adversarial:
            self.discriminator = Discriminator(self.window_bins, self.window_bins, paddings=(2, 2, 2, 2))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        tracks = read(batch, "tracks", 2 * self.length, self.tracks)[:, : self.length].mT  # about x
        # As released, the context of a bin begins half of it before the bin.
        before = self.stripes.context_bins // 2
        tracks = F.pad(tracks, (before, self.stripes.context_bins - before))
        return stripes_to_window(self.stripes(tracks, self.window_bins))[:, None]

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean square against `map`, and what `forward` gives; in training with the adversarial term and the
        discriminator's own loss.

        Both losses are one sum, which is the released way: there the generator steps first, but the discriminator's
        gradient is of the same maps and of itself before either step, and both have the same optimiser. The
        discriminator's weights are constants in the generator's term, the maps are in the discriminator's.
        """
        prediction, target = self(batch), batch["map"]
        squares = F.mse_loss(prediction, target)
        if not (self.training and self.adversarial):
            return squares, prediction
        constant = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        logits = torch.func.functional_call(self.discriminator, constant, (prediction,))
        judged = discriminator_loss(self.discriminator(target), self.discriminator(prediction.detach()))
        return generator_loss(squares, logits, self.adversarial) + judged, prediction
