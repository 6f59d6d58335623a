# Where the files that the configuration names lie, and how they are read.


def shipped(path):
    """Where a file of the workflow itself lies: beside the Snakefile, wherever Snakemake was started."""
    return path if Path.cwd() == ROOT else str(ROOT / path)


def get_regions(wildcards):
    """The BED file of a fold that names one: in the working directory, or shipped with the workflow."""
    path = config["splits"][wildcards.fold].get("path", [])
    return shipped(path) if path and not Path(path).exists() else path


def get_rename(sample):
    """Chromosome names to change in the files of a sample."""
    return config["samples"][sample].get("rename", {})


def reading(name, rename):
    """How a map of the configuration is read: the group that its URI names, and the chromosomes' names."""
    genome = {"assembly": config["genome"]["assembly"], "exclude": config["genome"]["exclude"]}
    return {**genome, "rename": rename, "group": name.partition("::")[2]}


def get_reading(wildcards):
    """How the deep map of a sample, or its measured low map, is read."""
    sample = config["samples"][wildcards.sample]
    measured = plan.measured_lows(sample).get(wildcards.get("degradation"))
    return reading(measured["contacts"] if measured else sample["contacts"], sample.get("rename", {}))


def locate(name):
    """Where an input of the configuration lies: simulated/<file>, a row of datasets.tsv, or a path of one's own."""
    file = name.partition("::")[0]  # of the URI of a cooler
    if file.startswith("simulated/"):
        return f"<results>/simulate/{file.removeprefix('simulated/')}"
    if file in DOWNLOADED:
        return f"<resources>/raw/{file}"
    if Path(file).exists():
        return file
    raise WorkflowError(
        f"config: {name!r} is neither a file of resources/datasets.tsv, nor simulated/<file>, nor a path that exists"
    )


try:
    checks.check_inputs(config, DOWNLOADED)
    checks.check_weights(config, datasets)
    checks.check_splits(config, ROOT)
    checks.check_maps(config, arms, locate)
except InputError as error:
    raise WorkflowError(str(error)) from None


def locate_all(names):
    """Paths of one input or several; an accession of several files gives all of them."""
    return [locate(file) for name in ([names] if isinstance(names, str) else names) for file in files_of(name)]


def files_of(name):
    """Files an input of the configuration stands for: of an accession, what `snakemake resolve` found."""
    name = name.partition("::")[0]
    if name not in datasets:
        return [name]
    try:
        return lock.files_of(datasets[name], locked)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def get_wanted(wildcards):
    """URL, size and checksums of a download: the row of datasets.tsv, completed by the lock."""
    try:
        return lock.wanted(wildcards.file, datasets, locked)
    except InputError as error:
        raise WorkflowError(str(error)) from None


def get_track_settings(wildcards):
    """How a track is made."""
    return plan.track_settings(config, wildcards.sample, wildcards.track)


def get_blacklist(wildcards):
    """Regions whose reads are left out of a track that is made of reads."""
    made_of_reads = all(file.lower().endswith(".bam") for file in locate_all(TRACKS[wildcards.sample][wildcards.track]))
    return locate_all(config["tracks"]["blacklist"] or []) if made_of_reads else []


def get_measured_low_map(wildcards):
    """A low map that was measured, not made; nothing where there is none."""
    measured = plan.measured_lows(config["samples"][wildcards.sample])
    return locate(measured[wildcards.degradation]["contacts"]) if wildcards.degradation in measured else []


def get_drawn(wildcards):
    """The low map that a seed draws; where the wildcards have no seed, the one that they name."""
    seed = int(wildcards.seed) if "seed" in wildcards.keys() else 0
    return plan.drawn(config, wildcards.sample, wildcards.degradation, seed) if seed else wildcards.degradation


def get_target(wildcards):
    """The map that predictions from a low map are held against, and that corrected arms are taught by: the reads that
    the low map does not have, or the whole deep map where they are not held apart. Published data sets keep that."""
    published = "dataset" in wildcards.keys() and DATASETS[wildcards.dataset]["protocol"] == "published"
    if published:
        return f"<results>/contacts/{wildcards.sample}/deep/map.cool"
    return locate_target(wildcards.sample, get_drawn(wildcards))


