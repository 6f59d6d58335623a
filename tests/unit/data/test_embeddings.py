"""Vectors of bins: their values by a loop over bases, resume, N, ends of chromosomes, and how they are read."""

import json
import logging
import os
import pickle

import numpy as np
import pytest
import torch
from language_model import BIN, SIZES, Letters, by_loop, made_up_genome, make, settings, summary_of, write_sequence

from trifold.data import language_models
from trifold.data.embeddings import EmbeddingStore, check_same
from trifold.errors import InputError
from trifold.genome import N_CODE, n_bins, reverse_complement


@pytest.fixture
def genome():
    return made_up_genome()


@pytest.fixture
def store(tmp_path, genome):
    return write_sequence(tmp_path / "sequence", genome, BIN)


def letters_of(codes):
    states = np.column_stack([np.eye(5)[codes][:, :4], np.arange(len(codes)), np.arange(len(codes))[::-1]])
    return [None if code == N_CODE else state for code, state in zip(codes, states)]


@pytest.mark.parametrize(
    ("window_bp", "overlap_bp", "bin_bp"), [(40, 8, 16), (16, 0, 16), (12, 4, 16), (104, 40, 16), (16, 12, 16)]
)
def test_a_bin_is_the_mean_over_its_bases(tmp_path, store, genome, monkeypatch, window_bp, overlap_bp, bin_bp):
    """Windows wider than bins and narrower; every base from the window whose ends are farther; none across an end, and
    none left out where a stretch of the work, of whole windows and bins, ends."""
    monkeypatch.setattr(language_models, "STRETCH_BP", 72)
    given = settings(window_bp=window_bp, overlap_bp=overlap_bp)
    made = make(tmp_path, Letters(), store, given, bin_bp)
    for chrom, codes in genome.items():
        expected, valid = by_loop(codes, given, bin_bp, letters_of)
        found, known = made.window(chrom, 0, len(expected) * bin_bp)
        np.testing.assert_allclose(found.T, expected, atol=1e-5)
        np.testing.assert_array_equal(known, valid)
    assert made.chromsizes == SIZES
    assert summary_of(made.folder)["valid"] == pytest.approx(np.mean(np.load(made.folder / "valid.npy")))


def test_a_bin_that_holds_an_n_has_no_vector_and_windows_of_n_are_not_run(tmp_path, store):
    model = Letters()
    made = make(tmp_path, model, store, settings(window_bp=16, overlap_bp=0))
    vectors, valid = made.window("chr1", 0, 63 * BIN)
    with_n = [6, *range(18, 27)]
    np.testing.assert_array_equal(np.flatnonzero(~valid), with_n)
    assert (vectors[:, with_n] == 0).all()
    assert (vectors[:4, valid].sum(axis=0) > 0.99).all()
    # 63, 13 and 1 windows; those of bins 19 to 25 hold N alone.
    assert len(model.read) == 63 + 13 + 1 - 7


def test_both_strands_are_the_same_read_from_either(tmp_path, genome):
    """Of a genome and of its reverse complement: the same vectors in reverse order, which augmentation assumes."""
    codes = {"chr1": genome["chr1"][:960]}  # whole bins and whole windows
    given, made = settings(window_bp=40, overlap_bp=8, strands="both"), []
    for name, one in (("forward", codes), ("turned", {"chr1": reverse_complement(codes["chr1"])})):
        sequence = write_sequence(tmp_path / name / "sequence", one, BIN)
        made.append(make(tmp_path / name, Letters(), sequence, given).window("chr1", 0, 960))
    np.testing.assert_allclose(made[0][0], made[1][0][:, ::-1], atol=1e-5)
    np.testing.assert_array_equal(made[0][1], made[1][1][::-1])
    alone = make(tmp_path / "alone", Letters(), write_sequence(tmp_path / "a" / "s", codes, BIN), settings())
    assert not np.allclose(alone.window("chr1", 0, 960)[0], made[0][0], atol=1e-3)


# ---------------------------------------------------------------- resume


