"""Arms, runs and scores as pure functions of the configuration."""

import copy
import json
import re
from dataclasses import asdict

import pytest

from trifold import plan
from trifold.architectures import ARCHITECTURES
from trifold.arm import of_settings
from trifold.errors import InputError
from trifold.tasks import TASKS


@pytest.fixture
def config():
    return {
        "seeds": [1, 2],
        "splits": {"a": {}, "b": {}},
        "samples": {"alpha": {"tracks": {"atac": "x"}}, "beta": {}},
        "geometry": {"bin_bp": 5000, "window_bins": 64},
        "tracks": {"bin_bp": 100, "zero_where_uncovered": [], "strands": []},
        "degradations": {"low": {}, "thin": {}},
        "training": {"epochs": 5, "batch_size": 4, "loss": "mse"},
        "evaluate": {"samples": ["alpha"], "comparison": {"reference_arms": []}},
        "arms_used": None,
        "shared": {},
        "arms": {
            "identity": {"architecture": "identity"},
            "sequence": {"architecture": "akita", "training": {"epochs": 2}},
            "image": {"architecture": "vehicle", "degradation": "thin"},
        },
    }


def runs(config, **options):
    return plan.runs(config, plan.resolve(config), **options)


def evaluations(config):
    return plan.evaluations(config, plan.resolve(config))


def test_learned_arms_run_per_seed_and_others_once_per_fold(config):
    assert runs(config) == [
        ("identity", "a", 0),
        ("identity", "b", 0),
        *[("sequence", fold, seed) for fold in "ab" for seed in (1, 2)],
        *[("image", fold, seed) for fold in "ab" for seed in (1, 2)],
    ]


def test_a_split_of_several_folds_is_a_split_for_every_fold(config):
    several = {"kind": "folds", "folds": 3, "block_bp": 9, "gap_bp": 0, "seed": 1}
    config["splits"] = {"a": several, "b": {}}
    config["arms"]["image"]["folds"] = ["a-2", "b"]
    config["arms"]["sequence"]["folds"] = ["a"]
    made = plan.selected({**config, "papers": []})
    assert made["splits"] == {**{f"a-{fold}": {**several, "fold": fold} for fold in (1, 2, 3)}, "b": {}}
    folds = {name: arm.folds for name, arm in plan.resolve(made).items()}
    assert folds == {
        "identity": ("a-1", "a-2", "a-3", "b"),
        "sequence": ("a-1", "a-2", "a-3"),
        "image": ("a-2", "b"),
    }
    # What a run leaves behind plans the same, to the order of the schema's keys.
    assert plan.in_folds(made) == made
    assert list(made["splits"]["a-1"]) == ["kind", "folds", "fold", "block_bp", "gap_bp", "seed"]
    config["splits"]["a"]["on_demand"] = True
    made = plan.selected({**config, "papers": []})
    assert plan.resolve(made)["identity"].folds == ("b",)


@pytest.mark.parametrize(
    "splits, message",
    [
        ({"a": {"folds": 3}, "a-2": {"folds": 3, "fold": 1}}, "splits/a-2: is the name of a fold of 'a'; rename it"),
        ({"a": {"folds": 3, "fold": 4}}, "splits/a/fold: 4 of 3 folds; lower it"),
        ({"a": {"folds": 3, "block_bp": 9}}, "splits/a/block_bp: folds of blocks need gap_bp and seed too"),
        ({"a": {"folds": 3, "seed": 9, "gap_bp": 0}}, "splits/a/gap_bp: folds of blocks need block_bp too"),
    ],
)
def test_folds_that_do_not_go_together_are_refused(config, splits, message):
    config["splits"] = {name: {"kind": "folds", **split} for name, split in splits.items()}
    with pytest.raises(InputError, match=f"config: {message}"):
        plan.selected({**config, "papers": []})


def test_a_model_that_comes_with_its_weights_is_not_trained(config):
    config["arms"]["other"] = {"architecture": "vehicle", "weights": "results/x"}
    arms = plan.resolve(config)
    assert [name for name, arm in arms.items() if plan.is_trained(arm)] == ["sequence", "image"]
    assert ("other", "a", 0) in plan.runs(config, arms)


def test_an_arm_without_a_map_is_scored_beside_each_degradation(config):
    scored = {(one.degradation, one.arm) for one in evaluations(config)}
    assert scored == {("low", "identity"), ("low", "sequence"), ("thin", "sequence"), ("thin", "image")}
    assert len(evaluations(config)) == 2 + 4 + 4 + 4


