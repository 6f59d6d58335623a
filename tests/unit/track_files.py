"""The folder of a prepared track, written without a bigWig."""

from pathlib import Path

import numpy as np

from trifold.data.tracks import TrackStore


def write_track(folder: Path, values: np.ndarray, sizes: dict[str, int], bin_bp: int, bases=None) -> TrackStore:
    """A track of these bins, the chromosomes one after the other; bases: those with a value, None: all or none."""
    folder.mkdir(exist_ok=True)
    values = np.ravel(values)
    bases = np.where(np.isfinite(values), bin_bp, 0) if bases is None else bases
    np.save(folder / "bins.npy", values.astype(np.float16))
    np.save(folder / "valid_bases.npy", np.asarray(bases, dtype=np.uint16))
    lines = "".join(f"{name}\t{length_bp}\t{bin_bp}\n" for name, length_bp in sizes.items())
    (folder / "chromosomes.tsv").write_text("name\tlength_bp\tbin_bp\n" + lines)
    return TrackStore(folder)
