"""The package as pip installs it: in an environment of its own, used from a folder that is no checkout."""

import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml

import trifold

COPIED = ("trifold", "setup.py", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(repository, tmp_path_factory):
    """A function that runs a program of a fresh environment, which sees what is installed here but this checkout."""
    folder = tmp_path_factory.mktemp("package")
    (source := folder / "source").mkdir()
    # A copy: building writes beside the sources.
    subprocess.run(["cp", "-r", *(repository / name for name in COPIED), source], check=True)
    (source / "resources").mkdir()
    subprocess.run(["cp", "-r", repository / "resources/models", source / "resources"], check=True)
    wheel = ["wheel", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-w", folder, source]
    subprocess.run([sys.executable, "-m", "pip", *wheel], check=True)
    venv.create(folder / "venv", with_pip=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")}))
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (elsewhere := folder / "elsewhere").mkdir()

    def run(program, *arguments):
        command = [folder / "venv/bin" / program, *arguments]
        return subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=True).stdout

    (built,) = folder.glob("*.whl")
    run("python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check", built)
    run.site = site
    return run


def test_d20_the_command_and_the_package_work(installed):
    assert "Commands:" in installed("trifold", "--help")
    assert installed("trifold", "--version").strip().endswith(trifold.__version__)
    assert "weights_deephic_raw_16.pth" in installed("trifold", "models")
    where = installed("python", "-c", "import trifold; print(trifold.__file__, callable(trifold.enhance))")
    assert where.split() == [str(installed.site / "trifold/__init__.py"), "True"]


def test_files_that_are_no_modules_come_with_it(installed, repository):
    templates = {path.name for path in (repository / "trifold/report/templates").iterdir()}
    assert {path.name for path in (installed.site / "trifold/report/templates").iterdir()} == templates


def test_the_models_come_with_it(installed, repository):
    listed = json.loads(installed("trifold", "models", "--json"))
    models = {path.name for path in (repository / "resources/models").iterdir() if path.is_dir()}
    assert {row["model"] for row in listed if row["file"].startswith(str(installed.site))} == models
    assert "trifold" in models
    assert (installed.site / "trifold/ready_made/trifold/card.md").is_file()


def test_the_version_stands_in_one_place(repository):
    assert yaml.safe_load((repository / "CITATION.cff").read_text())["version"] == trifold.__version__
    assert re.search(r'^dynamic = \["version"\]$', (repository / "pyproject.toml").read_text(), re.MULTILINE)


def test_everything_imported_is_a_dependency(repository):
    """Of the third parties that the package imports, pyproject.toml names every one."""
    import ast
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    named = {Requirement(line).name.lower() for line in project["dependencies"]}
    extras = project["optional-dependencies"]
    optional = {Requirement(line).name.lower() for name in ("workflow", "embed") for line in extras[name]}
    # For Enformer alone; its own list of needs is long, so no extra asks for it.
    optional |= {line.split("==")[0] for line in (repository / "requirements-embed.txt").read_text().splitlines()}
    called = {"yaml": "pyyaml", "PIL": "pillow", "sklearn": "scikit-learn", "enformer_pytorch": "enformer-pytorch"}
    imported = set()
    for path in (repository / "trifold").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    others = {called.get(name, name.lower()) for name in imported - set(sys.stdlib_module_names) - {"trifold"}}
    assert others - named <= optional, others - named
    assert named - others <= {"tensorboard"}, "lightning's logger imports it"