def test_structure_is_called_on_the_samples_that_it_names(config):
    """Whether an arm is trained or evaluated there or not."""
    arms = plan.resolve(config)
    assert plan.structures({**config, "structure": {"samples": []}}, arms) == []
    asked = {**config, "structure": {"samples": ["beta"]}}
    made = plan.structures(asked, arms)
    assert [run._replace(sample="alpha") for run in made] == evaluations(config)
    assert {run.sample for run in made} == {"beta"}
    shown = plan.shown_structures(made)
    assert [(run.degradation, run.arm) for run in shown] == [
        ("low", "identity"),
        ("low", "sequence"),
        ("thin", "sequence"),
        ("thin", "image"),
    ]
    assert {run.fold for run in shown} == {"a"}
    # The caller's environment is made where structure is called, and only there.
    assert [traits.folder for traits in plan.programs_of(asked, arms)] == ["programs/chromosight"]
    assert plan.programs_of({**config, "structure": {"samples": []}}, arms) == []


def test_how_structure_is_called_follows_from_the_geometry_unless_it_is_said(config):
    given = {"samples": ["alpha"], "min_bp": None, "max_bp": None, "window_bp": None, "tolerance_bins": 2}
    config = {**config, "structure": given, "evaluate": {**config["evaluate"], "scoring": {"max_distance_bins": 40}}}
    usual = {"min_bp": 40_000, "max_bp": 200_000, "window_bp": 50_000, "tolerance_bins": 2}
    assert plan.structure_of(config) == usual
    config["evaluate"]["scoring"] = {"max_distance_bins": None}
    assert plan.structure_of(config)["max_bp"] == 63 * 5000
    config["structure"] = {**given, "max_bp": 100_000, "window_bp": 25_000}
    assert plan.structure_of(config) == {**usual, "max_bp": 100_000, "window_bp": 25_000}


def test_what_is_on_demand_runs_only_when_asked(config):
    config["arms"]["image"]["on_demand"] = True
    config["splits"]["b"]["on_demand"] = True
    assert {(run.arm, run.fold) for run in runs(config)} == {("identity", "a"), ("sequence", "a")}
    config["arms"]["sequence"]["folds"] = ["a", "b"]
    asked = {(run.arm, run.fold) for run in runs(config, on_demand=True)}
    assert asked == {("identity", "a"), ("sequence", "a"), ("sequence", "b"), ("image", "a")}
    assert ("sequence", "b") not in {(run.arm, run.fold) for run in runs(config)}


def test_networks_of_a_loss_are_trained_and_not_evaluated(config):
    config["arms"]["vae"] = {"architecture": "vae"}
    assert ("vae", "a", 1) in runs(config)
    assert "vae" not in {one.arm for one in evaluations(config)}


def test_an_arm_without_maps_is_not_evaluated(config):
    config["arms"]["image"]["maps"] = False
    assert "image" not in {one.arm for one in evaluations(config)}
    assert "maps" not in plan.resolve(config)["image"].model()


def test_windows_are_scored_under_the_arms_own_protocol(config):
    config["arms"]["released"] = {"architecture": "vehicle", "protocol": "published"}
    scored = plan.scored(plan.resolve(config), ["identity", "image", "released"], fold="a")
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
    assert not plan.reads_counts(plan.resolve(config), "corrected")
    config["arms"]["other"] = arm
    assert plan.reads_counts(plan.resolve(config), "corrected")
    assert not plan.reads_counts(plan.resolve(config), "published")


def test_a_row_on_contacts_that_learns_nothing_asks_for_none_and_is_scored_where_they_are(config):
    config["arms"] = {"grained": {"architecture": "coarsegrain"}, "image": {"architecture": "vehicle"}}
    arms = plan.resolve(config)
    assert not plan.reads_counts(arms, "corrected")
    assert plan.scored(arms, ["grained"]) == []
    assert {one.dataset for one in plan.scored(arms, ["image"])} == {"corrected"}
    config["arms"]["released"] = {"architecture": "deephic", "protocol": "published"}
    arms = plan.resolve(config)
    assert plan.reads_counts(arms, "published") and not plan.reads_counts(arms, "corrected")
    assert {one.dataset for one in plan.scored(arms, ["grained"])} == {"published"}


def test_y15_released_hicfoundation_reads_contacts(config):
    arm = {"architecture": "hicfoundation", "protocol": "published"}
    for options, contacts in (({}, True), ({"encoding": "window"}, False), ({"encoding": "contacts"}, True)):
        config["arms"] = {"released": {**arm, "options": options}}
        config["evaluate"]["comparison"]["reference_arms"] = []
        assert plan.reads_counts(plan.resolve(config), "published") == contacts
    config["arms"]["released"]["protocol"] = "corrected"
    with pytest.raises(
        InputError, match="config: arms/released/options/encoding: 'contacts' is for protocol: published"
    ):
        plan.resolve(config)


def test_a_data_set_is_a_protocol_and_a_window_of_its_own(config):
    config["arms"]["released"] = {"architecture": "vehicle", "protocol": "published"}
    config["arms"]["wide"] = {"architecture": "vehicle", "window_bins": 128}
    arms = plan.resolve(config)
    assert (arms["image"].dataset, arms["image"].window_bins) == ("corrected", 64)
    assert plan.datasets(config, arms) == {
        "corrected": {"protocol": "corrected", "window_bins": 64},
        "published": {"protocol": "published", "window_bins": 64},
        "corrected-w128": {"protocol": "corrected", "window_bins": 128},
    }
    # The scores of whole maps stand on the corrected data set, whoever reads it.
    assert "corrected" in plan.datasets(config, {"wide": arms["wide"]})
    assert plan.scored(arms, ["wide"], fold="a")[0] == ("corrected-w128", "wide", "a", 1, "alpha")


