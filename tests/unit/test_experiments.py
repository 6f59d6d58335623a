"""Every experiment that is shipped, with each of its overlays, stands on its own, is accepted, and plans what it did.

`expected/experiments.json` has a digest of every arm, run, score and section of settings. What nothing reads is not
held: samples, tracks, splits and papers' rows of no arm, and chromosomes that a genome does not have. Nor are names of
chromosomes. After a change that is meant: `PYTHONPATH=. python tests/unit/test_experiments.py` writes the file anew.
"""

import hashlib
import json
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from trifold import checks, plan, settings
from trifold.arm import Arm
from trifold.papers import rows
from trifold.papers.mixhic2025 import rows as mixhic2025

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = REPOSITORY / "experiments"
# Files that the workflow downloads.
KNOWN = {line.split("\t")[0] for line in (REPOSITORY / "resources/datasets.tsv").read_text().splitlines()}
EXPECTED = Path(__file__).parent / "expected/experiments.json"
# Where an arm is trained is no part of what it is.
WHERE = ("devices", "nodes", "workers")
ARM = [field.name for field in fields(Arm) if field.name not in ("name", "folds", "seeds", "on_demand")]


def read(name: str) -> dict:
    return yaml.safe_load((HERE / name).read_text())


FILES = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("*.yaml"))
WHOLE = [name for name in FILES if "experiment" in read(name)]
# `short` goes over every choice of data of its paper; `settings` asks for the cell lines of the paper itself.
SETTINGS = ("mixhic2025.yaml", "mixhic2025/settings.yaml")
SHORT = [
    (name, over)
    for over in FILES
    if over.endswith("/short.yaml")
    for name in WHOLE
    if name.removesuffix(".yaml").split("/")[0] == over.split("/")[0]
]
# Vectors of a language model, one's own, beside what the papers have.
EMBEDDED = [("kriukov2021.yaml", "kriukov2021/dnabert.yaml"), ("lau2025.yaml", "lau2025/enformer.yaml")]
LAYERS = [*((name,) for name in WHOLE), *SHORT, SETTINGS, (*SETTINGS, "mixhic2025/short.yaml"), *EMBEDDED]
HELD = [layers for layers in LAYERS if layers != ("template.yaml",)]  # which is there to be changed


@cache
def completed(layers: tuple[str, ...]) -> dict:
    """As Snakemake does it: one file into the other, then what the workflow makes of it."""
    given: dict = {}
    for name in layers:
        update_config(given, read(name))
    return plan.selected(settings.complete(given, REPOSITORY))


def described(config: dict) -> dict:
    """What an experiment plans, by name: arms, runs, scores and what it sets."""
    arms = plan.resolve(config)
    # Vectors and data sets that an arm does not read are no part of it (`Arm.model`).
    of_arm = {name: {key: getattr(arm, key) for key in ARM} for name, arm in arms.items()}
    found = {
        f"arms/{name}": {key: value for key, value in own.items() if key not in ("also", "embeddings") or value}
        for name, own in of_arm.items()
    }
    found |= {f"embeddings/{name}": own for name, own in config["embeddings"].items()}
    for section in ("seeds", "geometry", "balance", "recipes", "training", "degradations", "simulate"):
        found[section] = config[section]
    found["genome"] = {key: config["genome"].get(key) for key in ("assembly", "fasta", "sizes")}
    found["contacts"] = {name: config["samples"][name]["contacts"] for name in config["evaluate"]["samples"]}
    found["predict"], found["title"] = config["predict"], config["report"]["title"]
    used = {fold for arm in arms.values() for fold in arm.folds}
    found["splits"] = {name: split for name, split in config["splits"].items() if name in used}
    references = [name for name in config["evaluate"]["comparison"]["reference_arms"] if name in arms]
    compared = references if len(plan.of_whole_maps(config, arms)["arms"]) > 1 else []
    found["evaluate"] = [config["evaluate"]["samples"], config["evaluate"]["scoring"], compared]
    found["runs"] = sorted(plan.runs(config, arms, on_demand=True))
    found["asked for"] = sorted(plan.runs(config, arms))
    found["evaluations"] = sorted(plan.evaluations(config, arms))
    found["depth"] = {
        kind: {label: [name for name in names if name in arms] for label, names in labels.items()}
        for kind, labels in config["depth"].items()
    }
    for paper in ("kriukov2021", "lau2025"):
        if paper in config["papers"]:
            found |= {f"{paper}/{table}": own for table, own in rows.used(config, paper).items()}
    if "mixhic2025" in config["papers"]:
        section = config["mixhic2025"]
        found["mixhic2025/page"] = section["page"]
        found["mixhic2025/shown"] = mixhic2025.shown(section, arms)
        found["mixhic2025/compared"] = mixhic2025.compared(section, arms)
    return found | windows_about_pairs(config, arms)


