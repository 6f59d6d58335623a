import os
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from trifold import checks, plan, plan_mixhic2025
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
    MIXHIC2025 = plan_mixhic2025.resolve(config)
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
    file="|".join({*datasets.index, *(line.file for line in locked)}).replace(".", r"\."),
    sample="|".join(config["samples"]),
    track="|".join({track for tracks in TRACKS.values() for track in tracks} or {"none"}),
    degradation="|".join(config["degradations"]),
    fold="|".join(config["splits"]),
    arm="|".join(config["arms"]),
    protocol="|".join(PROTOCOLS),
    own="|".join(config["enhance"]) or "none",
    seed=r"\d+",


def gigabytes(number):
    """Memory of a job, MB: twice as much with every further attempt, of which a profile says how many (`retries`)."""
    return lambda wildcards, attempt: 1000 * number * 2 ** (attempt - 1)


def hours(number):
    """Time limit of a job, minutes: twice as long with every further attempt."""
    return lambda wildcards, attempt: 60 * number * 2 ** (attempt - 1)


def shipped(path):
    """Where a file of the workflow itself lies: beside the Snakefile, wherever Snakemake was started."""
    return path if Path.cwd() == ROOT else str(ROOT / path)


def get_regions(wildcards):
    """The BED file of a fold that has one: a path of one's own, or one that comes with the workflow."""
    path = config["splits"][wildcards.fold].get("path", [])
    return shipped(path) if path and not Path(path).exists() else path


def unrecorded(value):
    """A parameter that says where a job runs: another value of it re-runs nothing, as Snakemake does not compare what
    a function makes of a job's threads."""
    return lambda wildcards, threads: value


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
    if file in datasets.index or file in {line.file for line in locked}:
        return f"<resources>/raw/{file}"
    if Path(file).exists():
        return file
    raise WorkflowError(
        f"config: {name!r} is neither a file of resources/datasets.tsv, nor simulated/<file>, nor a path that exists"
    )


try:
    checks.check_inputs(config, {*datasets.index, *(line.file for line in locked)})
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
    """The folder of a model: trained here, imported, or come with its weights; nothing for an arm that has none."""
    if arm in TRAINED or arm in IMPORTED:
        seed = seed if arm in TRAINED else 0
        return [f"<results>/models/{arm}/fold-{fold}/seed-{seed}/artifact.json"]
    return [f"{arms[arm]['weights']}/artifact.json"] if "weights" in arms[arm] else []


def get_weights(wildcards):
    """The model of a run."""
    return locate_model(wildcards.arm, wildcards.fold, wildcards.seed)


def get_backbones(wildcards):
    """Models an arm is stacked on: of the same fold and seed."""
    backbones = arms[wildcards.arm]["backbones"].values()
    return [path for name in backbones for path in locate_model(name, wildcards.fold, wildcards.seed)]


def get_loss_networks(wildcards):
    """Models an arm's loss looks through: of the same fold and seed."""
    networks = arms[wildcards.arm]["loss_networks"].values()
    return [path for name in networks for path in locate_model(name, wildcards.fold, wildcards.seed)]


def get_training(wildcards):
    """How an arm, a pre-training or a run of MIX-HIC is trained."""
    return get_trained(wildcards)["training"]


def get_trained(wildcards):
    """The arm, pre-training or run of MIX-HIC that is trained."""
    if "arm" in wildcards.keys():
        return arms[wildcards.arm]
    if "run" in wildcards.keys():
        return MIXHIC2025["runs"][wildcards.run]
    return MIXHIC2025["pretrainings"][wildcards.pretraining]


def get_where(wildcards, threads):
    """Where it is trained; no part of what the model is (see `unrecorded`)."""
    return plan.where_of(config, get_trained(wildcards))


def get_training_threads(wildcards):
    """CPUs of a training on one node."""
    return config["threads"]["train"] * get_training(wildcards)["devices"]


def get_training_gpus(wildcards):
    """GPUs of a training on all its nodes."""
    training = get_training(wildcards)
    return training["devices"] * training["nodes"] if config["accelerator"] == "gpu" else 0