def test_an_experiment_uses_some_arms(config):
    config["arms_used"] = ["identity", "image"]
    used = plan.selected(config)
    assert list(used["arms"]) == ["identity", "image"]
    with pytest.raises(InputError, match="arms_used: \\['imagee'\\]"):
        plan.selected(config | {"arms_used": ["imagee"]})


def test_y9_every_seed_thins_anew_and_the_first_has_the_degradation_itself(config):
    config["degradations"] = {
        "low": {"coarsen": 2, "thin": 16, "seed": 1},
        "wide": {"coarsen": 2, "thin": 1, "seed": 1},
    }
    config["samples"] = {"alpha": {}, "beta": {"low": {"low": "/data/shallow.cool"}}}
    assert [plan.drawn(config, "alpha", "low", seed) for seed in (0, 1, 2)] == ["low", "low", "low.2"]
    assert plan.drawn(config, "beta", "low", 2) == "low"  # measured
    assert plan.drawn(config, "alpha", "wide", 2) == "wide"  # nothing is drawn
    settings = [plan.degradation_of(config, name) for name in ("low", "low.2", "low.3")]
    assert settings[0] == config["degradations"]["low"]
    assert len({of_draw["seed"] for of_draw in settings}) == 3
    assert all({**of_draw, "seed": 1} == settings[0] for of_draw in settings)


def test_y2_reads_are_held_back_from_every_draw_of_a_map_that_is_made(config):
    config["degradations"] = {
        "low": {"coarsen": 2, "thin": 16, "seed": 1, "share_reads": False},
        "all": {"coarsen": 2, "thin": 16, "seed": 1, "share_reads": True},
    }
    config["samples"] = {"alpha": {}, "beta": {"low": {"low": "/data/shallow.cool"}}}
    names = ("low", "low.2", "all", "all.2")
    assert [plan.holds_back(config, "alpha", name) for name in names] == [True, True, False, False]
    assert [plan.holds_back(config, "beta", name) for name in names] == [False] * 4
    config["samples"]["beta"]["low"]["all"] = {"contacts": "/data/part.cool", "reads_in_deep": True}
    assert plan.measured_lows(config["samples"]["beta"]) == {
        "low": {"contacts": "/data/shallow.cool", "reads_in_deep": False},
        "all": {"contacts": "/data/part.cool", "reads_in_deep": True},
    }


def test_y9_rows_without_a_model_have_the_seeds_where_these_thin_anew(config):
    config["arms"]["given"] = {"architecture": "vehicle", "weights": "results/x"}
    before = {name: arm.seeds for name, arm in plan.resolve(config).items()}
    config["degradations"] = {name: {"thin": 16} for name in config["degradations"]}
    after = {name: arm.seeds for name, arm in plan.resolve(config).items()}
    fixed = [name for name, seeds in before.items() if seeds == (0,) and "weights" not in config["arms"][name]]
    assert fixed and all(after[name] == (1, 2) for name in fixed)
    assert all(after[name] == before[name] for name in before if name not in fixed)
    config["seeds"] = [1]
    once = {name: arm.seeds for name, arm in plan.resolve(config).items()}
    assert all(once[name] == (0,) for name in fixed)


# ---------------------------------------------------------------- an arm at several degradations


@pytest.fixture
def depths(config):
    """Arms at both degradations, at one, and at none that is named; lists of the settings that name them."""
    return config | {
        "papers": ["author2020"],
        "arms_used": ["image", "sequence"],
        "depth": {"references": {"image only": ["image"]}, "arms": {"blurred": ["gaussian-thin", "blur"]}},
        "author2020": {"table1": {"Ours": ["sequence", "image"]}, "table2": {"fold": "a", "arms": ["image"]}, "n": 3},
        "evaluate": {"samples": ["alpha"], "comparison": {"reference_arms": ["identity", "image"]}},
        "arms": {
            "identity": {"architecture": "identity"},
            "sequence": {"architecture": "akita"},
            "image": {"architecture": "vehicle", "degradation": "all", "options": {"channels": 8}},
            "blur": {"architecture": "gaussian", "degradation": ["thin"]},
            "gaussian-thin": {"architecture": "gaussian", "degradation": "thin"},
            "hybrid": {
                "architecture": "hybrid",
                "degradation": ["thin", "low"],
                "backbones": {"sequence": "sequence", "image": "image"},
            },
            "tuned": {"architecture": "vehicle", "degradation": "all", "pretrained": "image"},
            "seen": {"architecture": "vehicle", "degradation": "all", "loss_networks": {"vae": "vae"}},
            "vae": {"architecture": "vae", "degradation": "all"},
        },
    }


