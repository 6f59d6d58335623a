"""The run as an RO-Crate: what was made, from what, by which step, in the terms of the Workflow Run profiles.

Provenance Run Crate 0.5 (https://w3id.org/ro/wfrun/provenance/0.5), on RO-Crate 1.1, because an artifact's record is
what that profile calls the action of a tool: one step with its inputs, results and parameters. The simpler Workflow
Run Crate knows only the run as a whole. Everything comes from the records, the configuration and the table of data
sets; times are those of the records, so the same results are described by the same bytes.
"""

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import yaml

import trifold
from trifold import provenance
from trifold.code import PACKAGE, ROOT, code_version
from trifold.errors import InputError
from trifold.log import redact

NAME = "ro-crate-metadata.json"
WORKFLOW = "workflow"  # the folder with the code that is described
SCRIPTS, PAPERS = "workflow_scripts", "papers"
MAIN, CONFIGURATION = f"{WORKFLOW}/Snakefile", f"{WORKFLOW}/config.yaml"
PROFILES = {
    "Process Run Crate": "https://w3id.org/ro/wfrun/process/0.5",
    "Workflow Run Crate": "https://w3id.org/ro/wfrun/workflow/0.5",
    "Provenance Run Crate": "https://w3id.org/ro/wfrun/provenance/0.5",
    "Workflow RO-Crate": "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
}
LICENCE = "https://spdx.org/licenses/MIT"
DONE = "http://schema.org/CompletedActionStatus"
# Terms of the Workflow Run vocabulary that RO-Crate 1.1 does not have.
TERMS = {name: f"https://w3id.org/ro/terms/workflow-run#{name}" for name in ("md5", "sha256")}
FORMATS = {
    ".bed": "text/plain",
    ".bedpe": "text/plain",
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".py": "text/x-python",
    ".smk": "text/plain",
    ".svg": "image/svg+xml",
    ".tex": "text/x-tex",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
}


def copy_workflow(out: Path, config: dict) -> None:
    """Write the workflow that the crate describes: its code and the configuration used."""
    out.mkdir()
    shutil.copy(ROOT / "Snakefile", out)
    for name in ("rules", SCRIPTS, PAPERS, "programs", PACKAGE):
        shutil.copytree(ROOT / name, out / name, ignore=shutil.ignore_patterns("__pycache__"))
    (out / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(config, default=str)), sort_keys=False))


def _references(entities: Iterable[dict]) -> list[dict] | dict:
    references = [{"@id": identifier} for identifier in dict.fromkeys(entity["@id"] for entity in entities)]
    return references[0] if len(references) == 1 else references


class _Crate:
    """The entities of a crate by @id; adding an @id again returns the entity that is there."""

    def __init__(self):
        self.entities: dict[str, dict] = {}

    def add(self, identifier: str, kind: str | list[str], /, **properties) -> dict:
        given = {name: value for name, value in properties.items() if value not in (None, "", [])}
        return self.entities.setdefault(identifier, {"@id": identifier, "@type": kind, **given})

    def file(self, name: str, path: Path, sha256: str, kind: str | list[str] = "File") -> dict:
        """A file of the crate under its name there; `path` is where it lies now."""
        try:
            size = path.stat().st_size
        except OSError as error:
            raise InputError(f"{path}: a record lists it, and it is not there; {provenance.REMEDY}") from error
        place = PurePosixPath(name)
        kind_of_file = FORMATS.get(place.suffix, "application/octet-stream")
        known = {"contentSize": str(size), "sha256": sha256, "encodingFormat": kind_of_file}
        return self.add(quote(name), kind, name=place.name, **known)

    def value(self, name: str, of: str, value) -> dict:
        text = json.dumps(value, sort_keys=True)
        return self.add(f"#{name}/{quote(of)}", "PropertyValue", name=name, value=text)


def _name(record: dict) -> str:
    """What an artifact is called: its folder, or its record's name where it shares the folder."""
    return str(PurePosixPath(record["folder"]) / record["record"].removesuffix(provenance.RECORD)).removesuffix(".")


def _artifacts(crate: _Crate, root: Path, records: list[dict]) -> dict[str, list[dict]]:
    """Add the files of all artifacts; returns what each path below `root` stands for: a folder, or files."""
    places = {}
    for record in records:
        folder = PurePosixPath(record["folder"])
        files = {
            str(folder / name): crate.file(str(folder / name), root / folder / name, digest)
            for name, digest in record["files"].items()
        }
        whole = list(files.values())
        if record["record"] == provenance.RECORD:
            title = f"{record['kind']}: {folder}"
            parts = _references(whole)
            whole = [crate.add(quote(f"{folder}/"), "Dataset", name=title, version=record["version"], hasPart=parts)]
            places[str(folder)] = whole
        places[str(folder / record["record"])] = whole
        places |= {name: [file] for name, file in files.items()}
    return places


