# MIX-HIC: bands and pairs of every sample, pre-training, the tasks, their scores (docs/mixhic2025.md).


rule mixhic_bands:
    input:
        map="<results>/contacts/{sample}/deep/map.cool",
    output:
        "<results>/mixhic2025/bands/{sample}/artifact.json",
        "<results>/mixhic2025/bands/{sample}/chromosomes.tsv",
    log:
        "<logs>/mixhic_bands/{sample}.log",
    benchmark:
        "<benchmarks>/mixhic_bands/{sample}.jsonl"
    priority: 1
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        band_bins=lookup("mixhic2025/band_bins", within=config),
        exclude=lookup("mixhic2025/exclude", within=config),
        clip=lookup("mixhic2025/clip", within=config),
        code=code_version("mixhic_bands.py"),
    script:
        "../../workflow_scripts/mixhic_bands.py"


rule mixhic_pairs:
    input:
        bands="<results>/mixhic2025/bands/{sample}/artifact.json",
        loops=lambda wildcards: locate_all(MIXHIC2025["samples"][wildcards.sample]["loops"]),
        tss=get_mixhic2025_tss,
        expression=get_mixhic2025_expression,
    output:
        "<results>/mixhic2025/samples/{protocol}/{sample}/artifact.json",
        "<results>/mixhic2025/samples/{protocol}/{sample}/pairs.tsv",
        "<results>/mixhic2025/samples/{protocol}/{sample}/counts.tsv",
    log:
        "<logs>/mixhic_pairs/{protocol}/{sample}.log",
    benchmark:
        "<benchmarks>/mixhic_pairs/{protocol}/{sample}.jsonl"
    wildcard_constraints:
        protocol="published|corrected",
    priority: 1
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        bin_bp=lookup("geometry/bin_bp", within=config),
        rename=lookup("mixhic2025/rename", within=config),
        settings={name: config["mixhic2025"][name] for name in ("max_loop_bins", "seed", "validation", "test")},
        code=code_version("mixhic_pairs.py"),
    script:
        "../../workflow_scripts/mixhic_pairs.py"


rule mixhic_pretrain:
    input:
        pairs=lambda wildcards: get_mixhic2025_pairs("pretrainings", wildcards.pretraining),
        bands=lambda wildcards: get_mixhic2025_bands("pretrainings", wildcards.pretraining),
        tracks=lambda wildcards: get_mixhic2025_tracks("pretrainings", wildcards.pretraining),
        pretrained=[],
    output:
        collect(
            "<results>/mixhic2025/pretrained/{{pretraining}}/seed-{{seed}}/{file}",
            file=["artifact.json", "weights.safetensors", "last.safetensors", "config.yaml", "history.csv"],
        ),
    log:
        "<logs>/mixhic_pretrain/{pretraining}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/mixhic_pretrain/{pretraining}/seed-{seed}.jsonl"
    wildcard_constraints:
        pretraining="|".join(MIXHIC2025["pretrainings"]) or "none",
    priority: 1
    conda:
        "../../envs/torch.yaml"
    threads: get_training_threads
    resources:
        mem_mb=gigabytes(16),
        runtime=hours(168),
        gpu=get_training_gpus,
        # As in `train`.
        nodes=get_training_nodes,
        tasks=get_training_nodes,
        tasks_per_gpu=0,
        mpi=lambda wildcards: "srun" if get_training_nodes(wildcards) else None,
        slurm_extra=get_training_gpus_per_node,
    params:
        name=lambda wildcards: wildcards.pretraining,
        run=lambda wildcards: plan_mixhic2025.essence(MIXHIC2025["pretrainings"][wildcards.pretraining]),
        bin_bp=lookup("geometry/bin_bp", within=config),
        where=get_where,
        checkpoints=f"{RESULTS}/checkpoints",
        code=code_version("mixhic_train.py"),
    script:
        "../../workflow_scripts/mixhic_train.py"


