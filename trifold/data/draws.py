"""Windows whose reads are drawn anew every epoch: a low map of the deep one, and the reads that it does not have.

A draw thins the whole deep map, balances what is left and what is held back (`data.degrade`), and cuts both into the
windows of the examples (their places, roles and valid bins; their maps are not read). How much a draw keeps, one
contact in `thin`, is log-uniform between the two `depths` of a network, so that it sees every depth.

Of every pixel there are contacts and those expected there: the mean of the balanced map at its distance, over the
balancing weights of its two bins; 0 where a bin has no weight. Both are free of the units of balancing.
"""

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from trifold.architectures import with_options
from trifold.arm import Arm
from trifold.config import Degradation
from trifold.data import degrade, summary
from trifold.data.augment import Augmentation, reverse
from trifold.data.balance import BALANCE
from trifold.data.given import Given, Reader
from trifold.data.rates import expected_counts, expected_of
from trifold.data.samples import Samples
from trifold.data.tracks import TrackStore, read_tracks
from trifold.errors import InputError
from trifold.io.cool import Band, open_map, weight_facts
from trifold.io.tables import read_table

logger = logging.getLogger(__name__)
VALIDATION_EPOCH = -1
LEAST_PIXELS = 3  # of a bin, beyond the ignored diagonals
VALIDATION_DRAWS = 3  # depths that every validation sees, the ends of the range among them; one, where there is one


def balancing_of(path: Path) -> dict:
    """Options of `data.balance.balance` for maps drawn from one: its own, and bins may have few pixels, as they must
    where hardly a contact is left."""
    facts = weight_facts(open_map(path))
    known = {name: facts[name].item() for name in BALANCE if name in facts}
    return {**BALANCE, **known, "min_nnz": min(LEAST_PIXELS, int(known.get("min_nnz", LEAST_PIXELS)))}


class Drawn:
    """The bands of one map, cut into windows with what is expected there."""

    def __init__(self, path: Path, chroms: Sequence[str], window_bins: int):
        # Of the whole map, as it is of one that is enhanced.
        self.expected, self._size = expected_of(path, window_bins), window_bins
        self._bands = {chrom: Band.read(path, chrom, window_bins) for chrom in chroms}

    def window(self, chrom: str, first_bin: int) -> tuple[np.ndarray, np.ndarray]:
        """Contacts and those expected, float32 (1, W, W) each."""
        band, inside = self._bands[chrom], slice(first_bin, first_bin + self._size)
        counts, _ = band.windows(np.array([first_bin]), self._size)
        expected = expected_counts(band.weight[inside][None], self.expected)
        return np.where(expected > 0, counts, 0.0).astype(np.float32), expected


