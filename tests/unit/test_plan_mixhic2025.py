"""Pre-trainings and runs of MIX-HIC as pure functions of the configuration."""

import copy

import pytest
import yaml

from trifold import plan_mixhic2025 as planned
from trifold.errors import InputError

SETTINGS = {"epochs": 3, "batch_size": 8, "learning_rate": 0.1, "weight_decay": 0, "early_stop_epochs": 2}


@pytest.fixture
def config():
    tracks = {"atac": "a.bam", "dnase": "d.bam"}
    return {
        "seeds": [5, 6],
        "samples": {name: {"tracks": dict(tracks)} for name in ("alpha", "beta")},
        "geometry": {"bin_bp": 5000},
        "tracks": {"bin_bp": 100},
        "training": {
            "epochs": 9,
            "precision": "bf16-mixed",
            "devices": 2,
            "nodes": 1,
            "workers": 4,
            "schedule": "cosine",
        },
        "mixhic2025": {
            "samples": {name: {"loops": f"{name}.bedpe"} for name in ("alpha", "beta", "gone")},
            "tracks": ["atac", "dnase"],
            "dim": {"pretraining": 128, "loop": 128, "map": 128, "cage": 256},
            "training": {
                protocol: {task: dict(SETTINGS) for task in ("pretraining", "loop", "map", "cage")}
                for protocol in ("published", "corrected")
            },
            "pretrainings": {
                "pre": {"samples": ["beta"], "dim": 32, "depth": 1},
                "released": {"samples": ["beta"], "protocol": "published", "seeds": [5, 6]},
                "absent": {"samples": ["beta", "gone"]},
            },
            "runs": {
                "loop": {
                    "task": "loop",
                    "pretrained": "pre",
                    "train_samples": ["alpha"],
                    "test_samples": ["beta", "gone"],
                },
                "noisy": {
                    "task": "loop",
                    "pretrained": "released",
                    "protocol": "published",
                    "train_samples": ["alpha"],
                },
                "map": {"task": "map", "train_samples": ["alpha"], "training": {"epochs": 1, "workers": 0}},
                "cage": {"task": "cage", "train_samples": ["alpha"], "mode": "epi", "options": {"hidden": 4}},
                "corner": {"task": "loop", "architecture": "corner", "train_samples": ["alpha", "beta"]},
                "theirs": {"task": "loop", "train_samples": ["alpha"], "scores": "their.tsv"},
                "lost": {"task": "loop", "pretrained": "absent", "train_samples": ["alpha"]},
                "elsewhere": {"task": "loop", "train_samples": ["gone"]},
            },
        },
    }


def test_entries_are_complete_and_those_of_other_samples_left_out(config):
    found = planned.resolve(config)
    assert list(found["samples"]) == ["alpha", "beta"]
    assert list(found["pretrainings"]) == ["pre", "released"]
    assert list(found["runs"]) == ["loop", "noisy", "map", "cage", "corner", "theirs"]
    shape = {"heads": 4, "variant": "full", "tracks": 2, "track_bins": 50}
    assert found["pretrainings"]["pre"]["network"] == {"protocol": "corrected", "embed_dim": 32, "depth": 1, **shape}
    # A task has the sizes of the pre-training it starts from, and its own otherwise.
    networks = {name: run["network"] for name, run in found["runs"].items()}
    task = {"mode": "bimodal", "freeze": False, "depth": 1, **shape}
    assert networks["loop"] == {"protocol": "corrected", "embed_dim": 32, **task}
    assert (networks["map"]["embed_dim"], networks["map"]["mode"]) == (128, "infer_map")
    assert (networks["cage"]["embed_dim"], networks["cage"]["mode"], networks["cage"]["hidden"]) == (256, "epi", 4)


def test_protocols_differ_in_logarithm_held_out_chromosomes_and_noise(config):
    found = planned.resolve(config)
    facts = {name: (own["log"], own["hold_out"]) for name, own in found["pretrainings"].items()}
    assert facts == {"pre": (True, True), "released": (False, False)}
    noise = {name: run["noise"] for name, run in found["runs"].items()}
    assert noise == {name: name == "noisy" for name in noise}


def test_another_seed_or_test_sample_makes_no_other_model(config):
    before = planned.resolve(config)
    config["seeds"] = [5, 6, 7]
    config["mixhic2025"]["runs"]["loop"]["test_samples"].append("alpha")
    after = planned.resolve(config)
    for kind in ("pretrainings", "runs"):
        for name, entry in before[kind].items():
            assert planned.essence(entry) == planned.essence(after[kind][name])
    assert len(planned.scored(after)) == len(planned.scored(before)) + 4 + 3
    config["mixhic2025"]["runs"]["loop"]["freeze"] = True
    frozen = planned.resolve(config)["runs"]["loop"]
    assert planned.essence(frozen) != planned.essence(before["runs"]["loop"])


