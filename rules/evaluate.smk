rule evaluate:
    input:
        prediction="<results>/predictions/{arm}/fold-{fold}/seed-{seed}/{sample}/map.cool",
        deep="<results>/contacts/{sample}/deep/map.cool",
        low="<results>/contacts/{sample}/{degradation}/map.cool",
        truth=get_truth,
        sequence=N_BINS,
        regions="<results>/splits/{fold}/regions.bed",
        statistics="<results>/examples/corrected/{degradation}/{sample}/fold-{fold}/statistics.json",
    output:
        collect(
            "<results>/metrics/{{degradation}}/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "windows.tsv", "regions.tsv", "distance.tsv"],
        ),
    log:
        "<logs>/evaluate/{degradation}/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/evaluate/{degradation}/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        geometry=lookup("geometry", within=config),
        recipes=lookup("recipes/corrected", within=config),
        # Not all of `evaluate`: which arms are compared is the tables' business.
        scoring=lookup("evaluate/scoring", within=config),
        code=code_version("evaluate.py"),
    script:
        "../workflow_scripts/evaluate.py"


# Windows of a data set in place of whole maps: what the tables of papers are made of.
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
        code=code_version("score.py"),
    script:
        "../workflow_scripts/score.py"


# What figures show of a model: some test windows, and what it makes of them without a part of it.
rule keep_windows:
    input:
        model=get_weights,
        examples=get_scored_examples,
        sequence=lambda wildcards: get_sequence(wildcards.arm),
        tracks=lambda wildcards: get_tracks(wildcards.arm, [wildcards.sample]),
    output:
        collect(
            "<results>/windows/{{protocol}}/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "windows.npz"],
        ),
    log:
        "<logs>/keep_windows/{protocol}/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/keep_windows/{protocol}/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    conda:
        "../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        arm=lambda wildcards: MODELS[wildcards.arm],
        geometry=lookup("geometry", within=config),
        windows=lambda wildcards: KEPT_WINDOWS.get(wildcards.arm, 1),
        batch_size=lookup("predict/batch_size", within=config),
        accelerator=unrecorded(config["accelerator"]),
        code=code_version("keep_windows.py"),
    script:
        "../workflow_scripts/keep_windows.py"
