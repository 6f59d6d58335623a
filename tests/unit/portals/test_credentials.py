"""Addresses that grant access are refused or blanked: not in errors, logs, records or the lock; http is not trusted."""

import logging
import subprocess
import sys
from hashlib import sha256

import pytest
from loopback import Answer, moved

from trifold.errors import InputError
from trifold.log import redact
from trifold.portals import download, lock, plain, web
from trifold.portals.web import Web

QUICK = Web(timeout_s=0.5, retries=1, backoff_s=0.01)
BODY = b"contacts" * 100
SECRET = "aBc123SECRET"
SIGNED = {
    "amazon": f"X-Amz-Algorithm=AWS4&X-Amz-Credential={SECRET}%2Fus&X-Amz-Signature={SECRET}",
    "amazon, old": f"AWSAccessKeyId={SECRET}&Expires=1&Signature={SECRET}",
    "google": f"X-Goog-Signature={SECRET}",
    "azure": f"sv=2020&sig={SECRET}",
    "cloudfront": f"Policy={SECRET}&Key-Pair-Id={SECRET}",
    "token": f"x=1&access_token={SECRET}",
    "key": f"api_key={SECRET}",
    "password": f"user=me&Password={SECRET}",
}


def row_of(url: str, **given) -> dict:
    known = {"file": "map.mcool", "url": url, "bytes": str(len(BODY)), "sha256": sha256(BODY).hexdigest(), "md5": ""}
    return known | {"part": "", "status": "pinned", "portal": "", "table": "datasets.tsv", **given}


@pytest.mark.parametrize("query", SIGNED.values(), ids=SIGNED)
def test_a_signed_address_in_errors_logs_and_records(portal, tmp_path, caplog, query):
    path = f"/map.mcool?{query}"
    portal.routes = {path: Answer(status=404)}
    with caplog.at_level(logging.INFO), pytest.raises(InputError, match="could not be fetched") as error:
        download.fetch(row_of(portal.url + path), tmp_path / "map.mcool", web=QUICK)
    portal.routes = {path: [Answer(status=503), Answer(BODY)]}
    with caplog.at_level(logging.INFO):
        report = download.fetch(row_of(portal.url + path), tmp_path / "map.mcool", web=QUICK)
    assert (tmp_path / "map.mcool").read_bytes() == BODY, "the address itself was asked as it is"
    for text in (str(error.value), caplog.text, report["url"]):
        assert SECRET not in text
        assert f"{portal.url}/map.mcool?" in text and "***" in text
    with pytest.raises(InputError) as error:
        QUICK.text(f"{portal.url}/absent?{query}")
    assert SECRET not in str(error.value) and "HTTP 404" in str(error.value)
    with pytest.raises(InputError, match="holds a signature or key") as error:
        lock.Found("a.bed", f"https://p.org/a?{query}", "1", "0" * 32)
    assert SECRET not in str(error.value)


def test_what_grants_nothing_stays():
    for url in (
        "https://zenodo.org/records/7/files/a%20b.pt?download=1",
        "https://api.ncbi.nlm.nih.gov/datasets/v2/genome/download?include_annotation_type=GENOME_FASTA",
        "https://data.org/files/@@download/a.bam",
        "two@people.org and https://x.org/a;b?c=d",
    ):
        assert redact(url) == url
    text = f"a https://me:{SECRET}@x.org/a?q=1&sig={SECRET} b 'https://x.org/?token={SECRET}', c"
    assert redact(text) == "a https://***@x.org/a?q=1&sig=*** b 'https://x.org/?token=***', c"


@pytest.mark.parametrize("user", [f"me:{SECRET}", f"me:p@{SECRET}", SECRET])
def test_a_password_in_an_address_is_refused(portal, tmp_path, user):
    """In the row, in a mirror, in a redirect; nothing is asked with it, and nothing shows it."""
    address = portal.url.replace("://", f"://{user}@") + "/map.mcool"
    for call in (
        lambda: download.fetch(row_of(address), tmp_path / "map.mcool", web=QUICK),
        lambda: download.fetch(row_of(""), tmp_path / "map.mcool", [address], web=QUICK),
        lambda: web.request(address, timeout_s=1.0),
        lambda: QUICK.json(address),
    ):
        with pytest.raises(InputError, match=r"must not hold a user name or password.*mirrors") as error:
            call()
        assert SECRET not in str(error.value)
    assert portal.requests == []
    portal.routes = {"/map.mcool": moved(address)}
    with pytest.raises(InputError, match="must not hold a user name") as error:
        download.fetch(row_of(f"{portal.url}/map.mcool"), tmp_path / "map.mcool", web=QUICK)
    assert SECRET not in str(error.value)
    assert len(portal.requests) == 1


def test_a_log_blanks_what_an_error_quotes(tmp_path):
    """Tracebacks of other people's code too."""
    script = (
        "import sys; from trifold import log; import logging; log.start([sys.argv[1]]); "
        f"logging.info('from https://me:{SECRET}@x.org/a'); "
        f"raise RuntimeError('https://x.org/a?X-Amz-Signature={SECRET}&x=1')"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "log"], capture_output=True, text=True)
    assert done.returncode == 1
    text = (tmp_path / "log").read_text()
    assert "RuntimeError: https://x.org/a?X-Amz-Signature=***&x=1" in text and "https://***@x.org/a" in text
    assert SECRET not in text.replace("SECRET=", "") and SECRET not in done.stderr


def test_plain_http_needs_a_checksum_of_the_row(portal, web, datasets_row, monkeypatch):
    row = datasets_row(file="a.gz", portal="url", url="http://example.org/a.gz")
    with pytest.raises(InputError, match=r"a.gz: datasets.tsv: url: .*plain http.*sha256"):
        plain.resolve(row, web)
    # The same server, not known as this machine: with a checksum it is asked, and what comes is compared with it.
    monkeypatch.setattr(plain, "is_loopback", lambda url: False)
    portal.routes = {"/a.gz": Answer(BODY)}
    stated = row | {"url": f"{portal.url}/a.gz"}
    with pytest.raises(InputError, match="plain http"):
        plain.resolve(stated, web)
    (found,) = plain.resolve(stated | {"sha256": sha256(BODY).hexdigest()}, web)
    assert found.sha256 == sha256(BODY).hexdigest()


def test_a_download_needs_a_checksum_whatever_the_protocol(tmp_path):
    for url in ("http://example.org/a", "https://example.org/a"):
        with pytest.raises(InputError, match="no checksum is known"):
            download.fetch(row_of(url, sha256=""), tmp_path / "a")
