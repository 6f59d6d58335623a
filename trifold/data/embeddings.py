"""A vector per bin from a language model of DNA, read by coordinate (`language_models` makes them).

A folder holds ``vectors.npy`` (float16 or float32 (bins, channels), the chromosomes one after the other), ``valid.npy``
(bool, the same bins), ``chromosomes.tsv`` (name, length_bp, bin_bp, in that order) and ``summary.json`` (settings,
bin_bp, channels, and `identity`, a digest of what the vectors mean). A bin that holds an N has no vector: zeros,
and not valid, as for arms that read the sequence.
"""

import json
import os
from pathlib import Path

import numpy as np

from trifold.data.sequence import offsets, read_chromosomes
from trifold.errors import InputError
from trifold.genome import n_bins, some_of


class EmbeddingStore:
    """Reads windows of prepared vectors. A process maps the file on first use, so a store can be pickled.

    `chromsizes`: name -> length, bp; `bin_bp`, `channels`; `summary`: what summary.json says.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        if not (table := self.folder / "chromosomes.tsv").exists():
            raise InputError(f"{table}: not found; the folder holds no prepared embeddings: run the rule embed first")
        self.chromsizes = read_chromosomes(table)
        self.summary: dict = json.loads((self.folder / "summary.json").read_text())
        self.bin_bp, self.channels = int(self.summary["bin_bp"]), int(self.summary["channels"])
        self._bins_of = {name: n_bins(length_bp, self.bin_bp) for name, length_bp in self.chromsizes.items()}
        self._offsets = offsets(self._bins_of)
        self._arrays: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_arrays": {}}

    def _array(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            self._arrays[name] = np.asarray(np.load(self.folder / name, mmap_mode="r"))
        return self._arrays[name]

    def window(self, chrom: str, start_bp: int, end_bp: int) -> tuple[np.ndarray, np.ndarray]:
        """(vectors float32 (channels, bins), valid bool (bins,)) of the bins of a stretch; zeros where not valid.

        Bins outside the chromosome are not valid. Raises InputError for an unknown chromosome and for edges that are
        not edges of bins.
        """
        if chrom not in self.chromsizes:
            raise InputError(f"{self.folder}: no chromosome {chrom}; it has {some_of(list(self.chromsizes))}")
        if start_bp % self.bin_bp or end_bp % self.bin_bp:
            raise InputError(
                f"{self.folder}: {chrom}:{start_bp}-{end_bp} does not lie on bins of {self.bin_bp} bp; make the "
                "embeddings again with the experiment's geometry/bin_bp"
            )
        start, end = start_bp // self.bin_bp, end_bp // self.bin_bp
        first, last = (min(max(edge, 0), self._bins_of[chrom]) for edge in (start, end))
        vectors = np.zeros((self.channels, end - start), dtype=np.float32)
        valid = np.zeros(end - start, dtype=bool)
        here = slice(self._offsets[chrom] + first, self._offsets[chrom] + last)
        vectors[:, first - start : last - start] = self._array("vectors.npy")[here].T
        valid[first - start : last - start] = self._array("valid.npy")[here]
        return vectors, valid

    def valid(self, chrom: str) -> np.ndarray:
        """Which bins of a whole chromosome have a vector, bool (bins,)."""
        return self.window(chrom, 0, self._bins_of.get(chrom, 0) * self.bin_bp)[1]

    def facts(self) -> dict:
        """What a model must know of the vectors that it is trained on."""
        return {name: self.summary[name] for name in ("name", "channels", "identity")}


def check_same(store: EmbeddingStore, trained: dict, model: str) -> None:
    """Raise InputError for vectors that mean something else than those a model was trained on (`facts`)."""
    if store.summary["identity"] != trained.get("identity"):
        raise InputError(
            f"{store.folder}: vectors of {store.channels} channels, made by another language model or with other "
            f"settings than those that {model} was trained on ({trained.get('name')}, {trained.get('channels')} "
            "channels); give the model and settings of that training under embeddings, or train the arm again"
        )
