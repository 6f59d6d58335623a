"""The settings of a run: config.yaml < arms of the papers that the experiment names < what was given.

An experiment inherits settings, never data. What a setting may be is said once, in the schema; here values are typed by
it, put together, refused or completed. Every start of Snakemake, so every job, comes through here: no import is slow.
"""

import copy
import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from trifold.errors import InputError

SCHEMA = "resources/schemas/config.schema.yaml"
# Who gives none of these gives settings only: the experiment is then the demo.
EXPERIMENT = ("experiment", "samples", "arms", "splits", "papers", "degradations")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"[+-]?(\d[\d_]*(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def complete(given: dict, folder: Path) -> dict:
    """Every setting of a run; sections in the order of the schema, entries that a user names in their own.

    given: what the files of --configfile and --config say, merged. There null removes an entry with a name of the
    user's own (a sample, an arm) that a file before it gave; it is a value where the schema has it, and as good as not
    given where nothing need be given.
    folder: the workflow's, with config.yaml, experiments/ and papers/. The section of a paper that is not named is
    a key that does not exist.
    Raises InputError in one line: the first thing that is wrong, where it stands, and what is right.
    """
    folder = Path(folder)
    base = {} if set(EXPERIMENT) & set(given) else _read(folder / "experiments/demo.yaml")
    papers = _typed((base or given).get("papers"), {"type": "array"}) or []
    papers = papers if isinstance(papers, list) else []  # what is no list is refused with everything else
    schema = read_schema(folder, papers)
    asked = _merged(_typed(base, schema), _typed(given, schema), schema)
    of_papers = _of_papers(papers, asked.get("size"), schema, folder)
    known = _arms_known(asked, of_papers, schema)
    asked = _merged(of_papers, asked, schema, first="arms")
    settings = _merged(_typed(_read(folder / "config.yaml"), schema), asked, schema, replace=True)
    settings = _without_absent(_without_nulls(settings, schema), of_papers.get("arms", {}))
    if problems := [*_unknown_keys(settings, schema), *_wrong_values(settings, schema)]:
        more = f" (and {len(problems) - 1} more)" if problems[1:] else ""
        raise InputError(f"config: {problems[0]}{more}")
    _refuse_unknown_arms(settings, known, schema)
    return _filled(settings, schema)


def read_schema(folder: Path, papers: Sequence[str] = ()) -> dict:
    """The schema, with what a `$ref` refers to in its place, marked `inherited`, and with the sections of `papers`.

    The section of a paper is `papers/<paper>/schema.yaml`; a paper without that file has none. Raises InputError for a
    paper that does not exist, or that is called like a section of every experiment.
    """
    folder = Path(folder)
    schema, known = _read(folder / SCHEMA), sorted(path.parent.name for path in (folder / "papers").glob("*/arms.yaml"))
    for paper in papers:
        if paper not in known:
            raise InputError(f"config: papers: {paper!r} is not one of {', '.join(known)}{_nearest(paper, known)}")
        if paper in schema["properties"]:
            raise InputError(f"papers/{paper}: {paper!r} is a setting of every experiment; rename the folder")
    for path in (folder / "papers" / paper / "schema.yaml" for paper in papers):
        if path.is_file():
            schema["properties"][path.parent.name] = _read(path)

    def resolved(node) -> Any:
        if isinstance(node, list):
            return [resolved(item) for item in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            target = schema
            for key in node["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            target = {key: value for key, value in target.items() if key != "default"}
            # A definition is only written once; what refers to a section inherits what is not given.
            inherited = {} if node["$ref"].startswith("#/$defs/") else {"inherited": True}
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}, **inherited}
        return {key: resolved(value) for key, value in node.items()}

    return resolved(schema)


def _read(path: Path) -> dict:
    return _loaded(path.read_text()) or {}


