# The experiment: what its configuration asks for, checked before any job.

import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

from trifold.code import ROOT, code_version, find_package
from trifold.errors import InputError
from trifold.portals import lock

try:  # architectures and programs are read here
    from trifold import checks, plan
except InputError as error:
    raise WorkflowError(str(error)) from None

find_package(os.environ)
# NumPy's libraries would use all cores in every job; threads of a job are what its rule asks for.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

SCHEMAS = ROOT / "resources/schemas"

try:
    datasets = lock.rows(ROOT / "resources/datasets.tsv", SCHEMAS / "datasets.schema.yaml")
    config = plan.selected(config)
    locked = lock.read(ROOT / "resources/datasets.lock.tsv")
    lock.check(locked, "resources/datasets.lock.tsv", SCHEMAS / "datasets.lock.schema.yaml")
    arms = plan.resolve(config)
    checks.check(config, arms)
    checks.check_embedding_models(config, arms)
except InputError as error:
    raise WorkflowError(str(error)) from None

# Settings of the arms without those of where they are trained, as plain dicts. Snakemake notices changes in a dict and
# not in an object, so rules that pass an arm to a job pass its settings too.
MODELS = {name: arm.model() for name, arm in arms.items()}
# Those of arms that predict whole maps: what figures of such maps give colours to.
WHOLE_MAPS = {name: MODELS[name] for name, arm in arms.items() if plan.task_of(arm).whole_maps}
# Arms that a job here makes a model of: by gradients, or from the training samples at once.
TRAINED = [name for name, arm in arms.items() if plan.is_trained(arm) and plan.traits_of(arm).learned]
FITTED = [name for name, arm in arms.items() if plan.is_trained(arm) and not plan.traits_of(arm).learned]
# Arms whose weights are a published checkpoint, a row of datasets.tsv.
IMPORTED = [name for name, arm in arms.items() if arm.weights in datasets]
# Programs of others, by what they yield (maps, loops); folder of any -> file that lists what its environment needs, and
# whether that is all.
PROGRAM_ARMS = [name for name, arm in arms.items() if plan.traits_of(arm).fitter == "program"]
PROGRAM_MAPS = [name for name in PROGRAM_ARMS if plan.task_of(arms[name]).whole_maps]
PROGRAM_LOOPS = [name for name in PROGRAM_ARMS if name not in PROGRAM_MAPS]
PROGRAMS = {
    Path(traits.folder).name: (f"{traits.folder}/{traits.requirements}", traits.complete)
    for traits in plan.programs_of(config, arms)
    if traits.requirements
}
# Files of a predicted map: the one that other rules read, and those that people open.
PREDICTED = ["map.cool", *(f"map.{format}" for format in config["predict"]["formats"])]
# Data sets by name, with the windows they are cut in.
DATASETS = plan.datasets(config, arms)
# Files that the workflow downloads.
DOWNLOADED = {*datasets, *(line.file for line in locked)}
# Papers' rules add to these: arm -> number of test windows kept for figures (1 if not given); sections of the page.
KEPT_WINDOWS = {}
SECTIONS = []
# The same folder as <results>, which Snakemake does not expand in parameters.
RESULTS = f"results/{config['experiment']}"
EVALUATIONS = plan.evaluations(config, arms)
SHOWN = plan.shown(EVALUATIONS)
# Enhanced maps on which structure is called.
STRUCTURES = plan.structures(config, arms)
SHOWN_STRUCTURES = plan.shown_structures(STRUCTURES)
# Files of every track, by sample and track.
TRACKS = {
    name: {track: plan.track_files(entry) for track, entry in sample.get("tracks", {}).items()}
    for name, sample in config["samples"].items()
}
ENHANCED = {name: checks.enhanced(config, arms, name) for name in config["enhance"]}
# (sample, map) of what is scored and what it is scored against: the deep map first, then each low map.
EVALUATED = [
    (sample, name)
    for sample in config["evaluate"]["samples"]
    for name in [
        "deep",
        *dict.fromkeys(evaluation.degradation for evaluation in EVALUATIONS if evaluation.sample == sample),
    ]
]
# Low map, fold and sample of what is evaluated: each has its ceilings, whatever the arms.
CEILED = {
    (run.degradation, run.fold, run.sample): None for run in EVALUATIONS if config["evaluate"]["ceiling"]["splits"] > 0
}
# Chromosomes and their order: the genome's where it has a sequence, else those of the first sample's map.
CHROMOSOMES = f"<results>/{'sequence' if config['genome'].get('fasta') else 'genome'}/chromosomes.tsv"
REFERENCE = next(iter(config["samples"]))
# Bins that hold an N: none where there is no sequence.
N_BINS = "<results>/sequence/n_bins.npz" if config["genome"].get("fasta") else []


wildcard_constraints:
    file="|".join(DOWNLOADED).replace(".", r"\."),
    sample="|".join(config["samples"]),
    track="|".join({track for tracks in TRACKS.values() for track in tracks} or {"none"}),
    # With the seed that draws its reads, but for the first.
    degradation=rf"({'|'.join(config['degradations'])})(\{plan.DRAW}\d+)?",
    fold="|".join(config["splits"]),
    arm="|".join(config["arms"]),
    protocol="published|corrected",
    dataset="|".join(DATASETS),
    enhanced="|".join(config["enhance"]) or "none",
    embedding="|".join(config["embeddings"]) or "none",
    seed=r"\d+",
