rule fetch:
    output:
        "<resources>/raw/{file}",
    log:
        "<logs>/fetch/{file}.log",
    benchmark:
        "<benchmarks>/fetch/{file}.jsonl"
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        row=get_wanted,
        # No part of the file's version: another list of mirrors does not run a download again.
        mirrors=lookup("mirrors", within=config),
    script:
        "../workflow_scripts/fetch.py"
