"""Vectors of a language model through the rules: killed in the middle, gone on with, read by an arm."""

import json

import cooler
import numpy as np
import pytest

from trifold.data import language_models  # noqa: F401 - which knows where transformers is
from trifold.data.embeddings import EmbeddingStore

pytest.importorskip("transformers", reason="make embed (make test does)")

from tiny_bert import write_bert

RESULTS = "results/smoke"
VECTORS = f"{RESULTS}/embeddings/tiny"
OVERLAY = """
embeddings:
  tiny: {model: tiny, tokenizer: kmers, window_bp: 80, overlap_bp: 16, batch_size: 8}
arms:
  embedded:
    architecture: aligned-embedded
    embeddings: tiny
    options: {bottleneck: 4, pair_channels: 2, distance_channels: 2, image_channels: 4, residual_blocks: 1}
    training: {epochs: 1, batch_size: 8}
"""
NAMED = ("--configfile", "smoke.yaml", "embeddings.yaml")


@pytest.fixture(scope="module")
def workspace(begun):
    workspace = begun("embeddings")
    write_bert(workspace.folder / "tiny", k=4, positions=80)
    workspace.overlay("embeddings.yaml", OVERLAY)
    return workspace


def test_a_killed_embedding_goes_on_and_an_arm_reads_it(workspace):
    folder = workspace.folder
    # Nothing that was made is made again.
    made = {"embed": 1, "train": 1, "predict": 1, "evaluate": 1, "tables": 1, "report": 1, "manifest": 1}
    assert workspace.jobs(*NAMED, configfile=None) == made

    def midway() -> bool:
        notes = [path.read_text() for path in (folder / RESULTS / "checkpoints").glob("*/progress.json")]
        return any(0 < json.loads(note)["done"] < 6 for note in notes)

    target = f"{VECTORS}/artifact.json"
    workspace.kill_when(midway, target, *NAMED, configfile=None)
    assert not (folder / target).exists()
    workspace.run(target, "--rerun-incomplete", *NAMED, configfile=None)
    log = (folder / "logs/smoke/embed/tiny.log").read_text()
    assert "embedding tiny: goes on after" in log and "6 of 6 stretches" in log
    assert not list((folder / RESULTS / "checkpoints").glob("*/progress.json"))
    # How many windows are read at once re-runs nothing; where the model lies is no part of the version.
    workspace.edit("embeddings.yaml", "batch_size: 8}", "batch_size: 16}")
    assert workspace.jobs(target, *NAMED, configfile=None) == {}
    (folder / "tiny").rename(folder / "moved")
    workspace.edit("embeddings.yaml", "model: tiny, ", "model: moved, ")
    before = json.loads((folder / target).read_text())["version"]

    predicted = f"{RESULTS}/predictions/embedded/fold-a/seed-1/alpha/map.cool"
    workspace.run(predicted, *NAMED, configfile=None)
    assert json.loads((folder / target).read_text())["version"] == before
    store = EmbeddingStore(folder / VECTORS)
    statistics = json.loads((folder / RESULTS / "models/embedded/fold-a/seed-1/statistics.json").read_text())
    assert statistics["embeddings"] == store.facts() and store.channels == 12
    balanced = cooler.Cooler(str(folder / predicted)).matrix(balance=True).fetch("chr6")
    present = np.isfinite(balanced).any(axis=0)
    assert present.mean() > 0.8
    assert not present[~store.valid("chr6")].any() and (~store.valid("chr6")).any()
