"""DLoopCaller and Peakachu from pairs to a model's folder, to scores, and to loops of a whole chromosome."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import torch
from small import resolved
from track_files import write_track

from trifold import loops, plan, score_pairs
from trifold.data import pairs
from trifold.data.bands import CountStore
from trifold.data.given import Given
from trifold.io.cool import Band
from trifold.metrics.classification import auroc as auroc_of
from trifold.models import stored
from trifold.training import job

BIN_BP, N_BINS, N_DIAGONALS = 1000, 400, 90
GEOMETRY = {"bin_bp": BIN_BP, "stride_bins": {}, "max_bad_bins": 0.25, "max_n_bins": 0}
ARMS = {
    "dloopcaller": {
        "architecture": "dloopcaller",
        "window_bins": 24,
        "tracks": ["atac", "dnase"],
        "options": {"starts": 2, "side_bins": 23},
        "training": {"epochs": 12, "batch_size": 16},
    },
    "peakachu": {"architecture": "peakachu", "window_bins": 24, "options": {"trees": 10, "depths": [6]}},
}


@pytest.fixture(scope="module")
def chromosome(tmp_path_factory):
    """A map whose loops are blobs of contacts, its pairs by role, two tracks; as a band and as folders."""
    rng, folder = np.random.default_rng(2), tmp_path_factory.mktemp("alpha")
    for name in ("bands", "pairs"):
        (folder / name).mkdir()
    n = 120
    x = rng.choice(np.arange(20, N_BINS - 80), n, replace=False)
    y, label = x + rng.integers(14, 50, n), np.arange(n) % 2
    mean = np.repeat((80 / (1 + np.arange(N_DIAGONALS)) ** 0.6)[None], N_BINS, axis=0)
    rows, distances = np.mgrid[:N_BINS, :N_DIAGONALS]
    for a, b in zip(x[label == 1], y[label == 1]):
        mean = mean * (1 + 5 * np.exp(-((rows - a) ** 2 + (rows + distances - b) ** 2) / 2))
    bias = rng.uniform(0.8, 1.25, N_BINS)
    ends = np.minimum(rows + distances, N_BINS - 1)
    counts = rng.poisson(mean * bias[:, None] * bias[ends]).astype(float)
    counts[rows + distances >= N_BINS] = 0
    weight = 0.1 / bias
    weight[[60, 61]] = np.nan
    band = Band("chr1", BIN_BP, counts, weight)
    CountStore.keep(folder / "bands/chr1.npy", band)
    line = f"chr1\t{N_BINS}\t{N_DIAGONALS}\n"
    (folder / "bands/chromosomes.tsv").write_text("name\tn_bins\tn_diagonals\n" + line)
    role = np.repeat(["train", "validation", "test"], [72, 20, 28])
    table = pd.DataFrame({"chrom": "chr1", "x": x, "y": y, "label": label, "role": role})
    table.to_csv(folder / "pairs/pairs.tsv", sep="\t", index=False)
    table[table["label"] == 0].to_csv(folder / "pairs/matched.tsv", sep="\t", index=False)
    tracks = [
        write_track(folder / name, rng.gamma(1, 2, 4 * N_BINS), {"chr1": N_BINS * BIN_BP}, BIN_BP // 4)
        for name in ("atac", "dnase")
    ]
    return folder, band, tracks, table


@pytest.mark.parametrize("name", ARMS)
def test_a_loop_caller_is_taught_scored_and_searched_with(chromosome, tmp_path, name):
    folder, band, tracks, table = chromosome
    arm = resolved(**{name: ARMS[name]})[name]
    read = tuple(track.folder for track in tracks) if arm.tracks else ()
    given = Given(("alpha",), pairs=(folder / "pairs",), bands=(folder / "bands",), tracks=(read,) if read else ())
    (out := tmp_path / "model").mkdir()
    job.train(
        out,
        arm=asdict(arm),
        parts=plan.parts_of(arm),
        geometry=GEOMETRY,
        seed=3,
        given=given.as_settings(),
        backbones={},
        loss_networks={},
        pretrained=None,
        checkpoints=tmp_path / "checkpoints",
        version="v",
        where={"accelerator": "cpu", "workers": 0, "devices": 1, "nodes": 1},
        threads=1,
    )
    # Scores of the test pairs, from the folder alone: of the very windows, tracks and means.
    (scores := tmp_path / "scores").mkdir()
    settings = {"geometry": {"bin_bp": BIN_BP}, "seed": 3, "device": "cpu", "workers": 0, "threads": 1}
    score_pairs.score(scores, arm=arm, model=out, given=given, **settings)
    with np.load(scores / "predictions.npz") as found:
        places, predicted, label = np.stack([found["x"], found["y"]], 1), found["prediction"], found["label"]
    assert len(places) == 28
    model = stored.load_arm(out)[0]
    store = CountStore(folder / "bands/chr1.npy", N_DIAGONALS, 24)
    batch = {"map": store.windows(places), "expected": store.expected_windows(places)}
    batch = {key: torch.from_numpy(each)[:, None] for key, each in batch.items()} | {"pair": torch.from_numpy(places)}
    batch["tracks"] = torch.from_numpy(pairs.segments(tracks, "chr1", places, bin_bp=BIN_BP, window_bins=24))
    with torch.inference_mode():
        np.testing.assert_allclose(predicted, model(batch)[:, 0], atol=1e-5)
    auroc = score_pairs.measure("loop", predicted, label, places, BIN_BP).set_index("metric").loc["auroc", "value"]
    assert auroc > 0.75, auroc
    # Loops of the whole chromosome: candidates score as single pairs do, and those near a planted one best.
    found = loops.search(
        model, band, store, tracks if read else [], bin_bp=BIN_BP, min_bins=12, max_bins=60, batch_size=64,
        device=torch.device("cpu"), protocol="corrected",
    )  # fmt: skip
    targets = found[~found["decoy"]].reset_index(drop=True)
    chosen = targets.iloc[:: max(1, len(targets) // 20)]
    places = chosen[["x", "y"]].to_numpy(copy=True)
    batch = {"map": store.windows(places), "expected": store.expected_windows(places)}
    batch = {key: torch.from_numpy(each)[:, None] for key, each in batch.items()} | {"pair": torch.from_numpy(places)}
    batch["tracks"] = torch.from_numpy(pairs.segments(tracks, "chr1", places, bin_bp=BIN_BP, window_bins=24))
    with torch.inference_mode():
        np.testing.assert_allclose(chosen["score"], model(batch)[:, 0], atol=1e-5)
    known = table.loc[table["label"] == 1, ["x", "y"]].to_numpy()
    near = pairs.near_loops(targets[["x", "y"]].to_numpy(), known)
    assert 20 < near.sum() < len(near) - 20
    assert auroc_of(near, targets["score"].to_numpy()) > 0.7
