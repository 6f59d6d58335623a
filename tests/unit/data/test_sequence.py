import gzip
import json
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from trifold.data import sequence
from trifold.data.sequence import SequenceStore, check_names, prepare, read_chromosomes
from trifold.errors import InputError
from trifold.genome import N_CODE, decode, encode


def fasta(path, **records):
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in records.items()))
    return path


def pieces(path, records):
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in records.items()))
    return path


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sequence").mkdir()
    return tmp_path / "sequence"


@pytest.fixture
def small(tmp_path, folder):
    path = fasta(tmp_path / "genome.fa", chr1="ACGTacgtRN", chr2="GGGCC", chrM="TTTT")
    report = prepare(path, folder, bin_bp=4, exclude=["chrM", "chrY"])
    return SequenceStore(folder), report


def test_files(small, folder):
    store, report = small
    assert sorted(path.name for path in folder.iterdir()) == [
        *("chromosomes.tsv", "codes.npy", "n_bins.npz", "summary.json")
    ]
    assert json.loads((folder / "summary.json").read_text()) == report
    np.testing.assert_array_equal(np.load(folder / "codes.npy"), encode("ACGTACGTNNGGGCC"))
    assert (folder / "chromosomes.tsv").read_text() == "name\tlength_bp\nchr1\t10\nchr2\t5\n"
    assert list(read_chromosomes(folder / "chromosomes.tsv").items()) == [("chr1", 10), ("chr2", 5)]
    with np.load(folder / "n_bins.npz") as bins:
        assert {name: bins[name].tolist() for name in bins} == {"chr1": [False, False, True], "chr2": [False, False]}
    assert store.chromsizes == {"chr1": 10, "chr2": 5}
    assert report == {
        "chromosomes": {"chr1": 10, "chr2": 5},
        "n_bases": {"chr1": 2, "chr2": 0},
        "renamed": {},
        "excluded": ["chrM"],
        "pieces": [],
        "bases": 15,
        "n_share": 2 / 15,
    }


@pytest.mark.parametrize(
    "start_bp, end_bp, letters",
    [(0, 10, "ACGTACGTNN"), (2, 5, "GTA"), (-3, 2, "NNNAC"), (8, 13, "NNNNN"), (6, 12, "GTNNNN"), (-2, 12, None)],
)
def test_window(small, start_bp, end_bp, letters):
    codes = small[0].window("chr1", start_bp, end_bp)
    assert decode(codes) == (letters or "NNACGTACGTNNNN")
    assert codes.dtype == np.uint8


@pytest.mark.parametrize("start_bp, end_bp", [(-9, -5), (5, 9), (40, 42)])
def test_window_beside_the_chromosome(small, start_bp, end_bp):
    assert small[0].window("chr2", start_bp, end_bp).tolist() == [N_CODE] * (end_bp - start_bp)


def test_window_is_a_copy(small):
    store, _ = small
    store.window("chr1", 0, 4)[:] = 3
    assert decode(store.window("chr1", 0, 4)) == "ACGT"


def test_unknown_chromosome(small):
    with pytest.raises(InputError, match="no chromosome chrM; it has chr1, chr2"):
        small[0].window("chrM", 0, 1)


def test_no_prepared_sequence(tmp_path):
    with pytest.raises(InputError, match="encode_sequence"):
        SequenceStore(tmp_path)


def test_pickles_without_its_map(small):
    store, _ = small
    store.window("chr1", 0, 4)
    assert len(pickle.dumps(store)) < 1000
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert decode(pool.submit(store.window, "chr2", 0, 5).result()) == "GGGCC"


def test_bins_across_chunks(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(sequence, "CHUNK_BP", 8)
    letters = np.random.default_rng(1).choice(list("ACGTN"), 101, p=[0.23] * 4 + [0.08])
    prepare(fasta(tmp_path / "a.fa", chr1="".join(letters)), folder, bin_bp=3)
    expected = [bool((letters[start : start + 3] == "N").any()) for start in range(0, 101, 3)]
    with np.load(folder / "n_bins.npz") as bins:
        assert bins["chr1"].tolist() == expected


def test_chromosome_without_a_bin_is_named(tmp_path, folder, caplog):
    prepare(fasta(tmp_path / "a.fa", chr1="ACGTACGT", chrU="ANNNNGNN"), folder, bin_bp=4)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "chrU: every bin holds an N; no window will lie on it"
    ]


def test_rename(tmp_path, folder):
    path = fasta(tmp_path / "a.fa", **{"1": "ACGT", "MT": "AA"})
    report = prepare(path, folder, bin_bp=4, exclude=["chrM"], rename={"1": "chr1", "MT": "chrM", "2": "chr2"})
    assert report["renamed"] == {"1": "chr1"}
    assert report["chromosomes"] == {"chr1": 4}


