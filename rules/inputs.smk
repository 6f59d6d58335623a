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

# What the arms are, without where they are trained.
MODELS = {name: arm.model() for name, arm in arms.items()}
# Arms that a job here makes a model of: by gradients, or from the training samples at once.
TRAINED = [name for name, arm in arms.items() if plan.is_trained(arm) and plan.traits_of(arm).learned]
FITTED = [name for name, arm in arms.items() if plan.is_trained(arm) and not plan.traits_of(arm).learned]
# Arms whose weights are a published checkpoint, a row of datasets.tsv.
IMPORTED = [name for name, arm in arms.items() if arm.weights in datasets.index]
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


def shipped(path):
    """Where a file of the workflow itself lies: beside the Snakefile, wherever Snakemake was started."""
    return path if Path.cwd() == ROOT else str(ROOT / path)


def get_regions(wildcards):
    """The BED file of a fold that has one: a path of one's own, or one that comes with the workflow."""
    path = config["splits"][wildcards.fold].get("path", [])
    return shipped(path) if path and not Path(path).exists() else path


def get_rename(sample):
    """Chromosome names to change in the files of a sample."""
    return config["samples"][sample].get("rename", {})


def reading(name, rename):
    """How a map of the configuration is read: the group that its URI names, and the chromosomes' names."""
    genome = {"assembly": config["genome"]["assembly"], "exclude": config["genome"]["exclude"]}
    return {**genome, "rename": rename, "group": name.partition("::")[2]}


def get_reading(wildcards):
    """How the deep map of a sample, or its measured low map, is read."""
    sample = config["samples"][wildcards.sample]
    measured = sample.get("low", {}).get(wildcards.get("degradation"))
    return reading(measured or sample["contacts"], sample.get("rename", {}))


def locate(name):
    """Where an input of the configuration lies: simulated/<file>, a row of datasets.tsv, or a path of one's own."""
    file = name.partition("::")[0]  # of the URI of a cooler
    if file.startswith("simulated/"):
        return f"<results>/simulate/{file.removeprefix('simulated/')}"
    if file in DOWNLOADED:
        return f"<resources>/raw/{file}"
    if Path(file).exists():
        return file
    raise WorkflowError(
        f"config: {name!r} is neither a file of resources/datasets.tsv, nor simulated/<file>, nor a path that exists"
    )


try:
    checks.check_inputs(config, DOWNLOADED)
    checks.check_weights(config, datasets.index)
    checks.check_splits(config, ROOT)
    checks.check_maps(config, arms, locate)
except InputError as error:
    raise WorkflowError(str(error)) from None


def locate_all(names):
    """Where one input or several lie; an accession of several files is all of them."""
    return [locate(file) for name in ([names] if isinstance(names, str) else names) for file in files_of(name)]


def files_of(name):
    """Files an input of the configuration stands for: of an accession, what `snakemake resolve` found."""
    name = name.partition("::")[0]
    if name not in datasets.index:
        return [name]
    try:
        return lock.files_of(datasets.loc[name], locked)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def get_wanted(wildcards):
    """What a download must be: the row of datasets.tsv, completed by the lock."""
    try:
        return lock.wanted(wildcards.file, datasets.to_dict("index"), locked)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def get_track_settings(wildcards):
    """How a track is made."""
    try:
        return plan.track_settings(config, wildcards.track)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def get_measured_low_map(wildcards):
    """A low map that was measured, not made; nothing where there is none."""
    measured = config["samples"][wildcards.sample].get("low", {})
    return locate(measured[wildcards.degradation]) if wildcards.degradation in measured else []


def locate_model(arm, fold, seed):
    """The folder of a model: made here, or come with its weights; nothing for an arm that has none.

    Where an arm has not every seed of those that stand on it, its first serves them.
    """
    if arm in [*TRAINED, *FITTED, *IMPORTED]:
        seed = plan.start_seed(arms[arm], int(seed))
        return [f"<results>/models/{arm}/fold-{fold}/seed-{seed}/artifact.json"]
    return [f"{arms[arm].weights}/artifact.json"] if arms[arm].weights else []


