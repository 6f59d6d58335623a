"""NCBI Datasets v2: the genomic FASTA of an assembly.

The portal packs a ZIP anew for every request and states no checksum of it, but the ZIP holds md5sum.txt. So a genome is
resolved by downloading its package once. An accession with its version (GCA_000001405.15) never changes: for a genome
that is in the lock only the record is asked for.
"""

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from trifold.errors import InputError
from trifold.portals import download
from trifold.portals.lock import UCSC_NAME, Found, Line, selection
from trifold.portals.web import Web

BASE = "https://api.ncbi.nlm.nih.gov/datasets/v2"
INTERVAL_S = 0.21  # five a second without a key


def resolve(row: dict, web: Web, base: str = BASE, known: Sequence[Line] = ()) -> list[Found]:
    """The FASTA of a row (accession GCA_… or GCF_…, with its version). Raises InputError for an unknown one."""
    selection(row, [])
    accession = row["accession"]
    reports = web.json(f"{base}/genome/accession/{accession}/dataset_report", INTERVAL_S).get("reports")
    # NCBI answers an unknown accession with an empty object, not with an error.
    if not reports or reports[0].get("accession") != accession:
        answer = reports[0].get("accession") if reports else "nothing"
        raise InputError(f"{accession}: NCBI answers {answer} for it; check accession and version in datasets.tsv")
    information = reports[0].get("assembly_info") or {}
    name, status = information.get("assembly_name") or "", information.get("assembly_status") or ""
    url = f"{base}/genome/accession/{accession}/download?include_annotation_type=GENOME_FASTA"
    assembly = UCSC_NAME.get(name.partition(".")[0], "")
    if old := [line for line in known if line.url == url]:
        return [Found(row["file"], url, old[0].bytes, old[0].md5, old[0].sha256, assembly, status, old[0].part)]
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / f"{accession}.zip"
        download.survey(url, package, web)
        member, size, md5 = read_package(package, accession)
    return [Found(row["file"], url, str(size), md5, "", assembly, status, f"zip:{member}")]


def read_package(path: Path, accession: str) -> tuple[str, int, str]:
    """Name, size and md5 of the genomic FASTA in a package. Raises InputError where it is not whole."""
    try:
        with zipfile.ZipFile(path) as package:
            lines = package.read("md5sum.txt").decode().splitlines()
            md5 = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}
            members = [name for name in md5 if f"/{accession}/" in f"/{name}" and name.endswith("_genomic.fna")]
            if len(members) != 1:
                raise InputError(f"{accession}: NCBI's package holds {len(members)} genomic FASTA files, not one")
            return members[0], package.getinfo(members[0]).file_size, md5[members[0]]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{accession}: NCBI's package is not whole ({error}); try again") from error
