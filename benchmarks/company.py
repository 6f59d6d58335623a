"""What every learned system of MIX-HIC's tables costs at the paper's size: seconds and memory per 1,000 windows.

Each arm of experiments/mixhic2025.yaml below, its network at random, reads windows of 50 bins of 5 kb with two tracks
of 100 bp, and sequence where it does: a forward pass without gradients, as scoring does it. CPU seconds of a process of
its own with one thread; memory is what a batch of four adds to it. Nothing to fail: the numbers stand in
docs/mixhic2025.md. EPCOT's CAGE costs what its maps do: nearly all of it is the backbone.

    python -m benchmarks.company
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml

from benchmarks import added_mb
from trifold import plan, settings
from trifold.config import Geometry, from_dict
from trifold.models import registry

REPOSITORY = Path(__file__).resolve().parents[1]
ARMS = (
    "loop-gm12878",
    "loop-gm12878-dloopcaller",
    "loop-gm12878-dloopcaller-23",
    "map-gm12878",
    "map-gm12878-epiphany",
    "map-gm12878-corigami",
    "map-gm12878-epcot-lstm",
    "map-gm12878-epcot-lstm-dna",
    "map-gm12878-epcot-transformer",
    "cage-gm12878",
    "cage-gm12878-epi-cnn",
    "cage-gm12878-epi-graph",
)
BATCH, TURNS, TRACK_BP = 4, 2, 100


def batch_of(geometry: Geometry, tracks: int) -> dict[str, torch.Tensor]:
    """Windows on the diagonal: both stretches are the same."""
    generator, n = torch.Generator().manual_seed(1), geometry.window_bins
    codes = torch.randint(0, 4, (BATCH, geometry.window_bp), generator=generator, dtype=torch.uint8)
    values = torch.rand(BATCH, geometry.window_bp // TRACK_BP, tracks, generator=generator)
    maps, cage = torch.rand(BATCH, 1, n, n, generator=generator), torch.rand(BATCH, n, generator=generator)
    both = {"sequence": codes, "tracks": values, "cage": cage}
    return {"map": (maps + maps.mT) / 2} | {name: torch.cat([each, each], dim=1) for name, each in both.items()}


@torch.inference_mode()
def measure(name: str) -> dict:
    torch.set_num_threads(1)
    given = yaml.safe_load((REPOSITORY / "experiments/mixhic2025.yaml").read_text())
    config = plan.selected(settings.complete(given, REPOSITORY))
    arm, geometry = plan.resolve(config)[name], from_dict(Geometry, config["geometry"])
    statistics = {"tracks": list(arm.tracks), "track_bp": TRACK_BP, "log_tracks": arm.log_tracks}
    network = registry.build(
        arm.architecture, geometry, dict(arm.options), statistics, protocol=arm.protocol, task=arm.task
    ).eval()
    batch, seconds = batch_of(geometry, len(arm.tracks)), []
    mb = added_mb(lambda: network(batch))
    for _ in range(TURNS):
        start = time.process_time()
        network(batch)
        seconds.append(time.process_time() - start)
    return {
        "arm": name,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "s_per_1000": round(min(seconds) / BATCH * 1000, 1),
        "mb": round(mb),
    }


def main() -> None:
    for name in ARMS:
        command = [sys.executable, "-m", "benchmarks.company", name]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