def get_weights(wildcards):
    """The model of a run."""
    return locate_model(wildcards.arm, wildcards.fold, wildcards.seed)


def get_backbones(wildcards):
    """Models an arm is stacked on: of the same fold and seed."""
    backbones = arms[wildcards.arm].backbones.values()
    return [path for name in backbones for path in locate_model(name, wildcards.fold, wildcards.seed)]


def get_loss_networks(wildcards):
    """Models an arm's loss looks through: of the same fold and seed."""
    networks = arms[wildcards.arm].loss_networks.values()
    return [path for name in networks for path in locate_model(name, wildcards.fold, wildcards.seed)]


def get_pretrained(wildcards):
    """The model an arm starts from: of the same fold and seed."""
    start = arms[wildcards.arm].pretrained
    return locate_model(start, wildcards.fold, wildcards.seed) if start else []


def get_sequence(arm):
    """The sequence, for an arm that reads it."""
    return ["<results>/sequence/artifact.json"] if "sequence" in plan.traits_of(arms[arm]).inputs else []


def get_own_chromosomes(own):
    """The genome's chromosomes, where the arm that enhances a map of one's own reads its sequence."""
    return [CHROMOSOMES] if "sequence" in plan.traits_of(arms[ENHANCED[own]["arm"]]).inputs else []


def get_tracks(arm, samples):
    """The tracks an arm reads, sample by sample."""
    return [f"<results>/tracks/{sample}/{track}/artifact.json" for sample in samples for track in arms[arm].tracks]


def locate_examples(arm, dataset, sample, fold):
    """A dataset directory of windows on the diagonal."""
    return f"<results>/examples/{dataset}/{arms[arm].degradation}/{sample}/fold-{fold}/artifact.json"


def get_examples(wildcards):
    """Dataset directories an arm is trained on, a sample each; nothing for a task on windows about pairs."""
    arm = arms[wildcards.arm]
    if not plan.task_of(arm).whole_maps:
        return []
    return [locate_examples(arm.name, arm.dataset, sample, wildcards.fold) for sample in arm.samples]


def get_pairs(arm, samples, fold):
    """Windows about pairs of an arm, a sample each; nothing for a task on whole maps."""
    if plan.task_of(arms[arm]).whole_maps:
        return []
    return [f"<results>/pairs/{arms[arm].dataset}/{sample}/fold-{fold}/artifact.json" for sample in samples]


def get_bands(arm, samples):
    """Bands of the maps that an arm's windows are cut from; nothing for a task on whole maps."""
    return [] if plan.task_of(arms[arm]).whole_maps else [f"<results>/bands/{one}/artifact.json" for one in samples]


def get_expression(wildcards):
    """Expression tracks of a sample that has them; nothing where there are no start sites."""
    names = config["pairs"]["expression"]
    if "tss" not in config["genome"] or not set(names) <= set(TRACKS[wildcards.sample]):
        return []
    return [f"<results>/tracks/{wildcards.sample}/{track}/artifact.json" for track in names]


def get_low_map(wildcards):
    """The degraded map an arm reads; nothing for an arm that reads none."""
    arm = arms[wildcards.arm]
    reads = "map" in plan.traits_of(arm).inputs
    return [f"<results>/contacts/{wildcards.sample}/{arm.degradation}/map.cool"] if reads else []


def get_statistics(wildcards):
    """The data set an arm without a model takes its scale from; a model carries its own."""
    if get_weights(wildcards):
        return []
    arm = arms[wildcards.arm]
    record = locate_examples(arm.name, arm.dataset, wildcards.sample, wildcards.fold)
    return [f"{Path(record).parent}/statistics.json"]


def get_scored_examples(wildcards):
    """The data set that windows of an arm are scored on; nothing for a task on windows about pairs."""
    if not plan.task_of(arms[wildcards.arm]).whole_maps:
        return []
    return [locate_examples(wildcards.arm, wildcards.dataset, wildcards.sample, wildcards.fold)]


