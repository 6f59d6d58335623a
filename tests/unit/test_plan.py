"""Runs and evaluations as pure functions of the configuration."""

import re

import pytest

from trifold import plan
from trifold.errors import InputError


@pytest.fixture
def config():
    return {
        "seeds": [1, 2],
        "splits": {"a": {}, "b": {}},
        "samples": {"alpha": {"tracks": {"atac": "x"}}, "beta": {}},
        "degradations": {"low": {}, "thin": {}},
        "training": {"epochs": 5, "batch_size": 4},
        "evaluate": {"samples": ["alpha"], "comparison": {"reference_arms": []}},
        "arms_used": None,
        "arms": {
            "identity": {"architecture": "identity"},
            "sequence": {"architecture": "akita", "training": {"epochs": 2}},
            "image": {"architecture": "vehicle", "degradation": "thin"},
        },
    }


def test_learned_arms_run_per_seed_and_others_once_per_fold(config):
    assert plan.runs(config) == [
        ("identity", "a", 0),
        ("identity", "b", 0),
        *[("sequence", fold, seed) for fold in "ab" for seed in (1, 2)],
        *[("image", fold, seed) for fold in "ab" for seed in (1, 2)],
    ]


def test_a_model_that_comes_with_its_weights_is_not_trained(config):
    config["arms"]["other"] = {"architecture": "vehicle", "weights": "results/x"}
    assert plan.trained_arms(config) == ["sequence", "image"]
    assert ("other", "a", 0) in plan.runs(config)


def test_an_arm_without_a_map_is_scored_beside_each_degradation(config):
    scored = {(one.degradation, one.arm) for one in plan.evaluations(config)}
    assert scored == {("low", "identity"), ("low", "sequence"), ("thin", "sequence"), ("thin", "image")}
    assert len(plan.evaluations(config)) == 2 + 4 + 4 + 4


def test_what_is_on_demand_runs_only_when_asked(config):
    config["arms"]["image"]["on_demand"] = True
    config["splits"]["b"]["on_demand"] = True
    assert {(run.arm, run.fold) for run in plan.runs(config)} == {("identity", "a"), ("sequence", "a")}
    config["arms"]["sequence"]["folds"] = ["a", "b"]
    asked = {(run.arm, run.fold) for run in plan.runs(config, on_demand=True)}
    assert asked == {("identity", "a"), ("sequence", "a"), ("sequence", "b"), ("image", "a")}
    assert ("sequence", "b") not in {(run.arm, run.fold) for run in plan.runs(config)}


def test_networks_of_a_loss_are_trained_and_not_evaluated(config):
    config["arms"]["vae"] = {"architecture": "vae"}
    assert ("vae", "a", 1) in plan.runs(config)
    assert "vae" not in {one.arm for one in plan.evaluations(config)}


def test_an_arm_without_maps_is_not_evaluated(config):
    config["arms"]["image"]["maps"] = False
    assert "image" not in {one.arm for one in plan.evaluations(config)}
    assert "maps" not in plan.resolve_arm(config, "image")


def test_windows_are_scored_under_the_arms_own_protocol(config):
    config["arms"]["released"] = {"architecture": "vehicle", "protocol": "published"}
    scored = plan.scored(config, ["identity", "image", "released"], fold="a")
    assert scored == [
        ("corrected", "identity", "a", 0, "alpha"),
        ("published", "identity", "a", 0, "alpha"),
        *[("corrected", "image", "a", seed, "alpha") for seed in (1, 2)],
        *[("published", "released", "a", seed, "alpha") for seed in (1, 2)],
    ]


@pytest.mark.parametrize(
    "arm", [{"architecture": "hicplus"}, {"architecture": "vehicle", "options": {"normalisation": "quantile"}}]
)
def test_contacts_are_written_where_an_arm_reads_them(config, arm):
    assert not plan.reads_counts(config, "corrected")
    config["arms"]["other"] = arm
    assert plan.reads_counts(config, "corrected")
    assert not plan.reads_counts(config, "published")


def test_an_experiment_uses_some_arms(config):
    config["arms_used"] = ["identity", "image"]
    used = plan.selected(config)
    assert list(used["arms"]) == ["identity", "image"]
    with pytest.raises(InputError, match="arms_used: \\['imagee'\\]"):
        plan.selected(config | {"arms_used": ["imagee"]})


