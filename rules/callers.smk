# Programs of others: their files, environments and commands, and where the loops and boundaries that they call lie.


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


def locate_called_maps(evaluation):
    """The same of the maps that an enhanced one is held against."""
    place = f"fold-{evaluation.fold}/{evaluation.sample}/structure.tsv"
    return f"<results>/structure/{evaluation.degradation}/maps/{place}"
