"""A network that is trained from several starts: each is a training of its own, and validation pairs choose."""

import csv
import hashlib
import json
import shutil
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from small import resolved
from track_files import write_track

from trifold import plan
from trifold.data.bands import CountStore
from trifold.data.given import Given
from trifold.io.cool import Band
from trifold.models import stored, weights
from trifold.training import job
from trifold.training.regression import seed_of

BIN_BP, N_BINS, N_DIAGONALS = 1000, 260, 80
BYTES = ("weights.safetensors", "last.safetensors", "config.yaml", "history.csv", "statistics.json")


@pytest.fixture
def sample(tmp_path):
    """A cell type of one chromosome: positives are strong pixels, negatives are not."""
    rng = np.random.default_rng(1)
    for name in ("bands", "pairs"):
        (tmp_path / name).mkdir()
    counts = rng.poisson(40, (N_BINS, N_DIAGONALS)).astype(float)
    x = rng.integers(30, N_BINS - 60, 80)
    y = x + rng.integers(4, 30, 80)
    label = np.arange(80) % 2
    counts[x[label == 1], (y - x)[label == 1]] += 60
    for d in range(N_DIAGONALS):
        counts[N_BINS - d :, d] = 0
    CountStore.keep(tmp_path / "bands/chr1.npy", Band("chr1", BIN_BP, counts, np.ones(N_BINS)))
    chromosomes = f"name\tn_bins\tn_diagonals\nchr1\t{N_BINS}\t{N_DIAGONALS}\n"
    (tmp_path / "bands/chromosomes.tsv").write_text(chromosomes)
    role = np.where(np.arange(80) < 48, "train", "validation")
    table = pd.DataFrame({"chrom": "chr1", "x": x, "y": y, "label": label, "role": role})
    table.to_csv(tmp_path / "pairs/pairs.tsv", sep="\t", index=False)
    track = write_track(tmp_path / "atac", rng.gamma(1, 2, 4 * N_BINS), {"chr1": N_BINS * BIN_BP}, BIN_BP // 4)
    return Given(("alpha",), pairs=(tmp_path / "pairs",), bands=(tmp_path / "bands",), tracks=((track.folder,),))


def train(folder, given, starts: int, seed: int = 7):
    arm = {"architecture": "dloopcaller", "window_bins": 24, "tracks": ["atac"], "options": {"starts": starts}}
    arm["training"] = {"epochs": 3, "batch_size": 16}
    one = resolved(calls=arm)["calls"]
    (folder / "out").mkdir(parents=True, exist_ok=True)
    job.train(
        folder / "out",
        arm=asdict(one),
        parts=plan.parts_of(one),
        geometry={"bin_bp": BIN_BP, "stride_bins": {}, "max_bad_bins": 0.25, "max_n_bins": 0},
        seed=seed,
        given=given.as_settings(),
        backbones={},
        loss_networks={},
        pretrained=None,
        checkpoints=folder / "checkpoints",
        version="v",
        where={"accelerator": "cpu", "workers": 0, "devices": 1, "nodes": 1},
        threads=1,
    )
    return folder / "out"


def digests(folder, names=BYTES) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]


def best_auroc(folder) -> float:
    with open(folder / "history.csv") as file:
        return max(float(row["validation_auroc"]) for row in csv.DictReader(file))


def test_the_best_of_three_starts_is_kept(sample, tmp_path):
    out = train(tmp_path / "three", sample, 3)
    starts = [tmp_path / f"three/checkpoints/start-{number}/model" for number in (1, 2, 3)]
    scores = [best_auroc(folder) for folder in starts]
    assert len(set(scores)) > 1
    best = int(np.argmax(scores))
    assert best_auroc(out) == scores[best] and digests(out, BYTES[:4]) == digests(starts[best], BYTES[:4])
    seeds = [7, seed_of(7, 1), seed_of(7, 2)]
    frozen = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in starts]
    assert [one["seed"] for one in frozen] == seeds
    assert yaml.safe_load((out / "config.yaml").read_text())["seed"] == seeds[best]
    # The folder is a model as any other.
    assert stored.load_arm(out)[1]["arm"]["options"]["starts"] == 3
    # Each is the training of its own seed, from weights of its own; the first that of the seed itself.
    alone = [train(tmp_path / f"one-{number}", sample, 1, own) for number, own in enumerate(seeds[:2])]
    for one, other in zip(alone, starts):
        known, found = (weights.read(folder / "last.safetensors") for folder in (one, other))
        assert all(torch.equal(known[name], found[name]) for name in known)
    assert digests(alone[0], BYTES[:1]) != digests(starts[1], BYTES[:1])
    assert digests(alone[0], ("history.csv",)) == digests(starts[0], ("history.csv",))
    assert json.loads((out / "statistics.json").read_text()) == json.loads((alone[0] / "statistics.json").read_text())


def test_starts_that_ended_are_not_made_again_after_a_kill(sample, tmp_path):
    """The first two are done, the third has lost its last epochs: the same bytes, and no step of the others."""
    out = train(tmp_path, sample, 3)
    before = digests(out)
    shutil.rmtree(out)
    shutil.rmtree(tmp_path / "checkpoints/start-3")
    times = [(tmp_path / f"checkpoints/start-{number}/last.ckpt").stat().st_mtime_ns for number in (1, 2)]
    assert digests(train(tmp_path, sample, 3)) == before
    assert times == [(tmp_path / f"checkpoints/start-{number}/last.ckpt").stat().st_mtime_ns for number in (1, 2)]
