"""Every experiment that is shipped, with each of its overlays, stands on its own, is accepted, and plans what it did.

`expected/experiments.json` has a digest of every arm, run, score and section of settings, taken while the experiments
still were overlays of the demo. What nothing reads is not held: samples, tracks, splits and papers' rows that were
inherited from it, and chromosomes that a genome does not have. Nor are names of chromosomes: they moved from the genome
to the samples. After a change that is meant: `PYTHONPATH=. python tests/unit/test_experiments.py` writes the file anew.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from trifold import checks, plan, plan_mixhic2025, settings
from trifold.papers import rows

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = REPOSITORY / "experiments"
# Files that the workflow downloads.
KNOWN = {line.split("\t")[0] for line in (REPOSITORY / "resources/datasets.tsv").read_text().splitlines()}
EXPECTED = Path(__file__).parent / "expected/experiments.json"
# Where an arm is trained is no part of what it is.
WHERE = ("devices", "nodes", "workers")
ARM = ("architecture", "protocol", "degradation", "samples", "tracks", "backbones", "loss_networks", "pretrained")
ARM += ("pretrained_parts", "weights", "options", "training")


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
LAYERS = [*((name,) for name in WHOLE), *SHORT, SETTINGS, (*SETTINGS, "mixhic2025/short.yaml")]
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
    arms = {name: plan.resolve_arm(config, name) for name in config["arms"]}
    found = {f"arms/{name}": {key: arm[key] for key in ARM if key in arm} for name, arm in arms.items()}
    for section in ("seeds", "geometry", "balance", "recipes", "training", "degradations", "simulate"):
        found[section] = config[section]
    found["genome"] = {key: config["genome"].get(key) for key in ("assembly", "fasta", "sizes")}
    found["contacts"] = {name: config["samples"][name]["contacts"] for name in config["evaluate"]["samples"]}
    found["predict"], found["title"] = config["predict"], config["report"]["title"]
    used = {fold for name in arms for fold in plan.folds_of(config, name)}
    found["splits"] = {name: split for name, split in config["splits"].items() if name in used}
    references = [name for name in config["evaluate"]["comparison"]["reference_arms"] if name in arms]
    compared = references if len(arms) > 1 else []
    found["evaluate"] = [config["evaluate"]["samples"], config["evaluate"]["scoring"], compared]
    found["runs"] = sorted(plan.runs(config, on_demand=True))
    found["asked for"] = sorted(plan.runs(config))
    found["evaluations"] = sorted(plan.evaluations(config))
    found["depth"] = {
        kind: {label: [name for name in names if name in arms] for label, names in labels.items()}
        for kind, labels in config["depth"].items()
    }
    for paper in ("kriukov2021", "lau2025"):
        if paper in config["papers"]:
            found |= {f"{paper}/{table}": own for table, own in rows.used(config, paper).items()}
    return found | (mixhic2025(config) if "mixhic2025" in config["papers"] else {})


def mixhic2025(config: dict) -> dict:
    """What an experiment plans of MIX-HIC."""
    resolved, section = plan_mixhic2025.resolve(config), config["mixhic2025"]
    found = {f"mixhic2025/{kind}/{name}": own for kind, named in resolved.items() for name, own in named.items()}
    for key in ("tracks", "expression", "tss", "exclude", "validation", "test", "max_loop_bins", "band_bins", "clip"):
        found[f"mixhic2025/{key}"] = section[key]
    found["mixhic2025/tracks_of"] = {name: config["samples"][name]["tracks"] for name in resolved["samples"]}
    found["mixhic2025/coverage"] = {
        key: config["tracks"][key] for key in ("bin_bp", "coverage_bin_bp", "effective_genome_size")
    }
    found["mixhic2025/rest"] = [section[key] for key in ("seed", "loops", "page")]
    found["mixhic2025/shown"] = plan_mixhic2025.shown(config, resolved)
    found["mixhic2025/compared"] = plan_mixhic2025.compared(config, resolved)
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
    checks.check(config, {name: plan.resolve_arm(config, name) for name in config["arms"]})
    checks.check_splits(config, REPOSITORY)
    checks.check_inputs(config, KNOWN)
    if "mixhic2025" in config["papers"]:
        resolved = plan_mixhic2025.resolve(config)
        assert set(resolved) == {"samples", "pretrainings", "runs"}
        checks.check_files(plan_mixhic2025.data(config, resolved), KNOWN)
    assert plan.runs(config)
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
