"""Which pre-trainings, trainings and scores the section `mixhic2025` of a configuration asks for: pure functions."""

from dataclasses import fields
from typing import NamedTuple

from trifold.config import Training
from trifold.errors import InputError
from trifold.plan import model_of

TASKS = ("loop", "map", "cage")
# Rows without a model, and the task of each.
REFERENCES = {"expected": "map", "corner": "loop", "nearest": "cage"}
MODES = {"loop": "bimodal", "map": "infer_map", "cage": "bimodal"}
# Of what MIX-HIC trains with, what no entry changes in either protocol.
FIXED = {
    "schedule": "constant",
    "optimiser": "adamw",
    "betas": [0.9, 0.999],
    "layer_decay": 1,
    "loss": "mse",
    "loss_weights": {},
    "discriminator_learning_rate": None,
    "accumulate": 1,
    "clip_gradient_norm": 0,
    "stride_bins": None,
    "reverse_complement": False,
    "shift_bp": 0,
    "head_epochs": 0,
}
INHERITED = ("precision", "devices", "nodes", "workers")


class Scored(NamedTuple):
    """A run on a test sample: scores/<run>/seed-<seed>/<sample>."""

    run: str
    seed: int
    sample: str


def resolve(config: dict) -> dict:
    """The section with every entry complete: `samples`, `pretrainings`, `runs`, each name -> settings.

    Samples that the experiment does not have, and entries that need one, are left out. Raises InputError, naming the
    entry and the field, for what the schema cannot see.
    """
    section = config["mixhic2025"]
    samples = {name: own for name, own in section["samples"].items() if name in config["samples"]}
    for name in samples:
        if missing := set(section["tracks"]) - set(config["samples"][name].get("tracks", {})):
            raise InputError(
                f"config: mixhic2025/tracks: the sample {name!r} has no track {sorted(missing)}; give it under "
                f"samples/{name}/tracks, or leave the track out"
            )
    ratio, rest = divmod(config["geometry"]["bin_bp"], config["tracks"]["bin_bp"])
    if samples and rest:
        raise InputError(
            f"config: tracks/bin_bp {config['tracks']['bin_bp']} does not divide geometry/bin_bp "
            f"{config['geometry']['bin_bp']}; MIX-HIC reads whole bins of its tracks: choose a divisor"
        )
    shape = {"tracks": len(section["tracks"]), "track_bins": ratio}
    pretrainings = {
        name: _pretraining(config, own, shape, f"mixhic2025/pretrainings/{name}")
        for name, own in section["pretrainings"].items()
        if _known(own["samples"], section, f"mixhic2025/pretrainings/{name}/samples") <= set(samples)
    }
    runs = {}
    for name, own in section["runs"].items():
        place = f"mixhic2025/runs/{name}"
        tests = own.get("test_samples", own["train_samples"])
        used = _known(own["train_samples"], section, f"{place}/train_samples")
        present = [sample for sample in tests if sample in samples]
        _known(tests, section, f"{place}/test_samples")
        start = own.get("pretrained")
        if start is not None and start not in section["pretrainings"]:
            raise InputError(
                f"config: {place}/pretrained: {start!r} is not one of {sorted(section['pretrainings'])}; name one, or "
                "leave it out to train from nothing"
            )
        if used <= set(samples) and present and (start is None or start in pretrainings):
            runs[name] = _run(config, own, present, shape, pretrainings, place)
    return {"samples": samples, "pretrainings": pretrainings, "runs": runs}


def data(config: dict, resolved: dict) -> list[tuple[str, str]]:
    """(field, name) of every file that the section names as data of the experiment's samples."""
    section = config["mixhic2025"]
    named = {f"mixhic2025/samples/{name}/loops": own["loops"] for name, own in resolved["samples"].items()}
    if resolved["samples"] and "tss" in section:
        named["mixhic2025/tss"] = section["tss"]
    return [(field, file) for field, own in named.items() for file in ([own] if isinstance(own, str) else own)]


