"""docs/quickstart.md: every block runs as it is printed, in order, on a small map and published weights."""

import os
import re
import shlex

import cooler
import numpy as np
import pytest
from click.testing import CliRunner
from small import write_counts

from trifold.cli import main

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLED = "pip install ."  # tests/package


@pytest.fixture
def blocks(repository):
    return BLOCK.findall((repository / "docs/quickstart.md").read_text())


def shell(block):
    for line in block.splitlines():
        if line == INSTALLED:
            continue
        program, *arguments = shlex.split(line)
        assert program == "trifold"
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, f"{line}: {result.output}"


def test_every_block_runs(blocks, mirror, tmp_path, monkeypatch, deep_counts, shallow_counts, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRIFOLD_MIRROR", os.fspath(mirror))
    write_counts("deep.mcool", deep_counts, group="resolutions/10000")
    for name in ("shallow", "other"):
        write_counts(f"{name}.mcool", shallow_counts, group="resolutions/10000")
    assert [kind for kind, _ in blocks] == 7 * ["sh"] + ["python"]
    for kind, block in blocks:
        shell(block) if kind == "sh" else exec(block, {})
    first, again = (cooler.Cooler(f"{name}.mcool::resolutions/10000").pixels()[:] for name in ("enhanced", "again"))
    assert len(first) > 3_000 and list(first) == list(again)
    np.testing.assert_allclose(first, again, rtol=1e-4)  # on two threads sums are in another order
    printed = capsys.readouterr().out
    assert "prediction" in printed and "None" in printed.splitlines()[0]
