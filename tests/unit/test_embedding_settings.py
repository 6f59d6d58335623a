"""The section `embeddings`: what arms take from it, and what is refused before any job."""

import copy
import json
from itertools import product

import pytest

from trifold import checks, plan, settings
from trifold.errors import InputError

KMERS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *("".join(letters) for letters in product("ACGT", repeat=3))]
GIVEN = {
    "experiment": "mine",
    "genome": {"fasta": "genome.fa"},
    "samples": {"alpha": {"contacts": "alpha.cool"}},
    "geometry": {"bin_bp": 5000, "window_bins": 200, "stride_bins": {"train": 50, "validation": 200, "test": 200}},
    "degradations": {"low": {"coarsen": 2, "thin": 4}},
    "splits": {"a": {"kind": "chromosomes", "validation": ["chr1"], "test": ["chr2"]}},
    "evaluate": {"samples": ["alpha"]},
    "embeddings": {"dnabert": {"model": "dnabert", "tokenizer": "kmers", "window_bp": 512, "overlap_bp": 12}},
    "arms": {
        "identity": {"architecture": "identity"},
        "words": {"architecture": "akita-embedded", "embeddings": "dnabert"},
    },
}


def completed(repository, **changes):
    given = copy.deepcopy(GIVEN)
    for path, value in changes.items():
        *folders, last = path.split("__")
        place = given
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return plan.selected(settings.complete(given, repository))


def checked(repository, **changes):
    config = completed(repository, **changes)
    arms = plan.resolve(config)
    checks.check(config, arms)
    return config, arms