def locate_target(sample, degradation):
    """The same of corrected data sets, by the name of a low map or of one of its draws."""
    if plan.holds_back(config, sample, degradation):
        return f"<results>/held-back/{sample}/{degradation}/map.cool"
    return f"<results>/contacts/{sample}/deep/map.cool"


def get_measured_low(wildcards):
    """The low map, prepared, where it is none that was made from the deep one."""
    measured = plan.measured_lows(config["samples"][wildcards.sample])
    return (
        f"<results>/contacts/{wildcards.sample}/{wildcards.degradation}/map.cool"
        if wildcards.degradation in measured
        else []
    )


def get_scale(wildcards):
    """Statistics of the training windows whose scale a map is scored on."""
    fold = f"{wildcards.sample}/fold-{wildcards.fold}"
    return f"<results>/examples/corrected/{get_drawn(wildcards)}/{fold}/statistics.json"


def get_truth(wildcards):
    truth = config["samples"][wildcards.sample].get("truth")
    return locate(truth) if truth else []


def get_truth_group(sample):
    """The group that the URI of a truth names."""
    return config["samples"][sample].get("truth", "").partition("::")[2]


def get_planted(wildcards):
    """Loops and boundaries that a simulation planted in a sample; nothing where none is known."""
    planted = config["samples"][wildcards.sample].get("planted", {})
    return [locate(planted[feature]) for feature in ("loops", "boundaries") if planted]


def get_shown_truth(wildcards):
    truth = config["samples"][SHOWN[0].sample].get("truth")
    return locate(truth) if truth else []


def get_motifs(wildcards):
    """Oriented CTCF motifs, where a simulation planted them."""
    simulated = config["samples"][SHOWN[0].sample]["contacts"].startswith("simulated/")
    return locate("simulated/ctcf.bed") if simulated else []


def get_expression(wildcards):
    """Expression tracks of a sample that has them; nothing where there are no start sites."""
    names = config["pairs"]["expression"]
    if "tss" not in config["genome"] or not set(names) <= set(TRACKS[wildcards.sample]):
        return []
    return [f"<results>/tracks/{wildcards.sample}/{track}/artifact.json" for track in names]


def get_paired_samples():
    """Samples of the arms on windows about pairs."""
    of_pairs = [arm for arm in arms.values() if not plan.task_of(arm).whole_maps]
    return sorted({sample for arm in of_pairs for sample in (*arm.samples, *arm.test_samples)})


def get_named_data():
    """Genome, maps, tracks and what papers read beside them, as the configuration names them."""
    genome = config["genome"].get("fasta", [])
    named = {genome} if isinstance(genome, str) else set(genome)
    for sample in config["samples"].values():
        named |= {sample["contacts"], *(low["contacts"] for low in plan.measured_lows(sample).values())}
        for track in sample.get("tracks", {}).values():
            named |= set(plan.track_files(track))
        named |= {sample["loops"]} if isinstance(sample.get("loops"), str) else set(sample.get("loops", ()))
        named |= set(sample.get("planted", {}).values())
        if sample.get("tracks") and config["tracks"]["blacklist"]:
            named.add(config["tracks"]["blacklist"])
    named |= {config["genome"]["tss"]} if "tss" in config["genome"] and get_paired_samples() else set()
    return named


def get_downloads(wildcards):
    """name -> `lock.wanted` of every file that the experiment downloads: data, maps to enhance, published weights."""
    named = get_named_data() | {entry["contacts"] for entry in ENHANCED.values()}
    named |= {arms[name].weights for name in IMPORTED}
    files = sorted({file for name in named for file in files_of(name) if file in DOWNLOADED})
    try:
        return {file: lock.wanted(file, datasets, locked) for file in files}
    except InputError as error:
        raise WorkflowError(str(error)) from None
