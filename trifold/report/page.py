"""The report: one HTML page that opens offline, everything (styles, script, figures) inside it.

Without JavaScript every view is printed one after the other; with it, a bar of choices shows one at a time.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import jinja2
import pandas as pd
import yaml
from markupsafe import Markup

from trifold import plan
from trifold.config import CEILINGS
from trifold.genome import Region
from trifold.metrics.aggregate import ALPHA
from trifold.metrics.intervals import LEAST_STRETCHES
from trifold.report import figures, origins, samples, tables
from trifold.report.figures import Drawn
from trifold.report.logged import Logged
from trifold.report.samples import MapFacts
from trifold.report.sections import Section
from trifold.report.tables import KEYS, METRICS, NO_MODEL, View

TEMPLATES = Path(__file__).parent / "templates"
# The view a reader sees first, where it exists: observed over expected, because the decay of contacts with distance
# alone gives any smooth map a high score on the other scales.
FIRST = {"reference": "deep", "scale": "oe"}
MOST_REGIONS = 12
MOST_INPUTS = 12


class Block(NamedTuple):
    """A part of the page that belongs to one view, and to one reference arm where it is compared."""

    attributes: dict[str, str]
    title: str
    content: object


class Drawings(NamedTuple):
    """The figures of an experiment, drawn: `trifold.report.build`."""

    distance: Mapping[View, Drawn]
    intervals: Mapping[tuple[View, str], Drawn]  # by view and the arm that the others are compared with
    training: Drawn | None
    gallery: Sequence[tuple[str, Drawn]]  # (caption, panel)


class Sample(NamedTuple):
    """The prepared maps of one sample, the deep one first, and their contacts by distance, drawn."""

    name: str
    maps: Sequence[MapFacts]
    figure: Drawn | None = None


class Enhanced(NamedTuple):
    """A user's map that was enhanced: what it holds, with which model, and where the result lies."""

    name: str
    given: MapFacts
    model: str
    path: str
    region: Region | None = None  # the window that is drawn; None where too few bins are known
    figure: Drawn | None = None


class Chosen(NamedTuple):
    """A setting that an arm has chosen on the validation samples of a fold."""

    arm: str
    fold: str
    name: str
    text: str


class Facts(NamedTuple):
    """What the page says of the data: samples, enhanced maps, downloads, what was logged, what arms have chosen."""

    samples: Sequence[Sample] = ()
    enhanced: Sequence[Enhanced] = ()
    datasets: pd.DataFrame = pd.DataFrame()  # rows of downloaded files; may be empty
    warnings: Sequence[Logged] = ()
    chosen: Sequence[Chosen] = ()


class ArmRow(NamedTuple):
    name: str
    colour: str
    protocol: str
    settings: dict


