"""Windows of one or several dataset directories (docs/architecture.md) as a torch Dataset."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from trifold.arm import Arm
from trifold.data.augment import Augmentation, read_shifted, reverse
from trifold.data.embeddings import EmbeddingStore
from trifold.data.given import Given, Reader
from trifold.data.normalise import upsample
from trifold.data.samples import Samples
from trifold.data.sequence import SequenceStore
from trifold.data.splits import ROLES
from trifold.data.tracks import TrackStore, check_chromosomes, read_tracks
from trifold.errors import InputError
from trifold.io.tables import read_table


def statistics_of(arm: Arm, geometry: dict, given: Given) -> dict:
    """What a model of an arm must know of the data it was made from: of several samples, the first one's scales."""
    known = json.loads((given.examples[0] / "statistics.json").read_text())
    return known | ({"embeddings": EmbeddingStore(given.embeddings).facts()} if given.embeddings else {})


def training_sets(
    arm: Arm, given: Given, network: Reader, statistics: dict, seed: int
) -> tuple["WindowDataset", "WindowDataset"]:
    """Training and validation windows of an arm on whole maps."""
    training = arm.training
    # What is learned at once sees every window once, as it is.
    augmented = Augmentation(training["reverse_complement"], training["shift_bp"], arm.protocol)
    augmentation = augmented if network.learned else None
    common = {
        "inputs": network.inputs,
        "target": network.target,
        "seed": seed,
        "sequence": SequenceStore(given.sequence) if given.sequence else None,
        "tracks": [[TrackStore(folder) for folder in folders] for folders in given.tracks],
        "track_bp": arm.track_bp,
        "strands": arm.strands,
        "embeddings": EmbeddingStore(given.embeddings) if given.embeddings else None,
    }
    examples = given.examples
    return (
        WindowDataset(examples, "train", augmentation=augmentation, stride_bins=training["stride_bins"], **common),
        WindowDataset(examples, "validation", **common),
    )


