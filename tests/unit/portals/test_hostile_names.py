"""Names, archives and files of a portal that would leave their folder, or read what is not theirs."""

import io
import stat
import zipfile
from hashlib import md5

import h5py
import numpy as np
import pytest
from loopback import Answer, record

from trifold.errors import InputError
from trifold.portals import download, encode, lock, ncbi, ranges
from trifold.portals.web import Web

BODY = b">chr1\nACGT\n" * 1_000
QUICK = Web(timeout_s=0.5, retries=1, backoff_s=0.01)
NAMES = [
    "../x",
    "a/../../x",
    "/etc/x",
    "..\\x",
    "C:\\x",
    "..",
    ".",
    ".hidden",
    "",
    "x\0y",
    "x\ny",
    "x y",
    "-rf",
    "~x",
    "$HOME",
    "%2e%2e%2fx",
    "x" * 201,
    "x" * 5_000,
    "ẍ",
]


def digest(body: bytes) -> str:
    return md5(body, usedforsecurity=False).hexdigest()


def tree(folder):
    """Every path below a folder with what a file holds."""
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def fenced(tmp_path):
    """The folder of downloads, deep in a folder where nothing else may change."""
    raw = tmp_path / "a/b/raw"
    raw.mkdir(parents=True)
    return raw


def row_of(url: str, **given) -> dict:
    known = {"file": "genome.fna", "url": url, "bytes": "", "sha256": "", "md5": digest(BODY), "part": ""}
    return known | {"status": "released", "portal": "ncbi", "table": "datasets.lock.tsv", **given}


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name(tmp_path, fenced, name):
    """Neither what a portal answers nor what a table says becomes a path."""
    with pytest.raises(InputError, match=r"gives file .*, which is none"):
        lock.Found(name, "https://p.org/x", "1", digest(b"x"))
    with pytest.raises(InputError, match="not a plain file name") as error:
        download.fetch(row_of("https://p.org/x", file=name), fenced / "x")
    assert len(str(error.value)) < 400
    assert tree(tmp_path).keys() == {path.relative_to(tmp_path) for path in (fenced, *fenced.parents[:2])}
    assert lock.Found("x" * 200, "https://p.org/x", "1", digest(b"x")).file


@pytest.mark.parametrize("name", ["..", "..%2fx", "..\\x", "x\0", "", "x" * 300])
def test_a_name_within_a_record(portal, web, datasets_row, name):
    """ENCODE names the files of an experiment itself."""
    row = datasets_row(file="ENCSR1", portal="encode", accession="ENCSR1", select="file_format=bam")
    search = "/search/?type=File&dataset=/experiments/ENCSR1/&file_format=bam&status=released&format=json&limit=all"
    one = {"accession": "ENCFF1", "md5sum": digest(BODY), "file_size": 5, "href": f"/files/ENCFF1/@@download/{name}"}
    one |= {"status": "released", "biological_replicates": [1], "technical_replicates": ["1_1"], "analyses": ["/a/"]}
    one |= {"cloud_metadata": {"url": f"{portal.url}/x"}, "file_format": "bam"}
    portal.routes = {
        search: record({"@graph": [{"accession": "ENCFF1"}]}),
        "/files/ENCFF1/?format=json&frame=object": record(one),
    }
    with pytest.raises(InputError, match=r"gives file .*, which is none"):
        encode.resolve(row, web, portal.url)
    one["href"] = "/files/ENCFF1/@@download/ENCFF1.bam"
    portal.routes["/files/ENCFF1/?format=json&frame=object"] = record(one)
    assert encode.resolve(row, web, portal.url)[0].file == "ENCFF1.bam"


# ---------------------------------------------------------------- archives


def package(name: str, body: bytes, *, link: bool = False) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo("placeholder")
        member.filename = name
        if link:
            member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, body)
        archive.writestr("README.md", b"hello")
    return made.getvalue()


