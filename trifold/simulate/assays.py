"""Reads of ATAC-seq, DNase-seq and CAGE as BAM, and ChIA-PET loops as BEDPE, from the same sites that fold the genome.

A BAM is written record by record from one structured array: every read has the same length, so that all fields lie at
fixed places. Layout: SAM/BAM specification, section 4.2.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pysam

from trifold.genome import N_CODE
from trifold.simulate.folding import BRIDGING, barriers, compartment_score, contact_frequency
from trifold.simulate.genome import Chromosome, Settings, stream

READ_BP = 36
NAME_BYTES = 12  # "r" and ten digits, closed by 0
MAPPING_QUALITY = 60
BASE_QUALITY = 35
PEAK_SHARE = {"atac": 0.4, "dnase": 0.5, "cage": 0.9}  # share of the fragments; the others are background
PEAK_SD_BP = 90
TSS_SD_BP = 12
LOOP_ANCHOR_BP = 1000
MIN_LOOP_BINS = 3
MIN_PETS = 2  # fewer is no loop
PLANTED_SHARE = 0.2  # of the contacts of a pair of anchors, those over the bases of loops; less is no planted loop
BOUNDARY_BP = 4096  # barriers no farther apart are one boundary: the sites of a diverging pair are 3.6 kb apart at most

FLAG_PAIRED, FLAG_REVERSE, FLAG_MATE_REVERSE, FLAG_FIRST, FLAG_SECOND = 0x1 | 0x2, 0x10, 0x20, 0x40, 0x80
# Codes A, C, G, T, N as the 4-bit letters of a BAM.
_NIBBLE_OF_CODE = np.array([1, 2, 4, 8, 15], dtype=np.uint8)
_RECORD = np.dtype(
    [
        ("block_size", "<i4"),
        ("chrom", "<i4"),
        ("start_bp", "<i4"),
        ("name_bytes", "u1"),
        ("mapping_quality", "u1"),
        ("index_bin", "<u2"),
        ("cigar_operations", "<u2"),
        ("flag", "<u2"),
        ("read_bp", "<i4"),
        ("mate_chrom", "<i4"),
        ("mate_start_bp", "<i4"),
        ("template_bp", "<i4"),
        ("name", f"S{NAME_BYTES}"),
        ("cigar", "<u4"),
        ("sequence", "u1", (READ_BP // 2,)),
        ("quality", "u1", (READ_BP,)),
    ]
)


def _index_bin(start_bp: np.ndarray) -> np.ndarray:
    """The BAM specification's bin number of reads [start_bp, start_bp + READ_BP)."""
    last_bp = start_bp + READ_BP - 1
    number = np.zeros(len(start_bp), dtype=np.uint16)
    for shift in (26, 23, 20, 17, 14):  # ever finer
        first = ((1 << (29 - shift)) - 1) // 7
        number = np.where(start_bp >> shift == last_bp >> shift, first + (start_bp >> shift), number)
    return number


