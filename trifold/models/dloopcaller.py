"""Loops from a window of the map and the accessibility of its bins, as two images: DLoopCaller (Wang et al. 2022).

The first channel is the window about the pixel (x, y), the second the accessibility of the rows' bins times that of the
columns' bins. Three convolutions, two linear layers, a probability. DLoopCaller reads 23 × 23 bins of 10 kb (23,089
parameters), the copy that MIX-HIC (Yang et al. 2025) compares itself with 50 × 50 of 5 kb (88,625): `side_bins`.

A batch, as in `trifold.models.mixhic`: `map` (B, 1, W, W) on [0, 1], `tracks` (B, 2Wk, T), the stretch about x and then
that about y in k bins to a bin of the map, `label` (B, 1). Of a window wider than `side_bins` the middle is read, so
that networks of either size are taught and tested on the same pairs. Layers bear the names of the reference outputs.

- "published" and "corrected": the same network, start, rate, batch and number of epochs. "published" reads the noise
  that MIX-HIC's loop script leaves in its maps, and keeps the batch norm that the steps leave; "corrected" neither
  (`trifold.training.regression`). The validation pairs choose epoch and start, by AUROC.
- Both: the map is the clipped one on [0, 1] that all networks of the task read, where DLoopCaller takes balanced
  contacts; loops of whole chromosomes are scored on maps prepared as in training, where its own script leaves out the
  logarithm there; regions are held out by `splits`, where DLoopCaller leaves out one chromosome at a time.
- Decided here, because nothing was published: with several tracks, which MIX-HIC's DLoopCaller has, the accessibility
  of a bin is the mean over all of them, of values as they are (the logarithm that the task takes is undone); Xavier's
  start is the uniform one; dropout follows each of the three convolutions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.blocks import Architecture, declared
from trifold.models.mixhic import TRAINING as CONSTANT

CHANNELS, HIDDEN, DROPOUT = (16, 32, 32), 64, 0.2
TRAINING = {
    **CONSTANT,
    "epochs": 30,
    "batch_size": 128,
    "learning_rate": 1e-3,
    "optimiser": "adam",
    "weight_decay": 0,
    "early_stop_epochs": 0,
}
ARCHITECTURES = {
    "dloopcaller": {
        "network": "DLoopCaller",
        "inputs": ["map", "tracks"],
        "target": "label",
        "window_bins": 50,
        "tasks": {"loop": {"training": {"published": TRAINING, "corrected": TRAINING}}},
        "reads": "side_bins",
        # None: the whole window.
        "options": {"side_bins": None, "starts": 5},
        "kinds": {"side_bins": "int"},
    },
}


def contrast(values: Tensor) -> Tensor:
    """Windows (B, 1, S, S) as the network reads them: v = log10(1 + 10 value), over the window's largest v + 1.

    Values below 0, which noise leaves and which have no such logarithm, are read as 0.
    """
    values = torch.log10(1 + 10 * values.clamp(min=0))
    return values / (values.amax(dim=(1, 2, 3), keepdim=True) + 1)


@declared(ARCHITECTURES["dloopcaller"])
class DLoopCaller(Architecture):
    """Is (x, y) a loop: `forward(batch) -> (B, 1)`, a probability.

    side_bins: of the square that is read, in the middle of the window; None: all of it. starts: trainings from
    different starts, of which the one with the best validation score is kept (`trifold.training.job`). Raises
    InputError for a square that is wider than the window or leaves nothing.
    """

    context = ("statistics",)
    has_batch_norm = True

    def __init__(self, geometry: Geometry, *, side_bins: int | None, starts: int, statistics: dict):
        super().__init__()
        self.window_bins, self.starts, self.logarithmic = geometry.window_bins, starts, statistics["log_tracks"]
        self.side = side_bins or self.window_bins
        if not 8 <= self.side <= self.window_bins:
            raise InputError(
                f"config: arms: dloopcaller: options/side_bins: {self.side}; three halvings need 8 or more, and the "
                f"window has {self.window_bins}: choose a side in between"
            )
        first, second, third = CHANNELS
        self.conv1 = nn.Conv2d(2, first, 5, padding=2)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.conv3 = nn.Conv2d(second, third, 3, padding=1)
        self.bn = nn.BatchNorm2d(third)
        self.linear1 = nn.Linear(third * (self.side // 8) ** 2, HIDDEN)
        self.linear2 = nn.Linear(HIDDEN, 1)
        self.dropout = nn.Dropout(DROPOUT)
        for layer in (self.conv1, self.conv2, self.conv3, self.linear1, self.linear2):
            for parameter in layer.parameters():
                (nn.init.xavier_uniform_ if parameter.ndim > 1 else nn.init.zeros_)(parameter)

    def accessibility(self, tracks: Tensor) -> Tensor:
        """Tracks (B, 2Wk, T) -> means over each bin of the map and over the tracks, (B, 2, W): about x, about y."""
        values = torch.exp2(tracks) - 1 if self.logarithmic else tracks
        return values.unflatten(1, (2, self.window_bins, -1)).mean(dim=(3, 4))

    def images(self, batch: dict[str, Tensor]) -> Tensor:
        """-> (B, 2, S, S): the map and the products of accessibilities, rows about x, both under `contrast`."""
        first = self.window_bins // 2 - self.side // 2
        middle = slice(first, first + self.side)
        about_x, about_y = self.accessibility(batch["tracks"])[..., middle].unbind(1)  # (B, S) each
        products = (about_x[:, :, None] * about_y[:, None])[:, None]
        return torch.cat([contrast(batch["map"][..., middle, middle]), contrast(products)], dim=1)

    def classify(self, images: Tensor) -> Tensor:
        """(B, 2, S, S) -> logits (B, 1)."""
        x = images
        for layer in (self.conv1, self.conv2, self.conv3):
            x = self.dropout(F.avg_pool2d(F.relu(layer(x)), 2))
        x = self.bn(x).flatten(1)  # (B, 32 ⌊S / 8⌋²)
        return self.linear2(self.dropout(F.relu(self.linear1(x))))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return torch.sigmoid(self.classify(self.images(batch)))

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy against `label`, and the probability."""
        logits = self.classify(self.images(batch))
        return F.binary_cross_entropy_with_logits(logits, batch["label"]), torch.sigmoid(logits)
