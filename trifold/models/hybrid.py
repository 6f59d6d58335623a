"""Sequence and low map -> deep map: two backbones and a small head (Kriukov et al. 2021).

The head sees (akita + 2) / 4, which brings ln O/E in ±2 to [0, 1], and the image arm's map, both cropped by 6.

- "published": two 3 × 3 convolutions, each with ReLU and symmetrised; everything is trained at one learning rate. The
  released forward path computes akita + 2/4 by operator precedence, and its test step copies parts of the target into
  the prediction: `published_forward_bug` reproduces the first, which nothing uses, and
  `published_test_overwrite` the second, which `trifold.score_windows` applies to published hybrids.
- "corrected" departs from the paper: the head's output, its last convolution zero at the start and without the last
  ReLU, is added to the image arm's map, so that the hybrid starts at the image arm's result and sequence has to earn
  its place; negative values are cut in predictions only. The backbones keep their batch-norm statistics and use no
  dropout throughout, so small batches cannot disturb what they learned. After the head's own epochs everything is
  tuned at a tenth of the learning rate.
"""

import torch
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.checkpoint import MICRO_C, Checkpoint

# Read by trifold.architectures from the source.
ROLES = ["sequence", "image"]
CROP_BINS = 6  # of the image arm
ARCHITECTURES = {
    "hybrid": {
        "network": "Hybrid",
        "inputs": ["map", "sequence"],
        "target": "observed",
        "crop_bins": CROP_BINS,
        "backbones": {"needed": ROLES},
        "options": {"head_channels": 16},
    },
}
_STACK = {"parts": ("sequence.", "image.", "head."), "whole": False}
CHECKPOINTS = {
    name: Checkpoint("hybrid", {}, MICRO_C, backbones={"sequence": (sequence, {}), "image": ("vehicle", {})}, **_STACK)
    for name, sequence in (
        ("weights_dl2021_hypermodel.pth", "akita"),
        ("weights_dl2021_hypermodel_graph.pth", "akita-graph"),
    )
}


class Head(nn.Sequential):
    """(B, 2, S, S) -> (B, 1, S, S); keys 0.* and 3.* as released."""

    def __init__(self, channels: int, last_relu: bool):
        super().__init__(
            nn.Conv2d(2, channels, 3, padding=1),
            nn.ReLU(),
            blocks.Symmetrise(),
            nn.Conv2d(channels, 1, 3, padding=1),
            nn.ReLU() if last_relu else nn.Identity(),
            blocks.Symmetrise(),
        )


def stack(akita: Tensor, image: Tensor) -> Tensor:
    """The head's two channels, both on [0, 1]: (B, 1, S, S) twice -> (B, 2, S, S)."""
    return torch.cat([(akita + 2) / 4, image], dim=1)


def published_forward_bug(head: Head, akita: Tensor, image: Tensor) -> Tensor:
    """The released `forward`, which the plots were made with: akita + 2/4 instead of (akita + 2)/4."""
    return head(torch.cat([akita + 2 / 4, image], dim=1))


def published_test_overwrite(prediction: Tensor, target: Tensor) -> Tensor:
    """What the released test step scores: the prediction with the target's diagonal, first row and first column."""
    leaked = prediction.clone()
    leaked.diagonal(dim1=-2, dim2=-1).copy_(target.diagonal(dim1=-2, dim2=-1))
    leaked[..., 0, :] = target[..., 0, :]
    leaked[..., :, 0] = target[..., :, 0]
    return leaked


@blocks.declared(ARCHITECTURES["hybrid"])
class Hybrid(blocks.Architecture):
    """`sequence` and `map` -> (B, 1, W - 12, W - 12). `backbones`: {"sequence": Akita, "image": Generator}."""

    context = ("protocol", "backbones")
    parts = tuple(ROLES)  # silenced, to see what the head makes of the other backbone (Figure 7)

    def __init__(self, geometry: Geometry, *, protocol: str, backbones: dict | None, head_channels: int):
        super().__init__()
        given = backbones or {}
        if missing := [role for role in ROLES if role not in given]:
            raise InputError(
                f"a hybrid needs backbones {list(ROLES)}, and {missing} is missing: name a trained arm for each under "
                "the arm's `backbones`, for example {sequence: sequence, image: image}"
            )
        self.sequence, self.image = (given[role] for role in ROLES)
        for role, wanted in (("sequence", "oe"), ("image", "observed")):
            if given[role].target != wanted:
                raise InputError(
                    f"the {role} backbone of a hybrid must predict {wanted!r} maps, and the arm given predicts "
                    f"{given[role].target!r}; exchange the arms under `backbones`"
                )
        self.published = protocol == "published"
        self.head = Head(head_channels, last_relu=self.published)
        if not self.published:
            for parameter in self.head[3].parameters():
                nn.init.zeros_(parameter)
        self.has_backbones = True
        self.joint_learning_rate = 1.0 if self.published else 0.1
        self.frozen = False

    def freeze_backbones(self, frozen: bool = True) -> None:
        """Train the head alone; with False everything again. Frozen backbones get no gradient and are in eval mode."""
        self.frozen = frozen
        self.train(self.training)

    def train(self, mode: bool = True) -> "Hybrid":
        super().train(mode)
        if self.frozen or not self.published:
            self.sequence.eval()
            self.image.eval()
        return self

    def as_published_test(self, output: Tensor, target: Tensor) -> Tensor:
        return published_test_overwrite(output, target) if self.published else output

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            akita = blocks.crop(self.sequence.full_map(batch), CROP_BINS)
            image = self.image(batch)
        akita, image = (
            torch.zeros_like(maps) if role == self.silenced else maps for role, maps in zip(ROLES, (akita, image))
        )
        y = self.head(stack(akita, image))
        if self.published:
            return y
        y = image + y
        return y if self.training else y.clamp(min=0)
