"""Enhance, compare, score and describe maps: what `trifold` does in a shell, and `import trifold` in Python.

The workflow's scripts call the same functions (`inference.enhance`, `evaluate.score_maps`, `data.contacts.prepare`,
`data.summary.summarise`); here a map is prepared in a temporary folder beside the result, which appears when it is
complete.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import trifold
from trifold import advice, differences
from trifold.architectures import ARCHITECTURES
from trifold.data import assemblies, contacts, sequence, summary
from trifold.device import device_of
from trifold.errors import InputError, standing_alone
from trifold.genome import some_of
from trifold.inference import depth_advice
from trifold.inference import enhance as enhance_prepared
from trifold.io import hic, kinds
from trifold.io.cool import chromsizes_of, open_map, split_uri
from trifold.models import published, ready_made, stored
from trifold.models.ready import PublishedFile, Ready, cannot_enhance, of_folder, of_published
from trifold.score_files import score_files
from trifold.tasks import DEFAULT, TASKS

log = logging.getLogger(__name__)

MODELS = "results/*/models/*/*/*"  # folders of trained models below the current folder
RAW = "resources/raw"  # where the workflow puts what it downloads
INFO_BIN_BP = 10_000  # the bin width `info` reads, or the next wider one
INFO_PIXELS = 5_000_000  # that `info` reads at most; what of a larger map must be counted is estimated
# Of a bin, for a map to be enhanced at that width unless another is asked for: a quarter of the thousand that Rao et
# al. 2014 ask of four bins in five of a map that is looked at as it is.
LEAST_CONTACTS = 250
SHOWN_METRICS = ("mae", "mse", "pearson", "spearman", "scc_hicrep")
FORMATS_OF = {".mcool": ("mcool",), ".hic": ("hic",), ".cool": ()}  # suffix of a result -> what is made beside a .cool
Source = str | os.PathLike


# ---------------------------------------------------------------- models


def load_model(name: Source) -> Ready | PublishedFile:
    """A model to enhance maps with: one that comes with the package, the folder of a trained one, or a published file.

    name: "trifold", or another that comes with the package; a folder that holds weights.safetensors, config.yaml and
    statistics.json; the path of a published file under the name that `list_models` gives it; or that name alone, looked
    for in TRIFOLD_MIRROR and resources/raw. What lies here under a name comes before what the package has.

    >>> model = load_model("model")
    >>> model.low_bin_bp, sorted(model.reads)
    (10000, ['map'])

    Raises InputError for what is none of them, and for files that cannot enhance a map on their own.
    """
    path = Path(name)
    if (folder := ready_made.folders().get(str(name))) and not (path / "config.yaml").is_file():
        return of_folder(folder, str(name))
    if path.is_dir():
        return of_folder(path)
    if path.is_file():
        return of_published(path)
    if str(name) in published.checkpoints():
        if file := _published_path(str(name)):
            return of_published(file)
        raise InputError(
            f"{name}: known, but the file is not here; put it into a folder named in TRIFOLD_MIRROR, or name its path"
        )
    raise InputError(
        f"{name}: no model: neither one of the package, the folder of a trained one nor a published file"
        f"{published.nearest(path.name)}; `trifold models` lists those that are known"
    )


def _published_path(name: str) -> Path | None:
    folders = [*os.environ.get("TRIFOLD_MIRROR", "").split(), RAW]
    return next((path for folder in folders if (path := Path(folder) / name).is_file()), None)


def list_models() -> pd.DataFrame:
    """Models that come with the package, published files that are known, then the trained models below results/ of the
    current folder.

    Columns: model (its name, or its folder), architecture, bin_bp (of the maps it reads; missing for any), trained_on,
    file (where it is, "" if it is not here), enhances ("yes", or why it does not, "damaged: ..." for a folder that
    lacks something).

    >>> list_models().set_index("model").loc["weights_deephic_raw_16.pth", "trained_on"]
    '1/16 of the contacts, raw, windows of 40 bins'
    """
    rows = [row | {"model": name} for name, folder in ready_made.folders().items() if (row := _trained_row(folder))]
    rows += [
        {
            "model": name,
            "architecture": known.architecture,
            "bin_bp": known.expects.get("bin_bp"),
            "trained_on": _trained_on(known.expects),
            "file": str(_published_path(name) or ""),
            "enhances": cannot_enhance(known) or "yes",
        }
        for name, known in published.checkpoints().items()
    ]
    rows += [row for config in sorted(Path().glob(f"{MODELS}/config.yaml")) if (row := _trained_row(config.parent))]
    columns = ["model", "architecture", "bin_bp", "trained_on", "file", "enhances"]
    return pd.DataFrame(rows, columns=columns).astype({"bin_bp": "Int64"})


def _trained_on(expects: dict) -> str:
    parts = [
        f"1/{expects['depth']} of the contacts" if expects.get("depth") else "",
        expects.get("bias") or "",
        f"windows of {expects['window_bins']} bins" if "window_bins" in expects else "",
    ]
    return ", ".join(part for part in parts if part)


def _trained_row(folder: Path) -> dict | None:
    """The row of a trained model, its weights unread; nothing for one that is being written."""
    if folder.name.startswith("."):
        return None
    row = {"model": str(folder), "file": str(folder)}
    try:
        arm = stored.read_config(folder)["arm"]
        row["architecture"] = arm.get("architecture")
        return row | _training_of(arm, folder)
    except InputError as error:
        return row | {"enhances": f"damaged: {error}"}


def _training_of(arm: dict, folder: Path) -> dict:
    """The columns bin_bp, trained_on and enhances of a trained model. Raises InputError for a damaged folder."""
    architecture, task = arm.get("architecture"), arm.get("task", DEFAULT)
    statistics, weights = stored.read_statistics(folder), folder / "weights.safetensors"
    if not weights.is_file():
        raise stored.damaged(weights, "not found")
    if architecture is None:
        return {"enhances": "reads or predicts no map"}
    if (traits := ARCHITECTURES.get(architecture)) is None:
        raise stored.damaged(folder / "config.yaml", f"architecture {architecture!r} is not known")
    if task not in TASKS or not TASKS[task].whole_maps:
        return {"enhances": f"a model of the task {task}, which predicts no whole maps"}
    if "low" not in statistics:
        return {"enhances": "made by an earlier version: train it again"}
    try:
        low, windows = statistics["low"], f"windows of {statistics['geometry']['window_bins']} bins"
        bin_bp, depth = low["bin_bp"], f"{low['contacts_per_bin']:,.0f}"
        if traits.any_bins:
            least, most = statistics["drawn_contacts_per_bin"]
            bin_bp, depth = None, f"{least:,.0f} to {most:,.0f}"
    except (KeyError, TypeError, ValueError) as error:
        raise stored.damaged(folder / "statistics.json", f"lacks or garbles what the model needs ({error})") from error
    able = "map" in traits.inputs and traits.predicts
    trained_on = f"{depth} contacts per bin, {windows}"
    return {"bin_bp": bin_bp, "trained_on": trained_on, "enhances": "yes" if able else "reads or predicts no map"}


# ---------------------------------------------------------------- enhance


def enhance(
    map: Source,
    model: Source | Ready | PublishedFile,
    out: Source,
    *,
    resolution: int | None = None,
    chromosomes: str | Iterable[str] | None = None,
    fasta: Source | None = None,
    device: str = "auto",
    threads: int = 1,
    batch_size: int = 16,
    page: Source | None = None,
    force: bool = False,
    progress: bool | None = None,
) -> Path:
    """Enhance a map with a model and write `out`, a .mcool or .hic (with zoom levels) or a .cool; returns its path.

    map: .cool, .mcool, .hic or the URI of a cooler, of raw counts. model: what `load_model` takes or gives.
    resolution: bin width of the maps the model reads, bp; where given, a map without them gets them from its
    narrower bins.
    chromosomes: those to predict, None for all. fasta: the sequence, for models that read it.
    device: "auto", "cpu" or "gpu". page: an .html to write beside it, one file that opens offline: how far to trust the
    map at every distance (as `advise`), and windows before and after. force: replace `out` and `page`. progress: a bar;
    None shows it on a terminal.

    The result is on the balanced scale (a row of a whole map sums to 1, `weight` is 1; in a .hic the normalisation ICE
    gives the balanced values of every level), and its metadata say which
    model made it, what was assumed, and the depths of the map and of those the model was trained on. Where they differ
    more than twofold, a warning says so.

    >>> import trifold
    >>> trifold.enhance("shallow.cool", "model", "enhanced.mcool")
    PosixPath('enhanced.mcool')

    Raises InputError for what cannot be read or does not fit; then nothing is written.
    """
    with standing_alone():
        device_of(device)
    _check_numbers(threads=threads, batch_size=batch_size)
    read = [map, model.path if isinstance(model, PublishedFile) else model, fasta]
    out = _checked_out(out, force, read)
    page = None if page is None else _checked_out(page, force, read, [".html"])
    model = load_model(model) if isinstance(model, str | os.PathLike) else model
    bin_bp = _low_bin_bp(map, model, resolution)
    chromosomes = contacts.chosen(map, chromosomes)
    _check_fasta(model, fasta)
    with _beside(out) as folder, standing_alone({folder / "low.cool": map}):
        store = _encoded(fasta, folder, bin_bp) if fasta is not None else None
        low = folder / "low.cool"
        sizes = sequence.read_chromosomes(folder / "chromosomes.tsv") if store else None
        contacts.prepare(map, low, bin_bp, sizes, threads=threads)
        chromsizes, depth = chromsizes_of(low), summary.summarise(low)["contacts_per_bin"]
        said = _bins_advice(depth, bin_bp) if getattr(model, "any_bins", False) else None
        if said:
            log.warning("%s: %s", map, said)
        ready, assembly = model.for_map(low), _assembly(map, chromsizes)
        common = {"chromosomes": chromosomes, "device": device, "threads": threads, "batch_size": batch_size}
        with _bar(progress) as shown:
            enhance_prepared(
                ready,
                folder,
                chromsizes=chromsizes,
                low_map=low,
                assembly=assembly,
                called=map,
                sequence=store,
                formats=FORMATS_OF[out.suffix],
                progress=shown,
                **common,
            )
            if page is not None:
                warnings = [said, _depth_advice(ready, depth, bin_bp)]
                _write_page(folder / "page.html", os.fspath(map), ready, depth, assembly, warnings, common)
        if page is not None:
            os.replace(folder / "page.html", page)
        os.replace(folder / f"map{out.suffix}", out)
    return out


def advise(
    map: Source,
    model: Source | Ready | PublishedFile = ready_made.DEFAULT,
    *,
    resolution: int | None = None,
    chromosomes: str | Iterable[str] | None = None,
    device: str = "auto",
    threads: int = 1,
    batch_size: int = 16,
    progress: bool | None = None,
) -> dict:
    """How far a map can be trusted as it is, and enhanced by a model, from its own reads: `trifold.advice`.

    map, model, resolution, chromosomes, device: as in `enhance`.
    Returns map, model, bin_bp, contacts_per_bin, trained_contacts_per_bin (the nearest of those the model was trained
    on; None if it was not trained), warnings (sentences), and by_distance, the table of `advice.reliability`.

    >>> import trifold
    >>> advice = trifold.advise("deep.cool", "model")
    >>> list(advice["by_distance"].columns[:4])
    ['from_bp', 'to_bp', 'n_pixels', 'contacts_per_pixel']

    Raises InputError for what cannot be read or does not fit.
    """
    with standing_alone():
        device_of(device)
    _check_numbers(threads=threads, batch_size=batch_size)
    model = load_model(model) if isinstance(model, str | os.PathLike) else model
    bin_bp = _low_bin_bp(map, model, resolution)
    chromosomes = contacts.chosen(map, chromosomes)
    if model.reads != {"map"}:
        raise _reads_more(model)
    with TemporaryDirectory() as name, standing_alone({f"{name}/low.cool": map}):
        low = Path(name, "low.cool")
        contacts.prepare(map, low, bin_bp, threads=threads)
        ready, facts = model.for_map(low), summary.summarise(low)
        with _bar(progress) as shown:
            settings = {"device": device, "threads": threads, "batch_size": batch_size, "progress": shown}
            table = advice.reliability(low, ready, Path(name), chromosomes=chromosomes, **settings)
    depth, trained = facts["contacts_per_bin"], ready.trained_at(facts["contacts_per_bin"])
    said = [_depth_advice(ready, depth, bin_bp), _bins_advice(depth, bin_bp)]
    return {
        "map": os.fspath(map),
        "model": ready.name,
        "bin_bp": bin_bp,
        "contacts_per_bin": depth,
        "trained_contacts_per_bin": trained,
        "warnings": [sentence for sentence in said if sentence],
        "by_distance": table,
    }


def compare(
    first: Source,
    second: Source,
    out: Source,
    model: Source | Ready | PublishedFile = ready_made.DEFAULT,
    *,
    resolution: int | None = None,
    chromosomes: str | Iterable[str] | None = None,
    fdr: float = 0.05,
    device: str = "auto",
    threads: int = 1,
    batch_size: int = 16,
    force: bool = False,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Where the maps of two conditions differ, enhanced alike, by more than their own halves do: `trifold.differences`.

    first, second: maps of raw counts, as `enhance` takes them; out: a .bedpe with a header, written whole or not at
    all. resolution: bin width, bp; for a model of any bins None is the narrowest that serves both maps. fdr: the share
    of regions by chance that is allowed. The others as in `enhance`.

    Returns what it writes, a row per region, the strongest first.

    >>> import trifold
    >>> table = trifold.compare("deep.cool", "deep.cool", "differences.bedpe", "model")
    >>> len(table), list(table.columns[6:])
    (0, ['change', 'fdr', 'ln_ratio', 'n_pixels'])

    Raises InputError for what cannot be read or does not fit; then nothing is written.
    """
    with standing_alone():
        device_of(device)
    _check_numbers(threads=threads, batch_size=batch_size)
    if not 0 < fdr <= 1:
        raise InputError(f"fdr: {fdr!r} is no share above 0, up to 1; 0.05, say")
    read = [first, second, model.path if isinstance(model, PublishedFile) else model]
    out = _checked_out(out, force, read, [".bedpe"])
    model = load_model(model) if isinstance(model, str | os.PathLike) else model
    if model.reads != {"map"}:
        raise _reads_more(model)
    bin_bp = max(_low_bin_bp(source, model, resolution) for source in (first, second))
    chosen = contacts.chosen(first, chromosomes)
    contacts.chosen(second, chromosomes)
    with _beside(out) as folder:
        maps = [folder / "first.cool", folder / "second.cool"]
        with standing_alone(dict(zip(maps, (first, second)))), _bar(progress) as shown:
            sizes, others = _shared(first, second)
            for target, source in zip(maps, (first, second)):
                contacts.prepare(source, target, bin_bp, sizes, exclude=others, threads=threads)
            table = differences.differences(
                maps,
                model,
                folder,
                fdr=fdr,
                chromosomes=chosen,
                called=[first, second],
                device=device,
                threads=threads,
                batch_size=batch_size,
                progress=shown,
            )
        table.rename(columns={"chrom1": "#chrom1"}).to_csv(
            folder / "out.bedpe", sep="\t", index=False, float_format="%.4g"
        )
        os.replace(folder / "out.bedpe", out)
    return table


