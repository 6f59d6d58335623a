# What targets for all of a kind ask for: all data, all scores.


def get_all_scores(wildcards):
    """Scores and loops of the arms on windows about pairs that no paper's tables have to ask for."""
    names = [name for name, arm in arms.items() if not plan.task_of(arm).whole_maps and not arm.on_demand]
    scores = [locate_scores(scored) for scored in plan.scored(arms, names)]
    loops = [f"{locate_loops(search)}/validation.tsv" for search in plan.searched(arms, names)]
    return scores + loops


def get_all_examples(wildcards):
    return [
        f"<results>/examples/{dataset}/{degradation}/{sample}/fold-{fold}/artifact.json"
        for dataset in plan.datasets(config, {name: arms[name] for name in WHOLE_MAPS})
        for degradation in config["degradations"]
        for sample in config["samples"]
        for fold, split in config["splits"].items()
        if not split.get("on_demand")
    ]


def get_all_tracks(wildcards):
    return [f"<results>/tracks/{sample}/{track}/artifact.json" for sample in TRACKS for track in TRACKS[sample]]
