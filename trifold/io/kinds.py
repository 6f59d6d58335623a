"""What a file is, by its first bytes: for messages that name it, and for telling a .hic from a cooler."""

import gzip
import os
import zlib
from pathlib import Path

HDF5, HIC = b"\x89HDF\r\n\x1a\n", b"HIC\0"
_HEAD_BYTES = 512
_UNPACK = "unpack it first (gunzip)"
_READS = "make a map of the reads first (pairtools, then `cooler cload pairs`)"
_FETCH = "fetch the file itself"
# First bytes -> what it is, and what to do.
_KNOWN = {
    HDF5: ("an HDF5 file", "if it is a cooler, it is damaged: fetch it again"),
    HIC: ("a .hic", "if it is whole, call it .hic"),
    b"BAM\1": ("a BAM of reads", _READS),
    b"CRAM": ("a CRAM of reads", _READS),
    b"@HD\t": ("a SAM of reads", _READS),
    b"@SQ\t": ("a SAM of reads", _READS),
    b"## pairs format": ("a list of pairs", "make a map of it first (`cooler cload pairs`)"),
    b"\x26\xfc\x8f\x88": ("a bigWig track", "name it under `tracks`, and a map here"),
    b"\x88\x8f\xfc\x26": ("a bigWig track", "name it under `tracks`, and a map here"),
    b"\xeb\xf2\x89\x87": ("a bigBed", "give a map"),
    b"\x87\x89\xf2\xeb": ("a bigBed", "give a map"),
    b"\x43\x27\x41\x1a": ("a .2bit genome", "give a map"),
    b"\x93NUMPY": ("a NumPy array", "make a map of it first (`cooler load`)"),
    b"version https://git-lfs": ("a Git LFS pointer", "run `git lfs pull`, or fetch the file itself"),
    b"PK\x03\x04": ("a zip archive", "unpack it first (unzip)"),
    b"BZh": ("packed by bzip2", "unpack it first (bunzip2)"),
    b"\xfd7zXZ\x00": ("packed by xz", "unpack it first (unxz)"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "unpack it first (unzstd)"),
    b">": ("a FASTA", "name it under genome/fasta, and a map here"),
}


def _head(path: str | os.PathLike) -> bytes:
    with open(path, "rb") as handle:
        return handle.read(_HEAD_BYTES)


def starts_as_hic(path: str | os.PathLike) -> bool:
    """Whether the first bytes of a file are those of a .hic."""
    return _head(path).startswith(HIC)


def is_hic(path: str | os.PathLike) -> bool:
    """Whether a file is one of Juicer's: by its first bytes where they say what it is, otherwise by its name."""
    path = Path(path)
    if path.is_file():
        head = _head(path)
        if head.startswith((HIC, HDF5)):
            return head.startswith(HIC)
    return path.suffix.lower() == ".hic"


def _of_text(head: bytes) -> tuple[str, str]:
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, such as a portal's page of an error or a log-in", _FETCH
    if text.startswith(b"<"):
        return "an XML document, such as a portal's message", _FETCH
    if b"\0" not in head and all(byte >= 9 for byte in head):
        return "a text file", "make a map of it first (`cooler load`, `cooler cload`)"
    return "of no kind that is known here", "give a .cool, .mcool or .hic"


def describe(path: str | os.PathLike) -> tuple[str, str]:
    """What a file that is no map is, and the remedy, as parts of a sentence."""
    head = _head(path)
    if not head:
        return "empty", "fetch it again"
    if head.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as packed:
                inside = packed.read(_HEAD_BYTES)
        except (EOFError, OSError, zlib.error):
            return "a gzip file that is not whole", "fetch it again"
        if inside.startswith(HDF5):
            return "a cooler packed by gzip", _UNPACK
        if inside.startswith(HIC):
            return "a .hic packed by gzip", _UNPACK
        what, remedy = _of_head(inside)
        # A BAM is packed in itself: nobody unpacks it.
        return (what, remedy) if what.startswith("a BAM") else (f"{what}, packed by gzip", remedy)
    return _of_head(head)


def _of_head(head: bytes) -> tuple[str, str]:
    return next((said for start, said in _KNOWN.items() if head.startswith(start)), None) or _of_text(head)
