rule encode_sequence:
    input:
        fasta=locate_all(config["genome"].get("fasta", [])),
    output:
        "<results>/sequence/artifact.json",
        "<results>/sequence/codes.npy",
        "<results>/sequence/chromosomes.tsv",
        "<results>/sequence/n_bins.npz",
        "<results>/sequence/summary.json",
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
        genome={name: config["genome"][name] for name in ("exclude", "rename", "sizes")},
        bin_bp=lookup("geometry/bin_bp", within=config),
        code=code_version("encode_sequence.py"),
    script:
        "../workflow_scripts/encode_sequence.py"


# Where the genome has no FASTA, its chromosomes are those of the first sample's map.
rule read_chromosomes:
    input:
        map=lambda wildcards: locate(config["samples"][REFERENCE]["contacts"]),
    output:
        "<results>/genome/artifact.json",
        "<results>/genome/chromosomes.tsv",
    log:
        "<logs>/read_chromosomes.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        genome=reading(config["samples"][REFERENCE]["contacts"], get_rename(REFERENCE)),
        code=code_version("read_chromosomes.py"),
    script:
        "../workflow_scripts/read_chromosomes.py"
