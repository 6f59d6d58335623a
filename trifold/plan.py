"""Which trainings, predictions and evaluations a configuration asks for: pure functions of the configuration."""

from dataclasses import fields
from typing import NamedTuple

from trifold import loss_terms
from trifold.architectures import ARCHITECTURES, Traits, check_options
from trifold.config import WHERE, Training
from trifold.errors import InputError

# Settings of an arm that say where and when it runs, not what it is.
_NOT_THE_MODEL = ("folds", "maps", "on_demand")


class Run(NamedTuple):
    """One training (or one no-model row): its place is models/<arm>/fold-<fold>/seed-<seed>."""

    arm: str
    fold: str
    seed: int


class Scored(NamedTuple):
    """One model on the windows of one data set: scores/<protocol>/<arm>/fold-<fold>/seed-<seed>/<sample>."""

    protocol: str
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


def selected(config: dict) -> dict:
    """The configuration with the arms it uses; arms that are left out are no reference of a comparison either.

    Raises InputError for an arm or an evaluated sample that is not there.
    """
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


def track_settings(config: dict, track: str) -> dict:
    """How a track is made: `tracks` of the configuration, with `uncovered` (zero, missing) in place of its list."""
    settings = dict(config["tracks"])
    zero = settings.pop("zero_where_uncovered")
    known = {name for sample in config["samples"].values() for name in sample.get("tracks", {})}
    if unknown := set(zero) - known:
        raise InputError(f"config: tracks/zero_where_uncovered: {sorted(unknown)} is not one of {sorted(known)}")
    return {**settings, "uncovered": "zero" if track in zero else "missing"}


def resolve_arm(config: dict, name: str) -> dict:
    """One arm with everything it inherits: degradation, samples, the merged training settings.

    Raises InputError, naming the arm and the field, for what the schema cannot see.
    """
    inherited = {"options": {}, "tracks": [], "backbones": {}, "loss_networks": {}, "protocol": "corrected"}
    inherited |= {"pretrained": None, "pretrained_parts": "encoder"}
    arm = {**inherited, **{key: own for key, own in config["arms"][name].items() if key not in _NOT_THE_MODEL}}
    arm.setdefault("degradation", next(iter(config["degradations"])))
    arm.setdefault("samples", list(config["evaluate"]["samples"]))
    arm["training"] = {**config["training"], **arm.get("training", {})}

    def refuse(field: str, value, known) -> None:
        raise InputError(f"config: arms/{name}/{field}: {value!r} is not one of {sorted(known)}")

    if arm["architecture"] not in ARCHITECTURES:
        refuse("architecture", arm["architecture"], ARCHITECTURES)
    if arm["degradation"] not in config["degradations"]:
        refuse("degradation", arm["degradation"], config["degradations"])
    if unknown := set(arm["samples"]) - set(config["samples"]):
        refuse("samples", unknown.pop(), config["samples"])
    _refuse_idle(config["arms"][name], f"config: arms/{name}")
    check_options(arm["architecture"], arm["options"], f"config: arms/{name}/options")
    if unknown := set(arm["training"]) - {field.name for field in fields(Training)}:
        refuse("training", unknown.pop(), {field.name for field in fields(Training)})
    if unknown := set(folds_of(config, name)) - set(config["splits"]):
        fold = unknown.pop()
        raise InputError(
            f"config: arms/{name}/folds: {fold!r} is not one of {sorted(config['splits'])}; add such a split, or leave "
            f"the arm out ({name}: null under arms, where a paper brings it)"
        )
    for kind in ("backbones", "loss_networks"):
        for role, other in arm[kind].items():
            if other not in config["arms"]:
                refuse(f"{kind}/{role}", other, config["arms"])
    if (start := arm["pretrained"]) is not None:
        usable = [other for other in config["arms"] if other != name and traits_of(config, other).learned]
        if start not in usable:
            refuse("pretrained", start, usable)
        if "weights" not in config["arms"][start] and not set(folds_of(config, name)) <= set(folds_of(config, start)):
            raise InputError(
                f"config: arms/{name}/pretrained: {start!r} is not trained on the split(s) "
                f"{sorted(set(folds_of(config, name)) - set(folds_of(config, start)))}; give both arms the same folds"
            )
    return arm


def _refuse_idle(own: dict, place: str) -> None:
    """Raise InputError for a setting of an arm that would do nothing."""
    traits = ARCHITECTURES[own["architecture"]]
    if own.get("tracks") and "tracks" not in traits.inputs:
        raise InputError(f"{place}/tracks: {own['architecture']!r} reads no track; leave the setting out")
    if "weights" in own and (idle := [name for name in ("options", "training", "pretrained") if own.get(name)]):
        raise InputError(
            f"{place}/{idle[0]}: the arm comes with its weights, which are neither built nor trained anew; remove "
            f"`{idle[0]}`, or `weights` to train it here"
        )
    if not traits.learned and (idle := [name for name in ("training", "pretrained", "loss_networks") if own.get(name)]):
        raise InputError(f"{place}/{idle[0]}: {own['architecture']!r} is not trained; leave the setting out")
    if "pretrained_parts" in own and own.get("pretrained") is None:
        raise InputError(f"{place}/pretrained_parts: it starts from no other arm; name one under `pretrained`")
    needed, allowed = traits.backbones
    given = own.get("backbones", {})
    if extra := sorted(set(given) - set(allowed)):
        raise InputError(
            f"{place}/backbones/{extra[0]}: {own['architecture']!r} stands on "
            f"{' and '.join(allowed) or 'no other arm'}; leave {extra[0]!r} out"
        )
    if lacking := [role for role in needed if role not in given and "weights" not in own]:
        raise InputError(
            f"{place}/backbones: {own['architecture']!r} stands on trained arms, {' and '.join(needed)}; name one for "
            f"{lacking[0]!r}"
        )


