# Compare all results with their records. These rules run only when they are named, like `resolve`, because they read
# every file; an experiment that is started with --configfile is verified with the same --configfile.
rule verify:
    log:
        "<logs>/verify.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        results=RESULTS,
        mend=False,
    script:
        "../workflow_scripts/verify.py"


use rule verify as mend with:
    log:
        "<logs>/mend.log",
    params:
        results=RESULTS,
        mend=True,
