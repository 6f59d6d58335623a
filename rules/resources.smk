# Memory, time, processes and GPUs of jobs. None of them is part of a result's version.

from dataclasses import replace

from trifold.config import WHERE


def gigabytes(number):
    """Memory of a job, MB: twice as much with every further attempt, of which a profile says how many (`retries`)."""
    return lambda wildcards, attempt: 1000 * number * 2 ** (attempt - 1)


def hours(number):
    """Time limit of a job, minutes: twice as long with every further attempt."""
    return lambda wildcards, attempt: 60 * number * 2 ** (attempt - 1)


def unrecorded(value):
    """A parameter that says where a job runs. Another value re-runs nothing: Snakemake does not compare parameters that
    are functions of a job's threads."""
    return lambda wildcards, threads: value


def unplaced(arm):
    """An arm without the settings of where it is trained, so that a change of those does not re-run a job."""
    return replace(arm, training={key: value for key, value in arm.training.items() if key not in WHERE})


def get_where(wildcards, threads):
    """Settings of where an arm is trained; another value re-runs nothing (see `unrecorded`)."""
    return plan.where_of(config, arms[wildcards.arm])


def get_training_threads(wildcards):
    """CPUs of a training on one node."""
    return config["threads"]["train"] * arms[wildcards.arm].training["devices"]


def get_training_time(wildcards, attempt):
    """Time limit of a training, minutes. MIX-HIC's pre-training takes days at the size of its paper."""
    days = 1 if plan.task_of(arms[wildcards.arm]).whole_maps else 7
    return hours(24 * days)(wildcards, attempt)


def get_training_gpus(wildcards):
    """GPUs of a training on all its nodes."""
    training = arms[wildcards.arm].training
    return training["devices"] * training["nodes"] if config["accelerator"] == "gpu" else 0


def get_training_gpus_per_node(wildcards):
    """Option by which SLURM is told the GPUs of a node; None for a training on one node."""
    several = get_training_nodes(wildcards) and get_training_gpus(wildcards)
    return f"--gpus-per-node={arms[wildcards.arm].training['devices']}" if several else None


def get_training_nodes(wildcards):
    """Nodes of a training; nothing where one is enough."""
    nodes = arms[wildcards.arm].training["nodes"]
    return nodes if nodes > 1 else None
