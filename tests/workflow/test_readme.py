"""The code blocks of the README and the docs are what works: experiments are accepted, commands are understood, and
the overlay for one's own data, as printed, goes from the file to the report.

In a page, a yaml block that names an `experiment` stands on its own; one that does not is an addition to it.
"""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

from trifold import checks, plan, settings

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A command inside a sentence or a table.
INLINE = re.compile(r"`((?:snakemake|trifold|make) [^`\n]+)`")
# Settings inside a sentence: an addition like a block.
INLINE_SETTINGS = re.compile(r"`(samples: [^`\n]+)`")
# Files of the README's own-data overlay -> files of the mirror.
STANDING_IN = {
    "/data/deep.mcool": "yeast_G1_2kb.cool",
    "/data/shallow.mcool": "yeast_metaphase_2kb.cool",
    "/data/hg38.fa.gz": "sacCer3.fa.gz",
    "/data/rep1.bam": "yeast_atac.bam",
    "/data/rep2.bam": "rep2.bam",
    "/data/proseq.bw": "yeast_netseq_plus.bw",
}
# What the yeast needs in place of a human map, and what a test has the time for.
SMALL = """
geometry: {bin_bp: 2000, window_bins: 32, stride_bins: {train: 32, validation: 32, test: 32}}
splits: {a: {kind: chromosomes, validation: [chrVII], test: [chrIV]}}
arms: {image: {options: {channels: 4, residual_blocks: 1}, training: {epochs: 1, batch_size: 16}}}
evaluate: {scoring: {max_distance_bins: 12}}
"""
# What one's own experiment never asked for.
FOREIGN = re.compile(r"simulat|\bdemo\b|\bpapers?\b|kriukov|\blau ?20|mix-?hic", re.IGNORECASE)


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall((REPOSITORY / page).read_text()) if kind == language]


def experiments(page: str) -> list[tuple[dict, list[dict]]]:
    """Experiments of a page, each with the additions printed below it."""
    found: list[tuple[dict, list[dict]]] = []
    printed = blocks(page, "yaml") + INLINE_SETTINGS.findall((REPOSITORY / page).read_text())
    for block in map(yaml.safe_load, printed):
        if "experiment" in block:
            found.append((block, []))
        else:
            found[-1][1].append(block)
    return found


