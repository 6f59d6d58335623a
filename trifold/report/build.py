"""The report of one experiment: its tables and maps in, its figures and its page out."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from trifold.genome import Region
from trifold.io.cool import Band
from trifold.io.tables import read_table
from trifold.plan import Evaluation
from trifold.report import figures, gallery, logged, page, samples, tables
from trifold.report.sections import Section

# Columns of names are read as text, because a sample, a fold or an arm may be called 1.
TEXT = dict.fromkeys(("sample", "fold", "arm", "degradation"), str)


@dataclass(frozen=True)
class ReportData:
    """The tables of an experiment and the histories of its trainings."""

    scores: pd.DataFrame
    comparisons: pd.DataFrame
    regions: pd.DataFrame
    distance: pd.DataFrame
    histories: pd.DataFrame  # arm, fold, seed and the columns of history.csv; empty where nothing was trained

    @classmethod
    def read(cls, folder: Path, histories: Sequence[Mapping]) -> "ReportData":
        """`folder` holds the tables; `histories` rows of arm, fold, seed and the path of a history.csv."""
        read = {
            name: read_table(folder / f"{name}.tsv", dtype=TEXT)
            for name in ("scores", "comparisons", "regions", "distance")
        }
        runs = [
            pd.read_csv(row["path"]).assign(arm=row["arm"], fold=row["fold"], seed=row["seed"]) for row in histories
        ]
        return cls(**read, histories=pd.concat(runs, ignore_index=True) if runs else pd.DataFrame())


def gather(
    config: dict,
    *,
    summaries: Mapping[tuple[str, str], str | os.PathLike],
    own: Mapping[str, tuple[str | os.PathLike, str | os.PathLike]],
    enhance: Mapping[str, Mapping],
    datasets: Sequence[Mapping[str, str]],
    inputs: Sequence[str | os.PathLike],
    models: Sequence[str | os.PathLike] = (),
    root: Path,
) -> page.Facts:
    """What the page says of data, maps and warnings; `draw_maps` adds the figures.

    summaries  (sample, map) -> summary.json
    own        name of an entry of `enhance` -> its summary.json and the enhanced map
    enhance    those entries, arm, fold and seed filled in
    datasets   what was downloaded, rows of `trifold.portals.lock.wanted`
    inputs     files of artifacts: their warnings are shown, and those of all that they were made from
    models     records of the models, beside which stands what they are
    root       the experiment's folder
    """
    of_sample: dict[str, list] = {}
    for (sample, name), path in summaries.items():
        facts = samples.read(name, path, samples.source_of(config, sample, name))
        of_sample.setdefault(sample, []).append(facts)
    enhanced = []
    for name, (summary, enhanced_map) in own.items():
        given = samples.read(name, summary, enhance[name]["contacts"])
        enhanced.append(page.Enhanced(name, given, samples.model_of(enhance[name]), str(enhanced_map)))
    return page.Facts(
        samples=[page.Sample(name, maps) for name, maps in of_sample.items()],
        enhanced=enhanced,
        datasets=pd.DataFrame(list(datasets)),
        warnings=logged.warnings(inputs, root),
        chosen=chosen(models),
    )


def chosen(models: Sequence[str | os.PathLike]) -> list[page.Chosen]:
    """What models that are learned at once have chosen on validation samples, from the config.yaml beside their
    records; of several folds, each."""
    rows = []
    for record in models:
        folder = Path(record).parent
        frozen = yaml.safe_load((folder / "config.yaml").read_text())
        for name, value in frozen.get("chosen", {}).items():
            text = (
                ", ".join(f"{part:g} {where}" for where, part in value.items())
                if isinstance(value, dict)
                else f"{value:g}"
            )
            rows.append(page.Chosen(frozen["arm"]["name"], folder.parent.name.removeprefix("fold-"), name, text))
    return rows


def decay(maps: Mapping[str, str | os.PathLike], low: gallery.Low, region: Region, width_bins: int) -> pd.DataFrame:
    """P(s) of every map on one region: mean balanced contact frequency by distance (map, distance_bp, mean)."""
    rows = []
    for name, path in {"low": low.path, **maps}.items():
        coarsen, factor = (low.coarsen, low.factor) if name == "low" else (1, 1.0)
        band = Band.read(path, region.chrom, width_bins // coarsen)
        inside = slice(region.start_bp // band.bin_bp, -(-region.end_bp // band.bin_bp))
        values = band.balanced[inside] / factor
        known = np.isfinite(values)
        number = known.sum(axis=0)
        mean = np.where(known, values, 0).sum(axis=0) / np.maximum(number, 1)
        far = np.flatnonzero((number > 0) & (mean > 0) & (np.arange(len(mean)) > 0))
        rows.append(pd.DataFrame({"map": name, "distance_bp": far * band.bin_bp, "mean": mean[far]}))
    return pd.concat(rows, ignore_index=True)


def curves(folder: Path, data: ReportData, config: dict) -> page.Drawings:
    """Save the figures of the tables into `folder`: by distance, intervals and training; the gallery is left empty."""
    arms = config["arms"]
    reference_arms = tables.references(data.scores, arms, config["evaluate"]["comparison"]["reference_arms"])
    table = tables.summary_table(
        data.scores,
        data.comparisons,
        arms,
        reference_arms=reference_arms,
        test_regions=tables.name_regions(data.regions),
    )
    distance, intervals, training = {}, {}, None
    for view, _ in tables.views(table):
        stem = "-".join(view)
        if len(view.of(data.distance)):
            figure = figures.distance_curves(data.distance, arms, view)
            distance[view] = figures.save(figure, folder / f"distance-{stem}")
        compared = view.of(data.comparisons)
        for name in reference_arms:
            if compared.loc[compared["reference_arm"] == name, "difference"].notna().any():
                figure = figures.intervals(data.comparisons, arms, view, name)
                intervals[view, name] = figures.save(figure, folder / f"intervals-{stem}-against-{name}")
    if len(data.histories):
        training = figures.save(figures.training_curves(data.histories, arms), folder / "training")
    return page.Drawings(distance, intervals, training, gallery=())


def draw(
    folder: Path,
    data: ReportData,
    *,
    config: dict,
    shown: Sequence[Evaluation],
    maps: Sequence[str | os.PathLike],
    low: Mapping[str, str | os.PathLike],
    deep: str | os.PathLike,
    truth: str | os.PathLike | None,
    examples: Mapping[str, Path],
    sequence: Path | None,
    tracks: Mapping[str, Path],
    motifs: str | os.PathLike | None,
) -> page.Drawings:
    """Save every figure into `folder` as PNG and SVG; what was drawn comes back for the page.

    shown: the predictions of `plan.shown`, in the order of `maps`; low: degradation -> the low map; sequence: its
    folder, None where the experiment has none.
    examples: degradation -> its dataset directory; of the first one shown the test windows are chosen.
    """
    arms, geometry = config["arms"], config["geometry"]
    first = examples[shown[0].degradation]
    tiles = read_table(first / "tiles.tsv")
    regions = gallery.choose(tiles, np.load(first / "deep_oe.npy", mmap_mode="r"), config["report"]["gallery_windows"])
    panels = []
    for degradation, path in low.items():
        low_map = gallery.Low.of(path, examples[degradation])
        predicted = {
            prediction.arm: path for prediction, path in zip(shown, maps) if prediction.degradation == degradation
        }
        whole = {"deep": deep, **({"truth": truth} if truth else {}), **predicted}
        for number, region in enumerate(regions, start=1):
            window = gallery.collect(
                region,
                bin_bp=geometry["bin_bp"],
                maps=whole,
                low=low_map,
                sequence=sequence,
                tracks=tracks,
                motifs=motifs,
            )
            figure = figures.map_panel(window, arms)
            drawn = figures.save(figure, folder / f"maps-{degradation}-{number}")
            panels.append((f"{region}, low map “{degradation}”", drawn))
        whole_region = Region(*data.regions[["chrom", "start_bp", "end_bp"]].iloc[0])
        table = decay(whole, low_map, whole_region, geometry["window_bins"])
        figure = figures.contact_decay(table, arms)
        drawn = figures.save(figure, folder / f"decay-{degradation}")
        panels.append((f"Contact frequency by distance in {whole_region}, low map “{degradation}”", drawn))
    return curves(folder, data, config)._replace(gallery=panels)


def draw_maps(
    folder: Path,
    facts: page.Facts,
    paths: Mapping[str, tuple[str | os.PathLike, str | os.PathLike]],
    window_bins: int,
) -> page.Facts:
    """Save the figures of every sample and of every enhanced map into `folder`; returns the facts with them.

    paths: name of an entry of `enhance` -> its map before and after; window_bins: how much of it is shown, in bins of
    the enhanced map.
    """
    of_samples = []
    for sample in facts.samples:
        figure = figures.contacts_by_distance(samples.curves(sample.maps))
        drawn = figures.save(figure, folder / f"contacts-{sample.name}")
        of_samples.append(sample._replace(figure=drawn))
    enhanced = []
    for entry in facts.enhanced:
        low, high = paths[entry.name]
        if region := samples.busiest(low, high, window_bins):
            figure = figures.map_pair(region, *samples.pair(low, high, region))
            entry = entry._replace(region=region, figure=figures.save(figure, folder / f"enhanced-{entry.name}"))
        enhanced.append(entry)
    return facts._replace(samples=of_samples, enhanced=enhanced)


def write_page(
    folder: Path,
    data: ReportData,
    drawings: page.Drawings,
    *,
    config: dict,
    manifest: list[dict],
    facts: page.Facts,
    sections: Sequence[Section] = (),
) -> None:
    """Write `index.html` into `folder`."""
    page.build(
        folder,
        title=config["report"]["title"],
        experiment=config["experiment"],
        config=config,
        scores=data.scores,
        comparisons=data.comparisons,
        regions=data.regions,
        drawings=drawings,
        manifest=manifest,
        facts=facts,
        notes=config["report"]["notes"],
        sections=sections,
    )
