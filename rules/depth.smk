# What an arm adds to a map, against the depth of the map.

# Labels with the arms that this experiment uses; a label without any is left out.
DEPTH = {
    kind: {label: kept for label, names in labels.items() if (kept := [name for name in names if name in arms])}
    for kind, labels in config["depth"].items()
}


def get_depth_tables(wildcards):
    """The tables that hold what the section `depth` asks for."""
    if not (DEPTH.get("references") and DEPTH.get("arms")):
        raise WorkflowError("config: depth: names no reference or no arm that is used; see experiments/depth.yaml")
    named = {name for names in DEPTH["references"].values() for name in names}
    if missing := named - set(config["evaluate"]["comparison"]["reference_arms"]):
        raise WorkflowError(
            f"config: depth/references: name {sorted(missing)} under evaluate/comparison/reference_arms too"
        )
    return "<results>/tables/artifact.json"


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
