"""What others' tools make of our maps: the files of a small finished run, opened as their users open them.

    .venv/bin/python tests/downstream/check.py [FOLDER OF A FINISHED EXPERIMENT]

Without a folder a part of the smoke experiment is run first: a deep and a low map, a model, what it predicts. The tools
live in an environment of their own (`make test-downstream` makes it), because chromosight asks for an older pandas than
the workflow has; `tools.py` runs there.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
sys.path.insert(0, str(REPOSITORY / "tests/workflow"))
from conftest import Workspace  # noqa: E402

TOOLS = Path(os.environ.get("TRIFOLD_DOWNSTREAM_VENV", REPOSITORY / ".venv-downstream")) / "bin"
PREDICTED, PREPARED = "predictions/identity/fold-a/seed-0/alpha", "contacts/alpha"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="trifold-downstream-") as folder:
        if len(sys.argv) == 2:
            experiment = Path(sys.argv[1])
        else:
            workspace = Workspace(Path(folder) / "trifold", REPOSITORY)
            (workspace.folder / "formats.yaml").write_text("predict: {formats: [mcool, hic], roles: all}\n")
            targets = [f"results/smoke/{PREDICTED}/map.cool", f"results/smoke/{PREPARED}/low/map.cool"]
            workspace.run(*targets, "--configfile", "smoke.yaml", "formats.yaml", configfile=None)
            experiment = workspace.folder / "results/smoke"
        predicted, prepared = experiment / PREDICTED, experiment / PREPARED
        maps = [prepared / "deep/map.cool", prepared / "low/map.cool"]
        environment = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
        subprocess.run([TOOLS / "python", HERE / "tools.py", predicted, *maps, folder], check=True, env=environment)


if __name__ == "__main__":
    main()
