rule prepare_track:
    input:
        sources=lambda wildcards: locate_all(TRACKS[wildcards.sample][wildcards.track]),
        sequence=CHROMOSOMES,
        blacklist=get_blacklist,
        # Read where the effective genome size is not given: its bases are counted.
        bases=["<results>/sequence/codes.npy"] if N_BINS else [],
    output:
        "<results>/tracks/{sample}/{track}/artifact.json",
        "<results>/tracks/{sample}/{track}/coverage.bw",
        "<results>/tracks/{sample}/{track}/bins.npy",
        "<results>/tracks/{sample}/{track}/valid_bases.npy",
        "<results>/tracks/{sample}/{track}/summary.json",
        "<results>/tracks/{sample}/{track}/chromosomes.tsv",
    log:
        "<logs>/prepare_track/{sample}/{track}.log",
    benchmark:
        "<benchmarks>/prepare_track/{sample}/{track}.jsonl"
    # Started early: trainings wait for this rule.
    priority: 1
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(8),
    params:
        tracks=get_track_settings,
        rename=lambda wildcards: get_rename(wildcards.sample),
        genome_rename=lookup("genome/rename", within=config),
        code=code_version("prepare_track.py"),
    script:
        "../workflow_scripts/prepare_track.py"
