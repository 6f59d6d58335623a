"""Data flows one way: each room of the package imports only the rooms below it, and the package knows no Snakemake."""

import ast
import subprocess
import sys

import pytest

# Highest first, as in docs/architecture.md; rooms on one line do not know each other.
FLOORS = [
    {"papers"},
    {"cli"},
    {"api"},
    {"compare"},
    {"report"},
    {"keep_windows"},
    {"evaluate", "score_windows", "score_pairs", "loops"},
    {"inference"},
    {"training"},
    {"models"},
    {"programs"},
    {"data"},
    {"metrics", "simulate", "portals"},
    {"checks"},
    {"io"},
    {"plan"},
    {"arm", "architectures", "settings", "tasks"},
    {"loss_terms"},
    {"config", "provenance", "code", "genome"},
    {"log"},
    {"errors"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ([node.module] if node.module != "trifold" else [f"trifold.{a.name}" for a in node.names])


def test_each_room_imports_only_rooms_below(repository):
    package = repository / "trifold"
    upward = []
    for path in package.rglob("*.py"):
        own = path.relative_to(package).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for name in imports(path):
            assert not name.startswith("snakemake"), f"{path.name} imports Snakemake"
            if name.startswith("trifold."):
                room = name.split(".")[1]
                if room != own and FLOOR[room] <= FLOOR[own]:
                    upward.append(f"{path.relative_to(package)} -> {room}")
    assert upward == []


@pytest.mark.parametrize("room", ["arm", "architectures", "checks", "plan", "tasks"])
def test_what_every_job_comes_through_loads_no_torch(repository, room):
    """The Snakefile imports it at every start; what of a network it needs, it reads from the source."""
    code = f"import sys, trifold.{room}; print(sorted({{'torch', 'lightning', 'numpy', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_spine_knows_no_paper(repository):
    """Nothing but a paper's folder, its modules and its tests names it; what is left is named here."""
    papers = [path.parent.name for path in (repository / "papers").glob("*/rules.smk")]
    assert len(papers) >= 3
    named = set()
    for folder in ("rules", "workflow_scripts", "trifold/report"):
        for path in (repository / folder).rglob("*.*"):
            if path.suffix in (".smk", ".py", ".j2") and any(paper in path.read_text() for paper in papers):
                named.add(path.relative_to(repository).as_posix())
    assert named == {"trifold/report/tables.py"}  # a form of SCC is called after its paper


def test_scripts_are_short_and_one_per_rule(repository):
    """main() unpacks, calls the package once and writes; every script belongs to a rule and back."""
    rules = "\n".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    for folder in (repository / "papers").iterdir():
        own = "\n".join(path.read_text() for path in folder.glob("*.smk"))
        rules += own.replace("../../workflow_scripts", "../workflow_scripts")
        assert all(f'"{path.name}"' in own for path in folder.glob("*.py")), folder.name
    scripts = [*(repository / "workflow_scripts").glob("*.py"), *(repository / "papers").glob("*/*.py")]
    for path in scripts:
        assert path.parent.name != "workflow_scripts" or f'"../workflow_scripts/{path.name}"' in rules, path.name
        main = next(n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef) and n.name == "main")
        assert main.end_lineno - main.lineno <= 50, path.name


def test_rule_files_are_short(repository):
    files = [repository / "Snakefile", *(repository / "rules").glob("*.smk"), *(repository / "papers").glob("*/*.smk")]
    assert [path.name for path in files if len(path.read_text().splitlines()) > 200] == []
