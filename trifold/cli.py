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
    trifold enhance mine.mcool --model weights_deephic_raw_16.pth -o enhanced.mcool
    trifold score enhanced.mcool deep.mcool --low mine.mcool
    """
    context.with_resource(_tidy())
    context.with_resource(_said(logging.INFO if verbose else logging.WARNING))


_resolution = click.option("--resolution", type=click.IntRange(min=1), metavar="BP", help="Bin width, bp.")
_as_json = click.option("--json", "as_json", is_flag=True, help="JSON in place of tables.")
_chromosomes = click.option(
    "--chromosome", "chromosomes", multiple=True, help="A chromosome to use; may be repeated. All by default."
)


@main.command()
@click.argument("map", type=click.Path())
@click.option("--model", required=True, help="Folder of a trained model, or a published file (see `trifold models`).")
@click.option("-o", "--out", required=True, type=click.Path(), help="The result: .mcool or .hic, or .cool.")
@_resolution
@_chromosomes
@click.option("--fasta", type=click.Path(), help="Sequence of the map's assembly, for models that read it.")
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--force", is_flag=True, help="Replace the result where it exists.")
def enhance(map, model, out, resolution, chromosomes, fasta, device, threads, force) -> None:
    """Enhance MAP (.cool, .mcool, .hic, or file.mcool::/resolutions/BP) of raw counts.

    The result is on the balanced scale: rows of a whole map sum to 1, `weight` is 1. A .mcool (for HiGlass, cooltools)
    and a .hic (for Juicebox, normalisation ICE) have zoom levels.

    \b
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
        force=force,
    )
    facts = api.made_by(path)
    if "assumed" in facts:
        click.echo(f"assumed: {facts['assumed']}", err=True)
    click.echo(f"{path}: {facts['architecture']} ({facts['arm']}), up to {facts['reach_bp']:,} bp from the diagonal")


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
    """List the published weights that are known, and the trained models below results/ of this folder.

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