def _known(names: list[str], section: dict, place: str) -> set[str]:
    if unknown := set(names) - set(section["samples"]):
        raise InputError(f"config: {place}: {sorted(unknown)} is not one of {sorted(section['samples'])}")
    return set(names)


def _training(config: dict, own: dict, protocol: str, task: str, place: str) -> dict:
    inherited = {name: config["training"][name] for name in INHERITED}
    settings = FIXED | inherited | config["mixhic2025"]["training"][protocol][task] | own.get("training", {})
    if unknown := set(settings) - {field.name for field in fields(Training)}:
        raise InputError(f"config: {place}/training: no setting {sorted(unknown)}")
    return settings


def _pretraining(config: dict, own: dict, shape: dict, place: str) -> dict:
    protocol = own.get("protocol", "corrected")
    published = protocol == "published"
    network = {
        "protocol": protocol,
        "embed_dim": own.get("dim", config["mixhic2025"]["dim"]["pretraining"]),
        **_sizes(own),
        **shape,
    }
    return {
        "task": "pretraining",
        "protocol": protocol,
        "samples": own["samples"],
        "seeds": own.get("seeds", config["seeds"][:1]),
        "log": own.get("log", not published),
        "hold_out": own.get("hold_out", not published),
        "noise": False,
        "fraction": own.get("fraction", 1),
        "network": network | own.get("options", {}),
        "training": _training(config, own, protocol, "pretraining", place),
    }


def _sizes(own: dict) -> dict:
    return {"heads": own.get("heads", 4), "depth": own.get("depth", 2), "variant": own.get("variant", "full")}


def _run(config: dict, own: dict, tests: list[str], shape: dict, pretrainings: dict, place: str) -> dict:
    protocol, task = own.get("protocol", "corrected"), own["task"]
    architecture, start = own.get("architecture", "mixhic"), own.get("pretrained")
    learned = architecture == "mixhic"
    if not learned and REFERENCES[architecture] != task:
        raise InputError(
            f"config: {place}: {architecture!r} is for the task {REFERENCES[architecture]!r}, not {task!r}; change one"
        )
    if start is not None and pretrainings[start]["protocol"] != protocol:
        raise InputError(
            f"config: {place}/pretrained: {start!r} is {pretrainings[start]['protocol']} and the run {protocol}; "
            "protocols are not mixed: change one of them"
        )
    network = {"embed_dim": own.get("dim", config["mixhic2025"]["dim"][task]), **_sizes(own)}
    if start is not None:
        before = pretrainings[start]["network"]
        network = {name: own.get({"embed_dim": "dim"}.get(name, name), before[name]) for name in network}
    network = {"protocol": protocol, "mode": own.get("mode", MODES[task]), "freeze": own.get("freeze", False)} | network
    return {
        "architecture": architecture,
        "task": task,
        "protocol": protocol,
        "samples": own["train_samples"],
        "test_samples": tests,
        "seeds": own.get("seeds", config["seeds"]) if learned else [0],
        "pretrained": start,
        "log": True,
        "hold_out": True,
        "noise": own.get("noise", protocol == "published" and task == "loop"),
        "fraction": own.get("fraction", 1),
        "network": network | shape | own.get("options", {}),
        "training": _training(config, own, protocol, task, place),
        "scores": own.get("scores"),
    }


def essence(entry: dict) -> dict:
    """What of a pre-training or a run its result depends on: another seed or test sample makes no other model."""
    return {name: value for name, value in model_of(entry).items() if name not in ("seeds", "test_samples", "scores")}


def pretraining_seed(pretraining: dict, seed: int) -> int:
    """The seed of a pre-training that a run of some seed starts from: the same, or else the first."""
    return seed if seed in pretraining["seeds"] else pretraining["seeds"][0]


def scored(resolved: dict) -> list[Scored]:
    """Every run that is scored here: not those that come with their scores."""
    return [
        Scored(name, seed, sample)
        for name, run in resolved["runs"].items()
        if run["scores"] is None
        for seed in run["seeds"]
        for sample in run["test_samples"]
    ]


