"""Whole chromosomes from a model of windows: tile, predict, un-normalise, blend, write `map.cool` and `map.mcool`.

- Tiles stand `stride_bins` apart, the last one flush with the end of the chromosome. Every tile is symmetrised and
  brought back to the balanced scale of the deep map before tiles are averaged: there their values mean the same, also
  where each window has a scale of its own, and contacts add.
- Weights of the average fall smoothly (Hann) from the middle of a tile to its border and are positive everywhere.
- Pixels farther than `max_distance_bins` apart are absent: beyond it, tiles would leave holes.
- A bin is missing (weight NaN, no pixels) if the model has nothing to read there (bad in the low map, an N, no track)
  or no tile covers it (the cropped ends of a chromosome, chromosomes shorter than a window or not asked for).
- A chromosome's band (bins x distances) is in memory, never its square; the next one's inputs are read meanwhile.
- Reading, network, blending and writing overlap in threads; the numbers are those of one after the other.

The counts of the files are on the balanced scale (a full row sums to 1) and `weight` is 1. In a zoom level counts are
summed, and count x weight x weight is on the balanced scale of that level (`io.zoom`).
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numba
import numpy as np
import torch

from trifold.config import Geometry, Recipes
from trifold.data import summary
from trifold.data.balance import BALANCE
from trifold.data.embeddings import EmbeddingStore, check_same
from trifold.data.examples import log_bias
from trifold.data.normalise import CountsScale, Log10Scale, ObservedScale, contacts, low_factor, observed, upsample
from trifold.data.rates import RateScale, expected_counts, expected_of
from trifold.data.sequence import SequenceStore, bins_with_n
from trifold.data.tracks import TrackStore, check_chromosomes, read_tracks
from trifold.device import device_of
from trifold.errors import InputError
from trifold.genome import n_bins, some_of
from trifold.io.cool import Band, Pixels, open_map, predicted_weight, write_cool, write_weight
from trifold.io.formats import write_formats
from trifold.models.blocks import Architecture
from trifold.models.ready import Ready

log = logging.getLogger(__name__)
T = TypeVar("T")

ABSENT = "pixels beyond max_distance_bins and between chromosomes are not predicted: missing, not zero"
DEPTH_FACTOR = 2.0  # a map this many times deeper or shallower than a model's training maps is warned about
DOUBT = "sd"  # column of pixels: standard deviation of ln O/E
Block = tuple[int, np.ndarray, np.ndarray | None]
BLOCK_PIXELS = 200_000  # of the rows of a band that are written at once
Scale = ObservedScale | Log10Scale | CountsScale | RateScale


# ---------------------------------------------------------------- tiles and bands


def tile_starts(chrom_bins: int, window_bins: int, stride_bins: int, step: int = 1) -> np.ndarray:
    """First bins of the tiles of one chromosome; empty if it is shorter than a window.

    Starts are multiples of `step` (the coarsening of the low map); the last tile ends with the chromosome or, where its
    last coarse bin is not full, less than `step` bins past it.
    """
    if chrom_bins < window_bins:
        return np.zeros(0, dtype=np.int64)
    last = -(-(chrom_bins - window_bins) // step) * step
    return np.append(np.arange(0, last, stride_bins), last)


def blend_weights(size: int) -> np.ndarray:
    """Weight of every pixel of a tile's output in the average, (size, size), in (0, 1]."""
    taper = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    return np.outer(taper, taper)


@numba.njit(cache=True, nogil=True)
def _add_tile(total, weight, first, tile, taper):
    """Add a tile, times its weights, and the weights to the rows of a band from `first` on."""
    size, width = taper.shape
    for i in range(size):
        for d in range(min(width, size - i)):
            total[first + i, d] += taper[i, d] * tile[i, i + d]
            weight[first + i, d] += taper[i, d]


