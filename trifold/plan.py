"""Which trainings, predictions and scores a configuration asks for: pure functions of the configuration."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

from trifold import loss_terms
from trifold.architectures import ARCHITECTURES, Traits, check_options, with_options
from trifold.arm import Arm
from trifold.config import WHERE, Training
from trifold.errors import InputError
from trifold.tasks import DEFAULT, TASKS, Task

DRAW = "."  # between the name of a degradation and the seed that draws its reads; no name holds it
_SEED_STEP = 1_000_003  # what a seed of arms adds to the seed of a degradation: more than those differ by
# Settings of an arm that say how its samples are read where these are windows about pairs of bins.
_OF_PAIRS = ("fraction", "noise", "log_tracks", "hold_out")


def traits_of(arm: Arm) -> Traits:
    """What the architecture of an arm is in its task, with its options."""
    return with_options(arm.architecture, arm.options, arm.protocol, arm.task)


def task_of(arm: Arm) -> Task:
    """The task of an arm."""
    return TASKS[arm.task]


def is_trained(arm: Arm) -> bool:
    """Whether there is a job that makes a model of it here."""
    return traits_of(arm).fitted and arm.weights is None and arm.scores is None


def datasets(config: dict, arms: dict[str, Arm]) -> dict[str, dict]:
    """Data sets by the names that arms give them -> protocol and window_bins; the corrected one, on which every score
    of a whole map stands, is always there."""
    usual = {"corrected": {"protocol": "corrected", "window_bins": config["geometry"]["window_bins"]}}
    return usual | {arm.dataset: {"protocol": arm.protocol, "window_bins": arm.window_bins} for arm in arms.values()}


def parts_of(arm: Arm) -> dict:
    """What a job loads by name for an arm, and how its training knows the best epoch."""
    task, traits = task_of(arm), traits_of(arm)
    module, learner = task.learner(arm.training["loss"], traits.predicts)
    parts = {"data": task.data, "scoring": task.scoring, "criterion": list(task.criterion)}
    return {**parts, "learner": [module, learner] if traits.learned else None}


class Run(NamedTuple):
    """One training (or one no-model row): its place is models/<arm>/fold-<fold>/seed-<seed>."""

    arm: str
    fold: str
    seed: int


class Scored(NamedTuple):
    """One model on one sample: scores/<dataset>/<arm>/fold-<fold>/seed-<seed>/<sample>."""

    dataset: str
    arm: str
    fold: str
    seed: int
    sample: str


class Evaluation(NamedTuple):
    degradation: str
    arm: str
    fold: str
    seed: int
    sample: str


# ---------------------------------------------------------------- the arms of a configuration


def expanded(config: dict) -> dict:
    """The configuration with an arm for every degradation that an arm names: image-d4 and image-d16 for `image`.

    What names such an arm in a list names all of them; what it stands on, or starts from, is the one of its own
    degradation. Raises InputError for a degradation that is not there and for a name that is taken.
    """
    several: dict[str, list[str]] = {}
    for name, arm in config["arms"].items():
        named = arm.get("degradation")
        chosen = list(config["degradations"]) if named == "all" else named
        if isinstance(chosen, list):
            several[name] = chosen
            if unknown := sorted(set(chosen) - set(config["degradations"])):
                known = sorted(config["degradations"])
                raise InputError(f"config: arms/{name}/degradation: {unknown} is not one of {known}")
            if taken := [f"{name}-{depth}" for depth in chosen if f"{name}-{depth}" in config["arms"]]:
                raise InputError(
                    f"config: arms/{taken[0]}: is the name of {name!r} at one of its degradations; rename it"
                )
    if not several:
        return config
    arms: dict[str, dict] = {}
    for name, arm in config["arms"].items():
        for degradation in several.get(name, [None]):
            full = name if degradation is None else f"{name}-{degradation}"
            if full in arms:
                raise InputError(f"config: arms/{name}: two arms would be called {full!r}; rename one of them")
            of_degradation = arm if degradation is None else {**arm, "degradation": degradation}
            arms[full] = _at(of_degradation, degradation, several, f"config: arms/{name}")
    lists = {key: _named(config[key], several) for key in ("arms_used", "depth", *config["papers"]) if key in config}
    comparison = _named(config["evaluate"]["comparison"], several)
    return {**config, **lists, "evaluate": {**config["evaluate"], "comparison": comparison}, "arms": arms}


def in_folds(config: dict) -> dict:
    """The configuration with a split for every fold of one of the kind `folds`: a-1, a-2 and a-3 for `a`.

    An arm that names such a split is trained on all its folds. Raises InputError for settings that do nothing, and for
    a name that is taken.
    """
    several = {
        name: [f"{name}-{number}" for number in range(1, split["folds"] + 1)]
        for name, split in config["splits"].items()
        if split.get("kind") == "folds" and "fold" not in split
    }
    for name, split in config["splits"].items():
        if split.get("kind") == "folds":
            _check_folds(f"config: splits/{name}", split)
    if not several:
        return config
    splits: dict[str, dict] = {}
    for name, split in config["splits"].items():
        of_split = {full: _one_fold(split, number) for number, full in enumerate(several.get(name, ()), 1)}
        if taken := sorted(set(of_split) & {*config["splits"], *splits}):
            raise InputError(f"config: splits/{taken[0]}: is the name of a fold of {name!r}; rename it")
        splits |= of_split or {name: split}
    arms = {
        name: {**arm, "folds": list(dict.fromkeys(full for fold in arm["folds"] for full in several.get(fold, [fold])))}
        if "folds" in arm
        else arm
        for name, arm in config["arms"].items()
    }
    return {**config, "splits": splits, "arms": arms}


def _one_fold(split: dict, number: int) -> dict:
    """A split of the kind `folds` as one of them, its keys in the order of the schema: a run that starts from the
    configuration that another left behind has the same parameters."""
    first = {key: split[key] for key in ("kind", "on_demand", "folds") if key in split}
    return {**first, "fold": number, **{key: value for key, value in split.items() if key not in first}}


def _check_folds(place: str, split: dict) -> None:
    """Raise InputError for a split of the kind `folds` whose settings do not go together."""
    of_blocks = [name for name in ("block_bp", "gap_bp", "seed") if name in split]
    if 0 < len(of_blocks) < 3:
        lacking = sorted({"block_bp", "gap_bp", "seed"} - set(of_blocks))
        raise InputError(
            f"{place}/{of_blocks[0]}: folds of blocks need {' and '.join(lacking)} too; say so, or leave "
            f"{' and '.join(of_blocks)} out for folds of whole chromosomes"
        )
    if split.get("fold", 1) > split["folds"]:
        raise InputError(f"{place}/fold: {split['fold']} of {split['folds']} folds; lower it")


def _at(arm: dict, degradation: str | None, several: dict[str, list[str]], place: str) -> dict:
    """An arm with the arms it names at its own degradation."""

    def at_degradation(field: str, other: str) -> str:
        if other not in several:
            return other
        if degradation not in several[other]:
            raise InputError(
                f"{place}/{field}: {other!r} stands for an arm of each of {', '.join(several[other])}; name one of "
                f"them ({other}-{several[other][0]})"
            )
        return f"{other}-{degradation}"

    changed: dict = {
        kind: {role: at_degradation(f"{kind}/{role}", other) for role, other in arm[kind].items()}
        for kind in ("backbones", "loss_networks")
        if kind in arm
    }
    if arm.get("pretrained") is not None:
        changed["pretrained"] = at_degradation("pretrained", arm["pretrained"])
    return {**arm, **changed}


def _named(value, several: dict[str, list[str]]):
    """Nested settings whose lists name arms, with every arm that a name stands for."""
    if isinstance(value, dict):
        return {key: _named(child, several) for key, child in value.items()}
    if isinstance(value, list):
        return [
            full
            for name in value
            for full in (
                [f"{name}-{depth}" for depth in several[name]]
                if isinstance(name, str) and name in several
                else [_named(name, several)]
            )
        ]
    return value


def selected(config: dict) -> dict:
    """The configuration with the arms it uses, one for each degradation, and a split for every fold; arms that are
    left out are no reference of a comparison either.

    Raises InputError for an arm or an evaluated sample that is not there.
    """
    config = expanded(in_folds(config))
    comparison = config["evaluate"]["comparison"]
    if unknown := sorted(set(config["evaluate"]["samples"]) - set(config["samples"])):
        raise InputError(f"config: evaluate/samples: {unknown} is not one of {sorted(config['samples'])}")
    for field, names in (
        ("arms_used", config["arms_used"]),
        ("evaluate/comparison/reference_arms", comparison["reference_arms"]),
    ):
        if unknown := sorted(set(names or ()) - set(config["arms"])):
            raise InputError(f"config: {field}: {unknown} is not one of {sorted(config['arms'])}")
    if config["arms_used"] is None:
        return config
    used = {name: config["arms"][name] for name in config["arms_used"]}
    kept = [name for name in comparison["reference_arms"] if name in used]
    evaluate = {**config["evaluate"], "comparison": {**comparison, "reference_arms": kept}}
    return {**config, "arms": used, "evaluate": evaluate}


def resolve(config: dict) -> dict[str, Arm]:
    """Every arm of a configuration with all that it inherits.

    Raises InputError, naming the arm and the field, for what the schema cannot see.
    """
    for name, shared in config["shared"].items():
        _check_shared(name, shared)
    resolved: dict[str, Arm] = {}
    for name in config["arms"]:
        _resolve(config, name, resolved, ())
    return {name: resolved[name] for name in config["arms"]}


def _check_shared(name: str, shared: dict) -> None:
    """Raise InputError for an entry of `shared` that names no architecture or task, or that does nothing in any."""
    architecture, _, task = name.partition("/")
    if architecture not in ARCHITECTURES:
        raise InputError(f"config: shared: {name!r} is not one of {sorted(ARCHITECTURES)}")
    if task and task not in ARCHITECTURES[architecture].tasks:
        known = ", ".join(f"{architecture}/{other}" for other in ARCHITECTURES[architecture].tasks)
        raise InputError(f"config: shared: {name!r} names no task of the architecture; write {known}")
    tasks, problems = [task] if task else list(ARCHITECTURES[architecture].tasks), []
    for of_task in tasks:
        try:
            settings, traits = {"architecture": architecture, **shared}, ARCHITECTURES[architecture].at(of_task)
            _refuse_idle(settings, traits, TASKS[of_task], f"config: shared/{name}")
            check_options(architecture, shared.get("options", {}), f"config: shared/{name}/options", of_task)
        except InputError as error:
            problems.append(error)
    if len(problems) == len(tasks):  # what one of its tasks takes is not idle
        raise problems[0]


def _resolve(config: dict, name: str, resolved: dict[str, Arm], above: tuple[str, ...]) -> Arm:
    """One arm, and before it those it starts from, stands on, and has in its loss."""
    if name in resolved:
        return resolved[name]
    given, place = config["arms"][name], f"config: arms/{name}"

    def refuse(field: str, value, known) -> InputError:
        return InputError(f"{place}/{field}: {value!r} is not one of {sorted(map(str, known))}")

    task, traits = _kind_of(config, name)
    of_task, protocol = TASKS[task], given.get("protocol", "corrected")
    shared = _shared(config, given["architecture"], task)
    # What it reads, its options may say.
    traits = with_options(given["architecture"], {**shared["options"], **given.get("options", {})}, protocol, task)
    _refuse_idle(given, traits, of_task, place)
    above = (*above, name)
    for field, other in _stands_on(given):
        usable = [arm for arm in config["arms"] if arm not in above and _can_serve(config, arm, field, of_task)]
        if other not in usable:
            raise refuse(field, other, usable)
        _resolve(config, other, resolved, above)
    start = given.get("pretrained")
    before = resolved[start] if start is not None else None
    known = {**traits_of(before).options, **before.options} if before else {}
    inherited = {option: known[option] for option in traits.inherits if option in known}
    options = {**shared.get("options", {}), **inherited, **given.get("options", {})}
    check_options(given["architecture"], options, f"{place}/options", task, protocol)
    training = {**config["training"], **traits.training.get(protocol, {}), **shared.get("training", {})}
    training |= given.get("training", {})
    if unknown := set(training) - {field.name for field in fields(Training)}:
        raise refuse("training", unknown.pop(), {field.name for field in fields(Training)})
    usual = {"fraction": 1, "noise": False, "log_tracks": True, "hold_out": True, **of_task.settings.get(protocol, {})}
    samples = given.get("samples", config["evaluate"]["samples"])
    tracks = given.get("tracks", shared.get("tracks", []) if "tracks" in traits.inputs else [])
    window_bins = given.get("window_bins", traits.window_bins or config["geometry"]["window_bins"])
    usual_window = of_task.whole_maps and window_bins == config["geometry"]["window_bins"]
    arm = Arm(
        name=name,
        architecture=given["architecture"],
        task=task,
        protocol=protocol,
        options=options,
        degradation=given.get("degradation", next(iter(config["degradations"]))),
        samples=tuple(samples),
        test_samples=tuple(given.get("test_samples", config["evaluate"]["samples"] if of_task.whole_maps else samples)),
        also=tuple(given.get("also", ())),
        tracks=tuple(tracks),
        backbones=given.get("backbones", {}),
        loss_networks=given.get("loss_networks", {}),
        pretrained=start,
        pretrained_parts=given.get("pretrained_parts", "encoder"),
        weights=given.get("weights"),
        training=training,
        window_bins=window_bins,
        dataset=protocol if usual_window else f"{protocol}-w{window_bins}",
        track_bp=given.get("track_bp"),
        strands=_strands(config, tracks, place),
        **{key: given.get(key, value) for key, value in usual.items()},
        folds=tuple(given.get("folds", _usual_folds(config))),
        seeds=tuple(_seeds_of(config, given, traits, task)),
        maps=given.get("maps", True),
        on_demand=given.get("on_demand", False),
        scores=given.get("scores"),
        embeddings=given.get("embeddings"),
    )
    _check_embeddings(config, arm, traits_of(arm).inputs, place)
    for field, value, known in (
        ("degradation", {arm.degradation}, config["degradations"]),
        ("samples", set(arm.samples), config["samples"]),
        ("test_samples", set(arm.test_samples), config["samples"]),
    ):
        if unknown := value - set(known):
            raise refuse(field, unknown.pop(), known)
    if unknown := set(arm.folds) - set(config["splits"]):
        raise InputError(
            f"{place}/folds: {unknown.pop()!r} is not one of {sorted(config['splits'])}; add such a split, or leave "
            f"the arm out ({name}: null under arms, where a paper brings it)"
        )
    if before is not None:
        _check_start(arm, before, place)
    resolved[name] = arm
    return arm


def _shared(config: dict, architecture: str, task: str) -> dict:
    """What all arms of an architecture, and of it in a task, have unless they say otherwise."""
    of_all, of_task = (config["shared"].get(name, {}) for name in (architecture, f"{architecture}/{task}"))
    both = {**of_all, **of_task}
    return both | {name: {**of_all.get(name, {}), **of_task.get(name, {})} for name in ("options", "training")}


def _strands(config: dict, tracks: Sequence[str], place: str) -> tuple[tuple[int, int], ...]:
    """Pairs of an arm's tracks that are the two strands of one assay, by their numbers."""
    pairs = []
    for plus, minus in config["tracks"]["strands"]:
        if (plus in tracks) != (minus in tracks):
            lacking = minus if plus in tracks else plus
            raise InputError(
                f"{place}/tracks: {plus!r} and {minus!r} are two strands (tracks/strands); add {lacking!r}"
            )
        if plus in tracks:
            pairs.append((list(tracks).index(plus), list(tracks).index(minus)))
    return tuple(pairs)


