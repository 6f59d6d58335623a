"""From the table of accessions to the lock, with all portals at once; what changed there is refused."""

import csv
import logging
from dataclasses import replace
from hashlib import md5

import pytest
from loopback import Answer, page, record

from trifold.errors import InputError
from trifold.portals import download, lock
from trifold.portals.resolve import bases_of, update

MAP, BAM, GENOME = (name * 5_000 for name in (b"map", b"bam", b"ACGT"))


def md5_of(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


@pytest.fixture
def bases(portal):
    return {name: f"{portal.url}/{name}" for name in ("4dn", "encode", "ucsc", "zenodo")}


@pytest.fixture
def table(tmp_path, datasets_row):
    """Writes a table of these rows."""

    def write(*rows: dict):
        path = tmp_path / "datasets.tsv"
        with open(path, "w", newline="") as handle:
            writer = csv.DictWriter(handle, datasets_row(), delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(datasets_row(**row) for row in rows)
        return path

    return write


FOURDN = {"file": "m.mcool", "portal": "4dn", "accession": "4DNFIX", "assembly": "hg38"}
SET = {"file": "ENCSR1", "portal": "encode", "accession": "ENCSR1", "select": "file_format=bam"}
UCSC = {"file": "hg38.fa.gz", "portal": "ucsc", "accession": "hg38", "assembly": "hg38"}
ZENODO = {"file": "w.pt", "portal": "zenodo", "accession": "7"}
PINNED = {"file": "own.bed", "sha256": "0" * 64, "bytes": "5", "status": "pinned"}
SEARCH = "/encode/search/?type=File&dataset=/experiments/ENCSR1/&file_format=bam&status=released&format=json&limit=all"


def fourdn_record(portal, body: bytes = MAP, **changes):
    known = {"accession": "4DNFIX", "md5sum": md5_of(body), "file_size": len(body), "genome_assembly": "GRCh38"}
    return record({**known, "open_data_url": f"{portal.url}/open/m.mcool", "status": "released", **changes})


def encode_record(portal, name: str, replicate: int):
    known = {"accession": name, "md5sum": md5_of(BAM + name.encode()), "file_size": len(BAM) + len(name)}
    known |= {
        "href": f"/files/x/@@download/{name}.bam",
        "cloud_metadata": {"url": f"{portal.url}/open/{name}.bam"},
    }
    return record({**known, "status": "released", "file_format": "bam", "biological_replicates": [replicate]})


@pytest.fixture
def portals(portal):
    hits = [{"accession": "ENCFF1"}, {"accession": "ENCFF2"}]
    portal.routes = {
        "/4dn/files-processed/4DNFIX/?format=json": fourdn_record(portal),
        "/open/m.mcool": Answer(MAP),
        SEARCH: record({"@graph": hits}),
        "/encode/files/ENCFF1/?format=json&frame=object": encode_record(portal, "ENCFF1", 1),
        "/encode/files/ENCFF2/?format=json&frame=object": encode_record(portal, "ENCFF2", 2),
        "/open/ENCFF1.bam": Answer(BAM + b"ENCFF1"),
        "/open/ENCFF2.bam": Answer(BAM + b"ENCFF2"),
        "/ucsc/goldenPath/hg38/bigZips/md5sum.txt": Answer(f"{md5_of(GENOME)}  hg38.fa.gz\n".encode()),
        "/ucsc/goldenPath/hg38/bigZips/hg38.fa.gz": Answer(GENOME),
    }
    return portal


def test_resolve_then_fetch(portals, web, bases, table, tmp_path):
    path = table(FOURDN, SET, UCSC, PINNED)
    update(path, tmp_path / "lock.tsv", web, bases)
    lines = lock.read(tmp_path / "lock.tsv")
    assert [(line.dataset, line.file) for line in lines] == [
        ("m.mcool", "m.mcool"),
        ("ENCSR1", "ENCFF1.bam"),
        ("ENCSR1", "ENCFF2.bam"),
        ("hg38.fa.gz", "hg38.fa.gz"),
    ]
    with open(path, newline="") as handle:
        rows = {row["file"]: row for row in csv.DictReader(handle, delimiter="\t")}
    for line in lines:
        download.fetch(lock.wanted(line.file, rows, lines), tmp_path / "raw" / line.file, web=web)
    bodies = {path.name: path.read_bytes() for path in (tmp_path / "raw").iterdir()}
    assert bodies == {
        "m.mcool": MAP,
        "ENCFF1.bam": BAM + b"ENCFF1",
        "ENCFF2.bam": BAM + b"ENCFF2",
        "hg38.fa.gz": GENOME,
    }


def test_asked_again_the_lock_stays_as_it_is(portals, web, bases, table, tmp_path):
    path = table(FOURDN, SET, UCSC)
    update(path, tmp_path / "lock.tsv", web, bases)
    lock.write(tmp_path / "lock.tsv", [replace(one, retrieved="long ago") for one in lock.read(tmp_path / "lock.tsv")])
    text = (tmp_path / "lock.tsv").read_text()
    update(path, tmp_path / "lock.tsv", web, bases)
    assert (tmp_path / "lock.tsv").read_text() == text
    # A row that is no longer there takes its lines along; an address that moved is taken over.
    portals.routes["/4dn/files-processed/4DNFIX/?format=json"] = fourdn_record(
        portals, open_data_url="https://new.org/m"
    )
    update(table(FOURDN, UCSC), tmp_path / "lock.tsv", web, bases)
    assert [line.url for line in lock.read(tmp_path / "lock.tsv")] == [
        "https://new.org/m",
        f"{portals.url}/ucsc/goldenPath/hg38/bigZips/hg38.fa.gz",
    ]


def test_a_changed_checksum_shows_both(portals, web, bases, table, tmp_path):
    update(table(FOURDN, UCSC), tmp_path / "lock.tsv", web, bases)
    before = (tmp_path / "lock.tsv").read_text()
    portals.routes["/4dn/files-processed/4DNFIX/?format=json"] = fourdn_record(portals, BAM)
    with pytest.raises(InputError, match=f"m.mcool: .*md5 {md5_of(MAP)} -> {md5_of(BAM)}.*delete its lines"):
        update(tmp_path / "datasets.tsv", tmp_path / "lock.tsv", web, bases)
    assert (tmp_path / "lock.tsv").read_text() == before
    # As the error says: without its line the new file is taken.
    (tmp_path / "lock.tsv").write_text("".join(line for line in before.splitlines(True) if "m.mcool" not in line))
    update(tmp_path / "datasets.tsv", tmp_path / "lock.tsv", web, bases)
    assert lock.read(tmp_path / "lock.tsv")[0].md5 == md5_of(BAM)


def test_other_files_of_a_set_are_a_change(portals, web, bases, table, tmp_path):
    update(table(SET), tmp_path / "lock.tsv", web, bases)
    portals.routes[SEARCH] = record({"@graph": [{"accession": "ENCFF2"}]})
    with pytest.raises(InputError, match=r"ENCSR1: .*the files were ENCFF1.bam, ENCFF2.bam, are ENCFF2.bam"):
        update(tmp_path / "datasets.tsv", tmp_path / "lock.tsv", web, bases)
    assert len(lock.read(tmp_path / "lock.tsv")) == 2


@pytest.mark.parametrize(
    "changes, words",
    [
        (
            {"md5": "f" * 32, "status": "quoted"},
            f"datasets.tsv: md5 {'f' * 32} -> {md5_of(MAP)}",
        ),
        ({"md5": md5_of(MAP), "bytes": "7", "status": "quoted"}, f"datasets.tsv: bytes 7 -> {len(MAP)}"),
        ({"assembly": "mm10"}, "datasets.tsv: assembly mm10 -> hg38"),
    ],
)
def test_the_row_is_compared_too(portals, web, bases, table, tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        update(table(FOURDN | changes), tmp_path / "lock.tsv", web, bases)
    assert lock.read(tmp_path / "lock.tsv") == []


def test_one_failure_stops_no_other(portals, web, bases, table, tmp_path):
    update(table(FOURDN, SET), tmp_path / "lock.tsv", web, bases)
    old = lock.read(tmp_path / "lock.tsv")
    portals.routes[SEARCH] = page(403)
    portals.routes["/4dn/files-processed/4DNFIX/?format=json"] = Answer(status=500)
    with pytest.raises(InputError, match="2 rows could not be resolved") as error:
        update(table(FOURDN, SET, UCSC), tmp_path / "lock.tsv", web, bases)
    assert "m.mcool" in str(error.value) and "HTTP 500" in str(error.value) and "HTTP 403" in str(error.value)
    assert lock.read(tmp_path / "lock.tsv")[:3] == old
    assert lock.read(tmp_path / "lock.tsv")[3].file == "hg38.fa.gz"


RECORD, DEPOSIT = "/4dn/files-processed/4DNFIX/?format=json", "/zenodo/api/records/7"


@pytest.mark.parametrize(
    "row, path, answer, words",
    [
        (SET, SEARCH, {"@graph": [{"@id": "/files/ENCFF1/"}]}, "in an unknown form .*accession"),
        (SET, SEARCH, {"@graph": ["ENCFF1"]}, "in an unknown form"),
        (
            FOURDN,
            RECORD,
            {"accession": "4DNFIX", "open_data_url": 5, "file_size": 1, "md5sum": "x"},
            "in an unknown form",
        ),
        (ZENODO, DEPOSIT, {"files": None}, "in an unknown form"),
        (ZENODO, DEPOSIT, {"files": [{"key": "a", "size": 1, "checksum": "md5:zz"}]}, "md5 'zz', which is none"),
        (ZENODO, DEPOSIT, {"files": [{"key": "a", "size": 1.5, "checksum": f"md5:{'0' * 32}"}]}, "bytes '1.5'"),
    ],
)
def test_an_answer_of_another_form(portals, web, bases, table, tmp_path, row, path, answer, words):
    portals.routes[path] = record(answer)
    with pytest.raises(InputError, match=rf"{row['file']}: the .*{words}"):
        update(table(row), tmp_path / "lock.tsv", web, bases)
    assert lock.read(tmp_path / "lock.tsv") == []


def test_a_file_of_two_rows(portals, web, bases, table, tmp_path):
    with pytest.raises(InputError, match=r"several rows resolve to ENCFF1.bam, ENCFF2.bam"):
        update(table(SET, SET | {"file": "ENCSR1b"}), tmp_path / "lock.tsv", web, bases)


def test_status_is_said(portals, web, bases, table, tmp_path, caplog):
    portals.routes["/4dn/files-processed/4DNFIX/?format=json"] = fourdn_record(portals, status="archived")
    with caplog.at_level(logging.WARNING):
        update(table(FOURDN), tmp_path / "lock.tsv", web, bases)
    assert "m.mcool: its status at the portal is 'archived'" in caplog.text
    assert lock.read(tmp_path / "lock.tsv")[0].status == "archived"


def test_bases():
    assert bases_of("4dn=http://127.0.0.1:1/a/ encode=https://e.org") == {
        "4dn": "http://127.0.0.1:1/a",
        "encode": "https://e.org",
    }
    assert bases_of("") == {}
    with pytest.raises(InputError, match="TRIFOLD_PORTALS: geo is no portal; they are 4dn, encode"):
        bases_of("geo=http://127.0.0.1")
