"""A made-up experiment for the report's tests: six arms, three seeds, simulated maps with loops and compartments."""

import tempfile
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from trifold.genome import Region
from trifold.metrics import aggregate
from trifold.report import build, figures, page, samples
from trifold.report.gallery import Window
from trifold.report.logged import Logged
from trifold.report.samples import MapFacts

BIN_BP, N_BINS = 1024, 64
METRICS = ["mae", "mse", "pearson", "spearman", "scc_hicrep", "scc_hicreppy", "scc_kriukov2021"]
HIGHER = set(METRICS[2:])
VOID = {"meta", "link", "br", "img", "input"}  # elements without an end
VIEW = ["degradation", "sample", "reference", "scale"]
# How good an arm is, 0 to 1.
QUALITY = {"identity": 0.3, "gaussian": 0.45, "bicubic": 0.34, "sequence": 0.4, "image": 0.62, "hybrid": 0.66}


def config(seeds=(1, 2, 3), published=False) -> dict:
    arms = {
        "sequence": {"architecture": "akita", "options": {"channels": 32}, "training": {"epochs": 10}},
        "identity": {"architecture": "identity"},
        "gaussian": {"architecture": "gaussian", "options": {"sigma_bins": 1.0}},
        "bicubic": {"architecture": "bicubic"},
        "image": {"architecture": "vehicle", "options": {"channels": 16, "residual_blocks": 5}},
        "hybrid": {"architecture": "hybrid", "backbones": {"sequence": "sequence", "image": "image"}},
    }
    if published:
        arms["image_published"] = {"architecture": "vehicle", "protocol": "published"}
    training = {"epochs": 12, "batch_size": 8, "learning_rate": 0.001, "weight_decay": 0, "optimiser": "adam"}
    return {
        "experiment": "made-up",
        "seeds": list(seeds),
        "genome": {"assembly": "sim1", "fasta": "simulated/genome.fa.gz"},
        "samples": {
            "alpha": {
                "contacts": "simulated/alpha.mcool",
                "truth": "simulated/alpha.truth.cool",
                "tracks": {"atac": ["simulated/alpha.atac.bam"], "cage": ["simulated/alpha.cage.bam"]},
            },
        },
        "geometry": {"bin_bp": BIN_BP, "window_bins": N_BINS},
        "degradations": {"low": {"coarsen": 2, "thin": 16, "seed": 1, "share_reads": False}},
        "splits": {"a": {"kind": "chromosomes", "validation": ["chr5"], "test": ["chr6"]}},
        "training": {**training, "loss": "mse"},
        "tracks": {"bin_bp": 1000, "zero_where_uncovered": [], "strands": []},
        "shared": {},
        "arms": arms,
        "evaluate": {
            "samples": ["alpha"],
            "comparison": {"reference_arms": ["identity", "gaussian", "bicubic", "image"]},
        },
    }


def _arm_quality(name: str) -> float:
    return QUALITY.get(name, 0.5)


def window_scores(settings: dict, n_windows=24, seed=0) -> pd.DataFrame:
    """Rows of windows.tsv."""
    rng = np.random.default_rng(seed)
    learned = {"akita", "vehicle", "hybrid"}
    rows = []
    for reference in ("deep", "truth"):
        for scale in ("balanced", "oe"):
            hard = rng.normal(0, 0.05, n_windows)
            for name, arm in settings["arms"].items():
                for run in settings["seeds"] if arm["architecture"] in learned else [0]:
                    good = _arm_quality(name) + hard + rng.normal(0, 0.02, n_windows) + rng.normal(0, 0.004)
                    good += 0.25 * (scale == "balanced") + 0.05 * (reference == "truth")
                    unit = 3e-6 if scale == "balanced" else 0.05
                    for i in range(n_windows):
                        start_bp = i * N_BINS * BIN_BP
                        place = ["chr6", start_bp, start_bp + N_BINS * BIN_BP, 1800]
                        values = [unit * 2 * (1.05 - good[i]), unit * (1.05 - good[i]), good[i], good[i] - 0.05]
                        values += [good[i] - 0.1, good[i] - 0.09, good[i] - 0.13]
                        rows.append(["low", name, "a", run, "alpha", reference, scale, *place, *values])
    columns = ["degradation", "arm", "fold", "seed", "sample", "reference", "scale"]
    return pd.DataFrame(rows, columns=[*columns, "chrom", "start_bp", "end_bp", "n_pixels", *METRICS])