def _check_embeddings(config: dict, arm: Arm, inputs: frozenset[str], place: str) -> None:
    """Raise InputError for an arm whose vectors of bins are not there, or that could not be read as it is trained."""
    if "embeddings" not in inputs:
        return
    known = config["embeddings"]
    if arm.embeddings not in known:
        said = "missing" if arm.embeddings is None else f"{arm.embeddings!r}"
        raise InputError(
            f"{place}/embeddings: {said}; {arm.architecture!r} reads vectors of bins: name an entry of the section "
            f"embeddings ({', '.join(sorted(known)) or 'there is none yet: docs/embeddings.md'})"
        )
    turned = arm.weights is None and arm.training["reverse_complement"]
    if turned and known[arm.embeddings]["strands"] == "forward":
        raise InputError(
            f"{place}/training/reverse_complement: true, and embeddings/{arm.embeddings} are of the forward strand: "
            f"say false, or embeddings/{arm.embeddings}/strands: both"
        )


def _check_start(arm: Arm, before: Arm, place: str) -> None:
    """Raise InputError for an arm that cannot start from another."""
    if before.weights is None and not set(arm.folds) <= set(before.folds):
        raise InputError(
            f"{place}/pretrained: {before.name!r} is not trained on the split(s) "
            f"{sorted(set(arm.folds) - set(before.folds))}; give both arms the same folds"
        )
    if not task_of(arm).whole_maps and before.protocol != arm.protocol:
        raise InputError(
            f"{place}/pretrained: {before.name!r} is {before.protocol} and the arm {arm.protocol}; protocols are not "
            "mixed: change one of them"
        )


