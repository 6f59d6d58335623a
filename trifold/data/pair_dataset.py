"""Windows about pairs of bins as a torch Dataset: they are cut on the fly, nothing is stored beforehand.

A sample's folders: `bands` (``<chrom>.npy`` and ``chromosomes.tsv``: name, n_bins, n_diagonals), the prepared tracks,
and `pairs`: ``pairs.tsv`` and ``matched.tsv`` (chrom, x, y, label, role), ``windows.tsv`` (chrom, x, role, cage_role)
and ``cage.npy`` (windows × W, mean signal). The genome's sequence (`trifold.data.sequence`) is one folder for all.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import torch

from trifold.arm import Arm
from trifold.data import pairs
from trifold.data.bands import open_bands
from trifold.data.given import Given, Reader
from trifold.data.samples import Samples
from trifold.data.sequence import SequenceStore
from trifold.data.splits import ROLES
from trifold.data.tracks import TrackStore, check_chromosomes
from trifold.errors import InputError
from trifold.genome import some_of
from trifold.io.tables import read_table

log = logging.getLogger(__name__)

# The noise that the released loop script leaves in: sd of the Gaussian, shares of the entries that are changed.
NOISE_SD, NOISE_SHARE = 0.1, 0.5
Batch = TypeVar("Batch")


# ---------------------------------------------------------------- noise


def noisy(window: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A map window with the noise of the released loop script, in its order, float32.

    Half of the entries get Gaussian noise, half become 0 or 1, then half of those that are not 0 become 0.
    """
    window = window.copy()
    chosen = generator.random(window.shape) < NOISE_SHARE
    window[chosen] += generator.normal(0, NOISE_SD, int(chosen.sum())).astype(np.float32)
    chosen = generator.random(window.shape) < NOISE_SHARE
    window[chosen] = generator.integers(0, 2, int(chosen.sum()))
    window[(window != 0) & (generator.random(window.shape) < NOISE_SHARE)] = 0
    return window


# ---------------------------------------------------------------- the data set


@dataclass(frozen=True)
class Sample:
    """Where one cell type lies."""

    name: str
    pairs: Path
    bands: Path
    tracks: tuple[Path, ...]


def samples_of(given: Given) -> list[Sample]:
    """The samples that a job is given."""
    tracks = given.tracks or ((),) * len(given.samples)
    return [Sample(*folders) for folders in zip(given.samples, given.pairs, given.bands, tracks, strict=True)]


def statistics_of(arm: Arm, geometry: dict, given: Given) -> dict:
    """What a model of an arm must know of the data it was made from: windows, tracks, the diagonals of the bands."""
    bands = [store for folder in given.bands for store in open_bands(folder, arm.window_bins).values()]
    bins = [TrackStore(path).bin_bp for paths in given.tracks for path in paths]
    return {
        "geometry": {**geometry, "window_bins": arm.window_bins},
        "tracks": list(arm.tracks),
        "track_bp": bins[0] if bins else geometry["bin_bp"],
        "log_tracks": arm.log_tracks,
        "n_diagonals": max(store.n_diagonals for store in bands),
        "loops": sum(_number_of_loops(folder, arm.hold_out) for folder in given.pairs),
    }


def _number_of_loops(folder: Path, hold_out: bool) -> int:
    """Listed loops of a sample that an arm is trained on."""
    table = read_table(folder / "pairs.tsv")
    trains = (table["role"] == "train") | (not hold_out)
    return int((trains & (table["label"] == 1)).sum())


def training_sets(
    arm: Arm, given: Given, network: Reader, statistics: dict, seed: int
) -> tuple["PairDataset", "PairDataset"]:
    """Training and validation samples of an arm on pairs. `network.entries` says what of a batch is read."""
    samples, common = samples_of(given), _common(arm, given, network, statistics, seed)
    roles = ["train"] if arm.hold_out else None
    return (
        PairDataset(samples, arm.task, roles, fraction=arm.fraction, **common),
        PairDataset(samples, arm.task, ["validation"], mixed=True, **common),
    )


def validation_set(arm: Arm, given: Given, network: Reader, statistics: dict, seed: int) -> "PairDataset | None":
    """Validation pairs of an arm on loops, read as its test pairs are; None without any."""
    if not any((read_table(folder / "pairs.tsv")["role"] == "validation").any() for folder in given.pairs):
        return None
    common = _common(arm, given, network, statistics, seed)
    return PairDataset(samples_of(given), arm.task, ["validation"], mixed=True, **common)


def test_set(arm: Arm, given: Given, network: Reader, statistics: dict, seed: int, *, matched: bool) -> "PairDataset":
    """Test samples of an arm. Mixed: where a network attends across a batch, its labels must not tell of each other.

    matched: loops beside the negatives that are as far apart as they are.
    """
    common = _common(arm, given, network, statistics, seed)
    return PairDataset(samples_of(given), arm.task, ["test"], mixed=True, matched=matched, **common)


