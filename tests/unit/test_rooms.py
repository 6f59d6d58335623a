"""Data flows one way: each room of the package imports only the rooms below it, and the package knows no Snakemake."""

import ast
import re
import subprocess
import sys

import pytest

# Highest first, as in docs/architecture.md; rooms on one line do not know each other.
FLOORS = [
    {"papers"},
    {"cli"},
    {"api"},
    {"advice", "differences", "score_files"},
    {"report"},
    {"ceiling", "keep_windows", "structure"},
    {"evaluate", "score_windows", "score_pairs", "loops"},
    {"inference"},
    {"training"},
    {"models"},
    {"programs", "simulate"},
    {"data"},
    {"metrics", "portals"},
    {"checks"},
    {"io"},
    {"plan"},
    {"arm", "architectures", "settings", "tasks"},
    {"loss_terms"},
    {"config", "provenance", "code", "genome", "device"},
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


def test_the_rooms_are_listed_in_the_order_of_imports(repository):
    """docs/architecture.md: every room, the highest first; those of one floor in any order."""
    page = (repository / "docs/architecture.md").read_text()
    table = page[page.index("| room (highest first)") : page.index("## Settings")]
    cells = [row.split(" | ")[0] for row in table.splitlines()[2:]]
    listed = [room for cell in cells for room in re.findall(r"`(?:trifold/)?(\w+?)(?:/|\.py)?`", cell)]
    assert sorted(listed) == sorted(FLOOR)
    assert [FLOOR[room] for room in listed] == sorted(FLOOR.values())


@pytest.mark.parametrize("room", ["arm", "architectures", "checks", "plan", "tasks"])
def test_what_every_job_comes_through_loads_no_torch(repository, room):
    """The Snakefile imports it at every start; what of a network it needs, it reads from the source."""
    code = f"import sys, trifold.{room}; print(sorted({{'torch', 'lightning', 'numpy', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Words of the spine that are named after a paper, by the file that may hold them: a form of SCC, variants of two data
# steps, and the page of the docs that lists what a network departs from.
NAMED_AFTER_A_PAPER = {
    "trifold/config.py": {"kriukov2021", "lau2025"},
    "trifold/data/normalise.py": {"kriukov2021", "lau2025"},
    "trifold/evaluate.py": {"scc_kriukov2021"},
    "trifold/metrics/aggregate.py": {"scc_kriukov2021"},
    "trifold/metrics/scc.py": {"kriukov2021", "kriukov2021_bands", "scc_kriukov2021"},
    "trifold/models/mixhic.py": {"mixhic2025"},
    "trifold/report/tables.py": {"scc_kriukov2021"},
    "trifold/score_windows.py": {"scc_kriukov2021"},
}


def test_the_spine_knows_no_paper(repository):
    """Nothing but a paper's folder, its modules and its tests names it; what is left is listed above."""
    papers = [path.parent.name for path in (repository / "papers").glob("*/rules.smk")]
    assert len(papers) >= 3
    word = re.compile(rf"\w*(?:{'|'.join(papers)})\w*")
    named = {}
    for folder in ("Snakefile", "rules", "workflow_scripts", "trifold"):
        for path in [repository / folder, *(repository / folder).rglob("*")]:
            place = path.relative_to(repository)
            if not path.is_file() or "__pycache__" in place.parts or place.is_relative_to("trifold/papers"):
                continue
            if words := set(word.findall(path.read_text())):
                named[place.as_posix()] = words
    assert named == NAMED_AFTER_A_PAPER


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