# ---------------------------------------------------------------- tables and figures

# What is shown -> the task of its runs (None: any), and whether on samples they were trained on.
SHOWN = {
    "table2": ("map", True),
    "table3": ("loop", True),
    "table4": ("cage", True),
    "tables2": ("loop", True),
    "figure4": ("loop", True),
    "figure5": (None, False),
    "figure6": (None, True),
    "figures2": (None, True),
    "figures3": (None, True),
}


def shown(config: dict, resolved: dict) -> dict[str, dict[str, list[str]]]:
    """Rows of every table and labels of every figure with the runs that this experiment has for them.

    A row without any is left out. Raises InputError for a run of another task.
    """
    section = config["mixhic2025"]
    rows = {**section["tables"], **section["figures"]}
    kept: dict[str, dict[str, list[str]]] = {}
    for name, (task, within) in SHOWN.items():
        kept[name] = {}
        for row, names in rows.get(name, {}).items():
            runs = [run for run in names if run in resolved["runs"]]
            for run in runs:
                if task not in (None, own := resolved["runs"][run]["task"]):
                    kind = "tables" if name in section["tables"] else "figures"
                    raise InputError(
                        f"config: mixhic2025/{kind}/{name}/{row}: {run!r} is of the task {own!r}, not {task!r}; name "
                        f"runs of {task!r}"
                    )
            if used := [run for run in runs if _stands(resolved["runs"][run], within)]:
                kept[name][row] = used
    return kept


class Comparison(NamedTuple):
    """Two runs on a test sample of both."""

    comparison: str
    task: str
    protocol: str
    sample: str
    run: str
    against: str


def compared(config: dict, resolved: dict) -> list[Comparison]:
    """The config's comparisons, on every test sample that both runs have.

    Those that need a run the experiment does not have are left out. Raises InputError for a run that no experiment has,
    and for two that were not tested on the same windows.
    """
    section = config["mixhic2025"]
    kept = []
    for name, pairs in section["comparisons"].items():
        for pair in pairs:
            place = f"config: mixhic2025/comparisons/{name}: {pair}"
            if unknown := set(pair) - set(section["runs"]):
                raise InputError(f"{place}: no run {sorted(unknown)}; name two of {sorted(section['runs'])}")
            if set(pair) <= set(resolved["runs"]):
                kept += _compared(name, *pair, resolved["runs"], place)
    return kept


def _compared(name: str, run: str, against: str, runs: dict, place: str) -> list[Comparison]:
    one, other = runs[run], runs[against]
    for field in ("task", "protocol"):
        if one[field] != other[field]:
            raise InputError(
                f"{place}: the {field} is {one[field]!r} and {other[field]!r}, whose test windows differ; name two "
                f"runs of one {field}"
            )
    if foreign := [each for each in (run, against) if runs[each]["scores"]]:
        raise InputError(
            f"{place}: {foreign[0]!r} comes with scores alone, without predictions; name a run trained here"
        )
    samples = [sample for sample in one["test_samples"] if sample in other["test_samples"]]
    if not samples:
        raise InputError(f"{place}: no test sample in common; give them one")
    return [Comparison(name, one["task"], one["protocol"], sample, run, against) for sample in samples]


def _stands(run: dict, within: bool) -> bool:
    """Whether a run is tested on a sample it was trained on, or, not `within`, on another."""
    return any((sample in run["samples"]) == within for sample in run["test_samples"])


def scored_of(resolved: dict, names: list[str]) -> list[Scored]:
    """What is scored here of some runs."""
    return [one for one in scored(resolved) if one.run in names]


def searched(resolved: dict, names: list[str]) -> list[Scored]:
    """Whole-chromosome loops of some runs: on the samples they were trained on."""
    runs = resolved["runs"]
    return [one for one in scored_of(resolved, names) if one.sample in runs[one.run]["samples"]]