def region_scores(windows: pd.DataFrame) -> pd.DataFrame:
    """Rows of regions.tsv: the whole of chr6 as one region."""
    keys = ["degradation", "arm", "fold", "seed", "sample", "reference", "scale", "chrom"]
    frame = windows.groupby(keys, as_index=False)[["n_pixels", *METRICS]].mean()
    frame.insert(8, "start_bp", 0)
    frame.insert(9, "end_bp", int(windows["end_bp"].max()))
    return frame


def aggregates(windows: pd.DataFrame, reference_arms: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """scores and comparisons."""
    return aggregate.summarise(windows), aggregate.compare(windows, reference_arms)


def distances(windows: pd.DataFrame, seed=0) -> pd.DataFrame:
    """Rows of distance.tsv: scores fall with distance."""
    rng = np.random.default_rng(seed)
    keys = ["degradation", "arm", "fold", "seed", "sample", "reference", "scale"]
    rows = []
    for key, own in windows.groupby(keys):
        good, error = own["pearson"].mean(), own["mse"].mean()
        for d in range(2, N_BINS):
            pearson = good * np.exp(-d / 90) + rng.normal(0, 0.008)
            mse = error * (0.4 + 2 / d) * np.exp(rng.normal(0, 0.03))
            rows.append([*key, d * BIN_BP, 24 * (N_BINS - d), np.sqrt(mse) / 2, mse, pearson])
    return pd.DataFrame(rows, columns=[*keys, "distance_bp", "n_pixels", "mae", "mse", "pearson"])


def histories(settings: dict, epochs=12, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for name, arm in settings["arms"].items():
        if arm["architecture"] in ("identity", "gaussian", "bicubic"):
            continue
        for run in settings["seeds"]:
            for epoch in range(epochs):
                loss = (0.35 if name == "sequence" else 0.03) * (0.4 + np.exp(-epoch / 3)) * np.exp(rng.normal(0, 0.04))
                pearson = _arm_quality(name) * (1 - np.exp(-(epoch + 1) / 3))
                rows.append([name, "a", run, epoch, loss, loss * (1.1 + 0.02 * max(0, epoch - 7)), pearson, 1e-3])
    columns = ["arm", "fold", "seed", "epoch", "train_loss", "validation_loss", "validation_pearson", "learning_rate"]
    return pd.DataFrame(rows, columns=columns)


def window(settings: dict, seed=0, n=N_BINS, bin_bp=BIN_BP) -> Window:
    """Maps with a power-law decay, domains, loops between oriented motifs and compartments; one bin is missing."""
    rng = np.random.default_rng(seed)
    i, j = np.indices((n, n))
    distance = np.abs(i - j)
    state = np.sign(np.sin(np.arange(n) / n * 9 + seed))
    truth = 1.2 / (distance + 1.5) ** 1.05 * np.exp(0.25 * np.outer(state, state))
    sites = np.sort(rng.choice(np.arange(4, n - 4), 6, replace=False))
    for a, b in pairwise(sites):
        inside = (i >= a) & (i <= b) & (j >= a) & (j <= b)
        truth = truth * np.where(inside, 1.5, 1)
        truth += 0.09 * (np.exp(-((i - a) ** 2 + (j - b) ** 2) / 3) + np.exp(-((j - a) ** 2 + (i - b) ** 2) / 3))
    truth /= truth.sum(axis=1).mean()

    def sampled(depth: float) -> np.ndarray:
        counts = np.triu(rng.poisson(truth * depth))
        return (counts + np.triu(counts, 1).T) / depth

    deep = sampled(4000)
    coarse = sampled(400).reshape(n // 2, 2, n // 2, 2).sum(axis=(1, 3)) / 4
    identity = np.kron(coarse, np.ones((2, 2)))
    maps = {"low": coarse, "deep": deep, "truth": truth}
    smooth = gaussian_filter(identity, 1)
    start_bp = (100 + seed * n) * bin_bp
    for name in settings["arms"]:
        share = _arm_quality(name)
        maps[name] = identity if name == "identity" else share * truth + (1 - share) * smooth
    bad = n // 3
    for name in ("deep", *settings["arms"]):
        maps[name] = maps[name].copy()
        maps[name][bad] = maps[name][:, bad] = np.nan
    peaks = np.exp(-(((np.arange(4 * n)[:, None] / 4 - sites) / 0.4) ** 2)).sum(axis=1)
    lanes = {"atac": peaks + rng.gamma(1, 0.05, 4 * n), "cage": rng.gamma(0.05, 1.0, 4 * n)}
    lanes["dnase"] = peaks * 2 + rng.gamma(1, 0.1, 4 * n)
    motifs = [(start_bp + int(s) * bin_bp, start_bp + int(s) * bin_bp + 19, "+-"[k % 2]) for k, s in enumerate(sites)]
    gc = 0.42 + 0.04 * state + rng.normal(0, 0.01, n)
    return Window(Region("chr6", start_bp, start_bp + n * bin_bp), bin_bp, maps, gc, lanes, motifs)


def decay(settings: dict) -> pd.DataFrame:
    own = window(settings).maps
    rows = []
    for name, values in own.items():
        step = N_BINS // len(values)
        rows += [(name, d * step * BIN_BP, np.nanmean(np.diagonal(values, d))) for d in range(1, len(values))]
    return pd.DataFrame(rows, columns=["map", "distance_bp", "mean"])


def manifest(settings: dict) -> list[dict]:
    """Records of trifold.provenance.manifest."""

    def record(folder, kind, version, inputs, seed=None, sources=()):
        return {
            "folder": folder, "kind": kind, "schema_version": 1, "version": version, "parameters": {}, "code": "c0de",
            "inputs": inputs, "seed": seed, "sources": list(sources), "files": {"map.cool": "ab" * 32},
            "packages": {"python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6", "cooler": "0.11.0"},
            "created": "2024-05-01T12:30:00+00:00", "host": "bench",
        }  # fmt: skip

    records = [record("simulate", "simulation", "5" * 12, {}, seed=1)]
    inputs = {"results/made-up/simulate/alpha.mcool": "5" * 12}
    records.append(record("contacts/alpha/deep", "contacts", "a" * 12, inputs))
    for i, arm in enumerate(settings["arms"]):
        inputs = {"results/made-up/contacts/alpha/deep/map.cool": "a" * 12, "data/own.bed": "f" * 12}
        records.append(record(f"models/{arm}/fold-a/seed-1", "model", f"{i:012x}", inputs, seed=1))
    return records


def summary(bin_bp=BIN_BP, contacts=4_000_000, bad_bins=12) -> dict:
    """Numbers of `trifold.data.summary.summarise`: a power law, 4 % of the contacts between chromosomes."""
    bins = 1536 * BIN_BP // bin_bp
    cis = contacts * 24 // 25
    distances = [round(bin_bp * 1.5**step) for step in range(14)]
    return {
        "bin_bp": bin_bp, "chromosomes": 6, "length_bp": bins * bin_bp, "contacts": contacts, "cis_contacts": cis,
        "bins": bins, "bad_bins": bad_bins, "contacts_per_bin": cis / (bins - bad_bins),
        "by_distance": [[0, cis / bins / 3], *([d, cis / bins / 6 * (bin_bp / d) ** 1.05] for d in distances)],
    }  # fmt: skip


def facts(settings: dict) -> page.Facts:
    """Two maps of alpha, of which the deep one was repaired; a map of one's own, enhanced; three warnings."""
    repair = "no map of 1024 bp in the file: coarsened from 512 bp"
    maps = [
        MapFacts("deep", "simulated/alpha.mcool", summary(), [repair]),
        MapFacts("low", samples.source_of(settings, "alpha", "low"), summary(2 * BIN_BP, 250_000, 9), []),
    ]
    drawn = figures.drawn(figures.contacts_by_distance(samples.curves(maps)), "contacts")
    shown = window(settings)
    pair = figures.map_pair(shown.region, shown.maps["low"], shown.maps["truth"])
    own = MapFacts("shallow", "/data/shallow.mcool", summary(2 * BIN_BP, 180_000, 30), [])
    enhanced = page.Enhanced(
        "shallow", own, "arm image, fold a, seed 1", "results/made-up/enhanced/shallow/map.mcool", shown.region,
        figures.drawn(pair, "pair"),
    )  # fmt: skip
    warnings = [
        Logged("contacts/alpha/deep", [f"simulated/alpha.mcool: {repair}"]),
        Logged("models/image/fold-a/seed-1", ["validation loss rose for 5 epochs", "2 windows have <1 % valid pixels"]),
    ]
    rows = [{"file": "own.cool", "sha256": "cd" * 32, "origin": "a package", "licence": "MIT", "md5": ""}]
    return page.Facts([page.Sample("alpha", maps, drawn)], [enhanced], pd.DataFrame(rows), warnings)


def gallery(settings: dict) -> list[tuple[str, figures.Drawn]]:
    own, arms = window(settings), settings["arms"]
    panels = [(f"{own.region}, {scale} scale", figures.map_panel(own, arms, scale)) for scale in ("balanced", "oe")]
    panels.append(("Contact frequency by distance", figures.contact_decay(decay(settings), arms)))
    return [(caption, figures.drawn(panel, caption)) for caption, panel in panels]


def built(folder: Path, settings: dict | None = None, notes=("The data are made up.",), drawn=True, **changes) -> Path:
    """A whole page in a folder; `changes` replace its tables or arguments of trifold.report.page.build.

    drawn=False draws nothing, which is most of the work.
    """
    settings = settings or config()
    windows = window_scores(settings)
    scores, comparisons = aggregates(windows, settings["evaluate"]["comparison"]["reference_arms"])
    tables = {
        "scores": scores,
        "comparisons": comparisons,
        "regions": region_scores(windows),
        "distance": distances(windows),
        "histories": histories(settings),
    }
    data = build.ReportData(**{name: changes.pop(name, table) for name, table in tables.items()})
    drawings = page.Drawings({}, {}, None, gallery=[])
    if drawn:
        with tempfile.TemporaryDirectory() as scratch:
            drawings = build.curves(Path(scratch), data, settings)
        drawings = drawings._replace(gallery=changes.pop("gallery") if "gallery" in changes else gallery(settings))
    arguments = {
        "title": "Hi-C resolution enhancement",
        "experiment": settings["experiment"],
        "config": settings,
        "scores": data.scores,
        "comparisons": data.comparisons,
        "regions": data.regions,
        "drawings": drawings,
        "manifest": manifest(settings),
        "facts": changes.pop("facts") if "facts" in changes else facts(settings),
        "notes": list(notes),
    }
    return page.build(folder, **{**arguments, **changes})


def plain(folder: Path, sections: list) -> str:
    """A page of one arm without figures, so that it is made fast."""
    settings = config(seeds=(1,))
    settings["arms"] = {"identity": {"architecture": "identity"}}
    settings["evaluate"]["comparison"]["reference_arms"] = []
    nothing = {"drawn": False, "facts": page.Facts(), "manifest": []}
    return built(folder, settings, sections=sections, **nothing).read_text()


class Reader(HTMLParser):
    """Checks that elements nest, and collects ids, attributes and text."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.attributes, self.text = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if identity := dict(attrs).get("id"):
            self.ids.append(identity)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.text.append(data)


def repeated_ticks(figure) -> list[list[str]]:
    """Tick labels of every axis that shows one of them twice."""
    found = []
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            ticks = [tick for tick in axis.get_major_ticks() if axis.get_visible() and axes.axison]
            axis.get_ticklabels()  # brings the ticks up to date
            labels = [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high]
            labels = [label for label in labels if label]
            if len(set(labels)) < len(labels):
                found.append(labels)
    return found
