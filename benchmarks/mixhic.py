"""MIX-HIC's data, as ratios: room and reading.

- Room: bands, tracks and the list of pairs on disk against every pair cut beforehand as float32, at the density of the
  paper (1,275,948 pairs of four cell lines on 22 autosomes, 0.55 to a bin of 5 kb), for one chromosome of 25 Mb of a
  deep map (400 contacts on the diagonal, that over the distance elsewhere: some five billion in the genome).
- Reading: batches of 64 of a DataLoader of one process over the stores, against one over memory-mapped arrays of the
  same pairs cut beforehand, in the same random order; equal values.

Times are CPU seconds: other load of the machine does not enter. Fails beyond the bounds.

    python -m benchmarks.mixhic
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from trifold.data.bands import CountStore
from trifold.data.pair_dataset import PairDataset, Sample
from trifold.io.cool import Band

N_BINS, BIN_BP, TRACK_BP, N_DIAGONALS, DEEP = 5_000, 5_000, 100, 450, 400
WINDOW_BINS = 50
PAIRS_PER_BIN = 1_275_948 / (4 * 2_875_001_522 / BIN_BP)
READS = {"map", "tracks"}
BATCH, READ = 64, 1024
LEAST_ROOM, LEAST_READING = 50, 1


def make_sample(root: Path) -> Sample:
    """One chromosome with random contacts and tracks, and pairs up to 2 Mb apart."""
    rng, sizes = np.random.default_rng(0), f"name\tlength_bp\tbin_bp\nchr1\t{N_BINS * BIN_BP}\t{TRACK_BP}\n"
    for name in ("bands", "pairs", "atac", "dnase"):
        (root / name).mkdir()
    counts = rng.poisson(DEEP / np.maximum(np.arange(N_DIAGONALS), 1), (N_BINS, N_DIAGONALS)).astype(float)
    CountStore.keep(root / "bands/chr1.npy", Band("chr1", BIN_BP, counts, rng.uniform(0.01, 0.02, N_BINS)))
    (root / "bands/chromosomes.tsv").write_text(f"name\tn_bins\tn_diagonals\nchr1\t{N_BINS}\t{N_DIAGONALS}\n")
    for name in ("atac", "dnase"):
        np.save(root / name / "bins.npy", rng.gamma(1, 1, N_BINS * BIN_BP // TRACK_BP).astype(np.float16))
        (root / name / "chromosomes.tsv").write_text(sizes)
    n = round(PAIRS_PER_BIN * N_BINS)
    x = rng.integers(WINDOW_BINS // 2, N_BINS - WINDOW_BINS // 2 - 400, n)
    table = pd.DataFrame({"chrom": "chr1", "x": x, "y": x + rng.integers(4, 401, n), "label": 1, "role": "train"})
    table.to_csv(root / "pairs/pairs.tsv", sep="\t", index=False)
    return Sample("one", root / "pairs", root / "bands", (root / "atac", root / "dnase"))


class Cut(Dataset):
    """Every pair's window and tracks, cut beforehand into two arrays of float32."""

    def __init__(self, data: PairDataset, root: Path):
        shapes = {
            "map": (len(data), 1, WINDOW_BINS, WINDOW_BINS),
            "tracks": (len(data), 2 * WINDOW_BINS * BIN_BP // TRACK_BP, 2),
        }
        self.files = [root / f"{name}.npy" for name in shapes]
        arrays = {
            name: np.lib.format.open_memmap(root / f"{name}.npy", "w+", np.float32, shapes[name]) for name in shapes
        }
        for number in range(len(data)):
            item = data[number]
            for name, array in arrays.items():
                array[number] = item[name].numpy()
        self.arrays = {name: np.load(root / f"{name}.npy", mmap_mode="r") for name in shapes}

    def __len__(self) -> int:
        return len(self.arrays["map"])

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(array[number].copy()) for name, array in self.arrays.items()}


def stores() -> dict:
    """Room and reading."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sample = make_sample(root)
        settings = {"reads": READS, "bin_bp": BIN_BP, "window_bins": WINDOW_BINS, "protocol": "corrected"}
        data = PairDataset([sample], "pretraining", None, **settings)
        folders = (sample.bands, sample.pairs, *sample.tracks)
        room = sum(path.stat().st_size for each in folders for path in each.iterdir())
        cut = Cut(data, root)
        order = np.random.default_rng(1).permutation(len(data))[:READ].tolist()
        loaders = {
            "stores": DataLoader(data, BATCH, sampler=order, collate_fn=data.collate),
            "cut": DataLoader(cut, BATCH, sampler=order),
        }
        for ours, theirs in zip(*loaders.values(), strict=True):
            assert torch.equal(ours["map"], theirs["map"]) and torch.equal(ours["tracks"], theirs["tracks"])
        seconds = {name: [] for name in loaders}
        for _ in range(5):
            for name, loader in loaders.items():
                start = time.process_time()
                for _ in loader:
                    pass
                seconds[name].append(time.process_time() - start)
        times = {name: min(each) / READ for name, each in seconds.items()}
        return {
            "room_ratio": round(sum(path.stat().st_size for path in cut.files) / room, 1),
            "stores_ms_per_sample": round(1000 * times["stores"], 3),
            "reading_ratio": round(times["cut"] / times["stores"], 2),
        }


def main() -> None:
    torch.set_num_threads(1)
    row = stores()
    print(json.dumps(row))
    if row["room_ratio"] < LEAST_ROOM or row["reading_ratio"] < LEAST_READING:
        raise SystemExit(f"below {LEAST_ROOM} in room or {LEAST_READING} in reading")


if __name__ == "__main__":
    main()
