"""4DN records as the portal gives them, and what becomes of them."""

import pytest
from loopback import Answer, moved, page, record

from trifold.errors import InputError
from trifold.portals import fourdn

ACCESSION = "4DNFI9GMP2J8"
MD5 = "6b9dd3f9388c06325b713597550ae349"
OPEN = (
    "https://4dn-open-data-public.s3.amazonaws.com/fourfront-webprod/wfoutput/"
    f"d13aa1ea-053c-4113-94fe-a1e7ab1dbbab/{ACCESSION}.mcool"
)
RECORD = f"/files-processed/{ACCESSION}/?format=json"
DRS = f"/ga4gh/drs/v1/objects/{ACCESSION}"


def described(**changes) -> dict:
    whole = {
        "accession": ACCESSION,
        "md5sum": MD5,
        "href": f"/files-processed/{ACCESSION}/@@download/{ACCESSION}.mcool",
        "open_data_url": OPEN,
        "file_size": 13_086_652_234,
        "genome_assembly": "GRCh38",
        "file_format": {"file_format": "mcool"},
        "status": "released",
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def drs_object(**changes) -> dict:
    key = OPEN.removeprefix("https://4dn-open-data-public.s3.amazonaws.com/")
    return {
        "id": ACCESSION,
        "size": 13_086_652_234,
        "checksums": [{"type": "sha-256", "checksum": "0" * 64}, {"type": "md5", "checksum": MD5}],
        "access_methods": [
            {
                "type": "https",
                "access_url": {"url": f"https://data.4dnucleome.org/files-processed/{ACCESSION}/@@download/a.mcool"},
            },
            {"type": "s3", "access_url": {"url": f"s3://4dn-open-data-public/{key}"}},
        ],
        **changes,
    }


@pytest.fixture
def row(datasets_row):
    return datasets_row(file=f"{ACCESSION}.mcool", portal="4dn", accession=ACCESSION, assembly="hg38")


def test_a_record(portal, web, row):
    portal.routes = {RECORD: record(described())}
    (found,) = fourdn.resolve(row, web, portal.url)
    assert (found.file, found.url, found.part) == (f"{ACCESSION}.mcool", OPEN, "")
    assert (found.bytes, found.md5, found.assembly, found.status) == ("13086652234", MD5, "hg38", "released")
    assert portal.paths == [RECORD], "DRS hangs on restricted files: it is asked only where it must be"


def test_one_level(portal, web, row):
    portal.routes = {RECORD: record(described())}
    (found,) = fourdn.resolve(row | {"file": "a.5kb.cool", "select": "resolution=5000"}, web, portal.url)
    assert (found.file, found.part) == ("a.5kb.cool", "hdf5:/resolutions/5000")
    with pytest.raises(InputError, match="select: replicate is not known to this portal"):
        fourdn.resolve(row | {"select": "replicate=1"}, web, portal.url)


@pytest.mark.parametrize(
    "changes",
    [{"open_data_url": None}, {"open_data_url": f"https://data.4dnucleome.org/x/@@download/{ACCESSION}.mcool"}],
    ids=["none", "needs an account"],
)
def test_drs_where_the_record_has_no_open_address(portal, web, row, changes):
    portal.routes = {RECORD: record(described(**changes)), DRS: record(drs_object())}
    (found,) = fourdn.resolve(row, web, portal.url)
    assert (found.url, found.md5, found.bytes) == (OPEN, MD5, "13086652234")


def test_drs_completes_a_record_without_md5(portal, web, row):
    portal.routes = {RECORD: record(described(md5sum=None)), DRS: record(drs_object(access_methods=[]))}
    (found,) = fourdn.resolve(row, web, portal.url)
    assert (found.url, found.md5) == (OPEN, MD5)


def test_s3_base_is_a_parameter(portal, web, row):
    portal.routes = {RECORD: record(described(open_data_url=None)), DRS: record(drs_object())}
    (found,) = fourdn.resolve(row, web, portal.url, s3=portal.url + "/{bucket}")
    assert found.url == f"{portal.url}/4dn-open-data-public/{OPEN.partition('.com/')[2]}"


def account_only(**changes):
    way = {"type": "https", "access_url": {"url": f"https://data.4dnucleome.org/{ACCESSION}/@@download/a.mcool"}}
    return drs_object(access_methods=[way], **changes)


@pytest.mark.parametrize(
    "routes, words",
    [
        ({RECORD: page(403)}, "HTTP 403 .*HTML page"),
        ({RECORD: page(200)}, "HTML page, not the record"),
        ({RECORD: Answer(b'{"total": 0, "@graph": []}', 404, content_type="application/json")}, "has no such file"),
        ({}, "HTTP 404"),
        ({RECORD: record({})}, "has no such file"),
        ({RECORD: record([])}, "no object"),
        ({RECORD: Answer(b'{"accession": "4DN', content_type="application/json")}, "no JSON .*gave up after 3 tries"),
        ({RECORD: Answer(b"{}", claims=9, content_type="application/json")}, "ended after 2 of 9 bytes; gave up"),
        ({RECORD: record(described(open_data_url=None)), DRS: page(403)}, "restricted"),
        ({RECORD: record(described(open_data_url=None)), DRS: record(account_only())}, "only to accounts"),
        ({RECORD: record(described(file_size=None)), DRS: record(drs_object(size=None))}, "states no size"),
        ({RECORD: record(described(md5sum=None)), DRS: record(drs_object(checksums=[]))}, "states no md5"),
        ({RECORD: record(described(file_size=None, md5sum="f" * 32)), DRS: record(drs_object())}, f"{MD5}; ask the"),
        (
            {
                RECORD: moved("/files-processed/4DNFIAAAAAAA/?format=json", 301),
                "/files-processed/4DNFIAAAAAAA/?format=json": record(described(accession="4DNFIAAAAAAA")),
            },
            "replaced it by 4DNFIAAAAAAA",
        ),
    ],
)
def test_errors(portal, web, row, routes, words):
    portal.routes = routes
    with pytest.raises(InputError, match=words) as error:
        fourdn.resolve(row, web, portal.url)
    assert ACCESSION in str(error.value)


def test_drs_that_hangs_is_left(portal, web, row):
    quick = type(web)(timeout_s=0.1, retries=1, backoff_s=0.01)
    portal.routes = {RECORD: record(described(open_data_url=None)), DRS: Answer(hang_s=0.5)}
    with pytest.raises(InputError, match=r"timed out; gave up after 2 tries.*restricted"):
        fourdn.resolve(row, quick, portal.url)


def test_a_record_that_drips_is_left(portal, web, row):
    quick = type(web)(timeout_s=0.1, retries=0, backoff_s=0.01)
    slow = record(described())
    slow.piece, slow.pause_s = 5, 0.02
    portal.routes = {RECORD: slow}
    with pytest.raises(InputError, match=r"only \d+ bytes in 0.2 s"):
        fourdn.resolve(row, quick, portal.url)


def test_a_busy_portal_is_asked_again(portal, web, row):
    busy = Answer(status=429, headers={"Retry-After": "0"})
    portal.routes = {RECORD: [busy, Answer(status=503), record(described())]}
    assert fourdn.resolve(row, web, portal.url)[0].md5 == MD5
