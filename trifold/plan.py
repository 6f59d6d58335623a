"""Which trainings, predictions and evaluations a configuration asks for: pure functions of the configuration."""

from dataclasses import fields
from typing import NamedTuple

from trifold.config import Training
from trifold.errors import InputError


class Traits(NamedTuple):
    """What the workflow must know of an architecture without importing torch (a test holds the registry to it)."""

    inputs: frozenset[str]  # of "sequence", "map", "tracks"
    target: str  # "oe" or "observed"
    learned: bool


_MAP, _SEQUENCE = frozenset({"map"}), frozenset({"sequence"})
ARCHITECTURES = {
    "identity": Traits(_MAP, "observed", learned=False),
    "gaussian": Traits(_MAP, "observed", learned=False),
    "bicubic": Traits(_MAP, "observed", learned=False),
    "akita": Traits(_SEQUENCE, "oe", learned=True),
    "vehicle": Traits(_MAP, "observed", learned=True),
    "hybrid": Traits(_MAP | _SEQUENCE, "observed", learned=True),
}


class Run(NamedTuple):
    """One training (or one no-model row): its place is models/<arm>/fold-<fold>/seed-<seed>."""

    arm: str
    fold: str
    seed: int


class Evaluation(NamedTuple):
    degradation: str
    arm: str
    fold: str
    seed: int
    sample: str


def without_nulls(settings):
    """A copy of nested settings without the entries set to null: how an experiment file removes what it inherits."""
    if isinstance(settings, dict):
        return {key: without_nulls(value) for key, value in settings.items() if value is not None}
    return settings


def resolve_arm(config: dict, name: str) -> dict:
    """One arm with everything it inherits: degradation, samples, the merged training settings.

    Raises InputError, naming the arm and the field, for what the schema cannot see.
    """
    arm = {"options": {}, "tracks": [], "backbones": {}, "protocol": "corrected", **config["arms"][name]}
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
    if unknown := set(arm["training"]) - {field.name for field in fields(Training)}:
        refuse("training", unknown.pop(), {field.name for field in fields(Training)})
    for role, backbone in arm["backbones"].items():
        if backbone not in config["arms"]:
            refuse(f"backbones/{role}", backbone, config["arms"])
    for sample in arm["samples"]:
        if unknown := set(arm["tracks"]) - set(config["samples"][sample].get("tracks", {})):
            refuse("tracks", unknown.pop(), config["samples"][sample].get("tracks", {}))
    return arm


def traits_of(config: dict, name: str) -> Traits:
    return ARCHITECTURES[config["arms"][name]["architecture"]]


def trained_arms(config: dict) -> list[str]:
    """Arms this experiment trains: neither rows without a model nor models that come with their weights."""
    return [name for name, arm in config["arms"].items() if traits_of(config, name).learned and "weights" not in arm]


def runs(config: dict) -> list[Run]:
    """arms x folds x seeds; an arm that is not trained here is deterministic and stands once per fold, as seed 0."""
    trained = trained_arms(config)
    return [
        Run(arm, fold, seed)
        for arm in config["arms"]
        for fold in config["splits"]
        for seed in (config["seeds"] if arm in trained else [0])
    ]


def evaluations(config: dict) -> list[Evaluation]:
    """Every run on every evaluated sample; an arm that reads no map is scored beside the arms of each degradation."""
    return [
        Evaluation(degradation, *run, sample)
        for degradation in config["degradations"]
        for run in runs(config)
        for sample in config["evaluate"]["samples"]
        if "map" not in traits_of(config, run.arm).inputs or resolve_arm(config, run.arm)["degradation"] == degradation
    ]


def shown(config: dict) -> list[Evaluation]:
    """The predictions a person looks at: of each degradation the first fold, sample and seed of every arm."""
    first: dict[tuple[str, str], Evaluation] = {}
    for one in evaluations(config):
        first.setdefault((one.degradation, one.arm), one)
    return list(first.values())
