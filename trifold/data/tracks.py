"""Signal tracks: BAM replicates, a bigWig or a bedGraph -> coverage -> binned means, read by coordinate.

A folder holds ``coverage.bw``, ``bins.npy`` (float16 means, the chromosomes one after the other; NaN = no data),
``valid_bases.npy`` (how many bases of every bin have a value), ``chromosomes.tsv`` (name, length_bp, bin_bp, in that
order) and ``summary.json`` (what it was made of, and what was checked). Each strand of a stranded assay is a track of
its own.

No data means: no base of the bin has a value in the bigWig. Coverage made here from a BAM has a value everywhere, 0
where no read lies, save in blacklisted regions and on chromosomes the BAM does not know. A bigWig of one's own may
leave out the bases without a read (5' and 3' ends of PRO-seq, NET-seq): `uncovered` says so, and they count as 0.

Coverage of a BAM is 1x: its mean over the counted genome, the bases that are not N, outside the blacklist and
`ignore_for_normalisation`, is 1. Scale = counted bases / bases of the reads. A read's length is that of the read, as
deepTools' RPGC has it (its median: the same for reads of one length), unless clipping would leave the mean off 1; of
an extended read it is that of the fragment, the pair's own where it has one. deepTools takes the median fragment.
"""

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trifold.config import from_dict
from trifold.data.sequence import SequenceStore, offsets, read_chromosomes
from trifold.errors import InputError
from trifold.genome import N_CODE, check_matched, check_renamed, n_bins, some_of
from trifold.io import bam, bed, bigwig

logger = logging.getLogger(__name__)

LARGEST = 65_504  # of float16, which keeps three decimal digits
MANY_CONTIGS = 1000  # beside the genome's: deepTools is slow where there are more, and nothing reads them
COVERAGE_TOLERANCE = 0.05  # how far the mean coverage of the counted genome may be from 1
BLACKLIST_REMEDY = "tracks/blacklist: give a BED (chrom, start, end by tabs), or null"


@dataclass(frozen=True)
class Settings:
    """How a track is made; `tracks` of the configuration, with what the track itself says."""

    bin_bp: int = 128  # of the binned means
    coverage_bin_bp: int = 50  # of the bigWig
    effective_genome_size: int | None = None  # mappable bases; None counts those that are not N
    ignore_for_normalisation: tuple[str, ...] = ()
    min_mapping_quality: int = 0
    exclude_flags: tuple[str, ...] = tuple(bam.FLAGS)
    extend_reads: int | bool = False
    negative: str = "refuse"  # values below 0: refuse, absolute (taken without their sign), keep
    uncovered: str = "missing"  # bases without a value in a bigWig of one's own: missing, or zero


# ---------------------------------------------------------------- prepare


Blacklist = Mapping[str, Sequence[tuple[int, int]]]


def read_blacklist(
    path: str | os.PathLike, rename: Mapping[str, str], known: Iterable[str]
) -> dict[str, list[tuple[int, int]]]:
    """Regions of a BED by chromosome, renamed, in order and disjoint. `known`: chromosomes they may lie on.

    Raises InputError for what is no BED, and where none of its chromosomes is known.
    """
    regions = bed.merged(bed.read_regions(path, BLACKLIST_REMEDY), rename)
    remedy = "name them as the genome does, or rename them by genome/rename or `rename` of the sample"
    check_matched(regions, known, f"config: tracks/blacklist: {path}", remedy)
    return regions


def _scaled_chromosomes(settings: Settings, chromsizes: Mapping[str, int], references: Sequence[str]) -> list[str]:
    """The BAM's chromosomes that the scale is taken from.

    Of a size that is counted, those of the genome, so that reads and size speak of the same chromosomes; reads
    elsewhere (an excluded chrM) are left out. Of a size that is given, all.
    """
    ignored = set(settings.ignore_for_normalisation)
    known = dict.fromkeys([*references, *chromsizes])
    check_matched(ignored, known, "config: tracks/ignore_for_normalisation", "name chromosomes as the genome does")
    given = settings.effective_genome_size is not None
    chosen = [name for name in references if name not in ignored and (given or name in chromsizes)]
    if not chosen:
        raise InputError("config: tracks/ignore_for_normalisation: leaves no chromosome to take the scale from")
    return chosen


