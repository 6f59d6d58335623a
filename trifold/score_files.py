"""A map against a deep one, as files: what `trifold score` does with them before `evaluate.score_maps` scores them.

Raw counts are prepared and balanced as the workflow does; what a model wrote, whose values are no counts any more, is
taken as it is. The low map becomes what the row `identity` of an experiment shows.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import cooler
import numpy as np
import pandas as pd

from trifold.config import Geometry, Scoring
from trifold.data import contacts, examples, invariants, normalise, summary
from trifold.errors import InputError, standing_alone
from trifold.evaluate import score_maps
from trifold.genome import Region, n_bins
from trifold.inference import DOUBT, enhance
from trifold.io import kinds
from trifold.io.cool import Band, bin_width, chromsizes_of, dataset, extent, open_map, opened
from trifold.metrics import calibration
from trifold.models import registry
from trifold.models.ready import CORRECTED, Ready, window_bins

log = logging.getLogger(__name__)

SCORED_BINS, SCORED_SIDES = 40, 5  # windows of 200 bins are scored, of fewer where chromosomes are short
MAX_BAD_BINS = 0.25  # of a window that is scored
# No bins at the ends are left out here: those that a prediction lacks are missing in it, and so not scored.
SCORING = Scoring(min_diagonal=2, max_distance_bins=None, edge_bins=0, scc_h=1, scc_max_bp=None)
Source = str | os.PathLike


def score_files(
    prediction: Source, deep: Source, low: Source | None, bin_bp: int, chromosomes: list[str] | None
) -> dict[str, pd.DataFrame]:
    """The tables windows, regions and distance of `evaluate.score_maps`, with the column `map`: prediction or low; and
    calibration, of a prediction that says how sure it is, against a deep map of counts (`_calibration`).

    prediction, deep, low: .cool, .mcool, .hic or the URI of a cooler; bin_bp: bin width of the first two; chromosomes:
    None is all that the maps share.
    Raises InputError for maps that do not fit together, or share no window.
    """
    names = {"prediction": prediction, "deep": deep} | ({"low": low} if low is not None else {})
    for source in names.values():
        contacts.chosen(source, chromosomes)
    with (
        TemporaryDirectory() as folder,
        standing_alone({f"{folder}/{name}.cool": given for name, given in names.items()}),
    ):
        folder = Path(folder)
        pair = {
            "prediction": _balanced(prediction, folder / "prediction.cool", bin_bp),
            "deep": _balanced(deep, folder / "deep.cool", bin_bp),
        }
        low_map = _balanced(low, folder / "low.cool", _low_width(low, bin_bp)) if low is not None else None
        if low_map and (advice := _cis_advice(pair["deep"], low_map)):
            log.warning("%s, %s: %s", low, deep, advice)
        sizes = _shared(pair | ({"low": low_map} if low_map else {}), names, chromosomes)
        coarsen = bin_width(open_map(low_map)) // bin_bp if low_map else 1
        geometry = _scored_geometry(sizes, bin_bp, coarsen, deep)
        scale = _observed_scale(pair["deep"], sizes, geometry)
        scored = {"prediction": pair["prediction"]}
        if low_map:
            factor = _low_factor(low_map, pair["deep"], geometry, coarsen, sizes)
            scored["low"] = _upsampled(low_map, folder, geometry, coarsen, scale, factor, sizes)
            _share_bins(scored["low"], pair["prediction"])
        tables = _tables(scored, pair["deep"], low_map or pair["deep"], sizes, geometry, scale, str(deep))
        made = None if kinds.is_hic(prediction) else open_map(prediction, bin_bp)
        if made is not None and DOUBT in made.pixels().columns and _counted(pair["deep"]):
            tables["calibration"] = _calibration(made, pair["deep"], sizes)
        return tables


def _balanced(source: Source, target: Path, bin_bp: int) -> Path:
    """A map with weights, whatever it came as. Raises InputError for one without these bins."""
    if bin_bp not in (present := contacts.resolutions(source)):
        raise InputError(
            f"{source}: has bins of {_listed(present)} bp and none of {bin_bp:,}; give maps of one bin width, or say "
            "which (--resolution, resolution=)"
        )
    contacts.prepare_or_copy(source, target, bin_bp)
    return target


def _cis_advice(deep: Path, low: Path) -> str | None:
    """`invariants.cis_advice` of two maps of counts; predicted ones hold no contacts between chromosomes by nature."""
    if not (_counted(deep) and _counted(low)):
        return None
    return invariants.cis_advice(summary.summarise(deep), summary.summarise(low))


def _counted(path: Path) -> bool:
    """Whether a map was made of raw counts."""
    return "prepared" in (open_map(path).info.get("metadata") or {})


def _low_width(low: Source, bin_bp: int) -> int:
    """The bin width of the low map: that of the deep map where it has it, otherwise the only width it has."""
    present = contacts.resolutions(low)
    if bin_bp in present:
        return bin_bp
    if len(present) == 1 and present[0] % bin_bp == 0:
        return present[0]
    raise InputError(
        f"{low}: has bins of {_listed(present)} bp; as the low map of one of {bin_bp:,} bp give one of that width, or "
        "name one of a multiple (file.mcool::/resolutions/BP)"
    )


def _shared(maps: dict[str, Path], names: dict[str, Source], chromosomes: Iterable[str] | None) -> dict[str, int]:
    """Those of the chromosomes that all maps have, in the deep map's order; InputError where there are none."""
    sizes = {name: chromsizes_of(path) for name, path in maps.items()}
    listed = {chrom: size for chrom, size in sizes["deep"].items() if chromosomes is None or chrom in chromosomes}
    shared = {chrom: size for chrom, size in listed.items() if all(chrom in of_map for of_map in sizes.values())}
    if not shared:
        having = "; ".join(f"{names[name]} has {', '.join(list(of_map)[:8])}" for name, of_map in sizes.items())
        raise InputError(f"the maps do not share the chromosomes to score: {having}")
    return shared