def _shared(first: Source, second: Source) -> tuple[dict[str, int], set[str]]:
    """Chromosomes that both maps have, with their lengths, in the first map's order; and the names of all others.

    Raises InputError where they share none, or one has another length.
    """
    sizes = [contacts.open_raw(source, contacts.resolutions(source)[0]).chromsizes for source in (first, second)]
    shared = [chrom for chrom in sizes[0] if chrom in sizes[1]]
    if not shared:
        listed = "; ".join(f"{source} has {some_of(names)}" for source, names in zip((first, second), sizes))
        raise InputError(f"the maps share no chromosome: {listed}; give maps of one assembly, under the same names")
    for chrom in shared:
        if sizes[0][chrom] != sizes[1][chrom]:
            lengths = f"{sizes[0][chrom]:,} bp in {first} and {sizes[1][chrom]:,} in {second}"
            raise InputError(f"{second}: {chrom} has {lengths}; give maps of one assembly")
    return {chrom: sizes[0][chrom] for chrom in shared}, {*sizes[0], *sizes[1]} - set(shared)


def _reads_more(model: Ready | PublishedFile) -> InputError:
    return InputError(
        f"{model.name}: reads {', '.join(sorted(model.reads))}; give a model that reads the map and nothing else"
    )


def _write_page(
    path: Path,
    name: str,
    ready: Ready,
    depth: float,
    assembly: str | None,
    warnings: Iterable[str | None],
    common: dict,
) -> None:
    """The page of a map that was enhanced, from low.cool and map.cool beside it. Of a model that reads more than the
    map, or predicts narrower bins, and of a map whose halves are too shallow, it does not say how far to trust it."""
    from trifold.report import one_map  # matplotlib, which nothing else here needs

    low, enhanced, table, said = path.with_name("low.cool"), path.with_name("map.cool"), None, list(warnings)
    if ready.reads == {"map"} and ready.coarsen == 1:
        (halves := path.with_name("halves")).mkdir()
        try:
            table = advice.reliability(low, ready, halves, **common)
        except InputError as error:  # the map itself was deep enough, and is enhanced
            said.append(f"how far to trust it is not known: {str(error).replace(os.fspath(low), name)}")
    reach_bp = made_by(enhanced)["reach_bp"]
    facts = {
        "model": ready.name,
        "bins": f"{ready.low_bin_bp:,} bp",
        "contacts per bin": f"{depth:,.0f}",
        "enhanced up to": f"{reach_bp:,} bp apart",
        "assembly": assembly or "not known",
        "version": f"trifold {trifold.__version__}",
    }
    one_map.write(path, one_map.OneMap(Path(name).name, facts, low, enhanced, table, [each for each in said if each]))


