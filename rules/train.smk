rule train:
    input:
        examples=get_examples,
        maps=get_drawn_maps,
        pairs=lambda wildcards: get_pairs(wildcards.arm, arms[wildcards.arm].samples, wildcards.fold),
        bands=lambda wildcards: get_bands(wildcards.arm, arms[wildcards.arm].samples),
        sequence=lambda wildcards: get_sequence(wildcards.arm),
        tracks=lambda wildcards: get_tracks(wildcards.arm, arms[wildcards.arm].samples),
        embeddings=lambda wildcards: get_embeddings(wildcards.arm),
        backbones=get_backbones,
        loss_networks=get_loss_networks,
        pretrained=get_pretrained,
    output:
        collect(
            "<results>/models/{{arm}}/fold-{{fold}}/seed-{{seed}}/{file}",
            file=[
                "artifact.json",
                "weights.safetensors",
                "last.safetensors",
                "config.yaml",
                "statistics.json",
                "history.csv",
            ],
        ),
    log:
        "<logs>/train/{arm}/fold-{fold}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/train/{arm}/fold-{fold}/seed-{seed}.jsonl"
    wildcard_constraints:
        arm="|".join(TRAINED) or "none",
    # Trainings go first, because those that depend on one another take longest; scores use the cores that are left.
    priority: 1
    conda:
        "../envs/torch.yaml"
    threads: get_training_threads
    resources:
        mem_mb=gigabytes(16),
        runtime=get_training_time,
        gpu=get_training_gpus,
        # On several nodes SLURM starts one task on each, which starts the node's processes (`training.processes`); "mpi"
        # is how its executor is told that the job does so itself.
        nodes=get_training_nodes,
        tasks=get_training_nodes,
        tasks_per_gpu=0,
        mpi=lambda wildcards: "srun" if get_training_nodes(wildcards) else None,
        slurm_extra=get_training_gpus_per_node,
    params:
        arm=lambda wildcards: unplaced(arms[wildcards.arm]),
        model=lambda wildcards: MODELS[wildcards.arm],
        parts=lambda wildcards: plan.parts_of(arms[wildcards.arm]),
        geometry=lambda wildcards: plan.geometry_of(config, arms[wildcards.arm]),
        where=get_where,
        checkpoints=f"{RESULTS}/checkpoints",
        code=lambda wildcards: code_version("train.py", *plan.trained_by(arms, wildcards.arm)),
    script:
        "../workflow_scripts/train.py"


# An arm that is learned at once has no epochs.
use rule train as fit with:
    output:
        collect(
            "<results>/models/{{arm}}/fold-{{fold}}/seed-{{seed}}/{file}",
            file=["artifact.json", "weights.safetensors", "config.yaml", "statistics.json"],
        ),
    log:
        "<logs>/fit/{arm}/fold-{fold}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/fit/{arm}/fold-{fold}/seed-{seed}.jsonl"
    wildcard_constraints:
        arm="|".join(FITTED) or "none",


rule import_weights:
    input:
        checkpoint=lambda wildcards: locate(arms[wildcards.arm].weights),
        examples=get_examples,
    output:
        collect(
            "<results>/models/{{arm}}/fold-{{fold}}/seed-{{seed}}/{file}",
            file=["artifact.json", "weights.safetensors", "config.yaml", "statistics.json"],
        ),
    log:
        "<logs>/import_weights/{arm}/fold-{fold}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/import_weights/{arm}/fold-{fold}/seed-{seed}.jsonl"
    wildcard_constraints:
        arm="|".join(IMPORTED) or "none",
        seed="0",
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
    params:
        arm=lambda wildcards: MODELS[wildcards.arm],
        geometry=lookup("geometry", within=config),
        code=lambda wildcards: code_version("import_weights.py", *plan.networks_of(arms, wildcards.arm)),
    script:
        "../workflow_scripts/import_weights.py"
