# MIX-HIC (docs/mixhic2025.md): what the tables, figures and comparisons of the paper are made of.

from trifold.papers.mixhic2025 import rows as mixhic2025_rows

try:
    MIXHIC2025 = mixhic2025_rows.shown(config["mixhic2025"], arms)
    MIXHIC2025_AGAINST = mixhic2025_rows.against(config["mixhic2025"], MIXHIC2025)
    MIXHIC2025_COMPARED = [comparison._asdict() for comparison in mixhic2025_rows.compared(config["mixhic2025"], arms)]
except InputError as error:
    raise WorkflowError(str(error)) from None

# Figures that the experiment has arms for.
MIXHIC2025_FIGURES = [
    *(["figure3", "figures1"] if MIXHIC2025["tables2"] else []),
    *[name for name, shown in MIXHIC2025.items() if name.startswith("figure") and shown],
]


def _mixhic2025_arms(names):
    """Arms of some tables and figures, in the order of the experiment."""
    named = {arm for name in names for shown in MIXHIC2025.get(name, {}).values() for arm in shown}
    return [arm for arm in arms if arm in named]


def get_mixhic2025_scores_of(names):
    """Scores behind some tables and figures, those of other systems too."""
    chosen = _mixhic2025_arms(names)
    computed = [locate_scores(evaluation) for evaluation in plan.scored(arms, chosen)]
    return computed + [locate(arms[name].scores) for name in chosen if arms[name].scores]


def get_mixhic2025_scores(wildcards):
    """Scores of every arm on windows about pairs, those of other systems too."""
    chosen = [name for name, arm in arms.items() if not plan.task_of(arm).whole_maps and plan.task_of(arm).scoring]
    computed = [locate_scores(evaluation) for evaluation in plan.scored(arms, chosen)]
    return computed + [locate(arms[name].scores) for name in chosen if arms[name].scores]


def _mixhic2025_predictions(chosen):
    """Predictions of some arms: run, fold, seed, sample and the path of predictions.npz."""
    return [
        {
            "run": evaluation.arm,
            "fold": evaluation.fold,
            "seed": evaluation.seed,
            "sample": evaluation.sample,
            "path": locate_scores(evaluation, "predictions.npz").replace("<results>", RESULTS),
        }
        for evaluation in plan.scored(arms, chosen)
    ]


def get_mixhic2025_predictions(table):
    """Predictions behind a table's differences."""
    return _mixhic2025_predictions(_mixhic2025_arms([f"table{table}"])) if get_mixhic2025_against(table) else []


def get_mixhic2025_compared(wildcards=None):
    """Predictions behind the comparisons."""
    needed = {
        (comparison[side], comparison["sample"]) for comparison in MIXHIC2025_COMPARED for side in ("run", "against")
    }
    predictions = _mixhic2025_predictions([name for name in arms if name in {arm for arm, _ in needed}])
    return [prediction for prediction in predictions if (prediction["run"], prediction["sample"]) in needed]


def get_mixhic2025_against(table):
    """The row that the others of a table are held against, where there is one."""
    return MIXHIC2025_AGAINST.get(f"table{table}")


def get_mixhic2025_searches(wildcards=None):
    """Whole-chromosome loops of every arm of Table S2: run, seed, sample and the folder."""
    return [
        {
            "run": search.arm,
            "seed": search.seed,
            "sample": search.sample,
            "path": locate_loops(search).replace("<results>", RESULTS),
        }
        for search in plan.searched(arms, _mixhic2025_arms(["tables2"]))
    ]


def get_mixhic2025_counts(wildcards=None):
    """Numbers of pairs and windows before and after the filters, of every sample as its arms read it."""
    return [
        f"<results>/pairs/{dataset}/{sample}/fold-{fold}/counts.tsv"
        for dataset, sample, fold in mixhic2025_rows.samples_read(arms)
    ]


def get_mixhic2025_negatives(table):
    """What distance alone tells of the negatives of Table 3, of every data set that its arms are tested on."""
    tested = plan.scored(arms, _mixhic2025_arms(["table3"])) if table == "3" else []
    return [
        f"<results>/pairs/{dataset}/{sample}/fold-{fold}/negatives.tsv"
        for dataset, sample, fold in sorted({(row.dataset, row.sample, row.fold) for row in tested})
    ]


def get_mixhic2025_table_inputs(table):
    """What a table is made of: scores; numbers of pairs (Table 1); loops of whole chromosomes (Table S2)."""
    if table == "1":
        return get_mixhic2025_counts()
    if table == "s2":
        return [f"{search['path']}/validation.tsv" for search in get_mixhic2025_searches()]
    return get_mixhic2025_scores_of([f"table{table}"])


def get_mixhic2025_regions(wildcards):
    """Regions of the fold whose test chromosomes Figure S1 shows."""
    first = _mixhic2025_arms(["tables2"])[:1]
    return [f"<results>/splits/{arms[name].folds[0]}/regions.bed" for name in first]


def get_mixhic2025_maps(wildcards):
    """Bands of the sample that Figure S1 shows."""
    return [f"<results>/bands/{search['sample']}/artifact.json" for search in get_mixhic2025_searches()[:1]]


def get_mixhic2025_seen(wildcards):
    """ChIA-PET loops of the sample that Figure S1 shows."""
    samples = [search["sample"] for search in get_mixhic2025_searches()[:1]]
    return [path for sample in samples for path in locate_all(config["samples"][sample]["loops"])]


# Tables that the config puts on the page and that have rows, then the comparisons.
MIXHIC2025_ON_PAGE = [
    f"<results>/tables/mixhic2025_{name}.tsv" for name in config["mixhic2025"]["page"] if MIXHIC2025.get(name)
]
MIXHIC2025_COMPARED_ON_PAGE = (
    ["<results>/tables/mixhic2025_comparisons.tsv"]
    if "comparisons" in config["mixhic2025"]["page"] and MIXHIC2025_COMPARED
    else []
)
if MIXHIC2025_ON_PAGE or MIXHIC2025_COMPARED_ON_PAGE:
    SECTIONS.append("<results>/papers/mixhic2025/section.json")