def _refuse_idle(given: dict, traits: Traits, task: Task, place: str) -> None:
    """Raise InputError for a setting of an arm that would do nothing."""
    architecture = given["architecture"]
    if given.get("tracks") and "tracks" not in traits.inputs:
        raise InputError(f"{place}/tracks: {architecture!r} reads no track; leave the setting out")
    if given.get("embeddings") and "embeddings" not in traits.inputs:
        raise InputError(f"{place}/embeddings: {architecture!r} reads none; leave the setting out")
    if "weights" in given and (idle := [name for name in ("options", "training", "pretrained") if given.get(name)]):
        raise InputError(
            f"{place}/{idle[0]}: the arm comes with its weights, which are neither built nor trained anew; remove "
            f"`{idle[0]}`, or `weights` to train it here"
        )
    of_training = ("training", "pretrained", "loss_networks", "seeds")
    if not traits.learned and (idle := [name for name in of_training if given.get(name)]):
        raise InputError(f"{place}/{idle[0]}: {architecture!r} is not trained; leave the setting out")
    if "pretrained_parts" in given and given.get("pretrained") is None:
        raise InputError(f"{place}/pretrained_parts: it starts from no other arm; name one under `pretrained`")
    if task.whole_maps and (idle := [name for name in (*_OF_PAIRS, "scores") if name in given]):
        raise InputError(f"{place}/{idle[0]}: for tasks on windows about pairs of bins; leave the setting out")
    if not task.draws and "also" in given:
        raise InputError(f"{place}/also: the task {task.name!r} learns from this experiment's samples; leave it out")
    of_maps = ("degradation", "maps", "loss_networks", "track_bp")
    if not task.whole_maps and (idle := [name for name in of_maps if name in given]):
        raise InputError(f"{place}/{idle[0]}: the task {task.name!r} has no use for it; leave the setting out")
    of_loss = [name for name in ("loss", "loss_weights") if name in given.get("training", {})]
    if not task.whole_maps and of_loss:
        raise InputError(
            f"{place}/training/{of_loss[0]}: the network brings the loss of the task {task.name!r}; leave it out"
        )
    needed, allowed = traits.backbones
    backbones = given.get("backbones", {})
    if extra := sorted(set(backbones) - set(allowed)):
        raise InputError(
            f"{place}/backbones/{extra[0]}: {architecture!r} stands on "
            f"{' and '.join(allowed) or 'no other arm'}; leave {extra[0]!r} out"
        )
    if lacking := [role for role in needed if role not in backbones and "weights" not in given]:
        raise InputError(
            f"{place}/backbones: {architecture!r} stands on trained arms, {' and '.join(needed)}; name one for "
            f"{lacking[0]!r}"
        )


