# The experiment: what its configuration asks for, checked before any job.

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
    arms = plan.resolve(config)
    checks.check(config, arms)
except InputError as error:
    raise WorkflowError(str(error)) from None

validate(pd.DataFrame(map(vars, locked)), schema="../resources/schemas/datasets.lock.schema.yaml")

# What the arms are, without where they are trained, as plain settings: Snakemake sees no change in an object, so rules
# that give a job an arm give it these too.
MODELS = {name: arm.model() for name, arm in arms.items()}
# Arms that a job here makes a model of: by gradients, or from the training samples at once.
TRAINED = [name for name, arm in arms.items() if plan.is_trained(arm) and plan.traits_of(arm).learned]
FITTED = [name for name, arm in arms.items() if plan.is_trained(arm) and not plan.traits_of(arm).learned]
# Arms whose weights are a published checkpoint, a row of datasets.tsv.
IMPORTED = [name for name, arm in arms.items() if arm.weights in datasets.index]
# Programs of others, by what they yield; name -> what their environments are made of.
PROGRAM_ARMS = [name for name, arm in arms.items() if plan.traits_of(arm).fitter == "program"]
PROGRAM_MAPS = [name for name in PROGRAM_ARMS if plan.task_of(arms[name]).whole_maps]
PROGRAM_LOOPS = [name for name in PROGRAM_ARMS if name not in PROGRAM_MAPS]
PROGRAMS = {
    Path(traits.folder).name: f"{traits.folder}/{traits.requirements}"
    for traits in (plan.traits_of(arms[name]) for name in PROGRAM_ARMS)
    if traits.requirements
}
# Data sets by name, with the windows they are cut in.
DATASETS = plan.datasets(config, arms)
# Files that the workflow downloads.
DOWNLOADED = {*datasets.index, *(line.file for line in locked)}
# What the papers' rules add: test windows kept of an arm for figures (one where it is not said), sections of the page.
KEPT_WINDOWS = {}
SECTIONS = []
# What <results> stands for, where a path is a parameter.
RESULTS = f"results/{config['experiment']}"
SHOWN = plan.shown(config, arms)
TRACKS = {sample: own.get("tracks", {}) for sample, own in config["samples"].items()}
ENHANCED = {name: checks.enhanced(config, arms, name) for name in config["enhance"]}
# (sample, map) of what is scored and what it is scored against: the deep map first, then each low map.
EVALUATED = [
    (sample, name)
    for sample in config["evaluate"]["samples"]
    for name in [
        "deep",
        *dict.fromkeys(one.degradation for one in plan.evaluations(config, arms) if one.sample == sample),
    ]
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
    protocol="published|corrected",
    dataset="|".join(DATASETS),
    own="|".join(config["enhance"]) or "none",
    seed=r"\d+",
