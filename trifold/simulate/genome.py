"""The simulated sequence: GC compartments, oriented CTCF motifs, promoters, soft-masked stretches and gaps of N.

All that folds the genome can be read from its sequence: compartments from the GC content, barriers from CTCF motifs,
and the cell type in which a switchable site works from a short element beside it (docs/simulation.md).
"""

import gzip
from binascii import crc32
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from trifold.errors import InputError
from trifold.genome import N_CODE, decode, encode, n_bins, reverse_complement

FASTA_LINE_BP = 80
# Letters of the barrier motif and how sure each is: a core of near-certain letters between looser flanks.
MOTIF = "TGGACACTAGGTGGCGCTA"
MOTIF_CERTAINTY = np.array([0.75] * 3 + [0.99] * 13 + [0.75] * 3)
WEAK_CERTAINTY = 0.75  # certainty of a weak motif's letters, relative to a strong one's
CORE_PROMOTER = "GCTATAAAAGGCGTCAGTCC"
CELL_ELEMENT_BP = 14
SPACER_BP = 5  # between a motif or a core promoter and its cell element
COPY_BP = 60  # between the starts of neighbouring copies in one site
SITE_GAP_BP = 1000  # sites nearer than this to the one before are dropped
KNOT_BP = 128  # GC content is constant on pieces of this length
GC_BLUR_KNOTS = 12
GC_WANDER_SD = 0.015
GC_WANDER_KNOTS = 60  # correlation length of the wandering around the compartment's GC content


@dataclass(frozen=True)
class Settings:
    """What to simulate; the schema gives the defaults."""

    seed: int
    bin_bp: int
    resolutions: int  # of the .mcool: bin_bp, 2 bin_bp, 4 bin_bp ...
    chromosomes: dict  # name -> length_bp
    cells: tuple
    without_loops: tuple  # names of further maps of this genome, of which nothing but loop extrusion is taken away
    contacts: int  # per cell type
    band_bp: int  # longest distance of a contact that is not background
    background: float  # share of contacts between bins drawn at random
    domain_bp: int  # mean distance between boundaries
    barrier_strong: float  # probability that one motif halts a leg that reaches it
    barrier_weak: float
    switch_share: float  # share of sites and promoters that work in one cell type only
    processivity_bp: int  # mean size of an unhindered loop
    stall_bp: int  # what a free leg walks in the time a halted leg waits before it slips through
    cohesin_bp: int  # one cohesin per this many bp
    compartment_bp: int  # mean length of a compartment
    compartment_strength: float
    gc: tuple  # GC content of B and of A
    bias_sd: float  # of the log-normal bias of a bin
    gaps: int  # stretches of N per chromosome
    gap_bp: int  # their mean length
    masked_share: float
    promoter_bp: int  # mean distance between promoters
    reads: dict  # assay -> fragments per cell type: atac, dnase, cage, chiapet

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in ("background", "switch_share", "masked_share")}
        barriers = {name: getattr(self, name) for name in ("barrier_strong", "barrier_weak")}
        for name, value in {**shares, **barriers}.items():
            if not 0 <= value < 1:
                raise InputError(f"config simulate.{name} is {value}: give a share in [0, 1)")
        if not self.cells:
            raise InputError("config simulate.cells is empty: name at least one cell type")
        if twice := set(self.cells) & set(self.without_loops):
            raise InputError(f"config simulate.without_loops: {sorted(twice)} is a cell type too: give another name")
        if self.band_bp < 8 * self.bin_bp:
            raise InputError(f"config simulate.band_bp is {self.band_bp}: give at least 8 bins of {self.bin_bp} bp")
        for name, length_bp in self.chromosomes.items():
            if length_bp < 2 * self.band_bp:
                raise InputError(
                    f"config simulate.chromosomes.{name} is {length_bp} bp: "
                    f"give at least 2 x band_bp = {2 * self.band_bp}"
                )
        if missing := {"atac", "dnase", "cage", "chiapet"} - set(self.reads):
            raise InputError(f"config simulate.reads lacks {sorted(missing)}: give the fragments of every assay")

    @property
    def band_bins(self) -> int:
        return self.band_bp // self.bin_bp