def model_of(arm: dict) -> dict:
    """A resolved arm, or a run of MIX-HIC, without where it is trained: what its result depends on."""
    return {**arm, "training": {key: value for key, value in arm["training"].items() if key not in WHERE}}


def where_of(config: dict, arm: dict) -> dict:
    """Where a resolved arm, or a run of MIX-HIC, is trained: workers, devices, nodes, accelerator."""
    return {**{key: arm["training"][key] for key in WHERE}, "accelerator": config["accelerator"]}


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


def networks_of(config: dict, name: str) -> list[str]:
    """Modules with the network of an arm and with those it stands on; a job loads them by name."""
    below = [other for arm in config["arms"][name].get("backbones", {}).values() for other in networks_of(config, arm)]
    return sorted({traits_of(config, name).module, *below})


def trained_by(config: dict, name: str) -> list[str]:
    """Modules that the training of an arm loads by name: `networks_of`, its loss with the networks it looks through."""
    arm = resolve_arm(config, name)
    loss, predicts = arm["training"]["loss"], traits_of(config, name).predicts
    module, _ = loss_terms.learning(loss, predicts)
    through = {module for other in arm["loss_networks"].values() for module in networks_of(config, other)}
    adversary = {loss_terms.DISCRIMINATOR[loss]} if loss in loss_terms.DISCRIMINATOR and predicts else set()
    return sorted({*networks_of(config, name), module, *through, *adversary})


def folds_of(config: dict, name: str) -> list[str]:
    """The folds of an arm: its own, or every one that is not on demand."""
    usual = [fold for fold, split in config["splits"].items() if not split.get("on_demand")]
    return config["arms"][name].get("folds", usual)


def traits_of(config: dict, name: str) -> Traits:
    return ARCHITECTURES[config["arms"][name]["architecture"]]


def trained_arms(config: dict) -> list[str]:
    """Arms this experiment trains: neither rows without a model nor models that come with their weights."""
    return [name for name, arm in config["arms"].items() if traits_of(config, name).learned and "weights" not in arm]


def seeds_of(config: dict, name: str) -> list[int]:
    """The seeds of an arm; one that is not trained here is deterministic and stands once, as seed 0."""
    return config["seeds"] if name in trained_arms(config) else [0]


def runs(config: dict, *, on_demand: bool = False) -> list[Run]:
    """arms x folds x seeds; with `on_demand` also what only a paper's tables or figures ask for."""
    return [
        Run(name, fold, seed)
        for name, arm in config["arms"].items()
        for fold in folds_of(config, name)
        for seed in seeds_of(config, name)
        if on_demand or not (arm.get("on_demand") or config["splits"][fold].get("on_demand"))
    ]


def protocols_read(config: dict) -> list[str]:
    """Protocols whose data steps are needed: the corrected one, on which every score is, and the arms' own."""
    own = {arm.get("protocol", "corrected") for arm in config["arms"].values()}
    return ["corrected", *sorted(own - {"corrected"})]


def reads_counts(config: dict, protocol: str) -> bool:
    """Whether an arm of the protocol reads or predicts contacts."""
    return any(
        traits_of(config, name).target == "counts" or arm.get("options", {}).get("normalisation") == "quantile"
        for name, arm in config["arms"].items()
        if arm.get("protocol", "corrected") == protocol
    )


def evaluations(config: dict) -> list[Evaluation]:
    """Every run on every evaluated sample; an arm that reads no map is scored beside the arms of each degradation."""
    return [
        Evaluation(degradation, *run, sample)
        for degradation in config["degradations"]
        for run in runs(config)
        for sample in config["evaluate"]["samples"]
        if config["arms"][run.arm].get("maps", True) and traits_of(config, run.arm).predicts
        if _reads(config, run.arm, degradation)
    ]


def scored(config: dict, names: list[str], fold: str | None = None) -> list[Scored]:
    """Window scores of arms: learned ones under their own protocol, the others under every one that is in use.

    fold None: the arm's folds.
    """
    return [
        Scored(protocol, name, own_fold, seed, sample)
        for name in names
        for protocol in (
            [resolve_arm(config, name)["protocol"]] if traits_of(config, name).learned else protocols_read(config)
        )
        for own_fold in ([fold] if fold else folds_of(config, name))
        for seed in seeds_of(config, name)
        for sample in config["evaluate"]["samples"]
    ]


def _reads(config: dict, name: str, degradation: str) -> bool:
    return "map" not in traits_of(config, name).inputs or resolve_arm(config, name)["degradation"] == degradation


def shown(config: dict) -> list[Evaluation]:
    """The predictions a person looks at: of each degradation the first fold, sample and seed of every arm."""
    first: dict[tuple[str, str], Evaluation] = {}
    for one in evaluations(config):
        first.setdefault((one.degradation, one.arm), one)
    return list(first.values())
