"""One training in several processes: `devices` on every node, all running the same function with the same settings.

A workflow's script must run once, so Lightning may not start it again, and a fork takes neither a CUDA context nor
OpenMP's threads along. The function and its settings are therefore written to a file, and every process is a fresh
interpreter that reads it:

    python -m trifold.training.processes <file>     on a node: starts the node's processes and waits
    the same with LOCAL_RANK in the environment     one process: calls the function

On one node the caller does the first itself. On several, srun does it once per node, inside the SLURM job that the
caller runs in. A process knows its place by torchrun's variables: LOCAL_RANK of LOCAL_WORLD_SIZE processes on this
node, GROUP_RANK of GROUP_WORLD_SIZE nodes; the first listens at MASTER_ADDR, MASTER_PORT.
"""

import contextlib
import importlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from trifold import log as logs
from trifold.code import ROOT
from trifold.errors import InputError

log = logging.getLogger(__name__)

# In the folder that the processes of a training share: what they are to do, and what each of them has to say.
TASK, TOLD = "task.json", ".told.json"
# Between looks at what became of the processes, and what one is given to end by itself, seconds.
POLL, GRACE = 0.2, 5.0


def world() -> tuple[int, int]:
    """(rank, number of processes) of this process; (0, 1) outside `run`."""
    device, node = (int(os.environ.get(name, 0)) for name in ("LOCAL_RANK", "GROUP_RANK"))
    devices, nodes = (int(os.environ.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE"))
    return node * devices + device, nodes * devices


def run(
    function: str, settings: dict, folder: str | os.PathLike, devices: int, nodes: int = 1, threads: int = 1
) -> None:
    """Call `function` ("module:name") with the keywords `settings` in devices × nodes processes, and wait for them.

    settings: what JSON can hold; a path arrives as a string. folder: for the file they read, seen from all nodes.
    threads: CPUs of all processes on a node. Records of the first process, and warnings of all, go where this process's
    own go. When one process fails the others are ended. Raises InputError for several nodes outside a SLURM job and
    where a process did, RuntimeError when one failed otherwise.
    """
    if nodes > 1 and "SLURM_JOB_ID" not in os.environ:
        raise InputError(
            f"config: training/nodes is {nodes} and this is no job of SLURM, which gives them; run with "
            "--workflow-profile profiles/slurm, or set training/nodes to 1"
        )
    task = {"function": function, "settings": settings, "devices": devices, "nodes": nodes, "logs": logs.files()}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".processes-") as told:
        file = Path(told) / TASK
        file.write_text(json.dumps(task, default=str))
        environment = dict(os.environ)
        environment["MASTER_ADDR"] = "127.0.0.1" if nodes == 1 else socket.gethostname()
        environment["MASTER_PORT"] = str(_free_port())
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        log.info("%d processes on %d node%s", devices * nodes, nodes, "s" if nodes > 1 else "")
        try:
            if nodes == 1:
                _start_node(str(file), devices, 1, 0, environment)
            else:
                spread = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", f"--cpus-per-task={threads}"]
                command = ["srun", "--kill-on-bad-exit=1", *spread, *_command(str(file))]
                _wait([subprocess.Popen(command, env=environment)])
        finally:
            _hear(Path(told))


def _hear(folder: Path) -> None:
    """Take over what the processes have told: the warnings they have logged, and the first InputError."""
    reports = [json.loads(path.read_text()) for path in sorted(folder.glob(f"*{TOLD}"))]
    for report in reports:
        logs.keep(report["warnings"])
    if errors := [report["error"] for report in reports if report["error"]]:
        raise InputError(errors[0]) from None


def _tell(folder: Path, rank: int, warnings: list[str], error: InputError | None) -> None:
    partial = folder / f".{rank}.partial"
    partial.write_text(json.dumps({"warnings": warnings, "error": str(error) if error else None}))
    os.replace(partial, folder / f"{rank:04d}{TOLD}")


def train(function: Callable[..., None], out: Path, task: dict) -> None:
    """function(out, **task): here, or in as many processes as task["where"] (`devices`, `nodes`) says.

    Several need a function that can be imported and settings that JSON can hold; `task` has the `threads` of a node.
    """
    devices, nodes = task["where"]["devices"], task["where"]["nodes"]
    if devices * nodes == 1:
        function(out, **task)
    else:
        name = f"{function.__module__}:{function.__name__}"
        run(name, {"out": out, **task}, out, devices, nodes, task["threads"])


def _command(file: str) -> list[str]:
    return [sys.executable, "-m", "trifold.training.processes", file]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return free.getsockname()[1]


def _start_node(file: str, devices: int, nodes: int, node: int, environment: dict) -> None:
    """The processes of one node."""
    place = {"LOCAL_WORLD_SIZE": str(devices), "GROUP_RANK": str(node), "GROUP_WORLD_SIZE": str(nodes)}
    _wait(
        [
            subprocess.Popen(_command(file), env={**environment, **place, "LOCAL_RANK": str(device)})
            for device in range(devices)
        ]
    )


def _wait(processes: list[subprocess.Popen]) -> None:
    """Until all have ended well; the first that does not, or a signal to this process, ends them all."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        while (codes := [process.poll() for process in processes]).count(None) and not any(codes):
            time.sleep(POLL)
        if failed := [f"{number} with code {code}" for number, code in enumerate(codes) if code]:
            raise RuntimeError(f"process {', '.join(failed)} of {len(processes)} ended; its error is above")
    finally:
        signal.signal(signal.SIGTERM, before)
        for process in processes:
            process.terminate()
        for process in processes:
            # One that waits for another in a collective does not hear.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
            process.kill()
            process.wait()


def main(path: str) -> None:
    task = json.loads(Path(path).read_text())
    if "LOCAL_RANK" not in os.environ:
        try:
            _start_node(path, task["devices"], task["nodes"], int(os.environ["SLURM_NODEID"]), dict(os.environ))
        except RuntimeError as ended:
            sys.exit(str(ended))
        return
    rank, _ = world()
    logs.start(task["logs"], mode="a", level=logging.WARNING if rank else logging.INFO)
    module, name = task["function"].split(":")
    refused = None
    with logs.kept() as warnings:
        try:
            getattr(importlib.import_module(module), name)(**task["settings"])
        except InputError as error:
            refused = error
    _tell(Path(path).parent, rank, warnings, refused)
    if refused:
        # Told by the process that started this one, once.
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
