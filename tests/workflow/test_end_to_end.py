"""The whole way of the data on the simulated genome at its smallest size."""

import json
import math
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import cooler
import numpy as np
import pandas as pd
import pytest
import yaml

from trifold import provenance
from trifold.config import CEILINGS

ARMS = ["identity", "gaussian", "sequence", "image", "hybrid"]


@pytest.fixture(scope="module")
def results(finished) -> Path:
    return finished.folder / "results" / "smoke"


def test_every_artifact_is_what_it_says(results):
    records = provenance.manifest(results)
    assert {record["kind"] for record in records} == {
        *(
            "simulated genome",
            "sequence",
            "contacts",
            "low contacts",
            "held-back contacts",
            "track",
            "split",
            "examples",
        ),
        *(
            "model",
            "prediction",
            "metrics",
            "ceiling",
            "scores",
            "tables",
            "paper-table",
            "section",
            "figures",
            "report",
        ),
    }
    for record in records:
        files = {name: provenance.digest_file(results / record["folder"] / name) for name in record["files"]}
        assert files == record["files"], record["folder"]
    listed = json.loads((results / "manifest.json").read_text())
    assert [record["version"] for record in listed] == [record["version"] for record in records]
    assert not list(results.rglob("*.partial")), "nothing half-written stays"
    assert not list(results.glob("checkpoints/*")), "checkpoints of finished trainings are gone"


