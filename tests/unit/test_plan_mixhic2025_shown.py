"""Which runs stand in MIX-HIC's tables and figures, and which are compared."""

import pytest

from trifold import plan_mixhic2025 as planned
from trifold.errors import InputError


def run(task, samples, tests, seeds=(1,), scores=None, protocol="corrected"):
    own = {"task": task, "protocol": protocol, "samples": samples, "test_samples": tests, "seeds": list(seeds)}
    return {**own, "scores": scores}


RESOLVED = {
    "runs": {
        "loop": run("loop", ["alpha"], ["alpha", "beta"], (1, 2)),
        "loop-beta": run("loop", ["alpha"], ["beta"]),
        "map": run("map", ["alpha"], ["alpha"]),
        "theirs": run("loop", ["alpha"], ["alpha"], scores="their.tsv"),
    }
}


def config(tables=None, figures=None):
    return {"mixhic2025": {"tables": tables or {}, "figures": figures or {}}}


def test_rows_keep_the_runs_that_there_are_and_that_stand_there():
    tables = {"table3": {"MIX-HIC": ["loop", "absent"], "Gone": ["absent"], "Elsewhere": ["loop-beta"]}, "against": {}}
    figures = {"figure5": {"MIX-HIC": ["loop", "map"], "Other": ["loop-beta"], "Within": ["map"]}}
    shown = planned.shown(config(tables, figures), RESOLVED)
    assert set(shown) == set(planned.SHOWN)
    assert shown["table3"] == {"MIX-HIC": ["loop"]}
    assert shown["figure5"] == {"MIX-HIC": ["loop"], "Other": ["loop-beta"]}
    assert shown["table2"] == shown["figures3"] == {}


@pytest.mark.parametrize(
    ("tables", "figures", "place"),
    [({"table2": {"A": ["loop"]}}, {}, "tables/table2/A"), ({}, {"figure4": {"A": ["map"]}}, "figures/figure4/A")],
)
def test_a_run_of_another_task_is_refused(tables, figures, place):
    with pytest.raises(InputError, match=f"config: mixhic2025/{place}: '(loop|map)' is of the task"):
        planned.shown(config(tables, figures), RESOLVED)


def test_loops_are_looked_for_where_a_run_was_trained_and_not_of_other_systems():
    names = ["loop", "theirs"]
    assert planned.scored_of(RESOLVED, names) == [
        planned.Scored("loop", seed, sample) for seed in (1, 2) for sample in ("alpha", "beta")
    ]
    assert planned.searched(RESOLVED, names) == [planned.Scored("loop", seed, "alpha") for seed in (1, 2)]


RUNS = RESOLVED["runs"] | {
    "twin": run("loop", ["alpha"], ["beta", "alpha", "gamma"]),
    "released": run("loop", ["alpha"], ["alpha"], protocol="published"),
    "far": run("loop", ["alpha"], ["gamma"]),
}


def compared(pairs):
    section = {"runs": dict.fromkeys([*RUNS, "absent"]), "comparisons": {"Which?": pairs}}
    return planned.compared({"mixhic2025": section}, {"runs": RUNS})


def test_runs_are_compared_on_the_samples_both_were_tested_on():
    assert compared([["loop", "twin"], ["loop", "absent"], ["map", "map"]]) == [
        planned.Comparison("Which?", "loop", "corrected", "alpha", "loop", "twin"),
        planned.Comparison("Which?", "loop", "corrected", "beta", "loop", "twin"),
        planned.Comparison("Which?", "map", "corrected", "alpha", "map", "map"),
    ]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (["loop", "lop"], r"no run \['lop'\]; name two of"),
        (["loop", "map"], "the task is 'loop' and 'map'"),
        (["released", "loop"], "the protocol is 'published' and 'corrected'"),
        (["loop", "theirs"], "'theirs' comes with scores alone"),
        (["loop", "far"], "no test sample in common"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(pair, message):
    with pytest.raises(InputError, match=rf"config: mixhic2025/comparisons/Which\?: .*: {message}"):
        compared([pair])
