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
BLANKS = (" ", "\t")


class Records:
    """The records of an open FASTA, in the order of the file. `lengths_bp`: name -> length; a name ends at a blank."""

    def __init__(self, faidx: pyfaidx.Faidx, path: Path):
        self._faidx, self._path = faidx, path
        self.lengths_bp = {name: entry.rlen for name, entry in faidx.index.items()}

    def codes(self, name: str, start_bp: int, end_bp: int) -> np.ndarray:
        """Base codes, uint8 (end_bp - start_bp,), of a stretch that lies within the record.

        Raises InputError for blanks in it: the index counts them as bases.
        """
        letters = str(self._faidx.fetch(name, start_bp + 1, end_bp))
        if any(blank in letters for blank in BLANKS):
            raise _blanks(self._path, name)
        return encode(letters)

    def chunks(self, name: str) -> Iterator[tuple[int, np.ndarray]]:
        """A whole record as (start_bp, codes) of up to `CHUNK_BP` each."""
        for start_bp in range(0, self.lengths_bp[name], CHUNK_BP):
            yield start_bp, self.codes(name, start_bp, min(start_bp + CHUNK_BP, self.lengths_bp[name]))


def _blanks(path: Path, where: str) -> InputError:
    return InputError(
        f"{path}: lines of {where} end with blanks, which would count as bases; take them out: "
        "sed 's/[[:blank:]]*$//' in.fa > out.fa"
    )


def _check_line_ends(path: Path, plain: Path) -> None:
    """Raises InputError for blanks at the end of a line of sequence."""
    with open(plain, "rb") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.startswith(b">") and line.strip() and line.rstrip(b"\r\n") != line.rstrip():
                raise _blanks(path, f"the sequence (line {number})")


def _unpack(path: Path, target: Path) -> None:
    try:
        with gzip.open(path) as packed, open(target, "wb") as plain:
            shutil.copyfileobj(packed, plain, 1 << 20)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from error


def _check_records(faidx: pyfaidx.Faidx, path: Path) -> None:
    """Raises InputError for blanks at the end of a record's first line: before its length is held against a map's."""
    for name, entry in faidx.index.items():
        if entry.rlen and str(faidx.fetch(name, 1, min(entry.rlen, entry.lenc))).endswith(BLANKS):
            raise _blanks(path, name)


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
        # A plain text that is called .gz would be taken for a packed one by its name.
        plain = Path(folder) / "plain.fa"
        if packed:
            _unpack(path, plain)
        else:
            plain.symlink_to(path.resolve())
        try:
            faidx = pyfaidx.Faidx(str(plain), indexname=f"{folder}/index.fai", as_raw=True)
        except (pyfaidx.FastaIndexingError, ValueError, UnicodeDecodeError) as error:
            _check_line_ends(path, plain)
            said = str(error).replace(str(plain), path.name)
            raise InputError(f"{path}: not a FASTA that can be indexed ({said}); see `samtools faidx`") from error
        try:
            _check_records(faidx, path)
            yield Records(faidx, path)
        finally:
            faidx.close()
