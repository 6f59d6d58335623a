"""Low contacts -> deep contacts: HiCPlus (Zhang et al. 2018).

Three convolutions without padding, 9 × 9, 1 × 1 and 5 × 5, each with ReLU, take 6 bins off every side. The low map is
multiplied to the deep one's depth, then both are cut at an upper bound: values above it are never predicted.

- "published": depth factor 16 and bound 100, made for 1/16 of the reads of GM12878 at 10 kb; initialised as torch does.
  The released code cuts 40 × 40 tiles and puts 28 × 28 ones together; without padding or batch norm that gives the
  numbers of the whole window at once, which is what is done here.
- "corrected": the ratio of the training regions' contacts and, for the bound on outliers, the deep map's 99.9 %
  quantile, so that other depths and bins work. Values are in units of the bound (a network of ReLUs is the same in all
  units, an optimiser is not), weights start as He's, the last ReLU acts on predictions only, where it cannot stop a
  gradient, and the output is symmetrised.
"""

import torch
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.models import blocks
from trifold.models.checkpoint import Checkpoint, of_contacts

# Read by trifold.architectures from the source.
CROP_BINS = 6
ARCHITECTURES = {
    "hicplus": {
        "network": "HiCPlus",
        "inputs": ["map"],
        "target": "counts",
        "crop_bins": CROP_BINS,
        "options": {"depth_factor": None, "low_clip": None, "deep_clip": None, "scaled": None},
        "kinds": {"depth_factor": "float", "low_clip": "float", "deep_clip": "float", "scaled": "bool"},
    },
}
# HiCARN prepared the data of the networks it retrained as DeepHiC does, and cut low maps of every depth at 100.
_HICARN = {"depth_factor": 1.0, "low_clip": 100.0, "deep_clip": 255.0, "scaled": True}
CHECKPOINTS = {
    **{
        f"weights_hicarn_hicplus_{depth}ds.pytorch": Checkpoint("hicplus", _HICARN, of_contacts(None, depth))
        for depth in (16, 32, 64, 100)
    },
    **{
        name: Checkpoint("hicplus", {}, of_contacts("raw", 16))
        for name in (
            "weights_hicplus_hindiii_40000",
            "weights_hicplus_pytorch_12000",
            "weights_hicplus_gm_chr1_83900.model",
            "weights_hicplus_model3400.model",
        )
    },
}

PUBLISHED_DEPTH_FACTOR, PUBLISHED_CLIP = 16.0, 100.0


@blocks.declared(ARCHITECTURES["hicplus"])
class HiCPlus(blocks.Architecture):
    """`map` (B, 1, W, W), contacts per pixel -> (B, 1, W - 12, W - 12), contacts or (`scaled`) in units of `deep_clip`.

    depth_factor: deep contacts per low contact; low_clip, deep_clip: largest contacts of the input, after the factor,
    and of the target; scaled: divide each by its clip. All None follow the protocol.
    statistics: `counts` {ratio, deep_q999}, read by "corrected" only.
    """

    context = ("protocol", "statistics")

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        depth_factor: float | None,
        low_clip: float | None,
        deep_clip: float | None,
        scaled: bool | None,
    ):
        super().__init__()
        self.published = protocol == "published"

        def bound(given: float | None) -> float:
            if given is not None:
                return given
            return PUBLISHED_CLIP if self.published else blocks.contacts_statistic(statistics, "deep_q999")

        if depth_factor is None:
            depth_factor = PUBLISHED_DEPTH_FACTOR if self.published else blocks.contacts_statistic(statistics, "ratio")
        self.depth_factor, self.low_clip, self.deep_clip = depth_factor, bound(low_clip), bound(deep_clip)
        scaled = not self.published if scaled is None else scaled
        self.low_unit, self.deep_unit = (self.low_clip, self.deep_clip) if scaled else (1.0, 1.0)
        self.conv1 = nn.Conv2d(1, 8, 9)
        self.conv2 = nn.Conv2d(8, 8, 1)
        self.conv3 = nn.Conv2d(8, 1, 5)
        if not self.published:
            for layer in (self.conv1, self.conv2, self.conv3):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.get_parameter("bias"))

    def encode(self, target: Tensor) -> Tensor:
        return target.clamp(max=self.deep_clip) / self.deep_unit

    def decode(self, output: Tensor) -> Tensor:
        return output * self.deep_unit

    def network(self, x: Tensor) -> Tensor:
        """(N, 1, S, S) -> (N, 1, S - 12, S - 12): the three layers alone."""
        x = torch.relu(self.conv1(x))  # (N, 8, S - 8, S - 8)
        y = self.conv3(torch.relu(self.conv2(x)))
        return torch.relu(y) if self.published or not self.training else y

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        y = self.network((self.depth_factor * batch["map"]).clamp(max=self.low_clip) / self.low_unit)
        return y if self.published else blocks.symmetrise(y)