@dataclass(frozen=True)
class Chromosome:
    """One simulated chromosome.

    Tables have one row per feature in order of position: `ctcf` (start_bp, end_bp, strand +1/-1, weak, barrier, score
    in bits, one bool column per cell type: bound), `promoters` (start_bp, end_bp, tss_bp, strand, one float column per
    cell type: activity, 0 = silent), `compartments` (start_bp, end_bp, name A or B).
    """

    name: str
    bin_bp: int
    codes: np.ndarray  # (length_bp,) uint8
    masked: np.ndarray  # (length_bp,) bool
    ctcf: pd.DataFrame
    promoters: pd.DataFrame
    compartments: pd.DataFrame

    @property
    def length_bp(self) -> int:
        return len(self.codes)

    @property
    def n_bins(self) -> int:
        return n_bins(self.length_bp, self.bin_bp)

    def share_of_bins(self, where: np.ndarray) -> np.ndarray:
        """Share of each bin's bases at which a bool array (length_bp,) is true: float (n_bins,)."""
        starts_bp = np.arange(0, self.length_bp, self.bin_bp)
        return np.add.reduceat(where, starts_bp, dtype=float) / np.diff(np.append(starts_bp, self.length_bp))

    @cached_property
    def mappable(self) -> np.ndarray:
        """Share of each bin that is not N; 0 where less than half is: such a bin has no contacts."""
        share = self.share_of_bins(self.codes != N_CODE)
        return np.where(share < 0.5, 0.0, share)

    @cached_property
    def gc(self) -> np.ndarray:
        """GC content of each bin's known bases, float (n_bins,); NaN on unmappable bins."""
        strong = self.share_of_bins((self.codes == 1) | (self.codes == 2))
        known = self.share_of_bins(self.codes != N_CODE)
        return np.divide(strong, known, out=np.full(self.n_bins, np.nan), where=self.mappable > 0)


def stream(seed: int, *names: str) -> np.random.Generator:
    """Random numbers of one purpose, independent of all others: a new chromosome or assay changes no other one."""
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def motif_probabilities(certainty: np.ndarray = MOTIF_CERTAINTY) -> np.ndarray:
    """Probability of A, C, G, T at each position of the motif: (19, 4)."""
    probabilities = np.repeat((1 - certainty)[:, None] / 3, 4, axis=1)
    probabilities[np.arange(len(MOTIF)), encode(MOTIF)] = certainty
    return probabilities


def motif_score(words: np.ndarray) -> np.ndarray:
    """Log-odds, bits, of words of codes (..., 19) against uniform letters; -inf where a word holds an N."""
    log_odds = np.column_stack([np.log2(4 * motif_probabilities()), np.full(len(MOTIF), -np.inf)])
    return sum(
        (log_odds[position, words[..., position]] for position in range(len(MOTIF))), start=np.zeros(words.shape[:-1])
    )


def cell_element(cell: str) -> np.ndarray:
    """The element, codes (14,), that names a cell type; the same for every seed."""
    return stream(0, "element", cell).integers(0, 4, CELL_ELEMENT_BP, dtype=np.uint8)


def _plant(codes: np.ndarray, start_bp: int, word: np.ndarray, strand: int) -> None:
    codes[start_bp : start_bp + len(word)] = word if strand > 0 else reverse_complement(word)


def _thin(positions_bp: np.ndarray, length_bp: int, gaps: np.ndarray) -> np.ndarray:
    """Bool per ascending position: SITE_GAP_BP or more from the last one taken, from gaps (m, 2) and from the ends."""
    kept, last_bp = np.zeros(len(positions_bp), dtype=bool), -SITE_GAP_BP
    for row, start_bp in enumerate(positions_bp):
        free = np.all((start_bp < gaps[:, 0] - SITE_GAP_BP) | (start_bp > gaps[:, 1] + SITE_GAP_BP))
        if free and start_bp - last_bp >= SITE_GAP_BP and SITE_GAP_BP <= start_bp < length_bp - SITE_GAP_BP:
            kept[row], last_bp = True, start_bp
    return kept