def test_the_crate_says_what_is_there(results):
    """Every file it lists has the size and sha256 it states; its actions tell who made what from what.

    `make test-crate` validates it against the profiles.
    """
    crate = json.loads((results / "ro-crate-metadata.json").read_text())
    entities = {one["@id"]: one for one in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    files = [one for one in entities.values() if "File" in one["@type"]]
    for one in files:
        path = results / unquote(one["@id"])
        assert (str(path.stat().st_size), provenance.digest_file(path)) == (one["contentSize"], one["sha256"]), path
    listed = {one["@id"] for one in files}
    assert {"manifest.json", "workflow/Snakefile", "workflow/config.yaml", "tables/scores.tsv"} <= listed
    recorded = {f"{one['folder']}/{name}" for one in provenance.manifest(results) for name in one["files"]}
    assert recorded <= {unquote(name) for name in listed}
    assert yaml.safe_load((results / "workflow/config.yaml").read_text())["experiment"] == "smoke"

    def named(value):
        return {one["@id"] for one in (value if isinstance(value, list) else [value])}

    action = entities["#make/models/hybrid/fold-a/seed-1"]
    assert action["instrument"]["@id"] == "workflow/workflow_scripts/train.py"
    assert named(action["object"]) >= {"models/image/fold-a/seed-1/", "models/sequence/fold-a/seed-1/"}
    assert named(action["result"]) == {"models/hybrid/fold-a/seed-1/"}
    parameters = json.loads(entities["#parameters/models/hybrid/fold-a/seed-1"]["value"])
    assert parameters["arm"]["architecture"] == "hybrid"
    table = entities["#make/tables/kriukov2021_table2"]
    assert "scores/corrected/image/fold-a/seed-1/alpha/scores.tsv" in named(table["object"])
    assert "tables/kriukov2021_table2.tsv" in named(table["result"])
    run = entities["#run"]
    assert named(run["result"]) == {"tables/", "figures/", "report/"}
    made = [record["created"] for record in provenance.manifest(results)]
    assert run["endTime"] == entities["./"]["datePublished"] == max(made)
    # All that is referred to is described; what is not ours is an address.
    used = {name for one in entities.values() for value in one.values() for name in _references(value)}
    assert {name for name in used - entities.keys() if not name.startswith("http")} == set()


def _references(value):
    if isinstance(value, dict):
        yield from [value["@id"]] if "@id" in value else ()
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def test_verify_reads_it_whole(finished):
    text = finished.run("verify").text
    assert "results/smoke: whole" in text


def test_versions_name_their_inputs(results):
    """A model's inputs are the examples it was trained on, by version."""
    examples = json.loads((results / "examples/corrected/low/alpha/fold-a/artifact.json").read_text())
    model = json.loads((results / "models/image/fold-a/seed-1/artifact.json").read_text())
    assert examples["version"] in model["inputs"].values()
    hybrid = json.loads((results / "models/hybrid/fold-a/seed-1/artifact.json").read_text())
    assert model["version"] in hybrid["inputs"].values()


def test_scores_hold_every_arm_on_the_same_pixels(results):
    windows = pd.read_csv(results / "tables/windows.tsv", sep="\t")
    assert set(windows["arm"]) == {*ARMS, *CEILINGS}
    assert set(windows["reference"]) == {"deep", "truth"}
    assert set(windows["scale"]) == {"balanced", "observed", "oe"}
    pixels = windows.groupby(["reference", "scale", "chrom", "start_bp"])["n_pixels"].nunique()
    assert (pixels == 1).all(), "arms that are compared meet the same pixels"
    scores = pd.read_csv(results / "tables/scores.tsv", sep="\t")
    one = scores.query("arm == 'identity' and reference == 'deep' and scale == 'observed' and metric == 'mse'")
    rows = windows.query("arm == 'identity' and reference == 'deep' and scale == 'observed'")
    assert one["mean"].item() == pytest.approx(rows["mse"].mean(), rel=1e-6)
    comparisons = pd.read_csv(results / "tables/comparisons.tsv", sep="\t")
    pair = comparisons.query(
        "arm == 'image' and reference_arm == 'identity' and reference == 'deep'"
        " and scale == 'observed' and metric == 'mse'"
    )
    image = windows.query("arm == 'image' and reference == 'deep' and scale == 'observed'")["mse"].mean()
    assert pair["difference"].item() == pytest.approx(image - rows["mse"].mean(), rel=1e-5)
    assert pair["ci_low"].item() <= pair["difference"].item() <= pair["ci_high"].item()


def test_predictions_are_maps_on_the_balanced_scale(results):
    deep = cooler.Cooler(str(results / "contacts/alpha/deep/map.cool"))
    expected = deep.matrix(balance=True).fetch("chr6")
    for arm in ARMS:
        seed = 0 if arm in ARMS[:2] else 1
        folder = results / f"predictions/{arm}/fold-a/seed-{seed}/alpha"
        predicted = cooler.Cooler(str(folder / "map.cool"))
        values = predicted.matrix(balance=True).fetch("chr6")
        i, j = np.indices(values.shape)
        near = (np.abs(i - j) >= 2) & (np.abs(i - j) <= 10) & np.isfinite(values) & np.isfinite(expected)
        assert near.sum() > 1000
        assert values[near].mean() == pytest.approx(expected[near].mean(), rel=0.35), arm
        assert np.isnan(predicted.bins().fetch("chr1")["weight"]).all(), "training chromosomes were not predicted"
        levels = cooler.fileops.list_coolers(str(folder / "map.mcool"))
        assert len(levels) > 1
        done = subprocess.run(
            [str(Path(sys.executable).parent / "cooler"), "info", f"{folder / 'map.mcool'}::{levels[-1]}"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and json.loads(done.stdout)["nnz"] > 0


def test_tables_read_alike_in_every_format(results):
    frame = pd.read_csv(results / "tables/summary.tsv", sep="\t")
    assert set(frame["arm"]) == {*ARMS, *CEILINGS}
    for suffix, mark in ((".md", "|"), (".tex", r"\toprule")):
        text = (results / "tables/summary").with_suffix(suffix).read_text()
        assert mark in text and "chr6" in text


def test_window_scores_and_the_papers_tables(results):
    """Table II's cells are the means of the window scores, beside the paper's own numbers."""
    frame = pd.read_csv(results / "tables/kriukov2021_table2.tsv", sep="\t")
    cell = frame.query("row == 'Downsampled' and metric == 'mse'").set_index("protocol")["mean"]
    scores = pd.read_csv(results / "scores/corrected/identity/fold-a/seed-0/alpha/scores.tsv", sep="\t")
    assert set(scores["role"]) == {"train", "validation", "test"}
    assert cell["corrected"] == pytest.approx(scores.query("role == 'test'")["mse"].mean(), rel=1e-6)
    assert cell["paper"] == 0.0024
    rows = set(frame.query("protocol == 'corrected' and mean == mean")["row"])
    assert rows == {"Downsampled", "Gaussian", "img-to-img, pixel loss", "Hybrid"}
    one = pd.read_csv(results / "tables/kriukov2021_table1.tsv", sep="\t").query("protocol == 'corrected'")
    assert set(one["row"]) == {"Akita-like"} and one["mean"].notna().all()
    page = (results / "report/index.html").read_text()
    assert "Table II of Kriukov et al. 2021" in page and "0.9491" in page


def test_histories_are_finite(results):
    for arm in ARMS[2:]:
        history = pd.read_csv(results / f"models/{arm}/fold-a/seed-1/history.csv")
        assert len(history) == 2
        assert all(math.isfinite(value) for value in history["validation_loss"])


def test_the_page_is_whole_and_alone(results):
    text = (results / "report/index.html").read_text()
    for version in {record["version"] for record in provenance.manifest(results) if record["kind"] == "model"}:
        assert version in text
    assert 'src="http' not in text and 'href="http' not in text


def test_a_second_run_does_nothing(finished):
    assert finished.jobs() == {}
    assert "Nothing to be done" in finished.run().text


def test_snakemakes_own_report(finished):
    finished.run("--report", "report.html")
    text = (finished.folder / "report.html").read_text()
    assert "Figures" in text and "Scores" in text
