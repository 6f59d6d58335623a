rule predict:
    input:
        model=get_weights,
        low=get_low_map,
        sequence="<results>/sequence/chromosomes.tsv",
        tracks=lambda wildcards: get_tracks(wildcards.arm, [wildcards.sample]),
        regions=["<results>/splits/{fold}/regions.bed"],
        examples=get_statistics,
    output:
        collect(
            "<results>/predictions/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "map.cool", "map.mcool"],
        ),
    log:
        "<logs>/predict/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/predict/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    conda:
        "../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        name=lambda wildcards: wildcards.arm,
        arm=lambda wildcards: arms[wildcards.arm],
        geometry=lookup("geometry", within=config),
        recipes=lambda wildcards: config["recipes"][arms[wildcards.arm]["protocol"]],
        coarsen=lambda wildcards: COARSEN[arms[wildcards.arm]["degradation"]],
        predict=lookup("predict", within=config),
        assembly=lookup("genome/assembly", within=config),
        accelerator=lookup("accelerator", within=config),
        code=code_version("predict.py"),
    script:
        "../workflow_scripts/predict.py"


use rule predict as enhance_own_map with:
    input:
        model=lambda wildcards: [
            "<results>/models/{arm}/fold-{fold}/seed-{seed}/artifact.json".format(**config["enhance"][wildcards.own])
        ],
        low=["<results>/contacts/own/{own}/map.cool"],
        sequence="<results>/sequence/chromosomes.tsv",
        tracks=[],
        regions=[],
        examples=[],
    output:
        collect(
            "<results>/enhanced/{{own}}/{file}",
            file=["artifact.json", "map.cool", "map.mcool"],
        ),
    log:
        "<logs>/enhance/{own}.log",
    benchmark:
        "<benchmarks>/enhance/{own}.jsonl"
    params:
        name=lambda wildcards: config["enhance"][wildcards.own]["arm"],
        arm=lambda wildcards: arms[config["enhance"][wildcards.own]["arm"]],
        geometry=lookup("geometry", within=config),
        recipes=lambda wildcards: config["recipes"][arms[config["enhance"][wildcards.own]["arm"]]["protocol"]],
        coarsen=lambda wildcards: COARSEN[arms[config["enhance"][wildcards.own]["arm"]]["degradation"]],
        predict=lambda wildcards: {**config["predict"], "roles": "all"},
        assembly=lookup("genome/assembly", within=config),
        accelerator=lookup("accelerator", within=config),
        code=code_version("predict.py"),