def _working_cells(rng: np.random.Generator, n: int, settings: Settings) -> np.ndarray:
    """Per site, the index of the one cell type it works in, or -1: in all of them."""
    switched = rng.random(n) < settings.switch_share
    return np.where(switched, rng.integers(0, len(settings.cells), n), -1)


def _background(rng: np.random.Generator, length_bp: int, settings: Settings) -> tuple[np.ndarray, pd.DataFrame]:
    """Letters that follow the compartments' GC content, and the compartments."""
    n_segments = 2 * length_bp // settings.compartment_bp + 8
    lengths_bp = settings.compartment_bp * rng.uniform(0.55, 1.45, n_segments)
    ends_bp = np.cumsum(lengths_bp).astype(int)
    ends_bp = np.append(ends_bp[ends_bp < length_bp], length_bp)
    names = np.array(["B", "A"])[(np.arange(len(ends_bp)) + rng.integers(2)) % 2]
    starts_bp = np.append(0, ends_bp[:-1])
    compartments = pd.DataFrame({"start_bp": starts_bp, "end_bp": ends_bp, "name": names})

    knots_bp = np.arange(0, length_bp, KNOT_BP)
    level = np.where(names == "A", settings.gc[1], settings.gc[0])[np.searchsorted(ends_bp, knots_bp, side="right")]
    keep = np.exp(-1 / GC_WANDER_KNOTS)
    wander = lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.normal(0, GC_WANDER_SD, len(knots_bp)))
    gc = np.clip(gaussian_filter1d(level, GC_BLUR_KNOTS) + wander, 0.05, 0.95).astype(np.float32)
    strong = rng.random(length_bp, dtype=np.float32) < np.repeat(gc, KNOT_BP)[:length_bp]
    either = rng.integers(0, 2, length_bp, dtype=np.uint8)
    return np.where(strong, 1 + either, 3 * either).astype(np.uint8), compartments


