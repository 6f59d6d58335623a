"""A cluster for the tests, and copies of the repository whose Snakemake sends its jobs there."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("workspaces", HERE.parent / "workflow" / "conftest.py")
workspaces = importlib.util.module_from_spec(spec)
spec.loader.exec_module(workspaces)
# The profile as it is, but for a test's patience: this cluster keeps no accounts and its files are there at once.
QUICK = {
    "--workflow-profile": "profiles/slurm",
    "--slurm-status-command": "squeue",
    "--slurm-init-seconds-before-status-checks": "1",
    "--seconds-between-status-checks": "1",
    "--latency-wait": "5",
    "--jobs": "3",
}


class OnCluster(workspaces.Workspace):
    """A workspace whose jobs are SLURM's."""

    def command(self, *arguments: str, configfile: str | None = "smoke.yaml") -> list[str]:
        words = super().command(*arguments, configfile=configfile)
        where = words.index("--cores")
        return [*words[:where], *(word for pair in QUICK.items() for word in pair), *words[where + 2 :]]


@pytest.fixture(scope="session")
def cluster():
    """A SLURM that is there for these tests; its commands are on the PATH."""
    try:
        subprocess.run([HERE / "cluster.sh", "up"], check=True)
        yield
    finally:
        subprocess.run([HERE / "cluster.sh", "purge"], check=True)


@pytest.fixture(scope="session")
def local(repository, tmp_path_factory):
    """The smoke experiment on this machine, without SLURM."""
    workspace = workspaces.Workspace(tmp_path_factory.mktemp("local") / "trifold", repository)
    workspace.run()
    return workspace


@pytest.fixture(scope="session")
def remote(cluster, repository, tmp_path_factory):
    """The same on the cluster; `text` is what Snakemake printed."""
    workspace = OnCluster(tmp_path_factory.mktemp("remote") / "trifold", repository)
    workspace.text = workspace.run().text
    return workspace


@pytest.fixture
def copies(cluster, local, tmp_path):
    """Two copies of the finished local run: of one, the next jobs run here, of the other on the cluster."""

    def copy(kind, name: str):
        return kind.there(shutil.copytree(local.folder, tmp_path / name, symlinks=True))

    return copy(workspaces.Workspace, "here"), copy(OnCluster, "there")
