"""A dry run of 5,000 jobs over a table of 2,000 data sets, against a Snakefile of as many trivial jobs.

Trained arms x folds x seeds, predicted and scored on four samples whose tracks are 240 files to be fetched. Times are
CPU seconds of the whole process, so other load of the machine does not enter; memory is its peak. Both are started once
before, as a user's second start: Python keeps what it compiled. Fails for another number of jobs than was asked for,
above 60 s or 2 GB, or above the ratio. What is left of the ratio is Snakemake's: it calls a job's functions, expands
files, parameters and resources, opens its script and compares all outputs; the trivial rule has one output and a
command. rules/quick.smk keeps what it would work out anew at every job.

    python -m benchmarks.jobs
"""

import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PARTS = (
    "Snakefile",
    "config.yaml",
    "rules",
    "profiles",
    "envs",
    "workflow_scripts",
    "resources",
    "trifold",
    "papers",
)
ROWS, SAMPLES, TRACKS, FILES = 2_000, 4, 3, 20
ARMS, SEEDS, FOLDS = 13, 20, 2
RUNS = ARMS * SEEDS * FOLDS
JOBS = {
    "fetch": SAMPLES * TRACKS * FILES,
    "simulate": 1,
    "encode_sequence": 1,
    "prepare_contacts": SAMPLES,
    # Every seed thins anew.
    "degrade": SAMPLES * SEEDS,
    "hold_back": SAMPLES * SEEDS,
    "prepare_track": SAMPLES * TRACKS,
    "split": FOLDS,
    "examples": SAMPLES * FOLDS * SEEDS,
    "train": RUNS,
    # Beside the trained arms two rows without a model.
    "predict": SAMPLES * (RUNS + 2 * FOLDS * SEEDS),
    "evaluate": SAMPLES * (RUNS + 2 * FOLDS * SEEDS),
    "ceiling": SAMPLES * FOLDS,
    "tables": 1,
    "report": 1,
    "manifest": 1,
    "all": 1,
    "data": 1,
}
MOST_S, MOST_GB, MOST_TIMES = 60, 2, 2


def settings() -> dict:
    """The experiment."""
    names = [f"s{number}" for number in range(SAMPLES)]
    files = iter(f"reads{number}.bam" for number in range(ROWS))
    tracks = {name: {f"t{track}": [next(files) for _ in range(FILES)] for track in range(TRACKS)} for name in names}
    sample = {"contacts": "simulated/alpha.mcool"}
    arm = {"architecture": "vehicle", "options": {"channels": 4, "residual_blocks": 1}}
    arms = [f"arm{number}" for number in range(ARMS)]
    return {
        "experiment": "many",
        "genome": {"assembly": "sim1", "fasta": "simulated/genome.fa.gz"},
        "samples": {name: {**sample, "tracks": tracks[name]} for name in names},
        "geometry": {
            "bin_bp": 1024,
            "window_bins": 64,
            "stride_bins": {"train": 16, "validation": 32, "test": 64},
        },
        "degradations": {"low": {"coarsen": 2, "thin": 16, "seed": 1}},
        "splits": {fold: {"kind": "chromosomes", "validation": ["chr5"], "test": ["chr6"]} for fold in "ab"[:FOLDS]},
        "seeds": list(range(1, SEEDS + 1)),
        "arms": {**{name: {"architecture": name} for name in ("identity", "gaussian")}, **dict.fromkeys(arms, arm)},
        "evaluate": {"samples": names, "comparison": {"reference_arms": ["identity", "gaussian"]}},
    }


def prepare(folder: Path) -> None:
    """A copy of the workflow with the long table and the large experiment."""
    for name in PARTS:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        options = {"ignore": shutil.ignore_patterns("__pycache__", "raw")} if copy is shutil.copytree else {}
        copy(REPOSITORY / name, folder / name, **options)
    (folder / "many.yaml").write_text(json.dumps(settings()))
    path = folder / "resources/datasets.tsv"
    with open(path, newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    for number in range(ROWS - len(rows)):
        made = {"file": f"reads{number}.bam", "assay": "atac", "bytes": "1", "sha256": f"{number:064x}"}
        rows.append(dict.fromkeys(rows[0], "") | made | {"status": "pinned", "origin": "this benchmark"})
    with open(path, "w", newline="") as handle:
        table = csv.DictWriter(handle, rows[0], delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def trivial(folder: Path, jobs: int) -> None:
    """As many jobs: one rule with a wildcard, and one that collects."""
    (folder / "Snakefile").write_text(
        f'rule all:\n    input: expand("out/{{i}}.txt", i=range({jobs - 1}))\n\n'
        'rule one:\n    output: "out/{i}.txt"\n    shell: "touch {output}"\n'
    )


def measure(folder: Path, *arguments: str) -> tuple[dict[str, int], float, float]:
    """Jobs by rule, CPU seconds and peak GB of a dry run; in a process of its own, whose only child it is."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "-n", "--quiet", "rules", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:])
    table = done.stdout[done.stdout.index("Job stats:") :]
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", table, flags=re.MULTILINE)}
    jobs.pop("total")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return jobs, cpu_s, after.ru_maxrss * 1024 / 1e9


def main() -> None:
    total = sum(JOBS.values())
    with tempfile.TemporaryDirectory() as name:
        theirs, ours = Path(name) / "trivial", Path(name) / "trifold"
        for folder in (theirs, ours):
            folder.mkdir()
        trivial(theirs, total)
        counts, their_s, their_gb = measure(theirs)
        assert sum(counts.values()) == total, counts
        prepare(ours)
        # No arm reads the tracks: they are asked for by name.
        counts, our_s, our_gb = measure(ours, "--configfile", "many.yaml", "--", "all", "data")
    assert counts == JOBS, {rule: (counts.get(rule), JOBS.get(rule)) for rule in counts.keys() | JOBS.keys()}
    row = {"jobs": total, "cpu_s": round(our_s, 1), "gb": round(our_gb, 2), "times_slower": round(our_s / their_s, 1)}
    print(json.dumps(row | {"trivial_cpu_s": round(their_s, 1), "trivial_gb": round(their_gb, 2)}), flush=True)
    if our_s > MOST_S or our_gb > MOST_GB or our_s / their_s > MOST_TIMES:
        raise SystemExit(f"more than {MOST_S} s, {MOST_GB} GB or {MOST_TIMES} times a trivial dry run")


if __name__ == "__main__":
    main()