def _common(arm: Arm, given: Given, network: Reader, statistics: dict, seed: int) -> dict:
    return {
        "reads": network.entries,
        "sequence": given.sequence,
        "bin_bp": statistics["geometry"]["bin_bp"],
        "window_bins": arm.window_bins,
        "protocol": arm.protocol,
        "log": arm.log_tracks,
        "noise": arm.noise,
        "seed": seed,
    }


def open_sequence(folder: Path | None, chroms: Iterable[str]) -> SequenceStore:
    """The genome's sequence for windows on some chromosomes. Raises InputError where there is none, or none of one."""
    if folder is None:
        raise InputError("config: genome/fasta: missing; the network reads the sequence of its windows: name the FASTA")
    sequence = SequenceStore(folder)
    if lacking := [chrom for chrom in chroms if chrom not in sequence.chromsizes]:
        raise InputError(
            f"{folder}: the sequence has no {some_of(lacking)}, where windows lie; it has "
            f"{some_of(list(sequence.chromsizes))}: name chromosomes alike by genome/rename, or leave them out by "
            "pairs/exclude"
        )
    return sequence


def _read_sequence(
    sequence: SequenceStore, chrom: str, pairs_xy: np.ndarray, bin_bp: int, out: np.ndarray, places: np.ndarray
) -> None:
    """Codes of the stretches about x and about y of pairs (n, 2), into their places of `out` (N, 2, W · bin_bp)."""
    length_bp = out.shape[2]
    starts_bp = pairs_xy * bin_bp - length_bp // 2
    for place, (about_x, about_y) in zip(places, starts_bp.tolist()):
        out[place, 0] = sequence.window(chrom, about_x, about_x + length_bp)
        # A window on the diagonal has one stretch twice.
        out[place, 1] = out[place, 0] if about_y == about_x else sequence.window(chrom, about_y, about_y + length_bp)


