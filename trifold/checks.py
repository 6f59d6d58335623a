"""What a configuration must say beyond its schema: one error, before any job, that names field, value and remedy.

Pure functions of the configuration but for `check_maps`, which reads the bin widths of maps that are already there.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import yaml

from trifold import loss_terms, plan
from trifold.architectures import ARCHITECTURES, check_window, crop_of
from trifold.arm import Arm
from trifold.config import CEILINGS
from trifold.errors import InputError
from trifold.io import kinds, vocabulary, widths

MOST_LISTED = 12  # names in a message


def _refuse(field: str, value, known) -> None:
    raise InputError(f"config: {field}: {value!r} is not one of {', '.join(sorted(map(str, known))) or 'none'}")


def check(config: dict, arms: dict[str, Arm]) -> None:
    """Raise InputError for settings that cannot work.

    config  with the arms that are used, and no others; arms: the same arms, resolved
    """
    _check_samples(config)
    _check_names(arms)
    _check_tracks(config)
    _check_genome(config, arms)
    _check_embeddings(config)
    _check_pairs(config, arms)
    _check_windows(config, arms)
    _check_stride(config, arms)
    _check_draws(config, arms)
    _check_losses(arms)
    _check_comparison(config, arms)
    _check_structure(config, arms)
    for name in config["enhance"]:
        enhanced(config, arms, name)


def _check_samples(config: dict) -> None:
    for name, sample in config["samples"].items():
        for degradation in sample.get("low", {}):
            if degradation not in config["degradations"]:
                _refuse(f"samples/{name}/low", degradation, config["degradations"])
    for degradation, low in config["degradations"].items():
        if low["thin"] == 1 and any(plan.holds_back(config, name, degradation) for name in config["samples"]):
            raise InputError(
                f"config: degradations/{degradation}/thin: 1 leaves every read of the deep map in the low map, none "
                "to score against; keep one in two (thin: 2) or fewer, or say that both have them (share_reads: true)"
            )


def _check_names(arms: dict[str, Arm]) -> None:
    for name in CEILINGS:
        if name in arms:
            raise InputError(f"config: arms/{name}: a row of the tables that is no arm has this name; rename the arm")


def _check_tracks(config: dict) -> None:
    plan.check_tracks(config)


def _check_genome(config: dict, arms: dict[str, Arm]) -> None:
    if config["genome"].get("fasta"):
        return
    if config["tracks"]["effective_genome_size"] is None:
        for name, sample in config["samples"].items():
            for track, entry in sample.get("tracks", {}).items():
                if any(source.endswith(".bam") for source in plan.track_files(entry)):
                    raise InputError(
                        f"config: tracks/effective_genome_size: the track {track!r} of {name!r} is made of reads, "
                        "and without genome/fasta the mappable bases cannot be counted; give their number, bp"
                    )
    of_sequence = {"sequence", "embeddings"}
    if reading := [name for name, arm in arms.items() if of_sequence & plan.traits_of(arm).inputs]:
        raise InputError(
            f"config: genome/fasta: the arms {', '.join(reading)} read the sequence of the genome; name its FASTA, or "
            "leave these arms out"
        )


def _check_embeddings(config: dict) -> None:
    """Windows that fit the bins, so that every bin is made of whole windows or every window of whole bins."""
    bin_bp = config["geometry"]["bin_bp"]
    for name, entry in config.get("embeddings", {}).items():
        place, window_bp, overlap_bp = f"config: embeddings/{name}", entry["window_bp"], entry["overlap_bp"]
        if overlap_bp % 2 or not overlap_bp < window_bp:
            raise InputError(
                f"{place}/overlap_bp: {overlap_bp} must be even and below window_bp, {window_bp}: a window gives up "
                "half of it on either side; change it"
            )
        step_bp = window_bp - overlap_bp
        if step_bp % bin_bp and bin_bp % step_bp:
            near = next(step for step in range(step_bp, 0, -1) if step % bin_bp == 0 or bin_bp % step == 0)
            raise InputError(
                f"{place}/window_bp: {window_bp} less overlap_bp {overlap_bp} is {step_bp} bp, neither a multiple nor "
                f"a divisor of geometry/bin_bp {bin_bp}; change them so that it is, such as {near}"
            )


def check_embedding_models(config: dict, arms: dict[str, Arm]) -> None:
    """Raise InputError for the folder of a language model that is not there, or does not suit its tokenizer, its window
    or its layer; of those that arms read."""
    for name in sorted({arm.embeddings for arm in arms.values() if arm.embeddings is not None}):
        entry, place = config["embeddings"][name], f"config: embeddings/{name}"
        folder = Path(entry["model"])
        if not folder.is_dir():
            raise InputError(
                f"{place}/model: {entry['model']}: no such folder below {Path.cwd()}; nothing is downloaded here: save "
                "the model into a folder first (docs/embeddings.md), and name that"
            )
        try:
            _check_embedding_model(folder, entry, place)
        except InputError as error:
            raise error if str(error).startswith(place) else InputError(f"{place}: {error}") from error


def _check_embedding_model(folder: Path, entry: dict, place: str) -> None:
    known, tokenizer, window_bp = vocabulary.read_model_config(folder), entry["tokenizer"], entry["window_bp"]
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "pytorch_model*.bin")):
        raise InputError(f"{place}/model: {folder}: no weights (*.safetensors, pytorch_model.bin); copy them into it")
    tokens = None  # of a window
    if known.get("model_type") == vocabulary.ENFORMER:
        if tokenizer != "characters":
            raise InputError(f"{place}/tokenizer: {tokenizer}: Enformer reads single bases; say characters")
        if known.get("use_tf_gamma") and window_bp != vocabulary.TF_WINDOW_BP:
            raise InputError(
                f"{place}/window_bp: {window_bp}: use_tf_gamma in {folder}/config.json are positions for windows of "
                f"{vocabulary.TF_WINDOW_BP:,} bp alone; say that, and change overlap_bp with it"
            )
    elif tokenizer == "kmers":
        tokens = window_bp - vocabulary.kmer_length(vocabulary.read_vocabulary(folder), folder) + 3
    else:
        files = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json")
        if not any((folder / file).is_file() for file in files):
            raise InputError(
                f"{place}/tokenizer: {tokenizer}: {folder} holds no tokenizer ({', '.join(files)}); save it there too"
            )
        tokens = window_bp + 1 if tokenizer == "characters" else None
    most = known.get("max_position_embeddings")
    if isinstance(most, int) and tokens is not None and tokens > most:
        raise InputError(
            f"{place}/window_bp: {window_bp} bp are {tokens:,} tokens, and the model in {folder} takes {most:,}; lower "
            "it, and overlap_bp with it"
        )
    layers = known.get("num_hidden_layers", known.get("depth"))
    if isinstance(layers, int) and not -layers - 1 <= entry["layer"] <= layers:
        raise InputError(
            f"{place}/layer: {entry['layer']}: the model in {folder} has layers 0 (before the first block) to "
            f"{layers}, -1 is the last; choose one of them"
        )


def _check_windows(config: dict, arms: dict[str, Arm]) -> None:
    stride_bins = config["predict"]["stride_bins"]
    for name, arm in arms.items():
        if not plan.task_of(arm).whole_maps:
            continue
        _check_track_bins(arm, config["geometry"]["bin_bp"], config["tracks"]["bin_bp"])
        window_bins = arm.window_bins
        if arm.weights is None:  # a trained model brings its window with it
            check_window(arm.architecture, arm.options, window_bins, f"arms/{name}")
        if "map" not in plan.traits_of(arm).inputs:
            continue
        degradation = arm.degradation
        coarsen = config["degradations"][degradation]["coarsen"]
        if window_bins % coarsen:
            raise InputError(
                f"config: geometry/window_bins: {window_bins} is no multiple of degradations/{degradation}/coarsen, "
                f"{coarsen}; change one of them"
            )
        if stride_bins is not None and stride_bins % coarsen:
            raise InputError(
                f"config: predict/stride_bins: {stride_bins} is no multiple of degradations/{degradation}/coarsen, "
                f"{coarsen}; change one of them"
            )


def _check_stride(config: dict, arms: dict[str, Arm]) -> None:
    stride_bins = config["predict"]["stride_bins"]
    for name in dict.fromkeys(evaluation.arm for evaluation in plan.evaluations(config, arms)):
        arm = arms[name]
        if stride_bins is None or arm.weights is not None:
            continue
        window_bins = arm.window_bins
        reach = window_bins - 2 * crop_of(arm.architecture, arm.options, window_bins)
        if stride_bins >= reach:
            raise InputError(
                f"config: predict/stride_bins: {stride_bins} leaves holes between the tiles of arms/{name}, which "
                f"predicts {reach} bins of a window of {window_bins}; take less"
            )


def _check_draws(config: dict, arms: dict[str, Arm]) -> None:
    """A network that draws the reads of its low maps enhances a map at the bins that the map has."""
    for name, arm in arms.items():
        if plan.task_of(arm).draws and config["degradations"][arm.degradation]["coarsen"] > 1:
            raise InputError(
                f"config: arms/{name}/degradation: {arm.degradation!r} has wider bins than the deep map, and "
                f"{arm.architecture!r} enhances a map at the bins it has; name a degradation that is thinned alone "
                "(coarsen: 1)"
            )


def _check_structure(config: dict, arms: dict[str, Arm]) -> None:
    samples, bin_bp = config["structure"]["samples"], config["geometry"]["bin_bp"]
    for name in samples:
        if name not in config["samples"]:
            _refuse("structure/samples", name, config["samples"])
    if not samples:
        return
    given = plan.structure_of(config)
    if given["min_bp"] >= given["max_bp"]:
        raise InputError(
            f"config: structure/min_bp: {given['min_bp']} leaves no loop below max_bp, {given['max_bp']}; lower it, or "
            "raise max_bp and what the predictions reach"
        )
    if 2 * given["window_bp"] > given["max_bp"]:
        raise InputError(
            f"config: structure/window_bp: {given['window_bp']} reaches beyond max_bp, {given['max_bp']}: the box of "
            f"the insulation score is twice as far from the diagonal; give at most {given['max_bp'] // 2}"
        )
    for name, degradation in config["degradations"].items():
        if given["window_bp"] % (bin_bp * degradation["coarsen"]):
            raise InputError(
                f"config: structure/window_bp: {given['window_bp']} is no whole number of bins of the low map "
                f"{name!r}, {bin_bp * degradation['coarsen']} bp; change it"
            )
    for evaluation in plan.structures(config, arms):
        known = config["samples"][evaluation.sample].get("tracks", {})
        if missing := [track for track in arms[evaluation.arm].tracks if track not in known]:
            raise InputError(
                f"config: structure/samples: {evaluation.sample!r} has no track {missing}, which arms/{evaluation.arm} "
                f"reads; give it under samples/{evaluation.sample}/tracks, or leave the sample out"
            )


def _check_losses(arms: dict[str, Arm]) -> None:
    for name, arm in arms.items():
        if not plan.is_trained(arm) or not plan.traits_of(arm).learned or not plan.task_of(arm).whole_maps:
            continue
        given = (arm.training["loss_weights"], arm.loss_networks)
        loss, traits = arm.training["loss"], plan.traits_of(arm)
        loss_terms.check(loss, arm.protocol, *given, name, traits.predicts)
        # As released some generators pad their maps and lose no border; the discriminator says so where one does.
        crop_bins = crop_of(arm.architecture, arm.options, arm.window_bins) if arm.protocol == "corrected" else 0
        least, side = loss_terms.LEAST_BINS.get(loss, 0), arm.window_bins - 2 * crop_bins
        if traits.predicts and side < least:
            raise InputError(
                f"config: arms/{name}: the discriminator of loss {loss} reads maps of {least} bins, and the arm "
                f"predicts {side} of a window of {arm.window_bins}; raise geometry/window_bins, or choose another "
                "training/loss"
            )


def _check_pairs(config: dict, arms: dict[str, Arm]) -> None:
    """What arms on windows about pairs need of their samples: loops, start sites, tracks of whole bins."""
    bin_bp, track_bp = config["geometry"]["bin_bp"], config["tracks"]["bin_bp"]
    for name, arm in arms.items():
        needs = plan.task_of(arm).needs
        if plan.task_of(arm).whole_maps:
            continue
        for sample in dict.fromkeys((*arm.samples, *arm.test_samples)):
            settings = config["samples"][sample]
            if "loops" in needs and "loops" not in settings:
                raise InputError(
                    f"config: samples/{sample}/loops: missing; the arm {name!r} ({arm.task}) reads windows about them: "
                    "give a BEDPE, or leave the arm out"
                )
            expression = config["pairs"]["expression"] if "expression" in needs else []
            if missing := [track for track in expression if track not in settings.get("tracks", {})]:
                raise InputError(
                    f"config: pairs/expression: the sample {sample!r} has no track {missing}, and the arm {name!r} "
                    f"({arm.task}) is taught expression; give it under samples/{sample}/tracks, or leave the arm out"
                )
            if missing := [track for track in arm.tracks if track not in settings.get("tracks", {})]:
                raise InputError(
                    f"config: arms/{name}/tracks: the sample {sample!r} has no track {missing}; give it under "
                    f"samples/{sample}/tracks, or leave the track out"
                )
        if "tss" in needs and "tss" not in config["genome"]:
            raise InputError(
                f"config: genome/tss: missing; the arm {name!r} ({arm.task}) reads windows about start sites: give a "
                "BED or GTF, or leave the arm out"
            )
        if arm.tracks and bin_bp % track_bp:
            raise InputError(
                f"config: tracks/bin_bp {track_bp} does not divide geometry/bin_bp {bin_bp}; the arm {name!r} reads "
                "whole bins of its tracks: choose a divisor"
            )
        traits = plan.traits_of(arm)
        # An architecture with modes, or that reads sequence, may do without.
        reads_tracks = "tracks" in traits.inputs and "mode" not in traits.options and "sequence" not in traits.inputs
        if reads_tracks and not arm.tracks:
            raise InputError(
                f"config: arms/{name}/tracks: missing, and {arm.architecture!r} reads "
                f"{'nothing else' if len(traits.inputs) == 1 else 'them'}; name tracks of its samples, or of all such "
                f"arms under shared/{arm.architecture}/tracks"
            )
        if traits.bin_step and bin_bp % (step := {**traits.options, **arm.options}[traits.bin_step]):
            raise InputError(
                f"config: arms/{name}/options/{traits.bin_step}: {step} does not divide geometry/bin_bp {bin_bp}; "
                f"{arm.architecture!r} cuts a bin into so many equal ones: choose a divisor"
            )
        if arm.window_bins % 2:
            raise InputError(
                f"config: arms/{name}/window_bins: {arm.window_bins} is odd; windows about a pair are even"
            )
        if config["pairs"]["band_bins"] <= arm.window_bins:
            raise InputError(
                f"config: pairs/band_bins: {config['pairs']['band_bins']} diagonals hold no window of "
                f"{arm.window_bins} bins, which arms/{name} reads; keep more"
            )


def _check_track_bins(arm: Arm, bin_bp: int, track_bp: int) -> None:
    if arm.track_bp is not None and (arm.track_bp % track_bp or bin_bp % arm.track_bp):
        raise InputError(
            f"config: arms/{arm.name}/track_bp: {arm.track_bp} is no multiple of tracks/bin_bp {track_bp} that divides "
            f"geometry/bin_bp {bin_bp}; choose one"
        )


def _check_comparison(config: dict, arms: dict[str, Arm]) -> None:
    evaluated = {evaluation.arm for evaluation in plan.evaluations(config, arms)}
    if not evaluated:
        raise InputError(
            "config: arms: there is none whose whole maps are scored, and nothing to report; add one without a model, "
            "such as identity: {architecture: identity}, or take `maps: false` from one"
        )
    for name in config["evaluate"]["comparison"]["reference_arms"]:
        if name not in evaluated:
            raise InputError(
                f"config: evaluate/comparison/reference_arms: {name!r} is an arm whose whole maps are not scored "
                f"(maps, folds, on_demand); name one of {', '.join(sorted(evaluated))}"
            )


def check_weights(config: dict, published) -> None:
    """Raise InputError for an arm whose weights are neither a published file nor the folder of a model, and for data
    sets of other experiments that are not there."""
    for name, arm in config["arms"].items():
        for folder in arm.get("also", ()):
            if not (record := Path(folder, "artifact.json")).is_file():
                raise InputError(
                    f"config: arms/{name}/also: {record} is not there; run that experiment first (its target data), or "
                    "leave the data set out"
                )
        if (weights := arm.get("weights")) is None or weights in published:
            continue
        if Path(weights).name in published or Path(weights).is_file() or weights.startswith("weights_"):
            near = get_close_matches(Path(weights).name, list(published), n=1)
            raise InputError(
                f"config: arms/{name}/weights: {weights}: a published file is named as resources/datasets.tsv has it, "
                f"and its folder in `mirrors` or TRIFOLD_MIRROR{f'; did you mean {near[0]}?' if near else ''}"
            )
        if not (record := Path(weights, "artifact.json")).is_file():
            raise InputError(
                f"config: arms/{name}/weights: {record} is not there; run the experiment that trains it first, name "
                "the folder of another model, or leave the arm out (arms_used)"
            )
        _check_model_bins(name, record.parent, config["geometry"]["bin_bp"])


def _check_model_bins(name: str, folder: Path, bin_bp: int) -> None:
    """Raise InputError for the folder of a model of other bins than those of the experiment."""
    try:
        arm = yaml.safe_load((folder / "config.yaml").read_text())["arm"]
        traits = ARCHITECTURES.get(arm.get("architecture"))
        of_model = bin_bp if traits and traits.any_bins else arm["geometry"]["bin_bp"]
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return  # a damaged folder is refused by the job that reads it
    if of_model != bin_bp:
        raise InputError(
            f"config: arms/{name}/weights: {folder} is a model of bins of {of_model} bp, and geometry/bin_bp is "
            f"{bin_bp}; give a model of that bin width, or train it again on these bins"
        )


def check_splits(config: dict, folder: Path) -> None:
    """Raise InputError for a fold that cannot be: chromosomes of two roles or excluded, shares without a rest, a BED
    file that is neither here nor in the `folder` of the workflow."""
    for name, split in config["splits"].items():
        held_out = [chrom for role in ("validation", "test") for chrom in split.get(role, ())]
        if split["kind"] == "chromosomes" and not split["test"]:
            raise InputError(f"config: splits/{name}/test: no chromosome is held out to score on; name one or more")
        if twice := sorted({chrom for chrom in held_out if held_out.count(chrom) > 1}):
            raise InputError(
                f"config: splits/{name}: {', '.join(twice)} stands twice in validation and test; name it once"
            )
        if gone := sorted(set(held_out) & set(config["genome"]["exclude"])):
            raise InputError(
                f"config: splits/{name}: {', '.join(gone)} is under genome/exclude; take it out of one of them"
            )
        if "fractions" in split and sum(split["fractions"].values()) >= 1:
            raise InputError(
                f"config: splits/{name}/fractions: validation and test leave nothing to train on; lower them"
            )
        path = split.get("path")
        if path is not None and not Path(path).is_file() and not (folder / path).is_file():
            raise InputError(f"config: splits/{name}/path: {path}: no such file; give a BED with a role per region")


def _inputs(config: dict) -> Iterator[tuple[str, str]]:
    """(field, name) of every file that the configuration names as data."""

    def entries(field: str, named) -> Iterator[tuple[str, str]]:
        yield from ((field, name) for name in ([named] if isinstance(named, str) else named or ()))

    yield from entries("genome/fasta", config["genome"].get("fasta"))
    yield from entries("genome/tss", config["genome"].get("tss"))
    yield from entries("tracks/blacklist", config["tracks"].get("blacklist"))
    for sample, entry in config["samples"].items():
        for kind in ("contacts", "truth"):
            yield from entries(f"samples/{sample}/{kind}", entry.get(kind))
        yield from entries(f"samples/{sample}/loops", entry.get("loops"))
        for name, low in plan.measured_lows(entry).items():
            yield from entries(f"samples/{sample}/low/{name}", low["contacts"])
        for name, track in entry.get("tracks", {}).items():
            yield from entries(f"samples/{sample}/tracks/{name}", plan.track_files(track))
    for name, entry in config["enhance"].items():
        yield from entries(f"enhance/{name}/contacts", entry["contacts"])


def check_inputs(config: dict, known) -> None:
    """Raise InputError for a file that is not there. known: names that the workflow downloads."""
    for field, name in _inputs(config):
        file = name.partition("::")[0]
        if file.startswith("simulated/") or file in known or Path(file).is_file():
            continue
        if file.startswith("~"):
            problem = "~ is not expanded; write the whole path"
        elif "://" in file:
            problem = "an address; download the file, or give it a row of resources/datasets.tsv"
        elif Path(file).is_dir():
            problem = "a folder; name the file in it"
        else:
            problem = f"no such file below {Path.cwd()}, nor simulated/<file>, nor a file of resources/datasets.tsv"
            if near := get_close_matches(file, list(known), n=1):
                problem += f"; did you mean {near[0]}?"
        raise InputError(f"config: {field}: {file}: {problem}")


# ---------------------------------------------------------------- one's own maps


def enhanced(config: dict, arms: dict[str, Arm], name: str) -> dict:
    """An entry of `enhance`, complete: contacts, arm, fold, seed, rename, coarsen.

    Fold and seed are the arm's first where they are not given. Raises InputError, naming the field and the choices, for
    an arm without a model and a fold or seed that it is not trained on.
    """
    entry, place = dict(config["enhance"][name]), f"enhance/{name}"
    models = [
        arm.name
        for arm in arms.values()
        if plan.task_of(arm).whole_maps and plan.traits_of(arm).predicts and plan.traits_of(arm).fitted
    ]
    if entry["arm"] not in models:
        if entry["arm"] in config["arms"]:
            raise InputError(
                f"config: {place}/arm: {entry['arm']!r} has no model to enhance a map with; choose from "
                f"{', '.join(models) or 'none: train one'}"
            )
        _refuse(f"{place}/arm", entry["arm"], models)
    arm = arms[entry["arm"]]
    entry.setdefault("fold", arm.folds[0])
    entry.setdefault("seed", arm.seeds[0])
    for field, known in (("fold", arm.folds), ("seed", arm.seeds)):
        if entry[field] not in known:
            _refuse(f"{place}/{field}", entry[field], known)
    return entry


def low_bin_bp(config: dict, arm: Arm) -> int:
    """Bin width of the maps that a resolved arm reads, bp."""
    return config["geometry"]["bin_bp"] * config["degradations"][arm.degradation]["coarsen"]


def check_maps(config: dict, arms: dict[str, Arm], locate) -> None:
    """Raise InputError for a map whose bins do not give those that are asked for; files that are not there yet pass.

    locate(name) -> where an input of the configuration lies, without the group of a URI.
    """
    bin_bp = config["geometry"]["bin_bp"]

    def check_map(name: str, wanted_bp: int, field: str, remedy: str) -> list[int]:
        return _check_map(locate(name), name.partition("::")[2], wanted_bp, field, remedy)

    for name, sample in config["samples"].items():
        check_map(sample["contacts"], bin_bp, f"samples/{name}/contacts", "geometry/bin_bp")
        for degradation, low in plan.measured_lows(sample).items():
            low_bp = bin_bp * config["degradations"][degradation]["coarsen"]
            check_map(
                low["contacts"], low_bp, f"samples/{name}/low/{degradation}", f"degradations/{degradation}/coarsen"
            )
        if "truth" in sample:  # it is not prepared, but read as it is
            truth_bp = check_map(sample["truth"], bin_bp, f"samples/{name}/truth", "geometry/bin_bp")
            if truth_bp and bin_bp not in truth_bp:
                raise InputError(
                    f"config: samples/{name}/truth: {sample['truth']} has bins of {_listed(truth_bp)} bp and none of "
                    f"{bin_bp}; give a map that has them"
                )
    for name in config["enhance"]:
        entry = enhanced(config, arms, name)
        low_bp, path = low_bin_bp(config, arms[entry["arm"]]), entry["contacts"]
        widths_bp = check_map(path, low_bp, f"enhance/{name}/contacts", "the map, or the arm")
        if widths_bp and low_bp not in widths_bp and not entry.get("coarsen", False):
            raise InputError(
                f"config: enhance/{name}/contacts: {path} has bins of {_listed(widths_bp)} bp, and arm "
                f"{entry['arm']!r} reads bins of {low_bp} bp: the map would lose resolution first; choose an arm for "
                f"its own bin width, or say so by enhance/{name}/coarsen: true"
            )


def _check_map(file: str, group: str, bin_bp: int, field: str, remedy: str) -> list[int]:
    """Bin widths of a map, bp; empty where they are not known yet: the file is made or downloaded later."""
    if file.startswith("<") or not Path(file).is_file():
        return []
    path = f"{file}::{group}" if group else file
    maps = widths.maps_in(path)
    if maps is None:
        what, remedy = kinds.describe(file)
        if not what.startswith("an HDF5"):
            raise InputError(f"config: {field}: {path}: {what}, and no contact map; {remedy}")
        raise InputError(
            f"config: {field}: {path}: no map; give a .cool, .mcool or .hic, or a group that the file has "
            f"(file.mcool::/resolutions/{bin_bp})"
        )
    widths_bp = sorted({width for _, width in maps})
    if len(widths_bp) < len(maps):
        some = ", ".join(f"{file}::{name}" for name, _ in maps[:MOST_LISTED])
        more = f" and {len(maps) - MOST_LISTED} more" if len(maps) > MOST_LISTED else ""
        raise InputError(
            f"config: {field}: {path}: holds {len(maps)} maps of {_listed(widths_bp)} bp; name one of {some}{more}"
        )
    if widths_bp and not any(bin_bp % width == 0 for width in widths_bp):
        raise InputError(
            f"config: {field}: {path} cannot give bins of {bin_bp} bp: it has {_listed(widths_bp)} bp; change {remedy}"
        )
    return widths_bp


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))