def build(
    folder: str | Path,
    *,
    title: str,
    experiment: str,
    config: dict,
    scores: pd.DataFrame,
    comparisons: pd.DataFrame,
    regions: pd.DataFrame,
    drawings: Drawings,
    manifest: list[dict],
    facts: Facts,
    notes: Iterable[str] = (),
    sections: Sequence[Section] = (),
) -> Path:
    """Write `index.html` into a folder and return its path.

    scores, comparisons: `trifold.metrics.aggregate`; regions: regions.tsv of every run, concatenated; manifest:
    `trifold.provenance.manifest`; facts: what is known of the data; sections: what
    the papers' rules made, shown after the scores.
    """
    arms = config["arms"]
    test_regions = tables.name_regions(regions)
    reference_arms = [name for name in tables.arm_order(arms) if name in set(comparisons["reference_arm"])]
    # The table without comparisons stands in where no reference arm was configured.
    by_reference = {
        name: tables.score_table(scores, comparisons, arms, reference_arm=name, test_regions=test_regions)
        for name in reference_arms or [None]
    }
    views = [view for view, _ in tables.views(next(iter(by_reference.values())))]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"blocks": _blocks, "count": tables.count}
    environment.globals.update(NO_MODEL=NO_MODEL, SCALES=tables.SCALES, heading=tables.heading)
    environment.globals.update(alpha=ALPHA, least_stretches=LEAST_STRETCHES)
    html = environment.get_template("page.html.j2").render(
        style=Markup((TEMPLATES / "style.css").read_text()),
        script=Markup((TEMPLATES / "page.js").read_text()),
        title=title,
        experiment=experiment,
        lede=_lede(config),
        assembly=(config.get("genome") or {}).get("assembly"),
        protocols=any(arm.get("protocol") == "published" for arm in arms.values()),
        several_seeds=bool(scores.loc[~scores["arm"].isin(CEILINGS), "n_seeds"].max() > 1),
        ceilings=bool(scores["arm"].isin(CEILINGS).any()),
        config=config,
        notes=list(notes),
        test_regions=test_regions,
        regions=_regions(regions),
        colours={name: style.colour for name, style in (figures.palette(arms) | figures.CEILING_STYLES).items()},
        choices=_choices(views, reference_arms),
        cautions=tables.cautions(scores, comparisons, arms),
        findings=_finding_blocks(scores, comparisons, arms, views),
        scores=_score_blocks(by_reference),
        intervals=_interval_blocks(drawings.intervals),
        by_region=_region_blocks(regions, arms, views),
        distance=_distance_blocks(drawings.distance),
        training=_inline(drawings.training.svg) if drawings.training else None,
        gallery=embedded(drawings.gallery),
        sections=sections,
        arms=_arms(config),
        chosen=facts.chosen,
        lows=_lows(config),
        samples=[_sample(sample) for sample in facts.samples],
        enhanced=[_enhanced(entry) for entry in facts.enhanced],
        logged=facts.warnings,
        n_logged=sum(len(artifact.messages) for artifact in facts.warnings),
        **_data(config, facts.datasets),
        manifest=_manifest(manifest),
        kinds=Counter(record["kind"] for record in manifest),
        packages=_packages(manifest),
        yaml=yaml.safe_dump(_plain(_read(config)), sort_keys=False, allow_unicode=True, width=110),
    )
    path = Path(folder) / "index.html"
    path.write_text(html, encoding="utf-8")
    return path


# ---------------------------------------------------------------- blocks that follow the choice of a view


def _choices(views: list[View], reference_arms: list[str]) -> list[tuple[str, str, list[str], str]]:
    """(key, label, options, first option) of each choice that there is."""
    labels = {"degradation": "low map", "sample": "sample", "reference": "scored against", "scale": "scale"}
    options = {key: list(dict.fromkeys(getattr(view, key) for view in views)) for key in KEYS}
    rows = [
        (key, labels[key], options[key], FIRST[key] if FIRST.get(key) in options[key] else options[key][0])
        for key in KEYS
    ]
    if reference_arms:
        rows.append(("against", "compared with", reference_arms, reference_arms[0]))
    return rows


def _finding_blocks(scores: pd.DataFrame, comparisons: pd.DataFrame, arms: Mapping, views: list[View]) -> list[Block]:
    said = [(view, tables.findings(scores, comparisons, arms, view)) for view in views]
    return [Block(view._asdict(), str(view), (tables.headline(findings), findings)) for view, findings in said]


def _score_blocks(by_reference: Mapping) -> list[Block]:
    """Per view, the table against each reference arm that the view has."""
    blocks = []
    for name, table in by_reference.items():
        for view, rows in tables.views(table):
            present = set(rows["arm"])
            if name not in present and present & set(by_reference):
                continue  # this reference arm is of another low map, and the view has a reference arm to compare with
            content = tables.grid(view, rows)
            blocks.append(Block({**view._asdict(), **_against(name)}, content.title, content))
    return blocks


def _blocks(rows: Iterable, attribute: str) -> list[tuple[str, list]]:
    """Neighbouring rows that share an attribute, in the order they come (a template filter)."""
    return [(key, list(group)) for key, group in groupby(rows, attrgetter(attribute))]


def _against(reference_arm: str | None) -> dict[str, str]:
    return {"against": reference_arm} if reference_arm else {}