def get_training_gpus_per_node(wildcards):
    """Their even share, which SLURM has to be told where there are several nodes."""
    several = get_training_nodes(wildcards) and get_training_gpus(wildcards)
    return f"--gpus-per-node={get_training(wildcards)['devices']}" if several else None


def get_training_nodes(wildcards):
    """Nodes of a training; nothing where one is enough."""
    nodes = get_training(wildcards)["nodes"]
    return nodes if nodes > 1 else None


def get_pretrained(wildcards):
    """The model an arm starts from: of the same fold and seed."""
    start = arms[wildcards.arm]["pretrained"]
    return locate_model(start, wildcards.fold, wildcards.seed) if start else []


def get_sequence(arm):
    """The sequence, for an arm that reads it."""
    return ["<results>/sequence/artifact.json"] if "sequence" in plan.traits_of(config, arm).inputs else []


def get_own_chromosomes(own):
    """The genome's chromosomes, where the arm that enhances a map of one's own reads its sequence."""
    return [CHROMOSOMES] if "sequence" in plan.traits_of(config, ENHANCED[own]["arm"]).inputs else []


def get_tracks(arm, samples):
    """The tracks an arm reads, sample by sample."""
    return [f"<results>/tracks/{sample}/{track}/artifact.json" for sample in samples for track in arms[arm]["tracks"]]


def get_examples(wildcards):
    """Dataset directories an arm is trained on, one per sample."""
    arm = arms[wildcards.arm]
    return [
        f"<results>/examples/{arm['protocol']}/{arm['degradation']}/{sample}/fold-{wildcards.fold}/artifact.json"
        for sample in arm["samples"]
    ]


def get_low_map(wildcards):
    """The degraded map an arm reads; nothing for an arm that reads none."""
    if "map" not in plan.traits_of(config, wildcards.arm).inputs:
        return []
    return [f"<results>/contacts/{wildcards.sample}/{arms[wildcards.arm]['degradation']}/map.cool"]


def get_statistics(wildcards):
    """The data set an arm without a model takes its scale from; a model carries its own."""
    if get_weights(wildcards):
        return []
    arm = arms[wildcards.arm]
    folder = f"<results>/examples/{arm['protocol']}/{arm['degradation']}/{wildcards.sample}/fold-{wildcards.fold}"
    return [f"{folder}/statistics.json"]


def get_scored_examples(wildcards):
    """The data set a model's windows are scored on: normalised as its protocol says."""
    folder = f"<results>/examples/{wildcards.protocol}/{arms[wildcards.arm]['degradation']}"
    return f"{folder}/{wildcards.sample}/fold-{wildcards.fold}/artifact.json"


def get_truth(wildcards):
    truth = config["samples"][wildcards.sample].get("truth")
    return locate(truth) if truth else []


def get_all_examples(wildcards):
    return [
        f"<results>/examples/{protocol}/{degradation}/{sample}/fold-{fold}/artifact.json"
        for protocol in PROTOCOLS
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
        for run in plan.runs(config)
        if run.arm in TRAINED
    ]


def get_all_metrics(wildcards):
    return [
        f"<results>/metrics/{one.degradation}/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/artifact.json"
        for one in plan.evaluations(config)
    ]


def get_prediction(one):
    """The predicted map of an evaluation."""
    return f"<results>/predictions/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/map.cool"


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
        for run in plan.runs(config)
        if run.arm in TRAINED
    ]


def get_named_data():
    """Genome, maps and tracks as the configuration names them."""
    genome = config["genome"].get("fasta", [])
    named = {genome} if isinstance(genome, str) else set(genome)
    for sample in config["samples"].values():
        named |= {sample["contacts"], *sample.get("low", {}).values()}
        for sources in sample.get("tracks", {}).values():
            named |= {sources} if isinstance(sources, str) else set(sources)
    for sample in MIXHIC2025["samples"].values():
        named |= {sample["loops"]} if isinstance(sample["loops"], str) else set(sample["loops"])
    if MIXHIC2025["samples"] and "tss" in config["mixhic2025"]:
        named.add(config["mixhic2025"]["tss"])
    return named


