rule simulate:
    output:
        "<results>/simulate/artifact.json",
        "<results>/simulate/genome.fa.gz",
        collect(
            "<results>/simulate/{file}",
            file=["ctcf.bed", "compartments.bed", "promoters.bed"],
        ),
        collect(
            "<results>/simulate/{cell}.{kind}",
            cell=lookup("simulate/cells", within=config),
            kind=["atac.bam", "dnase.bam", "cage.bam", "chiapet.bedpe"],
        ),
        collect(
            "<results>/simulate/{map}.{kind}",
            map=config["simulate"]["cells"] + config["simulate"]["without_loops"],
            kind=["mcool", "truth.cool", "planted.bedpe", "planted.bed"],
        ),
    log:
        "<logs>/simulate.log",
    benchmark:
        "<benchmarks>/simulate.jsonl"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        settings=lookup("simulate", within=config),
        code=code_version("simulate.py"),
    script:
        "../workflow_scripts/simulate.py"
