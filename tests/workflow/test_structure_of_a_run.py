"""Structure, end to end: the caller's environment, calls on every map, the table and the page.

ChromoSight is installed with pip, as a user's run does it.
"""

import json
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from trifold import structure
from trifold.report import sections

# Large enough for ChromoSight's template of 17 bins, and without a network to train.
MINI = """
experiment: mini
simulate:
  chromosomes: {chr1: 900000, chr2: 700000, chr6: 1200000}
  cells: [alpha]
  without_loops: [flat]
  contacts: 2800000
  resolutions: 2
  reads: {atac: 4000, dnase: 4000, cage: 2000, chiapet: 500}
genome: {assembly: sim1, fasta: simulated/genome.fa.gz}
samples:
  alpha:
    contacts: simulated/alpha.mcool
    truth: simulated/alpha.truth.cool
    planted: {loops: simulated/alpha.planted.bedpe, boundaries: simulated/alpha.planted.bed}
  flat:
    contacts: simulated/flat.mcool
    planted: {loops: simulated/flat.planted.bedpe, boundaries: simulated/flat.planted.bed}
geometry: {bin_bp: 1024, window_bins: 64, stride_bins: {train: 16, validation: 32, test: 64}}
degradations:
  low: {coarsen: 2, thin: 16, seed: 1}
splits:
  a: {kind: chromosomes, validation: [chr2], test: [chr6]}
arms:
  identity: {architecture: identity}
  gaussian: {architecture: gaussian, options: {sigma_bins: 1.0}}
predict: {stride_bins: 8}
structure: {samples: [alpha, flat]}
evaluate:
  samples: [alpha]
  scoring: {max_distance_bins: 44}
  comparison: {reference_arms: [identity]}
"""


@pytest.fixture(scope="module")
def workspace(make_workspace, tmp_path_factory):
    made = make_workspace(tmp_path_factory.mktemp("structure") / "trifold")
    (made.folder / "mini.yaml").write_text(MINI)
    return made


@pytest.fixture(scope="module")
def results(workspace) -> Path:
    workspace.run(configfile="mini.yaml")
    return workspace.folder / "results/mini"


def test_jobs_are_there_for_the_samples_that_are_named(workspace):
    jobs = workspace.jobs(configfile="mini.yaml")
    named = {"install_program": 1, "call_structure": 2, "structure": 4, "structure_tables": 1}
    assert {name: jobs.get(name) for name in named} == named
    assert jobs["evaluate"] == 2, "of the sample that is evaluated alone"
    (workspace.folder / "off.yaml").write_text("structure: {samples: []}\n")
    without = workspace.jobs("--configfile", "mini.yaml", "off.yaml", configfile=None)
    assert not set(named) & set(without)


def test_y2_structure_is_held_against_reads_that_the_low_map_lacks(workspace, results):
    """Of every draw: a second seed thins anew, and calls again on what it holds back."""
    for place in ("maps/fold-a/alpha", "arms/identity/fold-a/seed-0/alpha"):
        record = json.loads((results / f"structure/low/{place}/artifact.json").read_text())
        assert "results/mini/held-back/alpha/low/map.cool" in record["inputs"]
        assert not any("contacts/alpha/deep" in path for path in record["inputs"])
    (workspace.folder / "seeds.yaml").write_text("seeds: [1, 2]\n")
    jobs = workspace.jobs("--configfile", "mini.yaml", "seeds.yaml", configfile=None)
    assert (jobs["hold_back"], jobs["call_structure"], jobs["structure"]) == (2, 2, 2 * 4)


def test_planted_loops_are_called_more_often_than_in_the_twin(results):
    """As shares of the same places, and as loops per map; on the deep map and on the enhanced ones."""
    called = {}
    for sample, name in product(("alpha", "flat"), ("deep", "half-a", "low")):
        known = structure.read_calls(results / f"structure/low/maps/fold-a/{sample}")
        called[sample, name] = known[name].loops if name in known else pd.DataFrame()
    planted = structure.read_calls(results / "structure/low/maps/fold-a/alpha")["planted"].loops
    assert len(planted) > 30
    share = {}
    for sample in ("alpha", "flat"):
        numbers, _ = structure.compare(called[sample, "deep"], planted, (), 2 * 1024)
        share[sample] = numbers["recall"]
    assert share["alpha"] > 0.25 and share["flat"] < 0.1
    assert len(called["alpha", "deep"]) > 3 * len(called["flat", "deep"])


def test_the_table_says_what_was_invented(results):
    table = pd.read_csv(results / "tables/structure.tsv", sep="\t")
    value = table.set_index(["sample", "feature", "reference", "arm", "metric"])["mean"]
    loops = value.xs("loops", level="feature")
    for arm in ("identity", "gaussian", "deep"):
        assert loops["flat", "planted", arm, "n_invented"] == loops["flat", "planted", arm, "n_calls"]
    # What no pixel score shows: smoothing, and interpolation, make loops where there are none.
    for arm in ("identity", "gaussian"):
        assert loops["flat", "deep", arm, "n_invented"] > 5 * loops["flat", "deep", "deep", "n_calls"]
    assert loops["flat", "deep", "gaussian", "deep_pile_up_called"] < 1.3
    assert loops["alpha", "deep", "deep", "f1"] == 1 and loops["alpha", "deep", "deep", "n_invented"] == 0
    assert 0.3 < loops["alpha", "deep", "replicate", "f1"] < 1
    boundaries = value.xs("boundaries", level="feature")
    assert boundaries["alpha", "deep", "truth", "profile_pearson"] > 0.95
    assert boundaries["alpha", "deep", "identity", "f1"] > 0.6


def test_the_page_has_the_section_and_the_panels(results):
    section = sections.read(results / "structure/summary/section.json")
    assert [table.title for table in section.tables] == [
        f"{feature} of {sample}, low map “low”" for sample in ("alpha", "flat") for feature in ("Loops", "Boundaries")
    ]
    html = (results / "report/index.html").read_text()
    assert 'id="paper-structure"' in html and "found, missed, invented" in html
    assert all(figure.source in html for figure in section.figures) and len(section.figures) == 2
    for sample in ("alpha", "flat"):
        assert (results / f"structure/summary/maps-low-{sample}.svg").stat().st_size > 10_000


def test_a_finished_run_has_nothing_to_do(workspace, results):
    assert workspace.jobs(configfile="mini.yaml") == {}
    workspace.edit("programs/chromosight/call.py", "import argparse", "import argparse  # again")
    again = {"call_structure": 2, "structure": 4, "structure_tables": 1, "report": 1, "manifest": 1}
    assert workspace.jobs(configfile="mini.yaml") == again
