"""A small BERT with random weights, in a folder as language models of DNA come in; needs transformers."""

from itertools import product
from pathlib import Path

import torch

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def write_bert(folder: Path, k: int = 3, positions: int = 64, seed: int = 0) -> Path:
    """A BERT of two layers on k-mers as DNABERT's folder has it: config.json, weights, vocab.txt."""
    from transformers import BertConfig, BertModel

    words = [*SPECIAL, *("".join(letters) for letters in product("ACGT", repeat=k))]
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=positions,
    )
    BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return folder


def write_tokenizer(folder: Path, merges: list[tuple[str, str]]) -> None:
    """A byte-pair tokenizer of the letters and of what `merges` make of them, as DNABERT-2's."""
    from tokenizers import Tokenizer, models, processors
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *"ACGT", *("".join(pair) for pair in merges)]
    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.BPE(numbers, merges, unk_token="[UNK]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])]
    )
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
