# Lau 2025: what its table, figure and section are made of.

from trifold.papers import rows

try:
    LAU2025 = rows.used(config, "lau2025")
except InputError as error:
    raise WorkflowError(str(error)) from None


def get_lau2025_scores(wildcards):
    """Scores of the windows behind Table 1."""
    rows = LAU2025.get("table1", {}).values()
    return [locate_scores(evaluation) for row in rows for evaluation in plan.scored(arms, row)]


# Of the arms of Figure 1.
LAU2025_HISTORIES = histories_on_first_fold(name for names in LAU2025.get("figure1", {}).values() for name in names)
# Table 1 is on the page, where the experiment fine-tunes.
LAU2025_ON_PAGE = ["<results>/tables/lau2025_table1.tsv"] if LAU2025_HISTORIES else []
if LAU2025_ON_PAGE:
    SECTIONS.append("<results>/papers/lau2025/section.json")
