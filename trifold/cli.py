"""`trifold` in a shell: `trifold.api` with arguments, tables and errors for people."""

import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

import trifold
from trifold.errors import InputError


class _Group(click.Group):
    """Commands that end with a message of one line where the input is wrong."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise click.ClickException(str(error)) from error


class _Lines(logging.Handler):
    """Prints what is logged to the standard error, a line per record."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "Warning: " if record.levelno >= logging.WARNING else ""
        click.echo(f"{level}{record.getMessage()}", err=True)


@contextmanager
def _said(level: int) -> Iterator[None]:
    """While a command runs, what the package logs from this level on is printed, and goes nowhere else."""
    logger, lines = logging.getLogger("trifold"), _Lines()
    before = logger.level, logger.propagate
    logger.addHandler(lines)
    logger.setLevel(level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before[0])
        logger.propagate = before[1]


@contextmanager
def _tidy() -> Iterator[None]:
    """SIGTERM ends a command as an error does, so that unfinished files are removed."""

    def leave(number: int, _) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trifold.__version__)
@click.option("-v", "--verbose", is_flag=True, help="Say what is done, not only what is wrong.")
@click.pass_context
def main(context: click.Context, verbose: bool) -> None:
    """Hi-C resolution enhancement: a map and a model give a map that cooler and HiGlass open.

    \b
    trifold info mine.mcool
    trifold advise mine.mcool
    trifold enhance mine.mcool -o enhanced.mcool
    trifold compare mine.mcool other.mcool -o differences.bedpe
    trifold score enhanced.mcool deep.mcool --low mine.mcool
    """
    context.with_resource(_tidy())
    context.with_resource(_said(logging.INFO if verbose else logging.WARNING))


_resolution = click.option("--resolution", type=click.IntRange(min=1), metavar="BP", help="Bin width, bp.")
_as_json = click.option("--json", "as_json", is_flag=True, help="JSON in place of tables.")
_chromosomes = click.option(
    "--chromosome", "chromosomes", multiple=True, help="A chromosome to use; may be repeated. All by default."
)
_model = click.option(
    "--model",
    default="trifold",
    show_default=True,
    help="A model of the package, the folder of a trained one, or a published file (see `trifold models`).",
)
_device = click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
_threads = click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)


@main.command()
@click.argument("map", type=click.Path())
@_model
@click.option("-o", "--out", required=True, type=click.Path(), help="The result: .mcool or .hic, or .cool.")
@_resolution
@_chromosomes
@click.option("--fasta", type=click.Path(), help="Sequence of the map's assembly, for models that read it.")
@_device
@_threads
@click.option("--page", type=click.Path(), help="An .html beside it: how far to trust it, windows before and after.")
@click.option("--force", is_flag=True, help="Replace the result where it exists.")
def enhance(map, model, out, resolution, chromosomes, fasta, device, threads, page, force) -> None:
    """Enhance MAP (.cool, .mcool, .hic, or file.mcool::/resolutions/BP) of raw counts.

    The result is on the balanced scale: rows of a whole map sum to 1, `weight` is 1. A .mcool (for HiGlass, cooltools)
    and a .hic (for Juicebox, normalisation ICE) have zoom levels.

    \b
    trifold enhance shallow.mcool -o enhanced.mcool --page enhanced.html
    trifold enhance shallow.mcool --model results/mine/models/image/fold-a/seed-1 -o enhanced.mcool
    """
    from trifold import api

    ready = api.load_model(model)
    path = api.enhance(
        map,
        ready,
        out,
        resolution=resolution,
        chromosomes=chromosomes or None,
        fasta=fasta,
        device=device,
        threads=threads,
        page=page,
        force=force,
    )
    facts = api.made_by(path)
    if "assumed" in facts:
        click.echo(f"assumed: {facts['assumed']}", err=True)
    click.echo(f"{path}: {facts['architecture']} ({facts['arm']}), up to {facts['reach_bp']:,} bp from the diagonal")


