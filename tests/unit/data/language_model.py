"""A language model that is worked out by hand, a genome to run it on, and the means of bins by a loop over bases."""

import json
from pathlib import Path

import numpy as np
import torch

from trifold.data import language_models, sequence
from trifold.data.embeddings import EmbeddingStore
from trifold.data.language_models import LanguageModel, Settings, Tokens
from trifold.data.sequence import SequenceStore
from trifold.genome import N_CODE, decode

BIN = 16
SIZES = {"chr1": 1000, "chr2": 203, "short": 9}


def write_sequence(folder: Path, chromosomes: dict[str, np.ndarray], bin_bp: int) -> SequenceStore:
    """A prepared sequence of these codes."""
    folder.mkdir(parents=True)
    fasta = folder.parent / "genome.fa"
    fasta.write_text("".join(f">{name}\n{decode(codes)}\n" for name, codes in chromosomes.items()))
    sequence.prepare([fasta], folder, bin_bp=bin_bp)
    return SequenceStore(folder)


class Letters(LanguageModel):
    """A token a base; its state is its one-hot, and how far the base is from the start and the end of its window."""

    channels = 6

    def __init__(self, stop_after: int | None = None):
        self.calls, self.stop_after, self.read = 0, stop_after, []

    def tokenise(self, codes: np.ndarray) -> Tokens:
        spans = np.stack([np.arange(len(codes)), np.arange(1, len(codes) + 1)], axis=1)
        return Tokens(codes.astype(np.int64), 0, spans, spans)

    def states(self, windows) -> list[torch.Tensor]:
        self.calls += 1
        if self.stop_after is not None and self.calls > self.stop_after:
            raise KeyboardInterrupt
        self.read += [len(window.ids) for window in windows]
        found = []
        for window in windows:
            one_hot = np.eye(5)[window.ids][:, :4]
            place = np.arange(len(window.ids))
            found.append(torch.tensor(np.column_stack([one_hot, place, place[::-1]]), dtype=torch.float32))
        return found


def settings(**changed) -> Settings:
    given = {"model": "model", "tokenizer": "characters", "window_bp": 40, "overlap_bp": 8, "stored": "float32"}
    return Settings(**{**given, **changed})


def summary_of(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def made_up_genome() -> dict[str, np.ndarray]:
    """Chromosomes of which none is a whole number of bins or windows; chr1 has an N inside and a stretch of N."""
    rng = np.random.default_rng(1)
    codes = {name: rng.integers(0, 4, length).astype(np.uint8) for name, length in SIZES.items()}
    codes["chr1"][96], codes["chr1"][300:420] = N_CODE, N_CODE  # the first base of bin 6: words of bin 5 touch it
    return codes


def make(folder, model, sequence, given, bin_bp=BIN, batch_size=3):
    """The finished folder of vectors."""
    out = folder / "out"
    out.mkdir(parents=True)
    facts = {"bin_bp": bin_bp, "name": "tiny", "identity": "abc", "batch_size": batch_size}
    language_models.prepare(model, sequence, out, folder / "unfinished", given, **facts)
    return EmbeddingStore(out)


def by_loop(codes, given, bin_bp, states_of):
    """Vectors of the bins of a chromosome, base by base: (bins, channels), and which bins have one.

    states_of(codes of a window) -> for every base its state, or None where it has no token.
    """
    step, margin = given.window_bp - given.overlap_bp, given.overlap_bp // 2
    per_base = [None] * len(codes)
    for start in range(0, len(codes), step):
        first, last = max(start - margin, 0), min(start + step + margin, len(codes))
        states = states_of(codes[first:last])
        for base in range(start, min(start + step, len(codes))):
            per_base[base] = states[base - first]
    vectors, valid = [], []
    for start in range(0, len(codes), bin_bp):
        known = [state for state in per_base[start : start + bin_bp] if state is not None]
        valid.append(bool(known) and not (codes[start : start + bin_bp] == N_CODE).any())
        vectors.append(np.mean(known, axis=0) if valid[-1] else None)
    width = len(next(vector for vector in vectors if vector is not None))
    return np.array([np.zeros(width) if vector is None else vector for vector in vectors]), np.array(valid)
