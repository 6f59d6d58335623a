"""The folder of a language model, as far as it can be read without its library: config.json and vocab.txt."""

import json
import os
from itertools import product
from pathlib import Path

from trifold.errors import InputError

ENFORMER = "enformer"  # `model_type` of the library enformer-pytorch; every other one is of transformers
TF_WINDOW_BP = 196_608  # the one window that enformer-pytorch has TensorFlow's positions for (`use_tf_gamma`)


def read_model_config(folder: str | os.PathLike) -> dict:
    """config.json of a model's folder. Raises InputError where it is missing or no mapping."""
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; give the folder that `save_pretrained` wrote, or a download") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); copy the folder of the model again") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: no mapping of JSON; copy the folder of the model again")
    return config


def read_vocabulary(folder: str | os.PathLike) -> dict[str, int]:
    """token -> number of a vocab.txt, a token per line. Raises InputError where there is none."""
    path = Path(folder) / "vocab.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); k-mers are looked up in it: copy it from the model's origin, or set "
            "`tokenizer` to folder or characters"
        ) from error
    return {token.strip(): number for number, token in enumerate(lines)}


def kmer_length(vocabulary: dict[str, int], folder: str | os.PathLike) -> int:
    """The k of a vocabulary of k-mers. Raises InputError for one that lacks k-mers, or what stands around them."""
    path, words = Path(folder) / "vocab.txt", [token for token in vocabulary if token and not set(token) - set("ACGT")]
    k = max(map(len, words), default=0)
    kmers = [word for word in words if len(word) == k]
    if k < 2 or len(kmers) != 4**k:
        raise InputError(
            f"{path}: holds {len(kmers):,} words of {k} letters A, C, G, T, and no whole set of k-mers (4^k): not the "
            "vocabulary of a model of k-mers; set `tokenizer` to folder or characters"
        )
    if lacking := [token for token in ("[CLS]", "[SEP]", "[UNK]", "[PAD]") if token not in vocabulary]:
        raise InputError(f"{path}: lacks {', '.join(lacking)}; copy it from the model's origin")
    return k


def kmers_in_order(k: int) -> list[str]:
    """All k-mers; the number of one is its letters A, C, G, T as digits 0 to 3, the first letter the highest."""
    return ["".join(letters) for letters in product("ACGT", repeat=k)]
