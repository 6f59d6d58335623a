"""Versioned artifacts: what made a directory, from what, and whether it is whole.

A directory made by a rule holds ``artifact.json``. Its **version** is a digest over the kind, the parameters, the
code that ran and the versions of the inputs: known before the work starts and the same on every machine. The sha256
of every file is recorded beside it: a job refuses inputs that are no longer what was written, `verify` finds them.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from trifold import log
from trifold.errors import InputError

RECORD = "artifact.json"
OUTPUT_MARK = ".snakemake_timestamp"  # Snakemake writes it into a folder that is an output as a whole
MADE = "results"  # folder of all that rules make; every artifact in it has a record
SCHEMA_VERSION = 1
FIELDS = {
    *("kind", "schema_version", "version", "parameters", "code", "inputs", "seed", "sources", "files", "packages"),
    *("created", "host"),
}
# Fields that early records lack: warnings logged while the artifact was made, and where a model was trained.
OPTIONAL_FIELDS = {"warnings", "where"}
RECORD_DIGEST = "record_sha256"  # of all other fields of the record; records of early versions have none
REMEDY = "run `snakemake mend` and start again (a folder outside results: delete it; one of your own: copy it anew)"
# Subfolder of a model that people look at, TensorBoard's events: no job reads it.
FOR_PEOPLE = "tensorboard"
# Distributions whose version can change a number.
RECORDED_PACKAGES = [
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
    "transformers",
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


# ---------------------------------------------------------------- artifacts


def _digest_of_record(facts: dict) -> str:
    # JSON turns keys and values of other types (numbers as keys, paths) into text. The digest is taken after that, so
    # that it is the same for a record in memory and for one read from its file.
    facts = json.loads(json.dumps({key: value for key, value in facts.items() if key != RECORD_DIGEST}, default=str))
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_record(path: str | os.PathLike) -> dict:
    """The record of an artifact. Raises InputError for one that is not as it was written."""
    facts: dict = {}
    try:
        facts = json.loads(Path(path).read_text())
        whole = facts.keys() - {RECORD_DIGEST, *OPTIONAL_FIELDS} == FIELDS and facts.get(RECORD_DIGEST) in (
            None,
            _digest_of_record(facts),
        )
    except (AttributeError, OSError, ValueError):
        whole = False
    if not whole:
        raise InputError(f"{path}: the record is damaged; {REMEDY}")
    return facts


def damage(record: str | os.PathLike, left_out: str | None = None) -> dict[str, str]:
    """What is wrong with the files of an artifact, by name: "missing" or "changed"; empty if nothing is.

    left_out: a subfolder that is not looked at. Raises InputError where the record itself is damaged.
    """
    record, wrong = Path(record), {}
    for name, digest in read_record(record)["files"].items():
        if Path(name).parts[0] == left_out:
            continue
        path = record.parent / name
        if not path.is_file():
            wrong[name] = "missing"
        elif digest_file(path) != digest:
            wrong[name] = "changed"
    return wrong


def _origin(path: Path) -> Path:
    """The file in which `fetch` records what it downloaded: URL, size and checksums."""
    return path.with_name(f".{path.name}.origin.json")


def _changed_since_download(path: Path, digest: str) -> bool:
    origin = _origin(path)
    if not origin.exists():
        return False
    try:
        return json.loads(origin.read_text())["sha256"] != digest
    except (KeyError, TypeError, ValueError):
        return True


def input_version(path: str | os.PathLike) -> str:
    """Version of the artifact a file belongs to; a file outside any artifact is its own sha256.

    An artifact that shares its folder with others is named by its record. All its files but those for people are read
    and compared with the record, for a job may read them all, those of an environment's subfolders too. Raises
    InputError for an artifact that is damaged or has lost its record, or a download that changed.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    record = path if path.name.endswith(RECORD) else folder / RECORD
    if not record.exists():
        if path.parts[:1] == (MADE,):
            raise InputError(f"{folder}: its record ({record.name}) is missing; delete the folder and start again")
        digest = digest_file(path)
        if _changed_since_download(path, digest):
            raise InputError(f"{path}: is not what was downloaded; delete it and start again: it is fetched anew")
        return digest[:12]
    if wrong := [f"{name} is {problem}" for name, problem in damage(record, FOR_PEOPLE).items()]:
        raise InputError(f"{record.parent}: damaged since it was made: {', '.join(wrong)}; {REMEDY}")
    return read_record(record)["version"]


class Made(NamedTuple):
    """What an artifact is made of, and all that its version depends on."""

    kind: str
    parameters: dict
    code: str
    inputs: dict[str, str]  # path -> version


def version_of(made: Made) -> str:
    """Version of an artifact: a digest of what determines it."""
    facts = {
        "kind": made.kind,
        "schema": SCHEMA_VERSION,
        "parameters": made.parameters,
        "code": made.code,
        # Paths stay out: the same data elsewhere is the same version.
        "inputs": sorted(made.inputs.values()),
    }
    return digest_text(json.dumps(facts, sort_keys=True, default=str))


def _package_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