def _kind_of(config: dict, name: str) -> tuple[str, Traits]:
    """The task of an arm that is not resolved yet, and what its architecture is in it."""
    given, place = config["arms"][name], f"config: arms/{name}"
    if given["architecture"] not in ARCHITECTURES:
        raise InputError(f"{place}/architecture: {given['architecture']!r} is not one of {sorted(ARCHITECTURES)}")
    architecture = ARCHITECTURES[given["architecture"]]
    if "task" not in given and DEFAULT not in architecture.tasks and len(architecture.tasks) > 1:
        raise InputError(f"{place}/task: missing; give one of {', '.join(architecture.tasks)}")
    task = given.get("task", DEFAULT if DEFAULT in architecture.tasks else next(iter(architecture.tasks)))
    if task not in architecture.tasks:
        raise InputError(f"{place}/task: {task!r} is not one of {sorted(architecture.tasks)}")
    return task, architecture.at(task)


def _stands_on(given: dict) -> list[tuple[str, str]]:
    """(field, arm) of what an arm starts from, stands on, and has in its loss."""
    named = [("pretrained", given["pretrained"])] if given.get("pretrained") is not None else []
    return named + [
        (f"{kind}/{role}", other)
        for kind in ("backbones", "loss_networks")
        for role, other in given.get(kind, {}).items()
    ]


