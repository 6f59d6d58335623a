# Ask the portals what the accessions of datasets.tsv are. Only when it is named: `snakemake resolve`, never part of
# `all`. The lock is a table under version control, read while parsing, so it is no output of a rule.
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
