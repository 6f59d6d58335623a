"""Scores of whole-chromosome loop candidates against the same model called pair by pair, at equal scores in one run.

A band of a made-up chromosome at 5 kb and two tracks in bins of 100 bp; the model is MIX-HIC's loop network of a small
width. The reference cuts each pair's window and tracks from the stores and calls the model on it alone; the package
takes batches and has the tracks of the chromosome at hand. Times are CPU seconds of a process with one thread; the
model itself is most of either. Fails below the bound or where scores differ.

    python -m benchmarks.loops
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from trifold.data import bands, pairs
from trifold.data.tracks import TrackStore
from trifold.loops import score, signals
from trifold.models.mixhic import Loop

BIN_BP, TRACK_BP, N_BINS, WIDTH, WINDOW_BINS = 5000, 100, 4000, 450, 50
PAIRS, BATCH = 512, 64
LEAST_RATIO = 1.2


def make_inputs(folder: Path) -> tuple[bands.BandStore, list[TrackStore]]:
    """A band of uniform noise and two tracks of exponential noise."""
    rng = np.random.default_rng(1)
    store = bands.BandStore.write(folder / "chr1.npy", rng.random((N_BINS, WIDTH)), WINDOW_BINS)
    tracks = []
    for name in ("atac", "dnase"):
        (folder / name).mkdir()
        length_bp = N_BINS * BIN_BP
        np.save(folder / name / "bins.npy", rng.exponential(size=length_bp // TRACK_BP).astype(np.float16))
        (folder / name / "chromosomes.tsv").write_text(f"name\tlength_bp\tbin_bp\nchr1\t{length_bp}\t{TRACK_BP}\n")
        tracks.append(TrackStore(folder / name))
    return store, tracks


@torch.inference_mode()
def plain(model: Loop, store: bands.BandStore, tracks: list[TrackStore], chosen: np.ndarray) -> np.ndarray:
    """(n,): every pair on its own."""
    values = []
    for x, y in chosen.tolist():
        segments = pairs.segments(tracks, "chr1", [x, y], bin_bp=BIN_BP, window_bins=WINDOW_BINS)
        window = store.windows(np.array([[x, y]]))
        values.append(model({"map": torch.from_numpy(window)[:, None], "tracks": torch.from_numpy(segments)}))
    return torch.cat(values)[:, 0].numpy()


def measure() -> dict:
    """One row. Raises AssertionError where scores differ."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Loop(protocol="corrected", embed_dim=16).eval()
    rng = np.random.default_rng(2)
    x = np.sort(rng.integers(50, N_BINS - 500, PAIRS))
    chosen = np.stack([x, x + rng.integers(12, 400, PAIRS)], axis=1)
    with tempfile.TemporaryDirectory() as name:
        store, tracks = make_inputs(Path(name))
        start = time.process_time()
        signal = signals(tracks, "chr1", store.n_bins, bin_bp=BIN_BP)
        ours = score(model, store, signal, chosen, "chr1", batch_size=BATCH, device=torch.device("cpu"))
        between = time.process_time()
        theirs = plain(model, store, tracks, chosen)
        end = time.process_time()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    return {
        "candidates": PAIRS,
        "ms_per_candidate": round(1000 * (between - start) / PAIRS, 2),
        "pair_by_pair_ms": round(1000 * (end - between) / PAIRS, 2),
        "times_faster": round((end - between) / (between - start), 2),
    }


def main() -> None:
    row = measure()
    print(json.dumps(row))
    if row["times_faster"] < LEAST_RATIO:
        raise SystemExit(f"less than {LEAST_RATIO} times the speed")


if __name__ == "__main__":
    main()