def _can_serve(config: dict, name: str, field: str, task: Task) -> bool:
    """Whether an arm has a model that another of the task `task` can name in the field."""
    of_arm, traits = _kind_of(config, name)
    if TASKS[of_arm].whole_maps != task.whole_maps:
        return False
    if field == "pretrained":
        return traits.learned
    has_model = traits.fitted or config["arms"][name].get("weights") is not None
    return has_model and traits.predicts == field.startswith("backbones")


def _usual_folds(config: dict) -> list[str]:
    """Folds of an arm that names none: those that are not on demand."""
    return [fold for fold, split in config["splits"].items() if not split.get("on_demand")]


def _seeds_of(config: dict, given: dict, traits: Traits, task: str) -> list[int]:
    """Seeds of an arm: one that is not trained with gradients here is deterministic and stands once, as seed 0, unless
    it is of maps that every seed thins anew; one pre-training serves all seeds of the arms that start from it, unless
    it says otherwise."""
    if not traits.learned or "weights" in given or "scores" in given:
        degradation = given.get("degradation") or next(iter(config["degradations"]))
        drawn_anew = (
            TASKS[task].whole_maps and degradation in config["degradations"] and _is_thinned(config, degradation)
        )
        several = len(config["seeds"]) > 1 and "weights" not in given
        return config["seeds"] if drawn_anew and several else [0]
    return given.get("seeds", config["seeds"][:1] if TASKS[task].one_seed else config["seeds"])