def locate_scores(one, file="scores.tsv"):
    """A file of the scores of an arm on a sample (`plan.Scored`)."""
    return f"<results>/scores/{one.dataset}/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/{file}"


def get_all_scores(wildcards):
    """Scores of the arms on windows about pairs that no paper's tables have to ask for."""
    wanted = [name for name, arm in arms.items() if not plan.task_of(arm).whole_maps and not arm.on_demand]
    return [locate_scores(one) for one in plan.scored(arms, wanted)]


def get_truth(wildcards):
    truth = config["samples"][wildcards.sample].get("truth")
    return locate(truth) if truth else []


def get_all_examples(wildcards):
    return [
        f"<results>/examples/{protocol}/{degradation}/{sample}/fold-{fold}/artifact.json"
        for protocol in plan.protocols_read(arms)
        for degradation in config["degradations"]
        for sample in config["samples"]
        for fold, split in config["splits"].items()
        if not split.get("on_demand")
    ]


def get_all_tracks(wildcards):
    return [f"<results>/tracks/{sample}/{track}/artifact.json" for sample in TRACKS for track in TRACKS[sample]]


def get_all_models(wildcards):
    return [
        f"<results>/models/{run.arm}/fold-{run.fold}/seed-{run.seed}/artifact.json"
        for run in plan.runs(config, arms)
        if run.arm in TRAINED
    ]


def get_all_metrics(wildcards):
    return [
        f"<results>/metrics/{one.degradation}/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/artifact.json"
        for one in plan.evaluations(config, arms)
    ]


def get_prediction(one):
    """The predicted map of an evaluation."""
    return f"<results>/predictions/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/map.cool"


def locate_windows(one):
    """The test windows that are kept of a model for figures: `plan.Scored` -> the file."""
    return f"{RESULTS}/windows/{one.dataset}/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/windows.npz"


def get_shown_truth(wildcards):
    truth = config["samples"][SHOWN[0].sample].get("truth")
    return locate(truth) if truth else []


def get_motifs(wildcards):
    """Oriented CTCF motifs, where a simulation planted them."""
    simulated = config["samples"][SHOWN[0].sample]["contacts"].startswith("simulated/")
    return locate("simulated/ctcf.bed") if simulated else []


def get_histories(wildcards):
    return [
        {**run._asdict(), "path": f"{RESULTS}/models/{run.arm}/fold-{run.fold}/seed-{run.seed}/history.csv"}
        for run in plan.runs(config, arms)
        if run.arm in TRAINED
    ]


def get_paired_samples():
    """Samples of the arms on windows about pairs."""
    of_pairs = [arm for arm in arms.values() if not plan.task_of(arm).whole_maps]
    return sorted({sample for arm in of_pairs for sample in (*arm.samples, *arm.test_samples)})


def get_named_data():
    """Genome, maps, tracks and what papers read beside them, as the configuration names them."""
    genome = config["genome"].get("fasta", [])
    named = {genome} if isinstance(genome, str) else set(genome)
    for sample in config["samples"].values():
        named |= {sample["contacts"], *sample.get("low", {}).values()}
        for sources in sample.get("tracks", {}).values():
            named |= {sources} if isinstance(sources, str) else set(sources)
        named |= {sample["loops"]} if isinstance(sample.get("loops"), str) else set(sample.get("loops", ()))
    named |= {config["genome"]["tss"]} if "tss" in config["genome"] and get_paired_samples() else set()
    return named


def get_downloads(wildcards):
    """What the files that the experiment downloads must be, by name: data, own maps and published weights."""
    named = get_named_data() | {own["contacts"] for own in ENHANCED.values()}
    named |= {arms[name].weights for name in IMPORTED}
    rows, lines = datasets.to_dict("index"), {line.file for line in locked}
    files = sorted({file for name in named for file in files_of(name) if file in rows or file in lines})
    try:
        return {file: lock.wanted(file, rows, locked) for file in files}
    except InputError as error:
        raise WorkflowError(str(error)) from None
