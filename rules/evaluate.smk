rule evaluate:
    input:
        prediction="<results>/predictions/{arm}/fold-{fold}/seed-{seed}/{sample}/map.cool",
        deep="<results>/contacts/{sample}/deep/map.cool",
        low="<results>/contacts/{sample}/{degradation}/map.cool",
        truth=get_truth,
        sequence=N_BINS,
        regions="<results>/splits/{fold}/regions.bed",
        statistics="<results>/examples/corrected/{degradation}/{sample}/fold-{fold}/statistics.json",
    output:
        collect(
            "<results>/metrics/{{degradation}}/{{arm}}/fold-{{fold}}/seed-{{seed}}/{{sample}}/{file}",
            file=["artifact.json", "windows.tsv", "regions.tsv", "distance.tsv"],
        ),
    log:
        "<logs>/evaluate/{degradation}/{arm}/fold-{fold}/seed-{seed}/{sample}.log",
    benchmark:
        "<benchmarks>/evaluate/{degradation}/{arm}/fold-{fold}/seed-{seed}/{sample}.jsonl"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        geometry=lookup("geometry", within=config),
        recipes=lookup("recipes/corrected", within=config),
        # Not all of `evaluate`: which arms are compared is the tables' business.
        scoring=lookup("evaluate/scoring", within=config),
        code=code_version("evaluate.py"),
    script:
        "../workflow_scripts/evaluate.py"
