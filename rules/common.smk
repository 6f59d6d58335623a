from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from trifold import plan
from trifold.errors import InputError
from trifold.provenance import code_version

config = plan.without_nulls(config)
validate(config, schema="../resources/schemas/config.schema.yaml")
datasets = pd.read_csv("resources/datasets.tsv", sep="\t", dtype=str, keep_default_na=False)
validate(datasets, schema="../resources/schemas/datasets.schema.yaml")
datasets = datasets.set_index("file", drop=False)

try:
    arms = {name: plan.resolve_arm(config, name) for name in config["arms"]}
except InputError as error:
    raise WorkflowError(error)

TRAINED = plan.trained_arms(config)
# What <results> stands for, where a path is a parameter.
RESULTS = f"results/{config['experiment']}"
COARSEN = {name: degradation["coarsen"] for name, degradation in config["degradations"].items()}
SHOWN = plan.shown(config)
TRACKS = {sample: settings.get("tracks", {}) for sample, settings in config["samples"].items()}


wildcard_constraints:
    file="|".join(datasets.index.str.replace(".", r"\.")),
    sample="|".join(config["samples"]),
    track="|".join({track for tracks in TRACKS.values() for track in tracks} or {"none"}),
    degradation="|".join(config["degradations"]),
    fold="|".join(config["splits"]),
    arm="|".join(config["arms"]),
    own="|".join(config["enhance"]) or "none",
    seed=r"\d+",


def locate(name):
    """Where an input of the configuration lies: simulated/<file>, a row of datasets.tsv, or a path of one's own."""
    if name.startswith("simulated/"):
        return f"<results>/simulate/{name.removeprefix('simulated/')}"
    if name in datasets.index:
        return f"<resources>/raw/{name}"
    if Path(name).exists():
        return name
    raise WorkflowError(
        f"config: {name!r} is neither a file of resources/datasets.tsv, nor simulated/<file>, nor a path that exists"
    )


def locate_all(names):
    """Where one input or several lie."""
    return [locate(name) for name in ([names] if isinstance(names, str) else names)]


def get_measured_low_map(wildcards):
    """A low map that was measured, not made; nothing where there is none."""
    measured = config["samples"][wildcards.sample].get("low", {})
    return locate(measured[wildcards.degradation]) if wildcards.degradation in measured else []


def get_backbones(wildcards):
    """Weights an arm is stacked on: of the same fold and seed."""
    backbones = arms[wildcards.arm]["backbones"].values()
    return [f"<results>/models/{name}/fold-{wildcards.fold}/seed-{wildcards.seed}/artifact.json" for name in backbones]


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
        f"<results>/examples/{arm['degradation']}/{sample}/fold-{wildcards.fold}/artifact.json"
        for sample in arm["samples"]
    ]


def get_weights(wildcards):
    """The model of a run: trained here, or come with its weights; nothing for an arm that has none."""
    if wildcards.arm in TRAINED:
        return [f"<results>/models/{wildcards.arm}/fold-{wildcards.fold}/seed-{wildcards.seed}/artifact.json"]
    return [f"{arms[wildcards.arm]['weights']}/artifact.json"] if "weights" in arms[wildcards.arm] else []


def get_low_map(wildcards):
    """The degraded map an arm reads; nothing for an arm that reads none."""
    if "map" not in plan.traits_of(config, wildcards.arm).inputs:
        return []
    return [f"<results>/contacts/{wildcards.sample}/{arms[wildcards.arm]['degradation']}/map.cool"]


def get_statistics(wildcards):
    """The data set an arm without a model takes its scale from; a model carries its own."""
    if get_weights(wildcards):
        return []
    degradation = arms[wildcards.arm]["degradation"]
    return [f"<results>/examples/{degradation}/{wildcards.sample}/fold-{wildcards.fold}/statistics.json"]


def get_truth(wildcards):
    truth = config["samples"][wildcards.sample].get("truth")
    return locate(truth) if truth else []


def get_all_examples(wildcards):
    return [
        f"<results>/examples/{degradation}/{sample}/fold-{fold}/artifact.json"
        for degradation in config["degradations"]
        for sample in config["samples"]
        for fold in config["splits"]
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
