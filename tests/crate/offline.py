"""Fill the validator's cache with the JSON-LD context of RO-Crate 1.1, as the package rocrate ships it.

.venv-crate/bin/python tests/crate/offline.py CACHE
"""

import io
import sys
from importlib.metadata import distribution
from pathlib import Path

import requests
from requests.adapters import BaseAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

ADDRESS = "https://w3id.org/ro/crate/1.1/context"


class Shipped(BaseAdapter):
    """Answers with the file instead of a request."""

    def send(self, request: requests.PreparedRequest, **options) -> requests.Response:
        body = Path(distribution("rocrate").locate_file("rocrate/data/ro-crate.jsonld")).read_bytes()
        assert ADDRESS.encode() in body
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        answer.headers["Content-Type"] = "application/ld+json"
        answer.raw = HTTPResponse(
            io.BytesIO(body), headers=answer.headers, status=200, preload_content=False, request_url=request.url
        )
        return answer

    def close(self) -> None:
        pass


if __name__ == "__main__":
    session = CachedSession(cache_name=sys.argv[1], backend="sqlite", expire_after=-1)
    session.mount(ADDRESS, Shipped())
    session.get(ADDRESS).raise_for_status()
