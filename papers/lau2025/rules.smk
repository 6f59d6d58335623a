# Table 1 and figure 1 of Lau 2025, made of the scores that the rule `score` writes.


include: "inputs.smk"


rule lau2025_table:
    input:
        scores=get_lau2025_scores,
        published=shipped("papers/lau2025/published.tsv"),
    output:
        report(
            multiext(
                "<results>/tables/lau2025_table1",
                ".tsv",
                ".md",
                ".tex",
            ),
            caption="caption.rst",
            category="Lau 2025",
        ),
        "<results>/tables/lau2025_gains.tsv",
        "<results>/tables/lau2025_table1.artifact.json",
    log:
        "<logs>/lau2025_table1.log",
    benchmark:
        "<benchmarks>/lau2025_table1.jsonl"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        rows=LAU2025.get("table1", {}),
        differences=LAU2025.get("differences", {}),
        code=code_version("papers/lau2025/table.py"),
    script:
        "table.py"


rule lau2025_tables:
    input:
        "<results>/tables/lau2025_table1.md",
    localrule: True


rule lau2025_draw:
    input:
        histories=[history["path"] for history in LAU2025_HISTORIES],
    output:
        report(
            multiext(
                "<results>/lau2025/figure1",
                ".svg",
                ".png",
            ),
            caption="caption.rst",
            category="Lau 2025",
        ),
        "<results>/lau2025/artifact.json",
    log:
        "<logs>/lau2025_draw.log",
    benchmark:
        "<benchmarks>/lau2025_draw.jsonl"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        arms=WHOLE_MAPS,
        panels=LAU2025.get("figure1", {}),
        histories=LAU2025_HISTORIES,
        code=code_version("papers/lau2025/draw.py"),
    script:
        "draw.py"


rule lau2025_figures:
    input:
        "<results>/lau2025/figure1.svg",
    localrule: True


rule lau2025_section:
    input:
        tables=LAU2025_ON_PAGE,
    output:
        "<results>/papers/lau2025/artifact.json",
        "<results>/papers/lau2025/section.json",
    log:
        "<logs>/lau2025_section.log",
    localrule: True
    conda:
        "../../envs/report.yaml"
    params:
        code=code_version("papers/lau2025/section.py"),
    script:
        "section.py"
