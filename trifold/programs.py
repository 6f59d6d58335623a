"""Programs of others as arms: a command in an environment of its own that yields a map or a list of loops.

A program is a folder `programs/<name>/` with `program.yaml` (`trifold.architectures`) and whatever it brings. It is run
without a shell; its command names what it reads and writes in braces:

    {map}      the map it reads, a balanced .cool: of the task maps the low map, of the task loop the deep one
    {loops}    of the task loop: BEDPEs of loops that an experiment has seen, joined as paths of PATH are, for a program
               that learns from them
    {out}      what it must write: of the task maps a .cool of bins of {bin_bp}, of the task loop a BEDPE
    {folder}   its own folder; {threads}, {bin_bp}; and its options by their names

requirements, a file of its folder, is what pip installs into the environment; without it the workflow's own is used.
Where it is `complete`, pip adds nothing that the packages ask for themselves.
"""

import logging
import os
import shlex
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cooler
import numpy as np

from trifold.data import contacts
from trifold.data.balance import BALANCE
from trifold.errors import InputError
from trifold.io.cool import Pixels, open_map, predicted_weight, read_pixels, write_cool
from trifold.io.formats import write_formats

log = logging.getLogger(__name__)

# Of what a program printed, as much as an error can hold.
SAID = 600


def install(folder: Path, requirements: Path, place: Path, complete: bool = False) -> None:
    """A Python environment in `folder` with what a file of requirements names; `place` is where it will lie.

    complete: the file names everything, and nothing that its packages ask for is added.
    """
    folder = folder.absolute()
    venv.create(folder, with_pip=True)
    words = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "-r", str(requirements)]
    words += ["--no-deps"] if complete else []
    _run(words, os.environ, str(requirements))
    # Commands name the interpreter by its path, which is another one once the folder is in place.
    for path in (folder / "bin").iterdir():
        if path.is_file() and not path.is_symlink():
            path.write_bytes(path.read_bytes().replace(bytes(folder.absolute()), bytes(place.absolute())))


def run(
    command: str,
    *,
    program: str | os.PathLike,
    environment: Path | None,
    map_path: str | os.PathLike,
    out: Path,
    options: dict,
    bin_bp: int,
    threads: int,
    loops: Sequence[str | os.PathLike] = (),
) -> None:
    """Run a program's command; it must have written `out`. The command sees absolute paths.

    program: its folder; environment: that of `install`, None: the workflow's own; loops: BEDPEs of those seen. Raises
    InputError for a command that names what is not there, that cannot be started or fails, and for one that writes
    nothing.
    """
    paths = {"map": map_path, "out": out, "folder": program}
    named = {name: Path(path).absolute() for name, path in paths.items()}
    seen = {"loops": os.pathsep.join(str(Path(path).absolute()) for path in loops)} if loops else {}
    named |= {**seen, "threads": threads, "bin_bp": bin_bp, **options}
    try:
        words = [word.format(**named) for word in shlex.split(command)]
    except (AttributeError, KeyError, IndexError, ValueError) as error:
        known = ", ".join(f"{{{name}}}" for name in named)
        raise InputError(f"{program}/program.yaml: command: {error} is not known; it may name {known}") from error
    path = Path(environment or sys.prefix).absolute() / "bin"
    variables = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": str(threads)}
    _run(words, variables, f"{program}/program.yaml: command")
    if not out.is_file():
        raise InputError(f"{program}/program.yaml: command: it ended well and wrote no {{out}}; correct the command")


def _run(words: list[str], environment: Mapping[str, str], said_by: str) -> None:
    try:
        done = subprocess.run(
            words,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise InputError(
            f"{said_by}: {words[0]} cannot be started ({error.strerror}); name it in the program's requirements, or "
            "install it"
        ) from error
    for line in done.stdout.splitlines():
        log.info("%s: %s", Path(words[0]).name, line)
    if done.returncode:
        raise InputError(
            f"{said_by}: {' '.join(words)} ended with code {done.returncode}: {done.stdout[-SAID:].strip()}"
        )


def keep_map(
    made: Path,
    out: Path,
    *,
    bin_bp: int,
    chromsizes: dict[str, int],
    balance: dict,
    facts: dict,
    assembly: str,
    threads: int = 1,
    formats: Sequence[str] = ("mcool",),
) -> None:
    """A map that a program made, as the workflow's own predictions are: map.cool and map.<format> in the folder `out`.

    Contacts are balanced first; values that are none any more (not whole numbers, with a column weight) are taken as
    they are. facts: what the files say of where they come from. Raises InputError for other bins or chromosomes than
    those of the map it was made from.
    """
    if bin_bp not in (present := contacts.resolutions(made)):
        raise InputError(f"{made}: has bins of {sorted(present)} bp, and {bin_bp} bp are wanted; correct the command")
    with TemporaryDirectory() as folder:
        read, path = Path(folder) / "read.cool", Path(folder) / "map.cool"
        contacts.prepare_or_copy(made, read, bin_bp, chromsizes, balance=balance, threads=threads)
        if contacts.open_raw(read, bin_bp).chromsizes != chromsizes:
            raise InputError(f"{made}: has other chromosomes than the map it was made from; correct the command")
        contacts.copy(read, path, bin_bp, chromsizes)
        clr = open_map(path)
        weight, metadata = clr.bins()["weight"][:].to_numpy(), {"trifold": {**facts, "scale": "balanced"}}
        known = np.where(np.isfinite(weight), 1.0, np.nan)
        weight_facts = predicted_weight({**BALANCE, **balance}["ignore_diags"])
        balanced = _balanced(clr, weight)
        write_cool(out / "map.cool", chromsizes, bin_bp, balanced, known, metadata, assembly, weight_facts=weight_facts)
    write_formats(out / "map.cool", formats, metadata, assembly)


def _balanced(clr: cooler.Cooler, weight: np.ndarray) -> Iterator[Pixels]:
    """Pixels of a map on the balanced scale, those of missing bins left out."""
    for chunk in read_pixels(clr):
        values = chunk["count"] * weight[chunk["bin1_id"]] * weight[chunk["bin2_id"]]
        good = np.isfinite(values)
        yield {"bin1_id": chunk["bin1_id"][good], "bin2_id": chunk["bin2_id"][good], "count": values[good]}
