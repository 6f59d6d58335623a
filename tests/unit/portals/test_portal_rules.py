"""`snakemake resolve`, then a download: the rules, run in a copy of the repository against portals on loopback."""

import os
import shutil
import subprocess
import sys
from hashlib import md5
from pathlib import Path

import pytest
from loopback import Answer, record

from trifold.portals import lock

PARTS = (
    "Snakefile",
    "config.yaml",
    "rules",
    "profiles",
    "envs",
    "workflow_scripts",
    "resources",
    "trifold",
    "papers",
)
MAP, READS = b"map" * 5_000, b"bam" * 5_000
OVERLAY = """
experiment: portals
samples:
  alpha: {contacts: m.mcool, tracks: {atac: [ENCSR1]}}
geometry: {bin_bp: 1000, window_bins: 64, stride_bins: {train: 16, validation: 32, test: 64}}
degradations: {low: {thin: 16}}
splits: {a: {kind: chromosomes, validation: [chr1], test: [chr2]}}
arms: {identity: {architecture: identity}}
evaluate: {samples: [alpha]}
"""


@pytest.fixture
def workspace(repository, tmp_path):
    """A copy whose table of data sets has two accessions only."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in PARTS:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "raw"))
        else:
            shutil.copy(source, folder / name)
    table = folder / "resources/datasets.tsv"
    names = table.read_text().split("\n", 1)[0].split("\t")
    rows = [
        {"file": "m.mcool", "assay": "hic", "portal": "4dn", "accession": "4DNFIX"},
        {"file": "ENCSR1", "assay": "atac", "portal": "encode", "accession": "ENCSR1", "select": "file_format=bam"},
    ]
    rows = [dict.fromkeys(names, "") | {"status": "unpinned", "origin": "this test"} | row for row in rows]
    table.write_text("\n".join("\t".join(line) for line in [names, *(row.values() for row in rows)]) + "\n")
    (folder / "overlay.yaml").write_text(OVERLAY)
    return folder


@pytest.fixture
def snakemake(workspace, portal):
    def run(*arguments: str) -> subprocess.CompletedProcess:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        bases = f"4dn={portal.url}/4dn encode={portal.url}/encode"
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, "--configfile", "overlay.yaml"],
            cwd=workspace,
            env={**os.environ, "PATH": path, "TRIFOLD_PORTALS": bases, "TRIFOLD_MIRROR": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


def encode_record(portal, name: str, replicate: int):
    body = READS + name.encode()
    known = {"accession": name, "md5sum": md5(body, usedforsecurity=False).hexdigest(), "file_size": len(body)}
    known |= {
        "href": f"/files/{name}/@@download/{name}.bam",
        "cloud_metadata": {"url": f"{portal.url}/open/{name}.bam"},
    }
    portal.routes[f"/open/{name}.bam"] = Answer(body)
    return record({**known, "status": "released", "file_format": "bam", "biological_replicates": [replicate]})


def test_resolve_then_fetch_what_is_named(workspace, snakemake, portal):
    digest = md5(MAP, usedforsecurity=False).hexdigest()
    known = {
        "accession": "4DNFIX",
        "md5sum": digest,
        "file_size": len(MAP),
        "open_data_url": f"{portal.url}/open/m.mcool",
    }
    search = (
        "/encode/search/?type=File&dataset=/experiments/ENCSR1/&file_format=bam&status=released&format=json&limit=all"
    )
    portal.routes = {
        "/4dn/files-processed/4DNFIX/?format=json": record({**known, "status": "released"}),
        "/open/m.mcool": Answer(MAP),
        search: record({"@graph": [{"accession": "ENCFF1"}, {"accession": "ENCFF2"}]}),
    }
    for replicate in (1, 2):
        name = f"ENCFF{replicate}"
        portal.routes[f"/encode/files/{name}/?format=json&frame=object"] = encode_record(portal, name, replicate)

    done = snakemake("resolve")
    assert done.returncode == 0, done.stdout[-3000:]
    lines = lock.read(workspace / "resources/datasets.lock.tsv")
    assert [line.file for line in lines] == ["m.mcool", "ENCFF1.bam", "ENCFF2.bam"]

    # The name of an experiment stands for its files, and nothing that is made asks the portals again.
    asked = len(portal.requests)
    done = snakemake("data", "--until", "fetch")
    assert done.returncode == 0, done.stdout[-3000:]
    bodies = {path.name: path.read_bytes() for path in (workspace / "resources/raw").glob("[!.]*")}
    assert bodies == {"m.mcool": MAP, "ENCFF1.bam": READS + b"ENCFF1", "ENCFF2.bam": READS + b"ENCFF2"}
    assert sorted(portal.paths[asked:]) == ["/open/ENCFF1.bam", "/open/ENCFF2.bam", "/open/m.mcool"]