@pytest.fixture
def dnabert(tmp_path, monkeypatch):
    """The folder of a model, as far as it is looked at before a job."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "dnabert"
    folder.mkdir()
    known = {"model_type": "bert", "max_position_embeddings": 512, "num_hidden_layers": 12}
    (folder / "config.json").write_text(json.dumps(known))
    (folder / "model.safetensors").write_bytes(b"x")
    (folder / "vocab.txt").write_text("\n".join(KMERS) + "\n")
    return folder


def test_an_arm_takes_its_vectors_by_name(repository, dnabert):
    config, arms = checked(repository)
    checks.check_embedding_models(config, arms)
    arm = arms["words"]
    assert arm.embeddings == "dnabert" and arm.model()["embeddings"] == "dnabert"
    assert arm.training["reverse_complement"] is False
    assert config["embeddings"]["dnabert"]["layer"] == -1 and config["embeddings"]["dnabert"]["stored"] == "float16"
    # What an arm does not have is no part of its version, and how many windows are read at once is none of vectors'.
    assert "embeddings" not in arms["identity"].model()
    assert "batch_size" not in plan.embedding_settings(config, "dnabert")
    assert set(plan.embedding_settings(config, "dnabert")) == {
        *("model", "tokenizer", "window_bp", "overlap_bp", "layer", "strands", "precision", "stored", "own_code")
    }


def test_vectors_of_both_strands_can_be_augmented(repository):
    turned = {"arms__words__training": {"reverse_complement": True}}
    _, arms = checked(repository, **turned, embeddings__dnabert__strands="both")
    assert arms["words"].training["reverse_complement"] is True
    with pytest.raises(InputError, match=r"arms/words/training/reverse_complement: true, and embeddings/dnabert are"):
        checked(repository, **turned)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms__words__embeddings": "dnabret"}, r"arms/words/embeddings: 'dnabret'; .* embeddings \(dnabert\)"),
        (
            {"arms__words": {"architecture": "akita-embedded"}},
            r"arms/words/embeddings: missing; 'akita-embedded'",
        ),
        ({"arms__identity__embeddings": "dnabert"}, r"arms/identity/embeddings: 'identity' reads none; leave the"),
        ({"genome": {}}, r"genome/fasta: the arms words read the sequence of the genome; name its FASTA"),
        (
            {"embeddings__dnabert__overlap_bp": 13},
            r"embeddings/dnabert/overlap_bp: 13 must be even and below",
        ),
        ({"embeddings__dnabert__overlap_bp": 512}, r"overlap_bp: 512 must be even and below window_bp, 512"),
        (
            {"embeddings__dnabert__overlap_bp": 0},
            r"window_bp: 512 less overlap_bp 0 is 512 bp, neither a multiple nor a divisor of geometry/bin_bp 5000; "
            r"change them so that it is, such as 500",
        ),
        ({"embeddings__dnabert__tokenizer": "bpe"}, r"embeddings/dnabert/tokenizer: 'bpe' is not one of kmers, char"),
        ({"embeddings__dnabert__windows": 3}, r"embeddings/dnabert/windows: no such key; did you mean window_bp\?"),
        (
            {"embeddings__dnabert": {"tokenizer": "kmers", "window_bp": 500}},
            r"embeddings/dnabert/model: missing",
        ),
    ],
)
def test_what_cannot_work_is_refused(repository, changes, message):
    with pytest.raises(InputError, match=message):
        checked(repository, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "zhihan1996/DNA_bert_6"}, r"model: zhihan1996/DNA_bert_6: no such folder below .* nothing is down"),
        ({"window_bp": 1012}, r"window_bp: 1012 bp are 1,012 tokens, and the model in dnabert takes 512; lower it"),
        (
            {"layer": 13},
            r"layer: 13: the model in dnabert has layers 0 \(before the first block\) to 12, -1 is",
        ),
        ({"layer": -14}, r"layer: -14: the model"),
        ({"tokenizer": "characters", "window_bp": 1012}, r"window_bp: 1012 bp are 1,013 tokens, and the model"),
    ],
)
def test_a_model_that_does_not_suit_its_settings_is_refused(repository, dnabert, changes, message):
    config, arms = checked(repository, **{f"embeddings__dnabert__{key}": value for key, value in changes.items()})
    with pytest.raises(InputError, match=f"config: embeddings/dnabert/{message}"):
        checks.check_embedding_models(config, arms)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", None, r"embeddings/dnabert: dnabert/config.json: not found; give the folder"),
        ("config.json", "[]", r"config.json: no mapping of JSON"),
        ("config.json", '{"model_type": "enformer"}', r"tokenizer: kmers: Enformer reads single bases; say characters"),
        ("model.safetensors", None, r"model: dnabert: no weights \(\*.safetensors, pytorch_model.bin\)"),
        ("vocab.txt", None, r"vocab.txt: cannot be read .* set `tokenizer` to folder or characters"),
        ("vocab.txt", "\n".join(KMERS[:-1]), r"vocab.txt: holds 63 words of 3 letters .* no whole set of k-mers"),
        ("vocab.txt", "\n".join(KMERS[5:]), r"vocab.txt: lacks \[CLS\], \[SEP\], \[UNK\], \[PAD\]"),
    ],
)
def test_a_folder_that_lacks_something_is_refused(repository, dnabert, file, text, message):
    (dnabert / file).unlink()
    if text is not None:
        (dnabert / file).write_text(text)
    config, arms = checked(repository)
    with pytest.raises(InputError, match=message):
        checks.check_embedding_models(config, arms)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": 12}, r"layer: 12: the model in dnabert has layers 0 \(before the first block\) to 11, -1 is"),
        (
            {"window_bp": 131072, "overlap_bp": 31072},
            r"window_bp: 131072: use_tf_gamma in dnabert/config.json are positions for windows of 196,608 bp alone",
        ),
        ({}, None),
    ],
)
def test_enformer_has_its_layers_and_its_window(repository, dnabert, changes, message):
    known = {"model_type": "enformer", "depth": 11, "num_downsamples": 7, "use_tf_gamma": True}
    (dnabert / "config.json").write_text(json.dumps(known))
    entry = {"model": "dnabert", "tokenizer": "characters", "window_bp": 196608, "overlap_bp": 96608, **changes}
    config, arms = checked(repository, embeddings__dnabert=entry)
    if message is None:
        checks.check_embedding_models(config, arms)
        return
    with pytest.raises(InputError, match=f"config: embeddings/dnabert/{message}"):
        checks.check_embedding_models(config, arms)


def test_a_folder_without_a_tokenizer_is_refused(repository, dnabert):
    (dnabert / "vocab.txt").unlink()
    config, arms = checked(repository, embeddings__dnabert__tokenizer="folder")
    with pytest.raises(InputError, match=r"tokenizer: folder: dnabert holds no tokenizer \(tokenizer.json, "):
        checks.check_embedding_models(config, arms)


def test_models_that_no_arm_reads_are_not_looked_for(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, arms = checked(repository, arms={"identity": {"architecture": "identity"}})
    checks.check_embedding_models(config, arms)
