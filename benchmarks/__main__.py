"""Every benchmark in turn: each measures its ratio in one run against the reference and fails below its bound.

Each runs in a process of its own, so that peak memory is its own.
"""

import subprocess
import sys

BENCHMARKS = (
    "balance",
    "scc",
    "sequence",
    "examples",
    "scale",
    "prediction",
    "graph",
    "akita",
    "hicfoundation",
    "mixhic",
    "pretraining",
    "loops",
    "jobs",
)

for name in BENCHMARKS:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
