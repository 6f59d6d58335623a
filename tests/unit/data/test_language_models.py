"""Language models of the library transformers, small ones with random weights, against a plain loop over their k-mers.

`make test` installs what they need (requirements-embed.txt).
"""

import importlib.util
import json
import re
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from language_model import BIN, by_loop, made_up_genome, make, settings, write_sequence
from tiny_bert import write_bert, write_tokenizer

from trifold.data import language_models
from trifold.errors import InputError
from trifold.genome import N_CODE, decode

transformers = pytest.importorskip("transformers", reason="make embed (make test does)")


@pytest.fixture
def genome():
    return made_up_genome()


@pytest.fixture
def store(tmp_path, genome):
    return write_sequence(tmp_path / "sequence", genome, BIN)


def bert_states(folder, layer=-1, k=3):
    """Of a window's k-mers, one after the other: the plain way, a window at a time."""
    network = transformers.BertModel.from_pretrained(folder).eval()
    words = {word: number for number, word in enumerate((folder / "vocab.txt").read_text().split())}

    def states_of(codes):
        text = decode(codes)
        kmers = [text[i : i + k] for i in range(len(text) - k + 1)]
        ids = [words["[CLS]"], *(words.get(kmer, words["[UNK]"]) for kmer in kmers), words["[SEP]"]]
        with torch.no_grad():
            found = network(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0].numpy()
        states = [None] * len(text)
        for number, kmer in enumerate(kmers):
            states[number + (k - 1) // 2] = None if "N" in kmer else found[1 + number]
        return states

    return states_of


@pytest.mark.parametrize(("layer", "overlap_bp", "k"), [(-1, 8, 3), (1, 8, 4), (0, 0, 3)])
def test_a_bert_of_kmers(tmp_path, store, genome, layer, overlap_bp, k):
    folder = write_bert(tmp_path / "model", k)
    given = settings(
        model=str(folder), tokenizer="kmers", layer=layer, overlap_bp=overlap_bp, window_bp=32 + overlap_bp
    )
    model = language_models.load(given, torch.device("cpu"))
    assert model.channels == 12
    made = make(tmp_path / "made", model, store, given, batch_size=4)
    states_of = bert_states(folder, layer, k)
    for chrom, codes in genome.items():
        expected, valid = by_loop(codes, given, BIN, states_of)
        found, known = made.window(chrom, 0, len(expected) * BIN)
        np.testing.assert_allclose(found.T, expected, atol=2e-5)
        np.testing.assert_array_equal(known, valid)
    assert valid.all() and np.load(made.folder / "valid.npy").mean() > 0.8


def test_a_chromosome_shorter_than_a_kmer_has_no_vector(tmp_path, genome):
    given = settings(model=str(write_bert(tmp_path / "model")), tokenizer="kmers")
    store = write_sequence(tmp_path / "sequence", {"chr2": genome["chr2"], "tiny": genome["chr2"][:2]}, BIN)
    made = make(tmp_path, language_models.load(given, torch.device("cpu")), store, given)
    assert made.valid("chr2").all() and made.valid("tiny").tolist() == [False]


def test_a_bert_that_is_killed_in_the_middle_goes_on(tmp_path, store, monkeypatch):
    monkeypatch.setattr(language_models, "STRETCH_BP", 128)
    given = settings(model=str(write_bert(tmp_path / "model")), tokenizer="kmers", stored="float16")
    model = language_models.load(given, torch.device("cpu"))
    whole = make(tmp_path / "whole", model, store, given)
    run, calls = type(model).states, []

    def killed(self, windows):
        calls.append(len(windows))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(self, windows)

    monkeypatch.setattr(type(model), "states", killed)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "killed", model, store, given)
    (tmp_path / "killed/out").rmdir()
    resumed = make(tmp_path / "killed", model, store, given)
    assert (resumed.folder / "vectors.npy").read_bytes() == (whole.folder / "vectors.npy").read_bytes()