def together(base, over):
    """As Snakemake merges one --configfile over another."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: together(base.get(key), own) for key, own in over.items()}}


def commands(page: str) -> list[str]:
    """Command lines of a page, comments left out, continued lines joined."""
    text = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [shlex.join(shlex.split(line, comments=True)) for line in text.splitlines()]
    return [line for line in lines if line] + INLINE.findall((REPOSITORY / page).read_text())


ALL_COMMANDS = [(page, command) for page in PAGES for command in commands(page)]


def commands_of(program: str):
    chosen = [(page, line) for page, line in ALL_COMMANDS if line.split()[0] == program]
    assert chosen, program
    return pytest.mark.parametrize("page, command", chosen, ids=lambda value: value)


# ---------------------------------------------------------------- as printed


def test_every_block_is_of_a_kind_that_is_tested():
    kinds = {(page, kind) for page in PAGES for kind, _ in BLOCK.findall((REPOSITORY / page).read_text())}
    untested = {(page, kind) for page, kind in kinds if kind not in ("sh", "yaml")}
    # A drawing; what the Python of a page does, tests of its own do: of the quickstart, of vectors
    # (tests/unit/data/test_embeddings.py), of the doubt of a map (tests/unit/test_rates_of_maps.py).
    python = {(f"docs/{page}.md", "python") for page in ("quickstart", "embeddings", "trifold")}
    assert untested <= {("docs/data.md", ""), ("docs/quickstart.md", "")} | python
    words = [[word for word in line.split() if not re.match(r"\w+=", word)] for _, line in ALL_COMMANDS]
    programs = {Path(command[0]).name for command in words}
    assert programs <= {"make", "snakemake", "trifold", "pip", "source", "python", "cd", "hf"}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")])
def test_d1_every_experiment_as_printed_is_accepted(page):
    """Alone, with each addition, and with all of them; it has the samples and arms it names and no others."""
    for experiment, additions in experiments(page):
        whole = experiment
        for given in [experiment, *(together(experiment, addition) for addition in additions)]:
            _accepted(given)
            whole = together(whole, given)
        _accepted(whole)


def _accepted(given: dict) -> None:
    config = plan.selected(settings.complete(given, REPOSITORY))
    arms = plan.resolve(config)
    checks.check(config, arms)
    assert list(config["samples"]) == list(given["samples"])
    assert list(arms) == list(given["arms"])
    asked_for = {name for name, arm in arms.items() if not arm.on_demand}
    whole_maps = {name for name, arm in arms.items() if plan.task_of(arm).whole_maps}
    assert {run.arm for run in plan.runs(config, arms)} == asked_for
    assert {one.arm for one in plan.evaluations(config, arms)} == asked_for & whole_maps
    assert {one.arm for one in plan.scored(arms, sorted(asked_for - whole_maps))} == asked_for - whole_maps


@commands_of("make")
def test_targets_of_make_exist(page, command):
    words = [word for word in shlex.split(command)[1:] if "=" not in word and not word.startswith("-")]
    makefile = (REPOSITORY / "Makefile").read_text()
    lines = re.findall(r"^([a-z][a-z0-9 -]*?) *:(?!=)", makefile, re.MULTILINE)
    targets = {target for line in lines for target in line.split()}
    assert set(words) <= targets, command


@commands_of("snakemake")
def test_d3_commands_of_snakemake_mean_what_they_say(page, command):
    """Options are known, configuration files exist, targets are rules or files: a target behind --configfile without
    its -- is read as a file that is not there."""
    given = get_argument_parser().parse_args(shlex.split(command)[1:])
    sources = [path for name in ("rules", "papers") for path in (REPOSITORY / name).rglob("*.smk")]
    rules = "\n".join(path.read_text() for path in [REPOSITORY / "Snakefile", *sources])
    names = set(re.findall(r"^\s*(?:use rule \w+ as|rule|checkpoint) (\w+)\b", rules, re.MULTILINE))
    own = {match for page in PAGES for match in re.findall(r"^# (\S+\.yaml)$", "".join(blocks(page, "yaml")), re.M)}
    own.add("more.yaml")  # the README's name of a second one
    for number, path in enumerate(given.configfile or []):
        assert str(path) in own or (REPOSITORY / path).is_file(), f"{command}: no file {path}"
        if number and str(path) not in own:  # experiments stand on their own; what goes over one is settings
            assert "experiment" not in yaml.safe_load((REPOSITORY / path).read_text()), command
    for target in given.targets:
        assert target in names or "/" in target, f"{command}: no rule {target}"
    for rule in [*(given.forcerun or ()), *(given.until or ()), *(given.set_resources or ())]:
        assert rule in names, f"{command}: no rule {rule}"
    if given.workflow_profile:
        assert (REPOSITORY / given.workflow_profile / "config.yaml").is_file()


@commands_of("trifold")
def test_d19_commands_of_trifold_have_the_options_printed(page, command):
    import click

    from trifold.cli import main

    name, *words = shlex.split(command)[1:]
    if name.startswith("-"):
        known = [
            option
            for parameter in main.get_params(click.Context(main, **main.context_settings))
            for option in parameter.opts
        ]
        assert name in known, command
        return
    one = main.commands[name]
    given, left, _ = one.make_parser(click.Context(one)).parse_args(words)
    assert not left, command
    if words:  # `trifold enhance` inside a sentence names the command only
        missing = [each.name for each in one.params if each.required and not given.get(each.name)]
        assert missing == [], command


# ---------------------------------------------------------------- and run


@pytest.fixture(scope="module")
def own(mirror, make_workspace, tmp_path_factory):
    """A workspace with the README's overlay and its additions, their paths those of a yeast's files."""
    workspace = make_workspace(tmp_path_factory.mktemp("own") / "trifold")
    files = {printed: mirror / file for printed, file in STANDING_IN.items()}
    files["/data/rep2.bam"] = workspace.folder / "rep2.bam"
    files["/data/rep2.bam"].symlink_to(mirror / "yeast_atac.bam")
    overlay, *additions = blocks("README.md", "yaml")
    for number, text in enumerate([overlay, *additions]):
        for printed, file in files.items():
            text = text.replace(printed, str(file))
        workspace.overlay("mine.yaml" if number == 0 else f"addition{number}.yaml", text)
    workspace.overlay("small.yaml", SMALL)
    return workspace


def _planned(workspace, *words: str) -> tuple[str, dict[str, int]]:
    """What a dry run says, and its jobs by rule."""
    text = workspace.run("-n", *words, configfile=None).text
    table = text[text.index("Job stats:") :]
    counts = re.findall(r"^(\w+)\s+(\d+)$", table, flags=re.MULTILINE)
    return text, {rule: int(count) for rule, count in counts if rule != "total"}


def test_d2_the_overlay_as_printed_plans_what_it_names(own):
    """Three arms, one seed: 1 training and no more than 30 jobs, and nobody else's data or arms."""
    text, jobs = _planned(own, "--configfile", "mine.yaml", "small.yaml")
    assert (jobs["prepare_contacts"], jobs["degrade"], jobs["train"]) == (1, 1, 1)
    assert (jobs["predict"], jobs["evaluate"]) == (3, 3)
    assert sum(jobs.values()) <= 30, jobs
    assert not {"simulate", "encode_sequence", "prepare_track", "fetch"} & set(jobs)
    assert FOREIGN.findall(text.replace(str(own.folder), "")) == []


def test_d5_the_additions_as_printed_add_what_they_name(own):
    """A FASTA, sequence arms and tracks: the sequence is read once, one more job for each track, and no simulation."""
    additions = sorted(path.name for path in own.folder.glob("addition*.yaml"))
    assert len(additions) == 3
    slim = own.overlay("slim.yaml", "arms: {sequence: {options: {channels: 8}}}\n")
    text, jobs = _planned(
        own, "--configfile", "mine.yaml", *additions, "small.yaml", slim, "--", "all", "data", "enhance"
    )
    assert (jobs["encode_sequence"], jobs["prepare_track"], jobs["train"]) == (1, 2, 3)
    assert (jobs["predict"], jobs["evaluate"], jobs["prepare_own_map"]) == (5, 5, 1)
    assert "simulate" not in jobs
    assert FOREIGN.findall(text.replace(str(own.folder), "")) == []


def test_d1_d15_the_overlay_as_printed_runs_to_a_report_of_its_own(own):
    """From the map to the page, without a word of what is not there; then a shallow map is enhanced, as printed."""
    own.run("--configfile", "mine.yaml", "small.yaml", configfile=None)
    page = (own.folder / "results/mine/report/index.html").read_text()
    assert "yeast_G1_2kb.cool" in page
    # Of the settings (in <pre>) some are named after papers, and so is a form of the SCC.
    words = re.sub(r"<(script|style|svg|pre)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    words = words.replace("SCC (Kriukov 2021)", "SCC")
    assert all(arm in words for arm in ("identity", "gaussian", "image"))
    assert FOREIGN.findall(words) == []

    own.run("--configfile", "mine.yaml", "addition1.yaml", "small.yaml", "--", "enhance", configfile=None)
    assert (own.folder / "results/mine/enhanced/shallow/map.mcool").stat().st_size > 0