def test_settings_come_from_fixed_ones_the_machine_the_protocol_and_the_entry(config):
    settings = planned.resolve(config)["runs"]["map"]["training"]
    assert settings == planned.FIXED | SETTINGS | {
        "epochs": 1,
        "precision": "bf16-mixed",
        "devices": 2,
        "nodes": 1,
        "workers": 0,
    }
    assert settings["schedule"] == "constant"


def test_scores_of_every_seed_and_sample(config):
    found = planned.resolve(config)
    assert planned.scored(found) == [
        *[("loop", seed, "beta") for seed in (5, 6)],
        *[("noisy", seed, "alpha") for seed in (5, 6)],
        *[("map", seed, "alpha") for seed in (5, 6)],
        *[("cage", seed, "alpha") for seed in (5, 6)],
        *[("corner", 0, sample) for sample in ("alpha", "beta")],
    ]
    # A run starts from the pre-training of its seed, or of the first.
    assert [planned.pretraining_seed(found["pretrainings"]["pre"], seed) for seed in (5, 6)] == [5, 5]
    assert [planned.pretraining_seed(found["pretrainings"]["released"], seed) for seed in (5, 6)] == [5, 6]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["mixhic2025"]["runs"]["loop"].update(pretrained="prae"),
            "runs/loop/pretrained: 'prae' is not one",
        ),
        (lambda c: c["mixhic2025"]["runs"]["loop"].update(protocol="published"), "protocols are not mixed"),
        (lambda c: c["mixhic2025"]["runs"]["loop"].update(train_samples=["alfa"]), r"train_samples: \['alfa'\] is not"),
        (
            lambda c: c["mixhic2025"]["runs"]["map"].update(training={"epoch": 1}),
            r"map/training: no setting \['epoch'\]",
        ),
        (lambda c: c["mixhic2025"]["runs"]["corner"].update(task="map"), "'corner' is for the task 'loop', not 'map'"),
        (lambda c: c["samples"]["beta"]["tracks"].pop("dnase"), r"the sample 'beta' has no track \['dnase'\]"),
        (lambda c: c["tracks"].update(bin_bp=128), "tracks/bin_bp 128 does not divide geometry/bin_bp 5000"),
    ],
)
def test_refuses_what_the_schema_cannot_see(config, change, message):
    config = copy.deepcopy(config)
    change(config)
    with pytest.raises(InputError, match=message):
        planned.resolve(config)


def test_data_are_named_with_their_fields(config):
    """Of samples that the experiment has; start sites only where there is one."""
    config["mixhic2025"]["samples"]["beta"]["loops"] = ["one.bedpe", "two.bedpe"]
    config["mixhic2025"]["tss"] = "genes.bed"
    named = [
        ("mixhic2025/samples/alpha/loops", "alpha.bedpe"),
        ("mixhic2025/samples/beta/loops", "one.bedpe"),
        ("mixhic2025/samples/beta/loops", "two.bedpe"),
        ("mixhic2025/tss", "genes.bed"),
    ]
    assert planned.data(config, planned.resolve(config)) == named
    assert planned.data(config, {"samples": {}}) == []


def test_defaults_are_those_of_code_and_paper(repository):
    """Facts of the released scripts and of the appendix: epochs, batch, rate, weight decay, patience."""
    schema = yaml.safe_load((repository / "papers/mixhic2025/schema.yaml").read_text())
    node = schema["properties"]["training"]["properties"]
    found = {
        (protocol, task): tuple(setting["default"] for setting in own["properties"].values())
        for protocol, tasks in node.items()
        for task, own in tasks["properties"].items()
    }
    assert found == {
        ("published", "pretraining"): (300, 32, 1e-5, 1e-6, 0),
        ("published", "loop"): (50, 128, 1e-5, 0.01, 10),
        ("published", "map"): (200, 32, 1e-5, 0.01, 20),
        ("published", "cage"): (500, 32, 1e-4, 1e-6, 20),
        ("corrected", "pretraining"): (500, 256, 1e-5, 1e-6, 0),
        ("corrected", "loop"): (200, 64, 1e-5, 0.01, 20),
        ("corrected", "map"): (200, 64, 1e-5, 0.01, 20),
        ("corrected", "cage"): (200, 64, 1e-4, 1e-6, 20),
    }
