"""Folds: which regions of the genome train, validate and test. A BED file: chrom, start, end, role.

kinds
  chromosomes  whole chromosomes; what is not named trains
  blocks       blocks along every chromosome with a gap between them, drawn at random
  random       windows side by side, drawn at random (Kriukov2021, Table III): neighbours of a test window train, so
               the score is too good; kept to show by how much
  folds        one of several folds (cross-validation): what they test is disjoint, and together all of the genome
  bed          regions from a BED file that the user gives
"""

import os
from itertools import pairwise

import numpy as np
import pandas as pd

from trifold.errors import InputError
from trifold.genome import extents
from trifold.io import bed
from trifold.io.tables import write_bed

ROLES = ("train", "validation", "test")
COLUMNS = ["chrom", "start_bp", "end_bp", "role"]
REMEDY = "needs four columns: chrom, start, end, role (train, validation or test)"


def read(path: str | os.PathLike) -> pd.DataFrame:
    """Regions of a BED file: chrom, start_bp, end_bp, role; lines that start with # are left out."""
    return bed.read_table(path, COLUMNS, f"a BED of regions {REMEDY}")[COLUMNS]


def chromosomes_of(path: str | os.PathLike, role: str) -> list[str]:
    """Chromosomes of a BED file that hold a region of the role, in the file's order."""
    regions = read(path)
    return list(dict.fromkeys(regions["chrom"][regions["role"] == role]))


def check(regions: pd.DataFrame, chromsizes: dict[str, int], source: str) -> None:
    """Raise InputError, naming `source`, for regions that are unknown, outside, overlapping, or leave no test."""
    if unknown := set(regions["role"].fillna("(none)")) - set(ROLES):
        raise InputError(f"{source}: unknown role {', '.join(sorted(unknown))}; {REMEDY}")
    if strange := sorted(set(regions["chrom"]) - set(chromsizes)):
        raise InputError(f"{source}: no chromosome {', '.join(strange)}; the genome has {', '.join(chromsizes)}")
    for chrom, (start_bp, end_bp) in zip(regions["chrom"], extents(regions)):
        if not 0 <= start_bp < end_bp <= chromsizes[chrom]:
            raise InputError(
                f"{source}: {chrom}:{start_bp}-{end_bp} is empty or leaves the chromosome "
                f"({chromsizes[chrom]:,} bp); correct the region"
            )
    for chrom, chrom_regions in regions.sort_values("start_bp").groupby("chrom"):
        overlapping = np.flatnonzero(chrom_regions["start_bp"].to_numpy()[1:] < chrom_regions["end_bp"].to_numpy()[:-1])
        if len(overlapping):
            first, second = (chrom_regions.iloc[overlapping[0] + step] for step in (0, 1))
            raise InputError(
                f"{source}: regions overlap on {chrom}: {first.start_bp}-{first.end_bp} and "
                f"{second.start_bp}-{second.end_bp}; a bin may have one role only"
            )
    for role in ("train", "test"):
        if role not in set(regions["role"]):
            raise InputError(f"{source}: no {role} region; give one")


