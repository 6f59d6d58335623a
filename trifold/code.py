"""Which code made a result: a digest over a workflow script and the package code it reaches by import.

Snakemake notices edits of a script, but not of the modules it imports. The digest is a parameter of the rule, so an
edited module changes the parameter and the rule runs again.
"""

import ast
import json
import os
import sys
from collections.abc import MutableMapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGE = Path(__file__).parent.name
# Modules that log and record a result: they do not make it.
UNCOUNTED = ("log.py", "provenance.py", "errors.py", "code.py")


def find_package(environment: MutableMapping[str, str]) -> None:
    """Put this package on PYTHONPATH: scripts of jobs run in other processes, started in any folder."""
    folders = [folder for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]
    if str(ROOT) not in folders:
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *folders])


class Source(NamedTuple):
    """A source file as versions see it: the package's modules that it imports, and the digest of its syntax tree."""

    imports: list[str]
    digest: str


def _read(text: str) -> Source:
    tree, names = ast.parse(text), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    package_names = sorted({name for name in names if name.split(".")[0] == PACKAGE})
    # A digest of the syntax tree, not of the bytes: a comment or a blank line changes no version.
    return Source(package_names, sha256(ast.dump(tree).encode()).hexdigest()[:12])


class _SourceCache:
    """Sources that were parsed before, by their sha256: every start of Snakemake asks for all of them.

    Stored beside Python's bytecode, a file for every version of Python. Where the file cannot be written, sources are
    parsed again.
    """

    def __init__(self):
        self.path = ROOT / PACKAGE / "__pycache__" / f"sources.{sys.implementation.cache_tag}.json"
        self.new = False
        try:
            self.sources = {key: Source(*facts) for key, facts in json.loads(self.path.read_text()).items()}
        except (AttributeError, OSError, TypeError, ValueError):
            self.sources = {}

    def source(self, path: Path) -> Source:
        text = path.read_text()
        key = sha256(text.encode()).hexdigest()
        if key not in self.sources:
            self.sources[key], self.new = _read(text), True
        return self.sources[key]

    def save(self) -> None:
        if not self.new or sys.dont_write_bytecode:
            return
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(exist_ok=True)
            beside.write_text(json.dumps(self.sources))
            os.replace(beside, self.path)
        except OSError:
            return
        self.new = False


@cache
def _source_cache() -> _SourceCache:
    return _SourceCache()


@cache
def _source(path: Path) -> Source:
    return _source_cache().source(path)


def _path_of_module(name: str) -> Path | None:
    stem = ROOT / name.replace(".", "/")
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.exists():
            return path
    return None


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Files of the package that a file imports by name, with the __init__ files of the folders above them."""
    files = set()
    for name in _source(path).imports:
        parts = name.split(".")
        files |= {_path_of_module(".".join(parts[:depth])) for depth in range(1, len(parts) + 1)}
    return frozenset(files - {None})


def modules_of(*sources: Path) -> set[Path]:
    """Files of the package that `sources` reach by import, directly or through other files of the package."""
    reached: set[Path] = set()
    todo = list(sources)
    while todo:
        new = _imports(todo.pop()) - reached
        reached |= new
        todo.extend(new)
    return reached


@cache
def code_version(script: str, *modules: str) -> str:
    """Digest of a script and of the package code it reaches; a rule's `params` carry it.

    script: its name in `workflow_scripts/`, or with a slash its path in the repository (papers/<key>/<name>.py).
    modules: those that the script loads by name, such as the network of an arm.
    Modules of `UNCOUNTED`, and the package's __init__, are left out.
    """
    source = ROOT / (script if "/" in script else f"workflow_scripts/{script}")
    loaded = [path for name in modules if (path := _path_of_module(name))]
    paths = [*sorted({*modules_of(source, *loaded), *loaded}), source]
    face = ROOT / PACKAGE / "__init__.py"  # version number and public names
    counted = [
        f"{path.relative_to(ROOT)} {_source(path).digest}"
        for path in paths
        if path.name not in UNCOUNTED and path != face
    ]
    _source_cache().save()
    return sha256("\n".join(counted).encode()).hexdigest()[:12]