def _scored_geometry(sizes: dict[str, int], bin_bp: int, coarsen: int, deep: Source) -> Geometry:
    side = -(-SCORED_BINS // coarsen) * coarsen
    size = window_bins(sizes, bin_bp, side, SCORED_SIDES)
    if max(n_bins(length_bp, bin_bp) for length_bp in sizes.values()) < size:
        raise InputError(
            f"{deep}: no chromosome has the {size} bins of {bin_bp:,} bp of a window to score; give maps of narrower "
            "bins"
        )
    return Geometry(bin_bp, size, {}, MAX_BAD_BINS, 0)


def _observed_scale(deep: Path, sizes: dict[str, int], geometry: Geometry) -> dict[str, float]:
    """Floor and ceiling of the deep map's coarse-grained windows."""
    step_bp = geometry.window_bp
    rows = [
        (chrom, start) for chrom, length_bp in sizes.items() for start in range(0, length_bp - step_bp + 1, step_bp)
    ]
    windows = pd.DataFrame(rows, columns=["chrom", "start_bp"])
    maps, recipe = examples.Maps(deep, geometry.bin_bp, geometry.window_bins), CORRECTED.observed
    try:
        return normalise.training_scale(
            normalise.adaptive_coarsegrain(*maps.windows(chrom, stack), recipe.cutoff, recipe.max_levels)
            for chrom, stack in examples.stacks(windows, geometry)
        )
    except InputError as error:
        raise InputError(f"{deep}: no contact in the windows to score; give a map with more contacts") from error


def _low_factor(low: Path, deep: Path, geometry: Geometry, coarsen: int, sizes: dict[str, int]) -> float:
    """By how much balanced values of the low map are larger than the deep map's, over the chromosomes scored."""
    widths = {low: coarsen, deep: 1}
    means = {path: examples.Expected(geometry.window_bins // width) for path, width in widths.items()}
    for path, width in widths.items():
        maps = examples.Maps(path, geometry.bin_bp * width, geometry.window_bins // width)
        for chrom, length_bp in sizes.items():
            means[path].add(maps.on(chrom), pd.DataFrame({"chrom": [chrom], "start_bp": 0, "end_bp": length_bp}))
    return examples.factor_of_low(means[low], means[deep], coarsen)


def _upsampled(
    low: Path,
    folder: Path,
    geometry: Geometry,
    coarsen: int,
    scale: dict[str, float],
    factor: float,
    sizes: dict[str, int],
) -> Path:
    """The low map as the row `identity` of an experiment has it."""
    network = registry.build("identity", geometry, {}, {}).eval()
    facts = {"arm": "identity", "architecture": "identity"}
    statistics = {"observed": scale, "coarsen": coarsen, "low": {"factor": factor}}
    model = Ready(network, geometry, CORRECTED, coarsen, statistics, facts=facts)
    (target := folder / "low").mkdir()
    enhance(model, target, chromsizes=sizes, low_map=low, device="cpu")
    return target / "map.cool"


def _share_bins(low: Path, prediction: Path) -> None:
    """Mark the bins missing in the upsampled low map that the prediction lacks, so that both are scored on the same."""
    prediction_map = cooler.Cooler(str(prediction))
    low_map = cooler.Cooler(str(low))
    known = np.isfinite(prediction_map.bins()["weight"][:].to_numpy())
    lacking = ~np.concatenate([known[slice(*extent(prediction_map, chrom))] for chrom in low_map.chromnames])
    with opened(low_map, "r+") as group:
        weight = dataset(group, "bins/weight")
        weight[:] = np.where(lacking, np.nan, weight[:])


def _reach(path: Path) -> int | None:
    return (cooler.Cooler(str(path)).info.get("metadata") or {}).get("trifold", {}).get("max_distance_bins")


def _tables(
    scored: dict[str, Path],
    deep: Path,
    low: Path,
    sizes: dict[str, int],
    geometry: Geometry,
    scale: dict[str, float],
    where: str,
) -> dict[str, pd.DataFrame]:
    reaches = [reach for path in scored.values() if (reach := _reach(path)) is not None]
    scoring = Scoring(**{**vars(SCORING), "max_distance_bins": min(reaches, default=None)})
    bin_bp = geometry.bin_bp
    regions = [Region(chrom, 0, n_bins(length_bp, bin_bp) * bin_bp) for chrom, length_bp in sizes.items()]
    tables_of_map = {
        name: score_maps(
            prediction=path,
            deep=deep,
            low=low,
            truth=None,
            with_n=None,
            regions=regions,
            statistics={"observed": scale},
            geometry=geometry,
            oe_recipe=CORRECTED.oe,
            observed_recipe=CORRECTED.observed,
            scoring=scoring,
            where=where,
        )
        for name, path in scored.items()
    }
    return {
        table: pd.concat([tables[table].assign(map=name) for name, tables in tables_of_map.items()], ignore_index=True)
        .drop(columns="reference")
        .pipe(lambda joined: joined[["map", *joined.columns.drop("map")]])
        for table in ("windows", "regions", "distance")
    }


def _calibration(made: cooler.Cooler, deep: Path, sizes: dict[str, int]) -> pd.DataFrame:
    """A row per class of distances, and one of all: from_bp, n_pixels, contacts_per_pixel, inside (share of the deep
    map's counts in the central 90 % of what the prediction says of them; 0.9 where it is right about itself), spread
    (standard deviation of standardised residuals; then 1).

    A count is predicted as O/E of the prediction times what the deep map has at that distance, over its weights of the
    two bins, and negative binomial with the dispersion that the column `sd` says (`metrics.calibration`).
    """
    width = made.info["metadata"]["trifold"]["max_distance_bins"] + 1
    parts = [_pixels_of(made, Band.read(deep, chrom, width), chrom) for chrom in sizes]
    apart, found, sd, counts, scale = (np.concatenate(column) for column in zip(*parts))
    expected, known = np.bincount(apart, counts * scale, width), np.bincount(apart, found, width)
    ratio = np.divide(expected, known, out=np.zeros(width), where=known > 0)
    mean, dispersion = found * ratio[apart] / scale, calibration.dispersion(sd)
    places = calibration.places(counts, mean, dispersion, np.random.default_rng(1))
    classes = np.floor(np.log2(np.maximum(apart, 1))).astype(int)
    rows = []
    for name in [*np.unique(classes), None]:
        of_class = np.ones(len(apart), dtype=bool) if name is None else classes == name
        rows.append(
            {
                "from_bp": None if name is None else int(2**name) * int(made.binsize or 0),
                "n_pixels": int(of_class.sum()),
                "contacts_per_pixel": counts[of_class].mean(),
                "inside": calibration.coverage(places[of_class]),
                "spread": calibration.spread(counts[of_class], mean[of_class], dispersion[of_class]),
            }
        )
    return pd.DataFrame(rows).astype({"from_bp": "Int64"})


def _pixels_of(made: cooler.Cooler, deep: Band, chrom: str) -> tuple[np.ndarray, ...]:
    """Of the pixels of a prediction that the deep map has too, from the second diagonal on: distance in bins, value,
    sd, count of the deep map, and the product of its weights of the two bins."""
    pixels, (lo, hi) = made.pixels().fetch(chrom), extent(made, chrom)
    row, column = (pixels[name].to_numpy() - lo for name in ("bin1_id", "bin2_id"))
    scale = deep.weight[row] * deep.weight[np.minimum(column, hi - lo - 1)]
    kept = (column - row >= SCORING.min_diagonal) & (pixels["count"].to_numpy() > 0) & np.isfinite(scale)
    row, column = row[kept], column[kept]
    found, sd = (pixels[name].to_numpy(dtype=np.float64)[kept] for name in ("count", DOUBT))
    return column - row, found, sd, deep.counts[row, column - row], scale[kept]


def _listed(widths: Iterable[int]) -> str:
    return ", ".join(f"{width:,}" for width in widths)
