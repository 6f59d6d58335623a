"""Which maps a file holds, read quickly, without opening them: every start of the workflow asks for them."""

import os

from trifold.io import kinds


def maps_in(path: str | os.PathLike) -> list[tuple[str, int]] | None:
    """(group, bin width in bp) of the maps of a .cool, .mcool, .scool or .hic, or of the group a cooler URI names.

    Empty where bins vary or the file is damaged: `data.contacts.prepare` raises the error for these. None for a file
    that is no map, or a group that is not in it.
    """
    file, _, group = os.fspath(path).partition("::")
    if kinds.is_hic(file):
        return [("/", width) for width in _of_hic(file)] if kinds.starts_as_hic(file) else None
    # Imported here: h5py takes a fifth of a second to load, and most experiments start before any of their maps exist.
    import h5py

    if not h5py.is_hdf5(file):
        return None
    maps: list[tuple[str, int]] = []

    def visit(name: str, node) -> None:
        if str(node.attrs.get("format", "")).endswith("HDF5::Cooler"):
            maps.append((f"{group or '/'}/{name}".replace("//", "/"), int(node.attrs.get("bin-size", 0) or 0)))

    try:
        with h5py.File(file, "r") as handle:
            if (group or "/") not in handle:
                return None
            if isinstance(node := handle[group or "/"], h5py.Group):
                node.visititems(visit)
            visit("", node)
    except (KeyError, OSError, RuntimeError, TypeError, ValueError):
        return []
    return [(name.rstrip("/") or "/", width) for name, width in maps if width] if maps else None


def bin_widths(path: str | os.PathLike) -> list[int] | None:
    """Bin widths, bp, finest first; empty and None as of `maps_in`."""
    maps = maps_in(path)
    return None if maps is None else sorted({width for _, width in maps})


def _of_hic(file: str) -> list[int]:
    from trifold.errors import InputError
    from trifold.io import hic

    try:
        return hic.resolutions(file)
    except InputError:
        return []