def _whole_chromosomes(split: dict, chromsizes: dict[str, int]) -> pd.DataFrame:
    role_of = {chrom: role for role in ("validation", "test") for chrom in split[role]}
    if strange := sorted(set(role_of) - set(chromsizes)):
        raise InputError(
            f"splits: no chromosome {', '.join(strange)}; the genome has {', '.join(chromsizes)}: change the lists"
        )
    if twice := set(split["validation"]) & set(split["test"]):
        raise InputError(f"splits: {', '.join(sorted(twice))} in both validation and test; name it once")
    rows = [(chrom, 0, length, role_of.get(chrom, "train")) for chrom, length in chromsizes.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _drawn(split: dict, chromsizes: dict[str, int], block_bp: int, gap_bp: int, shortest_bp: int) -> pd.DataFrame:
    """Blocks along every chromosome, each at least `shortest_bp`, with roles drawn by `fractions` and `seed`."""
    rows = [
        (chrom, start_bp, min(start_bp + block_bp, length_bp))
        for chrom, length_bp in chromsizes.items()
        for start_bp in range(0, length_bp - shortest_bp + 1, block_bp + gap_bp)
    ]
    fractions = split["fractions"]
    if fractions["validation"] + fractions["test"] >= 1:
        raise InputError("splits: fractions/validation and fractions/test leave nothing to train on; lower them")
    # A share above zero is at least one block.
    counts = {role: max(round(share * len(rows)), share > 0) for role, share in fractions.items()}
    roles = np.full(len(rows), "train", dtype=object)
    order = np.random.default_rng(split["seed"]).permutation(len(rows))
    roles[order[: counts["test"]]] = "test"
    roles[order[counts["test"] : counts["test"] + counts["validation"]]] = "validation"
    return pd.DataFrame(rows, columns=COLUMNS[:3]).assign(role=roles)


def _fold(split: dict, chromsizes: dict[str, int], window_bp: int) -> pd.DataFrame:
    """Fold `fold` (from 1 on) of `folds`. It validates on what the next one tests, the last on what the first tests.

    Without `block_bp` a fold tests whole chromosomes, dealt so that all test about as much: the longest first, each to
    the fold that has least. With it every chromosome is cut into blocks of that length, the last one up to twice as
    long; blocks are shuffled by `seed` and dealt. Regions that train lose `gap_bp` beside what validates or tests, and
    regions that validate beside what tests. What is shorter than a window is left out.
    """
    by_block, n_folds = "block_bp" in split, split["folds"]
    blocks = [
        (chrom, start_bp, end_bp)
        for chrom, length_bp in chromsizes.items()
        for start_bp, end_bp in pairwise(_borders(length_bp, split["block_bp"] if by_block else length_bp))
        if end_bp - start_bp >= window_bp
    ]
    if len(blocks) < n_folds:
        remedy = "block_bp" if by_block else "give block_bp, with gap_bp and seed, to cut chromosomes into blocks"
        raise InputError(
            f"splits: {n_folds} folds need as many {'blocks' if by_block else 'chromosomes'} of a window "
            f"({window_bp:,} bp) or longer, and the genome has {len(blocks)}; lower folds, or {remedy}"
        )
    tested_by = np.empty(len(blocks), dtype=int)
    if by_block:
        order = np.random.default_rng(split["seed"]).permutation(len(blocks))
        tested_by[order] = np.arange(len(blocks)) % n_folds
    else:
        tested_bp = np.zeros(n_folds)
        for i in sorted(range(len(blocks)), key=lambda i: -blocks[i][2]):
            tested_by[i] = tested_bp.argmin()
            tested_bp[tested_by[i]] += blocks[i][2]
    number = split["fold"] - 1
    role_of = {number: "test", (number + 1) % n_folds: "validation"}
    roles = [role_of.get(fold, "train") for fold in tested_by]
    regions = _apart(blocks, roles, split.get("gap_bp", 0))
    regions = regions[regions["end_bp"] - regions["start_bp"] >= window_bp].reset_index(drop=True)
    if lost := [role for role in ROLES if role not in set(regions["role"])]:
        raise InputError(
            f"splits: fold {split['fold']} of {n_folds} has no {lost[0]} region of a window ({window_bp:,} bp) or "
            "longer once gap_bp is taken off; lower gap_bp or raise block_bp"
        )
    return regions


def _borders(length_bp: int, block_bp: int) -> list[int]:
    """Where the blocks of a chromosome begin, and its end."""
    return [*(number * block_bp for number in range(max(1, length_bp // block_bp))), length_bp]


def _apart(blocks: list[tuple[str, int, int]], roles: list[str], gap_bp: int) -> pd.DataFrame:
    """Regions of blocks in order along their chromosomes: neighbours that train are one region, and of two roles side
    by side the one that gives way loses a gap."""
    yields = {role: rank for rank, role in enumerate(ROLES)}  # a lower rank gives way to a higher one
    regions: list[list] = []
    for (chrom, start_bp, end_bp), role in zip(blocks, roles):
        if regions and regions[-1][0] == chrom and regions[-1][2] == start_bp:
            before = regions[-1]
            if role == before[3] == "train":
                before[2] = end_bp
                continue
            before[2] -= gap_bp * (yields[before[3]] < yields[role])
            start_bp += gap_bp * (yields[role] < yields[before[3]])
        regions.append([chrom, start_bp, end_bp, role])
    return pd.DataFrame(regions, columns=COLUMNS)


def make(split: dict, chromsizes: dict[str, int], window_bp: int) -> pd.DataFrame:
    """Regions of one fold: chrom, start_bp, end_bp, role, checked.

    split      `kind` and its settings (config: splits/<fold>)
    window_bp  blocks shorter than a window are left out; random regions are one window each
    Raises InputError for settings that leave no train or test region, or regions the genome does not have.
    """
    kind = split["kind"]
    if kind == "chromosomes":
        regions = _whole_chromosomes(split, chromsizes)
    elif kind == "blocks":
        if split["block_bp"] < window_bp:
            raise InputError(f"splits: block_bp {split['block_bp']:,} is less than a window ({window_bp:,}); raise it")
        regions = _drawn(split, chromsizes, split["block_bp"], split["gap_bp"], window_bp)
    elif kind == "random":
        regions = _drawn(split, chromsizes, window_bp, 0, window_bp)
    elif kind == "folds":
        if "block_bp" in split and split["block_bp"] < window_bp:
            raise InputError(f"splits: block_bp {split['block_bp']:,} is less than a window ({window_bp:,}); raise it")
        regions = _fold(split, chromsizes, window_bp)
    else:
        regions = read(split["path"])
    check(regions, chromsizes, split.get("path", f"splits ({kind})"))
    return regions


def write(path: str | os.PathLike, split: dict, chromsizes: dict[str, int], window_bp: int) -> None:
    """Write the regions of one fold as a BED file with a fourth column, the role."""
    write_bed(make(split, chromsizes, window_bp), path)
