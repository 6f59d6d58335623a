"""Coordinates and letters: chromosome sizes, bins, regions, base codes.

Conventions used everywhere: half-open intervals in bp, the unit in the name (`start_bp`, `window_bins`),
bin ``i`` of a chromosome covers ``[i * bin_bp, (i + 1) * bin_bp)``, base codes A, C, G, T = 0..3 and N = 4.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trifold.errors import InputError

if TYPE_CHECKING:
    import pandas as pd  # for annotations only: who needs codes or bins need not wait while pandas loads

logger = logging.getLogger(__name__)

ALPHABET = "ACGTN"
N_CODE = 4

# Letter -> code for every byte value: lower case (soft-masked) is a base, every IUPAC ambiguity is N.
_CODE_OF_BYTE = np.full(256, N_CODE, dtype=np.uint8)
for _code, _letter in enumerate("ACGT"):
    _CODE_OF_BYTE[ord(_letter)] = _CODE_OF_BYTE[ord(_letter.lower())] = _code
_BYTE_OF_CODE = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
# Complement of a code: A<->T, C<->G, N stays.
_COMPLEMENT = np.array([3, 2, 1, 0, 4], dtype=np.uint8)


class Region(NamedTuple):
    """A half-open stretch of one chromosome."""

    chrom: str
    start_bp: int
    end_bp: int

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start_bp:,}-{self.end_bp:,}"


def encode(letters: str | bytes) -> np.ndarray:
    """Base codes, uint8 of shape (length,); anything but A, C, G, T (either case) becomes 4."""
    raw = letters.encode("ascii") if isinstance(letters, str) else letters
    return _CODE_OF_BYTE[np.frombuffer(raw, dtype=np.uint8)]


def decode(codes: np.ndarray) -> str:
    """Upper-case letters of base codes; the inverse of `encode` up to case and ambiguity."""
    return _BYTE_OF_CODE[codes].tobytes().decode("ascii")


def reverse_complement(codes: np.ndarray) -> np.ndarray:
    """Reverse complement along the last axis of an array of base codes."""
    return np.ascontiguousarray(_COMPLEMENT[codes][..., ::-1])


def n_bins(length_bp: int, bin_bp: int) -> int:
    """Number of bins a chromosome has, the last one possibly shorter (as cooler counts them)."""
    return -(-length_bp // bin_bp)


def check_first_letters(names: Iterable[str], path: str | os.PathLike) -> None:
    """Raise InputError for a chromosome's name that cannot be told from a comment in a BED file."""
    if strange := [name for name in names if name.startswith("#")]:
        raise InputError(
            f"{path}: the chromosome {strange[0]} begins with #, as comments of a BED do; give it another name "
            "(genome/rename, or `rename` beside the map)"
        )


def by_chromosome(table: "pd.DataFrame") -> "Iterator[tuple[str, pd.DataFrame]]":
    """Rows of every chromosome (column chrom), in the order in which the table names them."""
    for chrom, rows in table.groupby("chrom", sort=False):
        yield str(chrom), rows


def extents(regions: "pd.DataFrame") -> Iterator[tuple[int, int]]:
    """start_bp, end_bp of every region."""
    return zip(regions["start_bp"].tolist(), regions["end_bp"].tolist())


# ---------------------------------------------------------------- names


def some_of(names: Iterable[str], most: int = 12) -> str:
    """Names for a message: the first few, and how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def check_matched(
    names: Iterable[str], known: Iterable[str], where: str, remedy: str, *, refuse: bool = True
) -> list[str]:
    """Names of a list or a file that match no chromosome of `known`: they do nothing, so it is said.

    where: the setting, with its file. refuse: raise InputError where none of the names matches.
    """
    names, known = list(dict.fromkeys(names)), list(known)
    present = set(known)
    unmatched = [name for name in names if name not in present]
    return _said(unmatched, len(names), known, where, remedy, refuse)


def check_renamed(rename: Mapping[str, str], names: Iterable[str], where: str, *, refuse: bool = True) -> list[str]:
    """As `check_matched`, of a table {file's name: genome's name} and the names of the file it is for.

    An entry does nothing where the file has neither of its names: tables often serve several files.
    """
    names = list(dict.fromkeys(names))
    present, after = set(names), {rename.get(name, name) for name in names}
    unmatched = [old for old, new in rename.items() if old not in present and new not in after]
    return _said(unmatched, len(rename), names, where, "the table says {file's name: genome's name}", refuse)


def _said(unmatched: list[str], number: int, known: Sequence[str], where: str, remedy: str, refuse: bool) -> list[str]:
    if not unmatched:
        return unmatched
    said = f"{where}: {some_of(unmatched, 5)} match no chromosome; there are {some_of(known, 10)}; {remedy}"
    if refuse and len(unmatched) == number:
        raise InputError(said)
    logger.warning("%s", said)
    return unmatched
