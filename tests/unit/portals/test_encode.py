"""ENCODE: which files of an experiment are taken, and under which addresses."""

import pytest
from loopback import Answer, page, record

from trifold.errors import InputError
from trifold.portals import encode

EXPERIMENT = "ENCSR000EMT"
SELECT = "assembly=GRCh38&file_format=bam&output_type=alignments"
SEARCH = f"/search/?type=File&dataset=/experiments/{EXPERIMENT}/&{SELECT}&status=released&format=json&limit=all"


def a_file(accession: str, replicates=(1,), **changes) -> dict:
    return {
        "accession": accession,
        "md5sum": f"{ord(accession[-1]):x}" * 16,
        "file_size": 1000 + len(accession),
        "file_format": "bam",
        "href": f"/files/{accession}/@@download/{accession}.bam",
        "cloud_metadata": {"url": f"https://encode-public.s3.amazonaws.com/2020/{accession}.bam"},
        "s3_uri": f"s3://encode-public/2020/{accession}.bam",
        "output_type": "alignments",
        "assembly": "GRCh38",
        "biological_replicates": list(replicates),
        "status": "released",
        "date_created": "2020-01-01T00:00:00+00:00",
        "analyses": ["/analyses/ENCAN100AAA/"],
        **changes,
    }


def routes_of(*files: dict) -> dict:
    """The search with its own, thinner answer, and a record per file."""
    hits = [{"@id": f"/files/{one['accession']}/", "accession": one["accession"]} for one in files]
    routes = {SEARCH: record({"@graph": hits, "total": len(hits)})}
    return routes | {f"/files/{one['accession']}/?format=json&frame=object": record(one) for one in files}


@pytest.fixture
def row(datasets_row):
    return datasets_row(file=EXPERIMENT, portal="encode", accession=EXPERIMENT, select=SELECT, assembly="hg38")


def names(found) -> list[str]:
    return [one.file.removesuffix(".bam") for one in found]


def test_all_biological_replicates(portal, web, row):
    portal.routes = routes_of(a_file("ENCFF001AAA"), a_file("ENCFF001AAB", (2,)))
    one, two = encode.resolve(row, web, portal.url)
    assert (one.file, one.bytes, one.assembly, one.status) == ("ENCFF001AAA.bam", "1011", "hg38", "released")
    assert one.url == "https://encode-public.s3.amazonaws.com/2020/ENCFF001AAA.bam", "not the signed redirect"
    assert (two.file, two.md5) == ("ENCFF001AAB.bam", "42" * 16)


OLD = {"analyses": ["/analyses/ENCAN000OLD/"], "date_created": "2016-01-01T00:00:00+00:00"}
CASES = {
    "newest analysis": (
        [a_file("ENCFF00OLDA", **OLD), a_file("ENCFF00OLDB", (2,), **OLD), a_file("ENCFF1A"), a_file("ENCFF1B", (2,))],
        ["ENCFF1A", "ENCFF1B"],
    ),
    "preferred over newer": (
        [a_file("ENCFF00OLDA", preferred_default=True, **OLD), a_file("ENCFF1A")],
        ["ENCFF00OLDA"],
    ),
    "an analysis that lacks a replicate is none": (
        [a_file("ENCFF00OLDA", **OLD), a_file("ENCFF00OLDB", (2,), **OLD), a_file("ENCFF1A")],
        ["ENCFF00OLDA", "ENCFF00OLDB"],
    ),
    "newest of one replicate": (
        [a_file("ENCFF1A", date_created="2019"), a_file("ENCFF1B", date_created="2021"), a_file("ENCFF1C", (2,))],
        ["ENCFF1B", "ENCFF1C"],
    ),
    "one file of all is taken alone": (
        [a_file("ENCFF1A"), a_file("ENCFF1B", (2,)), a_file("ENCFF1C", (1, 2))],
        ["ENCFF1C"],
    ),
    "technical replicates are merged too": (
        [a_file("ENCFF1A", technical_replicates=["1_1"]), a_file("ENCFF1B", technical_replicates=["1_2"])],
        ["ENCFF1A", "ENCFF1B"],
    ),
    "what does not fit is left": (
        [
            a_file("ENCFF1A"),
            a_file("ENCFF1B", (2,), status="revoked"),
            a_file("ENCFF1C", (3,), assembly="hg19"),
            a_file("ENCFF1D", (4,), output_type="unfiltered alignments"),
            a_file("ENCFF1E", (5,), no_file_available=True),
        ],
        ["ENCFF1A"],
    ),
    "without analyses": (
        [a_file("ENCFF1A", analyses=[]), a_file("ENCFF1B", (2,), analyses=None)],
        ["ENCFF1A", "ENCFF1B"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_choice(portal, web, row, case):
    files, expected = CASES[case]
    portal.routes = routes_of(*files)
    assert names(encode.resolve(row, web, portal.url)) == expected
    portal.routes = routes_of(*reversed(files))
    assert names(encode.resolve(row, web, portal.url)) == expected, "the order of the search is no order"


def test_one_file(portal, web, row):
    portal.routes = routes_of(a_file("ENCFF593WBR"))
    (found,) = encode.resolve(row | {"file": "dnase.bam", "accession": "ENCFF593WBR", "select": ""}, web, portal.url)
    assert (found.file, found.md5) == ("dnase.bam", "52" * 16)


EMPTY = Answer(b'{"@graph": [], "total": 0}', 404, content_type="application/json")


@pytest.mark.parametrize(
    "routes, words",
    [
        ({SEARCH: EMPTY}, f"{EXPERIMENT}: ENCODE has no released file with assembly=GRCh38.* among 0 found"),
        (routes_of(a_file("ENCFF1A", assembly="hg19")), "no released file .* among 1 found"),
        ({SEARCH: page(403)}, "HTTP 403"),
        ({SEARCH: page()}, "HTML page, not the record"),
        (routes_of(a_file("ENCFF1A", cloud_metadata=None)), "ENCFF1A: ENCODE gives no public address"),
        (routes_of(a_file("ENCFF1A", file_size=None)), "ENCFF1A: ENCODE states no size"),
        (routes_of(a_file("ENCFF1A", md5sum=None)), "ENCFF1A: ENCODE answers"),
        (
            routes_of(a_file("ENCFF1A", (1, 2)), a_file("ENCFF1B", (2, 3))),
            r"share replicates \(1, 2, 2, 3\)",
        ),
        (routes_of(a_file("ENCFF1A", ()), a_file("ENCFF1B", ())), "states no replicates of 2 files"),
        (
            routes_of(a_file("ENCFF1A"), a_file("ENCFF1B", (2,), **OLD)),
            r"no analysis at ENCODE holds all of replicates \[1, 2\]",
        ),
    ],
)
def test_errors(portal, web, row, routes, words):
    portal.routes = routes
    with pytest.raises(InputError, match=words):
        encode.resolve(row, web, portal.url)


@pytest.mark.parametrize(
    "answer, words",
    [
        (record({}), "answers nothing for it"),
        (record(a_file("ENCFF999ZZZ")), "answers ENCFF999ZZZ for it"),
        (record(a_file("ENCFF1A", status="archived")), "it is archived"),
        (record(a_file("ENCFF1A", no_file_available=True)), "it is without a file"),
    ],
)
def test_errors_of_one_file(portal, web, row, answer, words):
    portal.routes = {"/files/ENCFF1A/?format=json&frame=object": answer}
    with pytest.raises(InputError, match=f"ENCFF1A: .*{words}"):
        encode.resolve(row | {"accession": "ENCFF1A", "select": "", "file": "a.bam"}, web, portal.url)
