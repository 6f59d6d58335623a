"""Every benchmark in turn: each measures its ratio in one run against the reference and fails below its bound.

Those that fail are named at the end. Each runs in a process of its own, so that peak memory is its own.
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
    "enhancing",
    "graph",
    "akita",
    "hicfoundation",
    "mixhic",
    "pretraining",
    "loops",
    "jobs",
)

failed = []
for name in BENCHMARKS:
    print(f"\n== {name}", flush=True)
    if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode:
        failed.append(name)
if failed:
    raise SystemExit(f"below their bounds, or without a result: {', '.join(failed)}")
