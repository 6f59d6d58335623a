"""Vectors of bins from a language model -> maps: Akita's head, and the aligned network, without a trunk of their own.

Kriukov et al. 2021 (IV.2) fed precomputed embeddings of DNABERT to the decoder of their Akita-like network in place of
its encoder: it became worse than the encoder, which the paper puts down to the missing augmentation and to a model of
human DNA on mouse. They give neither a table nor code; what is not the head is our own:

- How a vector becomes features of a bin: one linear layer without bias, batch norm, ReLU. A bin without a vector (an N)
  has features of 0. Akita's last block is no use here: it begins with a ReLU, which would cut half of every vector.
- Windows are not read from the other strand unless the vectors were made of both (`embeddings/<name>/strands`), as in
  the paper.
- `akita-embedded` has the head, the affine, the clip and the two protocols of `akita`, whose docstring says in what
  they differ; "published" is the head of the released code.
- `aligned-embedded` is `aligned` with these features in place of the trunk's, and with its control. No paper has it,
  and both protocols build it.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.akita import make_head
from trifold.models.aligned import IMAGE, TRUNK_BN_EPS, ShuffledMap
from trifold.models.generator import CROP_BINS
from trifold.models.trunk import HEAD, HEAD_KINDS, BinsToMap, initialise

# Read by trifold.architectures from the source. Vectors of the forward strand cannot be turned round.
FORWARD = {"published": {"reverse_complement": False}, "corrected": {"reverse_complement": False}}
ARCHITECTURES = {
    "akita-embedded": {
        "network": "AkitaEmbedded",
        "inputs": ["embeddings"],
        "target": "oe",
        "options": {"bottleneck": 64, "head_channels": 48, "head_blocks": 6, "head_dropout": 0.1, **HEAD},
        "kinds": HEAD_KINDS,
        "training": FORWARD,
    },
    "aligned-embedded": {
        "network": "AlignedEmbedded",
        "inputs": ["map", "embeddings"],
        "target": "observed",
        "crop_bins": CROP_BINS,
        "options": {"bottleneck": 64, "control": "none", **IMAGE},
        "choices": {"control": ["none", "shuffled"]},
        "training": FORWARD,
    },
}


def channels_of(statistics: dict) -> int:
    """Length of the vectors of bins that a model is made for. Raises InputError where the statistics do not say it."""
    if "embeddings" not in statistics:
        raise InputError(
            "statistics.json: embeddings is missing: a model of vectors of bins takes their length from there; name "
            "the vectors in the config (arms/<arm>/embeddings) and train the arm"
        )
    return statistics["embeddings"]["channels"]


class BinFeatures(nn.Module):
    """Vectors (B, channels, W) -> features (B, features, 1, W); 0 where `valid` (bool (B, W)) is false."""

    def __init__(self, channels: int, features: int, bn_eps: float):
        super().__init__()
        self.project = blocks.SequenceConv(channels, features, 1, bias=False)
        self.bn = nn.BatchNorm2d(features, eps=bn_eps)

    def forward(self, vectors: Tensor, valid: Tensor) -> Tensor:
        return F.relu(self.bn(self.project(vectors[:, :, None]))) * valid[:, None, None]


@blocks.declared(ARCHITECTURES["akita-embedded"])
class AkitaEmbedded(BinsToMap):
    """`embeddings` (B, channels, W) -> (B, targets, W - 2c, W - 2c), ln O/E; options as of `akita`."""

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        head_channels: int,
        head_blocks: int,
        head_dropout: float,
        targets: int,
        **common,
    ):
        super().__init__(geometry, protocol=protocol, statistics=statistics, **common)
        self.enter = BinFeatures(channels_of(statistics), self.bottleneck, self.bn_eps)
        self.head = make_head(self, head_channels, head_blocks, head_dropout)
        self.final = nn.Sequential(blocks.PixelDense(head_channels, targets))
        initialise(self, self.published)

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        return self.enter(batch["embeddings"], batch["embeddings_valid"])

    def pixels(self, x: Tensor) -> Tensor:
        return self.final(self.head(x))


@blocks.declared(ARCHITECTURES["aligned-embedded"])
class AlignedEmbedded(ShuffledMap):
    """`embeddings` (B, channels, W) and `map` -> (B, 1, W - 12, W - 12); options as of `aligned`."""

    context = ("statistics",)

    def __init__(self, geometry: Geometry, *, statistics: dict, bottleneck: int, **image):
        super().__init__(geometry, bottleneck, **image)
        self.embedded = BinFeatures(channels_of(statistics), bottleneck, TRUNK_BN_EPS)
        initialise(self.embedded, published=False)

    def bin_features(self, batch: dict[str, Tensor]) -> Tensor:
        x = self.embedded(batch["embeddings"], batch["embeddings_valid"])  # (B, bottleneck, 1, W)
        return self.shuffle(x.squeeze(2).mT)