def get_downloads(wildcards):
    """What the files that the experiment downloads must be, by name: data, own maps and published weights."""
    named = get_named_data() | {own["contacts"] for own in ENHANCED.values()}
    named |= {arms[name]["weights"] for name in IMPORTED}
    rows, lines = datasets.to_dict("index"), {line.file for line in locked}
    files = sorted({file for name in named for file in files_of(name) if file in rows or file in lines})
    try:
        return {file: lock.wanted(file, rows, locked) for file in files}
    except InputError as error:
        raise WorkflowError(str(error)) from None


# ---------------------------------------------------------------- Kriukov et al. 2021

KRIUKOV2021 = plan.rows_used(config, "kriukov2021")


def get_kriukov2021_rows(table):
    """The paper's rows of a table -> arms (Table III: and the split)."""
    return KRIUKOV2021.get(f"table{table}", {})


def get_kriukov2021_scores(table):
    """Scores of the windows behind a table."""
    rows = get_kriukov2021_rows(table)
    wanted = [
        one
        for row in rows.values()
        for one in (plan.scored(config, row["arms"], row["fold"]) if table == "3" else plan.scored(config, row))
    ]
    return [
        f"<results>/scores/{one.protocol}/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/scores.tsv"
        for one in wanted
    ]


def get_kriukov2021_folders(wildcards):
    """Where the arms of the figures lie: the first fold, seed and sample of each."""
    chosen = KRIUKOV2021["figures"]
    folders = {}
    for name in [*chosen["sequence"], *chosen["maps"], *chosen["zeroed"]]:
        one = plan.scored(config, [name])[0]
        model = locate_model(name, one.fold, one.seed)
        where = f"examples/{one.protocol}/{arms[name]['degradation']}/{one.sample}/fold-{one.fold}"
        model = Path(model[0].replace("<results>", RESULTS)).parent if model else None
        folders[name] = {"model": str(model) if model else None, "examples": f"{RESULTS}/{where}"}
    return folders


def get_kriukov2021_models(wildcards):
    return [f"{one['model']}/artifact.json" for one in get_kriukov2021_folders(wildcards).values() if one["model"]]


def get_kriukov2021_networks(wildcards):
    """Modules with the networks of the figures' arms."""
    return sorted({module for name in get_kriukov2021_folders(wildcards) for module in plan.networks_of(config, name)})


def get_kriukov2021_examples(wildcards):
    return sorted({f"{one['examples']}/artifact.json" for one in get_kriukov2021_folders(wildcards).values()})


def get_kriukov2021_histories(wildcards):
    """Of every seed of the two arms of Figure 8."""
    return [
        {"arm": name, "seed": seed, "path": f"{RESULTS}/models/{name}/fold-{fold}/seed-{seed}/history.csv"}
        for name in KRIUKOV2021["figures"]["preheated"]
        for fold in plan.folds_of(config, name)[:1]
        for seed in plan.seeds_of(config, name)
    ]


def get_kriukov2021_on_page(wildcards):
    """Tables I and II, where the experiment has rows of them."""
    return [f"<results>/tables/kriukov2021_table{table}.tsv" for table in "12" if get_kriukov2021_rows(table)]


# ---------------------------------------------------------------- gain against depth

# Labels with the arms that this experiment uses; a label without any is left out.
DEPTH = {
    kind: {label: kept for label, names in labels.items() if (kept := [name for name in names if name in arms])}
    for kind, labels in config["depth"].items()
}


def get_depth_tables(wildcards):
    """The tables that hold what the section `depth` asks for."""
    if not (DEPTH.get("references") and DEPTH.get("arms")):
        raise WorkflowError("config: depth: names no reference or no arm that is used; see experiments/depth.yaml")
    named = {name for names in DEPTH["references"].values() for name in names}
    if missing := named - set(config["evaluate"]["comparison"]["reference_arms"]):
        raise WorkflowError(
            f"config: depth/references: name {sorted(missing)} under evaluate/comparison/reference_arms too"
        )
    return "<results>/tables/artifact.json"


# ---------------------------------------------------------------- Lau 2025

LAU2025 = plan.rows_used(config, "lau2025")


def get_lau2025_scores(wildcards):
    """Scores of the windows behind Table 1."""
    return [
        f"<results>/scores/{one.protocol}/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/scores.tsv"
        for row in LAU2025.get("table1", {}).values()
        for one in plan.scored(config, row)
    ]