def start_seed(before: Arm, seed: int) -> int:
    """The seed of an arm that another of some seed starts from or stands on: the same, or else the first."""
    return seed if seed in before.seeds else before.seeds[0]


# ---------------------------------------------------------------- what is made


def track_files(track: str | list | dict) -> list[str]:
    """Files of a track of a sample: one, a list of replicates, or the `files` of one with settings of its own."""
    files = track["files"] if isinstance(track, dict) else track
    return [files] if isinstance(files, str) else list(files)


def measured_lows(sample: dict) -> dict[str, dict]:
    """Low maps of a sample that were measured, by degradation: {contacts, reads_in_deep}."""
    given = sample.get("low", {})
    return {
        name: {"reads_in_deep": False, **(low if isinstance(low, dict) else {"contacts": low})}
        for name, low in given.items()
    }


def holds_back(config: dict, sample: str, degradation: str) -> bool:
    """Whether arms are taught and scored by the reads that the low map does not have, and not by the whole deep map;
    degradation: its name, or that of one of its draws.

    Of a measured low map where the deep map holds its reads, bin by bin: its contacts are taken away. Where the deep
    map does not, there is nothing to hold back."""
    name = degradation.partition(DRAW)[0]
    settings, measured = config["degradations"][name], measured_lows(config["samples"][sample]).get(name)
    if measured and not (measured["reads_in_deep"] and settings["coarsen"] == 1):
        return False
    return not settings["share_reads"]


def drawn(config: dict, sample: str, degradation: str, seed: int) -> str:
    """The name of the low map of a sample that a seed of an arm reads: every seed thins anew.

    The first seed, and seed 0 of what is made once, have the degradation itself, as all have where nothing is drawn:
    where nothing is thinned, and of a map that was measured.
    """
    once = not _is_thinned(config, degradation) or degradation in config["samples"][sample].get("low", {})
    return degradation if once or seed in (0, config["seeds"][0]) else f"{degradation}{DRAW}{seed}"


def deep_map_of(dataset: str) -> str:
    """The deep map that a dataset directory, <results>/examples/<dataset>/<low map>/<sample>/<fold>, was made from.
    Raises InputError for a path that is none."""
    parts = Path(dataset).parts
    if len(parts) < 5 or parts[-5] != "examples":
        raise InputError(
            f"config: arms/*/also: {dataset}: a dataset directory of another experiment, "
            "results/<experiment>/examples/corrected/<low map>/<sample>/fold-<fold>"
        )
    return str(Path(*parts[:-5], "contacts", parts[-2], "deep", "map.cool"))


def degradation_of(config: dict, name: str) -> dict:
    """Settings of a degradation, or of one of its draws: then with a seed of its own."""
    base, _, seed = name.partition(DRAW)
    settings = config["degradations"][base]
    return {**settings, "seed": settings["seed"] + _SEED_STEP * int(seed)} if seed else settings


def _is_thinned(config: dict, degradation: str) -> bool:
    return config["degradations"][degradation].get("thin", 1) > 1


def track_settings(config: dict, sample: str, track: str) -> dict:
    """How a track is made: `tracks` of the configuration, but for what the track itself says, and without the
    blacklist, a file; with `uncovered` (zero, missing) in place of the list."""
    settings = {name: value for name, value in config["tracks"].items() if name != "blacklist"}
    zero = settings.pop("zero_where_uncovered")
    settings.pop("strands")
    entry = config["samples"][sample]["tracks"][track]
    if isinstance(entry, dict):
        settings |= {name: value for name, value in entry.items() if name != "files"}
    return {**settings, "uncovered": "zero" if track in zero else "missing"}


def embedding_settings(config: dict, name: str) -> dict:
    """How vectors of bins are made, without how many windows are read at once."""
    return {key: value for key, value in config["embeddings"][name].items() if key != "batch_size"}


def check_tracks(config: dict) -> None:
    """Raise InputError where `tracks` names a track that no sample has."""
    zero, strands = config["tracks"]["zero_where_uncovered"], config["tracks"]["strands"]
    known = {name for sample in config["samples"].values() for name in sample.get("tracks", {})}
    for field, named in (("zero_where_uncovered", zero), ("strands", {name for pair in strands for name in pair})):
        if unknown := set(named) - known:
            raise InputError(f"config: tracks/{field}: {sorted(unknown)} is not one of {sorted(known)}")


