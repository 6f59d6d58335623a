"""Which arms stand in MIX-HIC's tables and figures, which are compared, and what the networks are trained with."""

import pytest
import yaml

from trifold import plan
from trifold.architectures import ARCHITECTURES
from trifold.errors import InputError
from trifold.papers.mixhic2025 import rows


def arm(task, samples, tests, **settings):
    return {"architecture": "mixhic", "task": task, "samples": samples, "test_samples": tests, **settings}


GIVEN = {
    "loop": arm("loop", ["alpha"], ["alpha", "beta"], seeds=[1, 2]),
    "loop-beta": arm("loop", ["alpha"], ["beta"]),
    "map": arm("window", ["alpha"], ["alpha"]),
    "theirs": arm("loop", ["alpha"], ["alpha"], scores="their.tsv"),
    "pre": arm("pretraining", ["gamma"], ["gamma"], folds=["b"]),
    "corner": {"architecture": "corner", "samples": ["beta"]},
    "image": {"architecture": "vehicle", "samples": ["alpha"]},
    "twin": arm("loop", ["alpha"], ["beta", "alpha", "gamma"]),
    "released": arm("loop", ["alpha"], ["alpha"], protocol="published"),
    "far": arm("loop", ["alpha"], ["gamma"]),
    "wide": arm("loop", ["alpha"], ["alpha"], window_bins=100),
}


@pytest.fixture
def arms():
    config = {
        "seeds": [1],
        "splits": {"a": {}, "b": {"on_demand": True}},
        "samples": {"alpha": {}, "beta": {}, "gamma": {}},
        "geometry": {"window_bins": 64},
        "tracks": {"strands": []},
        "degradations": {"low": {}},
        "training": {"loss": "mse"},
        "evaluate": {"samples": ["alpha"]},
        "shared": {},
        "arms": GIVEN,
    }
    return plan.resolve(config)


def section(tables=None, figures=None):
    return {"tables": tables or {}, "figures": figures or {}}


def test_rows_keep_the_arms_that_there_are_and_that_stand_there(arms):
    tables = {"table3": {"MIX-HIC": ["loop", "absent"], "Gone": ["absent"], "Elsewhere": ["loop-beta"]}, "against": {}}
    figures = {"figure5": {"MIX-HIC": ["loop", "map"], "Other": ["loop-beta"], "Within": ["map"]}}
    shown = rows.shown(section(tables, figures), arms)
    assert set(shown) == set(rows.SHOWN)
    assert shown["table3"] == {"MIX-HIC": ["loop"]}
    assert shown["figure5"] == {"MIX-HIC": ["loop"], "Other": ["loop-beta"]}
    assert shown["table2"] == shown["figures3"] == {}


@pytest.mark.parametrize(
    ("tables", "figures", "place"),
    [({"table2": {"A": ["loop"]}}, {}, "tables/table2/A"), ({}, {"figure4": {"A": ["map"]}}, "figures/figure4/A")],
)
def test_an_arm_of_another_task_is_refused(arms, tables, figures, place):
    with pytest.raises(InputError, match=f"config: mixhic2025/{place}: '(loop|map)' is of the task .* name arms of"):
        rows.shown(section(tables, figures), arms)


def test_a_table_of_scores_holds_windows_of_one_size(arms):
    """Other systems come with scores of windows that are their own affair; whole chromosomes have no windows."""
    both = {"A": ["loop", "theirs"], "B": ["wide"]}
    with pytest.raises(InputError, match=r"table3: 'loop' reads windows of 50 bins and 'wide' of 100, .* one window"):
        rows.shown(section({"table3": both}), arms)
    assert rows.shown(section({"tables2": both}), arms)["tables2"] == both
    assert rows.shown(section({"table3": {"A": ["loop", "theirs"]}}), arms)["table3"] == {"A": ["loop", "theirs"]}


def test_loops_are_looked_for_where_an_arm_was_trained_and_not_of_other_systems(arms):
    names = ["loop", "theirs"]
    assert plan.scored(arms, names) == [
        plan.Scored("corrected-w50", "loop", "a", seed, sample) for seed in (1, 2) for sample in ("alpha", "beta")
    ]
    assert plan.searched(arms, names) == [plan.Scored("corrected-w50", "loop", "a", seed, "alpha") for seed in (1, 2)]