def reads_of_chromosome(chromosome: Chromosome, index: int, start_bp: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    """Unnamed single reads at `start_bp` (their leftmost base) on a chromosome, its number in the header `index`."""
    records = np.zeros(len(start_bp), dtype=_RECORD)
    records["block_size"] = _RECORD.itemsize - 4
    records["chrom"], records["start_bp"] = index, start_bp
    records["mate_chrom"] = records["mate_start_bp"] = -1
    records["name_bytes"], records["mapping_quality"] = NAME_BYTES, MAPPING_QUALITY
    records["index_bin"] = _index_bin(start_bp)
    records["cigar_operations"], records["cigar"] = 1, READ_BP << 4  # all match
    records["flag"] = np.where(reverse, FLAG_REVERSE, 0)
    records["read_bp"] = READ_BP
    letters = _NIBBLE_OF_CODE[chromosome.codes[start_bp[:, None] + np.arange(READ_BP)]]  # forward strand, as in a BAM
    records["sequence"] = letters[:, ::2] << 4 | letters[:, 1::2]
    records["quality"] = BASE_QUALITY
    return records


def pairs_of_chromosome(chromosome: Chromosome, index: int, start_bp: np.ndarray, length_bp: np.ndarray) -> np.ndarray:
    """Both mates of fragments [start_bp, start_bp + length_bp), fragment after fragment; the left mate is forward."""
    left_start_bp, right_start_bp = start_bp, start_bp + length_bp - READ_BP
    left = reads_of_chromosome(chromosome, index, left_start_bp, np.zeros(len(start_bp), bool))
    right = reads_of_chromosome(chromosome, index, right_start_bp, np.ones(len(start_bp), bool))
    left["flag"] |= FLAG_PAIRED | FLAG_MATE_REVERSE | FLAG_FIRST
    right["flag"] |= FLAG_PAIRED | FLAG_SECOND
    left["mate_chrom"] = right["mate_chrom"] = index
    left["mate_start_bp"], right["mate_start_bp"] = right_start_bp, left_start_bp
    left["template_bp"], right["template_bp"] = length_bp, -length_bp
    return np.stack([left, right], axis=1).ravel()


def write_bam(path: Path, chromosomes: list[Chromosome], records: np.ndarray, is_sorted: bool) -> None:
    """Header and records, block-compressed."""
    header = pysam.AlignmentHeader.from_dict(
        {
            "HD": {"VN": "1.6", "SO": "coordinate" if is_sorted else "unsorted"},
            "SQ": [{"SN": chromosome.name, "LN": chromosome.length_bp} for chromosome in chromosomes],
        }
    )
    text = str(header).encode()
    parts = [b"BAM\1", np.int32(len(text)).tobytes(), text, np.int32(len(chromosomes)).tobytes()]
    for chromosome in chromosomes:
        name = chromosome.name.encode() + b"\0"
        parts += [np.int32(len(name)).tobytes(), name, np.int32(chromosome.length_bp).tobytes()]
    # pysam's stub asks for an index, of which its code has the default None.
    with pysam.BGZFile(str(path), "wb") as handle:  # pyright: ignore[reportCallIssue]
        handle.write(b"".join(parts))
        handle.write(records.tobytes())


def _share_out(rng: np.random.Generator, n: int, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    shares = np.asarray(weights, dtype=float)
    return rng.multinomial(n, shares / shares.sum()) if shares.sum() > 0 else np.zeros(len(shares), int)


def _known(chromosome: Chromosome, start_bp: np.ndarray, length_bp: np.ndarray) -> np.ndarray:
    """Bool per fragment: on the chromosome and free of N."""
    inside = (start_bp >= 0) & (start_bp + length_bp <= chromosome.length_bp)
    n_before = np.append(0, np.cumsum(chromosome.codes == N_CODE))
    start_bp = np.where(inside, start_bp, 0)
    end_bp = np.where(inside, start_bp + length_bp, 0)
    return inside & (n_before[end_bp] == n_before[start_bp])


def open_sites(chromosome: Chromosome, cell: str) -> tuple[np.ndarray, np.ndarray]:
    """Centres, bp, and strengths of open chromatin: bound motifs and active promoters of a cell type."""
    bound = chromosome.ctcf[chromosome.ctcf[cell]]
    active = chromosome.promoters[chromosome.promoters[cell] > 0]
    centres_bp = np.concatenate([(bound.start_bp + bound.end_bp) // 2, active.tss_bp])
    return centres_bp, np.concatenate([bound.barrier, np.sqrt(active[cell])])


def _scatter(
    rng: np.random.Generator, n: int, centres_bp: np.ndarray, strengths: np.ndarray, sd_bp: float
) -> tuple[np.ndarray, np.ndarray]:
    """`n` positions around sites in proportion to their strengths: the sites' rows and the positions, bp."""
    site = np.repeat(np.arange(len(centres_bp)), _share_out(rng, n, strengths))
    return site, (centres_bp[site] + rng.normal(0, sd_bp, len(site))).astype(int)


def _spread(rng: np.random.Generator, n: int, chromosome: Chromosome, settings: Settings) -> np.ndarray:
    """`n` background positions, bp: mappable bins, half a natural-log unit denser in A than in the middle."""
    density = chromosome.mappable * np.exp(0.5 * compartment_score(chromosome, settings))
    bins = np.repeat(np.arange(chromosome.n_bins), _share_out(rng, n, density))
    return bins * chromosome.bin_bp + rng.integers(0, chromosome.bin_bp, len(bins))


def write_reads(path: Path, chromosomes: list[Chromosome], cell: str, assay: str, settings: Settings) -> None:
    """One assay of one cell type. ATAC: paired and unsorted, as an aligner leaves it; DNase, CAGE: single and sorted.

    DNase and ATAC fragments gather at `open_sites`; CAGE reads begin at active TSSs, on the promoter's strand.
    """
    rng = stream(settings.seed, assay, cell)
    if assay == "cage":
        active = [chromosome.promoters[chromosome.promoters[cell] > 0] for chromosome in chromosomes]
        sites = [(table.tss_bp.to_numpy(), table[cell].to_numpy()) for table in active]
        strands = [table.strand.to_numpy() for table in active]
        sd_bp = TSS_SD_BP
    else:
        strands = None  # a read of open chromatin lies on either strand
        sites = [open_sites(chromosome, cell) for chromosome in chromosomes]
        sd_bp = PEAK_SD_BP
    in_peaks = _share_out(
        rng, round(settings.reads[assay] * PEAK_SHARE[assay]), [strengths.sum() for _, strengths in sites]
    )
    elsewhere = _share_out(rng, settings.reads[assay] - in_peaks.sum(), [c.mappable.sum() for c in chromosomes])

    parts = []
    for index, chromosome in enumerate(chromosomes):
        centres_bp, strengths = sites[index]
        site, peaks_bp = _scatter(rng, in_peaks[index], centres_bp, strengths, sd_bp)
        centre_bp = np.concatenate([peaks_bp, _spread(rng, elsewhere[index], chromosome, settings)])
        if assay == "atac":
            length_bp = READ_BP + rng.gamma(2.0, 40.0, len(centre_bp)).astype(int)
            start_bp = centre_bp - length_bp // 2
            keep = _known(chromosome, start_bp, length_bp)
            parts.append(pairs_of_chromosome(chromosome, index, start_bp[keep], length_bp[keep]))
            continue
        reverse = rng.random(len(centre_bp)) < 0.5
        if strands is not None:
            reverse[: len(site)] = strands[index][site] < 0
        # The centre is the read's 5' end, where the enzyme cut or the transcript begins.
        start_bp = np.where(reverse, centre_bp - READ_BP + 1, centre_bp)
        keep = _known(chromosome, start_bp, np.full(len(start_bp), READ_BP))
        parts.append(reads_of_chromosome(chromosome, index, start_bp[keep], reverse[keep]))

    mates = 2 if assay == "atac" else 1
    records = np.concatenate(parts).reshape(-1, mates)
    order = (
        rng.permutation(len(records))
        if assay == "atac"
        else np.lexsort([records["start_bp"][:, 0], records["chrom"][:, 0]])
    )
    records = records[order]
    records["name"] = np.char.mod("r%010d", np.arange(len(records))).astype("S")[:, None]
    write_bam(path, chromosomes, records.ravel(), is_sorted=assay != "atac")


def anchored_pairs(chromosome: Chromosome, anchored: np.ndarray, cell: str) -> pd.DataFrame:
    """Convergent pairs of bound sites within the band: columns left_bp, right_bp (anchor centres) and rate.

    `anchored`: the band of loops with both legs halted. The motifs of one strand in one bin are one anchor.
    """
    bound = chromosome.ctcf[chromosome.ctcf[cell]]
    table = pd.DataFrame(
        {"bin": bound.start_bp // chromosome.bin_bp, "strand": bound.strand, "bp": (bound.start_bp + bound.end_bp) // 2}
    )
    anchors = table.groupby(["strand", "bin"], as_index=False).mean().astype(int)
    left, right = (anchors[anchors.strand == strand].drop(columns="strand") for strand in (1, -1))
    pairs = left.merge(right, how="cross", suffixes=("_left", "_right"))
    distance = pairs.bin_right - pairs.bin_left
    pairs = pairs[(distance >= MIN_LOOP_BINS) & (distance < len(anchored))]
    rate = anchored[pairs.bin_right - pairs.bin_left, pairs.bin_left]
    return pd.DataFrame({"left_bp": pairs.bp_left, "right_bp": pairs.bp_right, "rate": rate})


def planted_loops(chromosome: Chromosome, occupancy: np.ndarray, anchored: np.ndarray, cell: str) -> pd.DataFrame:
    """Convergent pairs that show: `anchored_pairs` and `share`, the part that loops between bins as near to the anchors
    as these have in the contacts of the pair; pairs with less than PLANTED_SHARE are left out."""
    pairs = anchored_pairs(chromosome, anchored, cell)
    left, right = pairs.left_bp // chromosome.bin_bp, pairs.right_bp // chromosome.bin_bp
    at = (right - left).to_numpy(), left.to_numpy()
    share = BRIDGING * occupancy[at] / contact_frequency(occupancy)[at]
    return pairs.assign(share=share)[share >= PLANTED_SHARE]


def planted_boundaries(chromosome: Chromosome, cell: str) -> pd.DataFrame:
    """Runs of bins with a barrier that are at most BOUNDARY_BP apart: start_bp, end_bp, and the probability that a run
    halts a leg of the direction it halts best."""
    halts = np.stack(barriers(chromosome, cell))  # of legs to the left, to the right
    bins = np.flatnonzero(halts.max(axis=0))
    runs = np.split(bins, np.flatnonzero(np.diff(bins) * chromosome.bin_bp > BOUNDARY_BP) + 1) if len(bins) else []
    ends_bp = [(run[0] * chromosome.bin_bp, (run[-1] + 1) * chromosome.bin_bp) for run in runs]
    halting = [1 - np.prod(1 - halts[:, run], axis=1).min() for run in runs]
    table = pd.DataFrame(ends_bp, columns=["start_bp", "end_bp"], dtype=np.int64)
    return table.assign(halting=np.array(halting, dtype=float))


def write_planted(
    folder: Path, name: str, chromosomes: list[Chromosome], bands: list[tuple[np.ndarray, np.ndarray]], cell: str | None
) -> None:
    """What structure a map has: `<name>.planted.bedpe`, anchors of a bin, name, share as the score; and
    `<name>.planted.bed`, boundaries, name, and a score of 1000 times the probability to halt.

    bands: `folding.loops` of the chromosomes; cell None: a map without loops, whose files hold nothing.
    """
    loops, boundaries = [], []
    for chromosome, (occupancy, anchored) in zip(chromosomes, bands):
        if cell is None:
            continue
        width_bp, chrom = chromosome.bin_bp, chromosome.name
        pairs = planted_loops(chromosome, occupancy, anchored, cell)
        left, right = (pairs[column] // width_bp * width_bp for column in ("left_bp", "right_bp"))
        names = [f"loop_{chrom}_{row}" for row in range(1, len(pairs) + 1)]
        table = {"chrom1": chrom, "start1": left, "end1": left + width_bp, "chrom2": chrom, "start2": right}
        loops.append(pd.DataFrame({**table, "end2": right + width_bp, "name": names, "score": pairs.share}))
        runs = planted_boundaries(chromosome, cell)
        names = [f"boundary_{chrom}_{row}" for row in range(1, len(runs) + 1)]
        score = (1000 * runs.halting).round().astype(int)
        table = {"chrom": chrom, "start": runs.start_bp, "end": runs.end_bp.clip(upper=chromosome.length_bp)}
        boundaries.append(pd.DataFrame({**table, "name": names, "score": score}))
    for path, tables in ((f"{name}.planted.bedpe", loops), (f"{name}.planted.bed", boundaries)):
        table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
        text = table.to_csv(sep="\t", header=False, index=False, float_format="%.3f", lineterminator="\n")
        (folder / path).write_text(text if len(table) else "")


def write_loops(
    path: Path, chromosomes: list[Chromosome], anchored: list[np.ndarray], cell: str, settings: Settings
) -> None:
    """ChIA-PET loops: BEDPE of seven columns without a header, the last one the number of PETs (Poisson)."""
    rng = stream(settings.seed, "chiapet", cell)
    pairs = pd.concat(
        [
            anchored_pairs(chromosome, band, cell).assign(chrom=chromosome.name)
            for chromosome, band in zip(chromosomes, anchored)
        ],
        ignore_index=True,
    )
    pets = rng.poisson(settings.reads["chiapet"] * pairs.rate / pairs.rate.sum())
    half_bp = LOOP_ANCHOR_BP // 2
    table = pd.DataFrame(
        {"chrom1": pairs.chrom, "start1": pairs.left_bp - half_bp, "end1": pairs.left_bp + half_bp}
        | {"chrom2": pairs.chrom, "start2": pairs.right_bp - half_bp, "end2": pairs.right_bp + half_bp}
        | {"pets": pets}
    )
    table[pets >= MIN_PETS].to_csv(path, sep="\t", header=False, index=False, lineterminator="\n")
