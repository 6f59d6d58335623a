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


# Arms of each figure; a figure that the experiment has no arms for is not drawn. Figure 8 compares the training of two.
KRIUKOV2021_SHOWN = KRIUKOV2021.get("figures", {})
if len(set(KRIUKOV2021_SHOWN.get("preheated", ())) & set(TRAINED)) < 2:
    KRIUKOV2021_SHOWN.pop("preheated", None)
KRIUKOV2021_FIGURES = [
    f"figure{number}"
    for number, shown in enumerate(("sequence", "maps", "zeroed", "preheated"), 5)
    if KRIUKOV2021_SHOWN.get(shown)
]
KRIUKOV2021_HISTORIES = histories_on_first_fold(KRIUKOV2021_SHOWN.get("preheated", ()))


def get_kriukov2021_windows(wildcards):
    """Arm of the figures -> its kept windows, of its first fold, seed and sample."""
    names = [name for shown in ("sequence", "maps", "zeroed") for name in KRIUKOV2021_SHOWN.get(shown, ())]
    return {name: locate_windows(plan.scored(arms, [name])[0]) for name in names}


# Figure 5 shows several windows of an arm; figures 6 and 7 show the first alone.
for name in KRIUKOV2021_SHOWN.get("sequence", ()):
    KEPT_WINDOWS[name] = max(KRIUKOV2021_SHOWN["windows"], KEPT_WINDOWS.get(name, 1))
# Tables I and II are on the page where the experiment has arms for them.
KRIUKOV2021_ON_PAGE = [
    f"<results>/tables/kriukov2021_table{table}.tsv" for table in "12" if get_kriukov2021_rows(table)
]
if KRIUKOV2021_ON_PAGE:
    SECTIONS.append("<results>/papers/kriukov2021/section.json")