def geometry_of(config: dict, arm: Arm) -> dict:
    """`geometry` as a job on windows of an arm reads it. Of windows about pairs only the bin is a setting there: which
    windows there are, `pairs` says."""
    geometry = {**config["geometry"], "window_bins": arm.window_bins}
    if task_of(arm).whole_maps:
        return geometry
    return {**geometry, "stride_bins": {}, "max_bad_bins": 0, "max_n_bins": 0}


def where_of(config: dict, arm: Arm) -> dict:
    """Where an arm is trained: workers, devices, nodes, accelerator."""
    return {**{key: arm.training[key] for key in WHERE}, "accelerator": config["accelerator"]}


def of_whole_maps(config: dict, arms: dict[str, Arm]) -> dict:
    """The configuration with the arms that the tables and figures of whole maps can hold."""
    kept = {name: settings for name, settings in config["arms"].items() if task_of(arms[name]).whole_maps}
    return {**config, "arms": kept}


def what(config: dict) -> dict:
    """The configuration without where its jobs run and where its downloads come from."""
    elsewhere = ("accelerator", "threads", "mirrors")
    return _without_where({key: value for key, value in config.items() if key not in elsewhere})


def _without_where(settings):
    """Nested settings whose trainings do not say where they run."""
    if not isinstance(settings, dict):
        return settings
    kept = {key: _without_where(value) for key, value in settings.items()}
    if isinstance(training := kept.get("training"), dict):
        kept["training"] = {key: value for key, value in training.items() if key not in WHERE}
    return kept


def networks_of(arms: dict[str, Arm], name: str) -> list[str]:
    """Modules with the network of an arm and with those it stands on; a job loads them by name."""
    below = [module for other in arms[name].backbones.values() for module in networks_of(arms, other)]
    return sorted({traits_of(arms[name]).module, *below} - {""})


def trained_by(arms: dict[str, Arm], name: str) -> list[str]:
    """Modules that the training of an arm loads by name: its networks, its task's samples and loss, the networks that
    the loss looks through."""
    arm = arms[name]
    loss, predicts = arm.training["loss"], traits_of(arm).predicts
    learner, _ = task_of(arm).learner(loss, predicts)
    modules = {*networks_of(arms, name), task_of(arm).data, *([learner] if traits_of(arm).learned else [])}
    for other in arm.loss_networks.values():
        modules |= set(networks_of(arms, other))
    if predicts and loss in loss_terms.DISCRIMINATOR:
        modules.add(loss_terms.DISCRIMINATOR[loss])
    return sorted(modules)


def scored_by(arms: dict[str, Arm], name: str) -> list[str]:
    """Modules that the scoring of an arm loads by name: its networks, its task's samples and scores."""
    task = task_of(arms[name])
    return sorted({*networks_of(arms, name), task.data, *([task.scoring] if task.scoring else [])})


def code_of_jobs(arms: dict[str, Arm]) -> dict[str, list[list[str]]]:
    """Script of `workflow_scripts/` -> the modules that its jobs load by name, a list for each kind of arm: with what
    `code_version` digests of it."""
    known: dict[str, set[tuple[str, ...]]] = {}
    for name in arms:
        networks = tuple(networks_of(arms, name))
        known.setdefault("train.py", set()).add(tuple(trained_by(arms, name)))
        known.setdefault("score.py", set()).add(tuple(scored_by(arms, name)))
        for script in ("predict.py", "keep_windows.py", "search_loops.py", "import_weights.py"):
            known.setdefault(script, set()).add(networks)
    return {script: sorted(map(list, modules)) for script, modules in known.items()}


def runs(config: dict, arms: dict[str, Arm], *, on_demand: bool = False) -> list[Run]:
    """arms x folds x seeds; with `on_demand` also what only a paper's tables or figures ask for."""
    return [
        Run(name, fold, seed)
        for name, arm in arms.items()
        for fold in arm.folds
        for seed in arm.seeds
        if on_demand or not (arm.on_demand or config["splits"][fold].get("on_demand"))
    ]


def protocols_read(arms: dict[str, Arm]) -> list[str]:
    """Protocols whose data steps are needed: the corrected one, on which every score is, and the arms' own."""
    used = {arm.protocol for arm in arms.values() if task_of(arm).whole_maps}
    return ["corrected", *sorted(used - {"corrected"})]


def reads_counts(arms: dict[str, Arm], dataset: str) -> bool:
    """Whether an arm of the data set reads or predicts contacts of its windows; one that learns nothing predicts whole
    maps alone, and takes no more than the data set's statistics."""
    return any(
        traits_of(arm).target == "counts" and traits_of(arm).fitter != "none"
        for arm in arms.values()
        if arm.dataset == dataset and task_of(arm).whole_maps
    )