class DrawnWindows(Samples):
    """Windows of one role: `map`, `map_expected` of the low map, `rates`, `rates_expected` of the reads held back, each
    (1, W, W); `valid` (W,); `tracks`, `tracks_valid` where they are read; `index`.

    maps: the deep map of every sample; examples: its dataset directory; depths: the least and the largest `thin`.
    Raises InputError for a role without windows.
    """

    def __init__(
        self,
        maps: Sequence[Path],
        examples: Sequence[Path],
        role: str,
        *,
        depths: tuple[float, float],
        seed: int,
        stride_bins: int | None = None,
        tracks: Sequence[Sequence[TrackStore]] = (),
        strands: Sequence[tuple[int, int]] = (),
        augmentation: Augmentation | None = None,
    ):
        self.maps, self.depths, self.seed = [Path(path) for path in maps], depths, seed
        self.balance = [balancing_of(path) for path in self.maps]
        self.tracks, self.strands, self.augmentation, self.role = tracks, strands, augmentation, role
        geometries = [json.loads((Path(folder) / "statistics.json").read_text())["geometry"] for folder in examples]
        self.bin_bp, self.window_bins = [one["bin_bp"] for one in geometries], geometries[0]["window_bins"]
        for folder, one in zip(examples, geometries):
            if one["window_bins"] != self.window_bins:
                raise InputError(
                    f"{folder}: windows of {one['window_bins']} bins, and {self.window_bins} in {examples[0]}; data "
                    "sets of one training need the same geometry/window_bins"
                )
        tables = [read_table(Path(folder) / "tiles.tsv") for folder in examples]
        tables = [table.assign(sample=number) for number, table in enumerate(tables)]
        self._valid = [np.load(Path(folder) / "valid.npy", mmap_mode="r") for folder in examples]
        tiles = pd.concat([table.assign(row=np.arange(len(table))) for table in tables], ignore_index=True)
        tiles = tiles[tiles["role"] == role]
        if stride_bins:
            step_bp = stride_bins * np.array(self.bin_bp)[tiles["sample"]]
            tiles = tiles[tiles["start_bp"] % step_bp == 0]
        if tiles.empty:
            raise InputError(f"{examples[0]}: no {role} window; give the split longer regions, or a smaller window")
        self.tiles, self.epoch = tiles.reset_index(drop=True), None
        self._draws: list[list[tuple[Drawn, Drawn]]] = []
        if role == "validation":
            self._draws = [self._drawn(thin, VALIDATION_EPOCH, n) for n, thin in enumerate(self._fixed_depths())]

    def _fixed_depths(self) -> list[float]:
        return sorted({float(thin) for thin in np.geomspace(*self.depths, VALIDATION_DRAWS)})

    def set_epoch(self, epoch: int) -> None:
        """Draw the reads of this epoch: the same for the same seed and epoch."""
        if self.role == "validation" or epoch == self.epoch:
            return
        generator = np.random.default_rng([self.seed, epoch])
        least, most = map(math.log, self.depths)
        self.epoch, self._draws = epoch, [self._drawn(math.exp(generator.uniform(least, most)), epoch, 0)]

    def _drawn(self, thin: float, epoch: int, number: int) -> list[tuple[Drawn, Drawn]]:
        """Low map and reads held back of every sample."""
        pairs = []
        for sample, path in enumerate(self.maps):
            mixed = np.random.default_rng([self.seed, epoch + 1, number, sample]).integers(2**31)
            chroms = self.tiles.loc[self.tiles["sample"] == sample, "chrom"].unique()
            pairs.append(self._divided(path, Degradation(1, thin, int(mixed)), self.balance[sample], chroms))
        return pairs

    def _divided(self, path: Path, settings: Degradation, balance: dict, chroms: Sequence[str]) -> tuple[Drawn, Drawn]:
        """A map in two. Where too little is left for balancing, twice as much is kept, and so on."""
        while True:
            try:
                with TemporaryDirectory() as folder:
                    low, rest = Path(folder) / "low.cool", Path(folder) / "rest.cool"
                    degrade.degrade(path, low, settings, balance)
                    degrade.hold_back(path, rest, settings, balance)
                    return Drawn(low, chroms, self.window_bins), Drawn(rest, chroms, self.window_bins)
            except InputError as error:
                if settings.thin <= self.depths[0]:
                    raise
                settings = replace(settings, thin=max(self.depths[0], settings.thin / 2))
                logger.warning("%s; one contact in %.3g is kept instead", error, settings.thin)

    def __len__(self) -> int:
        return len(self.tiles) * (len(self._draws) if self.role == "validation" else 1)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        if not self._draws:
            self.set_epoch(0)
        draw, at = divmod(index, len(self.tiles))
        tile = self.tiles.iloc[at]
        low, rest = self._draws[draw][tile["sample"]]
        first = tile["start_bp"] // self.bin_bp[tile["sample"]]
        window = {"valid": np.array(self._valid[tile["sample"]][tile["row"]])}
        window["map"], window["map_expected"] = low.window(tile["chrom"], first)
        window["rates"], window["rates_expected"] = rest.window(tile["chrom"], first)
        place = tile["chrom"], tile["start_bp"], tile["end_bp"]
        if tile["sample"] < len(self.tracks):
            stores = self.tracks[tile["sample"]]
            window["tracks"], window["tracks_valid"] = read_tracks(stores, *place, self.window_bins)
        elif self.tracks:  # a map of another experiment comes without them
            shape = len(self.tracks[0]), self.window_bins
            window["tracks"], window["tracks_valid"] = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
        if self.augmentation and self.augmentation.draw(self.seed, self.epoch or 0, index)[0]:
            window = reverse(window, self.strands)
        return {key: torch.from_numpy(array) for key, array in window.items()} | {"index": torch.tensor(index)}


def depths_of(arm: Arm) -> tuple[float, float]:
    """Of every contact of a map, one in so many is kept: the least and the largest number."""
    known = with_options(arm.architecture, arm.options, arm.protocol, arm.task).options
    least, most = {**known, **arm.options}["depths"]
    return least, most


def statistics_of(arm: Arm, geometry: dict, given: Given) -> dict:
    """What a model must know of its data: the geometry, the names of its tracks, and how deep its maps were, contacts
    per bin of the shallowest and of the deepest."""
    statistics = json.loads((given.examples[0] / "statistics.json").read_text())
    least, most = depths_of(arm)
    deep = [summary.read(path)["contacts_per_bin"] for path in given.maps]
    drawn = [min(deep) / most, max(deep) / least]
    return {**statistics, "tracks": list(arm.tracks), "drawn_contacts_per_bin": drawn}


def training_sets(
    arm: Arm, given: Given, network: Reader, statistics: dict, seed: int
) -> tuple[DrawnWindows, DrawnWindows]:
    """Training and validation windows of an arm."""
    training = arm.training
    common = {
        "depths": depths_of(arm),
        "seed": seed,
        "tracks": [[TrackStore(folder) for folder in folders] for folders in given.tracks],
        "strands": arm.strands,
    }
    augmentation = Augmentation(training["reverse_complement"], 0, arm.protocol)
    return (
        DrawnWindows(
            given.maps,
            given.examples,
            "train",
            stride_bins=training["stride_bins"],
            augmentation=augmentation,
            **common,
        ),
        DrawnWindows(given.maps, given.examples, "validation", **common),
    )