def _depth_advice(ready: Ready, contacts_per_bin: float, bin_bp: int) -> str | None:
    trained = ready.trained_at(contacts_per_bin)
    return depth_advice(contacts_per_bin, trained, bin_bp) if trained else None


def _bins_advice(contacts_per_bin: float, bin_bp: int) -> str | None:
    """The warning for bins with too few contacts; None where they have enough."""
    if (wider := advice.wider_bins(bin_bp, contacts_per_bin, LEAST_CONTACTS)) is None:
        return None
    return (
        f"the map has {contacts_per_bin:,.0f} contacts per bin of {bin_bp:,} bp, fewer than {LEAST_CONTACTS}: expect "
        f"little of single pixels, or choose bins of {wider:,} bp (--resolution {wider})"
    )


def made_by(path: Source) -> dict:
    """What trifold wrote into the metadata of a map it made: arm, architecture, and of a model's assumed, reach_bp, ...

    Raises InputError for a map of another origin.
    """
    bin_bp = contacts.resolutions(path)[0]
    metadata = hic.made_by(path) if kinds.is_hic(path) else open_map(path, bin_bp).info.get("metadata")
    if (facts := (metadata or {}).get("trifold")) is None:
        raise InputError(f"{path}: does not say that trifold made it")
    if (reach_bins := facts.get("max_distance_bins")) is None:  # a program does not say how far it reaches
        return facts
    return facts | {"reach_bp": reach_bins * bin_bp}