def evaluations(config: dict, arms: dict[str, Arm], samples: Sequence[str] | None = None) -> list[Evaluation]:
    """Every run on every evaluated sample, or on others; an arm that reads no map is scored beside the arms of each
    degradation."""
    return [
        Evaluation(degradation, *run, sample)
        for degradation in config["degradations"]
        for run in runs(config, {name: arm for name, arm in arms.items() if _is_evaluated(arm, degradation)})
        for sample in (config["evaluate"]["samples"] if samples is None else samples)
    ]


def structures(config: dict, arms: dict[str, Arm]) -> list[Evaluation]:
    """Enhanced maps on which structure is called: every run on the samples of the section `structure`."""
    return evaluations(config, arms, config["structure"]["samples"])


def shown_structures(called: list[Evaluation]) -> list[Evaluation]:
    """The maps whose calls a person looks at: of each low map and sample the first fold and seed of every arm."""
    first: dict[tuple[str, str, str], Evaluation] = {}
    for evaluation in called:
        first.setdefault((evaluation.degradation, evaluation.sample, evaluation.arm), evaluation)
    return list(first.values())


def loop_caller() -> Traits:
    """The program that calls loops on every map of which structure is scored."""
    return ARCHITECTURES["chromosight"].at("loop")


def programs_of(config: dict, arms: dict[str, Arm]) -> list[Traits]:
    """Programs of others that an experiment runs: those that are arms, and the one that calls loops."""
    named = [traits_of(arm) for arm in arms.values()]
    return [traits for traits in named if traits.fitter == "program"] + (
        [loop_caller()] if config["structure"]["samples"] else []
    )


def structure_of(config: dict) -> dict:
    """How structure is called, with numbers for what the section `structure` leaves to the geometry."""
    given, geometry = config["structure"], config["geometry"]
    reach_bins = config["evaluate"]["scoring"]["max_distance_bins"] or geometry["window_bins"] - 1
    usual = {"min_bp": 8, "max_bp": reach_bins, "window_bp": 10}
    filled = {name: bins * geometry["bin_bp"] for name, bins in usual.items() if given[name] is None}
    return {name: value for name, value in {**given, **filled}.items() if name != "samples"}


def _is_evaluated(arm: Arm, degradation: str) -> bool:
    if not (task_of(arm).whole_maps and arm.maps and traits_of(arm).predicts):
        return False
    return "map" not in traits_of(arm).inputs or arm.degradation == degradation


def searched(arms: dict[str, Arm], names: list[str]) -> list[Scored]:
    """Loops of whole chromosomes, on the samples that the arms were trained on, or are run on."""
    return [
        Scored(arms[name].dataset, name, fold, seed, sample)
        for name in names
        if task_of(arms[name]).searched and arms[name].scores is None
        for fold in arms[name].folds
        for seed in arms[name].seeds
        for sample in arms[name].test_samples
        if sample in arms[name].samples
    ]


def scored(arms: dict[str, Arm], names: list[str], fold: str | None = None) -> list[Scored]:
    """Scores of arms: of whole maps those that learn under their own protocol, the others under every one in use.

    fold None: the arm's folds. Left out are arms that come with their scores, programs, which give none of single
    windows, tasks that are not scored, and rows on contacts where the windows' contacts are not kept.
    """
    return [
        Scored(dataset, name, own_fold, seed, sample)
        for name in names
        if task_of(arms[name]).scoring and arms[name].scores is None and traits_of(arms[name]).fitter != "program"
        for dataset in _datasets_scored(arms, arms[name])
        for own_fold in ([fold] if fold else arms[name].folds)
        for seed in arms[name].seeds
        for sample in arms[name].test_samples
    ]


def _datasets_scored(arms: dict[str, Arm], arm: Arm) -> list[str]:
    if not task_of(arm).whole_maps or traits_of(arm).fitted:
        return [arm.dataset]
    counted = traits_of(arm).target == "counts"
    return [dataset for dataset in protocols_read(arms) if reads_counts(arms, dataset) or not counted]


def shown(evaluated: list[Evaluation]) -> list[Evaluation]:
    """The predictions a person looks at: of each degradation the first fold, sample and seed of every arm."""
    first: dict[tuple[str, str], Evaluation] = {}
    for evaluation in evaluated:
        first.setdefault((evaluation.degradation, evaluation.arm), evaluation)
    return list(first.values())
