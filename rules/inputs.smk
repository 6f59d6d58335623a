# Outputs of rules that other rules read: models, data sets, scores.


def locate_model(arm, fold, seed):
    """The folder of a model: made here, or come with its weights; nothing for an arm that has none.

    Where an arm lacks the seed of an arm that stands on it, its first seed is taken.
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


def get_own_chromosomes(enhanced):
    """The genome's chromosomes, if the arm that enhances a user's map reads what is of it; `enhanced`: entry's name."""
    of_genome = {"sequence", "embeddings"} & plan.traits_of(arms[ENHANCED[enhanced]["arm"]]).inputs
    return [CHROMOSOMES] if of_genome else []


def get_tracks(arm, samples):
    """The tracks an arm reads, sample by sample."""
    return [f"<results>/tracks/{sample}/{track}/artifact.json" for sample in samples for track in arms[arm].tracks]


def locate_examples(arm, dataset, sample, wildcards):
    """A dataset directory of windows on the diagonal, of the fold and of the reads that the seed draws."""
    low = plan.drawn(config, sample, arms[arm].degradation, int(wildcards.seed))
    return f"<results>/examples/{dataset}/{low}/{sample}/fold-{wildcards.fold}/artifact.json"


def get_examples(wildcards):
    """Dataset directories an arm is trained on, one per sample; nothing for a task on windows about pairs."""
    arm = arms[wildcards.arm]
    if not plan.task_of(arm).whole_maps:
        return []
    own = [locate_examples(arm.name, arm.dataset, sample, wildcards) for sample in arm.samples]
    return own + [f"{folder}/artifact.json" for folder in arm.also]


def get_drawn_maps(wildcards):
    """Deep maps whose reads an arm's training draws anew; nothing for other tasks."""
    arm = arms[wildcards.arm]
    if not plan.task_of(arm).draws:
        return []
    own = [f"<results>/contacts/{sample}/deep/map.cool" for sample in arm.samples]
    return own + [plan.deep_map_of(folder) for folder in arm.also]


def get_pairs(arm, samples, fold):
    """Windows about pairs of an arm, a folder per sample; nothing for a task on whole maps."""
    if plan.task_of(arms[arm]).whole_maps:
        return []
    return [f"<results>/pairs/{arms[arm].dataset}/{sample}/fold-{fold}/artifact.json" for sample in samples]


def get_bands(arm, samples):
    """Bands of the maps that an arm's windows are cut from; nothing for a task on whole maps."""
    return [] if plan.task_of(arms[arm]).whole_maps else [f"<results>/bands/{name}/artifact.json" for name in samples]


def get_low_map(wildcards):
    """The degraded map an arm reads; nothing for an arm that reads none."""
    arm = arms[wildcards.arm]
    reads = "map" in plan.traits_of(arm).inputs
    low = plan.drawn(config, wildcards.sample, arm.degradation, int(wildcards.seed))
    return [f"<results>/contacts/{wildcards.sample}/{low}/map.cool"] if reads else []


def get_statistics(wildcards):
    """The data set an arm without a model takes its scale from; a model carries its own."""
    if get_weights(wildcards):
        return []
    arm = arms[wildcards.arm]
    record = locate_examples(arm.name, arm.dataset, wildcards.sample, wildcards)
    return [f"{Path(record).parent}/statistics.json"]


def get_scored_examples(wildcards):
    """The data set that windows of an arm are scored on; nothing for a task on windows about pairs."""
    if not plan.task_of(arms[wildcards.arm]).whole_maps:
        return []
    return [locate_examples(wildcards.arm, wildcards.dataset, wildcards.sample, wildcards)]


def get_window_scoring(wildcards):
    """How windows of whole maps are scored; nothing for a task on windows about pairs."""
    return config["evaluate"]["scoring"] if plan.task_of(arms[wildcards.arm]).whole_maps else None


def locate_scores(scored, file="scores.tsv"):
    """A file of the scores of an arm on a sample (`plan.Scored`)."""
    run = f"{scored.arm}/fold-{scored.fold}/seed-{scored.seed}"
    return f"<results>/scores/{scored.dataset}/{run}/{scored.sample}/{file}"


def locate_loops(search):
    """The folder of the loops that an arm finds on whole test chromosomes (`plan.searched`)."""
    return f"<results>/loops/{search.arm}/fold-{search.fold}/seed-{search.seed}/{search.sample}"


def get_all_models(wildcards):
    return [
        f"<results>/models/{run.arm}/fold-{run.fold}/seed-{run.seed}/artifact.json"
        for run in plan.runs(config, arms)
        if run.arm in [*TRAINED, *FITTED, *IMPORTED]
    ]


def get_all_metrics(wildcards):
    return [
        f"<results>/metrics/{run.degradation}/{run.arm}/fold-{run.fold}/seed-{run.seed}/{run.sample}/artifact.json"
        for run in EVALUATIONS
    ]


def get_prediction(evaluation):
    """The predicted map of an evaluation."""
    run = f"{evaluation.arm}/fold-{evaluation.fold}/seed-{evaluation.seed}"
    return f"<results>/predictions/{run}/{evaluation.sample}/map.cool"


def locate_windows(scored):
    """The file of the test windows that are kept of a model for figures (`plan.Scored`)."""
    run = f"{scored.arm}/fold-{scored.fold}/seed-{scored.seed}"
    return f"{RESULTS}/windows/{scored.dataset}/{run}/{scored.sample}/windows.npz"


def histories_of(runs):
    """Training histories of some runs (`plan.Run`), as parameters: arm, fold, seed and path; of arms that have one."""
    return [
        {**run._asdict(), "path": f"{RESULTS}/models/{run.arm}/fold-{run.fold}/seed-{run.seed}/history.csv"}
        for run in runs
        if run.arm in TRAINED
    ]


def histories_on_first_fold(names):
    """Training histories of every seed of some arms, on the first fold of each."""
    return histories_of(plan.Run(name, arms[name].folds[0], seed) for name in names for seed in arms[name].seeds)


# Labels with the arms that this experiment uses; a label without any is left out.
DEPTH = {
    kind: {label: used for label, names in labels.items() if (used := [name for name in names if name in arms])}
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
