# Programs and language models of others: their files, environments and commands, and where the loops and boundaries that
# programs call lie.


def get_program(wildcards):
    """Files in the folder of the program that an arm is."""
    return files_of_program(plan.traits_of(arms[wildcards.arm]))


def files_of_program(traits):
    """Files in the folder of a program: editing one runs it again. What Python and editors leave there is none
    of it."""
    folder = ROOT / traits.folder
    files = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    kept = [path for path in files if not any(part.startswith((".", "__pycache__")) for part in path.parts)]
    return [shipped(folder.relative_to(ROOT) / path) for path in kept]


def get_program_environment(wildcards):
    """The environment of the program that an arm is."""
    return environment_of_program(plan.traits_of(arms[wildcards.arm]))


def environment_of_program(traits):
    """The environment of a program; nothing where the workflow's own will do."""
    return [f"<resources>/environments/{Path(traits.folder).name}/artifact.json"] if traits.requirements else []


def get_program_call(wildcards):
    """The command of a program, the program's folder, and values of the placeholders in the command."""
    arm = arms[wildcards.arm]
    traits = plan.traits_of(arm)
    return {"command": traits.command, "program": shipped(traits.folder), "options": {**traits.options, **arm.options}}


def get_caller(wildcards):
    """Command and folder of the program that calls loops wherever structure is scored."""
    caller = plan.loop_caller()
    return {"command": caller.command, "program": shipped(caller.folder)}


def locate_structure(evaluation):
    """The scores of structure on an enhanced map; the calls lie beside it."""
    run = f"{evaluation.arm}/fold-{evaluation.fold}/seed-{evaluation.seed}/{evaluation.sample}"
    return f"<results>/structure/{evaluation.degradation}/arms/{run}/structure.tsv"


def drawn_by(evaluation):
    """The low map that the seed of an evaluation draws."""
    return plan.drawn(config, evaluation.sample, evaluation.degradation, evaluation.seed)


def locate_called(degradation, fold, sample):
    """The scores of structure on the maps that enhanced ones are held against, of one draw of the low map."""
    return f"<results>/structure/{degradation}/maps/fold-{fold}/{sample}/structure.tsv"


def locate_references(evaluation):
    """The same of those that one enhanced map is held against."""
    return locate_called(drawn_by(evaluation), evaluation.fold, evaluation.sample)


def get_call_labels(wildcards):
    """What rows of maps that are no arm are called: the low map by its name, and the seed that drew it."""
    name, _, seed = wildcards.degradation.partition(plan.DRAW)
    return {"degradation": name, "fold": wildcards.fold, "seed": int(seed or 0), "sample": wildcards.sample}


def get_language_model(wildcards):
    """Files of the folder of a language model."""
    files = Path(config["embeddings"][wildcards.embedding]["model"]).iterdir()
    return sorted(str(path) for path in files if path.is_file() and not path.name.startswith("."))
