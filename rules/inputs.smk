# What rules read of each other: models, data sets, scores.


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


def locate_loops(one):
    """The folder of the loops that an arm finds on whole test chromosomes (`plan.searched`)."""
    return f"<results>/loops/{one.arm}/fold-{one.fold}/seed-{one.seed}/{one.sample}"


def get_all_scores(wildcards):
    """Scores and loops of the arms on windows about pairs that no paper's tables have to ask for."""
    wanted = [name for name, arm in arms.items() if not plan.task_of(arm).whole_maps and not arm.on_demand]
    scored = [locate_scores(one) for one in plan.scored(arms, wanted)]
    found = [f"{locate_loops(one)}/validation.tsv" for one in plan.searched(arms, [name for name in wanted])]
    return scored + found


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


def get_histories(wildcards):
    return [
        {**run._asdict(), "path": f"{RESULTS}/models/{run.arm}/fold-{run.fold}/seed-{run.seed}/history.csv"}
        for run in plan.runs(config, arms)
        if run.arm in TRAINED
    ]


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
