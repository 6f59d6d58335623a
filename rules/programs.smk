# Programs of others as arms: a command that yields a map or a list of loops (docs/architecture.md).


rule install_program:
    input:
        requirements=lambda wildcards: shipped(PROGRAMS[wildcards.program][0]),
    output:
        "<resources>/environments/{program}/artifact.json",
    log:
        "<logs>/install_program/{program}.log",
    wildcard_constraints:
        program="|".join(PROGRAMS) or "none",
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        complete=lambda wildcards: PROGRAMS[wildcards.program][1],
        code=code_version("install_program.py"),
    script:
        "../workflow_scripts/install_program.py"


rule run_program:
    input:
        low=lambda wildcards: get_low_map(wildcards)[0],
        program=get_program,
        environment=get_program_environment,
    output:
        collect(
            "<results>/predictions/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", *PREDICTED],
        ),
    log:
        "<logs>/run_program/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/run_program/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    wildcard_constraints:
        arm="|".join(PROGRAM_MAPS) or "none",
    conda:
        "../envs/data.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(16),
        runtime=hours(24),
    params:
        arm=lambda wildcards: unplaced(arms[wildcards.arm]),
        model=lambda wildcards: MODELS[wildcards.arm],
        call=get_program_call,
        bin_bp=lookup("geometry/bin_bp", within=config),
        balance=lookup("balance", within=config),
        assembly=lookup("genome/assembly", within=config),
        formats=lookup("predict/formats", within=config),
        code=code_version("run_program.py"),
    script:
        "../workflow_scripts/run_program.py"


rule call_loops:
    input:
        map="<results>/contacts/{sample}/deep/map.cool",
        program=get_program,
        environment=get_program_environment,
        regions="<results>/splits/{fold}/regions.bed",
        seen=lambda wildcards: locate_all(config["samples"][wildcards.sample].get("loops", [])),
    output:
        collect(
            "<results>/loops/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "loops.bedpe", "validation.tsv"],
        ),
    log:
        "<logs>/call_loops/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/call_loops/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    wildcard_constraints:
        arm="|".join(PROGRAM_LOOPS) or "none",
    conda:
        "../envs/data.yaml"
    threads: lookup("threads/predict", within=config)
    resources:
        mem_mb=gigabytes(16),
        runtime=hours(24),
    params:
        arm=lambda wildcards: unplaced(arms[wildcards.arm]),
        model=lambda wildcards: MODELS[wildcards.arm],
        call=get_program_call,
        bin_bp=lookup("geometry/bin_bp", within=config),
        max_loop_bins=lookup("pairs/max_loop_bins", within=config),
        settings=lookup("pairs/search", within=config),
        rename=lookup("pairs/rename", within=config),
        code=code_version("call_loops.py"),
    script:
        "../workflow_scripts/call_loops.py"