def _interval_blocks(drawn: Mapping[tuple[View, str], Drawn]) -> list[Block]:
    return [
        Block(
            {**view._asdict(), "against": name},
            f"Differences of every arm from {name} with 95 % intervals: {view}.",
            _inline(figure.svg),
        )
        for (view, name), figure in drawn.items()
    ]


def _distance_blocks(drawn: Mapping[View, Drawn]) -> list[Block]:
    alt = "Pearson correlation and mean squared error of every arm by genomic distance"
    return [Block(view._asdict(), f"{alt}: {view}.", _inline(figure.svg)) for view, figure in drawn.items()]


def _region_blocks(regions: pd.DataFrame, arms: Mapping, views: list[View]) -> list[Block]:
    """Per view: the metric by test region, averaged over seeds; left out where the regions are too many to read."""
    names = regions[["chrom", "start_bp", "end_bp"]].drop_duplicates()
    if len(names) > MOST_REGIONS:
        return []
    blocks = []
    for view in views:
        rows = view.of(regions)
        metrics = [name for name in METRICS if name in rows and rows[name].notna().any()]
        means = rows.groupby(["chrom", "start_bp", "end_bp", "arm"])[metrics].mean()
        formats = [tables.Format.of(means[name]) for name in metrics]
        lines = []
        for key in names.sort_values(["chrom", "start_bp"]).itertuples(index=False, name=None):
            for arm in [*tables.arm_order(arms), *CEILINGS]:
                if (*key, arm) in means.index:
                    values = means.loc[(*key, arm)]
                    cells = [
                        style.number(values[name]) if pd.notna(values[name]) else "–"
                        for name, style in zip(metrics, formats)
                    ]
                    lines.append((str(Region(*key)), arm, cells))
        blocks.append(Block(view._asdict(), f"{view}, by test region", (metrics, formats, lines)))
    return blocks


# ---------------------------------------------------------------- the data


def _lede(config: dict) -> str:
    """What the experiment does, in a sentence that fits its low maps and its arms."""
    lows = config["degradations"].values()
    lost = [word for word, key in (("depth", "thin"), ("resolution", "coarsen")) if any(low[key] > 1 for low in lows)]
    maps = f"contact maps of low {tables.listed(lost)}" if lost else "shallow contact maps"
    learned = [tables.is_learned(config["arms"], name) for name in config["arms"]]
    held = "every arm is held against rows that need no model"
    if not any(learned):
        held = "the rows that need no model are scored"
    return f"{maps} are enhanced." if all(learned) else f"{maps} are enhanced, and {held}."


def _lows(config: dict) -> list[tuple[str, str, str, str]]:
    """(name, resolution, depth, seed) of every low map; a measured one has the depth it was sequenced to."""
    rows = []
    for name, low in config["degradations"].items():
        bin_bp = config["geometry"]["bin_bp"] * low["coarsen"]
        wide = f"{bin_bp:,} bp" + (f" ({low['coarsen']} bins merged)" if low["coarsen"] > 1 else "")
        made = "all contacts" if low["thin"] == 1 else f"one contact in {low['thin']:g}"
        sample_settings = config["samples"]
        measured = [
            sample for sample in config["evaluate"]["samples"] if name in sample_settings[sample].get("low", {})
        ]
        if len(measured) == len(config["evaluate"]["samples"]):
            made, seed = "measured", "–"
        else:
            made, seed = made + (f"; measured for {tables.listed(measured)}" if measured else ""), str(low["seed"])
        rows.append((name, wide, made, seed))
    return rows


def _sample(sample: Sample) -> dict:
    deep = next((facts for facts in sample.maps if facts.name == samples.DEEP), None)
    return {
        "name": sample.name,
        "rows": [samples.row(facts, deep) for facts in sample.maps],
        "repairs": samples.said(sample.maps),
        "figure": _inline(sample.figure.svg) if sample.figure else None,
    }


def _enhanced(entry: Enhanced) -> dict:
    return {
        **entry._asdict(),
        "row": samples.row(entry.given),
        "repairs": samples.said([entry.given]),
        "figure": embedded([("", entry.figure)])[0][1] if entry.figure else None,
    }


