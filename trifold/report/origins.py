"""Where the data of an experiment come from, in words: simulated, downloaded, or the user's files."""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from trifold.plan import measured_lows, track_files

SIMULATED, DOWNLOADED, OWN = "simulated", "downloaded", "a file of one's own"
_PREFIX = "simulated/"
# Columns of resources/datasets.tsv that say what a download is, in the order of the page.
_SHOWN = ("file", "licence", "origin", "url", "portal", "accession", "bytes", "sha256")


class Origin(NamedTuple):
    """One input of the configuration: what it is, its files as they are named there, and where they come from."""

    what: str
    names: list[str]
    kind: str


def origins(config: Mapping, downloaded: Container[str] = ()) -> list[Origin]:
    """Every input that the configuration names; downloaded: the names of files and accessions that are fetched."""
    return [Origin(what, names, _kind(names[0], downloaded)) for what, names in _inputs(config) if names]


def _inputs(config: Mapping) -> list[tuple[str, list[str]]]:
    inputs = [("genome", _named(config.get("genome", {}).get("fasta")))]
    for sample, settings in config["samples"].items():
        inputs.append((f"contacts of {sample}", _named(settings["contacts"])))
        inputs += [
            (f"low map “{name}” of {sample}", _named(low["contacts"]))
            for name, low in measured_lows(dict(settings)).items()
        ]
        inputs.append((f"noise-free map of {sample}", _named(settings.get("truth"))))
        inputs += [
            (f"track {name} of {sample}", track_files(track)) for name, track in settings.get("tracks", {}).items()
        ]
    inputs.append(("blacklist of the tracks", _named(config.get("tracks", {}).get("blacklist"))))
    inputs += [
        (f"own map {name}", _named(settings["contacts"])) for name, settings in config.get("enhance", {}).items()
    ]
    inputs += [(f"weights of {name}", _named(arm.get("weights"))) for name, arm in config["arms"].items()]
    return inputs


def _named(value: str | Sequence[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _kind(name: str, downloaded: Container[str]) -> str:
    if name.startswith(_PREFIX):
        return SIMULATED
    return DOWNLOADED if name.partition("::")[0] in downloaded else OWN


def sentences(inputs: Sequence[Origin], *, any_download: bool) -> list[str]:
    """What there is to say of the data as a whole; any_download: whether a file was fetched."""
    kinds = {origin.kind for origin in inputs}
    again = "made again from the seed in the configuration"
    if kinds == {SIMULATED} and not any_download:
        return [f"Nothing was downloaded: the data are simulated, and {again}."]
    said = [] if any_download else ["Nothing was downloaded."]
    if SIMULATED in kinds:
        some = "the data are" if kinds == {SIMULATED} else "what is marked so is"
        said.append(f"Simulated: {some} {again}.")
    if OWN in kinds:
        said.append(
            "Files of one's own: the record of what was made from each names it, with the start of the sha256 of its "
            "bytes."
        )
    if any_download:
        said.append("Downloaded files were verified by the checksum of their bytes; they are listed below.")
    return said


def downloads(datasets: pd.DataFrame) -> list[dict[str, str]]:
    """The rows of downloaded files, columns without a single value left out."""
    named = [name for name in _SHOWN if name in datasets and datasets[name].fillna("").astype(str).any()]
    return datasets[named].fillna("").astype(str).to_dict("records") if named else []
