# Ask the portals for URL, size and checksums of the accessions of datasets.tsv. Runs only when it is named (`snakemake
# resolve`), never as part of `all`. The lock is under version control and read while parsing, so it is no rule's output.
rule resolve:
    log:
        "<logs>/resolve.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        table=shipped("resources/datasets.tsv"),
        lock=shipped("resources/datasets.lock.tsv"),
    script:
        "../workflow_scripts/resolve.py"
