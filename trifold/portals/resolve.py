"""datasets.tsv -> datasets.lock.tsv: asks the portal of every row that has one, and refuses files that changed."""

import csv
import datetime
import logging
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

from trifold.errors import InputError
from trifold.portals import encode, fourdn, lock, ncbi, plain, ucsc, zenodo
from trifold.portals.lock import Found, Line
from trifold.portals.web import Pace, Web

logger = logging.getLogger(__name__)

PORTALS = {"4dn": fourdn, "encode": encode, "ncbi": ncbi, "ucsc": ucsc, "zenodo": zenodo, "url": plain}
AT_ONCE = 8  # rows asked for at once; the pace of each portal holds over all of them


def bases_of(text: str) -> dict[str, str]:
    """portal -> base address, from "portal=address" words (TRIFOLD_PORTALS), for a test server or a proxy."""
    bases = {name: address for name, _, address in (word.partition("=") for word in text.split())}
    if strange := sorted(set(bases) - set(PORTALS)):
        raise InputError(f"TRIFOLD_PORTALS: {', '.join(strange)} is no portal; they are {', '.join(PORTALS)}")
    return {name: address.rstrip("/") for name, address in bases.items()}


def _changes(row: dict, files: list[Found], old: list[Line]) -> list[str]:
    """How the portal's files differ from the lock and from what the row states; sentences."""
    before, now = {line.file: asdict(line) for line in old}, {file.file: asdict(file) for file in files}
    shared = sorted(before.keys() & now)
    changes = [f"{name}: {change}" for name in shared for change in lock.differences(before[name], now[name])]
    if before and before.keys() != now.keys():
        changes.append(f"the files were {', '.join(sorted(before))}, are {', '.join(sorted(now))}")
    for file in files:
        stated = {**{name: row[name] for name in ("bytes", "sha256", "md5")}, "part": ""}
        changes += [f"datasets.tsv: {change}" for change in lock.differences(stated, asdict(file))]
        if file.assembly and row["assembly"] and file.assembly != row["assembly"]:
            changes.append(f"datasets.tsv: assembly {row['assembly']} -> {file.assembly}")
    return changes


def resolve_row(row: dict, old: list[Line], web: Web, bases: dict[str, str]) -> list[Line]:
    """Lines of one row; where nothing but the time changed, the old line. Raises InputError.

    old  the row's lines in the lock
    """
    portal = PORTALS[row["portal"]]
    try:
        files = portal.resolve(row, web, bases.get(row["portal"], portal.BASE), old)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise InputError(
            f"{row['file']}: the {row['portal']} portal answers in an unknown form ({error!r}); fetch the file "
            "by hand and write its bytes and checksum into datasets.tsv"
        ) from error
    if changes := _changes(row, files, old):
        raise InputError(
            f"{row['file']}: the portal has changed it: {'; '.join(changes)}. If that is right, delete its lines in "
            "datasets.lock.tsv (and correct its row in datasets.tsv), and run `snakemake resolve` again"
        )
    retrieved = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    before = {line.file: line for line in old}
    lines = [Line(dataset=row["file"], retrieved=retrieved, **asdict(file)) for file in files]
    for line in lines:
        if line.status not in ("", "released", "current"):
            logger.warning("%s: %s: its status at the portal is %r", row["file"], line.file, line.status)
    return [
        before[line.file]
        if line.file in before and replace(before[line.file], retrieved=line.retrieved) == line
        else line
        for line in lines
    ]


def resolve(
    rows: Iterable[dict], lines: Iterable[Line], web: Web, bases: dict[str, str] | None = None
) -> tuple[list[Line], list[str]]:
    """Lines of the new lock, and failures (sentences): a row that fails keeps its old lines, and the others go on."""
    portal_rows = [row for row in rows if row["portal"]]
    old = {row["file"]: [line for line in lines if line.dataset == row["file"]] for row in portal_rows}

    def lines_of(row: dict) -> tuple[list[Line], str]:
        try:
            new = resolve_row(row, old[row["file"]], web, bases or {})
        except InputError as error:
            return old[row["file"]], str(error) if row["file"] in str(error) else f"{row['file']}: {error}"
        logger.info("%s: %s", row["file"], ", ".join(f"{line.file} {line.bytes} bytes" for line in new))
        return new, ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lines_of, portal_rows))
    return [line for new, _ in answers for line in new], [failure for _, failure in answers if failure]


def update(
    table: str | os.PathLike, path: str | os.PathLike, web: Web | None = None, bases: dict[str, str] | None = None
) -> None:
    """Bring the lock `path` in step with the table of data sets; what resolved is written even if other rows failed.

    Raises InputError that lists the failures, or the names two rows give one file.
    """
    with open(table, newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    lines, failures = resolve(rows, lock.read(path), web or Web(pace=Pace()), bases)
    names = [line.file for line in lines]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{table}: several rows resolve to {', '.join(twice)}; keep one of them")
    lock.write(path, lines)
    if failures:
        raise InputError(f"{len(failures)} rows could not be resolved\n" + "\n".join(failures))
