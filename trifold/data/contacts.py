"""A contact map as it comes (.cool, .mcool, .hic) -> a checked cooler, which all other steps read.

The cooler has one bin width, pixels sorted and stored once, whole counts, the chromosomes of the genome, a `weight`
column whose balanced rows sum to 1. Repairs are logged and listed in the report.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cooler
import numpy as np

from trifold.data import invariants
from trifold.data.balance import BALANCE, balance, rows_sum_to_one
from trifold.errors import InputError
from trifold.genome import check_first_letters, check_renamed, n_bins, some_of
from trifold.io import cool, hic, kinds
from trifold.io.cool import Pixels

logger = logging.getLogger(__name__)

# ---------------------------------------------------------------- streams of pixels


def whole_rows(chunks: Iterable[Pixels]) -> Iterator[Pixels]:
    """The same pixels, cut so that no run of one `bin1_id` is divided between chunks."""
    tail = None
    for chunk in chunks:
        if tail is not None:
            chunk = {name: np.concatenate([tail[name], chunk[name]]) for name in chunk}
        elsewhere = np.flatnonzero(chunk["bin1_id"] != chunk["bin1_id"][-1:])
        edge = elsewhere[-1] + 1 if len(elsewhere) else 0
        if edge:
            yield {name: column[:edge] for name, column in chunk.items()}
        tail = {name: column[edge:] for name, column in chunk.items()}
    if tail is not None and len(tail["bin1_id"]):
        yield tail


def merge(chunks: Iterable[Pixels], new_ids: np.ndarray) -> Iterator[Pixels]:
    """Renumber bins and sum the pixels that then coincide; rows come out sorted, zeros dropped.

    new_ids  (n_bins,) new id of every bin, rising; -1 drops the bin
    Serves for coarsening, for dropping chromosomes and, with ids unchanged, for summing pixels stored twice.
    """
    n_new = int(new_ids.max()) + 1

    def renumbered() -> Iterator[Pixels]:
        for chunk in chunks:
            bin1, bin2 = new_ids[chunk["bin1_id"]], new_ids[chunk["bin2_id"]]
            kept = (bin1 >= 0) & (bin2 >= 0) & (chunk["count"] != 0)
            yield {"bin1_id": bin1[kept], "bin2_id": bin2[kept], "count": chunk["count"][kept]}

    for rows in whole_rows(renumbered()):
        key, count = rows["bin1_id"] * n_new + rows["bin2_id"], rows["count"]
        if not (np.diff(key) > 0).all():
            order = np.argsort(key, kind="stable")
            key, first = np.unique(key[order], return_index=True)
            # int32 would overflow where NumPy sums pieces of an array.
            wide = np.int64 if np.issubdtype(count.dtype, np.integer) else count.dtype
            count = np.add.reduceat(count[order], first, dtype=wide)
        yield {"bin1_id": key // n_new, "bin2_id": key % n_new, "count": count}


def renumber(
    chromsizes: dict[str, int], bin_bp: int, factor: int = 1, chromosomes: Iterable[str] | None = None
) -> np.ndarray:
    """New ids for `merge`: `factor` bins become one; bins outside `chromosomes` (None: all) become -1."""
    chromosomes = set(chromsizes if chromosomes is None else chromosomes)
    ids, offset = [], 0
    for name, length_bp in chromsizes.items():
        old = np.arange(n_bins(length_bp, bin_bp))
        ids.append(offset + old // factor if name in chromosomes else np.full_like(old, -1))
        offset += n_bins(length_bp, bin_bp * factor) if name in chromosomes else 0
    return np.concatenate(ids)


# ---------------------------------------------------------------- the map as it comes


@dataclass(frozen=True)
class Raw:
    """A map as stored: `chunks()` streams its pixels anew each time, `weight()` is the column of that name, if any.

    Bins are those that the lengths of the chromosomes give, in both. absent: how many of them the file's bin table
    lacks; moved: whether it has them in another order.
    """

    path: Path
    chromsizes: dict[str, int]
    bin_bp: int
    chunks: Callable[[], Iterator[Pixels]]
    weight: Callable[[], np.ndarray | None] = lambda: None
    absent: int = 0
    moved: bool = False

    @property
    def bins(self) -> int:
        return sum(n_bins(length_bp, self.bin_bp) for length_bp in self.chromsizes.values())


class _Scan:
    """What a stream of the pixels of a map counts, as far as it was read.

    duplicates   pixels that stand in the table before
    sorted_rows  bin1_id never falls
    largest      the largest count; contacts: of all pixels together
    """

    def __init__(self, raw: Raw):
        self._raw = raw
        self._edges = np.cumsum([0] + [n_bins(length, raw.bin_bp) for length in raw.chromsizes.values()])
        self._seen = np.zeros(self._edges[-1], dtype=bool)
        self.duplicates, self.sorted_rows, self._last, self.largest, self.contacts = 0, True, -1, 0, 0

    @property
    def clean(self) -> bool:
        return self.duplicates == 0 and self.sorted_rows

    @property
    def occupied(self) -> frozenset[str]:
        """Chromosomes with a pixel."""
        spans = zip(self._raw.chromsizes, self._edges, self._edges[1:])
        return frozenset(name for name, lo, hi in spans if self._seen[lo:hi].any())

    def most(self, factor: int) -> int:
        """What no count is above where `factor` x `factor` pixels, and those that stand twice, are summed."""
        return min(self.largest * factor**2 if self.clean else self.contacts, self.contacts)

    def pixels(self) -> Iterator[Pixels]:
        """The pixels of the map in whole rows, counts as int64. Raises InputError for counts that are no counts."""
        for rows in whole_rows(self._raw.chunks()):
            bin1, bin2 = (rows[name].astype(np.int64, copy=False) for name in ("bin1_id", "bin2_id"))
            counts = _whole(rows["count"], self._raw.path)
            self.largest, self.contacts = max(self.largest, int(counts.max())), self.contacts + int(counts.sum())
            key = bin1 * self._edges[-1] + bin2
            if not (np.diff(key) > 0).all():
                self.duplicates += len(key) - len(np.unique(key))
            self.sorted_rows &= bool(bin1[0] >= self._last and (np.diff(bin1) >= 0).all())
            self._last = bin1[-1]
            self._seen[bin1] = self._seen[bin2] = True
            yield {"bin1_id": bin1, "bin2_id": bin2, "count": counts}


class _UnsoundError(Exception):
    """A pixel table that must be sorted or summed before it is written."""


def resolutions(source: str | os.PathLike) -> list[int]:
    """Bin widths of a .cool, .mcool, .hic or cooler URI, bp, finest first."""
    return hic.resolutions(source) if kinds.is_hic(source) else list(cool.resolutions(source))


def open_raw(source: str | os.PathLike, bin_bp: int | None = None) -> Raw:
    """One bin width of a .cool, .mcool, .hic or cooler URI; `bin_bp` None is allowed where there is only one.

    Raises InputError where the file has no such map.
    """
    path = Path(source)
    if not kinds.is_hic(path):
        clr = cool.open_map(path, bin_bp)
        places, number = cool.bin_places(clr), len(clr.bins())
        raw = Raw(path, cool.chromsizes(clr), cool.bin_width(clr), partial(_chunks, clr, places, path))
        if places is None:
            return replace(raw, weight=partial(_weight_column, clr))
        moved = bool((np.diff(places) < 0).any())
        weight = partial(_weight_column, clr, places, raw.bins)
        return replace(raw, weight=weight, absent=raw.bins - number, moved=moved)
    present = hic.resolutions(path)
    if bin_bp is None and len(present) == 1:
        bin_bp = present[0]
    if bin_bp is None or bin_bp not in present:
        raise InputError(f"{path}: bin_bp {bin_bp} is not in the file; it has {', '.join(map(str, present))}")
    width_bp = bin_bp
    return Raw(path, hic.chromsizes(path), width_bp, lambda: hic.read_pixels(path, width_bp))


def _chunks(clr: cooler.Cooler, places: np.ndarray | None, called: Path) -> Iterator[Pixels]:
    """Pixels of a cooler, checked, its bins at their places."""
    checked = cool.checked_pixels(cool.read_pixels(clr), len(clr.bins()), called)
    return checked if places is None else cool.placed_pixels(checked, places)


def chosen(source: str | os.PathLike, wanted: str | Iterable[str] | None) -> list[str] | None:
    """The chromosomes asked for, a text being one name; None is all.

    Raises InputError for an empty list, and for a name that the map has not.
    """
    if wanted is None:
        return None
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    if not wanted:
        raise InputError("chromosomes: an empty list; name some, or leave it out to have all")
    present = open_raw(source, resolutions(source)[0]).chromsizes
    if unknown := [name for name in wanted if name not in present]:
        raise InputError(f"{source}: no chromosome {unknown[0]}; it has {some_of(present)}")
    return wanted


def _weight_column(clr: cooler.Cooler, places: np.ndarray | None = None, number: int = 0) -> np.ndarray | None:
    """The column `weight`; with `places`, of `number` bins, NaN where the bin table lacks one."""
    if "weight" not in clr.bins().columns:
        return None
    weight = clr.bins()["weight"][:].to_numpy(dtype=np.float64)
    if places is None:
        return weight
    placed = np.full(number, np.nan)
    placed[places] = weight
    return placed


def _choose_resolution(path: Path, bin_bp: int) -> int:
    """The bin width asked for, or the widest one that divides it."""
    present = resolutions(path)
    if not (dividing := [width for width in present if bin_bp % width == 0]):
        raise InputError(
            f"{path}: cannot give bins of {bin_bp} bp: the file has {', '.join(map(str, present))}; "
            "set geometry/bin_bp to one of them or to a multiple",
            f"{path}: cannot give bins of {bin_bp} bp: the file has {', '.join(map(str, present))}; give a map with "
            "narrower bins",
        )
    return max(dividing)


def _whole(counts: np.ndarray, path: Path) -> np.ndarray:
    """Counts as int64. Raises InputError where they are NaN, infinite, negative or not whole."""
    finite = np.isfinite(counts)
    if np.isnan(counts).any():
        problem = "are NaN in places"
    elif not finite.all():
        problem = "are infinite in places"
    elif (counts < 0).any():
        problem = f"are negative in places ({counts.min():g})"
    elif (np.floor(counts) != counts).any():
        problem = "are not whole numbers"
    else:
        return counts.astype(np.int64)
    raise InputError(f"{path}: counts {problem}; give the raw counts, not a normalised or predicted map")


def _match_chromosomes(
    raw: Raw, occupied: Iterable[str], genome: dict[str, int], exclude: Iterable[str], rename: dict[str, str]
) -> tuple[dict[str, int], list[str]]:
    """The map's chromosomes under the genome's names (all of them, with sizes), and the names of those that
    are also the genome's and not excluded.

    Raises InputError where names or sizes are not those of the genome; a chromosome that the genome has not passes if
    it has no contact.
    """
    sizes = {rename.get(name, name): length for name, length in raw.chromsizes.items()}
    if len(sizes) < len(raw.chromsizes):
        raise InputError(f"{raw.path}: rename gives two chromosomes one name: {sorted(rename)}")
    check_renamed(rename, raw.chromsizes, f"{raw.path}: rename", refuse=False)
    occupied = {rename.get(name, name) for name in occupied}
    wanted = [name for name in sizes if name not in set(exclude)]
    common = [name for name in wanted if name in genome]
    if not common or (occupied & set(wanted)) - set(common):
        raise InputError(
            f"{raw.path}: the map's chromosomes {', '.join(wanted)} are not those of the genome, {', '.join(genome)}; "
            "use `rename` beside this map ({map's name: genome's name}) or genome/exclude",
            f"{raw.path}: the map's chromosomes {some_of(wanted)} are not those of the FASTA, "
            f"{some_of(genome)}; give the FASTA of the map's assembly, with the map's names",
        )
    if differing := [name for name in common if sizes[name] != genome[name]]:
        lengths = ", ".join(f"{name} {sizes[name]:,} bp against {genome[name]:,}" for name in differing)
        # Some tools take bins out of a cooler, and the length of a chromosome is then where its last bin ends.
        if all(sizes[name] < genome[name] and sizes[name] % raw.bin_bp == 0 for name in differing):
            lengths += "; or its bin table lacks the last bins"
        raise InputError(
            f"{raw.path}: another assembly than the genome ({lengths}); give the map's own genome",
            f"{raw.path}: another assembly than the FASTA ({lengths}); give the FASTA of the map's assembly",
        )
    return sizes, common


# ---------------------------------------------------------------- balancing


def _stored_weight(raw: Raw, options: dict) -> tuple[np.ndarray | None, dict]:
    """The `weight` column of a cooler, and its attributes, where it multiplies and was made with these options."""
    weight = raw.weight()
    # A weight of 0 or below is none: its logarithm is not defined.
    if weight is None or (weight <= 0).any() or np.isinf(weight).any():
        return None, {}
    made = cool.weight_facts(cool.open_map(raw.path, raw.bin_bp))
    same = not made.get("divisive_weights", False) and all(made.get(name) == options[name] for name in options)
    return (weight, made) if same else (None, {})


# ---------------------------------------------------------------- prepare


def prepare(
    source: str | os.PathLike,
    target: str | os.PathLike,
    bin_bp: int,
    chromsizes: dict[str, int] | None = None,
    *,
    assembly: str | None = None,
    exclude: Iterable[str] = (),
    rename: dict[str, str] | None = None,
    balance: dict | None = None,
    threads: int = 1,
) -> dict:
    """Check, repair, coarsen where needed, and balance one map; writes the cooler `target`.

    source      .cool, .mcool, .hic, or the URI of a cooler; its bin width is `bin_bp` or a divisor
    chromsizes  the genome's chromosome lengths, bp; None takes the map's own
    exclude     chromosomes dropped, by the genome's names
    rename      {map's name: genome's name}
    balance     options of `trifold.data.balance.balance`; threads: of the balancing
    Returns a report: what was read, `repairs` (sentences; empty for a sound map), contacts, pixels, balancing.
    Raises InputError for a file, bin width, count, chromosome or assembly that cannot be used.
    """
    path, rename, options = Path(source), rename or {}, {**BALANCE, **(balance or {})}
    raw = open_raw(path, _choose_resolution(path, bin_bp))
    genome = chromsizes or raw.chromsizes
    sizes, names = _match_chromosomes(raw, (), genome, exclude, rename)
    report = {
        "source": Path(cool.split_uri(path)[0]).name,
        "source_bin_bp": raw.bin_bp,
        "bin_bp": bin_bp,
        "duplicate_pixels": 0,
        "dropped": [name for name in sizes if name not in names],
        "renamed": {old: new for old, new in rename.items() if old in raw.chromsizes},
        "repairs": [],
    }
    if group := cool.split_uri(path)[1].strip("/"):
        report["group"] = group

    def write(raw: Raw, pixels: Iterable[Pixels], repairs: list[str], **stored) -> invariants.LeftOut:
        """The pixels as `target`; what was left out of them."""
        report["source_bin_bp"], report["repairs"] = raw.bin_bp, [*repairs]
        if raw.absent:
            report["repairs"].append(
                f"the bin table lacks {raw.absent} of {raw.bins} bins of {raw.bin_bp} bp: pixels placed by coordinates"
            )
        new_ids = renumber(sizes, raw.bin_bp, bin_bp // raw.bin_bp, names)
        left_out = invariants.LeftOut(new_ids)
        cool.write_cool(
            target,
            {name: sizes[name] for name in names},
            bin_bp,
            merge(left_out.of(pixels), new_ids),
            metadata={"prepared": report},
            assembly=assembly,
            **stored,
        )
        return left_out

    try:
        raw, scan, left_out = _write_checked(raw, bin_bp, report, write)
        _match_chromosomes(raw, scan.occupied, genome, exclude, rename)
    except BaseException:
        Path(target).unlink(missing_ok=True)
        raise
    for repair in report["repairs"]:
        logger.warning("%s: %s", path, repair)
    if report["dropped"]:
        logger.info("%s: dropped %s", path, ", ".join(report["dropped"]))
    weight, made = _stored_weight(raw, options) if not report["repairs"] else (None, {})
    if weight is not None:
        present = np.isin(list(sizes), names)
        made = {name: value[present] if np.shape(value) == present.shape else value for name, value in made.items()}
        weight = weight[renumber(sizes, raw.bin_bp, 1, names) >= 0]
    kept = {"contacts_read": scan.contacts, "contacts_left_out": left_out.contacts}
    report |= kept | _finish(target, weight, made, options, path, threads)
    invariants.check_contacts(path, report["contacts_read"], report["contacts_left_out"], report["contacts"])
    return report


def _write_checked(
    raw: Raw, bin_bp: int, report: dict, write: Callable[..., invariants.LeftOut]
) -> tuple[Raw, _Scan, invariants.LeftOut]:
    """Check the pixels of a map while `write` writes them: one reading, where they are sound.

    Those that are not come from narrower bins of the file that are, or are sorted and summed. Returns the map that was
    written, and what was counted and left out of it; `duplicate_pixels` of the report are those of the first map.
    """

    def at_once(raw: Raw, repairs: list[str]) -> tuple[_Scan, invariants.LeftOut | None]:
        """Nothing is written where pixels are not sound, or counts need more than four bytes."""
        scan = _Scan(raw)
        pixels, left_out = scan.pixels(), None

        def sound() -> Iterator[Pixels]:
            for chunk in pixels:
                if not scan.clean:
                    raise _UnsoundError
                yield chunk

        try:
            left_out = write(raw, sound(), repairs)
        except (_UnsoundError, OverflowError):
            for _ in pixels:  # what is wrong is said of all of them
                pass
        return scan, left_out if scan.most(bin_bp // raw.bin_bp) <= cool.INT32_MAX else None

    repairs = []
    if raw.bin_bp < bin_bp:
        repairs = [f"no map of {bin_bp} bp in the file: coarsened from {raw.bin_bp} bp"]
    scan, left_out = at_once(raw, repairs)
    report["duplicate_pixels"] = scan.duplicates
    if not scan.clean:
        unsorted = "bins in another order" if raw.moved else "unsorted rows"
        named = [f"{scan.duplicates} duplicate pixels"] * bool(scan.duplicates) + [unsorted] * (not scan.sorted_rows)
        defects = f"{' and '.join(named)} at {raw.bin_bp} bp"
        repairs = [f"{defects}: sorted, duplicates summed"]
        base = open_raw(raw.path, min(width for width in resolutions(raw.path) if bin_bp % width == 0))
        if base.bin_bp < raw.bin_bp:
            anew = [f"{defects}: coarsened anew from {base.bin_bp} bp, which is sound"]
            base_scan, of_base = at_once(base, anew)
            if base_scan.clean:
                raw, scan, left_out, repairs = base, base_scan, of_base, anew
    if left_out is None:
        largest = scan.most(bin_bp // raw.bin_bp)
        left_out = write(raw, _Scan(raw).pixels(), repairs, ordered=scan.sorted_rows, largest=largest)
    return raw, scan, left_out


def copy(
    source: str | os.PathLike, target: str | os.PathLike, bin_bp: int, chromosomes: Iterable[str] | None = None
) -> None:
    """One bin width of a cooler whose values are no counts any more, as it is; its bins as the lengths give them.

    chromosomes  their order, all of those of the map; None: that of the map
    """
    raw, clr = open_raw(source, bin_bp), cool.open_map(source, bin_bp)
    names = list(raw.chromsizes) if chromosomes is None else list(chromosomes)
    numbers = {name: n_bins(length_bp, bin_bp) for name, length_bp in raw.chromsizes.items()}
    first = dict(zip(names, np.cumsum([0, *(numbers[name] for name in names)]).tolist()))
    ids = np.concatenate([first[name] + np.arange(number) for name, number in numbers.items()])
    weight = raw.weight()
    floats = ({**chunk, "count": chunk["count"].astype(np.float64)} for chunk in raw.chunks())
    cool.write_cool(
        target,
        {name: raw.chromsizes[name] for name in names},
        bin_bp,
        merge(cool.placed_pixels(floats, ids), np.arange(len(ids))),
        weight=None if weight is None else weight[np.argsort(ids)],
        metadata=clr.info.get("metadata"),
        assembly=clr.info.get("genome-assembly"),
        ordered=not raw.moved and names == list(raw.chromsizes),
        weight_facts=cool.weight_facts(clr),
    )


def prepare_or_copy(
    source: str | os.PathLike,
    target: str | os.PathLike,
    bin_bp: int,
    chromsizes: dict[str, int] | None = None,
    *,
    balance: dict | None = None,
    threads: int = 1,
) -> None:
    """Write the cooler `target` of a map that may be balanced already: what a model or a program made.

    Values that are no counts any more (not whole numbers, with a column `weight`, or a .hic of a prediction) are
    copied with their weights; all else is prepared from its counts. Arguments and errors are those of `prepare`; the
    source has bins of `bin_bp`.
    """
    if kinds.is_hic(source):
        if hic.made_by(source):
            hic.copy_predicted(source, target, bin_bp)
            return
    else:
        clr = cool.open_map(source, bin_bp)
        fractional = np.issubdtype(clr.pixels()[:0]["count"].to_numpy().dtype, np.floating)
        if fractional and "weight" in clr.bins().columns:
            copy(source, target, bin_bp)
            return
    prepare(source, target, bin_bp, chromsizes, balance=balance, threads=threads)


def write_chromosomes(
    source: str | os.PathLike, out: str | os.PathLike, exclude: Iterable[str] = (), rename: dict[str, str] | None = None
) -> dict[str, int]:
    """Write ``chromosomes.tsv`` (name, length_bp) of a genome that is known by a map alone, in the map's order.

    source   .cool, .mcool, .hic or the URI of a cooler
    exclude  chromosomes dropped, by their new names; rename: {map's name: new name}
    Returns name -> length, bp. Raises InputError where none is left, or two get one name.
    """
    raw, rename = open_raw(source, resolutions(source)[0]), rename or {}
    sizes = {rename.get(name, name): length_bp for name, length_bp in raw.chromsizes.items()}
    if len(sizes) < len(raw.chromsizes):
        raise InputError(f"{source}: rename gives two chromosomes one name: {sorted(rename)}")
    if not (remaining := {name: length_bp for name, length_bp in sizes.items() if name not in set(exclude)}):
        raise InputError(f"{source}: no chromosome is left after genome/exclude {sorted(exclude)}")
    check_first_letters(remaining, source)
    lines = ["name\tlength_bp", *(f"{name}\t{length_bp}" for name, length_bp in remaining.items())]
    (Path(out) / "chromosomes.tsv").write_text("\n".join(lines) + "\n")
    return remaining


def _finish(
    target: str | os.PathLike, weight: np.ndarray | None, made: dict, options: dict, source: Path, threads: int
) -> dict:
    """Balance the written map, unless the weight it came with, with attributes `made`, still holds; returns the last
    part of the report."""
    clr = cooler.Cooler(str(target))
    totals = {"contacts": int(clr.info["sum"]), "pixels": int(clr.info["nnz"])}
    if weight is not None and rows_sum_to_one(target, weight, options["ignore_diags"], threads):
        cool.write_weight(clr.uri, weight, made)
        bad_bins = int(np.isnan(weight).sum())
        return totals | {"balanced": "the map's own weight", "balance": {**options, "bad_bins": bad_bins}}
    return totals | {"balanced": "anew", "balance": balance(target, options, source, threads)}