@pytest.mark.parametrize(("stop_after", "done"), [(0, 0), (1, 1), (5, 6)])
def test_a_killed_run_goes_on(tmp_path, store, monkeypatch, caplog, stop_after, done):
    """It ends with the same bytes as one that was not killed, and does not read what was done again. A stretch of N
    asks the model nothing."""
    monkeypatch.setattr(language_models, "STRETCH_BP", 64)
    monkeypatch.setattr(language_models, "LOG_EVERY_S", 0.0)
    given = settings(window_bp=32, overlap_bp=0)
    whole = make(tmp_path / "whole", Letters(), store, given, batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "killed", Letters(stop_after), store, given, batch_size=2)
    noted = json.loads((tmp_path / "killed/unfinished/progress.json").read_text())
    assert noted == {"name": "tiny", "done": done, "of": 16 + 4 + 1}
    (tmp_path / "killed/out").rmdir()
    again = Letters()
    with caplog.at_level(logging.INFO):
        resumed = make(tmp_path / "killed", again, store, given, batch_size=2)
    for file in ("vectors.npy", "valid.npy", "chromosomes.tsv", "summary.json"):
        assert (resumed.folder / file).read_bytes() == (whole.folder / file).read_bytes(), file
    fresh = Letters()
    make(tmp_path / "fresh", fresh, store, given, batch_size=2)
    assert again.calls == fresh.calls - stop_after
    assert (f"goes on after {done} of 21 stretches" in caplog.text) == (done > 0)
    assert "chr2, 20 of 21 stretches (95 %)" in caplog.text and "min left" in caplog.text


def test_a_run_that_was_killed_at_its_very_end_loses_nothing(tmp_path, store):
    make(tmp_path, Letters(), store, settings())
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    (tmp_path / "out").rmdir()
    model = Letters()
    again = make(tmp_path, model, store, settings())
    assert model.calls == 0 and again.window("chr1", 0, 16)[1].all()
    language_models.clean(tmp_path, "another")
    assert (tmp_path / "unfinished").exists()
    language_models.clean(tmp_path, "tiny")
    assert not (tmp_path / "unfinished").exists()
    assert again.window("chr1", 0, 16)[1].all()  # under its other name


@pytest.mark.parametrize(("note", "bins"), [('{"done": 3', 77), ('{"done": 1}', 0), ('{"done": 1}', 76)])
def test_what_is_damaged_starts_from_the_beginning(tmp_path, store, note, bins):
    """The note, or vectors beside a whole one: empty, or of fewer bins than the genome has."""
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "progress.json").write_text(note)
    np.save(unfinished / "vectors.npy", np.zeros((bins, 6), dtype=np.float32))
    np.save(unfinished / "valid.npy", np.ones(bins, dtype=bool))
    if not bins:
        (unfinished / "vectors.npy").write_bytes(b"")
    model = Letters()
    assert make(tmp_path, model, store, settings()).window("chr1", 0, 16)[1].all()
    assert model.calls > 0


def test_a_disk_without_links_gets_copies(tmp_path, store, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    copied = make(tmp_path, Letters(), store, settings())
    assert np.load(copied.folder / "vectors.npy").any()
    assert (copied.folder / "vectors.npy").stat().st_nlink == 1


# ---------------------------------------------------------------- how they are read


@pytest.fixture
def made(tmp_path, store):
    return make(tmp_path, Letters(), store, settings(stored="float16"))


def test_windows_are_read_by_coordinate(made):
    bins = np.load(made.folder / "vectors.npy")
    assert bins.dtype == np.float16 and bins.shape == (sum(n_bins(size, BIN) for size in SIZES.values()), 6)
    vectors, valid = made.window("chr2", -BIN, 14 * BIN)  # a bin before the start, one past the end
    assert vectors.shape == (6, 15) and vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors[:, 1:14].T, bins[63:76].astype(np.float32))
    np.testing.assert_array_equal(valid, [False, *[True] * 13, False])
    assert not vectors[:, [0, 14]].any()
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.window("chr2", 0, BIN)[0], made.window("chr2", 0, BIN)[0])
    assert made.valid("short").tolist() == [True]
    with pytest.raises(InputError, match=r"no chromosome chr9; it has chr1, chr2, short"):
        made.window("chr9", 0, BIN)
    with pytest.raises(InputError, match=r"chr1:8-24 does not lie on bins of 16 bp"):
        made.window("chr1", 8, 24)
    with pytest.raises(InputError, match="run the rule embed first"):
        EmbeddingStore(made.folder / "nowhere")


def test_vectors_of_another_model_are_refused(made):
    check_same(made, made.facts(), "the model")
    with pytest.raises(InputError, match=r"vectors of 6 channels.* \(dnabert, 768 channels\)"):
        check_same(made, {"name": "dnabert", "channels": 768, "identity": "else"}, "models/a")


class Broken(Letters):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def states(self, windows):
        return [torch.full_like(states, self.value) for states in super().states(windows)]


