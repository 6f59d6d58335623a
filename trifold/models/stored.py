"""A trained model as a folder: weights.safetensors, config.yaml (what it is), statistics.json (its normalisation).

The folder is all that is needed to predict: it can be copied to another machine or named by another experiment.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import yaml

from trifold.architectures import ARCHITECTURES
from trifold.config import Geometry, from_dict
from trifold.errors import InputError
from trifold.models import published, registry, weights
from trifold.models.blocks import Architecture

_OF_AN_ARM = ("name", "architecture", "geometry", "options", "backbones", "protocol")


def build_arm(arm: dict, geometry: dict, statistics: dict) -> Architecture:
    """A freshly initialised model of a resolved arm as settings; its `backbones` map role -> the same."""
    return registry.build(
        arm["architecture"],
        from_dict(Geometry, geometry),
        arm["options"],
        statistics,
        {role: build_arm(backbone, geometry, statistics) for role, backbone in arm["backbones"].items()},
        arm["protocol"],
        arm.get("task", "maps"),
    )


def read_config(folder: str | os.PathLike) -> dict:
    """config.yaml of a trained model: `arm` (backbones nested), `geometry`, `training`, `version`.

    Raises InputError for a file that is missing, unreadable, or says nothing of an arm.
    """
    path = Path(folder) / "config.yaml"
    config = _read(path, yaml.safe_load, "YAML")
    if not isinstance(config.get("arm"), dict):
        raise damaged(path, "lacks arm, which says what the model is")
    return config


def read_statistics(folder: str | os.PathLike) -> dict:
    """statistics.json of a dataset directory or of a model. Raises InputError for one that is missing or unreadable."""
    return _read(Path(folder) / "statistics.json", json.loads, "JSON")


def damaged(path: str | os.PathLike, damage: str) -> InputError:
    """The error of a file of a model's folder that is not as it was written."""
    return InputError(f"{path}: {damage}; copy the whole folder it belongs to again, or train the model again")


def _read(path: Path, parse: Callable[[str], object], form: str) -> dict:
    """The mapping in a text file."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise damaged(path, "not found") from error
    except OSError as error:
        raise damaged(path, f"cannot be read ({error.strerror})") from error
    except (ValueError, yaml.YAMLError) as error:
        raise damaged(path, f"no {form}") from error
    if not isinstance(content, dict):
        raise damaged(path, "empty" if not content else f"no mapping of {form}")
    return content


def import_checkpoint(
    out: Path, *, name: str, arm: dict, geometry: dict, checkpoint: Path, examples: Path, version: str
) -> None:
    """Write the folder of a model whose weights are a published file; what it is, the file's name says.

    examples: the dataset directory whose statistics it is normalised with. Raises InputError for an arm of another
    architecture or with options of its own.
    """
    known = published.checkpoint(checkpoint.name)
    if arm["architecture"] != known.architecture or arm["options"]:
        raise InputError(
            f"config: arms/{name}: {checkpoint.name} is a {known.architecture!r} with options of its own; set "
            f"architecture: {known.architecture} and leave out options"
        )
    statistics = read_statistics(examples)
    model = published.load(checkpoint.name, checkpoint, from_dict(Geometry, geometry), statistics)
    backbones = {
        role: {**arm, "architecture": architecture, "options": options, "backbones": {}, "protocol": known.protocol}
        for role, (architecture, options) in known.backbones.items()
    }
    frozen = {**arm, "name": name, "geometry": geometry, "options": known.options, "protocol": known.protocol}
    frozen["backbones"] = backbones
    weights.save(out / "weights.safetensors", model.state_dict(), arm=frozen, version=version)
    (out / "config.yaml").write_text(yaml.safe_dump({"arm": frozen, "version": version}, sort_keys=False))
    shutil.copy(examples / "statistics.json", out / "statistics.json")


def load_or_build(
    folder: str | os.PathLike | None, arm: dict, statistics: Callable[[], dict], *, bin_bp: int | None = None
) -> tuple[Architecture, dict]:
    """The trained model of a folder or, where that is None, an arm without one; in eval mode, with its statistics.

    arm: resolved, as settings; statistics: gives those of the data that an arm without a model is built for. bin_bp: as
    `load_arm` takes it.
    """
    if folder is not None:
        model, _, known = load_arm(folder, bin_bp)
        return model, known
    known = statistics()
    return build_arm(arm, known["geometry"], known).eval(), known


def check_bins(folder: str | os.PathLike, frozen: dict, bin_bp: int, used: str = "geometry/bin_bp") -> None:
    """Raise InputError for a model (its config.yaml) of other bins than it is used on; `used`: what says those."""
    traits = ARCHITECTURES.get(frozen["arm"].get("architecture"))
    of_model = (frozen["arm"].get("geometry") or {}).get("bin_bp", bin_bp)
    if of_model != bin_bp and not (traits and traits.any_bins):
        raise InputError(
            f"{folder}: a model of bins of {of_model} bp, and {used} is {bin_bp}; give a model of that bin width, or "
            "train it again on these bins"
        )


def load_arm(folder: str | os.PathLike, bin_bp: int | None = None) -> tuple[Architecture, dict, dict]:
    """The trained model of a folder in eval mode, its config.yaml and its statistics.json.

    bin_bp: bin width of what it is used on, compared with its own; None: the caller compares.
    """
    folder = Path(folder)
    frozen = read_config(folder)
    if bin_bp is not None:
        check_bins(folder, frozen, bin_bp)
    statistics = read_statistics(folder)
    if lacking := [name for name in _OF_AN_ARM if name not in frozen["arm"]]:
        raise damaged(folder / "config.yaml", f"arm lacks {', '.join(lacking)}")
    try:
        model = build_arm(frozen["arm"], frozen["arm"]["geometry"], statistics)
    except (KeyError, TypeError) as error:  # a setting or a statistic that the architecture is built from
        raise damaged(folder, f"its config.yaml or statistics.json lacks or garbles something ({error})") from error
    weights.load(folder / "weights.safetensors", model, frozen["arm"]["name"])
    return model.eval(), frozen, statistics