def _data(config: dict, datasets: pd.DataFrame) -> dict:
    """Where the data come from: sentences, a row per input of the configuration, a row per downloaded file."""
    downloads = origins.downloads(datasets)
    fetched = {row[key] for row in downloads for key in ("file", "accession") if row.get(key)}
    inputs = origins.origins(config, fetched)
    said = origins.sentences(inputs, any_download=bool(downloads))
    return {"said_of_data": said, "origins": inputs, "datasets": downloads}


def _read(config: dict) -> dict:
    """The configuration without the sections that this experiment does not use: papers and size, simulate."""
    unread = set() if config.get("papers") else {"papers", "size"}
    if not any(origin.kind == origins.SIMULATED for origin in origins.origins(config)):
        unread.add("simulate")
    return {key: value for key, value in config.items() if key not in unread}


# ---------------------------------------------------------------- what was run, on what


def _regions(regions: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(fold, region, length) of every test region."""
    unique = regions[["fold", "chrom", "start_bp", "end_bp"]].drop_duplicates()
    unique = unique.sort_values(["fold", "chrom", "start_bp"])
    return [
        (row.fold, str(Region(row.chrom, row.start_bp, row.end_bp)), f"{(row.end_bp - row.start_bp) / 1e6:.2f} Mb")
        for row in unique.itertuples()
    ]


def _arms(config: dict) -> list[ArmRow]:
    """The arms of the config with everything they inherit, in the order of the tables."""
    styles, resolved = figures.palette(config["arms"]), plan.resolve(config)
    rows = []
    for name in tables.arm_order(config["arms"]):
        settings = {**resolved[name].model(), "inputs": sorted(plan.traits_of(resolved[name]).inputs)}
        rows.append(ArmRow(name, styles[name].colour, tables.protocol_of(config["arms"], name), settings))
    return rows


def _manifest(manifest: list[dict]) -> list[dict]:
    """Records with their inputs shortened to what a reader can follow: the last part of the path and the version."""
    versions = {record["version"] for record in manifest}
    rows = []
    for record in manifest:
        named = [(_short(path), version, version in versions) for path, version in record["inputs"].items()]
        rows.append({**record, "named": named[:MOST_INPUTS], "more": max(0, len(named) - MOST_INPUTS)})
    return rows


def _short(path: str) -> str:
    parts = Path(path).parts
    return "/".join(parts[2:] if parts[:1] == ("results",) else parts[-3:])


def _packages(manifest: list[dict]) -> list[tuple[str, str]]:
    """Package -> the version, or versions, that the artifacts were made with."""
    versions_of: dict[str, dict] = {}
    for record in manifest:
        for name, version in record.get("packages", {}).items():
            versions_of.setdefault(name, {})[version] = None
    return [
        (name, ", ".join(versions)) for name, versions in sorted(versions_of.items(), key=lambda item: item[0].lower())
    ]


def _plain(value):
    """Nested settings as built-in types, for YAML."""
    if isinstance(value, Mapping):
        return {str(key): _plain(setting) for key, setting in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(setting) for setting in value]
    return value


# ---------------------------------------------------------------- figures in the page


def _inline(svg: str) -> Markup:
    """SVG to stand in HTML: without XML prolog, metadata and ids of groups; in the page's fonts; scaled by CSS."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    # Two decimals of a point are enough on a screen, and halve the bytes.
    svg = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", svg)
    svg = re.sub(r'(<svg [^>]*?)width="([\d.]+)pt" height="[\d.]+pt"', r'\1style="max-width:\2pt"', svg, count=1)
    # Groups are numbered from 1 in every figure, so their ids would repeat on the page; nothing refers to them.
    return Markup(re.sub(r'<g id="[^"]*">', "<g>", svg))


def embedded(drawn: Iterable[tuple[str, Drawn]]) -> list[tuple[str, tuple[str, int]]]:
    """(caption, (data URI, width on screen)) of every figure as PNG."""
    encoded = [(caption, base64.b64encode(figure.png).decode(), figure.width) for caption, figure in drawn]
    return [(caption, (f"data:image/png;base64,{data}", width)) for caption, data, width in encoded]
