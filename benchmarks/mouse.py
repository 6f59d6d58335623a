"""A map like a mouse's, end to end: time and memory of every step of the workflow, and how they grow with the genome.

The map is made: the lengths of mm10 scaled to `--size` bp together, bins of 5 kb, 220 pixels and 800 contacts a bin,
between chromosomes too (120 M pixels at the whole size); the sequence is random. Steps are the workflow's own rules,
one job after the other, each in a Snakemake of its own: sequence, contacts (checked, balanced), the low map (1/4,
10 kb), windows, whole chromosomes by a small image network that was never trained, scores. CPU time is that of the
step's processes without what a job costs that has nothing to do (the split's); memory is the largest process; `s` is
what the rule's own record says. Sizes are measured smallest first, after a tiny one for which numba compiles; growth is
the CPU time per bp against the size before.

    python -m benchmarks.mouse --size 25e6 100e6 400e6     # 2.6e9: the whole genome, seven minutes of CPU time

Not part of `make bench`. Writes logs/mouse/mouse.tsv and mouse.md; fails where a step takes more than 1.3 times as long
per bp as at the size before, or more than 6 GB. Balancing repeats until rows are equal, so its number of passes is the
map's.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import yaml
from tabulate import tabulate

from benchmarks.jobs import prepare as copy_workflow
from trifold import provenance
from trifold.config import Geometry
from trifold.io.cool import Pixels, write_cool
from trifold.models import registry, weights

# mm10 without chrY and chrM, bp.
LENGTHS_BP = {
    "chr1": 195_471_971,
    "chr2": 182_113_224,
    "chr3": 160_039_680,
    "chr4": 156_508_116,
    "chr5": 151_834_684,
    "chr6": 149_736_546,
    "chr7": 145_441_459,
    "chr8": 129_401_213,
    "chr9": 124_595_110,
    "chr10": 130_694_993,
    "chr11": 122_082_543,
    "chr12": 120_129_022,
    "chr13": 120_421_639,
    "chr14": 124_902_244,
    "chr15": 104_043_685,
    "chr16": 98_207_768,
    "chr17": 94_987_271,
    "chr18": 90_702_639,
    "chr19": 61_431_566,
    "chrX": 171_031_299,
}
BIN_BP, COARSEN, WINDOW_BINS = 5_000, 2, 64
NEAR_BINS, NEAR_CONTACTS, TRANS_PIXELS = 300, 130, 80
STRIDE_BINS = {"train": 32, "validation": 64, "test": 64}
OPTIONS = {"channels": 8, "residual_blocks": 2}
MOST_GROWTH, MOST_GB = 1.3, 6.0
TINY_BP = 8e6
RUN = "fold-a/seed-0/mouse"
# Step -> what it makes, and the rule whose record says how long it took.
STEPS = {
    "sequence": ("sequence/codes.npy", "encode_sequence.jsonl"),
    "contacts": ("contacts/mouse/deep/map.cool", "prepare_contacts/mouse.jsonl"),
    "low map": ("contacts/mouse/low/map.cool", "degrade/mouse/low.jsonl"),
    "examples": ("examples/corrected/low/mouse/fold-a/artifact.json", "examples/corrected/low/mouse/fold-a.jsonl"),
    "prediction": (f"predictions/image/{RUN}/map.cool", f"predict/image/{RUN}.jsonl"),
    "evaluation": (f"metrics/low/image/{RUN}/artifact.json", f"evaluate/low/image/{RUN}.jsonl"),
}


def scaled(size_bp: float) -> dict[str, int]:
    """Lengths of the chromosomes, bp."""
    share = size_bp / sum(LENGTHS_BP.values())
    return {name: max(int(length_bp * share), 2 * WINDOW_BINS * BIN_BP) for name, length_bp in LENGTHS_BP.items()}


def make_pixels(sizes: dict[str, int], block_bins: int = 1_000) -> Iterator[Pixels]:
    """Sorted pixels of the upper triangle: contacts that fall with distance, and single ones between chromosomes."""
    random = np.random.default_rng(1)
    bins = [-(-length_bp // BIN_BP) for length_bp in sizes.values()]
    ends, total = np.cumsum(bins), sum(bins)
    bias = random.gamma(20, 1 / 20, total) * (random.random(total) > 0.02)
    rate = NEAR_CONTACTS / (1 + np.arange(NEAR_BINS))
    for number, end in zip(bins, ends):
        for lo in range(end - number, end, block_bins):
            rows = np.arange(lo, min(lo + block_bins, end))
            columns = rows[:, None] + np.arange(NEAR_BINS)
            inside = columns < end
            near = random.poisson(rate * bias[rows, None] * bias[np.minimum(columns, total - 1)] * inside)
            i, d = np.nonzero(near)
            far = random.binomial(TRANS_PIXELS, (total - end) / total, len(rows)) * (bias[rows] > 0)
            trans = np.repeat(rows, far), random.integers(end, total, far.sum()) if end < total else np.zeros(0, int)
            bin1 = np.concatenate([rows[i], trans[0]])
            bin2 = np.concatenate([rows[i] + d, trans[1]])
            # Of two contacts between the same two bins one is left.
            key, first = np.unique(bin1 * total + bin2, return_index=True)
            count = np.concatenate([near[i, d], np.ones(len(trans[0]), dtype=np.int64)])[first]
            kept = bias[key % total] > 0
            yield {"bin1_id": key[kept] // total, "bin2_id": key[kept] % total, "count": count[kept]}


def write_fasta(path: Path, sizes: dict[str, int], line_bp: int = 100, block_bp: int = 10_000_000) -> None:
    """Random bases; the first hundredth of a chromosome is N."""
    random = np.random.default_rng(2)
    letters = np.frombuffer(b"ACGTacgt", dtype=np.uint8)
    with open(path, "wb") as handle:
        for name, length_bp in sizes.items():
            handle.write(f">{name}\n".encode())
            for lo in range(0, length_bp, block_bp):
                block = letters[random.integers(0, 8, min(block_bp, length_bp - lo))]
                block[: max(0, length_bp // 100 - lo)] = ord("N")
                whole = len(block) // line_bp * line_bp
                ends = np.full((whole // line_bp, 1), ord("\n"), dtype=np.uint8)
                handle.write(np.hstack([block[:whole].reshape(-1, line_bp), ends]).tobytes())
                handle.write(block[whole:].tobytes() + b"\n" * (whole < len(block)))


def settings(arms: dict) -> dict:
    """The experiment."""
    return {
        "experiment": "mouse",
        "genome": {"assembly": "mm10", "fasta": "genome.fa"},
        "samples": {"mouse": {"contacts": "mouse.cool"}},
        "geometry": {"bin_bp": BIN_BP, "window_bins": WINDOW_BINS, "stride_bins": STRIDE_BINS},
        "degradations": {"low": {"coarsen": COARSEN, "thin": 4, "seed": 1}},
        "splits": {"a": {"kind": "chromosomes", "validation": ["chr18"], "test": ["chr1", "chr19"]}},
        "arms": arms,
        "predict": {"roles": "all"},
        "evaluate": {"samples": ["mouse"]},
    }


def make_model(folder: Path, statistics: dict) -> None:
    """The folder of an image network with random weights on the scales of a data set."""
    geometry = Geometry(**statistics["geometry"])
    torch.manual_seed(0)
    network = registry.build("vehicle", geometry, OPTIONS, statistics, protocol="corrected")
    arm = {"name": "image", "architecture": "vehicle", "options": OPTIONS, "protocol": "corrected", "backbones": {}}
    with provenance.artifact(folder, "model", parameters={"arm": arm}, code="none", inputs=[]) as partial:
        weights.save(partial / "weights.safetensors", network.state_dict(), arm=arm, version=partial.version)
        frozen = {"arm": {**arm, "geometry": asdict(geometry)}, "version": partial.version}
        (partial / "config.yaml").write_text(yaml.safe_dump(frozen))
        (partial / "statistics.json").write_text(json.dumps(statistics))


def snakemake(folder: Path, target: str) -> tuple[float, float]:
    """Make a file; CPU seconds of all its processes, and the peak memory of the largest, GB."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all", "--configfile", "mouse.yaml"]
    with open(folder / "log", "w") as log:
        process = subprocess.Popen([*command, "--", target], cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit((folder / "log").read_text()[-3000:])
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9


def measure(folder: Path, size_bp: float) -> list[dict]:
    """A row for every step at one size."""
    sizes = scaled(size_bp)
    for made in ("results", "logs", "image"):
        shutil.rmtree(folder / made, ignore_errors=True)
    write_cool(folder / "mouse.cool", sizes, BIN_BP, make_pixels(sizes), assembly="mm10")
    write_fasta(folder / "genome.fa", sizes)
    arms, rows = {"identity": {"architecture": "identity"}}, []
    for step, (target, record) in STEPS.items():
        if step == "prediction":
            examples = folder / Path("results/mouse", STEPS["examples"][0]).parent
            make_model(folder / "image", json.loads((examples / "statistics.json").read_text()))
            arms["image"] = {"architecture": "vehicle", "weights": "image"}
        (folder / "mouse.yaml").write_text(yaml.safe_dump(settings(arms), sort_keys=False))
        cpu_s, peak_gb = snakemake(folder, f"results/mouse/{target}")
        taken = json.loads((folder / "logs/mouse/benchmarks" / record).read_text().splitlines()[-1])
        row = {"size_mb": round(sum(sizes.values()) / 1e6), "step": step, "s": round(taken["s"], 1)}
        rows.append(row | {"cpu_s": round(cpu_s, 1), "peak_gb": round(peak_gb, 2)})
    # The split is read by the windows and made with them; made again alone, it is a job with nothing to do.
    (folder / "results/mouse/splits/a/regions.bed").unlink()
    idle_s, _ = snakemake(folder, "results/mouse/splits/a/regions.bed")
    for row in rows:
        row["cpu_s"] = max(round(row["cpu_s"] - idle_s, 1), 0.1)
        print(json.dumps(row), flush=True)
    return rows


def with_growth(rows: list[dict]) -> list[dict]:
    """CPU time per bp against the same step at the size before; none at the first."""
    before: dict[str, dict] = {}
    grown = []
    for row in rows:
        last = before.get(row["step"])
        growth = (row["cpu_s"] / last["cpu_s"]) / (row["size_mb"] / last["size_mb"]) if last else None
        grown.append(row | {"growth": None if growth is None else round(growth, 2)})
        before[row["step"]] = row
    return grown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, nargs="+", default=[25e6, 100e6, 400e6], metavar="BP")
    parser.add_argument("--out", type=Path, default=Path("logs/mouse"), help="folder of mouse.tsv and mouse.md")
    chosen, rows = parser.parse_args(), []
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_workflow(folder)
        measure(folder, TINY_BP)
        for size_bp in sorted(chosen.size):
            started = time.time()
            rows = with_growth([*rows, *measure(folder, size_bp)])
            print(f"{size_bp:.3g} bp: {time.time() - started:.0f} s", flush=True)
            with open(chosen.out / "mouse.tsv", "w", newline="") as handle:
                table = csv.DictWriter(handle, rows[0], delimiter="\t", lineterminator="\n")
                table.writeheader()
                table.writerows(rows)
            (chosen.out / "mouse.md").write_text(tabulate(rows, headers="keys", tablefmt="pipe") + "\n")
    print((chosen.out / "mouse.md").read_text())
    slow = [row for row in rows if row["growth"] is not None and row["growth"] > MOST_GROWTH]
    if slow or any(row["peak_gb"] > MOST_GB for row in rows):
        raise SystemExit(f"a step grows by more than {MOST_GROWTH} per bp, or takes more than {MOST_GB} GB")


if __name__ == "__main__":
    main()
