"""Low map and what is known of its bins -> deep map: sequence enters the image network pixel by pixel.

Kriukov et al. 2021 join a sequence and an image network at their ends, where the one's finished map is one more channel
of the other. Here the features of the bins themselves, from Akita's trunk, are brought to every pixel by row and by
column: u_i + v_j and u_i · v_j for bin i upstream of bin j, and an embedding of their distance. A convolution adds them
to what the image network (the corrected generator's layers, see `vehicle`) makes of the low map, so that its every
layer can weigh the one by the other. The convolution starts at zero and so does the network's last layer: training
starts at the low map, and sequence has to earn its place.

Two controls say what a gain is worth. `control: shuffled` gives every bin the features of another bin of its window:
as many parameters, no information. `aligned-bias` gives it what a sequence can betray of the experiment, its bias.

No paper has this network. There is one form of it, with Akita's own choices in the trunk (eps 1e-3, He initialisation,
residual branches that start at zero); both protocols build it.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.generator import CROP_BINS, LOGIT_MARGIN, ResidualBlock
from trifold.models.generator import initialise as initialise_image
from trifold.models.trunk import TRUNK, SequenceToMap, initialise, make_trunk

# Read by trifold.architectures from the source.
# The same image network for the sequence and for its control.
IMAGE = {"pair_channels": 16, "distance_channels": 8, "image_channels": 64, "residual_blocks": 15}
ARCHITECTURES = {
    "aligned": {
        "network": "Aligned",
        "inputs": ["map", "sequence"],
        "target": "observed",
        "crop_bins": CROP_BINS,
        "backbones": {"allowed": ["sequence"]},
        "options": {**TRUNK, "control": "none", **IMAGE},
        "choices": {"control": ["none", "shuffled"]},
    },
    "aligned-bias": {
        "network": "AlignedBias",
        "inputs": ["map", "bias"],
        "target": "observed",
        "crop_bins": CROP_BINS,
        "options": {"bias_features": 64, **IMAGE},
    },
}

SHUFFLE_SEED = 1
TRUNK_BN_EPS = 1e-3


class PixelFeatures(nn.Module):
    """Features of bins (B, W, C) -> of pixels (B, 2 · pair + distance, W, W), the same for (i, j) and (j, i).

    The bin upstream and the bin downstream have a projection each: convergent motifs make a loop, divergent ones none.
    """

    def __init__(self, features: int, pair: int, bins: int, distance: int):
        super().__init__()
        self.project = nn.Linear(features, 2 * pair)
        self.distance = nn.Embedding(bins, distance)

    def forward(self, x: Tensor) -> Tensor:
        upstream, downstream = self.project(x).mT.chunk(2, dim=1)  # (B, pair, W) each
        row, column = upstream[..., :, None], downstream[..., None, :]
        pairs = torch.cat([row + column, row * column], dim=1)  # (B, 2 · pair, W, W)
        bins = torch.arange(x.shape[1], device=x.device)
        distance = self.distance((bins[:, None] - bins).abs()).permute(2, 0, 1)  # (distance, W, W)
        return torch.cat([pairs.triu() + pairs.triu(1).mT, distance.to(pairs.dtype).expand(len(x), -1, -1, -1)], dim=1)


class AlignedMap(blocks.Architecture):
    """`map` (B, 1, W, W) on [0, 1] and features of bins -> (B, 1, W - 12, W - 12).

    A subclass gives `bin_features`. features: of a bin; pair_channels, distance_channels: of a pixel, from its bins and
    their distance; image_channels, residual_blocks: the image network, as `vehicle`'s.
    """

    has_batch_norm = True

    def __init__(
        self,
        geometry: Geometry,
        features: int,
        *,
        pair_channels: int,
        distance_channels: int,
        image_channels: int,
        residual_blocks: int,
    ):
        super().__init__()
        self.pixels = PixelFeatures(features, pair_channels, geometry.window_bins, distance_channels)
        self.enter = nn.Conv2d(2 * pair_channels + distance_channels, image_channels, 3, bias=False)
        self.pre_res_block = nn.Conv2d(1, image_channels, 3)
        self.res_blocks = nn.Sequential(*(ResidualBlock(image_channels) for _ in range(residual_blocks)))
        self.post_res_block = nn.Sequential(
            nn.Conv2d(image_channels, image_channels, 3, padding=1), nn.BatchNorm2d(image_channels)
        )
        widths = [width * image_channels for width in (1, 2, 2, 4, 4)] + [1]
        self.final_block = nn.Sequential(*(nn.Conv2d(a, b, 3) for a, b in pairwise(widths)))
        initialise_image(self)
        for last in (self.enter, self.final_block[-1]):
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def bin_features(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, W, features)"""
        raise NotImplementedError

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x = batch["map"]
        # One convolution over the map and the features of pixels together, written as the sum of two.
        pixels = self.pixels(self.bin_features(batch))  # (B, 2 · pair + distance, W, W)
        before = torch.relu(self.pre_res_block(x) + self.enter(pixels))  # (B, C, W - 2, W - 2)
        y = self.final_block(before + self.post_res_block(self.res_blocks(before)))  # (B, 1, W - 12, W - 12)
        start = blocks.crop(x, CROP_BINS).clamp(LOGIT_MARGIN, 1 - LOGIT_MARGIN)
        return torch.sigmoid(torch.logit(start) + blocks.symmetrise(y))


