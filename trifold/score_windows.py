"""Models on the windows of a dataset directory, scored there role by role: what the tables of the papers are made of.

`evaluate` scores the whole maps a user gets; here nothing is blended, and training and validation windows are scored
too. Windows are taken side by side, so that overlapping ones do not count twice. Two forms, by protocol:

- published: every pixel of the cropped map on the scales of the released data steps (each window on its own [0, 1]),
  the diagonal and both triangles included; ln O/E from the second diagonal on. A hybrid is scored with the parts of the
  target that the released test step copies into it.
- corrected: the upper triangle between the first and the last diagonal of the scoring, on bins that are good in the
  deep and in the low map, on one [0, 1] scale for all; predictions are symmetrised, as in whole maps.

Here a target is what the data set holds: coarse-grained, for O/E also clipped, divided and smoothed. A prediction is
what the network gives, which was taught that target, and goes through none of it: as the papers' tables were made, in
the published columns and in the corrected ones beside them. A deep map put in as a prediction would not score as
perfect here; in `evaluate` it does.

An arm on contacts is brought to the balanced scale and from there to [0, 1]; in the published form, where each window
has its own scale, to that of its own prediction.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from trifold.arm import Arm
from trifold.config import Geometry, Recipes, Scoring, from_dict
from trifold.data import normalise
from trifold.data.dataset import WindowDataset
from trifold.data.embeddings import EmbeddingStore, check_same
from trifold.data.given import Given
from trifold.data.normalise import CountsScale, ObservedScale
from trifold.data.sequence import SequenceStore
from trifold.data.splits import ROLES
from trifold.data.tracks import TrackStore
from trifold.device import device_of
from trifold.errors import InputError
from trifold.metrics import pixels, scc
from trifold.metrics.ssim import ssim
from trifold.models import stored
from trifold.models.blocks import Architecture, crop

PLACE = ["role", "chrom", "start_bp", "end_bp"]
SCORES = ["n_pixels", "mae", "mse", "pearson", "spearman", "ssim", "scc_hicrep", "scc_hicreppy", "scc_kriukov2021"]


class Windows:
    """The windows of one role of a dataset directory, and a model's maps of them on the scale they are scored on.

    tiles  the windows, side by side: role, chrom, start_bp, end_bp
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        role: str,
        model: Architecture,
        protocol: str,
        *,
        sequence: SequenceStore | None = None,
        tracks: Sequence[TrackStore] = (),
        reading: dict | None = None,
    ):
        self.model, self.protocol, folder = model, protocol, Path(folder)
        self.facts = json.loads((folder / "statistics.json").read_text())
        self.recipes = from_dict(Recipes, self.facts["recipes"])
        # Contacts are compared on [0, 1] too.
        self.scale = "oe" if model.target == "oe" else "observed"
        common = {"sequence": sequence, "tracks": [tracks], **(reading or {})}
        inputs = model.inputs | {"bias"}
        self._inputs = WindowDataset(folder, role, inputs=inputs, target=model.target, **common)
        self._targets = WindowDataset(folder, role, inputs=(), target=self.scale)
        self._chosen = _side_by_side(self._inputs.tiles)
        self.tiles = self._inputs.tiles.iloc[self._chosen][PLACE].reset_index(drop=True)

    def __len__(self) -> int:
        return len(self._chosen)

    @torch.inference_mode()
    def predict(
        self, batch_size: int, device: str = "cpu", only: Sequence[int] | None = None, overwrite: bool = True
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Batch by batch: prediction and target (n, W - 2c, W - 2c) float64, and which bins are good (n, W - 2c).

        c is the model's crop; only: numbers of the windows wanted, all where None; overwrite: with what the released
        test step copies from the target into a published hybrid's prediction. Raises InputError for predictions that
        are not numbers.
        """
        where = device_of(device)
        model = self.model.to(where).eval()
        chosen = self._chosen if only is None else self._chosen[list(only)]
        loaders = [DataLoader(maps, batch_size, sampler=chosen.tolist()) for maps in (self._inputs, self._targets)]
        for batch, targets in zip(*loaders):
            output = model({key: tensor.to(where) for key, tensor in batch.items()}).float().cpu()
            if not output.isfinite().all():
                raise InputError("the model predicts values that are not numbers; train it again")
            target = crop(targets[self.scale], model.crop_bins)
            if overwrite and self.protocol == "published":
                output = model.as_published_test(output, target)
            prediction = self._on_scale(output, batch)
            good = batch["valid"] & batch["low_valid"]
            good = good[:, model.crop_bins : good.shape[1] - model.crop_bins]
            yield prediction, target[:, 0].double().numpy(), good.numpy()

    def _on_scale(self, output: Tensor, batch: dict[str, Tensor]) -> np.ndarray:
        values = self.model.decode(output)[:, 0].double().numpy()
        if self.protocol != "published":
            values = (values + values.swapaxes(1, 2)) / 2
        if self.model.target != "counts":
            return values
        weights = np.exp(batch["bias"].double().numpy() + self.facts["low_bias"]["mean_log_weight"])
        back = CountsScale.of(weights, self.recipes.counts, self.facts["counts"], self.facts["coarsen"])
        balanced = np.maximum(back.inverse(values), 0.0)
        if self.recipes.observed.scale == "window":
            return normalise.own_scale(balanced, self.recipes.observed).forward(balanced)
        known = self.facts["observed"]
        return ObservedScale(np.array([known["floor"]]), np.array([known["ceiling"]]), np.zeros(1)).forward(balanced)


def _side_by_side(tiles: pd.DataFrame) -> np.ndarray:
    """Numbers of the windows that do not overlap one taken before, chromosome by chromosome from its start."""
    taken, chrom, end_bp = [], None, 0
    for number, tile in tiles.sort_values(["chrom", "start_bp"], kind="stable").iterrows():
        if tile["chrom"] != chrom or tile["start_bp"] >= end_bp:
            taken.append(number)
            chrom, end_bp = tile["chrom"], tile["end_bp"]
    return np.array(sorted(taken))


def score_windows(
    prediction: np.ndarray,
    target: np.ndarray,
    good: np.ndarray,
    scale: str,
    protocol: str,
    scoring: Scoring,
    bin_bp: int,
) -> pd.DataFrame:
    """`SCORES` of cropped windows (n, S, S) with good bins (n, S), one row per window; SSIM and SCC not of O/E."""
    size = target.shape[1]
    if protocol == "published":
        first = 2 if scale == "oe" else 1 - size
        mask = np.broadcast_to(pixels.upper_triangle(size, first, size - 1), target.shape)
        bands = np.ones((*target.shape[:2], size), dtype=bool)
    else:
        last = size - 1 if scoring.max_distance_bins is None else min(size - 1, scoring.max_distance_bins)
        mask = pixels.upper_triangle(size, scoring.min_diagonal, last) & good[:, :, None] & good[:, None, :]
        bands = pixels.to_bands(mask, last + 1)
    table = pixels.per_window(prediction, target, mask)
    if scale == "oe":
        return table.reindex(columns=SCORES)
    predicted, wanted = (pixels.to_bands(maps, bands.shape[-1]) for maps in (prediction, target))
    max_bins = size if scoring.scc_max_bp is None else scoring.scc_max_bp // bin_bp
    table["ssim"] = ssim(prediction, target, mask)
    released = protocol == "published"
    return table.assign(**scc.forms(predicted, wanted, bands, scoring.scc_h, max_bins, as_released=released))


def score(
    out: Path,
    *,
    arm: Arm,
    model: str | os.PathLike | None,
    given: Given,
    protocol: str,
    scoring: Scoring,
    labels: dict,
    batch_size: int,
    device: str = "cpu",
    threads: int = 1,
    **_,
) -> None:
    """Write scores.tsv into the folder `out`: the labels, `PLACE`, scale and `SCORES` of every window of every role.

    model: the folder of the trained model; None: a row without one. given: the dataset directory of the protocol, of
    one sample. Maps on [0, 1] are cropped by `scoring.window_crop_bins`, so that all arms meet on the same pixels.
    Raises InputError where an arm's crop is deeper than that.
    """
    (examples,) = given.examples
    statistics = stored.read_statistics(examples)
    bin_bp = statistics["geometry"]["bin_bp"]
    network, known = stored.load_or_build(model, arm.model(), lambda: statistics, bin_bp=bin_bp)
    embeddings = EmbeddingStore(given.embeddings) if given.embeddings else None
    if embeddings is not None:
        check_same(embeddings, known.get("embeddings", {}), str(model))
    write_scores(
        out,
        model=network,
        protocol=protocol,
        examples=examples,
        sequence=SequenceStore(given.sequence) if given.sequence else None,
        tracks=[TrackStore(folder) for folders in given.tracks for folder in folders],
        reading={"track_bp": arm.track_bp, "strands": arm.strands, "embeddings": embeddings},
        scoring=scoring,
        labels=labels,
        batch_size=batch_size,
        device=device,
        threads=threads,
    )


def write_scores(
    out: Path,
    *,
    model: Architecture,
    protocol: str,
    examples: str | os.PathLike,
    sequence: SequenceStore | None,
    tracks: Sequence[TrackStore],
    scoring: Scoring,
    labels: dict,
    batch_size: int,
    reading: dict | None = None,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """`score` of a model that is there. reading: how its windows are read (`WindowDataset`)."""
    torch.set_num_threads(threads)
    tables = []
    for role in ROLES:
        windows = Windows(examples, role, model, protocol, sequence=sequence, tracks=tracks, reading=reading)
        geometry = from_dict(Geometry, windows.facts["geometry"])
        margin = 0 if windows.scale == "oe" else scoring.window_crop_bins - model.crop_bins
        if margin < 0:
            raise InputError(
                f"config: arms/{labels['arm']}/options: the outer {model.crop_bins} bins of a window are missing; "
                f"maps on [0, 1] are compared up to {scoring.window_crop_bins} bins from its border: choose a smaller "
                "crop, or a larger evaluate/scoring/window_crop_bins"
            )
        parts = []
        for prediction, target, good in windows.predict(batch_size, device):
            prediction, target = crop(prediction, margin), crop(target, margin)
            good = good[:, margin : good.shape[1] - margin]
            scores = score_windows(prediction, target, good, windows.scale, protocol, scoring, geometry.bin_bp)
            parts.append(scores)
        tables.append(windows.tiles.assign(scale=windows.scale).join(pd.concat(parts, ignore_index=True)))
    table = pd.concat(tables, ignore_index=True).assign(protocol=protocol, **labels)
    columns = ["protocol", *labels, *PLACE, "scale", *SCORES]
    table[columns].to_csv(Path(out) / "scores.tsv", sep="\t", index=False, float_format="%.8g")