def windows_about_pairs(config: dict, arms: dict[str, Arm]) -> dict:
    """What arms on pairs read, where an experiment has any: loops, start sites, tracks and how these are made."""
    chosen = [name for name, arm in arms.items() if not plan.task_of(arm).whole_maps]
    read = {sample for name in chosen for sample in (*arms[name].samples, *arms[name].test_samples)}
    samples = {name: own for name, own in config["samples"].items() if name in read}
    found = {f"pairs/{key}": config["pairs"][key] for key in config["pairs"]} if chosen else {}
    for key in ("contacts", "loops", "tracks") if chosen else ():
        found[f"pairs/{key}"] = {name: own.get(key) for name, own in samples.items()}
    if chosen:
        found["pairs/tss"] = config["genome"].get("tss")
        found["pairs/scored"] = sorted(plan.scored(arms, [name for name in chosen if plan.task_of(arms[name]).scoring]))
        found["pairs/coverage"] = {
            key: config["tracks"][key] for key in ("bin_bp", "coverage_bin_bp", "effective_genome_size", "strands")
        }
    return found


def plain(value):
    """As it is compared: 1.0 is 1, the order of names and where something runs mean nothing."""
    if isinstance(value, dict):
        return {name: plain(value[name]) for name in sorted(value) if name not in WHERE}
    if isinstance(value, list | tuple | set):
        return [plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def digest(value) -> str:
    return hashlib.sha256(json.dumps(plain(value)).encode()).hexdigest()[:8]


def name_of(layers: tuple[str, ...]) -> str:
    return " + ".join(layers)


@pytest.mark.parametrize("layers", LAYERS, ids=name_of)
def test_it_is_accepted(layers):
    config = completed(layers)
    arms = plan.resolve(config)
    checks.check(config, arms)
    checks.check_splits(config, REPOSITORY)
    checks.check_inputs(config, KNOWN)
    if "mixhic2025" in config["papers"]:
        assert {arm.task for arm in arms.values()} == {"maps", "pretraining", "loop", "window", "cage"}
    assert plan.runs(config, arms)
    assert set(config["evaluate"]["samples"]) <= set(config["samples"])
    assert set(config["evaluate"]["comparison"]["reference_arms"]) <= set(config["arms"])


@pytest.mark.parametrize("layers", HELD, ids=name_of)
def test_it_plans_what_it_did(layers):
    """Digests are compared; of what differs, the value that was found is shown."""
    expected = json.loads(EXPECTED.read_text())[name_of(layers)]
    found = described(completed(layers))
    differ = {name: plain(value) for name, value in found.items() if digest(value) != expected.get(name)}
    assert differ == {}
    assert set(found) == set(expected)


def nulls(value, place=""):
    if isinstance(value, dict):
        for key, own in value.items():
            yield from nulls(own, f"{place}/{key}")
    elif value is None:
        yield place


@pytest.mark.parametrize("name", FILES)
def test_no_file_takes_away_what_another_gave(name):
    """null stands where it is a value of a setting, nowhere to remove an entry."""
    allowed = ("/effective_genome_size", "/stride_bins")
    assert [place for place in nulls(read(name)) if not place.endswith(allowed)] == []


def test_every_experiment_has_a_name_of_its_own():
    names = [read(name)["experiment"] for name in WHOLE]
    assert len(set(names)) == len(names) > 15


if __name__ == "__main__":
    values = {name_of(layers): described(completed(layers)) for layers in HELD}
    found = {name: {key: digest(value) for key, value in own.items()} for name, own in values.items()}
    EXPECTED.write_text(json.dumps(found, indent=0, separators=(",", ":")) + "\n")
