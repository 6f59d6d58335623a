"""FASTA files through pyfaidx: plain, gzip or bgzip."""

import gzip
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyfaidx

from trifold.errors import InputError
from trifold.genome import Region, encode

# A piece of a chromosome is named with its place: chr22:30000000-35000000, half-open.
_PIECE = re.compile(r"^(?P<chrom>[^:]+):(?P<start>\d+)-(?P<end>\d+)$")
CHUNK_BP = 10_000_000


def _unpacked(path: Path, scratch: Path) -> Path:
    """The file itself, or a copy unpacked into `scratch`: pyfaidx reads gzip only where it is bgzip."""
    with open(path, "rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    # A link in any case: pyfaidx writes its index beside the file, which may lie in a folder of somebody else.
    target = scratch / f"{path.name.removesuffix('.gz')}.unpacked.fa"
    if not packed:
        target.symlink_to(path.resolve())
        return target
    try:
        with gzip.open(path) as source, open(target, "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 22)
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: broken gzip ({error}); fetch it again") from error
    return target


class Fasta:
    """Records of one FASTA file, read in pieces.

    Raises InputError for a file that is missing, broken, or no FASTA.
    """

    def __init__(self, path: str | os.PathLike, scratch: Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise InputError(f"{path}: no such file; config: genome/fasta")
        try:
            self._file = pyfaidx.Fasta(str(_unpacked(self.path, scratch)), as_raw=True, rebuild=True)
        except (pyfaidx.FastaIndexingError, pyfaidx.FastaNotFoundError, ValueError) as error:
            raise InputError(f"{path}: not a FASTA file that can be indexed ({error})") from error
        if not len(self._file.keys()):
            raise InputError(f"{path}: no record; a FASTA file has lines that start with '>'")

    def records(self) -> dict[str, Region]:
        """Record name -> where it lies: a whole chromosome, or the piece its name says."""
        found = {}
        for name in self._file.keys():  # noqa: SIM118: not a dict
            length = len(self._file[name])
            piece = _PIECE.match(name)
            if piece and int(piece["end"]) - int(piece["start"]) != length:
                raise InputError(
                    f"{self.path}: record {name} has {length} bp, its name says {piece['start']}-{piece['end']} "
                    "(half-open); correct the name"
                )
            found[name] = Region(piece["chrom"], int(piece["start"]), int(piece["end"])) if piece else Region(name, 0, length)
        return found

    def codes(self, name: str) -> Iterator[tuple[int, np.ndarray]]:
        """Offset and base codes of one record, chunk by chunk."""
        record = self._file[name]
        for start in range(0, len(record), CHUNK_BP):
            yield start, encode(record[start : start + CHUNK_BP])
