rule prepare_contacts:
    input:
        map=lambda wildcards: locate(config["samples"][wildcards.sample]["contacts"]),
        sequence=[CHROMOSOMES],
    output:
        collect(
            "<results>/contacts/{{sample}}/deep/{file}",
            file=["artifact.json", "map.cool", "summary.json"],
        ),
    log:
        "<logs>/prepare_contacts/{sample}.log",
    benchmark:
        "<benchmarks>/prepare_contacts/{sample}.jsonl"
    conda:
        "../envs/data.yaml"
    threads: lookup("threads/balance", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        bin_bp=lookup("geometry/bin_bp", within=config),
        genome=get_reading,
        balance=lookup("balance", within=config),
        code=code_version("prepare_contacts.py"),
    script:
        "../workflow_scripts/prepare_contacts.py"


rule degrade:
    input:
        map="<results>/contacts/{sample}/deep/map.cool",
        measured=get_measured_low_map,
        sequence=CHROMOSOMES,
    output:
        collect(
            "<results>/contacts/{{sample}}/{{degradation}}/{file}",
            file=["artifact.json", "map.cool", "summary.json"],
        ),
    log:
        "<logs>/degrade/{sample}/{degradation}.log",
    benchmark:
        "<benchmarks>/degrade/{sample}/{degradation}.jsonl"
    conda:
        "../envs/data.yaml"
    threads: lookup("threads/balance", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        degradation=lambda wildcards: plan.degradation_of(config, wildcards.degradation),
        bin_bp=lookup("geometry/bin_bp", within=config),
        genome=get_reading,
        balance=lookup("balance", within=config),
        code=code_version("degrade.py"),
    script:
        "../workflow_scripts/degrade.py"


# The reads of the deep map that the low map does not have: what arms are taught and scored by.
rule hold_back:
    input:
        map="<results>/contacts/{sample}/deep/map.cool",
        # A low map that was measured: its contacts are taken away. A made one is drawn again by its seed.
        low=get_measured_low,
    output:
        collect(
            "<results>/held-back/{{sample}}/{{degradation}}/{file}",
            file=["artifact.json", "map.cool", "summary.json"],
        ),
    log:
        "<logs>/hold_back/{sample}/{degradation}.log",
    benchmark:
        "<benchmarks>/hold_back/{sample}/{degradation}.jsonl"
    conda:
        "../envs/data.yaml"
    threads: lookup("threads/balance", within=config)
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        degradation=lambda wildcards: plan.degradation_of(config, wildcards.degradation),
        balance=lookup("balance", within=config),
        code=code_version("hold_back.py"),
    script:
        "../workflow_scripts/hold_back.py"


# A map that a user wants enhanced, prepared at the bin width of the arm's low maps. It keeps all its chromosomes, unless
# the arm reads the genome's sequence: then it has those of the genome.
use rule prepare_contacts as prepare_own_map with:
    input:
        map=lambda wildcards: locate(ENHANCED[wildcards.enhanced]["contacts"]),
        sequence=lambda wildcards: get_own_chromosomes(wildcards.enhanced),
    output:
        collect(
            "<results>/contacts/own/{{enhanced}}/{file}",
            file=["artifact.json", "map.cool", "summary.json"],
        ),
    log:
        "<logs>/prepare_own_map/{enhanced}.log",
    benchmark:
        "<benchmarks>/prepare_own_map/{enhanced}.jsonl"
    params:
        bin_bp=lambda wildcards: checks.low_bin_bp(config, arms[ENHANCED[wildcards.enhanced]["arm"]]),
        genome=lambda wildcards: reading(
            ENHANCED[wildcards.enhanced]["contacts"], ENHANCED[wildcards.enhanced].get("rename", {})
        ),
        balance=lookup("balance", within=config),
        code=code_version("prepare_contacts.py"),