def _check_numbers(**numbers: int) -> None:
    for name, value in numbers.items():
        if not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"{name}: {value!r} is no whole number from 1 on; give one")


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A hidden folder beside the result, which is made in it and then moved; InputError where it cannot be created."""
    try:
        folder = TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another folder or name") from error
    with folder as name:
        yield Path(name)


def _checked_out(out: Source, force: bool, read: Iterable[object], suffixes: Iterable[str] = FORMATS_OF) -> Path:
    """The path of the result, checked. read: the inputs, because no file among them may be replaced."""
    out = Path(out)
    for source in (split_uri(source)[0] for source in read if isinstance(source, str | os.PathLike)):
        if os.path.realpath(out) == os.path.realpath(source) or _same_file(out, source):
            raise InputError(f"{out}: is what is read ({source}); choose another name for the result")
    if out.suffix not in suffixes:
        ends = ".mcool or .hic (with zoom levels) or .cool" if suffixes is FORMATS_OF else ", ".join(suffixes)
        raise InputError(f"{out}: the name of the result ends with {ends}")
    if not os.path.isdir(out.parent):
        raise InputError(f"{out}: no folder {out.parent}; make it first")
    if os.path.isdir(out):
        raise InputError(f"{out}: a folder; choose another name for the result")
    with _beside(out):  # whether it can be written, before any work
        pass
    if os.path.exists(out) and not force:
        raise InputError(f"{out}: exists; choose another name, or replace it (--force, force=True)")
    return out


def _same_file(first: Source, second: Source) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:  # a file that does not exist
        return False


def _low_bin_bp(map: Source, model: Ready | PublishedFile, resolution: int | None) -> int:
    """The bin width of the maps the model reads. Raises InputError where the map does not have it."""
    present = contacts.resolutions(map)
    if isinstance(model, Ready) and model.any_bins:
        return _any_bin_bp(map, present, resolution)
    wanted = model.low_bin_bp
    listed = ", ".join(f"{width:,}" for width in present)
    if resolution not in (None, wanted):
        raise InputError(
            f"resolution {resolution}: {model.name} reads bins of {wanted:,} bp; leave it out, or say that"
        )
    if wanted in present or (resolution and any(wanted % width == 0 for width in present)):
        return wanted
    if finer := [width for width in present if wanted % width == 0]:
        raise InputError(
            f"{map}: has bins of {listed} bp, and {model.name} reads {wanted:,} bp; say resolution {wanted} "
            f"(--resolution {wanted}) to have them made from those of {max(finer):,} bp"
        )
    raise InputError(
        f"{map}: has bins of {listed} bp, and {model.name} reads {wanted:,} bp, which cannot be made from them; give a "
        "map with narrower bins, or another model"
    )


def _any_bin_bp(map: Source, present: list[int], resolution: int | None) -> int:
    """Bin width, bp, to enhance a map at with a model that serves any: the one asked for, or the narrowest at which a
    bin has `LEAST_CONTACTS`, or the widest. Raises InputError for one that cannot be made."""
    if resolution is not None:
        if not any(resolution % width == 0 for width in present):
            listed = ", ".join(f"{width:,}" for width in present)
            raise InputError(f"{map}: has bins of {listed} bp, none of which make {resolution:,}; ask for a multiple")
        return resolution
    for bin_bp in present:
        if summary.summarise(map, bin_bp, INFO_PIXELS)["contacts_per_bin"] >= LEAST_CONTACTS:
            return bin_bp
    return present[-1]


def _check_fasta(model: Ready | PublishedFile, fasta: Source | None) -> None:
    if "map" not in model.reads:
        raise InputError(
            f"{model.name}: reads no map ({', '.join(model.reads)}), so there is nothing to enhance with it"
        )
    if "tracks" in model.reads:
        raise InputError(f"{model.name}: reads tracks, which an experiment gives it (`enhance` of the workflow)")
    if "embeddings" in model.reads:
        raise InputError(
            f"{model.name}: reads vectors of a language model, which an experiment gives it (`enhance` of the workflow)"
        )
    if "sequence" in model.reads and fasta is None:
        raise InputError(f"{model.name}: reads the sequence; give the FASTA of the map's assembly (--fasta, fasta=)")
    if "sequence" not in model.reads and fasta is not None:
        raise InputError(f"{model.name}: reads no sequence, so the FASTA would do nothing; leave it out")


def _encoded(fasta: Source, folder: Path, bin_bp: int) -> sequence.SequenceStore:
    sequence.prepare(fasta, folder, bin_bp)
    return sequence.SequenceStore(folder)


def _assembly(map: Source, chromsizes: dict[str, int]) -> str | None:
    """What the file says, or what the lengths of its chromosomes say."""
    return _stated_assembly(map) or assemblies.guess(chromsizes)


def _stated_assembly(map: Source) -> str | None:
    if kinds.is_hic(map):
        return None
    stated = open_map(map, contacts.resolutions(map)[0]).info.get("genome-assembly")
    return None if stated in (None, "", "unknown") else str(stated)


@contextmanager
def _bar(wanted: bool | None):
    """A function of (windows done since the last call, windows in all), which draws a bar where it is wanted."""
    hidden = not (sys.stderr.isatty() if wanted is None else wanted)
    columns = (TextColumn("windows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=hidden) as bar:
        task = bar.add_task("windows", total=None)
        yield lambda windows, total: bar.update(task, advance=windows, total=total)


# ---------------------------------------------------------------- score


def score(
    prediction: Source,
    deep: Source,
    *,
    low: Source | None = None,
    resolution: int | None = None,
    chromosomes: str | Iterable[str] | None = None,
) -> dict[str, pd.DataFrame]:
    """How close a map is to a deep one: the tables of `trifold.evaluate`, chromosome by chromosome.

    prediction, deep, low: .cool, .mcool, .hic or the URI of a cooler; raw counts are balanced, what `enhance` wrote is
    on that scale. low: the map the prediction was made from; scored beside it, upsampled and on the same pixels, it
    shows what the model adds. resolution: bin width, bp; None is the prediction's finest. chromosomes: None is all that
    the maps share.

    Returns `windows` (side by side along each chromosome), `regions` (whole chromosomes) and `distance`, each with the
    columns map ("prediction", "low"), scale (balanced, observed, oe) and the metrics; floor and ceiling of the scale
    `observed` are those of the deep map. All maps come to a scale the same way, coarse-grained where the deep map has
    few contacts, so the deep map against itself is perfect on each. A chromosome's windows are in memory, all
    chromosomes at a time. A prediction that says how sure it is gets a fourth table, `calibration`: at which distances
    the deep map's counts lie where it says, 0.9 of them inside its 90 % interval.

    >>> import trifold
    >>> tables = trifold.score("deep.cool", "deep.cool")
    >>> tables["regions"].query("scale == 'balanced'")[["chrom", "mse", "pearson"]]
      chrom  mse  pearson
    0  chr1  0.0      1.0

    Raises InputError for maps that do not fit together, or share no window.
    """
    bin_bp = resolution or contacts.resolutions(prediction)[0]
    return score_files(prediction, deep, low, bin_bp, contacts.chosen(prediction, chromosomes))


def summary_of_scores(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """What `trifold score` prints of the tables of `score`: title -> means over windows, regions, distance classes."""
    metrics = [name for name in tables["windows"].columns if name in SHOWN_METRICS]
    windows = tables["windows"].groupby(["scale", "map"], as_index=False)[metrics].mean()
    regions = tables["regions"][["chrom", "scale", "map", "n_pixels", *metrics]]
    distance = tables["distance"]
    distance = distance[distance["scale"] == "balanced"]
    apart = np.maximum(distance["distance_bp"], 1)
    classes = pd.Series(2 ** np.floor(np.log2(apart / apart.min())) * apart.min(), name="from_bp").astype(int)
    by_class = distance.groupby(["scale", classes, "map"], as_index=False)[["mae", "mse", "pearson"]].mean()
    regions = regions.dropna(subset=metrics, how="all").sort_values(["scale", "chrom", "map"])
    number = len(tables["windows"].groupby(["chrom", "start_bp"]))
    printed = {
        f"Mean of {number} windows": windows,
        "Chromosomes (observed, oe: the pixels of their windows)": regions,
        "By distance, balanced": by_class.drop(columns="scale"),
    }
    if "calibration" in tables:
        printed["How sure it is: share of the deep map's counts inside its 90 % interval"] = tables["calibration"]
    return printed


# ---------------------------------------------------------------- info


def info(map: Source, resolution: int | None = None, exact: bool = False) -> dict:
    """What a map holds: assembly, bin widths and the numbers of `trifold.data.summary.summarise`.

    map: .cool, .mcool, .hic or the URI of a cooler. resolution: the bin width whose pixels are counted, bp; None is
    10 kb or the next wider one. exact: count every pixel; otherwise a map of more than 5,000,000 is sampled, and
    `read_share` says how many of its pixels were read.
    assembly: what the file says, otherwise guessed from the lengths of its chromosomes, None where nothing fits.

    >>> import trifold
    >>> facts = trifold.info("deep.cool")
    >>> facts["resolutions"], facts["chromosomes"], facts["assembly"]
    ([10000], 1, None)

    Raises InputError for a file that cannot be read, and for one with several maps of one bin width, with their list.
    """
    present = contacts.resolutions(map)
    bin_bp = resolution or next((width for width in present if width >= INFO_BIN_BP), present[-1])
    chromsizes = contacts.open_raw(map, bin_bp).chromsizes
    return {
        "map": os.fspath(map),
        "assembly": _assembly(map, chromsizes),
        "resolutions": present,
        **summary.summarise(map, bin_bp, None if exact else INFO_PIXELS),
    }


def sentences(facts: dict) -> dict[str, str]:
    """The facts of `info` in words: label -> text."""
    cis = facts["cis_contacts"] / facts["contacts"] if facts["contacts"] else 0.0
    bad = "not balanced" if facts["bad_bins"] is None else f"{facts['bad_bins']:,} without a weight"
    bin_bp = facts["bin_bp"]
    near = ", ".join(f"{_distance(distance)} {density:.3g}" for distance, density in facts["by_distance"][::4])
    about = "about " * ("read_share" in facts)
    estimated = {}
    if about:
        estimated["estimated"] = f"what says about, from {facts['read_share']:.2%} of the pixels; --exact reads all"
    return {
        "map": facts["map"],
        "assembly": facts["assembly"] or "not known",
        "resolutions": ", ".join(f"{width:,}" for width in facts["resolutions"]) + " bp",
        "chromosomes": f"{facts['chromosomes']}, {facts['length_bp']:,} bp",
        "contacts": f"{facts['contacts']:,}, {about}{cis:.1%} within chromosomes",
        "bins": f"{facts['bins']:,} of {bin_bp:,} bp, {bad}",
        "contacts per bin": f"{about}{facts['contacts_per_bin']:,.1f} of {bin_bp:,} bp",
        "contacts per pixel": f"{about}{near}",
        **estimated,
    }


def _distance(distance_bp: float) -> str:
    return f"{distance_bp / 1e6:.3g} Mb" if distance_bp >= 1e6 else f"{distance_bp / 1e3:.3g} kb"
