import gzip

import numpy as np
import pysam
import pytest

from trifold.errors import InputError
from trifold.genome import decode, encode
from trifold.io import fasta

TEXT = ">one some words\nACGTN\nacgtn\nRY\n>two\nGGGCC\n"


def read(path, scratch):
    with fasta.open_fasta(path, scratch) as records:
        return {
            name: np.concatenate([codes for _, codes in records.chunks(name)]).tolist() for name in records.lengths_bp
        }


def write(folder, packing):
    path = folder / ("genome.fa" if packing == "plain" else "genome.fa.gz")
    if packing == "plain":
        path.write_text(TEXT)
    elif packing == "gzip":
        path.write_bytes(gzip.compress(TEXT.encode()))
    else:
        with pysam.BGZFile(str(path), "wb") as handle:
            handle.write(TEXT.encode())
    return path


@pytest.mark.parametrize("packing", ["plain", "gzip", "bgzip"])
@pytest.mark.parametrize("chunk_bp", [4, 1 << 24])
def test_records(tmp_path, monkeypatch, packing, chunk_bp):
    monkeypatch.setattr(fasta, "CHUNK_BP", chunk_bp)
    (tmp_path / "data").mkdir()
    (tmp_path / "scratch").mkdir()
    path = write(tmp_path / "data", packing)
    assert read(path, tmp_path / "scratch") == {"one": [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 4, 4], "two": [2, 2, 2, 1, 1]}
    # Nothing is left behind, and nothing is written beside the input.
    assert list((tmp_path / "scratch").iterdir()) == []
    assert list((tmp_path / "data").iterdir()) == [path]


def test_stretch(tmp_path):
    with fasta.open_fasta(write(tmp_path, "plain"), tmp_path) as records:
        assert decode(records.codes("one", 2, 7)) == "GTNAC"
        assert records.codes("two", 0, 5).dtype == np.uint8
        assert records.lengths_bp == {"one": 12, "two": 5}


def test_scratch_is_gone_after_an_error(tmp_path):
    path = write(tmp_path, "gzip")
    with pytest.raises(ZeroDivisionError), fasta.open_fasta(path, tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == [path]


def test_truncated_gzip(tmp_path):
    path = tmp_path / "genome.fa.gz"
    packed = gzip.compress((">a\n" + "ACGTTGCA" * 1000).encode())
    path.write_bytes(packed[:-20])
    with pytest.raises(InputError, match=r"genome\.fa\.gz: not a whole gzip"), fasta.open_fasta(path, tmp_path):
        pass


@pytest.mark.parametrize(
    "text, message",
    [
        (">a\nACGT\nAC\nACGT\n", "not a FASTA that can be indexed"),
        (">a\nACGT\n>a\nACGT\n", "Duplicate"),
        ("<html>no</html>\n", "not a FASTA that can be indexed"),
        ("", "not a FASTA that can be indexed"),
    ],
)
def test_no_fasta(tmp_path, text, message):
    path = tmp_path / "genome.fa"
    path.write_text(text)
    with pytest.raises(InputError, match=message), fasta.open_fasta(path, tmp_path):
        pass


def test_t10_text_that_is_called_gz(tmp_path):
    (tmp_path / "genome.fa.gz").write_text(TEXT)
    (tmp_path / "scratch").mkdir()
    assert read(tmp_path / "genome.fa.gz", tmp_path / "scratch")["two"] == [2, 2, 2, 1, 1]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("text", "where"),
    [
        (">a\nACGT \nACGT \nAC\n", "a"),  # of every line alike: the index takes them for bases
        (">b x \nACGT\nACGT\n>a\nACGT\t\nACGT\t\n", "a"),
        (">a\nACGT\nACGT \nACGT\n", r"the sequence \(line 3\)"),
        (">a\nACGT\nACGT\nAC \n", "a"),
        (">a\r\nACGT \r\nACGT \r\n", "a"),
    ],
)
def test_t10_blanks_at_line_ends_are_the_fastas_fault(tmp_path, text, where, packed):
    path = tmp_path / "genome.fa"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    (tmp_path / "scratch").mkdir()
    with pytest.raises(InputError, match=rf"genome\.fa: lines of {where} end with blanks, which would count as bases"):
        read(path, tmp_path / "scratch")


def test_blanks_in_names_are_none_of_the_sequence(tmp_path):
    (tmp_path / "genome.fa").write_text(">a some words \nACGT\n\n>b\t\nAC\n")
    (tmp_path / "scratch").mkdir()
    assert read(tmp_path / "genome.fa", tmp_path / "scratch") == {"a": [0, 1, 2, 3], "b": [0, 1]}


def test_missing(tmp_path):
    with pytest.raises(InputError, match="no such file"), fasta.open_fasta(tmp_path / "absent.fa", tmp_path):
        pass


def test_against_the_letters(tmp_path, mirror):
    """Soft-masked chr2L of the fly: the letters read plainly give the same codes."""
    with gzip.open(mirror / "dm6_chr2L.fa.gz", "rt") as handle:
        letters = "".join(line.strip() for line in handle if not line.startswith(">"))
    with fasta.open_fasta(mirror / "dm6_chr2L.fa.gz", tmp_path) as records:
        assert records.lengths_bp == {"chr2L": 23_513_712}
        np.testing.assert_array_equal(np.concatenate([codes for _, codes in records.chunks("chr2L")]), encode(letters))
