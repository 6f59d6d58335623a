"""The page of one map that was enhanced: how far to trust it, and windows of it before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from trifold.genome import Region
from trifold.inference import DOUBT
from trifold.io.cool import open_map
from trifold.report import figures, samples
from trifold.report.page import TEMPLATES, embedded

MOST_BINS, WINDOWS = 200, 6


@dataclass(frozen=True)
class OneMap:
    """What the page says.

    facts         label -> text, printed at the top
    reliability   `advice.reliability`; None where it was not measured
    warnings      sentences
    low, enhanced the prepared map and what was made of it, coolers of one bin width
    """

    name: str
    facts: Mapping[str, str]
    low: Path
    enhanced: Path
    reliability: pd.DataFrame | None = None
    warnings: Sequence[str] = field(default_factory=list)


def write(out: Path, shown: OneMap) -> None:
    """Write the page, one HTML file that opens offline."""
    pictures, reach = [], open_map(shown.enhanced).info["metadata"]["trifold"]["max_distance_bins"]
    # Twice as wide as predictions reach: most of what is drawn is known.
    for region in samples.spread_out(shown.low, shown.enhanced, min(2 * reach, MOST_BINS), WINDOWS):
        low, enhanced = samples.pair(shown.low, shown.enhanced, region)
        i, j = np.indices(enhanced.shape)
        enhanced = np.where(abs(i - j) <= reach, enhanced, np.nan)
        figure = figures.map_and_doubt(region, low, enhanced, _doubt(shown, region))
        pictures.append((str(region), figures.drawn(figure, str(region))))
    curve = []
    if shown.reliability is not None:
        curve.append(("", figures.drawn(figures.reliability(shown.reliability), "reliability")))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    html = environment.get_template("one_map.html.j2").render(
        style=Markup((TEMPLATES / "style.css").read_text()),
        name=shown.name,
        facts=shown.facts,
        warnings=shown.warnings,
        curve=embedded(curve),
        rows=[] if shown.reliability is None else _rows(shown.reliability),
        pictures=embedded(pictures),
    )
    out.write_text(html)


def _doubt(shown: OneMap, region: Region) -> np.ndarray | None:
    """sd of ln O/E of every pixel of a window, NaN where nothing is predicted; None where the model does not say."""
    clr = open_map(shown.enhanced)
    if DOUBT not in clr.pixels().columns:
        return None
    values = clr.matrix(field=DOUBT, balance=False).fetch(tuple(region)).astype(float)
    return np.where(values > 0, values, np.nan)


def _rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """The table of reliability as it is printed."""

    def share(value: float) -> str:
        return "–" if np.isnan(value) else f"{value:.2f}"

    return [
        {
            "distance": f"{figures.bp(row.from_bp)} to {figures.bp(row.to_bp)}",
            "contacts": f"{row.contacts_per_pixel:.3g}",
            "half": share(row.half),
            "map": share(row.map),
            "enhanced": share(row.enhanced),
            "interval": "" if np.isnan(row.low) else f"{share(row.low)} to {share(row.high)}",
        }
        for row in table.itertuples()
    ]
