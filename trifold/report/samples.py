"""What the maps of a sample hold, as the page shows it: contacts, depth, bad bins, repairs, contacts by distance."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trifold.errors import InputError
from trifold.genome import Region
from trifold.io.cool import Band, extent, open_map
from trifold.plan import holds_back, measured_lows
from trifold.report.gallery import overlap, read_map

DEEP = "deep"
_NEEDED = ("bin_bp", "contacts", "cis_contacts", "bins", "bad_bins", "contacts_per_bin", "by_distance")


class MapFacts(NamedTuple):
    """One prepared map: its name, where it comes from, `trifold.data.summary.summarise`, and what was repaired."""

    name: str
    source: str
    summary: dict
    repairs: list[str]


class MapRow(NamedTuple):
    """`MapFacts` in words."""

    name: str
    source: str
    resolution: str
    contacts: str
    cis: str
    per_bin: str
    share: str  # of the deep map's contacts
    bad_bins: str


def read(name: str, summary: str | Path, source: str) -> MapFacts:
    """Facts of the map beside a summary.json; repairs are those of checks.json, where that was written.

    Raises InputError for a summary without a field that is needed.
    """
    facts = json.loads(Path(summary).read_text())
    if missing := [field for field in _NEEDED if field not in facts]:
        raise InputError(f"{summary}: {missing} is missing; delete the folder and start again")
    checks = Path(summary).with_name("checks.json")
    repairs = json.loads(checks.read_text()).get("repairs", []) if checks.exists() else []
    return MapFacts(name, source, facts, repairs)


def source_of(config: Mapping, sample: str, name: str) -> str:
    """Where a sample's map comes from, in words: the file that was given, or how it was made from the deep map."""
    settings = config["samples"][sample]
    if name == DEEP:
        return settings["contacts"]
    if measured := measured_lows(dict(settings)).get(name):
        taken = "are among the deep map's, and are taken away from what it is scored against"
        shared = "are among the deep map's, which it is scored against"
        others = "are taken to be others than the deep map's (samples/<name>/low/<degradation>/reads_in_deep)"
        said = taken if holds_back(dict(config), sample, name) else shared
        return f"{measured['contacts']}; its reads {said if measured['reads_in_deep'] else others}"
    low = config["degradations"][name]
    against = "all reads, its own among them" if low["share_reads"] else "the reads that it does not have"
    return f"the deep map, {degraded(low)}; scored against {against}"


def degraded(low: Mapping) -> str:
    """How a low map is made: 2 bins merged, one contact in 16 kept."""
    parts = [f"{low['coarsen']} bins merged"] if low["coarsen"] > 1 else []
    parts += [f"one contact in {low['thin']:g} kept"] if low["thin"] > 1 else []
    return ", ".join(parts) or "as it is"


def row(facts: MapFacts, deep: MapFacts | None = None) -> MapRow:
    summary = facts.summary
    return MapRow(
        name=facts.name,
        source=facts.source,
        resolution=f"{summary['bin_bp']:,} bp",
        contacts=f"{summary['contacts']:,.0f}",
        cis=_percent(summary["cis_contacts"], summary["contacts"]),
        per_bin=_few(summary["contacts_per_bin"]),
        share=_share(summary["contacts"], deep.summary["contacts"]) if deep and facts.name != DEEP else "–",
        bad_bins=_bad_bins(summary),
    )


