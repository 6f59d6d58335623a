rule evaluate:
    input:
        prediction="<results>/predictions/{arm}/fold-{fold}/seed-{seed}/{sample}/map.cool",
        deep=get_target,
        low=lambda wildcards: f"<results>/contacts/{wildcards.sample}/{get_drawn(wildcards)}/map.cool",
        truth=get_truth,
        sequence=N_BINS,
        regions="<results>/splits/{fold}/regions.bed",
        statistics=get_scale,
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
        # Only this part of `evaluate`: its other part, which arms are compared, is read by the rule `tables`.
        scoring=lookup("evaluate/scoring", within=config),
        truth=lambda wildcards: get_truth_group(wildcards.sample),
        code=code_version("evaluate.py"),
    script:
        "../workflow_scripts/evaluate.py"


# Rows that are no arms: what a replicate and the noise-free map would score, from halves of the target's reads.
rule ceiling:
    input:
        deep=get_target,
        low="<results>/contacts/{sample}/{degradation}/map.cool",
        sequence=N_BINS,
        regions="<results>/splits/{fold}/regions.bed",
        statistics="<results>/examples/corrected/{degradation}/{sample}/fold-{fold}/statistics.json",
    output:
        collect(
            "<results>/ceilings/{{degradation}}/fold-{{fold}}/{{sample}}/{file}",
            file=["artifact.json", "windows.tsv", "regions.tsv", "distance.tsv"],
        ),
    log:
        "<logs>/ceiling/{degradation}/fold-{fold}/{sample}.log",
    benchmark:
        "<benchmarks>/ceiling/{degradation}/fold-{fold}/{sample}.jsonl"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        geometry=lookup("geometry", within=config),
        recipes=lookup("recipes/corrected", within=config),
        scoring=lookup("evaluate/scoring", within=config),
        ceiling=lookup("evaluate/ceiling", within=config),
        code=code_version("ceiling.py"),
    script:
        "../workflow_scripts/ceiling.py"


# Windows of a data set in place of whole maps: what the tables of papers are made of.
rule score:
    input:
        model=get_weights,
        examples=get_scored_examples,
        pairs=lambda wildcards: get_pairs(wildcards.arm, [wildcards.sample], wildcards.fold),
        bands=lambda wildcards: get_bands(wildcards.arm, [wildcards.sample]),
        sequence=lambda wildcards: get_sequence(wildcards.arm),
        tracks=lambda wildcards: get_tracks(wildcards.arm, [wildcards.sample]),
        embeddings=lambda wildcards: get_embeddings(wildcards.arm),
    output:
        collect(
            "<results>/scores/{{dataset}}/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "scores.tsv"],
        ),
    log:
        "<logs>/score/{dataset}/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/score/{dataset}/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    wildcard_constraints:
        arm="|".join(name for name, arm in arms.items() if plan.task_of(arm).whole_maps) or "none",
    conda:
        "../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        arm=lambda wildcards: unplaced(arms[wildcards.arm]),
        model=lambda wildcards: MODELS[wildcards.arm],
        parts=lambda wildcards: plan.parts_of(arms[wildcards.arm]),
        protocol=lambda wildcards: DATASETS[wildcards.dataset]["protocol"],
        geometry=lambda wildcards: plan.geometry_of(config, arms[wildcards.arm]),
        scoring=get_window_scoring,
        batch_size=lookup("predict/batch_size", within=config),
        where=get_where,
        code=lambda wildcards: code_version("score.py", *plan.scored_by(arms, wildcards.arm)),
    script:
        "../workflow_scripts/score.py"


# For windows about pairs the predictions are stored too: tables of differences and figures read them.
use rule score as score_pairs with:
    output:
        collect(
            "<results>/scores/{{dataset}}/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "scores.tsv", "predictions.npz"],
        ),
    log:
        "<logs>/score_pairs/{dataset}/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/score_pairs/{dataset}/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    wildcard_constraints:
        arm="|".join(name for name, arm in arms.items() if not plan.task_of(arm).whole_maps) or "none",
    resources:
        mem_mb=gigabytes(16),
        runtime=hours(4),
        gpu=1 if config["accelerator"] == "gpu" else 0,


# Test windows for figures, with the model's predictions of them, whole and with a part of the model left out.
rule keep_windows:
    input:
        model=get_weights,
        examples=get_scored_examples,
        sequence=lambda wildcards: get_sequence(wildcards.arm),
        tracks=lambda wildcards: get_tracks(wildcards.arm, [wildcards.sample]),
        embeddings=lambda wildcards: get_embeddings(wildcards.arm),
    output:
        collect(
            "<results>/windows/{{dataset}}/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "windows.npz"],
        ),
    log:
        "<logs>/keep_windows/{dataset}/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/keep_windows/{dataset}/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    conda:
        "../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        arm=lambda wildcards: unplaced(arms[wildcards.arm]),
        model=lambda wildcards: MODELS[wildcards.arm],
        protocol=lambda wildcards: DATASETS[wildcards.dataset]["protocol"],
        geometry=lookup("geometry", within=config),
        windows=lambda wildcards: KEPT_WINDOWS.get(wildcards.arm, 1),
        batch_size=lookup("predict/batch_size", within=config),
        accelerator=unrecorded(config["accelerator"]),
        code=lambda wildcards: code_version("keep_windows.py", *plan.networks_of(arms, wildcards.arm)),
    script:
        "../workflow_scripts/keep_windows.py"
