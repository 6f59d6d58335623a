"""What those who host the project read: the public runner's steps and the workflow catalog's entry.

Neither can be run here, so the tests hold what can be compared with the repository: the form, the targets, the files.
"""

import re

import pytest
import yaml


@pytest.fixture(scope="module")
def runner(repository):
    return yaml.safe_load((repository / ".github/workflows/ci.yml").read_text())


@pytest.fixture(scope="module")
def commands(runner):
    return {
        job: [step["run"] for step in settings["steps"] if "run" in step] for job, settings in runner["jobs"].items()
    }


def test_the_runner_calls_the_targets_of_the_makefile(commands, repository):
    targets = set(
        re.findall(r"^([a-z-]+)(?= |:)[a-z0-9 -]*:(?!=)", (repository / "Makefile").read_text(), re.MULTILINE)
    )
    assert commands == {"lint": ["make lint"], "test": ["make test"], "demo": ["make demo"]}
    assert {command.removeprefix("make ") for steps in commands.values() for command in steps} <= targets


def test_the_runner_may_only_read(runner):
    assert runner["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in runner["jobs"].values())


def test_every_job_of_the_runner_has_a_limit_and_the_oldest_python(runner, repository):
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (repository / "pyproject.toml").read_text())[1]
    for name, job in runner["jobs"].items():
        assert job["timeout-minutes"] <= 60, name
        settings = next(
            step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/setup-python")
        )
        assert settings == {"python-version": oldest, "cache": "pip", "cache-dependency-path": "constraints.txt"}, name
        assert (repository / settings["cache-dependency-path"]).exists()


def test_actions_are_pinned_to_a_major(runner):
    used = [step["uses"] for job in runner["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []


def test_the_runner_takes_the_cpu_build_of_the_pinned_torch(runner, repository):
    assert runner["env"]["PIP_EXTRA_INDEX_URL"] == "${{ vars.PIP_EXTRA_INDEX_URL }}"
    pin = re.search(r"^torch==(\S+)$", (repository / "requirements.txt").read_text(), re.MULTILINE)[1]
    assert f"torch=={pin}" in (repository / ".github/workflows/ci.yml").read_text(), "the comment names the pin"


def test_the_demo_s_page_is_kept_from_where_make_says_it_lies(runner, repository):
    steps = runner["jobs"]["demo"]["steps"]
    page = next(step["with"]["path"] for step in steps if step.get("with", {}).get("name") == "demo-page")
    assert page in (repository / "Makefile").read_text()


def test_the_catalog_s_entry_has_the_keys_it_reads(repository):
    entry = yaml.safe_load((repository / ".snakemake-workflow-catalog.yml").read_text())
    assert set(entry) == {"usage"}
    assert set(entry["usage"]) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(entry["usage"]["mandatory-flags"]) == {"desc", "flags"}
    deployment = entry["usage"]["software-stack-deployment"]
    assert deployment["conda"] is bool(list((repository / "envs").glob("*.yaml")))
    assert not deployment["singularity"], "no rule names a container"
    assert entry["usage"]["report"] is True
    assert 'report: "' in (repository / "Snakefile").read_text()


def test_every_folder_of_tests_has_a_target(repository):
    text = (repository / "Makefile").read_text()
    folders = {path.parent for path in (repository / "tests").rglob("test_*.py")}
    named = {path.relative_to(repository / "tests").parts[0] for path in folders}
    assert {name for name in named if not re.search(rf"tests/{name}\b", text)} == set()
