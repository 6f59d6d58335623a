# What jobs take of a machine: memory, time, processes, GPUs. None of it is part of a result.

from dataclasses import replace

from trifold.config import WHERE


def gigabytes(number):
    """Memory of a job, MB: twice as much with every further attempt, of which a profile says how many (`retries`)."""
    return lambda wildcards, attempt: 1000 * number * 2 ** (attempt - 1)


def hours(number):
    """Time limit of a job, minutes: twice as long with every further attempt."""
    return lambda wildcards, attempt: 60 * number * 2 ** (attempt - 1)


def unrecorded(value):
    """A parameter that says where a job runs: another value of it re-runs nothing, as Snakemake does not compare what
    a function makes of a job's threads."""
    return lambda wildcards, threads: value


def unplaced(arm):
    """An arm without where it is trained: a parameter of a job that does not re-run it."""
    return replace(arm, training={key: value for key, value in arm.training.items() if key not in WHERE})


def get_where(wildcards, threads):
    """Where an arm is trained; no part of what the model is (see `unrecorded`)."""
    return plan.where_of(config, arms[wildcards.arm])


def get_training_threads(wildcards):
    """CPUs of a training on one node."""
    return config["threads"]["train"] * arms[wildcards.arm].training["devices"]


def get_training_gpus(wildcards):
    """GPUs of a training on all its nodes."""
    training = arms[wildcards.arm].training
    return training["devices"] * training["nodes"] if config["accelerator"] == "gpu" else 0


def get_training_gpus_per_node(wildcards):
    """Their even share, which SLURM has to be told where there are several nodes."""
    several = get_training_nodes(wildcards) and get_training_gpus(wildcards)
    return f"--gpus-per-node={arms[wildcards.arm].training['devices']}" if several else None


def get_training_nodes(wildcards):
    """Nodes of a training; nothing where one is enough."""
    nodes = arms[wildcards.arm].training["nodes"]
    return nodes if nodes > 1 else None