def _source(crate: _Crate, path: str, version: str, datasets: dict[str, dict]) -> dict:
    """An input that is no artifact of the experiment: a download, or a file of the user's or the repository's."""
    name = PurePosixPath(path).name
    if (row := datasets.get(name)) is None or PurePosixPath(path).parent.name != "raw":
        # The path is left out, because it holds on one machine only. The version is the start of the file's sha256, or
        # that of the artifact of another experiment to which the file belongs.
        return crate.add(f"#input/{version}/{quote(name)}", "CreativeWork", name=name, version=version)
    url, part = redact(row["url"]), row.get("part", "")
    own_address = url.startswith("http") and not part
    return crate.add(
        url if own_address else f"#data/{quote(name)}",
        "File",
        name=name,
        description=f"{row['origin']}; {part} of {url}" if part else row["origin"],
        identifier=row["accession"],
        license=row["licence"],
        contentSize=row["bytes"],
        sha256=row["sha256"],
        md5=row["md5"],
    )


def _scripts() -> list[str]:
    """Places in the repository of all scripts of rules."""
    paths = sorted([*(ROOT / SCRIPTS).glob("*.py"), *(ROOT / PAPERS).glob("*/*.py")])
    return [path.relative_to(ROOT).as_posix() for path in paths]


def _versions(modules: Mapping[str, Sequence[Sequence[str]]]) -> dict[str, str]:
    """Code version -> the script; of a script whose jobs load modules by name, a version for each list of them."""
    known = {code_version(place): place for place in _scripts()}
    for script, lists in modules.items():
        known |= {code_version(script, *names): f"{SCRIPTS}/{script}" for names in lists}
    return known


def _tool(crate: _Crate, code: str, scripts: dict[str, str]) -> dict:
    """The script that has the code a record names; code that is no longer here is named by its digest alone."""
    if code in scripts:
        return crate.entities[f"{WORKFLOW}/{scripts[code]}"]
    about = f"A step of an earlier version of the workflow than the one in {WORKFLOW}/"
    return crate.add(f"#code/{code}", "SoftwareSourceCode", name=f"code {code}", version=code, description=about)


def _steps(
    crate: _Crate,
    root: Path,
    records: list[dict],
    places: dict[str, list[dict]],
    datasets: dict[str, dict],
    modules: Mapping[str, Sequence[Sequence[str]]],
) -> tuple[list[dict], list[dict], list[dict]]:
    """Add an action for each artifact; returns the steps of the workflow, the actions, and their controls."""
    scripts = _versions(modules)
    for place in _scripts():
        crate.entities[f"{WORKFLOW}/{place}"]["version"] = code_version(place)
    steps, actions, controls = {}, [], []
    for record in records:
        name, tool = _name(record), _tool(crate, record["code"], scripts)
        # Scripts of two papers may have the same name: the title of a step is the path of its script.
        title = scripts.get(record["code"], tool["name"]).removeprefix(f"{SCRIPTS}/")
        step = crate.add(f"#step/{quote(title)}", "HowToStep", name=title, workExample=_references([tool]))
        steps[step["@id"]] = step
        given = [crate.value("parameters", name, record["parameters"])]
        if record["seed"] is not None:
            given.append(crate.value("seed", name, record["seed"]))
        for path, version in record["inputs"].items():
            inside = str(PurePosixPath(path).relative_to(root)) if PurePosixPath(path).is_relative_to(root) else None
            given += places.get(inside) or [_source(crate, path, version, datasets)]
        action = crate.add(
            f"#make/{quote(name)}",
            "CreateAction",
            name=f"make {name}",
            description=f"{record['kind']}, version {record['version']}, code {record['code']}",
            instrument={"@id": tool["@id"]},
            object=_references(given),
            result=_references(places[str(PurePosixPath(record["folder"]) / record["record"])]),
            endTime=record["created"],
            actionStatus=DONE,
        )
        actions.append(action)
        control = {"instrument": {"@id": step["@id"]}, "object": {"@id": action["@id"]}}
        controls.append(crate.add(f"#control/{quote(name)}", "ControlAction", name=f"order {name}", **control))
    for position, step in enumerate(steps.values(), 1):
        step["position"] = str(position)
    return list(steps.values()), actions, controls


def _port(crate: _Crate, name: str, kind: str, examples: list[dict]) -> dict:
    """An input or output of the workflow, with what took its place in this run."""
    port = crate.add(
        f"#port/{name}", "FormalParameter", name=name, additionalType=kind, workExample=_references(examples)
    )
    for example in examples:
        example["exampleOfWork"] = {"@id": port["@id"]}
    return port