def _few(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _percent(part: float, whole: float) -> str:
    """A share in percent, with more decimals near 0 and 100 %, so that a small part is not rounded away."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    decimals = 1 if percent in (0, 100) or 0.05 <= percent < 99.95 else 3
    return f"{percent:.{decimals}f} %".replace(f".{'0' * decimals} ", " ")


def _share(part: float, whole: float) -> str:
    """The part as a fraction of the whole (1/16), or as a multiple (2.5×) where it is larger than the whole."""
    if not part or not whole:
        return "–"
    return f"1/{whole / part:.3g}" if part <= whole else f"{part / whole:.3g}×"


def _bad_bins(summary: Mapping) -> str:
    if summary["bad_bins"] is None:
        return "not balanced"
    return f"{summary['bad_bins']:,} of {summary['bins']:,} ({_percent(summary['bad_bins'], summary['bins'])})"


def said(facts: Iterable[MapFacts]) -> list[str]:
    """What was repaired, map by map."""
    return [f"{repair} ({map_facts.name} map)" for map_facts in facts for repair in map_facts.repairs]


def curves(facts: Sequence[MapFacts]) -> dict[str, list[tuple[float, float]]]:
    """Contacts by distance of every map, per pixel of the narrowest bins among them."""
    narrow = min(map_facts.summary["bin_bp"] for map_facts in facts)
    return {
        map_facts.name: [
            (d, mean / (map_facts.summary["bin_bp"] / narrow) ** 2) for d, mean in map_facts.summary["by_distance"]
        ]
        for map_facts in facts
    }


# ---------------------------------------------------------------- the user's maps


def model_of(entry: Mapping) -> str:
    """What a map is enhanced with: arm image, fold a, seed 1."""
    named = [f"{key} {entry[key]}" for key in ("model", "arm", "fold", "seed") if entry.get(key) is not None]
    return ", ".join(named)


def busiest(low: str | Path, enhanced: str | Path, window_bins: int) -> Region | None:
    """The window with most contacts off the diagonal, of those whose bins are mostly known in the enhanced map.

    window_bins: of the enhanced map. Windows start at every half of their width. None where no window is known well
    enough or holds contacts off the diagonal.
    """
    return max(_known_windows(low, enhanced, window_bins), key=lambda found: found[0], default=(0.0, None))[1]


def spread_out(low: str | Path, enhanced: str | Path, window_bins: int, number: int) -> list[Region]:
    """Windows that overlap no other, from one of middling contacts off the diagonal to the busiest; fewer where the
    map has no more."""
    ranked = [region for _, region in sorted(_known_windows(low, enhanced, window_bins), key=lambda found: found[0])]
    chosen: list[Region] = []
    for share in np.linspace(1, 0.5, number):
        near = sorted(range(len(ranked)), key=lambda rank: abs(rank - share * (len(ranked) - 1)))
        free = (ranked[rank] for rank in near if not any(overlap(ranked[rank], taken) for taken in chosen))
        chosen += [region for region in [next(free, None)] if region]
    return sorted(chosen)


def _known_windows(low: str | Path, enhanced: str | Path, window_bins: int) -> list[tuple[float, Region]]:
    """Contacts off the diagonal of every window that has some and is known well enough."""
    fine, factor = open_map(enhanced), _factor(low, enhanced)
    wide_bp, found = int(fine.binsize) * factor, []
    for chrom, length_bp in fine.chromsizes.items():
        size = min(window_bins, int(length_bp) // fine.binsize) // factor
        if size < 2:
            continue
        band = Band.read(low, chrom, size)
        lo, hi = extent(fine, chrom)
        known = np.isfinite(fine.bins()["weight"][lo:hi].to_numpy(float))
        i, d = np.indices((size, size))
        inside = (d > 0) & (i + d < size)
        for start in range(0, int(length_bp) // wide_bp - size + 1, max(size // 2, 1)):
            contacts = float(band.counts[start : start + size][inside].sum())
            if contacts and known[start * factor : (start + size) * factor].mean() >= _KNOWN:
                found.append((contacts, Region(chrom, start * wide_bp, (start + size) * wide_bp)))
    return found


_KNOWN = 0.8  # share of a window's bins that must be known, for it to be shown


def _factor(low: str | Path, enhanced: str | Path) -> int:
    """How many bins of the enhanced map make up a bin of the low map."""
    return open_map(low).binsize // open_map(enhanced).binsize


def pair(low: str | Path, enhanced: str | Path, region: Region) -> tuple[np.ndarray, np.ndarray]:
    """Balanced values of a window before and after, on one scale: (n / k, n / k) and (n, n), NaN where unknown."""
    bin_bp = open_map(enhanced).binsize
    return read_map(low, region, bin_bp, _factor(low, enhanced)), read_map(enhanced, region, bin_bp)
