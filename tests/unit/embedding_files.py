"""The folder of prepared vectors of bins, written without a language model."""

import json
from pathlib import Path

import numpy as np

from trifold.data.embeddings import EmbeddingStore
from trifold.genome import n_bins


def write_embeddings(folder: Path, sizes: dict[str, int], bin_bp: int, without=(), channels: int = 2) -> EmbeddingStore:
    """Vectors (number of the bin in its chromosome, twice that, ...); none where `without` names (chromosome, bin)."""
    folder.mkdir(parents=True)
    bins = [(chrom, number) for chrom, length_bp in sizes.items() for number in range(n_bins(length_bp, bin_bp))]
    valid = np.array([place not in set(without) for place in bins])
    vectors = np.array([number for _, number in bins])[:, None] * np.arange(1, channels + 1) * valid[:, None]
    np.save(folder / "vectors.npy", vectors.astype(np.float16))
    np.save(folder / "valid.npy", valid)
    lines = "".join(f"{name}\t{length_bp}\t{bin_bp}\n" for name, length_bp in sizes.items())
    (folder / "chromosomes.tsv").write_text("name\tlength_bp\tbin_bp\n" + lines)
    summary = {"name": "tiny", "identity": "abc", "channels": channels, "bin_bp": bin_bp}
    (folder / "summary.json").write_text(json.dumps(summary))
    return EmbeddingStore(folder)