class ShuffledMap(AlignedMap):
    """`AlignedMap` with the control that permutes bins.

    control: "none", or "shuffled": in training every window permutes the features of its bins anew (by torch's global
    generator), in eval mode one permutation serves all.
    """

    permutation: Tensor

    def __init__(self, geometry: Geometry, features: int, *, control: str, **image):
        super().__init__(geometry, features, **image)
        self.shuffled = control == "shuffled"
        fixed = torch.randperm(geometry.window_bins, generator=torch.Generator().manual_seed(SHUFFLE_SEED))
        self.register_buffer("permutation", fixed, persistent=False)

    def shuffle(self, x: Tensor) -> Tensor:
        """(B, W, C): the same features, of other bins where this is the control."""
        return torch.take_along_dim(x, self._permutations(x)[..., None], dim=1) if self.shuffled else x

    def _permutations(self, x: Tensor) -> Tensor:
        """(B, W): which bin's features each bin gets."""
        if not self.training:
            return self.permutation.expand(len(x), -1)
        return torch.rand(x.shape[:2]).argsort(dim=1).to(x.device)


@blocks.declared(ARCHITECTURES["aligned"])
class Aligned(ShuffledMap):
    """`sequence` (B, L) and `map`; options of `ShuffledMap` and of the trunk as in `trunk`.

    backbones: empty, or {"sequence": Akita or AkitaGraph}, whose trunk then stands in place of one of its own (the
    options of the trunk are not used). As in the corrected hybrid it keeps its batch-norm statistics and uses no
    dropout, is frozen for the first epochs (`freeze_backbones`) and then tuned with everything else at
    `joint_learning_rate`. Raises InputError for any other backbone and for an unknown control.
    """

    context = ("backbones",)

    def __init__(
        self,
        geometry: Geometry,
        *,
        backbones: dict | None,
        channels: int,
        bottleneck: int,
        trunk_blocks: int,
        trunk_dropout: float,
        **image,
    ):
        backbone = _backbone(backbones or {})
        super().__init__(geometry, backbone.bottleneck if backbone else bottleneck, **image)
        self.window_bp = geometry.window_bp
        self.sequence, self.frozen = backbone, False
        if backbone is None:
            self.trunk = make_trunk(
                geometry,
                channels=channels,
                bottleneck=bottleneck,
                depth=trunk_blocks,
                dropout=trunk_dropout,
                bn_eps=TRUNK_BN_EPS,
            )
            initialise(self.trunk, published=False)
            return
        for key, parameter in backbone.named_parameters():
            parameter.requires_grad_(key.startswith("trunk."))  # its head is not used
        self.joint_learning_rate, self.has_backbones = 0.1, True

    def freeze_backbones(self, frozen: bool = True) -> None:
        """Train all but the backbone; with False everything. A frozen backbone gets no gradient."""
        self.frozen = frozen

    def train(self, mode: bool = True) -> "Aligned":
        super().train(mode)
        if self.sequence is not None:
            self.sequence.eval()
        return self

    def bin_features(self, batch: dict[str, Tensor]) -> Tensor:
        codes, bins = batch["sequence"], batch["map"].shape[-1]
        blocks.check_length(codes, self.window_bp)
        trunk = self.trunk if self.sequence is None else self.sequence.trunk
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            x = trunk(blocks.one_hot(codes)).squeeze(2)  # (B, C, S)
        if x.shape[-1] != bins:
            x = F.interpolate(x, size=bins, mode="linear", align_corners=False)
        return self.shuffle(x.mT)


@blocks.declared(ARCHITECTURES["aligned-bias"])
class AlignedBias(AlignedMap):
    """`bias` (B, W) and `map`: a small network of each bin's bias, `bias_features` wide, in place of its sequence."""

    def __init__(self, geometry: Geometry, *, bias_features: int, **image):
        super().__init__(geometry, bias_features, **image)
        self.bins = nn.Sequential(
            nn.Linear(1, bias_features), nn.ReLU(), nn.Linear(bias_features, bias_features), nn.ReLU()
        )

    def bin_features(self, batch: dict[str, Tensor]) -> Tensor:
        return self.bins(batch["bias"][..., None])


def _backbone(backbones: dict) -> SequenceToMap | None:
    if unknown := sorted(set(backbones) - {"sequence"}):
        raise InputError(f"an aligned arm has one backbone, 'sequence', and not {unknown[0]!r}; correct `backbones`")
    backbone = backbones.get("sequence")
    if backbone is not None and not isinstance(backbone, SequenceToMap):
        raise InputError(
            "the sequence backbone of an aligned arm must be a network on Akita's trunk (akita, akita-graph), and the "
            f"arm given is a {type(backbone).__name__}; name a trained sequence arm under `backbones`"
        )
    return backbone