def _plant_ctcf(rng: np.random.Generator, codes: np.ndarray, gaps: np.ndarray, settings: Settings) -> pd.DataFrame:
    """Sites at domain boundaries, most of them diverging pairs, and single ones within domains."""
    length_bp = len(codes)
    boundaries_bp = np.cumsum(settings.domain_bp * rng.uniform(0.55, 1.45, 2 * length_bp // settings.domain_bp + 8))
    boundaries_bp = boundaries_bp[boundaries_bp < length_bp]
    kind = rng.random(len(boundaries_bp))  # < 0.25: the end of a domain only; > 0.75: the beginning only
    offset_bp = rng.uniform(600, 1800, (2, len(boundaries_bp)))
    ends, begins = kind < 0.75, kind > 0.25
    inner_bp = rng.uniform(0, length_bp, rng.poisson(0.4 * len(boundaries_bp)))
    sites = pd.DataFrame(
        {
            "start_bp": np.concatenate(
                [(boundaries_bp - offset_bp[0])[ends], (boundaries_bp + offset_bp[1])[begins], inner_bp]
            ).astype(int),
            # A motif points into the loop it anchors: "-" ends the domain on its left, "+" begins the one on its right.
            "strand": np.concatenate(
                [np.full(ends.sum(), -1), np.full(begins.sum(), 1), rng.choice([-1, 1], len(inner_bp))]
            ),
            "copies": np.concatenate(
                [rng.choice([1, 2, 3], ends.sum() + begins.sum(), p=[0.2, 0.4, 0.4]), np.ones(len(inner_bp), int)]
            ),
            "weak": np.arange(ends.sum() + begins.sum() + len(inner_bp)) >= ends.sum() + begins.sum(),
        }
    ).sort_values("start_bp", ignore_index=True)
    sites = sites[_thin(sites.start_bp.to_numpy(), length_bp, gaps)].reset_index(drop=True)
    sites["cell"] = _working_cells(rng, len(sites), settings)

    strong, weak = motif_probabilities(), motif_probabilities(MOTIF_CERTAINTY * WEAK_CERTAINTY)
    rows = []
    columns = (sites[name].tolist() for name in ("start_bp", "strand", "copies", "weak", "cell"))
    for site_bp, strand, copies, is_weak, works_in in zip(*columns):
        for copy in range(copies):
            cumulative = np.cumsum(weak if is_weak else strong, axis=1)[:, :-1]
            motif = (rng.random((len(MOTIF), 1)) > cumulative).sum(axis=1).astype(np.uint8)
            element = cell_element(settings.cells[works_in]) if works_in >= 0 else np.empty(0, np.uint8)
            spacer = rng.integers(0, 4, SPACER_BP, dtype=np.uint8)
            word = np.concatenate([motif, spacer, element])
            block_bp = site_bp + COPY_BP * copy
            _plant(codes, block_bp, word, strand)
            start_bp = block_bp if strand > 0 else block_bp + len(word) - len(MOTIF)
            barrier = settings.barrier_weak if is_weak else settings.barrier_strong
            bound = {cell: works_in in (-1, index) for index, cell in enumerate(settings.cells)}
            rows.append(
                {
                    "start_bp": start_bp,
                    "end_bp": start_bp + len(MOTIF),
                    "strand": strand,
                    "weak": is_weak,
                    "barrier": barrier,
                    "score": float(motif_score(motif)),
                }
                | bound
            )
    columns = ["start_bp", "end_bp", "strand", "weak", "barrier", "score", *settings.cells]
    return pd.DataFrame(rows, columns=columns)


def _plant_promoters(
    rng: np.random.Generator,
    codes: np.ndarray,
    gaps: np.ndarray,
    compartments: pd.DataFrame,
    ctcf: pd.DataFrame,
    settings: Settings,
) -> pd.DataFrame:
    """Core promoters, three times as dense in A as in B, none on a CTCF site; the TSS is the core's last base."""
    length_bp = len(codes)
    starts_bp = np.sort(rng.integers(0, length_bp, rng.poisson(2 * length_bp / settings.promoter_bp)))
    in_a = compartments.name.to_numpy()[np.searchsorted(compartments.end_bp, starts_bp, side="right")] == "A"
    keep = rng.random(len(starts_bp)) < np.where(in_a, 0.75, 0.25)
    taken = np.column_stack([ctcf.start_bp, ctcf.end_bp])
    starts_bp = starts_bp[keep]
    starts_bp = starts_bp[_thin(starts_bp, length_bp, np.concatenate([gaps, taken]))]
    core, rows = encode(CORE_PROMOTER), []
    activity = rng.lognormal(0, 0.8, len(starts_bp))
    strands = rng.choice([-1, 1], len(starts_bp))
    for start_bp, strand, level, only in zip(
        starts_bp, strands, activity, _working_cells(rng, len(starts_bp), settings)
    ):
        element = cell_element(settings.cells[only]) if only >= 0 else np.empty(0, np.uint8)
        word = np.concatenate([element, rng.integers(0, 4, SPACER_BP, dtype=np.uint8), core])
        _plant(codes, start_bp, word, strand)
        begin_bp = start_bp + len(word) - len(core) if strand > 0 else start_bp
        end_bp = begin_bp + len(core)
        row = {
            "start_bp": begin_bp,
            "end_bp": end_bp,
            "tss_bp": end_bp - 1 if strand > 0 else begin_bp,
            "strand": strand,
        }
        rows.append(row | {cell: level * (only in (-1, index)) for index, cell in enumerate(settings.cells)})
    return pd.DataFrame(rows, columns=["start_bp", "end_bp", "tss_bp", "strand", *settings.cells])


def make_chromosome(name: str, settings: Settings) -> Chromosome:
    """Draw one chromosome; it depends on the seed, its name and its length, not on the other chromosomes."""
    length_bp = settings.chromosomes[name]
    rng = stream(settings.seed, "sequence", name)
    codes, compartments = _background(rng, length_bp, settings)
    # One gap in each of as many equal parts of the chromosome, away from the parts' edges.
    gap_starts_bp = (
        (np.arange(settings.gaps) + rng.uniform(0.2, 0.8, settings.gaps)) * length_bp / max(settings.gaps, 1)
    )
    gaps = gap_starts_bp[:, None] + np.outer(settings.gap_bp * rng.uniform(0.6, 1.4, settings.gaps), [0, 1])
    gaps = gaps.astype(int)
    ctcf = _plant_ctcf(rng, codes, gaps, settings)
    promoters = _plant_promoters(rng, codes, gaps, compartments, ctcf, settings)
    for start_bp, end_bp in gaps:
        codes[start_bp:end_bp] = N_CODE

    # Repeats: lower case between the odd and the even points of a renewal process.
    repeat_bp = 300
    n_repeats = 2 * int(length_bp * settings.masked_share / repeat_bp) + 64
    inside_bp = rng.exponential(repeat_bp, n_repeats)
    outside_bp = rng.exponential(repeat_bp * (1 / max(settings.masked_share, 1e-6) - 1), n_repeats)
    steps_bp = np.minimum(np.cumsum(np.column_stack([outside_bp, inside_bp]).ravel()), length_bp).astype(int)
    masked = np.zeros(length_bp, dtype=bool)
    for start_bp, end_bp in steps_bp.reshape(-1, 2):
        masked[start_bp:end_bp] = True
    return Chromosome(name, settings.bin_bp, codes, masked & (codes != N_CODE), ctcf, promoters, compartments)


def write_fasta(path: Path, chromosomes: list[Chromosome]) -> None:
    """Gzipped FASTA, masked bases in lower case; the bytes depend on the sequence alone (no name, no time inside)."""
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as handle:
        for chromosome in chromosomes:
            letters = np.frombuffer(decode(chromosome.codes).encode(), dtype=np.uint8)
            letters = np.where(chromosome.masked, letters | 0x20, letters).astype(np.uint8)
            whole = len(letters) // FASTA_LINE_BP * FASTA_LINE_BP
            lines = np.pad(letters[:whole].reshape(-1, FASTA_LINE_BP), ((0, 0), (0, 1)), constant_values=ord("\n"))
            last_line = letters[whole:].tobytes()
            handle.write(f">{chromosome.name}\n".encode() + lines.tobytes() + (last_line + b"\n" if last_line else b""))


def write_annotation(folder: Path, chromosomes: list[Chromosome], cells: tuple) -> None:
    """`ctcf.bed`, `promoters.bed` (BED6 and one column per cell type) and `compartments.bed` (BED4), with a header."""

    def write(name: str, tables: list[pd.DataFrame]) -> None:
        table = pd.concat(tables, ignore_index=True)
        table.columns = ["#chrom", *table.columns[1:]]
        table.to_csv(folder / name, sep="\t", index=False, float_format="%.3f", lineterminator="\n")

    def bed6(chromosome: Chromosome, table: pd.DataFrame, prefix: str, score: pd.Series) -> pd.DataFrame:
        names = [f"{prefix}_{chromosome.name}_{row}" for row in range(1, len(table) + 1)]
        return pd.DataFrame(
            {"chrom": chromosome.name, "start": table.start_bp, "end": table.end_bp, "name": names, "score": score}
            | {"strand": np.where(table.strand > 0, "+", "-")}
        )

    best = np.log2(4 * motif_probabilities().max(axis=1)).sum()
    ctcf, promoters, compartments = [], [], []
    for chromosome in chromosomes:
        score = np.clip(1000 * chromosome.ctcf.score / best, 0, 1000).round().astype(int)
        bound = chromosome.ctcf[list(cells)].astype(int)
        ctcf.append(pd.concat([bed6(chromosome, chromosome.ctcf, "ctcf", score), bound], axis=1))
        activity = chromosome.promoters[list(cells)]
        score = (1000 * activity.max(axis=1) / activity.to_numpy().max(initial=1)).round().astype(int)
        promoters.append(pd.concat([bed6(chromosome, chromosome.promoters, "promoter", score), activity], axis=1))
        segments = chromosome.compartments.rename(columns={"start_bp": "start", "end_bp": "end"})
        compartments.append(segments.assign(chrom=chromosome.name)[["chrom", "start", "end", "name"]])
    write("ctcf.bed", ctcf)
    write("promoters.bed", promoters)
    write("compartments.bed", compartments)