def test_byte_pairs_stand_for_all_their_bases(tmp_path, store, genome):
    folder = write_bert(tmp_path / "model", positions=128)
    write_tokenizer(folder, [("A", "C"), ("G", "T"), ("AC", "GT")])
    given = settings(model=str(folder), tokenizer="folder")
    made = make(tmp_path / "made", language_models.load(given, torch.device("cpu")), store, given, batch_size=4)
    network = transformers.BertModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def states_of(codes):
        text = re.sub("N+", "N", decode(codes))
        encoded = tokenizer(text, return_offsets_mapping=True)
        with torch.no_grad():
            found = network(torch.tensor([encoded["input_ids"]]))[0][0].numpy()
        known = [
            state
            for (start, end), state in zip(encoded["offset_mapping"][1:-1], found[1:-1])
            if "N" not in text[start:end]
            for _ in range(end - start)
        ]
        return [None if code == N_CODE else known.pop(0) for code in codes]

    lengths = {end - start for start, end in tokenizer("ACGTTTAC", return_offsets_mapping=True)["offset_mapping"]}
    assert lengths == {0, 1, 2, 4}  # [CLS], T, AC, ACGT
    for chrom, codes in genome.items():
        expected, valid = by_loop(codes, given, BIN, states_of)
        found, known = made.window(chrom, 0, len(expected) * BIN)
        np.testing.assert_allclose(found.T, expected, atol=2e-5)
        np.testing.assert_array_equal(known, valid)


def test_characters_are_the_tokenizers_letters(tmp_path):
    folder = write_bert(tmp_path / "model")
    write_tokenizer(folder, [])
    model = language_models.load(settings(model=str(folder)), torch.device("cpu"))
    tokens = model.tokenise(np.array([0, 1, 2, 3, 4], dtype=np.uint8))
    assert tokens.ids.tolist() == [2, 5, 6, 7, 8, 1, 3]  # [CLS] A C G T [UNK] [SEP]
    assert tokens.first == 1 and tokens.stands.tolist() == [[i, i + 1] for i in range(5)]


OWN = """
import torch
from transformers import PretrainedConfig, PreTrainedModel


class OwnConfig(PretrainedConfig):
    model_type = "own"


class Own(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Embedding(9, 4)

    def forward(self, input_ids):
        x = self.table(input_ids)
        return (x + x.mean(1, keepdim=True),)
"""


def test_a_model_with_code_of_its_own(tmp_path, monkeypatch):
    """Run where the settings say so, and only there. It takes no mask, so that windows of other lengths are no company,
    and gives its last states alone."""
    folder = tmp_path / "model"
    folder.mkdir()
    write_tokenizer(folder, [])
    (folder / "own.py").write_text(OWN)
    known = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(known))
    table = torch.arange(36.0).reshape(9, 4) ** 1.5
    torch.save({"table.weight": table}, folder / "pytorch_model.bin")
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(
        InputError, match=r"transformers cannot load the model .*; where its folder holds code of its own"
    ):
        language_models.load(settings(model=str(folder)), torch.device("cpu"))
    assert not (tmp_path / "modules").exists()
    model = language_models.load(settings(model=str(folder), own_code=True), torch.device("cpu"))
    assert model.channels == 4
    windows = [model.tokenise(np.array(codes, dtype=np.uint8)) for codes in ([0, 1, 2], [3])]
    for states, ids in zip(model.states(windows), ([2, 5, 6, 7, 3], [2, 8, 3])):  # [CLS], letters, [SEP]
        torch.testing.assert_close(states, (table[ids] + table[ids].mean(0))[1:-1])


def test_bfloat16_is_near(tmp_path, store):
    folder = write_bert(tmp_path / "model")
    made = []
    for precision in ("float32", "bfloat16"):
        given = settings(model=str(folder), tokenizer="kmers", precision=precision)
        model = language_models.load(given, torch.device("cpu"))
        made.append(make(tmp_path / precision, model, store, given).window("chr2", 0, 13 * BIN)[0])
    assert np.abs(made[0] - made[1]).max() < 0.1 * made[0].std() and not np.array_equal(*made)


