# Vectors of bins from a language model of one's own, computed once.


rule embed:
    input:
        sequence="<results>/sequence/artifact.json",
        model=get_language_model,
    output:
        collect(
            "<results>/embeddings/{{embedding}}/{file}",
            file=["artifact.json", "vectors.npy", "valid.npy", "chromosomes.tsv", "summary.json"],
        ),
    log:
        "<logs>/embed/{embedding}.log",
    benchmark:
        "<benchmarks>/embed/{embedding}.jsonl"
    # Started early: trainings wait for this rule, and it takes longest.
    priority: 2
    conda:
        "../envs/embed.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(16),
        runtime=hours(48),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        settings=lambda wildcards: plan.embedding_settings(config, wildcards.embedding),
        bin_bp=lookup("geometry/bin_bp", within=config),
        # How many windows at once, and where, is no part of what the vectors are (see `unrecorded`).
        batch_size=lambda wildcards, threads: config["embeddings"][wildcards.embedding]["batch_size"],
        accelerator=unrecorded(config["accelerator"]),
        unfinished=f"{RESULTS}/checkpoints",
        code=code_version("embed.py"),
    script:
        "../workflow_scripts/embed.py"
