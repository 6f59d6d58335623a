"""The lock, and what it makes of a row."""

from dataclasses import replace

import jsonschema
import pytest
import yaml

from trifold.errors import InputError
from trifold.portals import lock
from trifold.portals.lock import Line

MD5 = "6b9dd3f9388c06325b713597550ae349"
LINE = Line("a.mcool", "a.mcool", "https://p.org/a", "", "12", "", MD5, "hg38", "released", "2026-01-02T03:04:05+00:00")
SET = [replace(LINE, dataset="ENCSR000EMT", file=f"ENCFF{n}.bam", url=f"https://p.org/{n}", md5=n * 32) for n in "12"]


@pytest.fixture
def rows(datasets_row):
    return {
        "a.mcool": datasets_row(file="a.mcool", portal="4dn", accession="4DNFI9GMP2J8", licence="MIT"),
        "ENCSR000EMT": datasets_row(file="ENCSR000EMT", portal="encode", accession="ENCSR000EMT"),
        "own.bed": datasets_row(file="own.bed", sha256="0" * 64, bytes="5", status="pinned"),
    }


def test_round_trip_and_schema(tmp_path, repository):
    lines = [LINE, *SET]
    lock.write(tmp_path / "lock.tsv", lines)
    assert lock.read(tmp_path / "lock.tsv") == lines
    assert [path.name for path in tmp_path.iterdir()] == ["lock.tsv"]
    assert lock.read(tmp_path / "absent.tsv") == []
    schema = yaml.safe_load((repository / "resources/schemas/datasets.lock.schema.yaml").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert schema["required"] == lock.COLUMNS == list(schema["properties"])
    assert all(validator.is_valid(vars(line)) for line in lines)
    for wrong in ({"md5": ""}, {"bytes": ""}, {"url": "ftp://p.org/a"}, {"file": "../a"}, {"part": "tar:a"}):
        assert not validator.is_valid(vars(LINE) | wrong), wrong


def test_the_lock_of_the_repository(repository):
    """It is read, and each of its lines belongs to a row that has a portal."""
    lines = lock.read(repository / "resources/datasets.lock.tsv")
    table = (repository / "resources/datasets.tsv").read_text().splitlines()
    names = table[0].split("\t")
    asked = {row["file"] for row in (dict(zip(names, line.split("\t"))) for line in table[1:]) if row["portal"]}
    assert {line.dataset for line in lines} <= asked


def test_a_spoilt_lock(tmp_path):
    (tmp_path / "lock.tsv").write_text("file\turl\n")
    with pytest.raises(InputError, match=r"lock.tsv: columns .*snakemake resolve"):
        lock.read(tmp_path / "lock.tsv")
    lock.write(tmp_path / "lock.tsv", [LINE, replace(LINE, dataset="b")])
    with pytest.raises(InputError, match=r"lock.tsv: file: a.mcool stands there twice"):
        lock.read(tmp_path / "lock.tsv")


def test_the_table_is_read_by_its_schema(tmp_path, repository, datasets_row):
    path, schema = tmp_path / "datasets.tsv", repository / "resources/schemas/datasets.schema.yaml"
    row = datasets_row(file="own.bed", sha256="0" * 64, bytes="5", status="pinned", assay="peaks", origin="a portal")

    def write(*table):
        path.write_text("\n".join(["\t".join(row), *("\t".join(line.values()) for line in table)]) + "\n")

    write(row, row | {"file": "b.bed"})
    assert lock.rows(path, schema) == {"own.bed": row, "b.bed": row | {"file": "b.bed"}}
    write(row, row | {"file": "b.bed", "bytes": "1.5"})
    with pytest.raises(InputError, match=r"datasets.tsv: line 3 \(b.bed\): bytes: '1.5' .*datasets.schema.yaml"):
        lock.rows(path, schema)
    write(row, row)
    with pytest.raises(InputError, match=r"datasets.tsv: file: own.bed stands there twice"):
        lock.rows(path, schema)


def test_the_lock_is_checked_by_its_schema(repository):
    schema = repository / "resources/schemas/datasets.lock.schema.yaml"
    lock.check([LINE, *SET], "lock.tsv", schema)
    with pytest.raises(InputError, match=r"lock.tsv: line 2 \(a.mcool\): url: 'ftp://p.org/a'"):
        lock.check([replace(LINE, url="ftp://p.org/a")], "lock.tsv", schema)


def test_what_is_wanted(rows):
    whole = lock.wanted("a.mcool", rows, [LINE, *SET])
    assert (whole["url"], whole["bytes"], whole["md5"], whole["sha256"]) == ("https://p.org/a", "12", MD5, "")
    assert (whole["licence"], whole["portal"], whole["table"]) == ("MIT", "4dn", "datasets.lock.tsv")
    one = lock.wanted("ENCFF2.bam", rows, [LINE, *SET])
    assert (one["file"], one["md5"], one["accession"]) == ("ENCFF2.bam", "2" * 32, "ENCSR000EMT")
    pinned = lock.wanted("own.bed", rows, [LINE])
    assert (pinned["sha256"], pinned["table"], pinned["part"]) == ("0" * 64, "datasets.tsv", "")
    assert "retrieved" not in whole, "asking again re-runs no download"


def test_the_row_stands_beside_the_lock(rows):
    quoted = {**rows, "a.mcool": rows["a.mcool"] | {"sha256": "1" * 64, "bytes": "12", "status": "quoted"}}
    wanted = lock.wanted("a.mcool", quoted, [LINE])
    assert (wanted["sha256"], wanted["md5"]) == ("1" * 64, MD5)
    differing = {**rows, "a.mcool": rows["a.mcool"] | {"md5": "f" * 32}}
    with pytest.raises(InputError, match=f"a.mcool: .*disagree: md5 {'f' * 32} -> {MD5}"):
        lock.wanted("a.mcool", differing, [LINE])
    with pytest.raises(InputError, match=r"ENCFF9.bam: neither .* names it; run `snakemake resolve`"):
        lock.wanted("ENCFF9.bam", rows, [LINE])


def test_files_of_a_row(rows):
    assert lock.files_of(rows["a.mcool"], []) == ["a.mcool"]
    assert lock.files_of(rows["ENCSR000EMT"], [LINE, *SET]) == ["ENCFF1.bam", "ENCFF2.bam"]
    with pytest.raises(InputError, match=r"ENCSR000EMT: .*run `snakemake resolve`"):
        lock.files_of(rows["ENCSR000EMT"], [LINE])
