"""Memory and time of contacts -> examples for one synthetic chromosome of 25, 50 and 100 Mb at 5 kb.

Each length runs in a process of its own. Prints peak memory and CPU seconds per step; fails above 4 GB, or where the
time per Mb of 100 Mb is more than 1.5 x that of 25 Mb.

    python -m benchmarks.scale
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from benchmarks.examples import build, make_inputs, prepare_maps, timed

LENGTHS_MB = (25, 50, 100)
STRIDE_BINS = 50
LARGEST_MEMORY_GB, LARGEST_TIME_RATIO = 4.0, 1.5


def measure(folder: Path) -> dict:
    """CPU seconds of each step and the peak memory of this process, GB."""
    _, contacts_s = timed(prepare_maps, folder)
    statistics, examples_s = timed(build, folder, STRIDE_BINS)
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {
        "contacts_s": contacts_s,
        "examples_s": examples_s,
        "peak_gb": peak_gb,
        "windows": sum(statistics["tiles"].values()),
    }


def in_own_process(length_mb: int) -> dict:
    with tempfile.TemporaryDirectory() as name:
        make_inputs(Path(name), length_mb * 1_000_000)
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks.scale", name], check=True, capture_output=True, text=True
        )
    return json.loads(run.stdout)


def main() -> None:
    in_own_process(5)  # numba compiles once and keeps it
    measured = {length_mb: in_own_process(length_mb) for length_mb in LENGTHS_MB}
    per_mb = {}
    print("Mb\twindows\tcontacts s\texamples s\ts per Mb\tpeak GB")
    for length_mb, row in measured.items():
        per_mb[length_mb] = (row["contacts_s"] + row["examples_s"]) / length_mb
        times = f"{row['contacts_s']:.1f}\t{row['examples_s']:.1f}\t{per_mb[length_mb]:.3f}"
        print(f"{length_mb}\t{row['windows']}\t{times}\t{row['peak_gb']:.2f}")
    ratio = per_mb[LENGTHS_MB[-1]] / per_mb[LENGTHS_MB[0]]
    peak_gb = max(row["peak_gb"] for row in measured.values())
    print(f"time per Mb, longest against shortest: {ratio:.2f}; peak memory {peak_gb:.2f} GB")
    if ratio > LARGEST_TIME_RATIO or peak_gb > LARGEST_MEMORY_GB:
        raise SystemExit(1)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(json.dumps(measure(Path(sys.argv[1]))))
    else:
        main()
