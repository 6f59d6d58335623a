# MIX-HIC (docs/mixhic2025.md): what the section asks for, and what its rules read.

from trifold import plan_mixhic2025

try:
    MIXHIC2025 = plan_mixhic2025.resolve(config)
    MORE_DATA.extend(plan_mixhic2025.data(config, MIXHIC2025))
    checks.check_files(plan_mixhic2025.data(config, MIXHIC2025), DOWNLOADED)
except InputError as error:
    raise WorkflowError(str(error)) from None

TRAININGS.update(run=MIXHIC2025["runs"], pretraining=MIXHIC2025["pretrainings"])


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


# Tables of scores that are on the page and have rows, then the comparisons.
MIXHIC2025_ON_PAGE = [
    f"<results>/tables/mixhic2025_{name}.tsv" for name in config["mixhic2025"]["page"] if MIXHIC2025_SHOWN.get(name)
]
MIXHIC2025_COMPARED_ON_PAGE = (
    ["<results>/tables/mixhic2025_comparisons.tsv"]
    if "comparisons" in config["mixhic2025"]["page"] and MIXHIC2025_COMPARED
    else []
)
if MIXHIC2025_ON_PAGE or MIXHIC2025_COMPARED_ON_PAGE:
    SECTIONS.append("<results>/papers/mixhic2025/section.json")