@pytest.mark.parametrize("member", ["../../x.fna", "/tmp/x.fna", "..\\..\\x.fna", "a/../../../x.fna", "x" * 4_000])
def test_a_member_of_an_archive(portal, tmp_path, fenced, member):
    """Whatever its name, a member becomes the file that was asked for."""
    portal.routes = {"/download": Answer(package(member, BODY))}
    download.fetch(row_of(f"{portal.url}/download", part=f"zip:{member}"), fenced / "genome.fna", web=QUICK)
    found = tree(tmp_path)
    assert found.pop((fenced / "genome.fna").relative_to(tmp_path)) == BODY
    assert found.keys() == {path.relative_to(tmp_path) for path in (fenced, *fenced.parents[:2])}


def test_a_link_in_an_archive(portal, tmp_path, fenced):
    """It is read as what it is, the text of its target, and followed by nobody."""
    secret = tmp_path / "secret.fna"
    secret.write_bytes(BODY)
    body = package("genome.fna", b"../../../secret.fna", link=True)
    portal.routes = {"/download": Answer(body)}
    with pytest.raises(InputError, match=f"md5 is {digest(b'../../../secret.fna')}, datasets.lock.tsv says"):
        download.fetch(row_of(f"{portal.url}/download", part="zip:genome.fna"), fenced / "genome.fna", web=QUICK)
    assert list(fenced.iterdir()) == [] and secret.read_bytes() == BODY


def test_a_hostile_list_of_a_package(portal, web, tmp_path, datasets_row):
    accession = "GCA_1.1"
    member = f"../../{accession}/x_genomic.fna"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(member, BODY)
        archive.writestr("md5sum.txt", f"{digest(BODY)}  {member}\n")
    path = tmp_path / "package.zip"
    path.write_bytes(made.getvalue())
    assert ncbi.read_package(path, accession) == (member, len(BODY), digest(BODY))
    assert [one.name for one in tmp_path.iterdir()] == ["package.zip"], "it is read where it is"


# ---------------------------------------------------------------- HDF5 that reads other files


def linked(group: h5py.Group, secret) -> None:
    group["stolen"] = h5py.ExternalLink(str(secret), "/numbers")


def soft(group: h5py.Group, secret) -> None:
    group["stolen"] = h5py.SoftLink("/elsewhere")


def external(group: h5py.Group, secret) -> None:
    group.create_dataset("stolen", shape=(8,), dtype="u1", external=[(str(secret), 0, 8)])


def virtual(group: h5py.Group, secret) -> None:
    layout = h5py.VirtualLayout(shape=(8,), dtype="u1")
    layout[:] = h5py.VirtualSource(str(secret), "numbers", shape=(8,))
    group.create_virtual_dataset("stolen", layout)


@pytest.mark.parametrize("how", [linked, soft, external, virtual])
@pytest.mark.parametrize("place", ["resolutions/1000", "resolutions/1000/bins"])
def test_a_level_that_reads_a_file_of_this_machine(portal, tmp_path, fenced, how, place):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["numbers"] = np.arange(8, dtype="u1")
    with h5py.File(tmp_path / "map.mcool", "w") as file:
        file["elsewhere"] = np.arange(8)
        file.create_group("resolutions/1000/bins")
        how(file[place], tmp_path / "secret.h5")
    portal.routes = {"/map.mcool": Answer((tmp_path / "map.mcool").read_bytes())}
    with pytest.raises(InputError, match="a level holds its own data"):
        ranges.copy_level(f"{portal.url}/map.mcool", "/resolutions/1000", fenced / "map.cool", None, QUICK)
    assert list(fenced.iterdir()) == []


def test_a_level_that_is_a_link(portal, tmp_path, fenced):
    with h5py.File(tmp_path / "map.mcool", "w") as file:
        file["resolutions/1000"] = h5py.ExternalLink("/tmp/secret.h5", "/")
    portal.routes = {"/map.mcool": Answer((tmp_path / "map.mcool").read_bytes())}
    with pytest.raises(InputError, match=r"no level|is a link"):
        ranges.copy_level(f"{portal.url}/map.mcool", "/resolutions/1000", fenced / "map.cool", None, QUICK)
    assert list(fenced.iterdir()) == []