class WindowDataset(Samples):
    """The windows of one role as a dict of tensors, unbatched: what `inputs` names, the target, `valid`, `index`.

    folders: dataset directories, one per sample, concatenated; tracks: per folder, a store per track.
    inputs: of "sequence"; "map" (gives `map` and `map_coarse`; with upsample=False `map_coarse` alone); "tracks" (gives
    `tracks` and `tracks_valid`, means over bins of `track_bp`, by default those of the map); "embeddings" (gives
    `embeddings` and `embeddings_valid`); "bias" (gives `bias` and
    `low_valid`); "total" (gives `total`, the contacts of the whole low map, and `total_bp`, the length they lie on).
    target: "oe", "observed" or "counts" (then `map` holds contacts too). strands: pairs of tracks, by
    their numbers, that are the two strands of one assay. augmentation None: windows as they are. stride_bins: only
    windows that start at a multiple of it.
    `tiles` holds the windows in order: the columns of tiles.tsv, the number of the folder and the row in it.
    Raises InputError for a folder that is no dataset, folders of different geometry, a role without windows, or
    contacts that were not written.
    """

    def __init__(
        self,
        folders: Path | str | Sequence[Path | str],
        role: str,
        *,
        inputs: Iterable[str],
        target: str,
        sequence: SequenceStore | None = None,
        tracks: Sequence[Sequence[TrackStore]] = (),
        augmentation: Augmentation | None = None,
        seed: int = 0,
        upsample: bool = True,
        stride_bins: int | None = None,
        track_bp: int | None = None,
        strands: Sequence[tuple[int, int]] = (),
        embeddings: EmbeddingStore | None = None,
    ):
        self.folders = [Path(folder) for folder in ([folders] if isinstance(folders, Path | str) else folders)]
        self.inputs, self.target, self.upsample = frozenset(inputs), target, upsample
        self.sequence, self.tracks, self.embeddings = sequence, tracks, embeddings
        self.augmentation, self.seed = augmentation, seed
        self.epoch, self.strands = 0, strands
        self._arrays: dict[tuple[int, str], np.ndarray] = {}
        self._check_stores()
        self._totals = [self._total(folder) for folder in self.folders] if "total" in self.inputs else []
        self.tiles = self._read_tiles(role)
        if "tracks" in self.inputs and role == "test":
            for number, stores in enumerate(tracks):
                tested = self.tiles.loc[self.tiles["folder"] == number, "chrom"]
                check_chromosomes(stores, tested, "which are tested")
        self.window_bins, bin_bp = self._check_geometry()
        self.track_bins = self.window_bins * bin_bp // (track_bp or bin_bp)
        if stride_bins:
            self.tiles = self._every(stride_bins * bin_bp)
        if augmentation and "sequence" in self.inputs:
            augmentation.check(bin_bp)
        if augmentation and augmentation.reverse_complement and "map" in self.inputs and target == "observed":
            self._check_reversible()

    def _check_geometry(self) -> tuple[int, int]:
        """(window_bins, bin_bp), which every folder shares."""
        shapes = []
        for folder in self.folders:
            statistics = json.loads((folder / "statistics.json").read_text())
            geometry = statistics["geometry"]
            shapes.append((geometry["window_bins"], geometry["bin_bp"], statistics["coarsen"]))
            if shapes[-1] != shapes[0]:
                raise InputError(
                    f"{folder}/statistics.json: window_bins, bin_bp, coarsen are {shapes[-1]}, and {shapes[0]} in "
                    f"{self.folders[0]}; samples of one training need the same: make the examples again"
                )
        return shapes[0][:2]

    def _total(self, folder: Path) -> dict[str, torch.Tensor]:
        """The contacts of the whole low map, and the length they lie on, bp."""
        low = json.loads((folder / "statistics.json").read_text()).get("low", {})
        if "cis_contacts" not in low:
            raise InputError(f"{folder}/statistics.json: low/cis_contacts is missing; make the examples again")
        return {"total": torch.tensor(low["cis_contacts"]), "total_bp": torch.tensor(low["cis_bp"])}

    def _check_reversible(self) -> None:
        """Low windows that start with the target and run past it end elsewhere on the other strand."""
        coarsen = json.loads((self.folders[0] / "statistics.json").read_text())["coarsen"]
        if self._array(0, "low_observed").shape[-1] * coarsen > self.window_bins:
            raise InputError(
                f"{self.folders[0]}: low windows are wider than their targets (recipes/<protocol>/observed/low_span: "
                "published), and cannot be reversed with them; set training/reverse_complement to false"
            )

    def _check_stores(self) -> None:
        if "sequence" in self.inputs and self.sequence is None:
            raise InputError("this model reads the sequence, and no sequence store was given")
        if "embeddings" in self.inputs and self.embeddings is None:
            raise InputError("this model reads embeddings: name them in the config (arms/<arm>/embeddings)")
        if "tracks" in self.inputs and (len(self.tracks) != len(self.folders) or not all(self.tracks)):
            raise InputError("this model reads tracks: give every sample its tracks (config: arms/<arm>/tracks)")

    def _read_tiles(self, role: str) -> pd.DataFrame:
        tables = []
        for number, folder in enumerate(self.folders):
            path = folder / "tiles.tsv"
            if not path.exists():
                raise InputError(f"{path}: not found; the folder is no dataset directory: make the examples first")
            table = read_table(path)
            tables.append(table.assign(folder=number, row=np.arange(len(table))))
        tiles = pd.concat(tables, ignore_index=True)
        if not (tiles["role"] == role).any():
            raise InputError(
                f"{', '.join(map(str, self.folders))}: tiles.tsv: no {role} window (roles: {', '.join(ROLES)}); give "
                "the split longer regions, or the geometry a smaller window or a larger max_bad_bins"
            )
        return tiles[tiles["role"] == role].reset_index(drop=True)

    def _every(self, step_bp: int) -> pd.DataFrame:
        """The windows that start at a multiple of a distance."""
        chosen = self.tiles[self.tiles["start_bp"] % step_bp == 0]
        if chosen.empty:
            raise InputError(
                f"config: training/stride_bins: no window starts at a multiple of {step_bp:,} bp; choose a multiple "
                "of geometry/stride_bins"
            )
        return chosen.reset_index(drop=True)

    def _array(self, folder: int, name: str) -> np.ndarray:
        """One array of a dataset directory, mapped into memory on first use in this process."""
        if (folder, name) not in self._arrays:
            path = self.folders[folder] / f"{name}.npy"
            if not path.exists():
                raise InputError(f"{path}: not found; make the examples again, with what this model reads")
            self._arrays[folder, name] = np.load(path, mmap_mode="r")
        return self._arrays[folder, name]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_arrays": {}}

    def set_epoch(self, epoch: int) -> None:
        """Draw the augmentation of this epoch from now on; workers that already run do not notice."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        tile = self.tiles.iloc[index]
        augmentation = self.augmentation or Augmentation(reverse_complement=False)
        reversed_, shift_bp = augmentation.draw(self.seed, self.epoch, index)
        place, (folder, row) = (tile["chrom"], tile["start_bp"], tile["end_bp"]), (tile["folder"], tile["row"])

        window = {"valid": np.array(self._array(folder, "valid")[row])}
        window[self.target] = np.array(self._array(folder, f"deep_{self.target}")[row])[None]
        if self.sequence is not None and "sequence" in self.inputs:
            window["sequence"] = read_shifted(self.sequence, *place, shift_bp, augmentation.protocol)
        if "map" in self.inputs:
            low = "low_counts" if self.target == "counts" else "low_observed"
            window["map_coarse"] = np.array(self._array(folder, low)[row])[None]
        if "bias" in self.inputs:
            coarse = self._array(folder, "low_bias")[row]
            bias = np.repeat(coarse, self.window_bins // len(coarse))
            window["bias"], window["low_valid"] = np.nan_to_num(bias), np.isfinite(bias)
        if "tracks" in self.inputs:
            window["tracks"], window["tracks_valid"] = read_tracks(self.tracks[folder], *place, self.track_bins)
        if self.embeddings is not None and "embeddings" in self.inputs:
            window["embeddings"], window["embeddings_valid"] = self.embeddings.window(*place)
        if reversed_:
            window = reverse(window, self.strands)
        if "map" in self.inputs and self.upsample:
            coarse = window["map_coarse"]
            window["map"] = upsample(coarse, self.window_bins // coarse.shape[-1])
        whole = self._totals[folder] if self._totals else {}
        return {key: torch.from_numpy(array) for key, array in window.items()} | whole | {"index": torch.tensor(index)}
