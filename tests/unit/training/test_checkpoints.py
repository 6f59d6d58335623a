"""Checkpoints of trainings under way: whose they are, why one cannot be gone on from, and what is left at the end."""

import json

import pytest

from trifold import provenance
from trifold.training import checkpoints

ARM = {"training": {"epochs": 12, "learning_rate": 0.001}, "samples": ["alpha"]}


@pytest.fixture
def begin(tmp_path, caplog):
    """A function: begin a training of a model; returns the folder of its checkpoints, which then hold one epoch."""
    caplog.set_level("INFO")
    root = tmp_path / "checkpoints"

    def begin(model, *, arm=ARM, code="c0", data="x"):
        (tmp_path / "data.txt").write_text(data)
        with provenance.artifact(
            tmp_path / "made", "model", parameters={"arm": arm}, code=code, inputs=[tmp_path / "data.txt"]
        ) as partial:
            folder = checkpoints.begin(root, model, partial)
        assert folder == root / partial.version
        (folder / "last.ckpt").touch()
        return folder

    return begin


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"arm": {**ARM, "training": {"epochs": 12}}}, "the parameters (arm/training/learning_rate 0.001 -> absent)"),
        ({"code": "c1"}, "the code (c0 -> c1)"),
        ({"data": "y"}, "the inputs ({folder}/data.txt)"),
        (
            {"code": "c1", "arm": {**ARM, "samples": ["beta"]}},
            "(arm/samples ['alpha'] -> ['beta']), the code (c0 -> c1)",
        ),
    ],
)
def test_t12_a_start_from_the_beginning_says_why(begin, tmp_path, caplog, changed, words):
    before = begin("models/image/fold-a/seed-1")
    assert caplog.messages == []
    after = begin("models/image/fold-a/seed-1", **changed)
    assert before != after
    (said,) = caplog.messages
    assert said.startswith(f"training starts from epoch 1: the checkpoints in {before} are of another version")
    assert said.endswith(words.format(folder=tmp_path))


def test_t12_of_many_parameters_some_are_named(begin, caplog):
    begin("model", arm={str(number): 0 for number in range(9)})
    begin("model", arm={str(number): 1 for number in range(9)})
    assert caplog.messages[0].endswith("arm/4 0 -> 1, 4 more)")


def test_t12_resuming_and_other_models_are_no_news(begin, caplog):
    begin("models/image/fold-a/seed-1")
    begin("models/image/fold-a/seed-2", code="c1")
    begin("models/image/fold-a/seed-1")
    assert caplog.messages == []


def test_t12_the_end_of_a_training_leaves_those_of_others(begin, tmp_path):
    own = [begin("models/image/fold-a/seed-1"), begin("models/image/fold-a/seed-1", code="c1")]
    other = begin("models/image/fold-a/seed-10", code="c2")
    early = tmp_path / "checkpoints/0123"  # without facts: of a training by an earlier version of this package
    early.mkdir()
    (early / "last.ckpt").touch()
    checkpoints.end(tmp_path / "checkpoints", "models/image/fold-a/seed-1")
    assert not any(folder.exists() for folder in own)
    assert (other / "last.ckpt").exists()
    assert (early / "last.ckpt").exists()


def test_t12_damaged_facts_are_nobodys(begin, tmp_path, caplog):
    before = begin("model")
    (before / checkpoints.FACTS).write_text(json.dumps([1]))
    begin("model", code="c1")
    assert caplog.messages == []