def _genome_size(
    settings: Settings,
    lengths_bp: Mapping[str, int],
    scaled: Sequence[str],
    sequence: Path | None,
    blacklist: Blacklist,
) -> int:
    """Bases that the coverage is taken over: as given, or those of `scaled` that are no N and not in the blacklist."""
    if (given := settings.effective_genome_size) is not None:
        if given > (whole := sum(lengths_bp[name] for name in scaled)):
            raise InputError(
                f"config: tracks/effective_genome_size: {given:,} bp, and the chromosomes that reads are counted on "
                f"have {whole:,}; give the mappable bases of this genome, or null to have them counted"
            )
        return given
    if sequence is None:
        raise InputError("config: tracks/effective_genome_size: none given, and no sequence to count it from; give it")
    store, size = SequenceStore(sequence), 0
    for name in scaled:
        known = store.window(name, 0, lengths_bp[name]) != N_CODE
        for start_bp, end_bp in blacklist.get(name, ()):
            known[start_bp:end_bp] = False
        size += int(np.count_nonzero(known))
    return size


def _extension(merged: Path, sources: Sequence[Path], settings: Settings, kept: bam.Kept) -> int:
    """Fragment length that reads are extended to, bp; 0: they are not."""
    if settings.extend_reads is False:
        return 0
    if settings.extend_reads is not True:
        return int(settings.extend_reads)
    if single := [path for path in sources if not bam.is_paired(path)]:
        raise InputError(
            f"{single[0]}: no proper pair to take a fragment length from; give tracks/extend_reads in bp, or false"
        )
    return bam.fragment_length(merged, kept)


def _cover(
    sources: Sequence[Path],
    out: Path,
    chromsizes: Mapping[str, int],
    settings: Settings,
    rename: Mapping[str, str],
    genome_rename: Mapping[str, str],
    blacklist: Path | None,
    sequence: Path | None,
    threads: int,
) -> dict:
    """Write ``coverage.bw`` from BAM replicates; returns what was counted and checked."""
    listed = ", ".join(map(str, sources))
    merged, small, regions_bed = out / ".merged.bam", out / ".genome.bam", out / ".blacklist.bed"
    if settings.extend_reads is not False and not 1 <= settings.extend_reads <= 2000:
        raise InputError(f"config: tracks/extend_reads: {settings.extend_reads} bp is not between 1 and 2000")
    try:
        bam.sort_and_merge(sources, merged, chromsizes, rename=rename, threads=threads)
        lengths_bp = bam.references(merged)
        regions = {}
        if blacklist is not None:
            names = dict.fromkeys([*chromsizes, *lengths_bp])
            regions = read_blacklist(blacklist, {**genome_rename, **rename}, names)
        scaled = _scaled_chromosomes(settings, chromsizes, list(lengths_bp))
        size = _genome_size(settings, lengths_bp, scaled, sequence, regions)
        kept = bam.Kept(tuple(settings.exclude_flags), settings.min_mapping_quality, 0, regions)
        kept = replace(kept, extend_bp=_extension(merged, sources, settings, kept))
        reads = bam.census(merged, kept, set(scaled), settings.coverage_bin_bp)
        scale, share_covered = _scale(reads, size, listed)
        if many := len(set(lengths_bp) - set(chromsizes)) > MANY_CONTIGS:
            bam.subset(merged, small, set(chromsizes))
        regions_bed.write_text("".join(f"{name}\t{start}\t{end}\n" for name in regions for start, end in regions[name]))
        bigwig.coverage(
            small if many else merged,
            out / "coverage.bw",
            scale=scale,
            bin_bp=settings.coverage_bin_bp,
            blacklist=regions_bed if regions else None,
            exclude_flags=kept.flags,
            min_mapping_quality=kept.min_quality,
            extend_bp=kept.extend_bp,
            threads=threads,
        )
    finally:
        for path in (regions_bed, merged, *bam.indexes(merged), small, *bam.indexes(small)):
            path.unlink(missing_ok=True)
    # A bin counts a read that touches it, wherever in the bin: what that adds is taken out again.
    totals = {name: bigwig.total(out / "coverage.bw", name) for name in bigwig.chromsizes(out / "coverage.bw")}
    counted = sum(total for name, total in totals.items() if name in reads.touched_bp)
    touched_bp = sum(number for name, number in reads.touched_bp.items() if name in totals)
    mean_coverage = counted / touched_bp * reads.covered_bp / size if touched_bp else 0.0
    if abs(mean_coverage - 1) > COVERAGE_TOLERANCE:
        raise InputError(
            f"{listed}: the mean coverage of the counted genome ({size:,} bp) is {mean_coverage:.3f}, and 1 is right: "
            "reads and coverage do not agree; check tracks/blacklist and tracks/extend_reads, or fetch the BAM again"
        )
    return {
        "reads": {"in": reads.total, "counted": reads.counted, "dropped": reads.dropped},
        "reads_beside_scale": reads.beside_scale,
        "effective_genome_size": size,
        "ignored_for_normalisation": [name for name in lengths_bp if name not in scaled],
        "fragment_bp": kept.extend_bp or None,
        "scale": scale,
        "share_covered": share_covered,
        "mean_coverage": mean_coverage,
    }


