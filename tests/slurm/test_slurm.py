"""The workflow on a real SLURM (cluster.sh): the same results; what is preempted, cancelled or too big comes back."""

import json
import re
import subprocess
import time

from safetensors.torch import load_file

MODEL = "results/smoke/models/image/fold-a/seed-1"
TRAINING_LOG = "logs/smoke/train/image/fold-a/seed-1.log"


def submissions(text: str) -> list[str]:
    """Numbers of the SLURM jobs that a run sent."""
    return re.findall(r"has been submitted with SLURM jobid (\d+)", text)


def versions(workspace) -> list[tuple[str, str, str]]:
    records = json.loads((workspace.folder / "results/smoke/manifest.json").read_text())
    return sorted((record["folder"], record["kind"], record["version"]) for record in records)


def last_weights(workspace) -> dict:
    return load_file(workspace.folder / MODEL / "last.safetensors")


def same(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(first[name].equal(second[name]) for name in first)


def wait_for(seen, seconds: float):
    end = time.monotonic() + seconds
    while not (found := seen()):
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)
    return found


def test_the_same_versions_and_tables_as_on_one_machine(local, remote):
    assert versions(remote) == versions(local)
    assert len(versions(local)) > 30
    tables = sorted((local.folder / "results/smoke/tables").glob("*.tsv"))
    assert len(tables) > 5
    for table in tables:
        assert (remote.folder / "results/smoke/tables" / table.name).read_bytes() == table.read_bytes(), table.name


def test_evaluations_are_sent_together_and_other_jobs_alone(remote):
    """Every job but those of local rules; the evaluations are one."""
    table = remote.text[remote.text.index("Job stats:") : remote.text.index("Select jobs to execute")]
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", table, flags=re.MULTILINE)}
    sources = [path for name in ("rules", "papers") for path in (remote.folder / name).rglob("*.smk")]
    text = "\n".join(path.read_text() for path in [remote.folder / "Snakefile", *sources])
    rules = re.split(r"^(?=rule )", text, flags=re.MULTILINE)
    local = {re.match(r"rule (\w+)", rule)[1] for rule in rules if "localrule: True" in rule}
    assert {"all", "split", "manifest"} <= jobs.keys() & local and jobs["evaluate"] == 5
    sent = jobs.pop("total") - sum(jobs[rule] for rule in jobs.keys() & local)
    assert len(submissions(remote.text)) == sent - jobs["evaluate"] + 1


def test_a_preempted_and_a_cancelled_training_go_on(copies):
    """One training is put back into the queue, as preemption does, and then cancelled: the weights of an unbroken one.

    The rule's log says after how many epochs each start went on.
    """
    here, there = copies
    for workspace in copies:
        workspace.overlay("longer.yaml", "arms: {image: {training: {epochs: 40}}}\n")
    target = ["--until", f"{MODEL}/artifact.json"]
    checkpoints, log = there.folder / "results/smoke/checkpoints", there.folder / TRAINING_LOG

    def resumed_after() -> int:
        """Epochs that were done when the training went on, once it has done another; before that 0."""
        text = log.read_text() if log.exists() else ""
        found = re.search(r"resuming after (\d+) epochs.*epoch \d+ of", text, flags=re.DOTALL)
        return int(found[1]) if found else 0

    printed = there.folder / "printed.txt"
    with open(printed, "w") as out:
        running = subprocess.Popen(
            [*there.command(*target), "longer.yaml"],
            cwd=there.folder,
            env=there.environment(),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: any(checkpoints.glob("*/last.ckpt")), 600)
            (job,) = submissions(printed.read_text())
            subprocess.run(["scontrol", "requeue", job], check=True)
            first = wait_for(resumed_after, 600)
            subprocess.run(["scancel", job], check=True)
            assert running.wait(900) == 0, printed.read_text()[-4000:]
        finally:
            running.kill()
            running.wait()
    assert len(submissions(printed.read_text())) == 2, "put back under its number; sent again once it was cancelled"
    assert 0 < first < resumed_after() < 40
    here.run(*target, "--configfile", "smoke.yaml", "longer.yaml", configfile=None)
    assert same(last_weights(there), last_weights(here))


SNAKEFILE = """
rule all:
    input: "big.txt", "gpu.txt", "cpu.txt", "spread.txt"

rule big:
    output: "big.txt"
    resources: mem_mb=lambda wildcards, attempt: 600 * 2 ** (attempt - 1), runtime=2
    shell: "python -c 'import time; block = bytearray(500 << 20); time.sleep(4)' && echo {resources.mem_mb} > {output}"

rule gpu:
    output: "gpu.txt"
    resources: mem_mb=600, runtime=2, gpu=1
    shell: "echo gpu ${{CUDA_VISIBLE_DEVICES:-none}} > {output}; scontrol show job -o $SLURM_JOB_ID >> {output}"

use rule gpu as cpu with:
    output: "cpu.txt"
    resources: mem_mb=600, runtime=2

# As rule train asks for two GPUs on each of two nodes, of which this cluster has one each.
rule spread:
    output: "spread.txt"
    resources:
        mem_mb=900, runtime=2, gpu=2, nodes=2, tasks=2, tasks_per_gpu=0, mpi="srun", slurm_extra="--gpus-per-node=1"
    threads: 2
    shell: "python spread.py && cat place-* > {output}"
"""
SPREAD = """
import os

from trifold.training import processes


def place():
    rank, count = processes.world()
    with open(f"place-{rank}", "w") as file:
        print(rank, count, os.environ["SLURMD_NODENAME"], os.environ.get("CUDA_VISIBLE_DEVICES"), file=file)


if __name__ == "__main__":
    processes.run("spread:place", {}, ".", 2, 2, 2)
"""


def test_memory_grows_gpus_are_given_and_processes_spread(copies):
    _, there = copies
    there.overlay("small.smk", SNAKEFILE)
    there.overlay("spread.py", SPREAD)
    text = there.run("--snakefile", "small.smk", configfile=None, PYTHONPATH=str(there.folder)).text
    assert (there.folder / "big.txt").read_text() == "1200\n"
    assert len(submissions(text)) == 5
    logs = [path.read_text() for path in (there.folder / "logs/slurm/rule_big").rglob("*.log")]
    assert [bool(re.search("memory limit|oom", log)) for log in logs] == [True], "kept of the one that was killed"
    gpu, cpu = ((there.folder / f"{name}.txt").read_text().split("\n", 1) for name in ("gpu", "cpu"))
    assert (gpu[0], cpu[0]) == ("gpu 0", "gpu none")
    assert "gres:gpu" in gpu[1] and "gres" not in cpu[1]
    places = [f"{rank} 4 trifold{1 + rank // 2} 0" for rank in range(4)]
    assert (there.folder / "spread.txt").read_text().splitlines() == places


def test_two_nodes_train_what_two_processes_train(copies):
    """The real rule, once with two processes here and once with one on each of two nodes."""
    for workspace, where in zip(copies, ("devices", "nodes")):
        workspace.overlay("ddp.yaml", f"arms: {{image: {{training: {{{where}: 2}}}}}}\n")
        model = f"{MODEL}/artifact.json"
        # Where it is trained is no reason to train anew.
        workspace.run("--forcerun", model, "--until", model, "--configfile", "smoke.yaml", "ddp.yaml", configfile=None)
        log = (workspace.folder / TRAINING_LOG).read_text()
        assert "2 processes on" in log and "epoch 2 of 2" in log
    here, there = (last_weights(workspace) for workspace in copies)
    assert same(there, here)