def test_samples_of_windows_are_those_that_arms_on_pairs_are_trained_on(arms):
    assert rows.samples_read(arms) == [
        ("corrected-w100", "alpha", "a"),
        ("corrected-w50", "alpha", "a"),
        ("corrected-w50", "beta", "a"),
        ("corrected-w50", "gamma", "b"),
        ("published-w50", "alpha", "a"),
    ]


def compared(arms, pairs):
    return rows.compared({"comparisons": {"Which?": pairs}}, arms)


def test_arms_are_compared_on_the_samples_both_were_tested_on(arms):
    assert compared(arms, [["loop", "twin"], ["loop", "absent"], ["map", "map"]]) == [
        rows.Comparison("Which?", "loop", "corrected", "alpha", "loop", "twin"),
        rows.Comparison("Which?", "loop", "corrected", "beta", "loop", "twin"),
        rows.Comparison("Which?", "window", "corrected", "alpha", "map", "map"),
    ]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (["loop", "map"], "the task is 'loop' and 'window'"),
        (["released", "loop"], "the protocol is 'published' and 'corrected'"),
        (["wide", "loop"], "the window_bins is 100 and 50"),
        (["loop", "theirs"], "'theirs' comes with scores alone"),
        (["loop", "far"], "no test sample in common"),
    ],
)
def test_arms_that_cannot_be_compared_are_refused(arms, pair, message):
    with pytest.raises(InputError, match=rf"config: mixhic2025/comparisons/Which\?: .*: {message}"):
        compared(arms, [pair])


def test_rows_are_held_against_one_that_the_table_has():
    """It is left out where the experiment has no arm for it, as the row is."""
    section = {"tables": {"table3": {"Corner": ["corner"], "Ours": ["loop"]}, "against": {"table3": "Corner"}}}
    assert rows.against(section, {"table3": {"Corner": ["corner"], "Ours": ["loop"]}}) == {"table3": "Corner"}
    assert rows.against(section, {"table3": {"Ours": ["loop"]}}) == {}
    section["tables"]["against"]["table3"] = "Cormer"
    with pytest.raises(InputError, match=r"tables/against/table3: 'Cormer' is not one of \['Corner', 'Ours'\]"):
        rows.against(section, {"table3": {}})


@pytest.mark.parametrize("size", ["demo", "paper"])
def test_every_row_label_and_comparison_of_the_paper_names_arms_of_it(repository, size):
    """A name that is misspelt would be left out as an arm that the experiment does not have."""
    own = yaml.safe_load((repository / "papers/mixhic2025/arms.yaml").read_text())[size]
    of_paper = own["mixhic2025"]
    lists = {**of_paper["tables"], **of_paper.get("figures", {})}
    against = lists.pop("against")
    named = {arm for shown in lists.values() for names in shown.values() for arm in names}
    named |= {arm for pairs in of_paper.get("comparisons", {}).values() for pair in pairs for arm in pair}
    assert named <= set(own["arms"]) and len(named) >= 6
    assert all(row in of_paper["tables"][table] for table, row in against.items())


def test_defaults_are_those_of_code_and_paper():
    """Facts of the released scripts and of the appendix: epochs, batch, rate, weight decay, patience."""
    names = ("epochs", "batch_size", "learning_rate", "weight_decay", "early_stop_epochs")
    found = {
        (protocol, task): tuple(settings[name] for name in names)
        for task in ARCHITECTURES["mixhic"].tasks
        for protocol, settings in ARCHITECTURES["mixhic"].at(task).training.items()
    }
    assert found == {
        ("published", "pretraining"): (300, 32, 1e-5, 1e-6, 0),
        ("published", "loop"): (50, 128, 1e-5, 0.01, 10),
        ("published", "window"): (200, 32, 1e-5, 0.01, 20),
        ("published", "cage"): (500, 32, 1e-4, 1e-6, 20),
        ("corrected", "pretraining"): (500, 256, 1e-5, 1e-6, 0),
        ("corrected", "loop"): (200, 64, 1e-5, 0.01, 20),
        ("corrected", "window"): (200, 64, 1e-5, 0.01, 20),
        ("corrected", "cage"): (200, 64, 1e-4, 1e-6, 20),
    }
