rule split:
    input:
        sequence=CHROMOSOMES,
        bed=get_regions,
    output:
        "<results>/splits/{fold}/artifact.json",
        "<results>/splits/{fold}/regions.bed",
    log:
        "<logs>/split/{fold}.log",
    benchmark:
        "<benchmarks>/split/{fold}.jsonl"
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        split=lambda wildcards: {
            key: value for key, value in config["splits"][wildcards.fold].items() if key != "on_demand"
        },
        window_bp=config["geometry"]["bin_bp"] * config["geometry"]["window_bins"],
        code=code_version("split.py"),
    script:
        "../workflow_scripts/split.py"


rule examples:
    input:
        deep=get_target,
        low="<results>/contacts/{sample}/{degradation}/map.cool",
        sequence=N_BINS,
        regions="<results>/splits/{fold}/regions.bed",
    output:
        collect(
            "<results>/examples/{{dataset}}/{{degradation}}/{{sample}}/fold-{{fold}}/{file}",
            file=[
                "artifact.json",
                "tiles.tsv",
                "deep_observed.npy",
                "deep_oe.npy",
                "low_observed.npy",
                "low_bias.npy",
                "valid.npy",
                "statistics.json",
            ],
        ),
    log:
        "<logs>/examples/{dataset}/{degradation}/{sample}/fold-{fold}.log",
    benchmark:
        "<benchmarks>/examples/{dataset}/{degradation}/{sample}/fold-{fold}.jsonl"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(4),
    params:
        geometry=lambda wildcards: {**config["geometry"], "window_bins": DATASETS[wildcards.dataset]["window_bins"]},
        recipes=lambda wildcards: config["recipes"][DATASETS[wildcards.dataset]["protocol"]],
        # Contacts double the size of a data set, and only some arms read them.
        with_counts=lambda wildcards: plan.reads_counts(arms, wildcards.dataset),
        coarsen=lambda wildcards: plan.degradation_of(config, wildcards.degradation)["coarsen"],
        code=code_version("examples.py"),
    script:
        "../workflow_scripts/examples.py"
