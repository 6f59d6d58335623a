# Loops and boundaries of enhanced maps: found, missed, invented (docs/yardstick.md). Jobs are there for the samples of
# the section `structure` alone.

if STRUCTURES:
    SECTIONS.append("<results>/structure/summary/section.json")

CALLS = ["artifact.json", "loops.tsv", "boundaries.tsv", "insulation.tsv"]


rule call_structure:
    input:
        deep=get_target,
        low="<results>/contacts/{sample}/{degradation}/map.cool",
        truth=get_truth,
        planted=get_planted,
        sequence=N_BINS,
        regions="<results>/splits/{fold}/regions.bed",
        program=lambda wildcards: files_of_program(plan.loop_caller()),
        environment=lambda wildcards: environment_of_program(plan.loop_caller()),
    output:
        collect(
            "<results>/structure/{{degradation}}/maps/fold-{{fold}}/{{sample}}/{file}",
            file=[*CALLS, "structure.tsv", "stretches.tsv"],
        ),
    log:
        "<logs>/call_structure/{degradation}/fold-{fold}/{sample}.log",
    benchmark:
        "<benchmarks>/call_structure/{degradation}/fold-{fold}/{sample}.jsonl"
    conda:
        "../envs/data.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        call=get_caller,
        settings=plan.structure_of(config),
        labels=get_call_labels,
        edge_bins=lookup("evaluate/scoring/edge_bins", within=config),
        truth=lambda wildcards: get_truth_group(wildcards.sample),
        code=code_version("call_structure.py"),
    script:
        "../workflow_scripts/call_structure.py"


rule structure:
    input:
        prediction="<results>/predictions/{arm}/fold-{fold}/seed-{seed}/{sample}/map.cool",
        deep=get_target,
        low=lambda wildcards: f"<results>/contacts/{wildcards.sample}/{get_drawn(wildcards)}/map.cool",
        references=lambda wildcards: locate_called(get_drawn(wildcards), wildcards.fold, wildcards.sample),
        planted=get_planted,
        sequence=N_BINS,
        regions="<results>/splits/{fold}/regions.bed",
        program=lambda wildcards: files_of_program(plan.loop_caller()),
        environment=lambda wildcards: environment_of_program(plan.loop_caller()),
    output:
        collect(
            "<results>/structure/{{degradation}}/arms/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=[*CALLS, "structure.tsv", "stretches.tsv"],
        ),
    log:
        "<logs>/structure/{degradation}/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/structure/{degradation}/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    conda:
        "../envs/data.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        call=get_caller,
        settings=plan.structure_of(config),
        edge_bins=lookup("evaluate/scoring/edge_bins", within=config),
        code=code_version("structure.py"),
    script:
        "../workflow_scripts/structure.py"


rule structure_tables:
    input:
        maps=list(dict.fromkeys(map(locate_references, STRUCTURES))),
        arms=list(map(locate_structure, STRUCTURES)),
        predictions=[get_prediction(evaluation) for evaluation in SHOWN_STRUCTURES],
        called=[locate_structure(evaluation) for evaluation in SHOWN_STRUCTURES],
        known=[locate_references(evaluation) for evaluation in SHOWN_STRUCTURES],
        deep=[locate_target(evaluation.sample, drawn_by(evaluation)) for evaluation in SHOWN_STRUCTURES],
        low=[
            f"<results>/contacts/{evaluation.sample}/{drawn_by(evaluation)}/map.cool"
            for evaluation in SHOWN_STRUCTURES
        ],
    output:
        "<results>/structure/summary/artifact.json",
        "<results>/structure/summary/section.json",
        report(
            collect(
                "<results>/structure/summary/maps-{panel}.svg",
                panel=list(dict.fromkeys(f"{shown.degradation}-{shown.sample}" for shown in SHOWN_STRUCTURES)),
            ),
            caption="../resources/report/structure.rst",
            category="Structure",
        ),
        report(
            "<results>/tables/structure.tsv",
            caption="../resources/report/structure.rst",
            category="Structure",
        ),
        "<results>/tables/structure_comparison.tsv",
        "<results>/tables/structure.artifact.json",
    log:
        "<logs>/structure_tables.log",
    benchmark:
        "<benchmarks>/structure_tables.jsonl"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        arms=WHOLE_MAPS,
        shown=SHOWN_STRUCTURES,
        settings=plan.structure_of(config),
        code=code_version("structure_tables.py"),
    script:
        "../workflow_scripts/structure_tables.py"