use rule mixhic_pretrain as mixhic_train with:
    input:
        pairs=lambda wildcards: get_mixhic2025_pairs("runs", wildcards.run),
        bands=lambda wildcards: get_mixhic2025_bands("runs", wildcards.run),
        tracks=lambda wildcards: get_mixhic2025_tracks("runs", wildcards.run),
        pretrained=get_mixhic2025_pretrained,
    output:
        collect(
            "<results>/mixhic2025/models/{{run}}/seed-{{seed}}/{file}",
            file=["artifact.json", "weights.safetensors", "last.safetensors", "config.yaml", "history.csv"],
        ),
    log:
        "<logs>/mixhic_train/{run}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/mixhic_train/{run}/seed-{seed}.jsonl"
    wildcard_constraints:
        run="|".join(MIXHIC2025["runs"]) or "none",
    params:
        name=lambda wildcards: wildcards.run,
        run=lambda wildcards: plan_mixhic2025.essence(MIXHIC2025["runs"][wildcards.run]),
        bin_bp=lookup("geometry/bin_bp", within=config),
        where=get_where,
        checkpoints=f"{RESULTS}/checkpoints",
        code=code_version("mixhic_train.py"),


rule mixhic_test:
    input:
        model=get_mixhic2025_model,
        pairs=lambda wildcards: get_mixhic2025_pairs("runs", wildcards.run, wildcards.sample),
        bands=lambda wildcards: get_mixhic2025_bands("runs", wildcards.run, wildcards.sample),
        tracks=lambda wildcards: get_mixhic2025_tracks("runs", wildcards.run, wildcards.sample),
    output:
        collect(
            "<results>/mixhic2025/scores/{{run}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "scores.tsv", "predictions.npz"],
        ),
    log:
        "<logs>/mixhic_test/{run}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/mixhic_test/{run}/seed-{seed}/{sample}.jsonl"
    wildcard_constraints:
        run="|".join(MIXHIC2025["runs"]) or "none",
    conda:
        "../../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(16),
        runtime=hours(4),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        run=lambda wildcards: plan_mixhic2025.essence(MIXHIC2025["runs"][wildcards.run]),
        bin_bp=lookup("geometry/bin_bp", within=config),
        where=get_where,
        code=code_version("mixhic_test.py"),
    script:
        "../../workflow_scripts/mixhic_test.py"


rule mixhic_loops:
    input:
        model=get_mixhic2025_model,
        map="<results>/contacts/{sample}/deep/map.cool",
        bands="<results>/mixhic2025/bands/{sample}/artifact.json",
        tracks=collect(
            "<results>/tracks/{{sample}}/{track}/artifact.json", track=lookup("mixhic2025/tracks", within=config)
        ),
        seen=lambda wildcards: locate_all(MIXHIC2025["samples"][wildcards.sample]["loops"]),
    output:
        collect(
            "<results>/mixhic2025/loops/{{run}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "loops.bedpe", "validation.tsv"],
        ),
    log:
        "<logs>/mixhic_loops/{run}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/mixhic_loops/{run}/seed-{seed}/{sample}.jsonl"
    wildcard_constraints:
        run="|".join(MIXHIC2025["runs"]) or "none",
    conda:
        "../../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(16),
        runtime=hours(24),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        run=lambda wildcards: plan_mixhic2025.essence(MIXHIC2025["runs"][wildcards.run]),
        chroms=lookup("mixhic2025/test", within=config),
        max_loop_bins=lookup("mixhic2025/max_loop_bins", within=config),
        settings=lookup("mixhic2025/loops", within=config),
        bin_bp=lookup("geometry/bin_bp", within=config),
        rename=lookup("mixhic2025/rename", within=config),
        accelerator=unrecorded(config["accelerator"]),
        code=code_version("mixhic_loops.py"),
    script:
        "../../workflow_scripts/mixhic_loops.py"


rule mixhic2025:
    input:
        get_mixhic2025_scores,
        get_mixhic2025_counts,
    localrule: True
