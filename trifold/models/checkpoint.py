"""What a published file of weights holds; the module of an architecture lists its files as `CHECKPOINTS`."""

from typing import NamedTuple


class Checkpoint(NamedTuple):
    """What a published file holds.

    expects: the data it was trained on: `bin_bp`; `window_bins`, the side of its maps; `bias` "raw" or "balanced" (KR);
    `depth`, reads of the deep map per read of the low one; None where not stated; `contacts_per_bin` of its low maps
    (`data.summary`), about. Bounds of contacts are `options`.
    parts: prefixes of our keys; the tensors of each are looked for under any prefix in the file.
    whole: the file holds nothing else. Training checkpoints and stacks of several networks do.
    backbones: role -> (architecture, options), hybrids only.
    """

    architecture: str
    options: dict
    expects: dict
    parts: tuple[str, ...] = ("",)
    whole: bool = True
    backbones: dict[str, tuple[str, dict]] = {}  # noqa: RUF012 (a NamedTuple's default, never written to)
    protocol: str = "published"


# Contacts per bin of 10 kb of chr22 at 1/16 of GM12878's reads, the example that DeepHiC's authors give.
_GM12878_16_PER_BIN = 413.0


def of_contacts(bias: str | None, depth: int | None) -> dict:
    """What a network of contacts expects: tiles of 40 bins of 10 kb, deep maps of `depth` times the low ones' reads."""
    per_bin = {"contacts_per_bin": _GM12878_16_PER_BIN * 16 / depth} if depth else {}
    return {"bin_bp": 10_000, "window_bins": 40, "bias": bias, "depth": depth, **per_bin}


# Kriukov2021's maps. Of its files only akita.pth has a known address; put the others into a folder named in `mirrors`.
MICRO_C = {"bin_bp": 5000, "window_bins": 200, "bias": "balanced", "depth": None}
# VEHiCLE's.
GM12878_REPLICATE = {"bin_bp": 10_000, "window_bins": 269, "bias": "balanced", "depth": None}