def _loaded(text: str):
    """As yaml.safe_load, by the C library where it is there: ten times as fast."""
    loader = _LOADER(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


# ---------------------------------------------------------------- what the schema says of a place


def _kinds_of_mapping(node: dict) -> dict[str, dict]:
    """Where a mapping (a split) may be of several kinds: `kind` -> what it then holds."""
    known = [branch for branch in node.get("oneOf", ()) if "kind" in branch.get("properties", {})]
    return {branch["properties"]["kind"]["const"]: branch for branch in known}


def _branch(node: dict, value) -> dict:
    """Of several kinds of mapping the one that the value says it is; of several types, the mapping."""
    if not isinstance(value, dict):
        return node
    mappings = [branch for branch in node.get("oneOf", ()) if branch.get("type") == "object"]
    if len(mappings) == 1:
        return mappings[0]
    kind = value.get("kind")
    return _kinds_of_mapping(node).get(kind, node) if isinstance(kind, str) else node


def _child(node: dict, key: str) -> dict:
    """What stands under a key of a mapping: of a fixed one, or of one whose keys a user names."""
    named = node.get("additionalProperties")
    return node.get("properties", {}).get(key) or (named if isinstance(named, dict) else {})


def _is_named(node: dict) -> bool:
    """Whether the keys of a mapping are names of the user's own."""
    return isinstance(node.get("additionalProperties"), dict)


def _kinds(node: dict) -> set[str]:
    """Types of a value; empty where the schema does not say."""
    kinds = node.get("type", [])
    types = {kinds} if isinstance(kinds, str) else set(kinds)
    types |= {"string" for value in [*node.get("enum", ()), node.get("const")] if isinstance(value, str)}
    return types.union(*(_kinds(branch) for branch in node.get("oneOf", ())))


# ---------------------------------------------------------------- types


def _typed(value, node: dict) -> Any:
    """Values as the schema has them: YAML reads 1e-3 as text and chromosome 1 as a number, --config gives text."""
    kinds = _kinds(node)
    if isinstance(value, str) and kinds and "string" not in kinds:
        value = _parsed(value)
    if isinstance(value, dict):
        node = _branch(node, value)
        names = {key: _name(key) for key in value}
        return {name: _typed(value[key], _child(node, name)) for key, name in names.items()}
    if isinstance(value, list):
        items = next((branch["items"] for branch in [node, *node.get("oneOf", ())] if "items" in branch), {})
        return [_typed(item, items) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # no setting may be; as a text it is refused as what it is
    if isinstance(value, float) and value.is_integer() and kinds & {"integer", "number"} == {"integer"}:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and kinds == {"string"}:
        return str(value)
    return value


def _name(key) -> str:
    """A key as text: chromosome 1 is one. Raises InputError for what YAML takes for something else."""
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    if not isinstance(key, str):
        raise InputError(f"config: a name was read as {key!r}, not as text; write it in quotes")
    return key


def _parsed(text: str):
    """What a text stands for where no text is wanted; itself where that is nothing else."""
    if _NUMBER.fullmatch(text.strip()):
        number = float(text)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    try:
        return _loaded(text)
    except yaml.YAMLError:
        return text


# ---------------------------------------------------------------- layers


def _merged(base, over, node: dict, *, first: str = "", replace: bool = False):
    """Mappings one into the other, key by key; of anything else `over` stands.

    Keys stand as in `base`, what `over` adds behind them; in the mapping `first` before them. replace: a mapping whose
    keys a user names is not added to, but replaced. A section with nothing under it (null) changes nothing.
    """
    if not (isinstance(base, dict) and isinstance(over, dict)) or (replace and _is_named(node)):
        return over
    merged = {}
    for key in [*base, *(key for key in over if key not in base)]:
        child = _child(node, key)
        if key not in over or (over[key] is None and not _is_named(node) and "object" in _kinds(child)):
            merged[key] = base.get(key)
        elif key not in base:
            merged[key] = over[key]
        else:
            merged[key] = _merged(base[key], over[key], child, replace=replace)
            if key == first and isinstance(merged[key], dict):
                new = [name for name in over[key] if name not in base[key]]
                merged[key] = {name: merged[key][name] for name in [*new, *base[key]]}
    return merged


def _of_papers(papers: Sequence[str], size: str | None, schema: dict, folder: Path) -> dict:
    """Arms and settings of the papers that an experiment names, at its size."""
    together: dict = {}
    for paper in papers:
        sizes = _read(folder / "papers" / paper / "arms.yaml")
        if size is None:
            raise InputError(f"config: size: missing, and papers are named; give one of {', '.join(sizes)}")
        if size not in sizes:
            raise InputError(f"config: size: {paper} has no size {size!r}; give one of {', '.join(sizes)}")
        together = _added(together, _typed(sizes[size], schema), "")
    return together


def _without_absent(settings: dict, of_papers: Mapping[str, dict]) -> dict:
    """Without the arms of papers that only tables or figures ask for, and that need a sample which is not there; and
    without those that start from or stand on one of these. Their rows are left out, or hold the paper's numbers alone.

    Only samples that arms of the papers name may be absent: others are a user's, who hears of them.
    """
    arms, samples = settings.get("arms"), settings.get("samples")
    if not isinstance(arms, dict) or not isinstance(samples, dict):
        return settings  # refused with everything else
    named = {
        sample for arm in of_papers.values() for key in ("samples", "test_samples") for sample in arm.get(key) or ()
    }
    kept, absent = dict(arms), named - set(samples)
    for name in of_papers:
        arm = kept.get(name)
        if not isinstance(arm, dict) or not arm.get("on_demand"):
            continue
        tests = [sample for sample in arm.get("test_samples") or () if sample not in absent]
        if absent & set(arm.get("samples") or ()) or (arm.get("test_samples") and not tests):
            del kept[name]
        elif tests:
            kept[name] = {**arm, "test_samples": tests}
    while True:
        stands = {name: {arm.get("pretrained"), *(arm.get("backbones") or {}).values()} for name, arm in kept.items()}
        gone = [name for name in kept if name in of_papers and stands[name] & (set(arms) - set(kept))]
        if not gone:
            break
        kept = {name: arm for name, arm in kept.items() if name not in gone}
    return {**settings, "arms": kept}


def _added(base: dict, other: dict, place: str) -> dict:
    """What two papers say; refused where they do not agree."""
    added = dict(base)
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            added[key] = _added(base[key], value, f"{place}{key}/")
        elif key in base and base[key] != value:
            raise InputError(
                f"config: papers: they do not agree about {place}{key} ({base[key]!r} and {value!r}); name one paper "
                "an experiment at this size"
            )
        else:
            added[key] = value
    return added


def _arms_known(asked: dict, of_papers: dict, schema: dict) -> set[str]:
    """Names that rows and labels may have for arms: those of the experiment and of its papers, also of arms that are
    taken away, and what rows of the papers name, which an experiment need not have."""
    known = {name for _, name in _arms_named(of_papers, schema)}
    for settings in (asked, of_papers):
        arms = settings.get("arms")
        known |= set(arms) if isinstance(arms, dict) else set()
    degradations = asked.get("degradations")
    ends = degradations if isinstance(degradations, dict) else {}
    return known | {f"{name}-{end}" for name in known for end in ends}


def _arms_named(value, node: dict, place: str = "") -> Iterator[tuple[str, str]]:
    """(place, name) of every arm that a list of a paper's rows, or of the section `depth`, names."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _arms_named(entry, _child(node, key), f"{place}/{key}" if place else key)
    elif isinstance(value, list):
        for entry in value:
            yield from _arms_named(entry, node.get("items", {}), place)
    elif node.get("format") == "arm":
        yield place, value


def _refuse_unknown_arms(settings: dict, known: set[str], schema: dict) -> None:
    """Raises InputError for a row or label of an arm that is nowhere: it would be left out without a word."""
    for place, name in _arms_named(settings, schema):
        if name not in known:
            hint = _nearest(name, known) or f"; arms: {', '.join(sorted(settings['arms']))}"
            raise InputError(f"config: {place}: there is no arm {name!r}{hint}")


def _without_nulls(value, node: dict):
    """Without the nulls that stand for nothing: entries that a user took away, and what need not be given."""
    if not isinstance(value, dict):
        return value
    node = _branch(node, value)
    if not (_is_named(node) or "properties" in node):
        return value  # options of an architecture: null may be one
    kept = {}
    for key, entry in value.items():
        child = _child(node, key)
        need_not_be = _is_named(node) or (bool(child) and ("default" not in child or "object" in _kinds(child)))
        if entry is not None or "null" in _kinds(child) or not need_not_be:
            kept[key] = _without_nulls(entry, child)
    return kept


# ---------------------------------------------------------------- what is wrong


def _unknown_keys(value, node: dict, place: str = "") -> Iterator[str]:
    """A line for every key that does not exist, with where the schema says that it went (`moved`), or the nearest."""
    if not isinstance(value, dict):
        return
    node = _branch(node, value)
    for key, entry in value.items():
        if node.get("additionalProperties") is False and key not in node["properties"]:
            known = sorted(node["properties"])
            moved = f"; {node['moved'][key]}" if key in node.get("moved", {}) else ""
            hint = moved or _nearest(key, known) or f"; known here: {', '.join(known)}"
            yield f"{place}{key}: no such key{hint}"
        else:
            yield from _unknown_keys(entry, _child(node, key), f"{place}{key}/")


def _nearest(name, known) -> str:
    matches = difflib.get_close_matches(str(name), known, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _wrong_values(settings: dict, schema: dict) -> list[str]:
    """A line for everything else that the schema refuses: what is missing before what is wrong."""
    lines: dict[str, bool] = {}
    for error in Draft202012Validator(schema).iter_errors(settings):
        for part in _of_kind(error):
            if part.validator != "additionalProperties":
                lines[_line(part)] = part.validator != "required"
    return sorted(lines, key=lines.__getitem__)


def _of_kind(error) -> list:
    """The errors of one kind of mapping in place of all that are none of the kinds."""
    branch = _branch(error.schema, error.instance)
    if branch is error.schema:
        return [error]
    number = error.schema["oneOf"].index(branch)
    return [part for part in error.context if part.relative_schema_path[0] == number]


def _line(error) -> str:
    """One error: where, what it is, and what is right."""
    place = "/".join(map(str, error.absolute_path))
    schema, value = error.schema, error.instance
    if (kinds := _kinds_of_mapping(schema)) and isinstance(value, dict):
        said = f"{value['kind']!r} is no kind" if "kind" in value else "missing"
        return f"{place}/kind: {said}; give one of {', '.join(kinds)}{_nearest(value.get('kind'), kinds)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in value and repr(name) in error.message)
        return f"{place}{'/' if place else ''}{missing}: missing; needed: {_meaning(schema, missing)}"
    if "propertyNames" in error.schema_path:
        while "description" not in schema and error.parent:
            error = error.parent
            schema = error.schema
        return f"{place}: {value!r} cannot be a name here; names are of {schema.get('description', 'text')}"
    hint = _nearest(value, [choice for choice in schema.get("enum", ()) if isinstance(choice, str)])
    return f"{place}: {_shown(value)} is not {_wanted(schema)}{hint}"


def _meaning(schema: dict, key: str) -> str:
    """What a key is, in the schema's words."""
    child = _child(schema, key)
    number = _kinds(child) & {"integer", "number", "boolean"}
    return f"{_wanted(child)} ({child['description']})" if number else child["description"]


def _shown(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _wanted(schema: dict) -> str:
    """What a value must be, in words."""
    if "oneOf" in schema:
        return " or ".join(dict.fromkeys(_wanted(branch) for branch in schema["oneOf"]))
    if "enum" in schema:
        return "one of " + ", ".join("null" if choice is None else str(choice) for choice in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kinds = schema.get("type", "string")
    return " or ".join(_wanted_kind(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _wanted_kind(kind: str, schema: dict) -> str:
    words = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "null": "null"}
    if kind in ("integer", "number"):
        limits = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
        said = [f"{word} {schema[limit]}" for limit, word in limits.items() if limit in schema]
        return f"{words[kind]} {' and '.join(said)}".rstrip()
    if kind == "array":
        number = schema.get("minItems", 0)
        size = f" of at least {number}" if number else ""
        size = f" of {number}" if number and number == schema.get("maxItems") else size
        different = ", none twice" if schema.get("uniqueItems") else ""
        return f"a list{size}{different}"
    if kind == "object":
        return "a section with at least one entry" if schema.get("minProperties") else "a section"
    if kind == "string":
        return f"a text like {schema['pattern']}" if "pattern" in schema else "a text"
    return words[kind]


# ---------------------------------------------------------------- defaults and order


def _filled(value, node: dict):
    """With the schema's defaults where something is not given and not inherited; keys in an order that says nothing."""
    if not isinstance(value, dict):
        return value
    node = _branch(node, value)
    if "properties" not in node and not _is_named(node):
        return {key: _filled(value[key], {}) for key in sorted(value)}
    if _is_named(node):
        names = sorted(value) if node.get("sorted") else value
        return {name: _filled(value[name], _child(node, name)) for name in names}
    filled = {}
    for key, child in node["properties"].items():
        if key in value:
            filled[key] = _filled(value[key], child)
        elif "default" in child and not node.get("inherited"):
            filled[key] = _filled(copy.deepcopy(child["default"]), child)
    return filled