def get_lau2025_histories(wildcards):
    """Of every seed of the arms of Figure 1 on their first fold."""
    return [
        {"arm": name, "seed": seed, "path": f"{RESULTS}/models/{name}/fold-{fold}/seed-{seed}/history.csv"}
        for names in LAU2025.get("figure1", {}).values()
        for name in names
        if name in TRAINED
        for fold in plan.folds_of(config, name)[:1]
        for seed in plan.seeds_of(config, name)
    ]


def get_lau2025_on_page(wildcards):
    """Table 1, where the experiment fine-tunes."""
    return ["<results>/tables/lau2025_table1.tsv"] if get_lau2025_histories(wildcards) else []


# ---------------------------------------------------------------- MIX-HIC


def get_mixhic2025_tss(wildcards):
    """Transcription start sites, where the experiment has them."""
    return locate_all(config["mixhic2025"].get("tss", []))


def get_mixhic2025_expression(wildcards):
    """Expression tracks of a sample that has them; nothing where there are no start sites."""
    names = config["mixhic2025"]["expression"]
    if "tss" not in config["mixhic2025"] or not set(names) <= set(TRACKS[wildcards.sample]):
        return []
    return [f"<results>/tracks/{wildcards.sample}/{track}/artifact.json" for track in names]


def _mixhic2025_samples(kind, name, test=None):
    """(protocol, samples) that a pre-training or a run reads: to be trained, or to be scored on `test`.

    A row without a model learns what it needs when it is scored.
    """
    entry = MIXHIC2025[kind][name]
    if test is None:
        return entry["protocol"], entry["samples"]
    trained_on = [] if entry["architecture"] == "mixhic" else entry["samples"]
    return entry["protocol"], [*trained_on, test]


def get_mixhic2025_pairs(kind, name, test=None):
    protocol, samples = _mixhic2025_samples(kind, name, test)
    return [f"<results>/mixhic2025/samples/{protocol}/{sample}/artifact.json" for sample in samples]


def get_mixhic2025_bands(kind, name, test=None):
    samples = _mixhic2025_samples(kind, name, test)[1]
    return [f"<results>/mixhic2025/bands/{sample}/artifact.json" for sample in samples]


def get_mixhic2025_tracks(kind, name, test=None):
    samples, tracks = _mixhic2025_samples(kind, name, test)[1], config["mixhic2025"]["tracks"]
    return [f"<results>/tracks/{sample}/{track}/artifact.json" for sample in samples for track in tracks]


def get_mixhic2025_pretrained(wildcards):
    """The pre-training a run starts from: of the same seed, where there is one."""
    start = MIXHIC2025["runs"][wildcards.run]["pretrained"]
    if start is None:
        return []
    seed = plan_mixhic2025.pretraining_seed(MIXHIC2025["pretrainings"][start], int(wildcards.seed))
    return [f"<results>/mixhic2025/pretrained/{start}/seed-{seed}/artifact.json"]


def get_mixhic2025_model(wildcards):
    """The model of a run; nothing for a row without one."""
    if MIXHIC2025["runs"][wildcards.run]["architecture"] != "mixhic":
        return []
    return ["<results>/mixhic2025/models/{run}/seed-{seed}/artifact.json"]


def get_mixhic2025_scores(wildcards):
    """Scores of every run, those of other systems too."""
    own = [
        f"<results>/mixhic2025/scores/{one.run}/seed-{one.seed}/{one.sample}/scores.tsv"
        for one in plan_mixhic2025.scored(MIXHIC2025)
    ]
    return own + [locate(run["scores"]) for run in MIXHIC2025["runs"].values() if run["scores"]]


def get_mixhic2025_counts(wildcards):
    """Numbers of pairs and windows before and after the filters, of every sample as its entries read it."""
    entries = [*MIXHIC2025["pretrainings"].values(), *MIXHIC2025["runs"].values()]
    used = {(entry["protocol"], sample) for entry in entries for sample in entry["samples"]}
    return [f"<results>/mixhic2025/samples/{protocol}/{sample}/counts.tsv" for protocol, sample in sorted(used)]


