rule prepare_contacts:
    input:
        map=lambda wildcards: locate(config["samples"][wildcards.sample]["contacts"]),
        sequence="<results>/sequence/chromosomes.tsv",
    output:
        "<results>/contacts/{sample}/deep/artifact.json",
        "<results>/contacts/{sample}/deep/map.cool",
    log:
        "<logs>/prepare_contacts/{sample}.log",
    benchmark:
        "<benchmarks>/prepare_contacts/{sample}.jsonl"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        bin_bp=lookup("geometry/bin_bp", within=config),
        genome=lookup("genome", within=config),
        balance=lookup("balance", within=config),
        code=code_version("prepare_contacts.py"),
    script:
        "../workflow_scripts/prepare_contacts.py"


rule degrade:
    input:
        map="<results>/contacts/{sample}/deep/map.cool",
        measured=get_measured_low_map,
        sequence="<results>/sequence/chromosomes.tsv",
    output:
        "<results>/contacts/{sample}/{degradation}/artifact.json",
        "<results>/contacts/{sample}/{degradation}/map.cool",
    log:
        "<logs>/degrade/{sample}/{degradation}.log",
    benchmark:
        "<benchmarks>/degrade/{sample}/{degradation}.jsonl"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        degradation=lookup("degradations/{degradation}", within=config),
        bin_bp=lookup("geometry/bin_bp", within=config),
        genome=lookup("genome", within=config),
        balance=lookup("balance", within=config),
        code=code_version("degrade.py"),
    script:
        "../workflow_scripts/degrade.py"


# A user's own map, at the resolution the arm's low maps have.
use rule prepare_contacts as prepare_own_map with:
    input:
        map=lambda wildcards: locate(config["enhance"][wildcards.own]["contacts"]),
        sequence="<results>/sequence/chromosomes.tsv",
    output:
        "<results>/contacts/own/{own}/artifact.json",
        "<results>/contacts/own/{own}/map.cool",
    log:
        "<logs>/prepare_own_map/{own}.log",
    benchmark:
        "<benchmarks>/prepare_own_map/{own}.jsonl"
    params:
        bin_bp=lambda wildcards: (
            config["geometry"]["bin_bp"] * COARSEN[arms[config["enhance"][wildcards.own]["arm"]]["degradation"]]
        ),
        genome=lookup("genome", within=config),
        balance=lookup("balance", within=config),
        code=code_version("prepare_contacts.py"),
