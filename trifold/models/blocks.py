"""Layers shared by the architectures, and the contract every architecture keeps.

Convolutions along the sequence run as 2-D convolutions of height 1 in channels-last memory, (B, C, 1, L): the same
arithmetic as ``conv1d``, nearly twice as fast on a CPU. Their weights keep the 1-D shape (out, in, kernel).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError


class Architecture(nn.Module):
    """What the workflow knows of a model; ``forward(batch) -> (B, 1, W - 2c, W - 2c)`` with c = `crop_bins`.

    `target` is the scale of the map it predicts and, where it reads a map, of that map: "oe" (ln O/E), "observed" (on
    [0, 1]) or "counts" (contacts per pixel). A model may work in units of its own: `encode` brings a target into what
    `forward` gives and the loss compares, `decode` brings what `forward` gives back to the target's scale.
    `context` names what the constructor takes beside the geometry and its hyper-parameters: of "protocol"
    ("published", "corrected"), "statistics" (a data set's statistics.json) and "backbones" (role -> Architecture).
    A network that only serves a loss (an auto-encoder, say) has `predicts` False: it is trained, never scored.
    `parts` names what of a model can be silenced (`without`): of the part in `silenced`, `forward` takes zeros for the
    result.
    """

    inputs: frozenset[str]  # of "sequence", "map", "tracks", "embeddings", "bias"
    target: str
    learned: ClassVar[bool] = True
    predicts: ClassVar[bool] = True
    context: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[tuple[str, ...]] = ()
    silenced: str | None = None
    crop_bins: int = 0
    # Whether it stands on trained models, which `freeze_backbones` keeps as they are for the first epochs; after these
    # everything is trained at a share of the learning rate.
    has_backbones: bool = False
    joint_learning_rate: float = 1.0
    # Whether `layer_rates` says how fast each layer learns, and whether `load_encoder` takes pre-trained weights; which
    # of a model's files these are.
    has_layer_rates: ClassVar[bool] = False
    has_encoder: ClassVar[bool] = False
    start_file: str = "weights.safetensors"
    # Whether it has batch norm, in either protocol, outside of its backbones; tests/models/test_registry.py compares.
    has_batch_norm: ClassVar[bool] = False
    # Whether there are parameters that no step reaches, which several processes must be told.
    has_idle_parameters: bool = False
    # Trainings from different starts, of which the one with the best validation score is kept.
    starts: int = 1
    # Names of the terms of a loss that `total` adds up.
    terms: tuple[str, ...] = ()
    # Small 2-D convolutions are a third faster on a CPU with channels last.
    channels_last: ClassVar[bool] = True

    @property
    def entries(self) -> set[str]:
        """Of a batch, what the network and its loss read."""
        return {*self.inputs, self.target}

    @classmethod
    def make(cls, geometry: Geometry, **settings) -> "Architecture":
        """A network of the architecture; one whose options choose among several classes overrides it."""
        return cls(geometry, **settings)

    def with_doubt(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """What `forward` gives, and how sure that is: the standard deviation of its logarithm, of the same shape; None
        of a network that does not say."""
        return self(batch), None

    def rates(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Of a network of rates: ln O/E, and ln of the variance of the rate over its square, of one shape."""
        raise NotImplementedError

    def encode(self, target: Tensor) -> Tensor:
        return target

    def decode(self, output: Tensor) -> Tensor:
        return output

    def loss(self, maps: Tensor) -> Tensor:
        """What a network that only serves a loss is trained by: maps (B, 1, S, S) in its units -> scalar."""
        raise NotImplementedError

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Of a network that brings the loss of its task: that of a batch, and what `forward` gives."""
        raise NotImplementedError

    def total(self, terms: dict[str, Tensor], epoch: int) -> Tensor:
        """Of a network whose `forward` gives the `terms` of a loss: what is minimised; `epoch` from 0."""
        raise NotImplementedError

    @contextmanager
    def without(self, part: str | None) -> Iterator[None]:
        """Predict with one of the `parts` silenced, inside a `with`; None: with all of them."""
        self.silenced = part
        try:
            yield
        finally:
            self.silenced = None

    def fit(self, train: Any, validation: Any) -> None:
        """Learn in closed form from the training samples of the task, what its data set gives (`trifold.tasks`); what
        is chosen among several, the validation samples choose, or cross-validation on the training samples."""
        raise NotImplementedError

    def chosen(self) -> dict:
        """What `fit` has chosen, for a person to read: numbers, or mappings of words to numbers, that stand beside the
        weights and on the page."""
        return {}

    def make_room(self, state: dict[str, Tensor]) -> None:
        """Of a model whose size the data decide: tensors of the shapes of a stored state, which is loaded next."""

    def freeze_backbones(self, frozen: bool = True) -> None:
        """Train all but the backbones; with False everything."""
        raise NotImplementedError

    def layer_rates(self, decay: float) -> list[tuple[list[nn.Parameter], float]]:
        """Groups of trained parameters and the share of the learning rate that each gets."""
        raise NotImplementedError

    def load_encoder(self, state: dict) -> None:
        """Take the encoder of pre-trained weights. Raises InputError for weights that do not fit."""
        raise NotImplementedError

    def as_published_test(self, output: Tensor, target: Tensor) -> Tensor:
        """The prediction that the released test step scores, where that is not what `forward` gives."""
        return output


# Of a rate's variance over its square: what lies beyond is as good as the ends.
LEAST_DISPERSION, LARGEST_DISPERSION = 1e-4, 20.0
A = TypeVar("A", bound=type[Architecture])
Maps = TypeVar("Maps", Tensor, np.ndarray)
# What a convolution takes for a map beyond its border.
Border = Literal["zeros", "reflect"]


def declared(traits: dict) -> Callable[[A], A]:
    """What a module's `ARCHITECTURES` says of an architecture, as attributes of its class."""

    def set_attributes(network: A) -> A:
        network.inputs, network.target = frozenset(traits["inputs"]), traits["target"]
        network.learned = traits.get("fitter", "gradient") == "gradient"
        for name in ("predicts", "crop_bins"):
            setattr(network, name, traits.get(name, getattr(Architecture, name)))
        return network

    return set_attributes


# ---------------------------------------------------------------- batches


def read(batch: dict[str, Tensor], name: str, *shape: int) -> Tensor:
    """An entry of the batch, (B, *shape); InputError where it is missing or of another shape."""
    if name not in batch or tuple(batch[name].shape[1:]) != shape:
        given = tuple(batch[name].shape) if name in batch else "missing"
        wanted = ", ".join(map(str, shape))
        raise InputError(
            f"a batch's {name!r} is {given}; this network reads (B, {wanted}): build it from the statistics of the "
            "data set that it reads"
        )
    return batch[name]


# ---------------------------------------------------------------- maps


def symmetrise(maps: Tensor) -> Tensor:
    """(M + Mᵀ) / 2 over the last two axes."""
    return (maps + maps.mT) / 2


def crop(maps: Maps, bins: int) -> Maps:
    """(..., W, W) -> (..., W - 2·bins, W - 2·bins): the same margin off every side."""
    return maps[..., bins : maps.shape[-2] - bins, bins : maps.shape[-1] - bins]


def upper_triangle(maps: Tensor, offset: int = 2) -> Tensor:
    """(..., S, S) -> (..., n): pixels with column - row >= offset, row by row."""
    rows, columns = torch.triu_indices(maps.shape[-2], maps.shape[-1], offset, device=maps.device)
    return maps[..., rows, columns]


def pixel_mask(valid: Tensor, target: str, crop_bins: int) -> Tensor:
    """Pixels that count in the loss: (B, W) valid bins -> bool (B, 1, W - 2c, W - 2c).

    Both bins of a pixel must be valid. For "oe" only the upper triangle from the second diagonal on counts: the
    first two hold no signal in the targets, and the lower triangle repeats the upper one.
    """
    valid = valid[:, crop_bins : valid.shape[1] - crop_bins]
    mask = valid[:, None, :, None] & valid[:, None, None, :]
    return mask.triu(2) if target == "oe" else mask


class Symmetrise(nn.Module):
    forward = staticmethod(symmetrise)


# ---------------------------------------------------------------- tiles


def tile_starts(side: int, size: int, stride: int) -> list[int]:
    """First bins of the tiles along one side: every `stride` bins, and a last tile flush with the end."""
    return [*range(0, side - size, stride), max(side - size, 0)]


def tiles(maps: Tensor, size: int, stride: int) -> Tensor:
    """(B, C, W, W) -> (B·T·T, C, size, size): the maps cut into squares, row by row; a map no larger stays whole."""
    size = min(size, maps.shape[-1])
    starts = tile_starts(maps.shape[-1], size, stride)
    # Slices, whose gradients add up in one order on every device.
    cut = [maps[..., row : row + size, column : column + size] for row in starts for column in starts]
    return torch.stack(cut, dim=1).flatten(0, 1)


def untile(cut: Tensor, side: int, stride: int) -> Tensor:
    """The inverse of `tiles`: (B·T·T, C, S, S) -> (B, C, side, side); pixels of several tiles get their mean.

    Tiles a network has cropped by c on every side go back with `side` W - 2c: their starts are the same.
    """
    size = cut.shape[-1]
    starts = tile_starts(side, size, stride)
    cut = cut.unflatten(0, (-1, len(starts), len(starts)))  # (B, T, T, C, S, S)
    rows = cut.new_zeros(*cut.shape[:2], *cut.shape[3:5], side)  # (B, T, C, S, side)
    for i, start in enumerate(starts):
        rows[..., start : start + size] += cut[:, :, i]
    maps = cut.new_zeros(len(cut), cut.shape[3], side, side)
    tiles_per_bin = cut.new_zeros(side)
    for i, start in enumerate(starts):
        maps[..., start : start + size, :] += rows[:, i]
        tiles_per_bin[start : start + size] += 1
    return maps / (tiles_per_bin[:, None] * tiles_per_bin)


# ---------------------------------------------------------------- contacts


def contacts_statistic(statistics: dict, name: str) -> float:
    """A number of contacts from a data set's statistics.json; InputError where it is missing or none were found."""
    value = statistics.get("counts", {}).get(name, 0)
    if not value > 0:
        raise InputError(
            f"statistics.json: counts/{name} is {value or 'missing'}: a model of contacts takes its scale from the "
            "contacts of the training regions; make the examples again, from a deeper or coarser map if there are none"
        )
    return value


# ---------------------------------------------------------------- sequence


def one_hot(codes: Tensor) -> Tensor:
    """Base codes (B, L), A C G T N = 0..4 -> float32 (B, 4, 1, L) in channels-last memory; N is four zeros."""
    hot = codes[:, None, :, None] == torch.arange(4, device=codes.device, dtype=codes.dtype)  # (B, 1, L, 4)
    return hot.float().permute(0, 3, 1, 2)


class SequenceConv(nn.Conv1d):
    """`nn.Conv1d`, padded to keep the length, on (B, C, 1, L)."""

    def forward(self, input: Tensor) -> Tensor:
        half = self.dilation[0] * (self.kernel_size[0] // 2)
        return F.conv2d(input, self.weight[:, :, None], padding=(0, half), dilation=(1, self.dilation[0]))


# ---------------------------------------------------------------- transformers


def pre_norm_layers(
    dim: int, heads: int, width: int, layers: int, dropout: float, norm: nn.Module | None = None
) -> nn.TransformerEncoder:
    """torch's own transformer layers on (B, n, dim), normalised before each part, feed-forward `width` wide."""
    layer = nn.TransformerEncoderLayer(dim, heads, width, dropout, batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, layers, norm, enable_nested_tensor=False)


# ---------------------------------------------------------------- pre-activation blocks


class ConvBlock(nn.Module):
    """ReLU -> convolution without bias, same size -> batch norm -> dropout -> max pooling (Akita's block).

    `dims` 1 works on (B, C, 1, L), with floor pooling along L, 2 on (B, C, H, W).
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        kernel: int,
        *,
        dims: int,
        bn_eps: float,
        dilation: int = 1,
        pool: int = 1,
        dropout: nn.Module | None = None,
    ):
        super().__init__()
        if dims == 1:
            self.conv = SequenceConv(channels_in, channels, kernel, dilation=dilation, bias=False)
        else:
            half = dilation * (kernel // 2)
            self.conv = nn.Conv2d(channels_in, channels, kernel, padding=half, dilation=dilation, bias=False)
        # Keras' momentum 0.9265 keeps the old value, torch's takes the new one.
        self.bn = nn.BatchNorm2d(channels, eps=bn_eps, momentum=1 - 0.9265)
        self.dropout = dropout or nn.Identity()
        self.pool = nn.MaxPool2d((1, pool)) if pool > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.dropout(self.bn(self.conv(F.relu(x)))))


class Tower(nn.Module):
    """Blocks one after the other."""

    def __init__(self, layers: list[nn.Module]):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class DilatedResidual(nn.Sequential):
    """x + block(x): dilated convolution to half the width, 1×1 back, dropout; symmetrised on maps (`dims` 2)."""

    def __init__(self, channels: int, middle: int, dilation: int, *, dims: int, bn_eps: float, dropout: nn.Module):
        super().__init__(
            ConvBlock(channels, middle, 3, dims=dims, bn_eps=bn_eps, dilation=dilation),
            ConvBlock(middle, channels, 1, dims=dims, bn_eps=bn_eps, dropout=dropout),
        )
        self.symmetric = dims == 2

    def forward(self, input: Tensor) -> Tensor:
        y = super().forward(input)
        return input + (symmetrise(y) if self.symmetric else y)


def dilations(blocks: int) -> list[int]:
    """Akita's dilation rates: 1, 2, 3, 5, 9, 16, 29, 50, ..."""
    return [round(1.75**i) for i in range(blocks)]


# ---------------------------------------------------------------- sequence -> map


class OuterMean(nn.Module):
    """(B, C, 1, S) -> (B, C, S, S): pixel (i, j) is the mean of the features of bins i and j."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + x.mT) / 2


class ConcatDistance(nn.Module):
    """Append |i - j|, in bins, as one more channel: (B, C, S, S) -> (B, C + 1, S, S)."""

    def forward(self, x: Tensor) -> Tensor:
        bins = torch.arange(x.shape[-1], device=x.device, dtype=x.dtype)
        distance = (bins[:, None] - bins).abs().expand(len(x), 1, -1, -1)
        return torch.cat([x, distance], dim=1)


class PixelDense(nn.Module):
    """One linear layer applied to every pixel: (B, C, S, S) -> (B, targets, S, S)."""

    def __init__(self, channels: int, targets: int):
        super().__init__()
        self.dense = nn.Linear(channels, targets)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x.movedim(1, -1)).movedim(-1, 1)


def check_length(codes: Tensor, length_bp: int) -> None:
    """Refuse sequences of another length than the geometry's: the resize at the end would hide it."""
    if codes.shape[-1] != length_bp:
        raise InputError(
            f"a batch holds sequences of {codes.shape[-1]:,} bp where the model's geometry has windows of "
            f"{length_bp:,} bp; build the model and the examples from the same geometry"
        )
