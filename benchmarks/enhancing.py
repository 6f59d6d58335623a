"""A 100-Mb chromosome at 5 kb enhanced by the ready-made model, the demo's image arm and DeepHiC: time and memory.

The map is the synthetic one of `benchmarks.scale`, a quarter of its contacts, at one bin width; each model has the
windows and the overlap that `trifold enhance` gives it, and all write map.cool and map.mcool. The arm and DeepHiC have
weights of chance: what they predict does not matter to how long it takes. CPU seconds of a process of its own with one
thread, NumPy's included, and what enhancing adds to its memory. Fails where the ready-made model takes longer than
DeepHiC, or needs more memory.

    python -m benchmarks.enhancing
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks import added_mb
from benchmarks.examples import BIN_BP, RECIPES, make_inputs
from trifold import api
from trifold.config import Degradation, Geometry
from trifold.data import contacts, degrade
from trifold.inference import enhance
from trifold.models import registry
from trifold.models.ready import Ready, contacts_facts, window_bins

LENGTH_BP = 100_000_000
SIZES = {"chr1": LENGTH_BP}
MODELS = ("trifold", "image", "deephic")
IMAGE, DEEPHIC_BINS, DEEPHIC_DEPTH = {"channels": 16, "residual_blocks": 5}, 40, 16


def model(name: str, low: Path) -> Ready:
    if name == "trifold":
        return api.load_model(name).for_map(low)
    side = 64 if name == "image" else window_bins(SIZES, BIN_BP, DEEPHIC_BINS)
    geometry = Geometry(BIN_BP, side, {}, max_bad_bins=1.0, max_n_bins=0)
    statistics = {"geometry": asdict(geometry), "recipes": asdict(RECIPES), "coarsen": 1}
    if name == "image":
        statistics |= {"observed": {"floor": 1e-6, "ceiling": 0.5}, "low": {"factor": 1.0}}
        network = registry.build("vehicle", geometry, IMAGE, statistics, protocol="corrected")
    else:
        statistics["counts"] = contacts_facts(low, SIZES, geometry, RECIPES, DEEPHIC_DEPTH)
        network = registry.build("deephic", geometry, {}, statistics, protocol="published")
    facts = {"arm": name, "architecture": "vehicle" if name == "image" else name}
    return Ready(network.eval(), geometry, RECIPES, 1, statistics, facts=facts)


def measure(name: str, folder: Path) -> dict:
    torch.set_num_threads(1)
    ready = model(name, folder / "low.cool")
    (out := folder / name).mkdir()
    start = time.process_time()
    mb = added_mb(lambda: enhance(ready, out, chromsizes=SIZES, low_map=folder / "low.cool", device="cpu", threads=1))
    parameters = sum(parameter.numel() for parameter in ready.network.parameters())
    return {"model": name, "parameters": parameters, "cpu_s": time.process_time() - start, "mb": mb}


def main() -> None:
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, LENGTH_BP)
        contacts.prepare(folder / "raw.cool", folder / "deep.cool", BIN_BP)
        degrade.degrade(folder / "deep.cool", folder / "low.cool", Degradation(coarsen=1, thin=4))
        for each in MODELS:
            command = [sys.executable, "-m", "benchmarks.enhancing", each, name]
            rows[each] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ours = rows["trifold"]
    for row in rows.values():
        per_mb = {"s_per_mb": round(row["cpu_s"] / (LENGTH_BP / 1e6), 2)}
        ratios = {f"of_{what}": round(ours[what] / row[what], 2) for what in ("cpu_s", "mb")}
        print(json.dumps({**row, "cpu_s": round(row["cpu_s"], 1), "mb": round(row["mb"]), **per_mb, **ratios}))
    if ours["cpu_s"] > rows["deephic"]["cpu_s"] or ours["mb"] > rows["deephic"]["mb"]:
        raise SystemExit("the ready-made model takes longer than DeepHiC, or more memory")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
