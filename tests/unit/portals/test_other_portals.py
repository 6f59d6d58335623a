"""NCBI Datasets, UCSC, Zenodo and plain addresses."""

import io
import zipfile
from hashlib import md5, sha256

import pytest
from loopback import Answer, moved, page, record

from trifold.errors import InputError
from trifold.portals import ncbi, plain, ucsc, zenodo
from trifold.portals.lock import Line

BODY = b">chr1\nACGT\n" * 1_000
MD5 = md5(BODY, usedforsecurity=False).hexdigest()


# ---------------------------------------------------------------- NCBI

ACCESSION = "GCA_000001405.15"
REPORT = f"/genome/accession/{ACCESSION}/dataset_report"
DOWNLOAD = f"/genome/accession/{ACCESSION}/download?include_annotation_type=GENOME_FASTA"
MEMBER = f"ncbi_dataset/data/{ACCESSION}/{ACCESSION}_GRCh38_genomic.fna"


def package(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return made.getvalue()


def reported(accession=ACCESSION):
    information = {"assembly_name": "GRCh38.p14", "assembly_status": "current"}
    return record({"reports": [{"accession": accession, "assembly_info": information}], "total_count": 1})


SUMS = f"{MD5}  {MEMBER}\n{'0' * 32}  ncbi_dataset/data/assembly_data_report.jsonl\n".encode()
WHOLE = package({"README.md": b"NCBI", MEMBER: BODY, "md5sum.txt": SUMS})


@pytest.fixture
def genome(datasets_row):
    return datasets_row(file="genome.fna", portal="ncbi", accession=ACCESSION, assembly="hg38")


def test_ncbi_genome(portal, web, genome):
    portal.routes = {REPORT: reported(), DOWNLOAD: Answer(WHOLE, no_length=True, ranges=False)}
    (found,) = ncbi.resolve(genome, web, portal.url)
    assert (found.url, found.part) == (portal.url + DOWNLOAD, f"zip:{MEMBER}")
    assert (found.bytes, found.md5, found.assembly) == (str(len(BODY)), MD5, "hg38")


def test_ncbi_fetches_no_package_twice(portal, web, genome):
    portal.routes = {REPORT: reported()}
    line = Line("genome.fna", "genome.fna", portal.url + DOWNLOAD, f"zip:{MEMBER}", "7", "", MD5, "hg38", "", "then")
    (found,) = ncbi.resolve(genome, web, portal.url, [line])
    assert (found.bytes, found.md5, found.part) == ("7", MD5, f"zip:{MEMBER}")
    assert portal.paths == [REPORT]


@pytest.mark.parametrize(
    "routes, words",
    [
        ({REPORT: record({})}, "NCBI answers nothing for it"),
        ({REPORT: reported("GCA_000001405.29")}, "NCBI answers GCA_000001405.29 for it"),
        ({REPORT: page()}, "HTML page"),
        ({REPORT: reported(), DOWNLOAD: record({})}, "package is not whole"),
        ({REPORT: reported(), DOWNLOAD: Answer(WHOLE[:-30], no_length=True)}, "package is not whole"),
        ({REPORT: reported(), DOWNLOAD: Answer(package({MEMBER: BODY}))}, "package is not whole .*md5sum.txt"),
        ({REPORT: reported(), DOWNLOAD: Answer(package({"md5sum.txt": b"\n"}))}, "holds 0 genomic FASTA"),
        ({REPORT: reported(), DOWNLOAD: Answer(package({"md5sum.txt": b"one\n"}))}, "package is not whole"),
    ],
)
def test_ncbi_errors(portal, web, genome, routes, words):
    portal.routes = routes
    with pytest.raises(InputError, match=rf"{ACCESSION}.*{words}"):
        ncbi.resolve(genome, web, portal.url)


# ---------------------------------------------------------------- UCSC

BIG = "/goldenPath/mm10/bigZips"


@pytest.fixture
def mm10(datasets_row):
    return datasets_row(file="mm10.fa.gz", portal="ucsc", accession="mm10", assembly="mm10")


def test_ucsc(portal, web, mm10):
    sums = f"{'1' * 32}  mm10.2bit\n{MD5}  mm10.fa.gz\n{'2' * 32}  mm10.fa.gz.old\n"
    portal.routes = {f"{BIG}/md5sum.txt": Answer(sums.encode()), f"{BIG}/mm10.fa.gz": Answer(BODY)}
    (found,) = ucsc.resolve(mm10, web, portal.url)
    assert (found.url, found.bytes, found.md5) == (f"{portal.url}{BIG}/mm10.fa.gz", str(len(BODY)), MD5)
    assert [one[0] for one in portal.requests] == ["GET", "HEAD"], "the genome itself is not read"


@pytest.mark.parametrize(
    "routes, words",
    [
        ({}, "UCSC lists no mm10.fa.gz"),
        ({f"{BIG}/md5sum.txt": Answer(f"{MD5}  mm9.fa.gz\n".encode())}, "UCSC lists no mm10.fa.gz"),
        ({f"{BIG}/md5sum.txt": Answer(f"{MD5}  mm10.fa.gz\n".encode())}, "HTTP 404"),
        ({f"{BIG}/md5sum.txt": Answer(status=503)}, "HTTP 503 .*gave up"),
        (
            {f"{BIG}/md5sum.txt": Answer(f"{MD5}  mm10.fa.gz\n".encode()), f"{BIG}/mm10.fa.gz": page()},
            "HTML page",
        ),
        (
            {f"{BIG}/md5sum.txt": Answer(f"{MD5}  mm10.fa.gz\n".encode()), f"{BIG}/mm10.fa.gz": Answer(no_length=True)},
            "states no size",
        ),
    ],
)
def test_ucsc_errors(portal, web, mm10, routes, words):
    portal.routes = routes
    with pytest.raises(InputError, match=words):
        ucsc.resolve(mm10, web, portal.url)


# ---------------------------------------------------------------- Zenodo


def deposit(*files):
    return record({"id": 7, "files": [{"key": key, "size": size, "checksum": sums} for key, size, sums in files]})


@pytest.fixture
def weights(datasets_row):
    return datasets_row(file="weights.pt", portal="zenodo", accession="7", select="key=model 1.pt")


def test_zenodo(portal, web, weights):
    portal.routes = {"/api/records/7": deposit(("a.txt", 1, f"md5:{'0' * 32}"), ("model 1.pt", 99, f"md5:{MD5}"))}
    (found,) = zenodo.resolve(weights, web, portal.url)
    assert found.url == f"{portal.url}/records/7/files/model%201.pt?download=1"
    assert (found.file, found.bytes, found.md5) == ("weights.pt", "99", MD5)
    portal.routes = {"/api/records/7": deposit(("only.pt", 5, f"md5:{MD5}"))}
    (found,) = zenodo.resolve(weights | {"select": ""}, web, portal.url)
    assert found.url.endswith("/files/only.pt?download=1")


@pytest.mark.parametrize(
    "answer, words",
    [
        (deposit(("a.txt", 1, f"md5:{MD5}")), "has the files a.txt; put one into datasets.tsv"),
        (deposit(), r"has the files \(none\)"),
        (deposit(("model 1.pt", 1, "sha512:00")), "states no md5 of model 1.pt"),
        (record({"status": 404, "message": "gone"}, 404), r"has the files \(none\)"),
        (page(410), "HTTP 410"),
    ],
)
def test_zenodo_errors(portal, web, weights, answer, words):
    portal.routes = {"/api/records/7": answer}
    with pytest.raises(InputError, match=words):
        zenodo.resolve(weights, web, portal.url)


# ---------------------------------------------------------------- plain addresses


@pytest.fixture
def annotation(portal, datasets_row):
    return datasets_row(file="genes.gtf.gz", portal="url", url=f"{portal.url}/release/g%20v38.gtf.gz", assembly="hg38")


@pytest.mark.parametrize("line", ["{} g v38.gtf.gz", "{}  ./g v38.gtf.gz", "{} *g v38.gtf.gz"])
@pytest.mark.parametrize("place", ["MD5SUMS", "md5sum.txt"])
def test_plain_with_a_list(portal, web, annotation, line, place):
    sums = f"{'1' * 32}  other.gz\n{line.format(MD5)}\n"
    portal.routes = {f"/release/{place}": Answer(sums.encode()), "/release/g%20v38.gtf.gz": Answer(BODY)}
    (found,) = plain.resolve(annotation, web)
    assert (found.file, found.bytes, found.md5, found.sha256) == ("genes.gtf.gz", str(len(BODY)), MD5, "")
    assert [one[0] for one in portal.asked("/release/g%20v38.gtf.gz")] == ["HEAD"]


@pytest.mark.parametrize(
    "answers",
    [Answer(BODY), Answer(BODY, no_length=True), [Answer(status=405), Answer(BODY)]],
    ids=["length", "no length", "no HEAD"],
)
@pytest.mark.parametrize("other", [Answer(status=404), page(), Answer(f"{MD5}  other.gz\n".encode())])
def test_plain_without_a_list_is_read_once(portal, web, annotation, answers, other):
    answers = list(answers) if isinstance(answers, list) else answers
    portal.routes = {"/release/g%20v38.gtf.gz": answers, "/release/MD5SUMS": other}
    (found,) = plain.resolve(annotation, web)
    assert (found.bytes, found.md5, found.sha256) == (str(len(BODY)), MD5, sha256(BODY).hexdigest())


def test_plain_is_read_again_only_if_its_size_changed(portal, web, annotation):
    portal.routes = {"/release/g%20v38.gtf.gz": Answer(BODY)}
    size, sums = str(len(BODY)), ("1" * 64, "2" * 32)
    line = Line("genes.gtf.gz", "genes.gtf.gz", annotation["url"], "", size, *sums, "hg38", "", "long ago")
    (found,) = plain.resolve(annotation, web, known=[line])
    assert (found.bytes, found.sha256, found.md5) == (size, *sums)
    assert {one[0] for one in portal.asked("/release/g%20v38.gtf.gz")} == {"HEAD"}
    portal.routes = {"/release/g%20v38.gtf.gz": Answer(BODY + b"more")}
    (found,) = plain.resolve(annotation, web, known=[line])
    assert found.sha256 == sha256(BODY + b"more").hexdigest()


@pytest.mark.parametrize(
    "answer, words",
    [(page(), "HTML page"), (Answer(status=404), "HTTP 404"), (moved("/elsewhere"), "HTTP 404")],
)
def test_plain_errors(portal, web, annotation, answer, words):
    """An unknown GEO accession, for one, is a page of HTML."""
    portal.routes = {"/release/g%20v38.gtf.gz": answer}
    with pytest.raises(InputError, match=words):
        plain.resolve(annotation, web)
