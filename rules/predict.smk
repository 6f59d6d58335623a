rule predict:
    input:
        model=get_weights,
        low=get_low_map,
        # A prediction has the chromosomes' order of the map that is read, or of the sample's deep one.
        order=lambda wildcards: get_low_map(wildcards) or [f"<results>/contacts/{wildcards.sample}/deep/map.cool"],
        sequence=[CHROMOSOMES],
        tracks=lambda wildcards: get_tracks(wildcards.arm, [wildcards.sample]),
        embeddings=lambda wildcards: get_embeddings(wildcards.arm),
        regions=["<results>/splits/{fold}/regions.bed"],
        examples=get_statistics,
    output:
        collect(
            "<results>/predictions/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", *PREDICTED],
        ),
    log:
        "<logs>/predict/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/predict/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    wildcard_constraints:
        arm="|".join(name for name in arms if name not in PROGRAM_ARMS) or "none",
    conda:
        "../envs/torch.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
        gpu=1 if config["accelerator"] == "gpu" else 0,
    params:
        name="{arm}",
        arm=lambda wildcards: MODELS[wildcards.arm],
        geometry=lookup("geometry", within=config),
        predict=lookup("predict", within=config),
        assembly=lookup("genome/assembly", within=config),
        ignore_diags=lookup("balance/ignore_diags", within=config),
        accelerator=unrecorded(config["accelerator"]),
        code=lambda wildcards: code_version("predict.py", *plan.networks_of(arms, wildcards.arm)),
    script:
        "../workflow_scripts/predict.py"


use rule predict as enhance_own_map with:
    input:
        model=lambda wildcards: locate_model(*[ENHANCED[wildcards.enhanced][name] for name in ("arm", "fold", "seed")]),
        low=["<results>/contacts/own/{enhanced}/map.cool"],
        order=["<results>/contacts/own/{enhanced}/map.cool"],
        sequence=lambda wildcards: get_own_chromosomes(wildcards.enhanced),
        tracks=[],
        embeddings=lambda wildcards: get_embeddings(ENHANCED[wildcards.enhanced]["arm"]),
        regions=[],
        examples=[],
    output:
        collect(
            "<results>/enhanced/{{enhanced}}/{file}",
            file=["artifact.json", *PREDICTED],
        ),
    log:
        "<logs>/enhance/{enhanced}.log",
    benchmark:
        "<benchmarks>/enhance/{enhanced}.jsonl"
    params:
        name=lambda wildcards: ENHANCED[wildcards.enhanced]["arm"],
        arm=lambda wildcards: MODELS[ENHANCED[wildcards.enhanced]["arm"]],
        geometry=lookup("geometry", within=config),
        predict=lambda wildcards: {**config["predict"], "roles": "all"},
        assembly=lookup("genome/assembly", within=config),
        ignore_diags=lookup("balance/ignore_diags", within=config),
        accelerator=unrecorded(config["accelerator"]),
        code=lambda wildcards: code_version("predict.py", *plan.networks_of(arms, ENHANCED[wildcards.enhanced]["arm"])),
