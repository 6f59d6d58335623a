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
        # Where a file lies is no part of what it is: another mirror never re-runs a download.
        mirrors=lookup("mirrors", within=config),
    script:
        "../workflow_scripts/fetch.py"