def test_an_arm_of_several_degradations_is_an_arm_at_each(depths):
    """In the order of the degradations, or of the list; a list of one names its arm too."""
    before = copy.deepcopy(depths)
    arms = plan.expanded(depths)["arms"]
    assert depths == before
    assert list(arms) == [
        *("identity", "sequence", "image-low", "image-thin", "blur-thin", "gaussian-thin"),
        *("hybrid-thin", "hybrid-low", "tuned-low", "tuned-thin", "seen-low", "seen-thin", "vae-low", "vae-thin"),
    ]
    assert arms["image-thin"] == {"architecture": "vehicle", "degradation": "thin", "options": {"channels": 8}}
    assert arms["identity"] == {"architecture": "identity"}
    assert arms["gaussian-thin"]["degradation"] == arms["blur-thin"]["degradation"] == "thin"


def test_an_arm_of_several_degradations_stands_on_those_of_its_own(depths):
    """What it starts from, stands on and has in its loss; what has no depth of its own stays."""
    arms = plan.resolve(plan.expanded(depths))
    for depth in ("low", "thin"):
        assert arms[f"hybrid-{depth}"].backbones == {"sequence": "sequence", "image": f"image-{depth}"}
        assert arms[f"tuned-{depth}"].pretrained == f"image-{depth}"
        assert arms[f"seen-{depth}"].loss_networks == {"vae": f"vae-{depth}"}
        assert arms[f"hybrid-{depth}"].degradation == depth


def test_lists_that_name_an_arm_of_several_degradations_name_all_of_them(depths):
    """Whatever lies about the list: references, arms that are used, the depth study, rows of papers."""
    made = plan.expanded(depths)
    both = ["image-low", "image-thin"]
    assert made["arms_used"] == [*both, "sequence"]
    assert made["evaluate"] == {
        "samples": ["alpha"],
        "comparison": {"reference_arms": ["identity", *both]},
    }
    assert made["depth"] == {"references": {"image only": both}, "arms": {"blurred": ["gaussian-thin", "blur-thin"]}}
    assert made["author2020"] == {
        "table1": {"Ours": ["sequence", *both]},
        "table2": {"fold": "a", "arms": both},
        "n": 3,
    }
    used = plan.selected(depths)
    assert list(used["arms"]) == [*both, "sequence"]
    assert used["evaluate"]["comparison"]["reference_arms"] == both


def test_a_configuration_of_single_degradations_is_as_it_was(config):
    assert plan.expanded(config) is config


@pytest.mark.parametrize(
    ("arms", "message"),
    [
        ({"image": {"degradation": ["low", "lwo"]}}, "image/degradation: ['lwo'] is not one of ['low', 'thin']"),
        (
            {"image-low": {"degradation": "low"}},
            "image-low: is the name of 'image' at one of its degradations; rename it",
        ),
        (
            {"hybrid": {"backbones": {"sequence": "sequence", "image": "blur"}}},
            "hybrid/backbones/image: 'blur' stands for an arm of each of thin; name one of them (blur-thin)",
        ),
        (
            {"seen": {"loss_networks": {"vae": "blur"}}},
            "seen/loss_networks/vae: 'blur' stands for an arm of each of thin; name one of them (blur-thin)",
        ),
        (
            {"sequence": {"pretrained": "image"}},
            "sequence/pretrained: 'image' stands for an arm of each of low, thin; name one of them (image-low)",
        ),
    ],
)
def test_an_arm_of_several_degradations_is_refused_in_a_line(depths, arms, message):
    for name, settings in arms.items():
        depths["arms"][name] = {**depths["arms"].get(name, {"architecture": "vehicle"}), **settings}
    with pytest.raises(InputError, match=f"^{re.escape(f'config: arms/{message}')}$"):
        plan.expanded(depths)


def test_two_arms_of_one_name_are_refused(config):
    """`image` at thin-low and `image-thin` at low: no name is taken before they are written out."""
    config["degradations"]["thin-low"] = {}
    config["arms"]["image"]["degradation"] = ["thin-low"]
    config["arms"]["image-thin"] = {"architecture": "vehicle", "degradation": ["low"]}
    line = "config: arms/image-thin: two arms would be called 'image-thin-low'; rename one of them"
    with pytest.raises(InputError, match=f"^{line}$"):
        plan.expanded(config)


def refused(config, name, setting, message):
    """An arm with some settings over it is refused in one line."""
    arm = {**config["arms"][name], **setting}
    with pytest.raises(InputError, match=message) as caught:
        plan.resolve({**config, "arms": {**config["arms"], name: arm}})
    assert "\n" not in str(caught.value)


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
        refused(config, name, setting, f"config: arms/{name}/{idle}")


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
        plan.resolve(config)


