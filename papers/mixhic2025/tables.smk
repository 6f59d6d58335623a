# MIX-HIC: the paper's tables and figures, which run beats another, the section of the page.


rule mixhic2025_table:
    input:
        tables=lambda wildcards: get_mixhic2025_table_inputs(wildcards.table),
        predictions=lambda wildcards: [row["path"] for row in get_mixhic2025_predictions(wildcards.table)],
        negatives=lambda wildcards: get_mixhic2025_negatives(wildcards.table),
        published=shipped("papers/mixhic2025/published.tsv"),
    output:
        report(
            multiext(
                "<results>/tables/mixhic2025_table{table}",
                ".tsv",
                ".md",
                ".tex",
            ),
            caption="caption.rst",
            category="Yang et al. 2025",
        ),
        "<results>/tables/mixhic2025_table{table}.artifact.json",
    log:
        "<logs>/mixhic2025_table{table}.log",
    benchmark:
        "<benchmarks>/mixhic2025_table{table}.jsonl"
    wildcard_constraints:
        table="[1234]|s2",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
    params:
        rows=lambda wildcards: MIXHIC2025.get(f"table{wildcards.table}", {}),
        against=lambda wildcards: get_mixhic2025_against(wildcards.table),
        predictions=lambda wildcards: get_mixhic2025_predictions(wildcards.table),
        maps={name: sample["contacts"] for name, sample in config["samples"].items() if "loops" in sample},
        pretraining=sorted({name for arm in arms.values() if arm.task == "pretraining" for name in arm.samples}),
        code=code_version("papers/mixhic2025/table.py"),
    script:
        "table.py"


# Scores of every run, those of other systems too, and the numbers of pairs before and after the filters.
rule mixhic2025:
    input:
        get_mixhic2025_scores,
        get_mixhic2025_counts,
    localrule: True


rule mixhic2025_tables:
    input:
        collect("<results>/tables/mixhic2025_table{table}.md", table=[1, 2, 3, 4, "s2"]),
    localrule: True


rule mixhic2025_draw:
    input:
        scores=get_mixhic2025_scores_of(MIXHIC2025_FIGURES),
        searches=[f"{search['path']}/artifact.json" for search in get_mixhic2025_searches()],
        bands=get_mixhic2025_maps,
        regions=get_mixhic2025_regions,
        seen=get_mixhic2025_seen,
    output:
        "<results>/mixhic2025/figures/artifact.json",
        report(
            collect("<results>/mixhic2025/figures/{name}.svg", name=MIXHIC2025_FIGURES),
            caption="caption.rst",
            category="Yang et al. 2025",
        ),
        collect("<results>/mixhic2025/figures/{name}.png", name=MIXHIC2025_FIGURES),
    log:
        "<logs>/mixhic2025_draw.log",
    benchmark:
        "<benchmarks>/mixhic2025_draw.jsonl"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
    params:
        shown=MIXHIC2025,
        searches=get_mixhic2025_searches,
        tolerance_bins=lookup("pairs/search/tolerance_bins", within=config),
        max_loop_bins=lookup("pairs/max_loop_bins", within=config),
        bin_bp=lookup("geometry/bin_bp", within=config),
        rename=lookup("pairs/rename", within=config),
        code=code_version("papers/mixhic2025/draw.py"),
    script:
        "draw.py"


rule mixhic2025_comparisons:
    input:
        predictions=[row["path"] for row in get_mixhic2025_compared()],
    output:
        report(
            multiext(
                "<results>/tables/mixhic2025_comparisons",
                ".tsv",
                ".md",
                ".tex",
            ),
            caption="caption.rst",
            category="Yang et al. 2025",
        ),
        "<results>/tables/mixhic2025_comparisons.artifact.json",
    log:
        "<logs>/mixhic2025_comparisons.log",
    benchmark:
        "<benchmarks>/mixhic2025_comparisons.jsonl"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
    params:
        comparisons=MIXHIC2025_COMPARED,
        predictions=get_mixhic2025_compared,
        code=code_version("papers/mixhic2025/comparisons.py"),
    script:
        "comparisons.py"


# The comparisons come along, because they are the differences of what the figures draw side by side.
rule mixhic2025_figures:
    input:
        "<results>/mixhic2025/figures/artifact.json",
        ["<results>/tables/mixhic2025_comparisons.md"] if MIXHIC2025_COMPARED else [],
    localrule: True


rule mixhic2025_section:
    input:
        tables=MIXHIC2025_ON_PAGE,
        comparisons=MIXHIC2025_COMPARED_ON_PAGE,
    output:
        "<results>/papers/mixhic2025/artifact.json",
        "<results>/papers/mixhic2025/section.json",
    log:
        "<logs>/mixhic2025_section.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code_version("papers/mixhic2025/section.py"),
    script:
        "section.py"