class BandMean:
    """Weighted mean of overlapping tiles on the diagonals 0 ... width_bins - 1 of one chromosome."""

    def __init__(self, chrom_bins: int, width_bins: int, size: int):
        # Rows past the end take what the last tile predicts there.
        self._sum, self._weight = np.zeros((2, chrom_bins + size, width_bins))
        self._bins = chrom_bins
        i, d = np.ogrid[:size, :width_bins]
        self._taper = np.where(i + d < size, blend_weights(size)[i, np.minimum(i + d, size - 1)], 0.0)

    def add(self, start: int, tile: np.ndarray) -> None:
        """One symmetric tile (size, size) whose first row is bin `start`."""
        _add_tile(self._sum, self._weight, start, tile, self._taper)

    def mean(self, first: int = 0, end: int | None = None) -> np.ndarray:
        """(bins, width_bins) of the bins first ... end - 1, by default all: entry (i, d) is the pixel (first + i,
        first + i + d); NaN where no tile lies or past the end of the chromosome."""
        rows = slice(first, self._bins if end is None else end)
        total, weight = self._sum[rows], self._weight[rows]
        i, d = np.ogrid[rows, : total.shape[1]]
        covered = (weight > 0) & (i + d < self._bins)
        return np.divide(total, weight, out=np.full(covered.shape, np.nan), where=covered)


# ---------------------------------------------------------------- reading, network and writing at once


def ahead(items: Iterable[T], number: int = 2) -> Generator[T, None, None]:
    """The same items in order, made by a thread that keeps up to `number` of them ready.

    An error of the thread is raised where its item would have come. Whoever stops early, for an error too, waits for
    the item in work; what `items` holds open is closed then.
    """
    iterator = iter(items)

    def following() -> list[T]:
        """The next item in a list; at the end an empty one."""
        return list(islice(iterator, 1))

    pool = ThreadPoolExecutor(1)
    try:
        ready = deque(pool.submit(following) for _ in range(number))
        while item := ready.popleft().result():
            ready.append(pool.submit(following))
            yield item[0]
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(iterator, Generator):
            iterator.close()


# ---------------------------------------------------------------- inputs of a model


