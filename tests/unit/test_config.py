"""Schema, defaults, dataclasses and environments say the same thing."""

import re
import tomllib
from dataclasses import fields

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from trifold import config as settings


@pytest.fixture(scope="module")
def schema(repository):
    return yaml.safe_load((repository / "resources/schemas/config.schema.yaml").read_text())


@pytest.fixture(scope="module", params=["the spine", "kriukov2021", "lau2025", "mixhic2025"])
def any_schema(repository, schema, request):
    """The schema, or that of a paper's section."""
    path = repository / "papers" / request.param / "schema.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else schema


def twice(node):
    """Keys that a mapping of a YAML document holds more than once."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from sorted({key for key in keys if keys.count(key) > 1})
        for _, value in node.value:
            yield from twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from twice(value)


def test_no_file_says_a_key_twice(repository):
    """YAML takes the last one without a word."""
    folders = ("experiments", "papers", "profiles", "programs", "resources", "envs", "tests/workflow", ".github")
    files = [repository / "config.yaml"]
    files += [path for folder in folders for path in (repository / folder).rglob("*.y*ml")]
    assert len(files) > 20
    found = {path: list(twice(yaml.compose(path.read_text()))) for path in files}
    assert {path: keys for path, keys in found.items() if keys} == {}


@pytest.mark.parametrize(
    "kind, path",
    [
        (settings.Geometry, ["geometry"]),
        (settings.Training, ["training"]),
        *[(settings.Recipes, ["recipes", protocol]) for protocol in ("corrected", "published")],
        *[(settings.OERecipe, ["recipes", protocol, "oe"]) for protocol in ("corrected", "published")],
        *[(settings.ObservedRecipe, ["recipes", protocol, "observed"]) for protocol in ("corrected", "published")],
        *[(settings.CountsRecipe, ["recipes", protocol, "counts"]) for protocol in ("corrected", "published")],
        (settings.Scoring, ["evaluate", "scoring"]),
    ],
)
def test_dataclasses_have_the_fields_of_the_schema(schema, kind, path):
    node = schema
    for name in path:
        node = node["properties"][name]
    assert {field.name for field in fields(kind)} == set(node["properties"])
    assert node["additionalProperties"] is False


def test_degradation_has_the_fields_and_defaults_of_the_schema(schema):
    properties = schema["properties"]["degradations"]["additionalProperties"]["properties"]
    defaults = {field.name: field.default for field in fields(settings.Degradation)}
    assert defaults == {name: node["default"] for name, node in properties.items()}


def walk(node, path=""):
    for name, child in node.get("properties", {}).items():
        yield f"{path}/{name}", child
        yield from walk(child, f"{path}/{name}")
    if isinstance(node.get("additionalProperties"), dict):
        yield from walk(node["additionalProperties"], f"{path}/*")


def test_every_key_is_described(any_schema):
    nodes = [*walk(any_schema), *(("$defs/" + name, node) for name, node in any_schema.get("$defs", {}).items())]
    undescribed = [path for path, node in nodes if "description" not in node and "$ref" not in node]
    assert undescribed == []


def test_defaults_satisfy_their_own_schema(any_schema):
    for path, node in walk(any_schema):
        if "default" in node and node.get("type") != "object":
            jsonschema.validate(node["default"], {**node, "$defs": any_schema.get("$defs", {})}), path


def test_unknown_field_is_refused():
    with pytest.raises(KeyError, match="thinn"):
        settings.from_dict(settings.Degradation, {"thinn": 2})


def pins_of(path):
    lines = path.read_text().splitlines()
    return dict(line.split("==") for line in lines if line.strip() and not line.startswith("#"))


def test_environments_keep_the_pins_of_the_lock(repository):
    pins = pins_of(repository / "constraints.txt") | pins_of(repository / "requirements-embed.txt")
    for path in sorted((repository / "envs").glob("*.yaml")):
        for requirement in yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]:
            name, version = requirement.split("==")
            assert pins[name] == version, f"{path.name}: {name}"


def test_what_runs_language_models_is_no_part_of_the_lock(repository):
    """It stands beside it: no version is said twice, and the optional extra allows the pinned one."""
    lock, beside = (pins_of(repository / name) for name in ("constraints.txt", "requirements-embed.txt"))
    assert not {canonicalize_name(name) for name in beside} & {canonicalize_name(name) for name in lock}
    extras = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (wanted,) = (Requirement(line) for line in extras["embed"])
    assert beside[wanted.name] in wanted.specifier


def test_every_requirement_is_locked(repository):
    lines = (repository / "constraints.txt").read_text().split()
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    text = (repository / "requirements.txt").read_text()
    wanted = [Requirement(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert [one.name for one in wanted if canonicalize_name(one.name) not in pins] == []
    assert [one.name for one in wanted if pins[canonicalize_name(one.name)] not in one.specifier] == []
    assert "torch==2.13.0" in text


def test_every_job_of_a_cluster_says_what_it_needs(repository):
    """A rule with a script that is sent to a scheduler names memory and time."""
    silent, asked = [], 0
    for path in sorted([*(repository / "rules").glob("*.smk"), *(repository / "papers").glob("*/*.smk")]):
        for rule in re.split(r"^(?=rule |use rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in rule and "localrule: True" not in rule:
                asked += 1
                silent += [rule.split(":")[0]] if not re.search(r"mem_mb=.*\n\s+runtime=", rule) else []
    assert silent == []
    assert asked > 15


def test_the_container_takes_the_lock(repository):
    """One list of versions: the image installs what `make setup` installs, on the Python the environments name."""
    text = (repository / "Containerfile").read_text()
    assert "pip install --no-cache-dir -r requirements.txt -c constraints.txt" in text
    (base,) = re.findall(r"^FROM python:(\S+)-slim", text, flags=re.MULTILINE)
    for path in sorted((repository / "envs").glob("*.yaml")):
        assert f"python ={base}" in yaml.safe_load(path.read_text())["dependencies"], path.name
