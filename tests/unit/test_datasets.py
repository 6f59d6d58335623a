"""resources/datasets.tsv: its schema, and that it says of every file of the mirror what that file is."""

import csv
import re
from hashlib import md5, sha256

import jsonschema
import pytest
import yaml

from trifold.errors import InputError
from trifold.portals import lock
from trifold.portals.download import fetch
from trifold.portals.resolve import PORTALS


def read_table(path):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


@pytest.fixture(scope="module")
def rows(repository):
    return read_table(repository / "resources/datasets.tsv")


@pytest.fixture(scope="module")
def schema(repository):
    return yaml.safe_load((repository / "resources/schemas/datasets.schema.yaml").read_text())


def test_every_row_keeps_the_schema(rows, schema):
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    faults = [f"{row['file']}: {error.message}" for row in rows for error in validator.iter_errors(row)]
    assert faults == []
    assert all(list(row) == schema["required"] for row in rows)
    assert set(schema["required"]) == set(schema["properties"])


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 63},
        {"sha256": "G" * 64},
        {"bytes": "1.5"},
        {"file": "../a"},
        {"file": ""},
        {"status": "pinned", "sha256": ""},
        {"status": "quoted", "url": ""},
        {"status": "unpinned"},
        {"licence_url": "x"},
        {"url": "ftp://example.org/a"},
        {"origin": ""},
        {"assay": "hearsay"},
        {"portal": "geo"},
        {"portal": "4dn", "accession": ""},
        {"portal": "url", "url": ""},
        {"select": "resolution=5000"},
        {"portal": "4dn", "accession": "4DNFI9GMP2J8", "select": "resolution"},
        {"status": "unpinned", "bytes": "", "sha256": "", "md5": "", "url": "", "portal": ""},
    ],
)
def test_schema_refuses(rows, schema, change):
    jsonschema.validate(rows[0], schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**rows[0], **change}, schema)


def test_portals_take_what_the_rows_give_them(rows):
    """Every portal of the schema is one that can be asked; accessions and `select` have the form it knows."""
    forms = {"4dn": "4DNFI[A-Z0-9]{7}", "encode": "ENC(SR|FF)[0-9]{3}[A-Z]{3}", "ucsc": "[a-z]+[A-Za-z]*[0-9]+"}
    for row in rows:
        if row["portal"]:
            assert row["portal"] in PORTALS
            assert re.fullmatch(forms.get(row["portal"], ".*"), row["accession"]), row["file"]
        if lock.is_set(row):
            assert row["accession"].startswith("ENCSR"), row["file"]
            assert lock.selection(row).keys() == {"assembly", "file_format", "output_type"}
        elif row["select"]:
            assert lock.selection(row).keys() in ({"resolution"}, {"key"}), row["file"]


def test_the_accessions_of_the_papers(rows, mirror):
    """MIX-HIC's Table S1, as its text prints it, and the maps and genomes of the other two."""
    by_accession = {row["accession"]: row for row in rows if row["portal"]}
    text = (mirror.parent / "papers/mixhic2025.txt").read_text()
    cells = re.findall(r"^(\w+) \| (4DNFI\w+) \| (\w+) \| (\w+) \| (\w+) \| (\w+|-) \|", text, flags=re.MULTILINE)
    assert [cell for cell, *_ in cells] == ["GM12878", "K562", "HepG2", "HCT116", "IMR90", "WTC11"]
    for cell, *accessions in cells:
        for accession, assay in zip(accessions, ("hic", "dnase", "atac", "loops", "cage")):
            if accession != "-":
                row = by_accession.pop(accession)
                assert (row["assay"], row["assembly"]) == (assay, "hg38")
                assert cell in row["sample"]
    maps = {"4DNFINNZDDXV": "mm10", "4DNFI9GMP2J8": "hg38", "4DNFI643OYP9": "hg38"}
    assert {name: by_accession[name]["assembly"] for name in maps} == maps
    assert {"mm10", "hg38"} <= by_accession.keys()


def test_files_and_checksums_are_unique(rows):
    for column in ("file", "sha256", "md5"):
        given = [row[column] for row in rows if row[column]]
        assert len(given) == len(set(given)), column


def test_unpinned_are_the_rows_without_a_checksum(rows, tmp_path):
    without = [row for row in rows if not (row["sha256"] or row["md5"])]
    assert without == [row for row in rows if row["status"] == "unpinned"]
    for row in without:
        with pytest.raises(InputError, match=f"{row['file']}.*unpinned"):
            fetch(row, tmp_path / row["file"])
    assert list(tmp_path.iterdir()) == []


def test_every_row_says_where_the_file_is(rows):
    """An address, a portal to ask, or a file of the mirror, of which size and both checksums were taken."""
    for row in rows:
        assert row["url"] or row["portal"] or row["status"] == "pinned", row["file"]


def test_every_source_of_the_mirror_is_a_row(rows, mirror):
    by_file = {row["file"]: row for row in rows}
    sources = read_table(mirror / "sources.tsv")
    assert sources
    for source in sources:
        row = by_file[source["file"]]
        assert (row["bytes"], row["sha256"]) == (source["bytes"], source["sha256"]), source["file"]
        assert row["status"] == "pinned"
        assert row["accession"] == source["accession"].strip("-")
    assert {row["file"] for row in rows if row["status"] == "pinned"} == {source["file"] for source in sources}


def test_every_file_of_the_mirror_is_what_its_row_says(rows, mirror):
    by_file = {row["file"]: row for row in rows}
    for path in mirror.iterdir():
        if path.name == "sources.tsv":
            continue
        body, row = path.read_bytes(), by_file[path.name]
        found = (str(len(body)), sha256(body).hexdigest(), md5(body, usedforsecurity=False).hexdigest())
        assert (row["bytes"], row["sha256"], row["md5"]) == found, path.name


def test_a_row_is_fetched_from_the_mirror(rows, mirror, tmp_path):
    row = next(row for row in rows if row["file"] == "yeast_tss.bed")
    report = fetch(row, tmp_path / "raw/yeast_tss.bed", [str(mirror)])
    assert (tmp_path / "raw/yeast_tss.bed").read_bytes() == (mirror / "yeast_tss.bed").read_bytes()
    assert report["url"] == (mirror / "yeast_tss.bed").resolve().as_uri()
    assert (report["sha256"], report["origin"]) == (row["sha256"], row["origin"])