@dataclass(frozen=True)
class Sources:
    """What a model may read, and how windows of it are prepared: exactly as the examples were."""

    geometry: Geometry
    recipes: Recipes
    statistics: dict
    low_map: Path | None = None
    coarsen: int = 1
    sequence: SequenceStore | None = None
    tracks: Sequence[TrackStore] = ()
    track_bp: int | None = None  # bin of the tracks; None: that of the map
    embeddings: EmbeddingStore | None = None

    @cached_property
    def whole(self) -> dict[str, float]:
        """Contacts of the whole low map, and the length they lie on, as in the examples."""
        return summary.whole(_needed(self.low_map, "map"), self.geometry.window_bp // 2)

    @cached_property
    def expected(self) -> np.ndarray:
        """Mean of the balanced low map at every distance of a window."""
        return expected_of(_needed(self.low_map, "map"), self.geometry.window_bins)


class ChromosomeInputs:
    """Batches of the windows of one chromosome, and the bins on which the model has nothing to read.

    chrom    its name
    missing  (chrom_bins,) bool
    """

    def __init__(self, sources: Sources, inputs: frozenset[str], target: str, chrom: str, length_bp: int):
        self._sources, self._inputs, self._target, self.chrom = sources, inputs, target, chrom
        bin_bp, window_bins, k = sources.geometry.bin_bp, sources.geometry.window_bins, sources.coarsen
        self.missing = np.zeros(n_bins(length_bp, bin_bp), dtype=bool)
        if "map" in inputs:
            recipe = sources.recipes.observed
            pixels = target in ("counts", "rates")
            self._low_bins = window_bins // k if pixels else recipe.low_bins(window_bins, k)
            self._band = Band.read(_needed(sources.low_map, "map"), chrom, self._low_bins)
            self._check_low_map(length_bp)
            self.missing |= np.repeat(np.isnan(self._band.weight), k)[: len(self.missing)]
        if "sequence" in inputs:
            self.missing |= bins_with_n(_needed(sources.sequence, "sequence").window(chrom, 0, length_bp), bin_bp)[0]
        if "tracks" in inputs:
            check_chromosomes(sources.tracks, [chrom], "which is to be predicted")
            end_bp = len(self.missing) * bin_bp
            self.missing |= ~read_tracks(sources.tracks, chrom, 0, end_bp, len(self.missing))[1].all(axis=0)
        if "embeddings" in inputs:
            self.missing |= ~_needed(sources.embeddings, "embeddings").valid(chrom)

    def _check_low_map(self, length_bp: int) -> None:
        wanted_bp = self._sources.geometry.bin_bp * self._sources.coarsen
        if self._band.bin_bp != wanted_bp or len(self._band.weight) != n_bins(length_bp, wanted_bp):
            raise InputError(
                f"{self._sources.low_map}: {self.chrom} has {len(self._band.weight)} bins of {self._band.bin_bp} bp, "
                f"and the model reads {n_bins(length_bp, wanted_bp)} bins of {wanted_bp} bp; give the map of the same "
                "assembly at that bin width"
            )

    def _maps(self, starts: np.ndarray) -> tuple[np.ndarray, Scale]:
        """The coarse windows on the model's scale, (n, W/k, W/k), or (n, W, W) where they are wide, and their scale."""
        sources, k = self._sources, self._sources.coarsen
        wide = self._low_bins > sources.geometry.window_bins // k
        counts, balanced = self._band.windows(starts // k, self._low_bins, pad=wide)
        if self._target == "counts":
            recipe, facts = sources.recipes.counts, sources.statistics["counts"]
            weights = self._weights(starts, self._band.weight)
            return contacts(balanced, counts, recipe, facts.get("low_per_balanced"), k), CountsScale.of(
                weights, recipe, facts, k
            )
        if self._target == "rates":
            return np.where(np.isfinite(balanced), counts, 0.0), RateScale(sources.expected)
        facts = {"low": {}, **sources.statistics, "coarsen": k}
        recipe = sources.recipes.observed
        return observed(balanced, counts, recipe, sources.statistics.get("observed"), low_factor(recipe, facts))

    def _weights(self, starts: np.ndarray, of_bins: np.ndarray) -> np.ndarray:
        """A value per coarse bin of the chromosome, repeated to the bins of windows: (n, W), NaN past the end."""
        k, window_bins = self._sources.coarsen, self._sources.geometry.window_bins
        padded = np.append(of_bins, np.full(window_bins, np.nan))
        return padded[(starts[:, None] + np.arange(window_bins)) // k]

    def batch(self, starts: np.ndarray) -> tuple[dict[str, torch.Tensor], Scale | None]:
        """Tensors of the windows starting at these bins, and the scale of their maps (None without a map)."""
        sources, batch, scale = self._sources, {}, None
        bin_bp, window_bins, k = sources.geometry.bin_bp, sources.geometry.window_bins, sources.coarsen
        places = [(self.chrom, start * bin_bp, (start + window_bins) * bin_bp) for start in starts.tolist()]
        if "sequence" in self._inputs:
            store = _needed(sources.sequence, "sequence")
            batch["sequence"] = np.stack([store.window(*place) for place in places])
        if "map" in self._inputs:
            coarse, scale = self._maps(starts)
            batch["map_coarse"] = coarse[:, None]
            batch["map"] = upsample(coarse, window_bins // coarse.shape[-1])[:, None]
            if self._target == "rates":
                expected = expected_counts(self._weights(starts, self._band.weight), sources.expected)
                batch["map_expected"] = expected[:, None]
        if "total" in self._inputs:
            of_map = sources.whole["cis_contacts"], sources.whole["cis_bp"]
            batch["total"], batch["total_bp"] = (np.full(len(starts), value, dtype=np.float32) for value in of_map)
        if "bias" in self._inputs:
            mean = sources.statistics["low_bias"]["mean_log_weight"]
            bias = log_bias(self._weights(starts, self._band.weight), mean)
            batch["bias"], batch["low_valid"] = np.nan_to_num(bias), np.isfinite(bias)
        if "tracks" in self._inputs:
            track_bins = window_bins * bin_bp // (sources.track_bp or bin_bp)
            windows_of_tracks = [read_tracks(sources.tracks, *place, track_bins) for place in places]
            batch["tracks"], batch["tracks_valid"] = (np.stack(arrays) for arrays in zip(*windows_of_tracks))
        if "embeddings" in self._inputs:
            vectors = [_needed(sources.embeddings, "embeddings").window(*place) for place in places]
            batch["embeddings"], batch["embeddings_valid"] = (np.stack(arrays) for arrays in zip(*vectors))
        valid = ~np.append(self.missing, np.ones(k, dtype=bool))[starts[:, None] + np.arange(window_bins)]
        return {key: torch.from_numpy(array) for key, array in (batch | {"valid": valid}).items()}, scale


# ---------------------------------------------------------------- prediction


class Predictor:
    """A model on the windows of chromosomes, in batches, back on the balanced scale."""

    def __init__(
        self, model: Architecture, sources: Sources, stride_bins: int, batch_size: int, device: str, precision: str
    ):
        self._sources, self._stride, self._batch_size = sources, stride_bins, batch_size
        self._device = device_of(device)
        self._model = model.to(self._device).eval()
        self._bf16, self._threads = precision.startswith("bf16"), torch.get_num_threads()
        self._size = sources.geometry.window_bins - 2 * model.crop_bins
        # Pixels farther apart may lie inside no tile.
        self.max_distance_bins = self._size - stride_bins
        self._expected = self._expected_map() if model.target == "oe" else None

    def _expected_map(self) -> np.ndarray:
        """Expected of every pixel of a tile, balanced scale: what ln O/E is multiplied with."""
        expected = np.asarray(self._sources.statistics["expected"], dtype=np.float64)[: self._size]
        i, j = np.ogrid[: self._size, : self._size]
        return expected[np.abs(i - j)]

    def _balanced(self, output: np.ndarray, scale: Scale | None) -> np.ndarray:
        """(n, size, size) on the balanced scale from the output of the model."""
        if self._expected is not None:
            return np.exp(output) * self._expected
        if scale is None:
            limits = self._sources.statistics["observed"]
            scale = ObservedScale(np.array([limits["floor"]]), np.array([limits["ceiling"]]), np.zeros(1))
        # Interpolation may undershoot, contacts may not.
        return np.maximum(scale.inverse(output), 0.0)

    def tiles(self, chrom_bins: int) -> np.ndarray:
        """First bins of the tiles of a chromosome."""
        return tile_starts(chrom_bins, self._sources.geometry.window_bins, self._stride, self._sources.coarsen)

    def inputs(self, chrom: str, length_bp: int) -> ChromosomeInputs:
        """What the model reads on a chromosome."""
        return ChromosomeInputs(self._sources, self._model.inputs, self._model.target, chrom, length_bp)

    def chromosome(
        self, inputs: ChromosomeInputs, progress: Callable[[int], None] = lambda tiles: None
    ) -> tuple[np.ndarray, Iterator[Block]]:
        """Which bins of a chromosome are missing (chrom_bins,), and its band on the balanced scale in blocks of rows.

        A block is its first bin, (bins, max_distance_bins + 1), and of the same shape how sure that is, or None.
        Windows are read and tiles blended by threads while the network works; the results are those of one after the
        other.
        progress is called with the number of tiles passed over, then after every batch with its number of tiles.
        """
        crop, window_bins, chrom_bins = self._model.crop_bins, self._sources.geometry.window_bins, len(inputs.missing)
        all_starts = self.tiles(chrom_bins)
        # Tiles on which the model has no bin to read are passed over: all their bins are missing in the map.
        starts = all_starts[[not inputs.missing[s : s + window_bins].all() for s in all_starts]]
        progress(len(all_starts) - len(starts))
        covered = np.zeros(chrom_bins, dtype=bool)
        for start in starts:
            covered[start + crop : start + crop + self._size] = True
        batches = [starts[first : first + self._batch_size] for first in range(0, len(starts), self._batch_size)]
        return inputs.missing | ~covered, ahead(self._blended(inputs, batches, progress))

    def _blended(
        self, inputs: ChromosomeInputs, batches: list[np.ndarray], progress: Callable[[int], None]
    ) -> Iterator[Block]:
        """Blocks of rows, each as soon as no later tile reaches it."""
        crop, chrom_bins, done = self._model.crop_bins, len(inputs.missing), 0
        band, doubt = BandMean(chrom_bins, self.max_distance_bins + 1, self._size), None
        ends = [*(starts[0] + crop for starts in batches[1:]), chrom_bins]
        for starts, end, (output, sd, scale) in zip(batches, ends, ahead(self._outputs(inputs, batches))):
            for start, tile in zip(starts, self._balanced((output + output.swapaxes(1, 2)) / 2, scale)):
                band.add(start + crop, tile)
            if sd is not None:
                doubt = doubt or BandMean(chrom_bins, self.max_distance_bins + 1, self._size)
                for start, tile in zip(starts, sd):
                    doubt.add(start + crop, tile)
            progress(len(starts))
            if (end - done) * (self.max_distance_bins + 1) >= BLOCK_PIXELS or end == chrom_bins:
                yield done, band.mean(done, end), doubt.mean(done, end) if doubt else None
                done = end

    def _outputs(
        self, inputs: ChromosomeInputs, batches: list[np.ndarray]
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None, Scale | None]]:
        """(n, size, size) float64 as the network has it, batch after batch, how sure that is, and the scale of the maps
        it read."""
        torch.set_num_threads(self._threads)  # OpenMP keeps the number for every thread
        for batch, scale in ahead(map(inputs.batch, batches)):
            with torch.inference_mode():
                batch = {key: tensor.to(self._device) for key, tensor in batch.items()}
                with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._bf16):
                    output, doubt = self._model.with_doubt(batch)
                    output = self._model.decode(output)[:, 0].double().cpu().numpy()
            if not np.isfinite(output).all():
                raise InputError(f"{inputs.chrom}: the model predicts values that are not numbers; train it again")
            yield output, None if doubt is None else doubt[:, 0].double().cpu().numpy(), scale


def _pixels(band: np.ndarray, doubt: np.ndarray | None, first: int, missing: np.ndarray, first_bin: int) -> Pixels:
    """Sorted pixels of the rows of a band from bin `first` of its chromosome on, those of missing bins left out; with
    the column `DOUBT` where it is known.

    missing: of the chromosome, (chrom_bins,); first_bin: where the chromosome starts in the map.
    """
    i, d = np.nonzero(np.isfinite(band) & ~missing[first : first + len(band), None])
    present = ~missing[first + i + d]
    i, d = i[present], d[present]
    bin1 = first_bin + first + i
    said = {} if doubt is None else {DOUBT: doubt[i, d].astype(np.float32)}
    return {"bin1_id": bin1, "bin2_id": bin1 + d, "count": band[i, d], **said}


def predict(
    model: Architecture,
    out: Path,
    *,
    chromsizes: dict[str, int],
    chromosomes: Sequence[str],
    geometry: Geometry,
    recipes: Recipes,
    statistics: dict,
    low_map: Path | None = None,
    coarsen: int = 1,
    sequence: SequenceStore | None = None,
    tracks: Sequence[TrackStore] = (),
    track_bp: int | None = None,
    embeddings: EmbeddingStore | None = None,
    stride_bins: int | None = None,
    batch_size: int = 16,
    device: str = "auto",
    precision: str = "32-true",
    threads: int = 1,
    ignore_diags: int = BALANCE["ignore_diags"],
    metadata: dict | None = None,
    assembly: str | None = None,
    formats: Sequence[str] = ("mcool",),
    progress: Callable[[int, int], None] = lambda tiles, total: None,
) -> None:
    """Write `map.cool` of the predicted chromosomes into the folder `out`, and `map.<format>` with zoom levels.

    chromsizes: name -> length, bp, of the whole genome; chromosomes: those to predict.
    recipes, statistics: of the dataset the model was trained on; low_map, coarsen: the map it reads and its coarsening.
    track_bp: bin of the tracks as the model reads them, by default that of the map. stride_bins None: a quarter of the
    window. ignore_diags: of the balancing of the deep maps it was trained on, beyond which rows sum to 1. metadata
    (arm, version, ...) stands in the file under "trifold", beside `max_distance_bins`, the largest distance predicted,
    `scale`, and `absent`, what the file has no pixels of. formats: of `io.formats.FORMATS`. progress(tiles, total) is
    called as tiles are done, with the number done since the last call and the number of all.
    Raises InputError for a missing input, a stride that does not fit, no chromosome long enough, or no bin to read.
    """
    torch.set_num_threads(threads)
    coarsen = coarsen if "map" in model.inputs else 1
    sources = Sources(geometry, recipes, statistics, low_map, coarsen, sequence, tracks, track_bp, embeddings)
    _check_inputs(model, sources)
    stride_bins = _checked_stride(stride_bins, geometry.window_bins, model.crop_bins, coarsen)
    chosen = _predictable(model, sources, chromsizes, chromosomes)
    predictor = Predictor(model, sources, stride_bins, batch_size, device, precision)
    bins_of = {chrom: n_bins(length_bp, geometry.bin_bp) for chrom, length_bp in chromsizes.items()}
    first_bin = dict(zip(bins_of, np.cumsum([0, *bins_of.values()]).tolist()))
    weight = np.full(sum(bins_of.values()), np.nan)
    total = sum(len(predictor.tiles(bins_of[chrom])) for chrom in chosen)

    def chunks() -> Iterator[Pixels]:
        for inputs in ahead((predictor.inputs(chrom, chromsizes[chrom]) for chrom in chosen), 1):
            chrom = inputs.chrom
            log.info("predicting %s", chrom)
            missing, blocks = predictor.chromosome(inputs, lambda tiles: progress(tiles, total))
            weight[first_bin[chrom] : first_bin[chrom] + len(missing)] = np.where(missing, np.nan, 1.0)
            for first, band, doubt in blocks:
                yield _pixels(band, doubt, first, missing, first_bin[chrom])

    known = {"max_distance_bins": predictor.max_distance_bins, "scale": "balanced", "absent": ABSENT}
    metadata = {"trifold": {**(metadata or {}), **known}}
    cool = Path(out) / "map.cool"
    with closing(ahead(chunks(), 1)) as made:
        write_cool(cool, chromsizes, geometry.bin_bp, made, metadata=metadata, assembly=assembly)
    if not np.isfinite(weight).any():
        raise InputError(_nothing_read(model.inputs, low_map))
    write_weight(cool, weight, predicted_weight(ignore_diags))
    write_formats(cool, formats, metadata, assembly)


def enhance(
    ready: Ready,
    out: Path,
    *,
    chromsizes: dict[str, int],
    chromosomes: Sequence[str] | None = None,
    low_map: Path | None = None,
    assembly: str | None = None,
    called: str | os.PathLike | None = None,
    **settings,
) -> None:
    """`predict` with a model that brings the settings of its inputs; workflow, API and command line all call this.

    chromosomes None: all. low_map: a prepared map (`data.contacts.prepare`) at the model's `low_bin_bp`; its depth is
    compared with that of the maps the model was trained on, and both are written into the files. called: what the
    map is called in messages; None: its path. settings: sequence, tracks, embeddings, stride_bins, batch_size,
    device, precision, threads, ignore_diags and progress of `predict`.
    """
    facts = dict(ready.facts)
    if low_map is not None and ready.contacts_per_bin and "map" in ready.network.inputs:
        contacts_per_bin = summary.read(Path(low_map))["contacts_per_bin"]
        trained = ready.trained_at(contacts_per_bin)
        facts |= {"contacts_per_bin": contacts_per_bin, "trained_contacts_per_bin": trained}
        if trained and (advice := depth_advice(contacts_per_bin, trained, ready.low_bin_bp)):
            log.warning("%s: %s", called or low_map, advice)
    predict(
        ready.network,
        out,
        chromsizes=chromsizes,
        chromosomes=list(chromsizes) if chromosomes is None else chromosomes,
        geometry=ready.geometry,
        recipes=ready.recipes,
        statistics=ready.statistics,
        low_map=low_map,
        coarsen=ready.coarsen,
        track_bp=ready.track_bp,
        metadata=facts,
        assembly=assembly,
        **settings,
    )


def depth_advice(contacts_per_bin: float, trained_per_bin: float, bin_bp: int) -> str | None:
    """The warning for a map much deeper or shallower than the maps a model was trained on; None where depths are close.

    contacts_per_bin, trained_per_bin: cis contacts per bin of `bin_bp` (`data.summary`), of the map and of the maps the
    model was trained on.
    """
    factor = max(contacts_per_bin, 1e-9) / trained_per_bin
    if 1 / DEPTH_FACTOR <= factor <= DEPTH_FACTOR:
        return None
    depth = f"the map has {contacts_per_bin:,.0f} contacts per bin of {bin_bp:,} bp"
    if factor > 1:
        return (
            f"{depth}, {factor:.1f} times as many as the maps the model was trained on ({trained_per_bin:,.0f}): it "
            "expects more noise than there is; use a model trained on maps thinned less, or thin the map to "
            f"1/{factor:.1f}"
        )
    return (
        f"{depth}, and those the model was trained on had {1 / factor:.1f} times as many ({trained_per_bin:,.0f}): it "
        f"may take noise for structure; use a model trained on maps thinned {1 / factor:.1f} times more, or on wider "
        "bins"
    )


def _nothing_read(inputs: frozenset[str], low_map: Path | None) -> str:
    """Why no bin was predicted."""
    reasons = {"map": f"bad in {low_map}", "sequence": "one with an N in the sequence", "tracks": "without a track"}
    reasons["embeddings"] = "without an embedding (an N in the sequence)"
    listed = " or ".join(reason for name, reason in reasons.items() if name in inputs)
    return f"nothing to predict: every bin is {listed}; give a map with more contacts, or what belongs to its genome"


def _needed(value: T | None, name: str) -> T:
    if value is None:
        raise InputError(f"the model reads {name}, and none was given; name it in the config")
    return value


def _check_inputs(model: Architecture, sources: Sources) -> None:
    low_map = sources.low_map
    available = dict.fromkeys(("map", "bias", "total"), low_map)
    available |= {"sequence": sources.sequence, "tracks": len(sources.tracks), "embeddings": sources.embeddings}
    if lacking := sorted(name for name in model.inputs if not available[name]):
        raise InputError(f"the model reads {', '.join(lacking)}, and none was given; name it in the config")
    if sources.embeddings is not None and "embeddings" in model.inputs:
        check_same(sources.embeddings, sources.statistics.get("embeddings", {}), "the model")
    if model.target == "observed" and sources.recipes.observed.scale == "window" and "map" not in model.inputs:
        raise InputError(
            "config: recipes/<protocol>/observed/scale: each window has a scale of its own, which a model that reads "
            "no map cannot know; use the global scale"
        )


def _checked_stride(stride_bins: int | None, window_bins: int, crop_bins: int, coarsen: int) -> int:
    if stride_bins is None:
        stride_bins = max(window_bins // 4 // coarsen, 1) * coarsen
    size = window_bins - 2 * crop_bins
    if not 0 < stride_bins < size or stride_bins % coarsen:
        raise InputError(
            f"config: predict/stride_bins: {stride_bins} must be below {size} (the window without its cropped border) "
            f"and a multiple of {coarsen} (the coarsening of the low map)"
        )
    if window_bins % coarsen:
        raise InputError(f"config: geometry/window_bins: {window_bins} is no multiple of the coarsening ({coarsen})")
    return stride_bins


def _predictable(
    model: Architecture, sources: Sources, chromsizes: dict[str, int], chromosomes: Sequence[str]
) -> list[str]:
    """The chromosomes to predict in the genome's order; left out with a warning: too short or not in the low map."""
    if unknown := sorted(set(chromosomes) - set(chromsizes)):
        raise InputError(f"no chromosome {unknown[0]} in the genome; it has {', '.join(chromsizes)}")
    geometry = sources.geometry
    wanted = [chrom for chrom in chromsizes if chrom in set(chromosomes)]
    in_map = set(open_map(_needed(sources.low_map, "map")).chromnames) if "map" in model.inputs else set(chromsizes)
    long_enough = {chrom for chrom in wanted if n_bins(chromsizes[chrom], geometry.bin_bp) >= geometry.window_bins}
    if short := [chrom for chrom in wanted if chrom not in long_enough]:
        verb = "is" if len(short) == 1 else "are"
        log.warning(
            "%s %s shorter than a window (%d bp); their bins are missing", some_of(short), verb, geometry.window_bp
        )
    if absent := [chrom for chrom in wanted if chrom in long_enough - in_map]:
        verb = "is" if len(absent) == 1 else "are"
        log.warning("%s %s not in %s; their bins are missing", some_of(absent), verb, sources.low_map)
    if not (chosen := [chrom for chrom in wanted if chrom in long_enough & in_map]):
        raise InputError(
            f"nothing to predict: of {', '.join(wanted)}, none is as long as a window ({geometry.window_bp:,} bp) and "
            "in the low map; choose a smaller geometry/window_bins or other test regions",
            f"{sources.low_map}: the model reads windows of {geometry.window_bp:,} bp, and of {some_of(wanted)} none "
            "is as long; name longer chromosomes, or use a model of smaller windows",
        )
    return chosen
