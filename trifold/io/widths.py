"""Bin widths of a map, read quickly, without opening the map: every start of the workflow asks for them."""

import os
from pathlib import Path


def bin_widths(path: str | os.PathLike) -> list[int] | None:
    """Bin widths, bp, of a .cool, .mcool or .hic, or of the group a cooler URI names, finest first.

    Empty where bins vary or the file is damaged: `data.contacts.prepare` raises the error for these. None for a file
    that is no map, or a group that is not in it.
    """
    file, _, group = os.fspath(path).partition("::")
    if Path(file).suffix.lower() == ".hic":
        return _of_hic(file)
    # Imported here: h5py takes a fifth of a second to load, and most experiments start before any of their maps exist.
    import h5py

    if not h5py.is_hdf5(file):
        return [] if Path(file).suffix in (".cool", ".mcool") else None
    widths: list[int] = []

    def visit(name: str, node) -> None:
        if str(node.attrs.get("format", "")).endswith("HDF5::Cooler"):
            widths.append(int(node.attrs.get("bin-size", 0) or 0))

    try:
        with h5py.File(file, "r") as handle:
            if (group or "/") not in handle:
                return None
            if isinstance(node := handle[group or "/"], h5py.Group):
                node.visititems(visit)
            visit("", node)
    except (KeyError, OSError, RuntimeError, TypeError, ValueError):
        return []
    return sorted({width for width in widths if width}) if widths else None


def _of_hic(file: str) -> list[int]:
    from trifold.errors import InputError
    from trifold.io import hic

    try:
        return hic.resolutions(file)
    except InputError:
        return []
