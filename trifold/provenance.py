"""Versioned artifacts: what made a directory, from what, and whether it is whole.

A directory made by a rule holds ``artifact.json``. Its **version** is a digest over the kind, the parameters, the
code that ran and the versions of the inputs: known before the work starts and the same on every machine. The sha256
of every file is recorded beside it, so that a file changed by hand is seen.
"""

import ast
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = Path(__file__).parent.name
RECORD = "artifact.json"
SCHEMA_VERSION = 1
UNCOUNTED = ("log.py", "provenance.py", "errors.py")
# Distributions whose version can change a number.
RECORDED_PACKAGES = [
    "bioframe",
    "cooler",
    "cooltools",
    "deeptools",
    "hictkpy",
    "lightning",
    "numpy",
    "pandas",
    "pyBigWig",
    "pyfaidx",
    "pysam",
    "scipy",
    "snakemake",
    "torch",
]


def digest_text(text: str) -> str:
    """First 12 hexadecimal digits of the sha256 of a text."""
    return sha256(text.encode()).hexdigest()[:12]


def digest_file(path: str | os.PathLike) -> str:
    """sha256 of a file's bytes, hexadecimal."""
    digest = sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# ---------------------------------------------------------------- code


def _path_of_module(name: str) -> Path | None:
    stem = ROOT / name.replace(".", "/")
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.exists():
            return path
    return None


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Files of the package that one file imports by name (packages' __init__ files on the way included)."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module] + [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name != PACKAGE and not name.startswith(PACKAGE + "."):
                continue
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                if target := _path_of_module(".".join(parts[:depth])):
                    found.add(target)
    return frozenset(found)


def modules_of(source: Path) -> set[Path]:
    """Files of the package that `source` reaches by import, directly or through other files of the package."""
    found: set[Path] = set()
    todo = [source]
    while todo:
        new = _imports(todo.pop()) - found
        found |= new
        todo.extend(new)
    return found


@cache
def _digest_of_code(path: Path) -> str:
    # The syntax tree rather than the bytes: a comment or a blank line is no new version.
    return digest_text(ast.dump(ast.parse(path.read_text())))


@cache
def code_version(script: str) -> str:
    """Digest of a workflow script and of the package code it reaches by import; a rule's `params` carry it.

    How a result is logged and recorded is no part of it (`UNCOUNTED`).
    """
    source = ROOT / "workflow_scripts" / script
    paths = [*sorted(modules_of(source)), source]
    return digest_text(
        "\n".join(f"{path.relative_to(ROOT)} {_digest_of_code(path)}" for path in paths if path.name not in UNCOUNTED)
    )


# ---------------------------------------------------------------- artifacts


def input_version(path: str | os.PathLike) -> str:
    """Version of the artifact a file belongs to; a file outside any artifact is its own sha256.

    An artifact that shares its folder with others is named by its record.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    record = path if path.name.endswith(RECORD) else folder / RECORD
    if record.exists():
        return json.loads(record.read_text())["version"]
    return digest_file(path)[:12]


def version_of(kind: str, parameters: dict, code: str, inputs: dict[str, str]) -> str:
    """Version of an artifact: a digest of what determines it. `inputs` maps path -> version."""
    what = {
        "kind": kind,
        "schema": SCHEMA_VERSION,
        "parameters": parameters,
        "code": code,
        # Paths stay out: the same data elsewhere is the same version.
        "inputs": sorted(inputs.values()),
    }
    return digest_text(json.dumps(what, sort_keys=True, default=str))


def _package_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


class Folder(type(Path())):
    """The folder a rule writes to before it is complete; `version` is what it will be called."""

    version: str = ""


@contextmanager
def artifact(
    folder: str | os.PathLike,
    kind: str,
    *,
    parameters: dict,
    code: str,
    inputs: list[str | os.PathLike],
    seed: int | None = None,
    sources: list[dict] | None = None,
    record: str = RECORD,
) -> Iterator[Folder]:
    """Make an artifact: yields an empty folder beside `folder`; its files move into `folder` when the block ends.

    Nothing half-written ever carries a final name: files are renamed one by one, ``artifact.json`` last. If the
    block raises, the folder beside is removed and the exception goes on. Files written as subfolders keep them.
    Artifacts that share a folder have a `record` each, <name>.artifact.json.
    """
    folder = Path(folder)
    versions = {str(path): input_version(path) for path in inputs}
    partial = Folder(folder.parent / f".{folder.name}{record.removesuffix(RECORD)}.partial")
    partial.version = version_of(kind, parameters, code, versions)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        facts = {
            "kind": kind,
            "schema_version": SCHEMA_VERSION,
            "version": partial.version,
            "parameters": parameters,
            "code": code,
            "inputs": versions,
            "seed": seed,
            "sources": sources or [],
            "files": {str(path.relative_to(partial)): digest_file(path) for path in files},
            "packages": _package_versions(),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "host": platform.node(),
        }
        text = json.dumps(facts, indent=1, sort_keys=True, default=str)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / record).unlink(missing_ok=True)
        for path in files:
            target = folder / path.relative_to(partial)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        (partial / record).write_text(text + "\n")
        os.replace(partial / record, folder / record)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check(folder: str | os.PathLike) -> list[str]:
    """Names of the artifact's files that are missing or no longer what was recorded."""
    folder = Path(folder)
    recorded = json.loads((folder / "artifact.json").read_text())["files"]
    return [
        name
        for name, digest in recorded.items()
        if not (folder / name).exists() or digest_file(folder / name) != digest
    ]


def manifest(root: str | os.PathLike) -> list[dict]:
    """Every artifact below a folder, oldest kind of input first by path: `folder` (relative) plus its record."""
    root = Path(root)
    return [
        {"folder": str(path.parent.relative_to(root)), **json.loads(path.read_text())}
        for path in sorted(root.rglob(f"*{RECORD}"))
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
