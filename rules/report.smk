rule tables:
    input:
        metrics=get_all_metrics,
        ceilings=[f"<results>/ceilings/{low}/fold-{fold}/{sample}/artifact.json" for low, fold, sample in CEILED],
    output:
        "<results>/tables/artifact.json",
        collect("<results>/tables/{table}.tsv", table=["windows", "regions", "distance"]),
        report(
            collect("<results>/tables/{table}.tsv", table=["scores", "comparisons"]),
            caption="../resources/report/scores.rst",
            category="Scores",
        ),
        multiext("<results>/tables/summary", ".tsv", ".md", ".tex"),
    log:
        "<logs>/tables.log",
    benchmark:
        "<benchmarks>/tables.jsonl"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(2),
    params:
        arms=WHOLE_MAPS,
        comparison=lookup("evaluate/comparison", within=config),
        code=code_version("tables.py"),
    script:
        "../workflow_scripts/tables.py"


rule report:
    input:
        tables="<results>/tables/artifact.json",
        models=get_all_models,
        maps=[get_prediction(evaluation) for evaluation in SHOWN],
        low=collect(
            "<results>/contacts/{sample}/{degradation}/map.cool",
            sample=SHOWN[0].sample,
            degradation=config["degradations"],
        ),
        deep=f"<results>/contacts/{SHOWN[0].sample}/deep/map.cool",
        truth=get_shown_truth,
        examples=collect(
            "<results>/examples/corrected/{degradation}/{sample}/fold-{fold}/artifact.json",
            degradation=config["degradations"],
            sample=SHOWN[0].sample,
            fold=SHOWN[0].fold,
        ),
        sequence=["<results>/sequence/chromosomes.tsv"] if config["genome"].get("fasta") else [],
        tracks=collect(
            "<results>/tracks/{sample}/{track}/artifact.json",
            sample=SHOWN[0].sample,
            track=TRACKS[SHOWN[0].sample],
        ),
        motifs=get_motifs,
        summaries=[f"<results>/contacts/{sample}/{name}/summary.json" for sample, name in EVALUATED],
        own_maps=collect("<results>/contacts/own/{enhanced}/map.cool", enhanced=ENHANCED),
        own_summaries=collect("<results>/contacts/own/{enhanced}/summary.json", enhanced=ENHANCED),
        enhanced=collect("<results>/enhanced/{enhanced}/map.cool", enhanced=ENHANCED),
        sections=lambda wildcards: SECTIONS,
    output:
        figures=report(
            directory("<results>/figures"),
            patterns=["{figure}.svg"],
            caption="../resources/report/figures.rst",
            category="Figures",
        ),
        artifact="<results>/report/artifact.json",
        page=report(
            "<results>/report/index.html",
            caption="../resources/report/page.rst",
            category="Report",
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.jsonl"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=gigabytes(4),
        runtime=hours(1),
    params:
        config=plan.what(plan.of_whole_maps(config, arms)),
        shown=SHOWN,
        truth=get_truth_group(SHOWN[0].sample),
        evaluated=EVALUATED,
        enhance=ENHANCED,
        tracks=list(TRACKS[SHOWN[0].sample]),
        histories=histories_of(plan.runs(config, arms)),
        datasets=lambda wildcards: list(get_downloads(wildcards).values()),
        code=code_version("report.py"),
    script:
        "../workflow_scripts/report.py"


rule manifest:
    input:
        "<results>/report/index.html",
    output:
        record="<results>/manifest.artifact.json",
        files=collect("<results>/{name}.json", name=["manifest", "ro-crate-metadata"]),
        workflow=directory("<results>/workflow"),
    log:
        "<logs>/manifest.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    params:
        config=unrecorded(config),
        datasets=get_downloads,
        modules=unrecorded(plan.code_of_jobs(arms)),
        code=code_version("manifest.py"),
    script:
        "../workflow_scripts/manifest.py"
