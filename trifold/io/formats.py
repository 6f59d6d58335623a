"""Files that people open: a map on the balanced scale with zoom levels, beside the .cool that other steps read."""

from collections.abc import Sequence
from pathlib import Path

from trifold.io import hic
from trifold.io.zoom import write_zoom_levels

FORMATS = ("mcool", "hic")


def write_formats(
    cool: Path, formats: Sequence[str] = ("mcool",), metadata: dict | None = None, assembly: str | None = None
) -> None:
    """Beside `map.cool` write `map.<format>`, with zoom levels, for every one of the formats (of `FORMATS`)."""
    if not formats:
        return
    mcool = cool.with_suffix(".mcool")
    write_zoom_levels(cool, mcool, metadata, assembly)
    if "hic" in formats:
        hic.write(cool.with_suffix(".hic"), mcool, assembly, metadata)
    if "mcool" not in formats:
        mcool.unlink()