class PairDataset(Samples):
    """Samples of a task in one or several roles, as dicts of tensors: `pair` (x, y), `index`, and what `reads` names.

    task      "pretraining": positive pairs; "loop": all pairs; "window", "cage": windows about TSS, x = y
    roles     of train, validation, test; None: all
    reads     of "map" (1, W, W), "expected" (1, W, W), the mean at a pixel's distance on its chromosome, "tracks"
              (track bins of both stretches, tracks), "sequence" (2W · bin_bp,), base codes of both stretches, uint8, N
              beyond a chromosome's ends, "label" (1,), "cage" (2W,), the bins twice as log2(x + 1), "chromosome" (), a
              number for its name (`pairs.code_of`)
    sequence  folder of the genome's sequence, where `reads` names it
    protocol  "published": CAGE windows have the role that was drawn at random
    log       tracks as log2(x + 1)
    noise     maps as the released loop script gives them: noise by (seed, epoch, index)
    fraction  share of the samples, drawn without replacement by the seed
    mixed     in an order drawn by the seed, so that batches of networks that attend across samples hold both labels;
              otherwise in the order of the tables
    matched   of the task loop: the positive pairs and, in place of the negatives, those matched to them in distance
    `table` holds the samples in order: sample, chrom, x, y, label. Raises InputError where no sample is left, and where
    the sequence lacks a chromosome of one.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        task: str,
        roles: Sequence[str] | None,
        *,
        reads: set[str],
        bin_bp: int,
        window_bins: int,
        protocol: str,
        sequence: Path | None = None,
        log: bool = True,
        noise: bool = False,
        fraction: float = 1.0,
        seed: int = 0,
        mixed: bool = False,
        matched: bool = False,
    ):
        self.task, self.reads, self.log, self.noise = task, reads, log, noise
        self.bin_bp, self.window_bins = bin_bp, window_bins
        self.seed, self.epoch = seed, 0
        cut = not reads.isdisjoint({"map", "expected"})
        self.bands = [open_bands(sample.bands, window_bins) if cut else {} for sample in samples]
        self.tracks = [[TrackStore(path) for path in sample.tracks] for sample in samples]
        tables = [self._read(number, sample, roles, protocol, matched) for number, sample in enumerate(samples)]
        table = pd.concat(tables, ignore_index=True)
        if "tracks" in reads:
            self._check_tracks(table, roles)
        self.sequence = open_sequence(sequence, table["chrom"].unique()) if "sequence" in reads else None
        generator = np.random.default_rng(seed)
        if fraction < 1:
            kept = generator.choice(len(table), size=int(fraction * len(table)), replace=False)
            table = table.iloc[np.sort(kept)]
        if mixed:
            table = table.iloc[generator.permutation(len(table))]
        self.table = table.reset_index(drop=True)
        if self.table.empty:
            raise InputError(
                f"config: splits: no {task} sample with the role {' or '.join(roles or ROLES)} in "
                f"{', '.join(sample.name for sample in samples)}; name other chromosomes, or raise the arm's fraction"
            )
        # Plain arrays: workers copy what they touch of a table.
        self._numbers = self.table["number"].to_numpy()
        self._codes, names = pd.factorize(self.table["chrom"])
        self._names = list(names)
        self._chromosomes = np.array([pairs.code_of(name) for name in names], dtype=np.int64)
        self._xy = self.table[["x", "y"]].to_numpy(dtype=np.int64)
        self._labels = self.table["label"].to_numpy(dtype=np.float32)
        if "cage" in reads:
            stored = [self._expression(sample) for sample in samples]
            rows = zip(self._numbers, self.table["row"])
            self._cage = np.stack([stored[number][row] for number, row in rows])

    def _read(
        self, number: int, sample: Sample, roles: Sequence[str] | None, protocol: str, matched: bool
    ) -> pd.DataFrame:
        pairwise = self.task in ("pretraining", "loop")
        path = sample.pairs / ("pairs.tsv" if pairwise else "windows.tsv")
        if not path.exists():
            raise InputError(f"{path}: not found; give start sites (config: genome/tss) and make the pairs again")
        table = read_table(path)
        if matched:
            table = pd.concat([table[table["label"] == 1], read_table(sample.pairs / "matched.tsv")], ignore_index=True)
        table["row"] = np.arange(len(table))
        if self.task == "pretraining":
            table = table[table["label"] == 1]
        if not pairwise:
            table = table.assign(y=table["x"], label=1)
        if roles is not None:
            role = "cage_role" if self.task == "cage" and protocol == "published" else "role"
            table = table[table[role].isin(roles)]
        return table[["chrom", "x", "y", "label", "row"]].assign(number=number, sample=sample.name)

    def _check_tracks(self, table: pd.DataFrame, roles: Sequence[str] | None) -> None:
        """Raise InputError for a track without data on a chromosome that is tested; of others it is said."""
        for number, stores in enumerate(self.tracks):
            chroms = table.loc[table["number"] == number, "chrom"].unique()
            try:
                check_chromosomes(stores, chroms, f"which hold {' and '.join(roles or ROLES)} samples")
            except InputError as error:
                if roles is not None and "test" in roles:
                    raise
                log.warning("%s", error)

    @staticmethod
    def _expression(sample: Sample) -> np.ndarray:
        if not (path := sample.pairs / "cage.npy").exists():
            raise InputError(
                f"{path}: not found; give the sample {sample.name!r} the tracks of config: pairs/expression"
            )
        return np.load(path)

    def set_epoch(self, epoch: int) -> None:
        """Draw the noise of this epoch from now on."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._xy)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return {name: values[0] for name, values in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """A batch, cut into its own memory; a DataLoader asks for it and is given `collate`."""
        rows = np.asarray(indices, dtype=np.int64)
        n, pairs_xy = len(rows), self._xy[rows]
        batch = {"pair": pairs_xy, "index": rows}
        if "map" in self.reads:
            batch["map"] = np.empty((n, 1, self.window_bins, self.window_bins), dtype=np.float32)
        if "tracks" in self.reads:
            length = 2 * self.window_bins * self.bin_bp // self.tracks[0][0].bin_bp
            batch["tracks"] = np.empty((n, length, len(self.tracks[0])), dtype=np.float32)
        if "sequence" in self.reads:
            batch["sequence"] = np.empty((n, 2, self.window_bins * self.bin_bp), dtype=np.uint8)
        if "expected" in self.reads:
            batch["expected"] = np.empty((n, 1, self.window_bins, self.window_bins), dtype=np.float32)
        chromosomes = self._numbers[rows] * len(self._names) + self._codes[rows]
        for code_of_map in np.unique(chromosomes):
            places = np.flatnonzero(chromosomes == code_of_map)
            number, code = divmod(int(code_of_map), len(self._names))
            chrom, pairs_here = self._names[code], pairs_xy[places]
            if "map" in self.reads:
                self.bands[number][chrom].windows(pairs_here, out=batch["map"][:, 0], places=places)
            if "expected" in self.reads:
                batch["expected"][places, 0] = self.bands[number][chrom].expected_windows(pairs_here)
            if "tracks" in self.reads:
                pairs.segments(
                    self.tracks[number],
                    chrom,
                    pairs_here,
                    bin_bp=self.bin_bp,
                    window_bins=self.window_bins,
                    log=self.log,
                    out=batch["tracks"],
                    places=places,
                )
            if self.sequence is not None:
                _read_sequence(self.sequence, chrom, pairs_here, self.bin_bp, batch["sequence"], places)
        if "sequence" in self.reads:
            batch["sequence"] = batch["sequence"].reshape(n, -1)
        if "map" in self.reads and self.noise:
            for window, index in zip(batch["map"][:, 0], rows):
                window[:] = noisy(window, np.random.default_rng((self.seed, self.epoch, index)))
        if "label" in self.reads:
            batch["label"] = self._labels[rows, None]
        if "chromosome" in self.reads:
            batch["chromosome"] = self._chromosomes[self._codes[rows]]
        if "cage" in self.reads:
            batch["cage"] = np.log2(np.tile(self._cage[rows], 2) + 1)
        return {name: torch.from_numpy(values) for name, values in batch.items()}

    @staticmethod
    def collate(batch: Batch) -> Batch:
        """It is whole already."""
        return batch
