# Whether all that was made is still what was written. Only when they are named, like `resolve`: they read every file.
# An experiment's --configfile belongs to them too.
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