def test_t6_settings_that_do_nothing_are_refused(config):
    """Each names the arm and the setting."""
    for name, setting, idle in [
        ("image", {"tracks": ["atac"]}, "tracks: 'vehicle' reads no track"),
        ("image", {"weights": "x", "options": {"channels": 8}}, "options: the arm comes with its weights"),
        ("image", {"weights": "x", "training": {"epochs": 1}}, "training: the arm comes with its weights"),
        ("identity", {"training": {"epochs": 1}}, "training: 'identity' is not trained"),
        ("identity", {"pretrained": "image"}, "pretrained: 'identity' is not trained"),
        ("image", {"pretrained_parts": "all"}, "pretrained_parts: it starts from no other arm"),
        ("image", {"backbones": {"sequence": "sequence"}}, "backbones/sequence: 'vehicle' stands on no other arm"),
        (
            "image",
            {"architecture": "hybrid", "backbones": {"sequence": "sequence"}},
            "backbones: .* name one for 'image'",
        ),
    ]:
        arm = {**config["arms"][name], **setting}
        with pytest.raises(InputError, match=f"config: arms/{name}/{idle}"):
            plan.resolve_arm({**config, "arms": {**config["arms"], name: arm}}, name)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"channel": 16}, "channel: the architecture 'vehicle' has no such option; did you mean channels?"),
        ({"channels": "16"}, "channels: '16' is not a whole number; the default is 64"),
        ({"channels": 0}, "channels: 0 is too small"),
        ({"channels": True}, "channels: True is not a whole number"),
        ({"residual": 1}, "residual: 1 is not true or false"),
        ({"activation": "relu"}, "activation: 'relu' is not one of sigmoid, tanh"),
    ],
)
def test_d11_options_are_checked_against_the_architecture(config, options, message):
    config["arms"]["image"]["options"] = options
    with pytest.raises(InputError, match=re.escape(f"config: arms/image/options/{message}")):
        plan.resolve_arm(config, "image")


def test_t12_where_a_training_runs_is_no_part_of_the_model(config):
    config |= {"accelerator": "cpu", "threads": {}, "mirrors": []}
    config["training"] |= {"workers": 2, "devices": 1, "nodes": 1}
    config["arms"]["image"]["training"] = {"workers": 4}
    arm = plan.resolve_arm(config, "image")
    assert plan.model_of(arm)["training"] == {"epochs": 5, "batch_size": 4}
    assert plan.where_of(config, arm) == {"workers": 4, "devices": 1, "nodes": 1, "accelerator": "cpu"}
    told = plan.what(config)
    assert {"accelerator", "threads", "mirrors"}.isdisjoint(told)
    assert told["training"] == {"epochs": 5, "batch_size": 4} and told["arms"]["image"]["training"] == {}
    config["mixhic2025"] = {"runs": {"loop": {"training": {"epochs": 1, "workers": 8}}}}
    assert plan.what(config)["mixhic2025"] == {"runs": {"loop": {"training": {"epochs": 1}}}}


def test_d6_reference_arms_are_there_or_left_out_with_arms_used(config):
    config["evaluate"]["comparison"]["reference_arms"] = ["identity", "image"]
    used = plan.selected({**config, "arms_used": ["image", "sequence"]})
    assert used["evaluate"]["comparison"]["reference_arms"] == ["image"]
    config["evaluate"]["comparison"]["reference_arms"] = ["bicubic"]
    with pytest.raises(InputError, match=r"evaluate/comparison/reference_arms: \['bicubic'\] is not one of"):
        plan.selected(config)


def test_an_arm_inherits_and_overrides(config):
    arm = plan.resolve_arm(config, "sequence")
    assert arm["training"] == {"epochs": 2, "batch_size": 4}
    assert arm["degradation"] == "low"
    assert arm["samples"] == ["alpha"]


@pytest.mark.parametrize(
    "field, value",
    [
        ("architecture", "akitaa"),
        ("degradation", "lwo"),
        ("samples", ["gamma"]),
        ("training", {"epoch": 3}),
        ("backbones", {"sequence": "sequenze"}),
        ("tracks", ["atca"]),
        ("folds", ["c"]),
        ("loss_networks", {"vae": "vea"}),
        ("pretrained", "imagee"),
        ("pretrained", "identity"),
        ("pretrained", "sequence"),
    ],
)
def test_a_wrong_name_is_refused_with_the_known_ones(config, field, value):
    config["arms"]["sequence"][field] = value
    with pytest.raises(InputError, match=f"arms/sequence/{field}"):
        plan.resolve_arm(config, "sequence")


def test_an_arm_starts_from_another_of_the_same_split(config):
    config["arms"]["sequence"]["pretrained"] = "image"
    arm = plan.resolve_arm(config, "sequence")
    assert (arm["pretrained"], arm["pretrained_parts"]) == ("image", "encoder")
    config["arms"]["image"]["folds"] = ["a"]
    with pytest.raises(InputError, match=r"arms/sequence/pretrained: 'image' is not trained on the split\(s\) \['b'\]"):
        plan.resolve_arm(config, "sequence")
    config["arms"]["image"]["weights"] = "image.pth"
    with pytest.raises(InputError, match="arms/image/pretrained: the arm comes with its weights"):
        plan.resolve_arm(
            config | {"arms": {**config["arms"], "image": config["arms"]["image"] | {"pretrained": "x"}}}, "image"
        )
    assert plan.resolve_arm(config, "sequence")["pretrained"] == "image"


def test_a_track_is_zero_where_it_says_so(config):
    config["samples"] = {"a": {"tracks": {"atac": "a.bw", "plus": "b.bw"}}}
    config["tracks"] = {"bin_bp": 40, "zero_where_uncovered": ["plus"]}
    assert plan.track_settings(config, "plus") == {"bin_bp": 40, "uncovered": "zero"}
    assert plan.track_settings(config, "atac") == {"bin_bp": 40, "uncovered": "missing"}
    config["tracks"]["zero_where_uncovered"] = ["minus"]
    with pytest.raises(InputError, match=r"zero_where_uncovered: \['minus'\] is not one of \['atac', 'plus'\]"):
        plan.track_settings(config, "atac")
