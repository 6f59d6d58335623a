"""Runs and evaluations as pure functions of the configuration."""

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
        "evaluate": {"samples": ["alpha"]},
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
    ],
)
def test_a_wrong_name_is_refused_with_the_known_ones(config, field, value):
    config["arms"]["sequence"][field] = value
    with pytest.raises(InputError, match=f"arms/sequence/{field}"):
        plan.resolve_arm(config, "sequence")


def test_null_removes_an_entry():
    assert plan.without_nulls({"a": None, "b": {"c": None, "d": 0}, "e": [1]}) == {"b": {"d": 0}, "e": [1]}


def test_traits_are_those_of_the_registry():
    from trifold.models import registry

    for name, traits in plan.ARCHITECTURES.items():
        kind = registry.ARCHITECTURES[name][0]
        assert (frozenset(kind.inputs), kind.target, kind.learned) == tuple(traits), name
    assert set(plan.ARCHITECTURES) == set(registry.ARCHITECTURES)
