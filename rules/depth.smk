# What an arm adds to a map, against the depth of the map.


rule depth:
    input:
        tables=get_depth_tables,
    output:
        "<results>/depth/artifact.json",
        report(
            collect("<results>/depth/{name}.tsv", name=["gain", "gain_by_distance"]),
            caption="../resources/report/depth.rst",
            category="Depth",
        ),
        multiext("<results>/depth/gain", ".md", ".tex"),
        report(
            collect("<results>/depth/{name}.svg", name=["gain", "by_distance"]),
            caption="../resources/report/depth.rst",
            category="Depth",
        ),
        collect("<results>/depth/{name}.png", name=["gain", "by_distance"]),
    log:
        "<logs>/depth.log",
    benchmark:
        "<benchmarks>/depth.jsonl"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        chosen=DEPTH,
        degradations=lookup("degradations", within=config),
        code=code_version("depth.py"),
    script:
        "../workflow_scripts/depth.py"
