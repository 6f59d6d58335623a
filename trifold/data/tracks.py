"""Signal tracks: BAM replicates or a bigWig -> coverage -> binned means, read by coordinate.

A folder holds ``coverage.bw``, ``bins.npy`` (float16 means, the chromosomes one after the other; NaN = no data) and
``chromosomes.tsv`` (name, length_bp, bin_bp, in that order). Each strand of a stranded assay is a track of its own.

No data means: no base of the bin has a value in the bigWig. Coverage made here from a BAM has a value everywhere, 0
where no read lies, save in blacklisted regions and on chromosomes the BAM does not know. A bigWig of one's own may
leave out the bases without a read (5' and 3' ends of PRO-seq, NET-seq): `uncovered` says so, and they count as 0.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.config import from_dict
from trifold.data.sequence import SequenceStore, offsets, read_chromosomes
from trifold.errors import InputError
from trifold.genome import N_CODE, n_bins
from trifold.io import bam, bigwig

logger = logging.getLogger(__name__)

LARGEST = 65_504  # of float16, which keeps three decimal digits
BIGWIG_SUFFIXES = (".bw", ".bigwig", ".bigWig")


@dataclass(frozen=True)
class Settings:
    """How a track is made; `tracks` of the configuration."""

    bin_bp: int = 128  # of the binned means
    coverage_bin_bp: int = 50  # of the bigWig
    effective_genome_size: int | None = None  # mappable bases; None counts those that are not N
    blacklist: str | None = None
    ignore_for_normalisation: tuple[str, ...] = ()
    min_mapping_quality: int = 0
    extend_reads: int | bool = False
    uncovered: str = "missing"  # bases without a value in a bigWig of one's own: missing, or zero


# ---------------------------------------------------------------- prepare


def _scale(
    settings: Settings, chromsizes: Mapping[str, int], references: Sequence[str], sequence: Path | None
) -> tuple[int, list[str]]:
    """Effective genome size, and the BAM's chromosomes that the scale leaves out.

    A size that is counted covers the genome without `ignore_for_normalisation` and the blacklist, whose reads deepTools
    leaves out; so that reads and size speak of the same chromosomes, reads elsewhere (an excluded chrM) are then left
    out too. A size that is given is used as it is.
    """
    ignored = [name for name in references if name in settings.ignore_for_normalisation]
    if settings.effective_genome_size is not None:
        return settings.effective_genome_size, ignored
    counted = [name for name in references if name in chromsizes and name not in ignored]
    if sequence is None:
        raise InputError("config: tracks/effective_genome_size: none given, and no sequence to count it from; give it")
    if not counted:
        raise InputError("config: tracks/ignore_for_normalisation: leaves no chromosome to take the scale from")
    store, size = SequenceStore(sequence), 0
    blacklist = bigwig.read_blacklist(settings.blacklist) if settings.blacklist else []
    for name in counted:
        known = store.window(name, 0, chromsizes[name]) != N_CODE
        for region in blacklist:
            if region.chrom == name:
                known[region.start_bp : region.end_bp] = False
        size += int(np.count_nonzero(known))
    return size, [name for name in references if name not in counted]


def _cover(
    sources: Sequence[Path],
    out: Path,
    chromsizes: Mapping[str, int],
    settings: Settings,
    rename: Mapping[str, str],
    sequence: Path | None,
    threads: int,
) -> dict:
    """Write ``coverage.bw`` from BAM replicates; returns the size and the ignored chromosomes of `_scale`."""
    if settings.extend_reads is True and (single := [path for path in sources if not bam.is_paired(path)]):
        raise InputError(
            f"{single[0]}: no proper pair to take a fragment length from; give tracks/extend_reads in bp, or false"
        )
    merged = out / ".merged.bam"
    try:
        bam.sort_and_merge(sources, merged, chromsizes, rename=rename, threads=threads)
        size, ignored = _scale(settings, chromsizes, list(bam.references(merged)), sequence)
        bigwig.coverage(
            merged,
            out / "coverage.bw",
            effective_genome_size=size,
            bin_bp=settings.coverage_bin_bp,
            blacklist=settings.blacklist,
            ignore_chromosomes=ignored,
            min_mapping_quality=settings.min_mapping_quality,
            extend=settings.extend_reads,
            threads=threads,
        )
    finally:
        merged.unlink(missing_ok=True)
        merged.with_name(".merged.bam.bai").unlink(missing_ok=True)
    return {"effective_genome_size": size, "ignored_for_normalisation": ignored}


def prepare(
    sources: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    chromsizes: Mapping[str, int],
    settings: Mapping | Settings,
    *,
    rename: Mapping[str, str] | None = None,
    sequence: str | os.PathLike | None = None,
    threads: int = 1,
) -> dict:
    """Write ``coverage.bw``, ``bins.npy`` and ``chromosomes.tsv`` of one track into the folder `out`.

    sources     BAM replicates (merged; sorted or not, indexed or not), or one bigWig, which is taken as it is
    chromsizes  the genome's chromosome lengths, bp
    settings    the fields of `Settings`
    rename      {file's name: genome's name}
    sequence    folder of the prepared sequence; needed where the effective genome size is counted
    Returns `sources`, `absent` chromosomes, `valid` (share of bins with data) and, for BAMs, the effective
    genome size and the chromosomes that the scale leaves out.
    Raises InputError for sources that are mixed, unreadable, empty, or of another assembly.
    """
    made: Settings = settings if isinstance(settings, Settings) else from_dict(Settings, dict(settings))
    sources = [Path(path) for path in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    out, rename, listed = Path(out), rename or {}, ", ".join(map(str, sources))
    packed = [path.suffix in BIGWIG_SUFFIXES for path in sources]
    report: dict = {"sources": [path.name for path in sources]}
    if not any(packed):
        report |= _cover(sources, out, chromsizes, made, rename, Path(sequence) if sequence else None, threads)
    elif len(sources) == 1:
        bigwig.copy(sources[0], out / "coverage.bw", rename)
    else:
        raise InputError(
            f"{listed}: a track is made of BAM replicates or of one bigWig; name a second bigWig another track"
        )
    # All chromosomes may be absent: unlike the header of a BAM, a bigWig may hold part of a genome.
    report["absent"] = bam.check_genome(listed, bigwig.chromsizes(out / "coverage.bw"), chromsizes, max_absent=1.0)
    zeros = all(packed) and made.uncovered == "zero"
    means = [
        bigwig.binned_means(out / "coverage.bw", chrom, length_bp, made.bin_bp, zeros)
        for chrom, length_bp in chromsizes.items()
    ]
    bins = np.concatenate(means)
    if (beyond := np.abs(bins) > LARGEST).any():
        logger.warning("%s: %d bins are beyond ±%d and kept as that", listed, beyond.sum(), LARGEST)
    bins = np.clip(bins, -LARGEST, LARGEST).astype(np.float16)
    if not (valid := np.isfinite(bins)).any():
        raise InputError(f"{listed}: no value on any chromosome of the genome; the track says nothing, leave it out")
    np.save(out / "bins.npy", bins)
    lines = [f"{name}\t{length_bp}\t{made.bin_bp}" for name, length_bp in chromsizes.items()]
    (out / "chromosomes.tsv").write_text("\n".join(["name\tlength_bp\tbin_bp", *lines]) + "\n")
    report["valid"] = float(valid.mean())
    logger.info("%s: %s", listed, report)
    return report


# ---------------------------------------------------------------- read


class TrackStore:
    """Reads windows of a prepared track. A process maps the file on first use, so a store can be pickled.

    `chromsizes`: name -> length, bp; `bin_bp`: the track's bins.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        if not (table := self.folder / "chromosomes.tsv").exists():
            raise InputError(f"{table}: not found; the folder holds no prepared track: run prepare_track first")
        self.chromsizes = read_chromosomes(table)
        self.bin_bp = int(table.read_text().split()[-1])  # the same in every row
        self._bins_of = {name: n_bins(length_bp, self.bin_bp) for name, length_bp in self.chromsizes.items()}
        self._offsets = offsets(self._bins_of)
        self._bins: np.ndarray | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_bins": None}

    def stored(self, chrom: str, start_bp: int, end_bp: int) -> np.ndarray:
        """((end_bp - start_bp) / bin_bp,) float16 as kept, not to be written to; NaN without data and past the ends.

        Raises InputError for edges that are not edges of the track's bins.
        """
        if chrom not in self.chromsizes:
            raise InputError(f"{self.folder}: no chromosome {chrom}; it has {', '.join(list(self.chromsizes)[:25])}")
        if start_bp % self.bin_bp or end_bp % self.bin_bp:
            raise InputError(
                f"{self.folder}: {chrom}:{start_bp}-{end_bp} does not lie on bins of {self.bin_bp} bp; config: "
                "tracks/bin_bp must divide geometry/bin_bp"
            )
        if self._bins is None:
            self._bins = np.asarray(np.load(self.folder / "bins.npy", mmap_mode="r"))
        start, end = start_bp // self.bin_bp, end_bp // self.bin_bp
        first, last = (min(max(edge, 0), self._bins_of[chrom]) for edge in (start, end))
        inside = self._bins[self._offsets[chrom] + first : self._offsets[chrom] + last].astype(np.float16, copy=False)
        if len(inside) == end - start:
            return inside
        values = np.full(end - start, np.nan, dtype=np.float16)
        values[first - start : first - start + len(inside)] = inside
        return values

    def window(self, chrom: str, start_bp: int, end_bp: int) -> tuple[np.ndarray, np.ndarray]:
        """(values float32, valid bool), each ((end_bp - start_bp) / bin_bp,); values are 0 where not valid.

        Bins outside the chromosome are not valid. Raises as `stored`.
        """
        values = self.stored(chrom, start_bp, end_bp).astype(np.float32)
        valid = np.isfinite(values)
        values[~valid] = 0
        return values, valid


def read_tracks(
    stores: Iterable[TrackStore], chrom: str, start_bp: int, end_bp: int, window_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean signal of `window_bins` equal parts of a stretch: (values float32, valid bool), each (tracks, window_bins).

    A part is a whole number of the tracks' bins; the mean is over those with data, 0 where none has any (not valid).
    """
    values, valid = [], []
    for store in stores:
        fine, known = (array.reshape(window_bins, -1) for array in store.window(chrom, start_bp, end_bp))
        number = known.sum(axis=1)
        values.append(fine.sum(axis=1) / np.maximum(number, 1))  # fine is 0 where not known
        valid.append(number > 0)
    return np.stack(values).astype(np.float32), np.stack(valid)