def test_what_is_no_model_of_dna_is_refused(tmp_path):
    cpu = torch.device("cpu")
    folder = write_bert(tmp_path / "model")
    given = settings(model=str(folder), tokenizer="kmers", window_bp=80)
    with pytest.raises(InputError, match=r"a window of 80 bp has 80 tokens, and the model takes 64; lower window_bp"):
        language_models.load(given, cpu).tokenise(np.zeros(80, dtype=np.uint8))
    with pytest.raises(InputError, match=r"model: its tokenizer has no numbers of their own for A, C, G and T"):
        language_models.load(settings(model=str(folder)), cpu)  # k-mers
    words = (folder / "vocab.txt").read_text().split()
    (folder / "vocab.txt").write_text("\n".join(words[:-1]) + "\n")
    with pytest.raises(InputError, match=r"vocab\.txt: holds 63 words of 3 letters .* and no whole set of k-mers"):
        language_models.load(settings(model=str(folder), tokenizer="kmers"), cpu)
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        InputError,
        match=r"transformers cannot load the model .*; where its folder holds code of its own, set own_code: true",
    ):
        language_models.load(given, cpu)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json: not found"):
        language_models.load(given, cpu)
    other = write_bert(tmp_path / "other")
    write_tokenizer(other, [])
    kind = language_models.of_folder(transformers.AutoTokenizer.from_pretrained(other), other)
    assert kind(np.array([0, 4, 1], dtype=np.uint8)).stands.tolist() == [[0, 1], [1, 2], [2, 3]]


def test_enformer_reads_windows_filled_up_with_n(tmp_path, store, genome, monkeypatch):
    """A small one: a state per 8 bp. Its own way through stem, tower and blocks, without the crop."""
    if "polars" not in sys.modules and importlib.util.find_spec("polars") is None:
        monkeypatch.setitem(sys.modules, "polars", ModuleType("polars"))  # as `OfEnformer` does
    enformer_pytorch = pytest.importorskip("enformer_pytorch", reason="make test installs it")
    torch.manual_seed(0)
    config = enformer_pytorch.EnformerConfig(
        dim=24,
        depth=2,
        heads=2,
        target_length=4,
        attn_dim_key=8,
        num_downsamples=3,
        dim_divisible_by=4,
        output_heads={},
    )
    network = enformer_pytorch.Enformer(config).eval()
    network.save_pretrained(tmp_path / "model", safe_serialization=False)  # it holds its layers under two names
    given = settings(model=str(tmp_path / "model"), window_bp=64, overlap_bp=32)
    model = language_models.load(given, torch.device("cpu"))
    assert isinstance(model, language_models.OfEnformer) and model.channels == 24 and model.state_bp == 8
    made = make(tmp_path / "made", model, store, given, batch_size=4)

    def states_of(codes):
        filled = np.full(64, N_CODE)
        filled[: len(codes)] = codes
        one_hot = torch.tensor(np.eye(5)[filled][None, :, :4], dtype=torch.float32)
        with torch.no_grad():
            found = network._trunk[:-2](one_hot)[0].numpy()  # before it is cropped
        states = [None] * len(codes)
        for number in range(-(-len(codes) // 8)):
            if (codes[8 * number : 8 * number + 8] != N_CODE).all():
                states[8 * number : 8 * number + 8] = [found[number]] * len(codes[8 * number : 8 * number + 8])
        return states

    for chrom, codes in genome.items():
        expected, valid = by_loop(codes, given, BIN, states_of)
        found, known = made.window(chrom, 0, len(expected) * BIN)
        np.testing.assert_allclose(found.T, expected, atol=2e-5)
        np.testing.assert_array_equal(known, valid)
    before = language_models.load(settings(**{**vars(given), "layer": 0}), torch.device("cpu"))
    tokens = before.tokenise(genome["chr1"][:64])
    with torch.no_grad():
        expected = network._trunk[:4](torch.eye(5)[genome["chr1"][:64].tolist()][None, :, :4])[0]
    torch.testing.assert_close(before.states([tokens])[0], expected)
    with pytest.raises(InputError, match=r"window_bp 62 is no multiple of the 8 bp of a state"):
        language_models.load(settings(model=given.model, window_bp=62), torch.device("cpu"))