def describe(
    root: Path,
    records: list[dict],
    folder: Path,
    code: dict[str, str],
    config: dict,
    datasets: dict[str, dict],
    modules: Mapping[str, Sequence[Sequence[str]]],
) -> dict:
    """The crate of an experiment, as JSON-LD.

    root: results/<experiment>, the folder of the crate. records: `trifold.provenance.manifest` of it, at least one.
    folder: where the files that are made with the crate lie, `copy_workflow` and the manifest; code: their names ->
    sha256. datasets: name -> row (`trifold.portals.lock.wanted`) of the files the experiment downloads. modules: script
    -> lists of modules that its jobs load by name (`plan.code_of_jobs`), so that the code of a record is told.
    Raises InputError for a file that a record lists and that is not there.
    """
    crate, made = _Crate(), max(record["created"] for record in records)
    title = f"Trifold, experiment {config['experiment']}"
    kinds = {
        MAIN: ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        **{f"{WORKFLOW}/{place}": ["File", "SoftwareSourceCode"] for place in _scripts()},
    }
    for name, digest in code.items():
        crate.file(name, folder / name, digest, kinds.get(name, "File"))
    workflow, used = crate.entities[MAIN], crate.entities[CONFIGURATION]
    places = _artifacts(crate, root, records)
    steps, actions, controls = _steps(crate, root, records, places, datasets, modules)

    data = [
        entity
        for entity in crate.entities.values()
        if entity["@type"] == "File" and entity["@id"].startswith(("#", "http"))
    ]
    outputs = {name: places[name] for name in ("tables", "figures", "report") if name in places}
    software = {
        f"#software/{name}-{version}": (name, version)
        for record in records
        for name, version in record["packages"].items()
    }
    for identifier, (name, version) in sorted(software.items()):
        crate.add(identifier, "SoftwareApplication", name=name, softwareVersion=version)
    engine = next(identifier for identifier, (name, _) in sorted(software.items()) if name == "snakemake")
    crate.add("https://snakemake.github.io", "ComputerLanguage", name="Snakemake", url="https://snakemake.github.io")
    crate.add("#authors", "Organization", name="The Trifold authors")
    about = "Of the workflow; data have the licences that their entries name"
    crate.add(LICENCE, "CreativeWork", name="MIT", description=about)
    workflow |= {
        "name": "Trifold",
        "version": trifold.__version__,
        "license": {"@id": LICENCE},
        "creator": {"@id": "#authors"},
        "programmingLanguage": {"@id": "https://snakemake.github.io"},
        "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
        "softwareRequirements": [{"@id": identifier} for identifier in sorted(software)],
        "hasPart": [step["workExample"] for step in steps],
        "step": _references(steps),
        "input": _references(
            _port(crate, name, "File", files) for name, files in (("configuration", [used]), ("data", data)) if files
        ),
        "output": _references(_port(crate, name, "Dataset", folders) for name, folders in outputs.items()),
    }
    run = crate.add(
        "#run",
        "CreateAction",
        name=title,
        description="From the data and the configuration to the report",
        instrument={"@id": MAIN},
        object=_references([used, *data]),
        result=_references(entity for folders in outputs.values() for entity in folders),
        endTime=made,
        actionStatus=DONE,
    )
    ordered = {"instrument": {"@id": engine}, "object": _references(controls), "result": {"@id": run["@id"]}}
    engine_run = crate.add("#engine", "OrganizeAction", name="Snakemake", **ordered)
    profiles = [
        crate.add(url, "CreativeWork", name=name, version=url.rpartition("/")[2]) for name, url in PROFILES.items()
    ]
    files = [entity for entity in crate.entities.values() if "File" in entity["@type"] or entity["@type"] == "Dataset"]
    top = crate.add(
        "./",
        "Dataset",
        name=title,
        description="What a run of the Trifold workflow made (Hi-C resolution enhancement), from what, and how",
        datePublished=made,
        license={"@id": LICENCE},
        conformsTo=_references(profiles),
        mainEntity={"@id": MAIN},
        hasPart=_references(files),
        mentions=_references([run, engine_run, *actions]),
    )
    versions = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": PROFILES["Workflow RO-Crate"]}]
    head = {"@id": NAME, "@type": "CreativeWork", "about": {"@id": top["@id"]}, "conformsTo": versions}
    return {"@context": ["https://w3id.org/ro/crate/1.1/context", TERMS], "@graph": [head, *crate.entities.values()]}


def write(
    out: Path,
    root: Path,
    records: list[dict],
    *,
    config: dict,
    datasets: dict[str, dict],
    modules: Mapping[str, Sequence[Sequence[str]]],
) -> None:
    """Write manifest.json, ro-crate-metadata.json and the copy of the workflow into `out`.

    The arguments are those of `describe`.
    """
    copy_workflow(out / WORKFLOW, config)
    (out / "manifest.json").write_text(json.dumps(records, indent=1) + "\n")
    files = sorted(path for path in out.rglob("*") if path.is_file())
    code = {path.relative_to(out).as_posix(): provenance.digest_file(path) for path in files}
    crate = describe(root, records, out, code, config, datasets, modules)
    (out / NAME).write_text(json.dumps(crate, indent=1) + "\n")