class Folder(type(Path())):
    """The folder a rule writes to until it is complete; `version`: of the finished artifact, `made`: what it is of."""

    version: str
    made: Made


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
    where: dict | None = None,
    record: str = RECORD,
) -> Iterator[Folder]:
    """Make an artifact: yields an empty folder beside `folder`; its files move into `folder` when the block ends.

    Nothing half-written ever carries a final name: files are renamed one by one, ``artifact.json`` last. If the
    block raises, the folder beside is removed and the exception goes on. Files written as subfolders keep them.
    Artifacts that share a folder have a `record` each, <name>.artifact.json. Warnings that are logged in the block go
    into the record, and so does `where` (workers, devices, ...); the version depends on neither.
    """
    folder = Path(folder)
    made = Made(kind, parameters, code, {str(path): input_version(path) for path in inputs})
    partial = Folder(folder.parent / f".{folder.name}{record.removesuffix(RECORD)}.partial")
    partial.made, partial.version = made, version_of(made)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with log.kept() as warnings:
            yield partial
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        facts = {
            **made._asdict(),
            "schema_version": SCHEMA_VERSION,
            "version": partial.version,
            "seed": seed,
            "sources": sources or [],
            "files": {str(path.relative_to(partial)): digest_file(path) for path in files},
            "packages": _package_versions(),
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "host": platform.node(),
            "warnings": warnings,
            **({"where": where} if where else {}),
        }
        facts[RECORD_DIGEST] = _digest_of_record(facts)
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


def _records(root: Path) -> list[Path]:
    """Records below a folder, but for those of artifacts that are being made (folders that start with a dot)."""
    records = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        records += [Path(folder, name) for name in names if name.endswith(RECORD) and not name.startswith(".")]
    return sorted(records)


def manifest(root: str | os.PathLike) -> list[dict]:
    """Every artifact below a folder, by path: `folder` (relative), `record` (its name) and what the record says; early
    records have no warnings.

    The record of the manifest itself, which lies in the folder, is left out.
    """
    root = Path(root)
    return [
        {"folder": str(path.parent.relative_to(root)), "record": path.name, "warnings": [], **read_record(path)}
        for path in _records(root)
        if path.parent != root
    ]


# ---------------------------------------------------------------- damaged and missing artifacts


class Damaged(NamedTuple):
    """An artifact or a download that is no longer what it was."""

    name: str
    what: str
    paths: list[Path]  # what has to go, for it to be made again


def _files_of(record: Path) -> set[Path] | None:
    """A record and the files it lists; None where it cannot be read."""
    try:
        return {record, *(record.parent / name for name in read_record(record)["files"])}
    except InputError:
        return None


def _artifact_paths(record: Path) -> list[Path]:
    """Files of an artifact; where its record is damaged or gone, the files beside it that no other record lists."""
    if (listed := _files_of(record)) is None:
        if not record.parent.is_dir():
            return []
        beside = record.parent.glob(f"*{RECORD}")
        claimed = {path for neighbour in beside for path in _files_of(neighbour) or ()}
        listed = {
            path
            for path in record.parent.iterdir()
            if path.is_file() and path not in claimed and not path.name.startswith(".")
        }
    if (mark := record.with_name(OUTPUT_MARK)).exists():
        listed.add(mark)
    return sorted(listed)


def _name(record: Path) -> str:
    """What an artifact is called: its folder, or its record where several artifacts share a folder."""
    return str(record.parent if record.name == RECORD else record)


def _damaged_artifact(record: Path) -> Damaged | None:
    try:
        problem = ", ".join(f"{file} is {state}" for file, state in damage(record).items())
    except InputError:
        problem = "its record is damaged"
    return Damaged(_name(record), problem, _artifact_paths(record)) if problem else None


def _expected(root: Path, records: list[Path]) -> tuple[set[Path], set[Path]]:
    """Records that must exist, as the manifest and the inputs of other records name them; and inputs outside `root`."""
    expected, elsewhere = set(), set()
    try:
        listed = json.loads((root / "manifest.json").read_text())
        expected |= {root / entry["folder"] / entry["record"] for entry in listed}
    except (KeyError, OSError, TypeError, ValueError):
        pass  # there is no manifest yet, or it is of an early version, or damaged
    for record in records:
        try:
            inputs = map(Path, read_record(record)["inputs"])
        except InputError:
            continue
        for path in inputs:
            if not path.is_relative_to(root):
                elsewhere.add(path)
            elif path.name.endswith(RECORD):
                expected.add(path)
            else:
                expected.add((path if path.is_dir() or not path.suffix else path.parent) / RECORD)
    return expected, elsewhere


def verify(root: str | os.PathLike) -> tuple[list[Damaged], list[str]]:
    """Read all that was made below a folder, and the downloads it was made from, and compare with what was recorded.

    Returns what is damaged, and what is not there at all any more (an intermediate that was deleted; a file of one's
    own that was moved): what was made from it is not affected.
    """
    root, absent = Path(root), []
    records = _records(root)
    damaged = [entry for entry in map(_damaged_artifact, records) if entry]
    expected, elsewhere = _expected(root, records)
    for record in sorted(expected.difference(records)):
        if paths := _artifact_paths(record):
            damaged.append(Damaged(_name(record), "its record is missing", paths))
        else:
            absent.append(_name(record))
    for path in sorted(elsewhere):
        if not path.exists():
            absent.append(str(path))
        elif path.is_file() and _origin(path).exists() and _changed_since_download(path, digest_file(path)):
            damaged.append(Damaged(str(path), "it is not what was downloaded", [path, _origin(path)]))
    return damaged, absent


def remove(damaged: Iterable[Damaged]) -> None:
    """Delete what is damaged, the whole artifact each time, and folders that it leaves empty."""
    for entry in damaged:
        for path in entry.paths:
            path.unlink(missing_ok=True)
        # Where the folder itself is an output, Snakemake would take an empty one for made.
        for folder in sorted({path.parent for path in entry.paths}, reverse=True):
            with suppress(OSError):
                folder.rmdir()
