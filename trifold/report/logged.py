"""Warnings that were logged while the artifacts of an experiment were made, from their records."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from trifold.provenance import RECORD, read_record


class Logged(NamedTuple):
    """One artifact, by its folder below the experiment's, and what was logged while it was made."""

    folder: str
    messages: list[str]


def warnings(paths: Iterable[str | Path], root: str | Path) -> list[Logged]:
    """Warnings of the artifacts that these files belong to and of all that those were made from, by folder.

    root: the experiment's folder; artifacts elsewhere are left out. Only artifacts that the files were made from are
    read, because the page is made again only when these change.
    """
    root, records = Path(root), {}
    left = [Path(path) for path in paths]
    while left:
        record = _record_of(left.pop())
        if record in records or not record.is_relative_to(root) or not record.exists():
            continue
        records[record] = read_record(record)
        left += map(Path, records[record]["inputs"])
    messages = {_name(record, root): facts.get("warnings", []) for record, facts in records.items()}
    return [Logged(folder, messages[folder]) for folder in sorted(messages) if messages[folder]]


def _record_of(path: Path) -> Path:
    """The record of the artifact a file or folder belongs to."""
    if path.name.endswith(RECORD):
        return path
    return (path if path.is_dir() else path.parent) / RECORD


def _name(record: Path, root: Path) -> str:
    """The folder of an artifact, or its record where several artifacts share the folder."""
    return str((record.parent if record.name == RECORD else record).relative_to(root))