def test_several_files_and_pieces(tmp_path, folder):
    """Half-open pieces counted from 0, and those of samtools faidx counted from 1; the rest is N."""
    (tmp_path / "b").mkdir()
    whole = fasta(tmp_path / "a.fa", chr1="ACGT")
    part = pieces(tmp_path / "b/a.fa", {"chr2:2-6 hg19": "AAAA", "chr2:9-10": "CC"})
    report = prepare([whole, part], folder, bin_bp=4, sizes={"chr2": 12})
    store = SequenceStore(folder)
    assert decode(store.window("chr1", 0, 4)) == "ACGT"
    assert decode(store.window("chr2", 0, 12)) == "NNAAAANNCCNN"
    assert report["pieces"] == ["chr2:2-6", "chr2:9-10"]
    assert report["n_bases"] == {"chr1": 0, "chr2": 6}


@pytest.mark.parametrize(
    "records, sizes, message",
    [
        ({"chr2:2-6": "AAAA"}, {}, "give the length of chr2 in genome/sizes"),
        ({"chr2:2-6": "AAA"}, {"chr2": 12}, "holds 3 bp"),
        ({"chr2:2-6": "AAAA"}, {"chr2": 5}, "reaches beyond chr2 of 5 bp"),
        ({"chr2:2-6": "AAAA", "chr2:5-8": "AAA"}, {"chr2": 12}, "more than once"),
        ({"chr2:2-6": "AAAA", "chr2": "A" * 12}, {"chr2": 12}, "more than once"),
        ({"chr2": "AAAA"}, {"chr2": 5}, "4 bp, and 5 are wanted: another assembly"),
        ({"chrM": "AAAA"}, {}, "no sequence is left after genome/exclude"),
    ],
)
def test_contradictions(tmp_path, folder, records, sizes, message):
    with pytest.raises(InputError, match=message):
        prepare(pieces(tmp_path / "a.fa", records), folder, bin_bp=4, exclude=["chrM"], sizes=sizes)


def test_two_of_one_name(tmp_path, folder):
    with pytest.raises(InputError, match="chr1 is given more than once"):
        prepare(fasta(tmp_path / "a.fa", **{"1": "ACGT", "chr1": "AC"}), folder, bin_bp=4, rename={"1": "chr1"})


def test_chromosome_of_the_map_is_missing(tmp_path, folder):
    path = fasta(tmp_path / "a.fa", **{"1": "ACGT", "2": "AC"})
    with pytest.raises(InputError) as error:
        prepare(path, folder, bin_bp=4, sizes={"chr1": 4, "chr2": 2})
    message = str(error.value)
    assert str(path) in message
    assert "are 1, 2, wanted are chr1, chr2" in message
    assert "genome/rename" in message
    check_names(["chr1", "chr2"], ["chr2"], {}, path)


def test_yeast(folder, mirror):
    """Whole genome: sizes, and every base, against the letters."""
    report = prepare(mirror / "sacCer3.fa.gz", folder, bin_bp=2000)
    store = SequenceStore(folder)
    assert len(store.chromsizes) == 17
    assert sum(store.chromsizes.values()) == 12_157_105
    assert sum(report["n_bases"].values()) == 0
    with gzip.open(mirror / "sacCer3.fa.gz", "rt") as handle:
        for record in handle.read().split(">")[1:]:
            name, _, letters = record.partition("\n")
            letters = letters.replace("\n", "")
            np.testing.assert_array_equal(store.window(name, 0, len(letters)), encode(letters))


def test_gm12878_window(folder, mirror):
    """chr22 of which 5 Mb are known, at their place."""
    prepare(mirror / "hg19_chr22_30-35Mb.fa.gz", folder, bin_bp=10_000, sizes={"chr22": 51_304_566})
    store = SequenceStore(folder)
    known = store.window("chr22", 0, 51_304_566) != N_CODE
    assert known.sum() == 5_000_000 - 12
    assert not known[:30_000_000].any()
    assert not known[35_000_000:].any()
    with np.load(folder / "n_bins.npz") as bins:
        np.testing.assert_array_equal(bins["chr22"], ~np.logical_and.reduceat(known, np.arange(0, len(known), 10_000)))
        assert (~bins["chr22"]).sum() == 489


def test_t1_names_that_match_nothing(tmp_path, caplog):
    """A table of names of which none is the FASTA's is refused; an exclusion that misses its chromosome is said."""
    (tmp_path / "genome.fa").write_text(">1\nACGT\n>MT\nAC\n>X\nA\n")
    with pytest.raises(
        InputError, match=r"genome/rename: .*genome\.fa: chr1, chrMT match no chromosome; there are 1, MT"
    ):
        sequence.prepare(tmp_path / "genome.fa", tmp_path, 4, rename={"chr1": "one", "chrMT": "M"})
    names = {"exclude": ["chrM", "chrY", "X"], "rename": {"1": "chr1", "2": "chr2"}}
    report = sequence.prepare(tmp_path / "genome.fa", tmp_path, 4, **names)
    assert list(report["chromosomes"]) == ["chr1", "MT"]
    assert "genome.fa: 2 match no chromosome; there are 1, MT, X" in caplog.text
    assert "has no chrM, and MT stays in; name it so" in caplog.text
    assert "chrY" not in caplog.text
