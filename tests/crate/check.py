"""The crate of a finished run against the profiles it claims, by rocrate-validator; spoilt crates must be refused.

    .venv/bin/python tests/crate/check.py [FOLDER OF A FINISHED EXPERIMENT]

Without a folder the smoke experiment is run first. The validator lives in an environment of its own (`make test-crate`
makes it), because it asks for an older rich than the workflow has. It runs without a network: `offline.py` gives it the
one document it would fetch.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "tests/workflow"))
from conftest import Workspace  # noqa: E402

VALIDATOR = Path(os.environ.get("TRIFOLD_CRATE_VENV", REPOSITORY / ".venv-crate")) / "bin"
PROFILE = (
    "provenance-run-crate-0.5"  # with all it stands on: workflow and process run crate, workflow crate, RO-Crate 1.1
)
NAME = "ro-crate-metadata.json"


def validate(crate: Path, cache: Path) -> tuple[bool, list[str]]:
    """Whether a crate holds at severity REQUIRED, and the checks that failed."""
    report = cache.with_suffix(".report.json")
    done = subprocess.run(
        [
            *(VALIDATOR / "rocrate-validator", "-y", "validate", "--offline", "--cache-path", cache),
            *("-p", PROFILE, "-l", "required", "-f", "json", "-o", report, crate),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if not report.exists():
        raise SystemExit(f"the validator gives no report\n{done.stdout[-3000:]}")
    found = json.loads(report.read_text())
    report.unlink()
    assert found["passed"] == (done.returncode == 0), done.stdout[-3000:]
    return found["passed"], sorted({issue["check"]["identifier"] for issue in found["issues"]})


def without(graph: list[dict], identifier: str, name: str) -> None:
    next(one for one in graph if one["@id"] == identifier).pop(name)


SPOILT = {
    "an action without a tool": lambda graph: without(graph, "#run", "instrument"),
    "a run without its workflow": lambda graph: without(graph, "./", "mainEntity"),
    "a control without its step": lambda graph: without(graph, "#control/tables", "instrument"),
    "a crate without a licence": lambda graph: without(graph, "./", "license"),
    "a file that is not there": lambda graph: next(one for one in graph if one["@id"] == "./")["hasPart"].append(
        graph.append({"@id": "tables/absent.tsv", "@type": "File"}) or {"@id": "tables/absent.tsv"}
    ),
}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="trifold-crate-") as folder:
        if len(sys.argv) == 2:
            experiment = Path(sys.argv[1])
        else:
            workspace = Workspace(Path(folder) / "trifold", REPOSITORY)
            workspace.run()
            experiment = workspace.folder / "results/smoke"
        cache = Path(folder) / "cache"
        subprocess.run([VALIDATOR / "python", HERE / "offline.py", cache], check=True)
        passed, failed = validate(experiment, cache)
        print(f"{experiment}: {'holds' if passed else 'FAILS ' + ', '.join(failed)} ({PROFILE}, required)", flush=True)
        good, wrong = json.loads((experiment / NAME).read_text()), not passed
        spoilt = Path(folder) / "spoilt"
        shutil.copytree(experiment, spoilt)
        for what, spoil in SPOILT.items():
            crate = json.loads(json.dumps(good))
            spoil(crate["@graph"])
            (spoilt / NAME).write_text(json.dumps(crate))
            accepted, failed = validate(spoilt, cache)
            print(f"{what}: {'ACCEPTED' if accepted else 'refused by ' + ', '.join(failed)}", flush=True)
            wrong |= accepted
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
