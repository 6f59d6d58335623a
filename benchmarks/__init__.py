"""Ratios against the reference, each measured in one run. NumPy's libraries keep to one thread, as in a job."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def added_mb(work: Callable[[], object]) -> float:
    """What work adds to the memory of this process at its peak, MB."""
    status = Path("/proc/self/status")

    def read_kb(field: str) -> int:
        return int(re.search(rf"{field}:\s+(\d+)", status.read_text())[1])

    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far: importing takes more than many a layer
    before = read_kb("VmRSS")
    work()
    return (read_kb("VmHWM") - before) * 1024 / 1e6


def elsewhere(module: str, *arguments: str) -> float:
    """The number that a benchmark prints when it is given arguments, in a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def in_turns(works: Mapping[str, Callable], times: int) -> tuple[dict[str, list[float]], list]:
    """Do works in turns: once to warm up, then so many times. CPU seconds of each, and what they returned last."""
    seconds, results = {name: [] for name in works}, []
    for _ in range(1 + times):
        results = []
        for name, work in works.items():
            start = time.process_time()
            results.append(work())
            seconds[name].append(time.process_time() - start)
    return {name: each[1:] for name, each in seconds.items()}, results


def step(model, batch: dict, target):
    """A training step of a torch model without its optimiser: the loss, and gradients in the parameters."""
    model.zero_grad()
    loss = (model(batch) - target).square().mean()
    loss.backward()
    return loss.detach()