def test_t12_where_a_training_runs_is_no_part_of_the_model(config):
    config |= {"accelerator": "cpu", "threads": {}, "mirrors": []}
    config["training"] |= {"workers": 2, "devices": 1, "nodes": 1}
    config["arms"]["image"]["training"] = {"workers": 4}
    arm = plan.resolve(config)["image"]
    assert arm.model()["training"] == {"epochs": 5, "batch_size": 4, "loss": "mse"}
    assert plan.where_of(config, arm) == {"workers": 4, "devices": 1, "nodes": 1, "accelerator": "cpu"}
    told = plan.what(config)
    assert {"accelerator", "threads", "mirrors"}.isdisjoint(told)
    assert told["training"] == {"epochs": 5, "batch_size": 4, "loss": "mse"}
    assert told["arms"]["image"]["training"] == {}
    config["shared"] = {"mixhic/loop": {"training": {"epochs": 1, "workers": 8}}}
    assert plan.what(config)["shared"] == {"mixhic/loop": {"training": {"epochs": 1}}}


def test_d6_reference_arms_are_there_or_left_out_with_arms_used(config):
    config["evaluate"]["comparison"]["reference_arms"] = ["identity", "image"]
    used = plan.selected({**config, "arms_used": ["image", "sequence"]})
    assert used["evaluate"]["comparison"]["reference_arms"] == ["image"]
    config["evaluate"]["comparison"]["reference_arms"] = ["bicubic"]
    with pytest.raises(InputError, match=r"evaluate/comparison/reference_arms: \['bicubic'\] is not one of"):
        plan.selected(config)


def test_an_arm_inherits_and_overrides(config):
    arm = plan.resolve(config)["sequence"]
    assert arm.training == {"epochs": 2, "batch_size": 4, "loss": "mse"}
    assert arm.degradation == "low"
    assert arm.samples == arm.test_samples == ("alpha",)
    assert (arm.folds, arm.seeds, arm.task) == (("a", "b"), (1, 2), "maps")