def _scale(reads: bam.Census, size: int, listed: str) -> tuple[float, float]:
    """Factor of the coverage, and the share of the reads' bases that cover the genome.

    Raises InputError where no read is left.
    """
    dropped = ", ".join(f"{number:,} {reason}" for reason, number in reads.dropped.items()) or "none"
    logger.info("%s: %d reads, %d counted; left out: %s", listed, reads.total, reads.counted, dropped)
    if not reads.covered_bp:
        raise InputError(
            f"{listed}: of {reads.total:,} reads none is left to count (left out: {dropped}; {reads.beside_scale:,} on "
            "chromosomes beside the scale); change tracks/min_mapping_quality, exclude_flags or the blacklist"
        )
    length_bp, share = reads.reads_bp, reads.covered_bp / reads.reads_bp
    if abs(share - 1) > COVERAGE_TOLERANCE:
        logger.warning(
            "%s: %.0f %% of the reads' bases are aligned, the others clipped, skipped or blacklisted; the scale is "
            "taken from the aligned ones",
            *(listed, 100 * share),
        )
        length_bp = reads.covered_bp
    return 1.0 / (length_bp / size), share


def _checked_sign(bins: np.ndarray, negative: str, listed: str) -> None:
    """Raises InputError for a track below 0 that nothing is said about: a strand, or a ratio."""
    below, known = int((bins < 0).sum()), int(np.isfinite(bins).sum())
    if below and negative == "refuse":
        raise InputError(
            f"{listed}: {below:,} of {known:,} bins ({below / known:.1%}) are negative, down to {np.nanmin(bins):g}; "
            "say what they are under the track's `negative`: absolute for a minus strand kept below 0, keep for a ratio"
        )


def _as_kept(bins: np.ndarray, listed: str) -> np.ndarray:
    """As float16; values that it cannot hold are said."""
    if (beyond := np.abs(bins) > LARGEST).any():
        logger.warning("%s: %d bins are beyond ±%d and kept as that", listed, beyond.sum(), LARGEST)
    small = np.clip(bins, -LARGEST, LARGEST).astype(np.float16)
    lost, nonzero = int(((small == 0) & (bins != 0)).sum()), int(((bins != 0) & np.isfinite(bins)).sum())
    if lost and lost == nonzero:
        raise InputError(
            f"{listed}: every value is below 6e-8 (largest {np.nanmax(np.abs(bins)):g}) and would be kept as 0; scale "
            "the track, such as to a mean of 1"
        )
    if lost:
        logger.warning("%s: %d of %d bins that are not 0 are below 6e-8 and kept as 0", listed, lost, nonzero)
    return small