@main.command()
@click.argument("map", type=click.Path())
@_model
@_resolution
@_chromosomes
@_device
@_threads
@_as_json
def advise(map, model, resolution, chromosomes, device, threads, as_json) -> None:
    """Say how far MAP can be trusted at every distance, as it is and enhanced, from its own reads.

    Its contacts are divided into two halves; a half, enhanced, is held against the other. Numbers are correlations of
    observed/expected with the same map without noise: 1 is perfect.

    \b
    trifold advise shallow.mcool --resolution 10000
    """
    from trifold import api

    facts = api.advise(
        map, model, resolution=resolution, chromosomes=chromosomes or None, device=device, threads=threads
    )
    table = facts.pop("by_distance")
    if as_json:
        click.echo(json.dumps(facts | {"by_distance": json.loads(table.to_json(orient="records"))}))
        return
    for sentence in facts["warnings"]:
        click.echo(f"Warning: {sentence}", err=True)
    click.echo(f"{facts['contacts_per_bin']:,.0f} contacts per bin of {facts['bin_bp']:,} bp; model {facts['model']}")
    click.echo(_table(table.drop(columns=["n_pixels", "r"])))


@main.command()
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path())
@_model
@click.option("-o", "--out", required=True, type=click.Path(), help="The result: a .bedpe with a header.")
@_resolution
@_chromosomes
@click.option("--fdr", type=float, default=0.05, show_default=True, help="Share of regions by chance that is allowed.")
@_device
@_threads
@click.option("--force", is_flag=True, help="Replace the result where it exists.")
def compare(first, second, model, out, resolution, chromosomes, fdr, device, threads, force) -> None:
    """Find where two maps, enhanced alike, differ by more than halves of each differ by themselves.

    \b
    trifold compare treated.mcool control.mcool -o differences.bedpe
    """
    from trifold import api

    table = api.compare(
        first,
        second,
        out,
        model,
        resolution=resolution,
        chromosomes=chromosomes or None,
        fdr=fdr,
        device=device,
        threads=threads,
        force=force,
    )
    gained = int((table["change"] == "gained").sum())
    click.echo(
        f"{out}: {len(table)} regions differ; {first} has more contacts in {gained}, fewer in {len(table) - gained}"
    )


@main.command()
@click.argument("prediction", type=click.Path())
@click.argument("deep", type=click.Path())
@click.option("--low", type=click.Path(), help="The map the prediction was made from, scored beside it.")
@_resolution
@_chromosomes
@_as_json
def score(prediction, deep, low, resolution, chromosomes, as_json) -> None:
    """Score PREDICTION against a DEEP map: per window, per chromosome and by distance.

    \b
    trifold score enhanced.mcool deep.mcool --low shallow.mcool
    """
    from trifold import api

    tables = api.score(prediction, deep, low=low, resolution=resolution, chromosomes=chromosomes or None)
    if as_json:
        click.echo(json.dumps({name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}))
        return
    for title, table in api.summary_of_scores(tables).items():
        click.echo(f"{title}\n{_table(table)}\n")


@main.command()
@_as_json
def models(as_json) -> None:
    """List the models of the package, published weights that are known, and the trained models below results/ of this
    folder.

    \b
    TRIFOLD_MIRROR=weights trifold models
    """
    from trifold import api

    listed = api.list_models()
    click.echo(listed.to_json(orient="records") if as_json else _table(listed))


@main.command()
@click.argument("map", type=click.Path())
@_resolution
@click.option("--exact", is_flag=True, help="Count every pixel, also of a map so large that it is otherwise sampled.")
@_as_json
def info(map, resolution, exact, as_json) -> None:
    """Say what MAP holds: assembly, bin widths, contacts, depth.

    \b
    trifold info mine.mcool
    trifold info cells.scool::/cells/one --json
    """
    from trifold import api

    facts = api.info(map, resolution, exact)
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in api.sentences(facts).items():
        click.echo(f"{name:<20}{value}")


def _table(table) -> str:
    from tabulate import tabulate

    return tabulate(table.astype(object).where(table.notna(), ""), headers="keys", showindex=False, floatfmt=".4g")


if __name__ == "__main__":
    sys.exit(main())
