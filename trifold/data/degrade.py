"""A low map from a deep one: fewer contacts, wider bins, or both (first thinned, then coarsened); and the other reads.

Thinning keeps a contact with probability 1/thin, independently of the others (binomial per pixel), as sequencing less
would.
What thinning does not keep is held back: `hold_back` makes a map of it, which shares no read with the low map. Scored
against the whole deep map a prediction would be rewarded for the noise of the reads it was given. Of a measured low map
whose reads the deep map holds too, `take_away` makes the same map.
Kriukov et al. 2021 coarsen without thinning, so their low map has every contact of the deep one.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cooler
import numpy as np

from trifold.config import Degradation
from trifold.data import invariants
from trifold.data.balance import balance as balance_map
from trifold.data.contacts import merge, renumber
from trifold.errors import InputError
from trifold.io.cool import (
    CHUNK_PIXELS,
    INT32_MAX,
    Pixels,
    bin_width,
    chromsizes,
    largest_count,
    open_map,
    read_pixels,
    write_cool,
)

logger = logging.getLogger(__name__)
_OWN_READS = "say reads_in_deep: false of it (samples/<name>/low), or give the deep map that it was taken from"


def thin_pixels(chunks: Iterable[Pixels], thin: float, seed: int, *, others: bool = False) -> Iterator[Pixels]:
    """Pixels with each contact kept with probability 1/thin; others: the contacts that the same seed does not keep. One
    random stream along the table, so the size of the chunks does not matter."""
    random = np.random.default_rng(seed)
    for chunk in chunks:
        count = random.binomial(chunk["count"], 1 / thin)
        if others:
            count = chunk["count"] - count
        left = count > 0
        yield {"bin1_id": chunk["bin1_id"][left], "bin2_id": chunk["bin2_id"][left], "count": count[left]}


def degrade(
    source: str | os.PathLike,
    target: str | os.PathLike,
    degradation: Degradation,
    balance: dict | None = None,
    chunk_pixels: int = CHUNK_PIXELS,
    threads: int = 1,
) -> dict:
    """Write the degraded, re-balanced map of a prepared cooler.

    balance  options of `trifold.data.balance.balance`; threads: of the balancing
    Returns a report: contacts before and after, balancing. Raises InputError where what is left cannot be balanced.
    """
    if degradation.thin < 1 or degradation.coarsen < 1:
        raise InputError(f"degradations: thin and coarsen are at least 1, not {degradation}")
    clr, called = open_map(source), f"{source} ({_words(degradation)})"
    sizes, bin_bp = chromsizes(clr), bin_width(clr)
    deep = invariants.Total()
    chunks = deep.of(read_pixels(clr, chunk_pixels))
    if degradation.thin > 1:
        chunks = thin_pixels(chunks, degradation.thin, degradation.seed)
    if degradation.coarsen > 1:
        chunks = merge(chunks, renumber(sizes, bin_bp, degradation.coarsen))
    settings = {"coarsen": degradation.coarsen, "thin": degradation.thin, "seed": degradation.seed}
    write_cool(
        target,
        sizes,
        bin_bp * degradation.coarsen,
        chunks,
        metadata={"degraded": settings},
        assembly=clr.info.get("genome-assembly"),
        largest=_largest(clr, degradation.coarsen),
    )
    contacts = _checked(target, called, deep.contacts, 1 / degradation.thin)
    return settings | contacts | {"balance": balance_map(target, balance, called, threads)}


def hold_back(
    source: str | os.PathLike,
    target: str | os.PathLike,
    degradation: Degradation,
    balance: dict | None = None,
    chunk_pixels: int = CHUNK_PIXELS,
    threads: int = 1,
) -> dict:
    """Write the map of the reads that the low map of `degrade` does not have, at the bins of the deep map, balanced.

    Arguments and report are those of `degrade`. The map's metadata say under `held_back` which `share` of the deep
    map's contacts it was drawn to have, 1 - 1/thin: its counts divided by that are on the deep map's scale.
    Raises InputError where thinning keeps every contact.
    """
    if degradation.thin <= 1:
        raise InputError(
            "degradations: thin is 1, so the low map has every read, and none is held back; set it above 1"
        )
    clr, called = open_map(source), f"{source} (the reads held back from 1/{degradation.thin:g})"
    deep = invariants.Total()
    share = 1 - 1 / degradation.thin
    settings = {"thin": degradation.thin, "seed": degradation.seed, "share": share}
    write_cool(
        target,
        chromsizes(clr),
        bin_width(clr),
        thin_pixels(deep.of(read_pixels(clr, chunk_pixels)), degradation.thin, degradation.seed, others=True),
        metadata={"held_back": settings},
        assembly=clr.info.get("genome-assembly"),
        largest=_largest(clr),
    )
    contacts = _checked(target, called, deep.contacts, share)
    return settings | contacts | {"balance": balance_map(target, balance, called, threads)}


def in_halves(
    source: str | os.PathLike, targets: tuple[Path, Path], seed: int, balance: dict | None = None
) -> tuple[Path, Path]:
    """Write two maps that share out the contacts of a prepared cooler, each to either with the same chance, and each
    balanced by itself; returns their paths. Raises InputError where a half cannot be balanced."""
    division = Degradation(1, 2, seed)
    degrade(source, targets[0], division, balance)
    hold_back(source, targets[1], division, balance)
    return targets


def take_away(
    source: str | os.PathLike,
    low: str | os.PathLike,
    target: str | os.PathLike,
    balance: dict | None = None,
    chunk_pixels: int = CHUNK_PIXELS,
    threads: int = 1,
) -> dict:
    """Write the map of the reads of a deep map that a measured low map, taken from it, does not have; balanced.

    source, low: prepared coolers of the same bins. Other arguments, the report and the metadata are those of
    `hold_back`. Raises InputError where the low map has other bins, or somewhere more contacts than the deep map.
    """
    clr, part = open_map(source), open_map(low)
    if (chromsizes(clr), bin_width(clr)) != (chromsizes(part), bin_width(part)):
        raise InputError(f"{low}: has other bins than {source}, so its reads cannot be taken from it; {_OWN_READS}")
    share = 1 - int(part.info["sum"]) / int(clr.info["sum"])
    deep, called = invariants.Total(), f"{source} (the reads that {low} does not have)"
    write_cool(
        target,
        chromsizes(clr),
        bin_width(clr),
        _without(deep.of(read_pixels(clr, chunk_pixels)), part, f"{low}: is said to be part of {source}"),
        metadata={"held_back": {"share": share}},
        assembly=clr.info.get("genome-assembly"),
        largest=_largest(clr),
    )
    contacts = {"contacts_deep": deep.contacts, "contacts": int(open_map(target).info["sum"])}
    return {"share": share} | contacts | {"balance": balance_map(target, balance, called, threads)}


def _without(chunks: Iterable[Pixels], part: cooler.Cooler, called: str) -> Iterator[Pixels]:
    """Pixels less those of a map of the same bins."""
    n_bins, taken = len(part.bins()), 0
    pixels = list(read_pixels(part))
    places = np.concatenate([chunk["bin1_id"].astype(np.int64) * n_bins + chunk["bin2_id"] for chunk in pixels])
    counts = np.concatenate([chunk["count"] for chunk in pixels])
    for chunk in chunks:
        place = chunk["bin1_id"].astype(np.int64) * n_bins + chunk["bin2_id"]
        at = np.minimum(np.searchsorted(places, place), len(places) - 1)
        less = np.where(places[at] == place, counts[at], 0)
        count = chunk["count"] - less
        if (count < 0).any():
            raise InputError(f"{called}, but has more contacts in {(count < 0).sum()} pixels or more; {_OWN_READS}")
        taken += int(less.sum())
        left = count > 0
        yield {"bin1_id": chunk["bin1_id"][left], "bin2_id": chunk["bin2_id"][left], "count": count[left]}
    if taken != (total := int(counts.sum())):
        raise InputError(f"{called}, but {total - taken} of its contacts lie where that has none; {_OWN_READS}")


def _largest(clr: cooler.Cooler, coarsen: int = 1) -> int:
    """What no count of a map made from another exceeds: all contacts together, and only where these are beyond int32
    the largest count, which is looked for."""
    contacts = int(clr.info["sum"])
    return contacts if contacts <= INT32_MAX else largest_count(clr) * coarsen**2


def _checked(target: str | os.PathLike, called: str, contacts_deep: int, share: float) -> dict[str, int]:
    """Contacts before and after, checked against the share that was to be kept."""
    contacts = int(open_map(target).info["sum"])
    logger.info("%s: %d of %d contacts", called, contacts, contacts_deep)
    invariants.check_thinned(called, contacts_deep, contacts, 1 / share)
    return {"contacts_deep": contacts_deep, "contacts": contacts}


def _words(degradation: Degradation) -> str:
    """A degradation in words, for messages."""
    words = [
        f"1/{degradation.thin:g} of the contacts" if degradation.thin > 1 else "all contacts",
        *([f"bins {degradation.coarsen} times as wide"] if degradation.coarsen > 1 else []),
    ]
    return ", ".join(words)
