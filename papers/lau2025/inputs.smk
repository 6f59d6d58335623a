# Lau 2025: what its table, figure and section are made of.

from trifold.papers import rows

LAU2025 = rows.used(config, "lau2025")


def get_lau2025_scores(wildcards):
    """Scores of the windows behind Table 1."""
    rows = LAU2025.get("table1", {}).values()
    return [locate_scores(evaluation) for row in rows for evaluation in plan.scored(arms, row)]


def get_lau2025_histories(wildcards):
    """Training histories of every seed of the arms of Figure 1, on their first fold."""
    return [
        {"arm": name, "seed": seed, "path": f"{RESULTS}/models/{name}/fold-{fold}/seed-{seed}/history.csv"}
        for names in LAU2025.get("figure1", {}).values()
        for name in names
        if name in TRAINED
        for fold in arms[name].folds[:1]
        for seed in arms[name].seeds
    ]


# Table 1 is on the page, where the experiment fine-tunes.
LAU2025_ON_PAGE = ["<results>/tables/lau2025_table1.tsv"] if get_lau2025_histories(None) else []
if LAU2025_ON_PAGE:
    SECTIONS.append("<results>/papers/lau2025/section.json")
