# Tables and figures of Kriukov et al. 2021: models scored on the windows of their data sets.


include: "inputs.smk"


rule kriukov2021_table:
    input:
        scores=lambda wildcards: get_kriukov2021_scores(wildcards.table),
        published=shipped("papers/kriukov2021/published.tsv"),
    output:
        report(
            multiext(
                "<results>/tables/kriukov2021_table{table}",
                ".tsv",
                ".md",
                ".tex",
            ),
            caption="caption.rst",
            category="Kriukov et al. 2021",
        ),
        "<results>/tables/kriukov2021_table{table}.artifact.json",
    log:
        "<logs>/kriukov2021_table{table}.log",
    benchmark:
        "<benchmarks>/kriukov2021_table{table}.jsonl"
    wildcard_constraints:
        table="[123]",
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        rows=lambda wildcards: get_kriukov2021_rows(wildcards.table),
        code=code_version("papers/kriukov2021/table.py"),
    script:
        "table.py"


rule kriukov2021_tables:
    input:
        collect("<results>/tables/kriukov2021_table{table}.md", table=[1, 2, 3]),
    localrule: True


rule kriukov2021_draw:
    input:
        windows=lambda wildcards: list(get_kriukov2021_windows(wildcards).values()),
        histories=[history["path"] for history in KRIUKOV2021_HISTORIES],
    output:
        report(
            collect("<results>/kriukov2021/{figure}.{suffix}", figure=KRIUKOV2021_FIGURES, suffix=["svg", "png"]),
            caption="caption.rst",
            category="Kriukov et al. 2021",
        ),
        "<results>/kriukov2021/artifact.json",
    log:
        "<logs>/kriukov2021_draw.log",
    benchmark:
        "<benchmarks>/kriukov2021_draw.jsonl"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
    params:
        arms=WHOLE_MAPS,
        figures=KRIUKOV2021_SHOWN,
        windows=get_kriukov2021_windows,
        histories=KRIUKOV2021_HISTORIES,
        clip=lookup("recipes/corrected/oe/clip", within=config),
        code=code_version("papers/kriukov2021/draw.py"),
    script:
        "draw.py"


rule kriukov2021_figures:
    input:
        collect("<results>/kriukov2021/{figure}.svg", figure=KRIUKOV2021_FIGURES),
    localrule: True


rule kriukov2021_section:
    input:
        tables=KRIUKOV2021_ON_PAGE,
    output:
        "<results>/papers/kriukov2021/artifact.json",
        "<results>/papers/kriukov2021/section.json",
    log:
        "<logs>/kriukov2021_section.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code_version("papers/kriukov2021/section.py"),
    script:
        "section.py"