MIXHIC2025_SHOWN = plan_mixhic2025.shown(config, MIXHIC2025)
# Figures that the experiment has runs for.
MIXHIC2025_FIGURES = [
    *(["figure3", "figures1"] if MIXHIC2025_SHOWN["tables2"] else []),
    *[name for name, rows in MIXHIC2025_SHOWN.items() if name.startswith("figure") and rows],
]


def _mixhic2025_runs(names):
    """Runs of some tables and figures."""
    return {run for name in names for runs in MIXHIC2025_SHOWN.get(name, {}).values() for run in runs}


def get_mixhic2025_scores_of(names):
    """Scores behind some tables and figures, those of other systems too."""
    runs = _mixhic2025_runs(names)
    own = [
        f"<results>/mixhic2025/scores/{one.run}/seed-{one.seed}/{one.sample}/scores.tsv"
        for one in plan_mixhic2025.scored_of(MIXHIC2025, runs)
    ]
    foreign = {name: MIXHIC2025["runs"][name]["scores"] for name in sorted(runs)}
    return own + [locate(path) for path in foreign.values() if path]


def _mixhic2025_predictions(runs):
    """Predictions of some runs: run, seed, sample and the path of predictions.npz."""
    return [
        {**one._asdict(), "path": f"{RESULTS}/mixhic2025/scores/{one.run}/seed-{one.seed}/{one.sample}/predictions.npz"}
        for one in plan_mixhic2025.scored_of(MIXHIC2025, runs)
    ]


def get_mixhic2025_predictions(table):
    """Predictions behind a table's differences."""
    return _mixhic2025_predictions(_mixhic2025_runs([f"table{table}"])) if get_mixhic2025_against(table) else []


MIXHIC2025_COMPARED = [one._asdict() for one in plan_mixhic2025.compared(config, MIXHIC2025)]


def get_mixhic2025_compared(wildcards=None):
    """Predictions behind the comparisons."""
    needed = {(one[side], one["sample"]) for one in MIXHIC2025_COMPARED for side in ("run", "against")}
    found = _mixhic2025_predictions({run for run, _ in needed})
    return [one for one in found if (one["run"], one["sample"]) in needed]


def get_mixhic2025_against(table):
    """The row that the others of a table are held against, where there is one."""
    return config["mixhic2025"]["tables"]["against"].get(f"table{table}")


def get_mixhic2025_searches(wildcards=None):
    """Whole-chromosome loops of every run of Table S2: run, seed, sample and the folder."""
    return [
        {**one._asdict(), "path": f"{RESULTS}/mixhic2025/loops/{one.run}/seed-{one.seed}/{one.sample}"}
        for one in plan_mixhic2025.searched(MIXHIC2025, _mixhic2025_runs(["tables2"]))
    ]


def get_mixhic2025_table_inputs(table):
    """What a table is made of: scores; numbers of pairs (Table 1); loops of whole chromosomes (Table S2)."""
    if table == "1":
        return get_mixhic2025_counts(None)
    if table == "s2":
        return [f"{one['path']}/validation.tsv" for one in get_mixhic2025_searches()]
    return get_mixhic2025_scores_of([f"table{table}"])


def get_mixhic2025_maps(wildcards):
    """Bands of the sample that Figure S1 shows."""
    return [f"<results>/mixhic2025/bands/{one['sample']}/artifact.json" for one in get_mixhic2025_searches()[:1]]


def get_mixhic2025_seen(wildcards):
    """ChIA-PET loops of the sample that Figure S1 shows."""
    return [
        path
        for one in get_mixhic2025_searches()[:1]
        for path in locate_all(MIXHIC2025["samples"][one["sample"]]["loops"])
    ]


def get_mixhic2025_on_page(wildcards):
    """Tables of scores that are on the page and have rows."""
    return [
        f"<results>/tables/mixhic2025_{name}.tsv" for name in config["mixhic2025"]["page"] if MIXHIC2025_SHOWN.get(name)
    ]


def get_mixhic2025_compared_on_page(wildcards):
    """The comparisons, where they are on the page and there are any."""
    wanted = "comparisons" in config["mixhic2025"]["page"] and MIXHIC2025_COMPARED
    return ["<results>/tables/mixhic2025_comparisons.tsv"] if wanted else []
