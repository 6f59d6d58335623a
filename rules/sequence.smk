rule encode_sequence:
    input:
        fasta=locate_all(config["genome"]["fasta"]),
    output:
        "<results>/sequence/artifact.json",
        "<results>/sequence/codes.npy",
        "<results>/sequence/chromosomes.tsv",
        "<results>/sequence/n_bins.npz",
    log:
        "<logs>/encode_sequence.log",
    benchmark:
        "<benchmarks>/encode_sequence.jsonl"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=gigabytes(8),
        runtime=hours(1),
    params:
        genome=lookup("genome", within=config),
        bin_bp=lookup("geometry/bin_bp", within=config),
        code=code_version("encode_sequence.py"),
    script:
        "../workflow_scripts/encode_sequence.py"