@pytest.mark.parametrize(
    "field, value",
    [
        ("architecture", "akitaa"),
        ("task", "loop"),
        ("degradation", "lwo"),
        ("samples", ["gamma"]),
        ("test_samples", ["gamma"]),
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
        plan.resolve(config)


def test_an_arm_starts_from_another_of_the_same_split(config):
    config["arms"]["sequence"]["pretrained"] = "image"
    arm = plan.resolve(config)["sequence"]
    assert (arm.pretrained, arm.pretrained_parts) == ("image", "encoder")
    config["arms"]["image"]["folds"] = ["a"]
    with pytest.raises(InputError, match=r"arms/sequence/pretrained: 'image' is not trained on the split\(s\) \['b'\]"):
        plan.resolve(config)
    config["arms"]["image"]["weights"] = "image.pth"
    with pytest.raises(InputError, match="arms/image/pretrained: the arm comes with its weights"):
        plan.resolve(
            config | {"arms": {**config["arms"], "image": config["arms"]["image"] | {"pretrained": "sequence"}}}
        )
    assert plan.resolve(config)["sequence"].pretrained == "image"


def test_arms_do_not_start_from_each_other(config):
    config["arms"]["sequence"]["pretrained"] = "image"
    config["arms"]["image"]["pretrained"] = "sequence"
    with pytest.raises(InputError, match=r"config: arms/image/pretrained: 'sequence' is not one of"):
        plan.resolve(config)


def test_a_track_is_zero_where_it_says_so(config):
    config["samples"] = {"a": {"tracks": {"atac": "a.bw", "plus": "b.bw", "minus": "c.bw"}}}
    config["tracks"] = {"bin_bp": 40, "zero_where_uncovered": ["plus"], "strands": [["plus", "minus"]]}
    assert plan.track_settings(config, "a", "plus") == {"bin_bp": 40, "uncovered": "zero"}
    assert plan.track_settings(config, "a", "atac") == {"bin_bp": 40, "uncovered": "missing"}
    plan.check_tracks(config)
    config["tracks"]["zero_where_uncovered"] = ["cage"]
    with pytest.raises(InputError, match=r"zero_where_uncovered: \['cage'\] is not one of \['atac', 'minus', 'plus'\]"):
        plan.check_tracks(config)


def test_t5_a_track_may_have_settings_of_its_own(config):
    """One setting for all tracks, but for what a track says; a path of the blacklist is no setting of a track."""
    config["tracks"] = {"extend_reads": False, "blacklist": "black.bed", "zero_where_uncovered": [], "strands": []}
    atac = {"files": ["1.bam", "2.bam"], "extend_reads": 200}
    config["samples"] = {"a": {"tracks": {"atac": atac, "cage": "c.bw"}}, "b": {"tracks": {"atac": ["3.bam"]}}}
    assert plan.track_settings(config, "a", "atac") == {"extend_reads": 200, "uncovered": "missing"}
    for sample, track in (("a", "cage"), ("b", "atac")):
        assert plan.track_settings(config, sample, track) == {"extend_reads": False, "uncovered": "missing"}
    assert [plan.track_files(track) for track in (atac, "c.bw", ["3.bam"])] == [["1.bam", "2.bam"], ["c.bw"], ["3.bam"]]


def test_an_arm_is_what_its_json_says(config):
    """Jobs get it that way, and a model's version is made of it."""
    config["tracks"]["strands"] = [["plus", "minus"]]
    config["arms"]["loops"] = {"architecture": "mixhic", "task": "loop", "tracks": ["plus", "minus", "atac"]}
    for arm in plan.resolve(config).values():
        settings = json.loads(json.dumps(asdict(arm)))
        assert of_settings(settings) == arm
        assert json.loads(json.dumps(arm.model())) == arm.model()


# ---------------------------------------------------------------- tasks: windows about pairs of bins


@pytest.fixture
def pairs(config):
    """Pre-trainings and arms of every task on windows about pairs, beside one of whole maps."""
    tracks = {"atac": "a.bam", "dnase": "d.bam"}
    mixhic = {"architecture": "mixhic", "samples": ["alpha"]}
    pretraining = {"architecture": "mixhic", "task": "pretraining", "samples": ["beta"]}
    return config | {
        "seeds": [5, 6],
        "splits": {"a": {}},
        "samples": {name: {"tracks": dict(tracks)} for name in ("alpha", "beta")},
        "training": {
            "epochs": 9,
            "precision": "bf16-mixed",
            "devices": 2,
            "nodes": 1,
            "workers": 4,
            "schedule": "cosine",
            "loss": "mse",
        },
        "shared": {
            "mixhic": {"tracks": ["atac", "dnase"], "training": {"epochs": 3, "batch_size": 8}},
            "mixhic/cage": {"options": {"embed_dim": 256}, "training": {"epochs": 4}},
            "nearest": {"tracks": ["atac", "dnase"]},
        },
        "arms": {
            "identity": {"architecture": "identity"},
            "pre": {**pretraining, "options": {"embed_dim": 32, "depth": 1}},
            "released": {**pretraining, "protocol": "published", "seeds": [5, 6]},
            "loop": {**mixhic, "task": "loop", "pretrained": "pre", "test_samples": ["beta"]},
            "noisy": {**mixhic, "task": "loop", "pretrained": "released", "protocol": "published"},
            "window": {**mixhic, "task": "window", "training": {"epochs": 1, "workers": 0}},
            "cage": {**mixhic, "task": "cage", "options": {"mode": "epi", "hidden": 4}},
            "corner": {"architecture": "corner", "samples": ["alpha", "beta"]},
            "nearest": {"architecture": "nearest", "samples": ["alpha"]},
            "theirs": {**mixhic, "task": "loop", "scores": "their.tsv"},
        },
    }


def options_of(arm):
    """Options with those that the architecture has where an arm gives none."""
    return {**plan.traits_of(arm).options, **arm.options}


def test_an_arm_has_the_task_that_it_names_or_the_one_there_is(pairs):
    tasks = {name: arm.task for name, arm in plan.resolve(pairs).items()}
    assert tasks == {
        "identity": "maps",
        "pre": "pretraining",
        "released": "pretraining",
        "loop": "loop",
        "noisy": "loop",
        "window": "window",
        "cage": "cage",
        "corner": "loop",
        "nearest": "cage",
        "theirs": "loop",
    }
    del pairs["arms"]["cage"]["task"]
    with pytest.raises(InputError, match="config: arms/cage/task: missing; give one of pretraining, loop, window"):
        plan.resolve(pairs)


def test_every_task_of_an_architecture_is_declared():
    used = {task for traits in ARCHITECTURES.values() for task in traits.tasks}
    assert used == set(TASKS)
    assert {task.criterion[1] for task in TASKS.values()} == {1, -1}


def test_a_task_has_the_sizes_of_the_arm_it_starts_from_and_its_own_otherwise(pairs):
    arms = plan.resolve(pairs)
    sizes = {"embed_dim": 32, "depth": 1, "heads": 4, "variant": "full"}
    assert sizes.items() <= options_of(arms["pre"]).items()
    assert {**sizes, "mode": "bimodal", "freeze": False}.items() <= options_of(arms["loop"]).items()
    window, cage = options_of(arms["window"]), options_of(arms["cage"])
    assert (window["embed_dim"], window["depth"], window["mode"]) == (128, 2, "infer_map")
    assert (cage["embed_dim"], cage["mode"], cage["hidden"]) == (256, "epi", 4)
    pairs["arms"]["loop"]["options"] = {"depth": 2}
    assert plan.resolve(pairs)["loop"].options == {"embed_dim": 32, "depth": 2, "heads": 4, "variant": "full"}
    assert {arm.tracks for arm in arms.values() if arm.architecture == "mixhic"} == {("atac", "dnase")}
    assert {arm.window_bins for name, arm in arms.items() if name != "identity"} == {50}


def test_protocols_differ_in_logarithm_held_out_chromosomes_and_noise(pairs):
    arms = plan.resolve(pairs)
    facts = {name: (arms[name].log_tracks, arms[name].hold_out) for name in arms}
    assert facts == {name: (name != "released", name != "released") for name in arms}
    assert {name: arm.noise for name, arm in arms.items()} == {name: name == "noisy" for name in arms}
    pairs["arms"]["released"] |= {"log_tracks": True, "hold_out": True, "noise": True, "fraction": 0.5}
    arm = plan.resolve(pairs)["released"]
    assert (arm.log_tracks, arm.hold_out, arm.noise, arm.fraction) == (True, True, True, 0.5)


def test_another_seed_or_test_sample_makes_no_other_model(pairs):
    before = plan.resolve(pairs)
    pairs["seeds"] = [5, 6, 7]
    pairs["arms"]["loop"]["test_samples"] = ["beta", "alpha"]
    after = plan.resolve(pairs)
    for name, arm in before.items():
        assert arm.model() == after[name].model()
    tasks = ["loop", "noisy", "window", "cage", "corner", "nearest", "theirs"]
    assert len(plan.scored(after, tasks)) == len(plan.scored(before, tasks)) + 4 + 3
    pairs["arms"]["loop"]["options"] = {"freeze": True}
    assert plan.resolve(pairs)["loop"].model() != before["loop"].model()


def test_training_is_the_experiments_the_architectures_the_shared_and_the_arms(pairs):
    """Later ones in place of earlier ones."""
    arms = plan.resolve(pairs)
    architecture = ARCHITECTURES["mixhic"].at("window").training["corrected"]
    assert architecture["schedule"] == "constant"
    assert arms["window"].training == {
        "precision": "bf16-mixed",
        "devices": 2,
        "nodes": 1,
        **architecture,
        "epochs": 1,
        "batch_size": 8,
        "workers": 0,
    }
    assert arms["cage"].training["epochs"] == 4
    assert arms["noisy"].training["early_stop_epochs"] == 10
    assert arms["loop"].training["early_stop_epochs"] == 20
    assert arms["identity"].training == pairs["training"]


@pytest.mark.parametrize(
    ("shared", "message"),
    [
        ({"mixhik": {}}, r"shared: 'mixhik' is not one of \['akita', "),
        ({"mixhic/maps": {}}, "shared: 'mixhic/maps' names no task of the architecture; write mixhic/pretraining, "),
    ],
)
def test_what_is_shared_is_by_an_architecture_and_its_task(pairs, shared, message):
    with pytest.raises(InputError, match=f"config: {message}"):
        plan.resolve(pairs | {"shared": shared})


def test_scores_of_every_seed_and_sample(pairs):
    arms = plan.resolve(pairs)
    published, corrected = "published-w50", "corrected-w50"
    assert plan.scored(arms, ["loop", "noisy", "window", "cage", "corner", "theirs"]) == [
        *[(corrected, "loop", "a", seed, "beta") for seed in (5, 6)],
        *[(published, "noisy", "a", seed, "alpha") for seed in (5, 6)],
        *[(corrected, "window", "a", seed, "alpha") for seed in (5, 6)],
        *[(corrected, "cage", "a", seed, "alpha") for seed in (5, 6)],
        *[(corrected, "corner", "a", 0, sample) for sample in ("alpha", "beta")],
    ]
    # An arm starts from the one of its seed, or of the first.
    assert [plan.start_seed(arms["pre"], seed) for seed in (5, 6)] == [5, 5]
    assert [plan.start_seed(arms["released"], seed) for seed in (5, 6)] == [5, 6]
    assert {name: arm.seeds for name, arm in arms.items()} == {
        **dict.fromkeys(arms, (5, 6)),
        "pre": (5,),
        **dict.fromkeys(("identity", "corner", "nearest", "theirs"), (0,)),
    }


def test_closed_forms_are_fitted_once_and_rules_are_not(pairs):
    arms = plan.resolve(pairs)
    trained = [name for name, arm in arms.items() if plan.is_trained(arm)]
    assert trained == ["pre", "released", "loop", "noisy", "window", "cage", "nearest"]
    assert plan.parts_of(arms["nearest"]) == {
        "data": "trifold.data.pair_dataset",
        "scoring": "trifold.score_pairs",
        "criterion": ["validation_pearson", 1],
        "learner": None,
    }
    assert plan.parts_of(arms["loop"]) == {
        "data": "trifold.data.pair_dataset",
        "scoring": "trifold.score_pairs",
        "criterion": ["validation_auroc", 1],
        "learner": ["trifold.training.multimodal", "Multimodal"],
    }
    assert plan.parts_of(arms["pre"])["scoring"] is None
    assert [run for run in plan.runs(pairs, arms) if run.arm == "nearest"] == [("nearest", "a", 0)]


def test_arms_on_pairs_have_no_whole_maps(pairs):
    arms = plan.resolve(pairs)
    assert {one.arm for one in plan.evaluations(pairs, arms)} == {"identity"}
    assert list(plan.of_whole_maps(pairs, arms)["arms"]) == ["identity"]
    assert plan.protocols_read(arms) == ["corrected"]
    assert not plan.reads_counts(arms, "corrected-w50")


def test_t11_a_training_depends_on_the_modules_of_its_arm_and_task(config, pairs):
    config["arms"] |= {
        "vae": {"architecture": "vae"},
        "both": {"architecture": "hybrid", "backbones": {"sequence": "sequence", "image": "image"}},
        "gan": {
            "architecture": "hicplus",
            "loss_networks": {"vae": "vae"},
            "training": {"loss": "vehicle"},
        },
    }
    arms = plan.resolve(config)
    models, training, data = "trifold.models.", "trifold.training.", "trifold.data.dataset"
    sequence, image = ARCHITECTURES["akita"].module, ARCHITECTURES["vehicle"].module
    assert plan.networks_of(arms, "both") == sorted([f"{models}hybrid", sequence, image])
    assert plan.trained_by(arms, "image") == sorted([image, data, f"{training}regression"])
    assert plan.trained_by(arms, "both") == sorted([f"{models}hybrid", sequence, image, data, f"{training}regression"])
    assert plan.trained_by(arms, "vae") == sorted([f"{models}vae", data, f"{training}autoencoder"])
    # The adversary of this loss stands in the module of `vehicle`.
    assert plan.trained_by(arms, "gan") == sorted(
        [f"{models}hicplus", f"{models}vae", f"{models}vehicle", data, f"{training}adversarial"]
    )
    assert plan.scored_by(arms, "gan") == sorted([f"{models}hicplus", data, "trifold.score_windows"])
    assert plan.scored_by(arms, "both") == sorted([f"{models}hybrid", sequence, image, data, "trifold.score_windows"])

    arms, data = plan.resolve(pairs), "trifold.data.pair_dataset"
    assert plan.trained_by(arms, "loop") == sorted([f"{models}mixhic", data, f"{training}multimodal"])
    assert plan.scored_by(arms, "loop") == sorted([f"{models}mixhic", data, "trifold.score_pairs"])
    assert plan.trained_by(arms, "nearest") == sorted([f"{models}references", data])
    assert plan.scored_by(arms, "pre") == sorted([f"{models}mixhic", data])


def test_strands_of_an_arms_tracks_by_their_numbers(pairs):
    pairs["tracks"]["strands"] = [["plus", "minus"], ["far", "near"]]
    pairs["arms"]["loop"]["tracks"] = ["minus", "atac", "plus"]
    arms = plan.resolve(pairs)
    assert arms["loop"].strands == ((2, 0),)
    assert arms["window"].strands == arms["identity"].strands == ()
    refused(pairs, "loop", {"tracks": ["atac", "plus"]}, r"config: arms/loop/tracks: 'plus' and 'minus' .* add 'minus'")
    refused(pairs, "loop", {"tracks": ["near"]}, r"config: arms/loop/tracks: 'far' and 'near' .* add 'far'")


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("loop", {"pretrained": "prae"}, "pretrained: 'prae' is not one of"),
        ("loop", {"protocol": "published"}, "pretrained: 'pre' is corrected .* protocols are not mixed: change one"),
        ("loop", {"samples": ["alfa"]}, r"samples: 'alfa' is not one of \['alpha', 'beta'\]"),
        ("window", {"training": {"epoch": 1}}, "training: 'epoch' is not one of"),
        ("corner", {"task": "window"}, r"task: 'window' is not one of \['loop'\]"),
        ("loop", {"degradation": "low"}, "degradation: the task 'loop' has no use for it; leave the setting out"),
        ("cage", {"maps": False}, "maps: the task 'cage' has no use for it; leave the setting out"),
        ("window", {"loss_networks": {"vae": "pre"}}, "loss_networks: the task 'window' has no use for it; leave"),
        ("nearest", {"training": {"epochs": 1}}, "training: 'nearest' is not trained; leave the setting out"),
        ("loop", {"options": {"warmup_epochs": 1}}, "options/warmup_epochs: the architecture 'mixhic' has no such opt"),
        ("loop", {"options": {"mode": "both"}}, "options/mode: 'both' is not one of bimodal, map, epi"),
        ("loop", {"folds": ["b"]}, r"folds: 'b' is not one of \['a'\]; add such a split, or leave the arm out"),
        *[
            ("identity", {field: value}, f"{field}: for tasks on windows about pairs of bins; leave the setting out")
            for field, value in [
                ("fraction", 0.5),
                ("noise", True),
                ("log_tracks", False),
                ("hold_out", False),
                ("scores", "their.tsv"),
            ]
        ],
    ],
)
def test_what_the_schema_cannot_see_is_refused_by_field_and_remedy(pairs, name, setting, message):
    plan.resolve(copy.deepcopy(pairs))
    refused(pairs, name, setting, f"config: arms/{name}/{message}")
