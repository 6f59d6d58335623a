# Kriukov et al. 2021: what its tables, figures and section are made of.

from trifold.papers import rows

KRIUKOV2021 = rows.used(config, "kriukov2021")


def get_kriukov2021_rows(table):
    """Row of the paper's table -> arms; of Table III, arms and the fold."""
    return KRIUKOV2021.get(f"table{table}", {})


def get_kriukov2021_scores(table):
    """Scores of the windows behind a table."""
    rows = get_kriukov2021_rows(table)
    scored = [
        evaluation
        for row in rows.values()
        for evaluation in (plan.scored(arms, row["arms"], row["fold"]) if table == "3" else plan.scored(arms, row))
    ]
    return [locate_scores(evaluation) for evaluation in scored]


def get_kriukov2021_windows(wildcards):
    """Arm of the figures -> its kept windows, of its first fold, seed and sample."""
    chosen = KRIUKOV2021["figures"]
    names = dict.fromkeys([*chosen["sequence"], *chosen["maps"], *chosen["zeroed"]])
    return {name: locate_windows(plan.scored(arms, [name])[0]) for name in names}


def get_kriukov2021_histories(wildcards):
    """Training histories of every seed of the two arms of Figure 8, on their first fold."""
    return [
        {"arm": name, "seed": seed, "path": f"{RESULTS}/models/{name}/fold-{fold}/seed-{seed}/history.csv"}
        for name in KRIUKOV2021["figures"]["preheated"]
        for fold in arms[name].folds[:1]
        for seed in arms[name].seeds
    ]


# Figure 5 shows several windows of an arm; figures 6 and 7 show the first alone.
KEPT_WINDOWS.update(
    {name: KRIUKOV2021["figures"]["windows"] for name in KRIUKOV2021.get("figures", {}).get("sequence", ())}
)
# Tables I and II are on the page where the experiment has arms for them.
KRIUKOV2021_ON_PAGE = [
    f"<results>/tables/kriukov2021_table{table}.tsv" for table in "12" if get_kriukov2021_rows(table)
]
if KRIUKOV2021_ON_PAGE:
    SECTIONS.append("<results>/papers/kriukov2021/section.json")
