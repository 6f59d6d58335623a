"""The command: what a person reads, and what a program does."""

import json
import os
import signal

import numpy as np
import pytest
from click.testing import CliRunner
from small import write_counts

from trifold import __version__, api
from trifold.cli import main
from trifold.data import contacts


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result


def test_d19_help_names_every_command_and_shows_examples():
    text = run("--help").output
    for name in ("enhance", "advise", "compare", "score", "models", "info"):
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


def thinner(door, shallow_counts):
    upper = np.triu(np.random.default_rng(9).binomial(shallow_counts, 1 / 4))
    write_counts(door / "thin.cool", upper + np.triu(upper, 1).T)


def test_advice_is_a_table_and_its_warnings(door, shallow_counts):
    said = run("advise", "shallow.cool", "--model", "model", "--device", "cpu")
    assert said.stdout.startswith("497 contacts per bin of 10,000 bp; model image\n") and "enhanced" in said.stdout
    assert said.stderr == ""
    facts = json.loads(run("advise", "shallow.cool", "--model", "model", "--device", "cpu", "--json").stdout)
    assert facts["bin_bp"] == 10_000 and facts["by_distance"][0]["from_bp"] == 20_000
    thinner(door, shallow_counts)
    said = run("advise", "thin.cool", "--model", "model", "--device", "cpu").stderr
    assert "Warning: the map has 123 contacts per bin of 10,000 bp, and those the model was trained on had 4.0" in said
    assert "Warning: the map has 123 contacts per bin of 10,000 bp, fewer than 250" in said
    assert "choose bins of 50,000 bp (--resolution 50000)" in said


def test_a_map_and_a_thinner_one_do_not_differ(door, shallow_counts):
    thinner(door, shallow_counts)
    said = run("compare", "deep.cool", "thin.cool", "--model", "model", "-o", "out.bedpe", "--device", "cpu")
    assert said.stderr.startswith("Warning: deep.cool, thin.cool: at one depth and halved, the map has 61 contacts")
    assert said.stdout == "out.bedpe: 0 regions differ; deep.cool has more contacts in 0, fewer in 0\n"
    assert (door / "out.bedpe").read_text().startswith("#chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tchange\tfdr\t")
    again = ("compare", "deep.cool", "thin.cool", "--model", "model", "-o")
    assert "out.bedpe: exists" in run(*again, "out.bedpe", code=1).stderr
    assert "ends with .bedpe" in run(*again, "out.cool", code=1).stderr
    write_counts(door / "other.cool", np.ones((200, 200), dtype=int), {"chr1": 2_000_000})
    assert (
        "other.cool: chr1 has 1,200,000 bp in deep.cool"
        in run("compare", "deep.cool", "other.cool", "--model", "model", "-o", "other.bedpe", code=1).stderr
    )
    write_counts(door / "other.cool", np.ones((120, 120), dtype=int), {"one": 1_200_000})
    assert (
        "the maps share no chromosome: deep.cool has chr1; other.cool has one"
        in run("compare", "deep.cool", "other.cool", "--model", "model", "-o", "other.bedpe", code=1).stderr
    )
    assert "no share above 0" in run(*again, "other.bedpe", "--fdr", "0", code=1).stderr
    assert not (door / "other.bedpe").exists()


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
