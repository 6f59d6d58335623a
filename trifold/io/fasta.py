"""FASTA files: unpacked where they are compressed, indexed and read by pyfaidx."""

import gzip
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyfaidx

from trifold.errors import InputError
from trifold.genome import encode

CHUNK_BP = 1 << 24


class Records:
    """The records of an open FASTA, in the order of the file. `lengths_bp`: name -> length; a name ends at a blank."""

    def __init__(self, faidx: pyfaidx.Faidx):
        self._faidx = faidx
        self.lengths_bp = {name: entry.rlen for name, entry in faidx.index.items()}

    def codes(self, name: str, start_bp: int, end_bp: int) -> np.ndarray:
        """Base codes, uint8 (end_bp - start_bp,), of a stretch that lies within the record."""
        return encode(str(self._faidx.fetch(name, start_bp + 1, end_bp)))

    def chunks(self, name: str) -> Iterator[tuple[int, np.ndarray]]:
        """A whole record as (start_bp, codes) of up to `CHUNK_BP` each."""
        for start_bp in range(0, self.lengths_bp[name], CHUNK_BP):
            yield start_bp, self.codes(name, start_bp, min(start_bp + CHUNK_BP, self.lengths_bp[name]))


def _unpack(path: Path, target: Path) -> None:
    try:
        with gzip.open(path) as packed, open(target, "wb") as plain:
            shutil.copyfileobj(packed, plain, 1 << 20)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from error


@contextmanager
def open_fasta(path: str | os.PathLike, scratch: str | os.PathLike) -> Iterator[Records]:
    """Open a .fa, or a .fa.gz packed by gzip or bgzip.

    The unpacked copy and the index lie below the folder `scratch` and are gone at the end; nothing is written beside
    `path`. Raises InputError for a file that is missing, truncated, or no FASTA of lines of equal length.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the genome as .fa or .fa.gz (genome/fasta)")
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".fasta-") as folder:
        with open(path, "rb") as handle:
            packed = handle.read(2) == b"\x1f\x8b"
        plain = Path(folder) / "unpacked.fa" if packed else path
        if packed:
            _unpack(path, plain)
        try:
            faidx = pyfaidx.Faidx(str(plain), indexname=f"{folder}/index.fai", as_raw=True)
        except (pyfaidx.FastaIndexingError, ValueError) as error:
            raise InputError(f"{path}: not a FASTA that can be indexed ({error}); see `samtools faidx`") from error
        try:
            yield Records(faidx)
        finally:
            faidx.close()