class Alike(Letters):
    """States that differ by a thousandth of what they have in common."""

    def states(self, windows):
        return [10 + states / 1000 for states in super().states(windows)]


@pytest.mark.parametrize(("stored", "warned"), [("float16", True), ("float32", False)])
def test_vectors_that_float16_would_round_away_are_said(tmp_path, store, caplog, stored, warned):
    make(tmp_path, Alike(), store, settings(window_bp=16, overlap_bp=0, stored=stored))
    assert ("of what they differ by; set stored: float32" in caplog.text) == warned


@pytest.mark.parametrize(
    ("value", "stored", "message"),
    [
        (float("nan"), "float32", r"model: chr1:0-1,000: the model gives values that are not numbers"),
        (1e5, "float16", r"values up to 1e\+05 are beyond float16; set stored: float32"),
        (1.0, "float32", "every bin has the same vector"),
    ],
)
def test_what_is_no_vector_is_refused(tmp_path, store, value, stored, message):
    with pytest.raises(InputError, match=message):
        make(tmp_path, Broken(value), store, settings(stored=stored))


# ---------------------------------------------------------------- tokens


class SixLetters:
    """A tokenizer without offsets: six letters side by side, what is left letter by letter (Nucleotide Transformer)."""

    is_fast = False

    def __init__(self, small: bool = False):
        self.small = small

    def tokenize(self, text):
        whole = len(text) // 6 * 6
        pieces = [text[i : i + 6] for i in range(0, whole, 6)] + list(text[whole:])
        return [piece.lower() for piece in pieces] if self.small else pieces

    def convert_tokens_to_ids(self, pieces):
        return [10 + len(piece) for piece in pieces]

    def build_inputs_with_special_tokens(self, ids):
        return [1, *ids]


def test_a_tokenizer_without_offsets():
    codes = np.array([0, 1, 2, 3, 0, 1, 2, 4], dtype=np.uint8)
    tokens = language_models.of_folder(SixLetters(), "six")(codes)
    assert tokens.ids.tolist() == [1, 16, 11, 11]
    assert tokens.first == 1 and tokens.stands.tolist() == [[0, 6], [6, 7], [7, 8]]
    with pytest.raises(InputError, match=r"six: the tokens of its tokenizer are not the letters of the sequence; set"):
        language_models.of_folder(SixLetters(small=True), "six")(codes)


class Fast:
    """A tokenizer with offsets, which it is told."""

    is_fast, unk_token_id = True, 0

    def __init__(self, offsets):
        self.offsets, self.asked = offsets, []

    def __call__(self, text, **_):
        self.asked.append(text)
        return {"input_ids": list(range(len(self.offsets))), "offset_mapping": self.offsets}

    def convert_tokens_to_ids(self, letters):
        return [10 + "ACGTN".index(letter) for letter in letters]


def test_tokens_that_are_not_the_sequence_cut_into_pieces_are_refused():
    codes = np.array([0, 1, 2, 3], dtype=np.uint8)
    good = language_models.of_folder(Fast([(0, 0), (0, 3), (3, 4), (0, 0)]), "fast")(codes)
    assert good.first == 1 and good.stands.tolist() == [[0, 3], [3, 4]] and len(good.ids) == 4
    with pytest.raises(InputError, match=r"fast: its tokenizer puts tokens of its own into the sequence; set"):
        language_models.of_folder(Fast([(0, 0), (0, 3), (0, 0), (3, 4)]), "fast")(codes)
    with pytest.raises(InputError, match=r"fast: the tokens of its tokenizer cover 3 of 4 letters: it is not made for"):
        language_models.of_folder(Fast([(0, 0), (0, 3), (0, 0)]), "fast")(codes)
    with pytest.raises(InputError, match=r"fast: its tokenizer makes 2 tokens of A, none of which is its letter A"):
        language_models.characters(Fast([(0, 0), (0, 1)]), "fast")


def test_a_run_of_n_is_one_letter_to_the_folders_tokenizer():
    """Each N would be a token, and the ends of a gap would be more than a model takes."""
    codes = np.array([4, 4, 0, 1, 4, 4, 4, 2, 4], dtype=np.uint8)
    tokenizer = Fast([(0, 1), (1, 3), (3, 4), (4, 5), (5, 6)])
    tokens = language_models.of_folder(tokenizer, "fast")(codes)
    assert tokenizer.asked == ["NACNGN"]
    assert tokens.stands.tolist() == [[0, 2], [2, 4], [4, 7], [7, 8], [8, 9]]