def prepare(
    sources: str | os.PathLike | Sequence[str | os.PathLike],
    out: str | os.PathLike,
    chromsizes: Mapping[str, int],
    settings: Mapping | Settings,
    *,
    rename: Mapping[str, str] | None = None,
    genome_rename: Mapping[str, str] | None = None,
    blacklist: str | os.PathLike | None = None,
    sequence: str | os.PathLike | None = None,
    threads: int = 1,
) -> dict:
    """Write the files of one track into the folder `out`.

    sources        BAM replicates (merged; sorted or not, indexed or not), or one bigWig or bedGraph, taken as it is
    chromsizes     the genome's chromosome lengths, bp
    settings       the fields of `Settings`
    rename         {file's name: genome's name}
    genome_rename  {FASTA's name: genome's name}; names of the blacklist may be either
    blacklist      BED of regions whose reads are left out; of BAMs alone
    sequence       folder of the prepared sequence; needed where the effective genome size is counted
    Returns what ``summary.json`` holds: `sources`, `absent` chromosomes, `valid` (share of bins with data), `mean` over
    the bases with data and, for BAMs, reads in, counted and dropped by reason, the effective genome size, the mean
    coverage.
    Raises InputError for sources that are mixed, unreadable, empty, negative, or of another assembly, and for a
    coverage whose mean is not 1.
    """
    made: Settings = settings if isinstance(settings, Settings) else from_dict(Settings, dict(settings))
    sources = [Path(path) for path in ([sources] if isinstance(sources, str | os.PathLike) else sources)]
    out, rename, listed = Path(out), rename or {}, ", ".join(map(str, sources))
    kinds = [bigwig.kind_of(path) for path in sources]
    report: dict = {"sources": [path.name for path in sources]}
    if set(kinds) == {"bam"}:
        of_genome = (genome_rename or {}, Path(blacklist) if blacklist else None, Path(sequence) if sequence else None)
        report |= _cover(sources, out, chromsizes, made, rename, *of_genome, threads)
    elif len(sources) == 1:
        bigwig.take(sources[0], out / "coverage.bw", chromsizes, rename)
    else:
        raise InputError(
            f"{listed}: a track is made of BAM replicates or of one bigWig; name a second bigWig another track"
        )
    present = bigwig.chromsizes(out / "coverage.bw")
    check_renamed(rename, present, f"{listed}: rename", refuse=False)
    # All chromosomes may be absent: unlike the header of a BAM, a bigWig may hold part of a genome.
    report["absent"] = bam.check_genome(listed, present, chromsizes, max_absent=1.0)
    reading = {
        "uncovered_is_zero": "bam" not in kinds and made.uncovered == "zero",
        "absolute": made.negative == "absolute",
    }
    binned = [
        bigwig.binned_means(out / "coverage.bw", chrom, length_bp, made.bin_bp, **reading)
        for chrom, length_bp in chromsizes.items()
    ]
    means, bases = (np.concatenate(arrays) for arrays in zip(*binned))
    if not (valid := np.isfinite(means)).any():
        raise InputError(f"{listed}: no value on any chromosome of the genome; the track says nothing, leave it out")
    _checked_sign(means, made.negative, listed)
    np.save(out / "bins.npy", _as_kept(means, listed))
    np.save(out / "valid_bases.npy", bases.astype(np.min_scalar_type(made.bin_bp)))
    lines = [f"{name}\t{length_bp}\t{made.bin_bp}" for name, length_bp in chromsizes.items()]
    (out / "chromosomes.tsv").write_text("\n".join(["name\tlength_bp\tbin_bp", *lines]) + "\n")
    report["valid"] = float(valid.mean())
    report["mean"] = float(np.average(means[valid].astype(np.float64), weights=bases[valid]))
    (out / "summary.json").write_text(json.dumps(report, indent=1) + "\n")
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
        self._arrays: dict[str, np.ndarray] = {}

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_arrays": {}}

    def _array(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            self._arrays[name] = np.asarray(np.load(self.folder / name, mmap_mode="r"))
        return self._arrays[name]

    def lacks(self, chrom: str) -> bool:
        """Whether no bin of a chromosome has data."""
        return chrom not in self.chromsizes or not np.isfinite(self._bins(chrom)).any()

    def _bins(self, chrom: str) -> np.ndarray:
        first = self._offsets[chrom]
        return self._array("bins.npy")[first : first + self._bins_of[chrom]]

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
        bins = self._bins(chrom).astype(np.float16, copy=False)
        return _padded(bins, start_bp // self.bin_bp, end_bp // self.bin_bp, np.float16(np.nan))

    def weights(self, chrom: str, start_bp: int, end_bp: int) -> np.ndarray:
        """Bases with a value of every bin, over `bin_bp`: float32 (bins,) from 0 to 1; places as of `stored`."""
        first = self._offsets[chrom]
        bases = self._array("valid_bases.npy")[first : first + self._bins_of[chrom]]
        here = _padded(bases, start_bp // self.bin_bp, end_bp // self.bin_bp, bases.dtype.type(0))
        return here.astype(np.float32) / np.float32(self.bin_bp)

    def window(self, chrom: str, start_bp: int, end_bp: int) -> tuple[np.ndarray, np.ndarray]:
        """(values float32, valid bool), each ((end_bp - start_bp) / bin_bp,); values are 0 where not valid.

        Bins outside the chromosome are not valid. Raises as `stored`.
        """
        values = self.stored(chrom, start_bp, end_bp).astype(np.float32)
        valid = np.isfinite(values)
        values[~valid] = 0
        return values, valid


def _padded(values: np.ndarray, start: int, end: int, filling: np.generic) -> np.ndarray:
    """values[start:end], with `filling` where that lies outside the array."""
    first, last = (min(max(edge, 0), len(values)) for edge in (start, end))
    if (first, last) == (start, end):
        return values[first:last]
    padded = np.full(end - start, filling, dtype=values.dtype)
    padded[first - start : last - start] = values[first:last]
    return padded


def check_chromosomes(stores: Iterable[TrackStore], chroms: Iterable[str], purpose: str) -> None:
    """Raise InputError for a track without any value on a chromosome that is asked of it; `purpose`: what for."""
    chroms = list(dict.fromkeys(chroms))
    for store in stores:
        if lacking := [chrom for chrom in chroms if store.lacks(chrom)]:
            raise InputError(
                f"{store.folder}: the track has no value on {some_of(lacking, 5)}, {purpose}; give a file that covers "
                "them, leave them out (splits, genome/exclude), or leave the track out of the arm"
            )


def check_bins(stores: Iterable[TrackStore], track_bp: int, model: str | os.PathLike) -> None:
    """Raise InputError for tracks in other bins than those that a trained model reads, `track_bp`."""
    for store in stores:
        if store.bin_bp != track_bp:
            raise InputError(
                f"{store.folder}: bins of {store.bin_bp} bp, and the model {model} reads tracks in bins of {track_bp} "
                "bp; set tracks/bin_bp to that, or train a model on these bins"
            )


def read_tracks(
    stores: Iterable[TrackStore], chrom: str, start_bp: int, end_bp: int, window_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean signal of `window_bins` equal parts of a stretch: (values float32, valid bool), each (tracks, window_bins).

    A part is a whole number of the tracks' bins; the mean is over its bases with data, 0 where it has none (not valid).
    """
    values, valid = [], []
    for store in stores:
        if (end_bp - start_bp) % (window_bins * store.bin_bp):
            raise InputError(
                f"{store.folder}: bins of {store.bin_bp} bp do not make up those that are read, "
                f"{(end_bp - start_bp) / window_bins:g} bp; set tracks/bin_bp to a divisor of that"
            )
        fine, known = (array.reshape(window_bins, -1) for array in store.window(chrom, start_bp, end_bp))
        weights = store.weights(chrom, start_bp, end_bp).reshape(window_bins, -1) * known
        number = weights.sum(axis=1)
        values.append((fine * weights).sum(axis=1) / np.where(number > 0, number, 1))
        valid.append(number > 0)
    return np.stack(values).astype(np.float32), np.stack(valid)
