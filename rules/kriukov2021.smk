# The tables and figures of Kriukov et al. 2021: models scored on the windows of their data sets.


rule score:
    input:
        model=get_weights,
        examples=get_scored_examples,
        sequence=lambda wildcards: get_sequence(wildcards.arm),
        tracks=lambda wildcards: get_tracks(wildcards.arm, [wildcards.sample]),
    output:
        collect(
            "<results>/scores/{{protocol}}/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "scores.tsv"],
        ),
    log:
        "<logs>/score/{protocol}/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/score/{protocol}/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    conda:
        "../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        arm=lambda wildcards: MODELS[wildcards.arm],
        geometry=lookup("geometry", within=config),
        scoring=lookup("evaluate/scoring", within=config),
        batch_size=lookup("predict/batch_size", within=config),
        accelerator=unrecorded(config["accelerator"]),
        code=lambda wildcards: code_version("score.py", *plan.networks_of(config, wildcards.arm)),
    script:
        "../workflow_scripts/score.py"


rule kriukov2021_table:
    input:
        scores=lambda wildcards: get_kriukov2021_scores(wildcards.table),
        published=shipped("resources/published/kriukov2021.tsv"),
    output:
        report(
            multiext(
                "<results>/tables/kriukov2021_table{table}",
                ".tsv",
                ".md",
                ".tex",
            ),
            caption="../resources/report/kriukov2021.rst",
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
        "../envs/report.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        rows=lambda wildcards: get_kriukov2021_rows(wildcards.table),
        code=code_version("kriukov2021_table.py"),
    script:
        "../workflow_scripts/kriukov2021_table.py"


rule kriukov2021_tables:
    input:
        collect("<results>/tables/kriukov2021_table{table}.md", table=[1, 2, 3]),
    localrule: True


rule kriukov2021_draw:
    input:
        models=get_kriukov2021_models,
        histories=lambda wildcards: [row["path"] for row in get_kriukov2021_histories(wildcards)],
        examples=get_kriukov2021_examples,
        sequence="<results>/sequence/artifact.json",
    output:
        report(
            multiext(
                "<results>/kriukov2021/figure",
                *[f"{number}.{suffix}" for number in (5, 6, 7, 8) for suffix in ("svg", "png")],
            ),
            caption="../resources/report/kriukov2021.rst",
            category="Kriukov et al. 2021",
        ),
        "<results>/kriukov2021/artifact.json",
    log:
        "<logs>/kriukov2021_draw.log",
    benchmark:
        "<benchmarks>/kriukov2021_draw.jsonl"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
    params:
        arms=MODELS,
        figures=KRIUKOV2021.get("figures", {}),
        folders=get_kriukov2021_folders,
        histories=get_kriukov2021_histories,
        geometry=lookup("geometry", within=config),
        clip=lookup("recipes/corrected/oe/clip", within=config),
        code=lambda wildcards: code_version("kriukov2021_draw.py", *get_kriukov2021_networks(wildcards)),
    script:
        "../workflow_scripts/kriukov2021_draw.py"


rule kriukov2021_figures:
    input:
        collect("<results>/kriukov2021/figure{number}.svg", number=[5, 6, 7, 8]),
    localrule: True
