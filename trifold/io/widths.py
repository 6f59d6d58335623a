"""Bin widths of a map, read without opening it as a whole: every start of the workflow asks for them."""

import os
from pathlib import Path


def bin_widths(path: str | os.PathLike) -> list[int]:
    """Bin widths, bp, of a .cool, .mcool or .hic, or of the group a cooler URI names, finest first.

    Nothing for a file that is no such map, or whose bins vary: preparing it says what is wrong with it.
    """
    file, _, group = os.fspath(path).partition("::")
    if Path(file).suffix.lower() == ".hic":
        return _of_hic(file)
    # h5py takes a fifth of a second to import, and most experiments name no file that is there before they start.
    import h5py

    if not h5py.is_hdf5(file):
        return []
    found: set[int] = set()

    def visit(name: str, node) -> None:
        if str(node.attrs.get("format", "")).endswith("HDF5::Cooler") and int(node.attrs.get("bin-size", 0) or 0):
            found.add(int(node.attrs["bin-size"]))

    try:
        with h5py.File(file, "r") as handle:
            root = handle[group or "/"]
            visit(root.name, root)
            for name in root.get("resolutions", {}):
                visit(name, root["resolutions"][name])
    except (KeyError, OSError, TypeError, ValueError):
        return []
    return sorted(found)


def _of_hic(file: str) -> list[int]:
    from trifold.errors import InputError
    from trifold.io import hic

    try:
        return hic.resolutions(file)
    except InputError:
        return []
