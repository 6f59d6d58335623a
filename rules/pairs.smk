# Windows about pairs of bins: the bands of a map they are cut from, and which pairs there are.


rule bands:
    input:
        map="<results>/contacts/{sample}/deep/map.cool",
    output:
        "<results>/bands/{sample}/artifact.json",
        "<results>/bands/{sample}/chromosomes.tsv",
    log:
        "<logs>/bands/{sample}.log",
    benchmark:
        "<benchmarks>/bands/{sample}.jsonl"
    # Started early: trainings wait for this rule.
    priority: 1
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        settings=lambda wildcards: {name: config["pairs"][name] for name in ("band_bins", "exclude", "clip")},
        code=code_version("bands.py"),
    script:
        "../workflow_scripts/bands.py"


rule pairs:
    input:
        bands="<results>/bands/{sample}/artifact.json",
        regions="<results>/splits/{fold}/regions.bed",
        loops=lambda wildcards: locate_all(config["samples"][wildcards.sample].get("loops", [])),
        tss=lambda wildcards: locate_all(config["genome"].get("tss", [])),
        expression=get_expression,
    output:
        "<results>/pairs/{dataset}/{sample}/fold-{fold}/artifact.json",
        "<results>/pairs/{dataset}/{sample}/fold-{fold}/pairs.tsv",
        "<results>/pairs/{dataset}/{sample}/fold-{fold}/matched.tsv",
        "<results>/pairs/{dataset}/{sample}/fold-{fold}/negatives.tsv",
        "<results>/pairs/{dataset}/{sample}/fold-{fold}/counts.tsv",
        "<results>/pairs/{dataset}/{sample}/fold-{fold}/summary.json",
    log:
        "<logs>/pairs/{dataset}/{sample}/fold-{fold}.log",
    benchmark:
        "<benchmarks>/pairs/{dataset}/{sample}/fold-{fold}.jsonl"
    priority: 1
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        dataset=lambda wildcards: DATASETS[wildcards.dataset],
        bin_bp=lookup("geometry/bin_bp", within=config),
        rename=lookup("pairs/rename", within=config),
        settings=lambda wildcards: {name: config["pairs"][name] for name in ("max_loop_bins", "seed")},
        code=code_version("pairs.py"),
    script:
        "../workflow_scripts/pairs.py"


# Loops of whole test chromosomes, found by an arm of the task `loop`.
rule search_loops:
    input:
        model=get_weights,
        map="<results>/contacts/{sample}/deep/map.cool",
        bands=lambda wildcards: get_bands(wildcards.arm, [wildcards.sample]),
        tracks=lambda wildcards: get_tracks(wildcards.arm, [wildcards.sample]),
        sequence=lambda wildcards: get_sequence(wildcards.arm),
        regions="<results>/splits/{fold}/regions.bed",
        seen=lambda wildcards: locate_all(config["samples"][wildcards.sample].get("loops", [])),
    output:
        collect(
            "<results>/loops/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "loops.bedpe", "validation.tsv"],
        ),
    log:
        "<logs>/search_loops/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/search_loops/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    wildcard_constraints:
        arm="|".join(name for name, arm in arms.items() if plan.task_of(arm).searched and name not in PROGRAM_LOOPS)
        or "none",
    conda:
        "../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(16),
        runtime=hours(24),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        arm=lambda wildcards: unplaced(arms[wildcards.arm]),
        model=lambda wildcards: MODELS[wildcards.arm],
        geometry=lambda wildcards: plan.geometry_of(config, arms[wildcards.arm]),
        max_loop_bins=lookup("pairs/max_loop_bins", within=config),
        settings=lookup("pairs/search", within=config),
        rename=lookup("pairs/rename", within=config),
        accelerator=unrecorded(config["accelerator"]),
        code=lambda wildcards: code_version("search_loops.py", *plan.networks_of(arms, wildcards.arm)),
    script:
        "../workflow_scripts/search_loops.py"
