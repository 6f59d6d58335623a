import os
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from trifold import plan
from trifold.errors import InputError
from trifold.portals import lock
from trifold.provenance import code_version

# Every job keeps to its own threads. NumPy's libraries would take every core in each.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

config = plan.without_nulls(config)
validate(config, schema="../resources/schemas/config.schema.yaml")
config = plan.selected(config)
datasets = pd.read_csv("resources/datasets.tsv", sep="\t", dtype=str, keep_default_na=False)
validate(datasets, schema="../resources/schemas/datasets.schema.yaml")
datasets = datasets.set_index("file", drop=False)

try:
    locked = lock.read("resources/datasets.lock.tsv")
    arms = {name: plan.resolve_arm(config, name) for name in config["arms"]}
except InputError as error:
    raise WorkflowError(error)

validate(pd.DataFrame(map(vars, locked)), schema="../resources/schemas/datasets.lock.schema.yaml")

TRAINED = plan.trained_arms(config)
# Arms whose weights are a published checkpoint, a row of datasets.tsv.
IMPORTED = [name for name, arm in arms.items() if arm.get("weights") in datasets.index]
PROTOCOLS = plan.protocols_read(config)
# What <results> stands for, where a path is a parameter.
RESULTS = f"results/{config['experiment']}"
COARSEN = {name: degradation["coarsen"] for name, degradation in config["degradations"].items()}
SHOWN = plan.shown(config)
TRACKS = {sample: settings.get("tracks", {}) for sample, settings in config["samples"].items()}


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


def locate(name):
    """Where an input of the configuration lies: simulated/<file>, a row of datasets.tsv, or a path of one's own."""
    if name.startswith("simulated/"):
        return f"<results>/simulate/{name.removeprefix('simulated/')}"
    if name in datasets.index or name in {line.file for line in locked}:
        return f"<resources>/raw/{name}"
    if Path(name).exists():
        return name
    raise WorkflowError(
        f"config: {name!r} is neither a file of resources/datasets.tsv, nor simulated/<file>, nor a path that exists"
    )


def locate_all(names):
    """Where one input or several lie; an accession of several files is all of them."""
    return [locate(file) for name in ([names] if isinstance(names, str) else names) for file in files_of(name)]


def files_of(name):
    """Files an input of the configuration stands for: of an accession, what `snakemake resolve` found."""
    if name not in datasets.index:
        return [name]
    try:
        return lock.files_of(datasets.loc[name], locked)
    except InputError as error:
        raise WorkflowError(error)


def get_wanted(wildcards):
    """What a download must be: the row of datasets.tsv, completed by the lock."""
    try:
        return lock.wanted(wildcards.file, datasets.to_dict("index"), locked)
    except InputError as error:
        raise WorkflowError(error)


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


def get_pretrained(wildcards):
    """The model an arm starts from: of the same fold and seed."""
    start = arms[wildcards.arm]["pretrained"]
    return locate_model(start, wildcards.fold, wildcards.seed) if start else []


def get_sequence(arm):
    """The sequence, for an arm that reads it."""
    return ["<results>/sequence/artifact.json"] if "sequence" in plan.traits_of(config, arm).inputs else []


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


def get_used_datasets(wildcards):
    """Rows of datasets.tsv the experiment names."""
    genome = config["genome"]["fasta"]
    named = {genome} if isinstance(genome, str) else set(genome)
    for sample in config["samples"].values():
        named |= {sample["contacts"], *sample.get("low", {}).values()}
        for sources in sample.get("tracks", {}).values():
            named |= {sources} if isinstance(sources, str) else set(sources)
    return datasets[datasets.index.isin(named)].to_dict("records")


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
    for name in [*chosen["sequence"], *chosen["maps"], chosen["zeroed"]]:
        one = plan.scored(config, [name])[0]
        model = locate_model(name, one.fold, one.seed)
        where = f"examples/{one.protocol}/{arms[name]['degradation']}/{one.sample}/fold-{one.fold}"
        model = Path(model[0].replace("<results>", RESULTS)).parent if model else None
        folders[name] = {"model": str(model) if model else None, "examples": f"{RESULTS}/{where}"}
    return folders


def get_kriukov2021_models(wildcards):
    return [f"{one['model']}/artifact.json" for one in get_kriukov2021_folders(wildcards).values() if one["model"]]


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
