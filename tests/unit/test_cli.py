"""The command: what a person reads, and what a program does."""

import json
import os
import signal

import pytest
from click.testing import CliRunner

from trifold import __version__, api
from trifold.cli import main
from trifold.data import contacts


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result


def test_d19_help_names_every_command_and_shows_examples():
    text = run("--help").output
    for name in ("enhance", "score", "models", "info"):
        assert name in text
        assert f"trifold {name}" in run(name, "--help").output
    assert __version__ in run("--version").output


def test_enhance_then_score(door):
    made = run("enhance", "shallow.cool", "--model", "model", "-o", "out.mcool", "--device", "cpu")
    assert made.stdout == "out.mcool: vehicle (image), up to 120,000 bp from the diagonal\n"
    table = run("score", "out.mcool", "deep.cool", "--low", "shallow.cool").stdout
    assert "Mean of 1 windows" in table and "prediction" in table and "low" in table
    tables = json.loads(run("score", "out.mcool", "deep.cool", "--json").stdout)
    assert {row["map"] for row in tables["regions"]} == {"prediction"}
    assert len(tables["distance"]) > 10


def test_d19_an_error_is_one_line(door):
    for arguments, said in [
        (("enhance", "shallow.cool", "--model", "model", "-o", "deep.cool"), "Error: deep.cool: exists"),
        (("info", "none.cool"), "Error: none.cool: no such file"),
        (("score", "none.cool", "deep.cool"), "Error: none.cool: no such file"),
    ]:
        result = run(*arguments, code=1)
        assert result.stderr.startswith(said)
        assert result.stderr.count("\n") == 1 and result.stdout == ""


def test_d12_the_depth_is_said_on_the_way(door):
    said = run("enhance", "deep.cool", "--model", "model", "-o", "out.cool", "--device", "cpu").stderr
    assert said.startswith("Warning: deep.cool: ") and "8.0 times as many as the maps the model was trained on" in said


def test_a_command_that_is_told_to_end_leaves_nothing(door, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def told(*_, **settings):
        seen.extend(door.glob(".out.cool.*"))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(contacts, "prepare", told)
    run("enhance", "shallow.cool", "--model", "model", "-o", "out.cool", "--device", "cpu", code=143)
    assert len(seen) == 1
    assert sorted(path.name for path in door.iterdir()) == ["deep.cool", "model", "shallow.cool"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_info_says_what_is_estimated(door, monkeypatch):
    monkeypatch.setattr(api, "INFO_PIXELS", 1_000)
    said = run("info", "deep.cool").stdout
    assert "about" in said and "% of the pixels; --exact reads all" in said
    assert "about" not in run("info", "deep.cool", "--exact").stdout
    assert 0 < json.loads(run("info", "deep.cool", "--json").stdout)["read_share"] < 1


@pytest.mark.parametrize("as_json", [True, False])
def test_info_and_models(door, as_json):
    flag = ["--json"] if as_json else []
    info, models = run("info", "deep.cool", *flag).stdout, run("models", *flag).stdout
    if as_json:
        assert json.loads(info)["bins"] == 120
        assert {row["model"] for row in json.loads(models)} >= {"weights_deephic_raw_16.pth"}
    else:
        assert "contacts per bin" in info and "10,000 bp" in info
        assert "weights_deephic_raw_16.pth" in models
