import os
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from trifold import checks, plan
from trifold.code import ROOT, code_version, find_package
from trifold.errors import InputError
from trifold.portals import lock

find_package(os.environ)
# Every job keeps to its own threads. NumPy's libraries would take every core in each.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

datasets = pd.read_csv(ROOT / "resources/datasets.tsv", sep="\t", dtype=str, keep_default_na=False)
validate(datasets, schema="../resources/schemas/datasets.schema.yaml")
datasets = datasets.set_index("file", drop=False)

try:
    config = plan.selected(config)
    locked = lock.read(ROOT / "resources/datasets.lock.tsv")
    arms = {name: plan.resolve_arm(config, name) for name in config["arms"]}
    checks.check(config, arms)
except InputError as error:
    raise WorkflowError(str(error)) from None

validate(pd.DataFrame(map(vars, locked)), schema="../resources/schemas/datasets.lock.schema.yaml")

# What the arms are, without where they are trained.
MODELS = {name: plan.model_of(arm) for name, arm in arms.items()}
TRAINED = plan.trained_arms(config)
# Arms whose weights are a published checkpoint, a row of datasets.tsv.
IMPORTED = [name for name, arm in arms.items() if arm.get("weights") in datasets.index]
PROTOCOLS = plan.protocols_read(config)
# Files that the workflow downloads.
DOWNLOADED = {*datasets.index, *(line.file for line in locked)}
# What the rules of papers add: what is trained beside the arms (wildcard -> name -> entry with its `training`), data that
# their sections name ((field, file)), how many test windows of an arm are kept for figures (one where it is not said),
# sections of the page.
TRAININGS = {"arm": arms}
MORE_DATA = []
KEPT_WINDOWS = {}
SECTIONS = []
# What <results> stands for, where a path is a parameter.
RESULTS = f"results/{config['experiment']}"
SHOWN = plan.shown(config)
TRACKS = {sample: own.get("tracks", {}) for sample, own in config["samples"].items()}
ENHANCED = {name: checks.enhanced(config, name) for name in config["enhance"]}
# (sample, map) of what is scored and what it is scored against: the deep map first, then each low map.
EVALUATED = [
    (sample, name)
    for sample in config["evaluate"]["samples"]
    for name in ["deep", *dict.fromkeys(one.degradation for one in plan.evaluations(config) if one.sample == sample)]
]
# Chromosomes and their order: the genome's where it has a sequence, else those of the first sample's map.
CHROMOSOMES = f"<results>/{'sequence' if config['genome'].get('fasta') else 'genome'}/chromosomes.tsv"
REFERENCE = next(iter(config["samples"]))
# Bins that hold an N: none where there is no sequence.
N_BINS = "<results>/sequence/n_bins.npz" if config["genome"].get("fasta") else []


wildcard_constraints:
    file="|".join(DOWNLOADED).replace(".", r"\."),
    sample="|".join(config["samples"]),
    track="|".join({track for tracks in TRACKS.values() for track in tracks} or {"none"}),
    degradation="|".join(config["degradations"]),
    fold="|".join(config["splits"]),
    arm="|".join(config["arms"]),
    protocol="|".join(PROTOCOLS),
    own="|".join(config["enhance"]) or "none",
    seed=r"\d+",


def shipped(path):
    """Where a file of the workflow itself lies: beside the Snakefile, wherever Snakemake was started."""
    return path if Path.cwd() == ROOT else str(ROOT / path)


def unrecorded(value):
    """A parameter that says where a job runs: another value of it re-runs nothing, as Snakemake does not compare what
    a function makes of a job's threads."""
    return lambda wildcards, threads: value
