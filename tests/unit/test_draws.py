"""Which files a seed has: those of its own draw of the low map, from what it learns to what it is scored against."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Wildcards

from trifold import plan
from trifold.errors import InputError

SPLIT = {"low": {"coarsen": 2, "thin": 16, "seed": 1, "share_reads": False}}
CONFIG = {
    "seeds": [1, 2],
    "splits": {"a": {}},
    "samples": {"alpha": {"contacts": "alpha.cool"}, "beta": {"contacts": "beta.cool", "low": {"low": "low.cool"}}},
    "geometry": {"bin_bp": 5000, "window_bins": 64},
    "tracks": {"bin_bp": 100, "zero_where_uncovered": [], "strands": []},
    "degradations": SPLIT,
    "training": {"epochs": 5, "batch_size": 4, "loss": "mse"},
    "evaluate": {"samples": ["alpha"], "comparison": {"reference_arms": []}},
    "arms_used": None,
    "depth": {},
    "shared": {},
    "arms": {"image": {"architecture": "vehicle", "samples": ["alpha", "beta"]}},
}


@pytest.fixture
def rules(repository):
    """The functions of the files in rules/ that hold nothing else, for an experiment."""

    def of(config):
        unchecked = dict.fromkeys(("check_inputs", "check_weights", "check_splits", "check_maps"), lambda *_: None)
        known = {
            "Path": Path,
            "ROOT": repository,
            "plan": plan,
            "checks": SimpleNamespace(**unchecked),
            "InputError": InputError,
            "config": config,
            "arms": plan.resolve(config),
            "datasets": {},
            "DOWNLOADED": {},
            "DATASETS": {name: {"protocol": name} for name in ("corrected", "published")},
            "TRAINED": ["image"],
            "FITTED": [],
            "IMPORTED": [],
        }
        for name in ("data", "inputs", "callers"):
            path = repository / f"rules/{name}.smk"
            exec(compile(path.read_text(), path, "exec"), known)
        return SimpleNamespace(**known)

    return of


def wildcards(**values):
    return Wildcards(fromdict={"fold": "a", "sample": "alpha", "degradation": "low", **values})


@pytest.mark.parametrize(("seed", "draw"), [("0", "low"), ("1", "low"), ("2", "low.2")])
def test_y9_a_seed_reads_learns_and_is_scored_by_its_own_draw(rules, seed, draw):
    made, run = rules(CONFIG), wildcards(arm="image", seed=seed, dataset="corrected")
    scored = wildcards(arm="image", seed=seed)
    assert made.get_target(scored) == f"<results>/held-back/alpha/{draw}/map.cool"
    assert made.get_scale(scored) == f"<results>/examples/corrected/{draw}/alpha/fold-a/statistics.json"
    assert made.get_low_map(run) == [f"<results>/contacts/alpha/{draw}/map.cool"]
    assert made.get_statistics(run) == []  # those of the model
    # A low map that was measured is the same for all seeds.
    examples = [f"<results>/examples/corrected/{name}/fold-a/artifact.json" for name in (f"{draw}/alpha", "low/beta")]
    assert made.get_examples(run) == examples
    called = made.locate_references(plan.Evaluation("low", "image", "a", int(seed), "alpha"))
    assert called == f"<results>/structure/{draw}/maps/fold-a/alpha/structure.tsv"


def test_y2_targets_are_the_reads_held_back_but_of_published_data_sets_and_measured_maps(rules):
    made, deep = rules(CONFIG), "<results>/contacts/{}/deep/map.cool"
    # Jobs that have no seed name the draw themselves.
    for draw in ("low", "low.2"):
        assert made.get_target(wildcards(degradation=draw)) == f"<results>/held-back/alpha/{draw}/map.cool"
        corrected = wildcards(degradation=draw, dataset="corrected")
        assert made.get_target(corrected) == f"<results>/held-back/alpha/{draw}/map.cool"
        assert made.get_target(wildcards(degradation=draw, dataset="published")) == deep.format("alpha")
    assert made.get_target(wildcards(sample="beta", seed="2")) == deep.format("beta")
    shared = {**CONFIG, "degradations": {"low": {**SPLIT["low"], "share_reads": True}}}
    assert rules(shared).get_target(wildcards(seed="2")) == deep.format("alpha")


def test_rows_of_maps_that_are_no_arm_have_the_name_of_the_low_map_and_the_seed_that_drew_it(rules):
    made = rules(CONFIG)
    labels = [made.get_call_labels(wildcards(degradation=draw)) for draw in ("low", "low.2")]
    assert labels == [{"degradation": "low", "fold": "a", "seed": seed, "sample": "alpha"} for seed in (0, 2)]
