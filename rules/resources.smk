# What a job asks of the machine, and where a training runs.


def gigabytes(number):
    """Memory of a job, MB: twice as much with every further attempt, of which a profile says how many (`retries`)."""
    return lambda wildcards, attempt: 1000 * number * 2 ** (attempt - 1)


def hours(number):
    """Time limit of a job, minutes: twice as long with every further attempt."""
    return lambda wildcards, attempt: 60 * number * 2 ** (attempt - 1)


def get_training(wildcards):
    """How an arm, or what a paper trains beside the arms, is trained."""
    return get_trained(wildcards)["training"]


def get_trained(wildcards):
    """The arm that is trained, or what a paper trains beside the arms."""
    kind = next(name for name in TRAININGS if name in wildcards.keys())
    return TRAININGS[kind][wildcards[kind]]


def get_where(wildcards, threads):
    """Where it is trained; no part of what the model is (see `unrecorded`)."""
    return plan.where_of(config, get_trained(wildcards))


def get_training_threads(wildcards):
    """CPUs of a training on one node."""
    return config["threads"]["train"] * get_training(wildcards)["devices"]


def get_training_gpus(wildcards):
    """GPUs of a training on all its nodes."""
    training = get_training(wildcards)
    return training["devices"] * training["nodes"] if config["accelerator"] == "gpu" else 0


def get_training_gpus_per_node(wildcards):
    """Their even share, which SLURM has to be told where there are several nodes."""
    several = get_training_nodes(wildcards) and get_training_gpus(wildcards)
    return f"--gpus-per-node={get_training(wildcards)['devices']}" if several else None


def get_training_nodes(wildcards):
    """Nodes of a training; nothing where one is enough."""
    nodes = get_training(wildcards)["nodes"]
    return nodes if nodes > 1 else None
