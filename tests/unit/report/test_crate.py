"""The crate of a made-up experiment: what its entities say, and that they say the same again."""

import json
from pathlib import Path

import pytest
import yaml

from trifold import provenance
from trifold.code import ROOT, code_version
from trifold.errors import InputError
from trifold.report import crate

OF_PAPER = min(path.relative_to(ROOT).as_posix() for path in (ROOT / "papers").glob("*/table.py"))
CONFIG = {"experiment": "x", "seeds": [1, 2], "arms": {"image": {"weights": None}}}
ROW = {
    "file": "map.cool",
    "url": "https://example.org/map.cool?download=1",
    "bytes": "3",
    "sha256": "a" * 64,
    "md5": "",
    "part": "",
    "accession": "4DNFIX",
    "licence": "CC0-1.0",
    "origin": "a portal",
}


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """results/x: a map from a download and a file of one's own, tables from it, and a paper's table beside them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources/raw").mkdir(parents=True)
    for name in ("map.cool", "level.cool", "by-hand.bed"):
        (tmp_path / "resources/raw" / name).write_text(name)
    own = tmp_path / "mine" / "peaks.bed"
    own.parent.mkdir()
    own.write_text("chr1\t0\t1\n")
    root = Path("results/x")
    raw = [f"resources/raw/{name}" for name in ("map.cool", "level.cool", "by-hand.bed")]
    code = code_version("prepare_contacts.py")
    with provenance.artifact(
        root / "contacts/a b/deep", "contacts", parameters={"bin_bp": 5}, code=code, inputs=[*raw, own]
    ) as partial:
        (partial / "map.cool").write_bytes(b"abc")
    with provenance.artifact(
        root / "tables",
        "tables",
        parameters={},
        code="0123456789ab",
        inputs=[root / "contacts/a b/deep/map.cool"],
        seed=7,
    ) as partial:
        (partial / "scores.tsv").write_text("x\n")
    with provenance.artifact(
        root / "tables",
        "paper-table",
        parameters={},
        code=code_version(OF_PAPER),
        inputs=[root / "tables", root / "contacts/a b/deep"],
        record="paper.artifact.json",
    ) as partial:
        (partial / "paper.tsv").write_text("y\n")
    return root


def described(root, out):
    datasets = {
        "map.cool": ROW,
        "level.cool": {**ROW, "file": "level.cool", "part": "hdf5:/resolutions/5000", "url": "https://example.org/m"},
        "by-hand.bed": {**ROW, "file": "by-hand.bed", "url": "", "licence": ""},
    }
    out.mkdir()
    crate.write(out, root, provenance.manifest(root), config=CONFIG, datasets=datasets, modules={})
    return {one["@id"]: one for one in json.loads((out / crate.NAME).read_text())["@graph"]}


def test_what_the_crate_says(experiment, tmp_path):
    entities = described(experiment, tmp_path / "out")
    made = entities["#make/contacts/a%20b/deep"]
    assert made["instrument"] == {"@id": "workflow/workflow_scripts/prepare_contacts.py"}
    assert made["result"] == {"@id": "contacts/a%20b/deep/"}
    given = [one["@id"] for one in made["object"]]
    assert given[0] == "#parameters/contacts/a%20b/deep" and json.loads(entities[given[0]]["value"]) == {"bin_bp": 5}
    assert set(given[1:4]) >= {"#data/level.cool", "#data/by-hand.bed"}
    download = entities[ROW["url"]]
    assert (download["contentSize"], download["sha256"], download["license"]) == ("3", "a" * 64, "CC0-1.0")
    assert entities["#data/level.cool"]["description"] == "a portal; hdf5:/resolutions/5000 of https://example.org/m"
    version = provenance.digest_file(tmp_path / "mine/peaks.bed")[:12]
    assert entities[f"#input/{version}/peaks.bed"]["name"] == "peaks.bed"
    assert str(tmp_path) not in json.dumps(
        [one for name, one in entities.items() if name.startswith(("#input", "#make"))]
    )

    tables = entities["#make/tables"]
    assert tables["instrument"] == {"@id": "#code/0123456789ab"}, "made by code that is no longer here"
    assert {"@id": "#seed/tables"} in tables["object"] and entities["#seed/tables"]["value"] == "7"
    assert {"@id": "contacts/a%20b/deep/map.cool"} in tables["object"]
    paper = entities["#make/tables/paper"]
    assert paper["result"] == {"@id": "tables/paper.tsv"}
    assert paper["instrument"] == {"@id": f"workflow/{OF_PAPER}"}
    assert entities[f"#step/{OF_PAPER}"]["workExample"] == paper["instrument"]
    assert {"@id": "tables/"} in paper["object"] and {"@id": "contacts/a%20b/deep/"} in paper["object"]
    assert entities["tables/paper.tsv"]["sha256"] == provenance.digest_file(experiment / "tables/paper.tsv")
    assert {port["@id"] for port in entities["workflow/Snakefile"]["input"]} == {"#port/configuration", "#port/data"}
    assert entities["workflow/Snakefile"]["output"] == {"@id": "#port/tables"}
    assert yaml.safe_load((tmp_path / "out/workflow/config.yaml").read_text()) == CONFIG


def test_the_same_results_are_the_same_bytes(experiment, tmp_path):
    for name in ("one", "other"):
        described(experiment, tmp_path / name)
    names = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(names) > 50
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name


def test_a_file_that_is_lost_is_named(experiment, tmp_path):
    (experiment / "tables/scores.tsv").unlink()
    with pytest.raises(InputError, match=r"tables/scores.tsv: a record lists it, and it is not there; .*mend"):
        described(experiment, tmp_path / "out")


def test_an_address_that_grants_access_is_blanked(experiment, tmp_path):
    (tmp_path / "out").mkdir()
    row = {**ROW, "url": "https://example.org/map.cool?X-Amz-Signature=SECRET"}
    crate.write(
        tmp_path / "out",
        experiment,
        provenance.manifest(experiment),
        config=CONFIG,
        datasets={"map.cool": row},
        modules={},
    )
    text = (tmp_path / "out" / crate.NAME).read_text()
    assert "SECRET" not in text and "https://example.org/map.cool?X-Amz-Signature=***" in text
