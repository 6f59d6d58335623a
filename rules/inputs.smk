# What the rules read.


def get_regions(wildcards):
    """The BED file of a fold that has one: a path of one's own, or one that comes with the workflow."""
    path = config["splits"][wildcards.fold].get("path", [])
    return shipped(path) if path and not Path(path).exists() else path


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


def locate_windows(one):
    """The test windows that are kept of a model for figures: `plan.Scored` -> the file."""
    return f"{RESULTS}/windows/{one.protocol}/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}/windows.npz"


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
