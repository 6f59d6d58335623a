"""Copies of the repository to run Snakemake in: a test edits package, config and data as a user would."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
# Test processes side by side share the machine; twice as many jobs as cores would take longer, not less long.
CORES = max(1, 2 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
PARTS = (
    "Snakefile",
    "config.yaml",
    "rules",
    "profiles",
    "envs",
    "workflow_scripts",
    "resources",
    "trifold",
    "experiments",
    "papers",
    "programs",
)


class Workspace:
    """A copy of the repository and the `snakemake` of this environment in it."""

    cores = CORES

    def __init__(self, folder: Path, repository: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in PARTS:
            source = repository / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "raw")
                shutil.copytree(source, folder / name, ignore=ignored, dirs_exist_ok=True)
            else:
                shutil.copy(source, folder / name)
        shutil.copy(HERE / "smoke.yaml", folder / "smoke.yaml")
        # The smoke experiments have arms and runs of their own: a size of every paper without any.
        for path in (folder / "papers").glob("*/arms.yaml"):
            path.write_text(f"{path.read_text()}\nsmoke: {{}}\n")

    @classmethod
    def there(cls, folder: Path) -> "Workspace":
        """One that is there already."""
        workspace = cls.__new__(cls)
        workspace.folder = folder
        return workspace

    def command(self, *arguments: str, configfile: str | None = "smoke.yaml") -> list[str]:
        config = ["--configfile", configfile] if configfile else []
        # --configfile takes every word that follows it, so it goes last.
        return [sys.executable, "-m", "snakemake", "--cores", str(self.cores), *arguments, *config]

    def environment(self, **extra: str) -> dict:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # A workspace keeps its bytecode, whatever the tests do: every job would compile the package again.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, "PATH": path, "OMP_NUM_THREADS": "1", **extra}

    def run(self, *arguments: str, configfile: str | None = "smoke.yaml", check: bool = True, **extra: str):
        """Run to the end; the output of a failure is the test's message. The result's `text` is all it printed."""
        done = subprocess.run(
            self.command(*arguments, configfile=configfile),
            cwd=self.folder,
            env=self.environment(**extra),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        done.text = done.stdout
        if check:
            assert done.returncode == 0, done.text[-6000:]
        return done

    def jobs(self, *arguments: str, configfile: str | None = "smoke.yaml") -> dict[str, int]:
        """Jobs a dry run would start, by rule; the targets themselves left out."""
        text = self.run("-n", *arguments, configfile=configfile).text
        if "Nothing to be done" in text:
            return {}
        table = text[text.index("Job stats:") :]
        counts = dict(re.findall(r"^(\w+)\s+(\d+)$", table, flags=re.MULTILINE))
        return {rule: int(count) for rule, count in counts.items() if rule not in ("total", "all", "data", "models")}

    def kill_when(self, seen, *arguments: str, configfile: str | None = "smoke.yaml", seconds: float = 180) -> None:
        """Start, wait until `seen()` is true, then kill -9 Snakemake and every job of it."""
        process = subprocess.Popen(
            self.command(*arguments, configfile=configfile),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + seconds
        try:
            while not seen():
                assert process.poll() is None, "it ended before it could be killed"
                assert time.monotonic() < end, "it never came to the moment to be killed"
                time.sleep(0.002)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        # A lock of a killed run stays; a user is told to unlock.
        self.run("--unlock", configfile=configfile)

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{old!r} not in {path}"
        file.write_text(text.replace(old, new, 1))

    def overlay(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name


@pytest.fixture(scope="session")
def make_workspace(repository):
    return lambda folder: Workspace(folder, repository)


def _copy(workspace: Workspace, folder: Path) -> Workspace:
    """With the time stamps and Snakemake's own records, so that nothing is to be done in it."""
    shutil.copytree(workspace.folder, folder, symlinks=True)
    return Workspace.there(folder)


@pytest.fixture(scope="session")
def _finished_once(repository, tmp_path_factory) -> Workspace:
    """The smoke experiment run to its end, once for all test processes; nobody works in it."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = base / "finished" / "trifold", base / "finished" / "done"
    with FileLock(base / "finished.lock"):
        if not done.exists():
            workspace = Workspace(folder, repository)
            workspace.cores = 2  # the other test processes soon wait for it
            workspace.run()
            done.touch()
    return Workspace.there(folder)


@pytest.fixture(scope="session")
def finished(_finished_once, tmp_path_factory) -> Workspace:
    """The smoke experiment run to its end; tests that change it work on a copy of their own."""
    return _copy(_finished_once, tmp_path_factory.mktemp("finished") / "trifold")


@pytest.fixture(scope="session")
def begun(_finished_once, tmp_path_factory):
    """A function: a copy of the finished experiment for larger ones, which find most of their data made."""
    return lambda name: _copy(_finished_once, tmp_path_factory.mktemp(name) / "trifold")


@pytest.fixture
def copy_of_finished(_finished_once, tmp_path) -> Workspace:
    return _copy(_finished_once, tmp_path / "trifold")
