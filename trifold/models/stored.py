"""A trained model as a folder: weights.safetensors, config.yaml (what it is), statistics.json (its normalisation).

The folder is all that is needed to predict: it can be copied to another machine or named by another experiment.
"""

import json
import os
from pathlib import Path

import yaml

from trifold.config import Geometry, from_dict
from trifold.errors import InputError
from trifold.models import registry, weights
from trifold.models.blocks import Architecture


def build_arm(arm: dict, geometry: dict, statistics: dict) -> Architecture:
    """A freshly initialised model of a resolved arm; its `backbones` map role -> resolved arm."""
    return registry.build(
        arm["architecture"],
        from_dict(Geometry, geometry),
        arm["options"],
        statistics,
        {role: build_arm(backbone, geometry, statistics) for role, backbone in arm["backbones"].items()},
        arm["protocol"],
    )


def read_config(folder: str | os.PathLike) -> dict:
    """config.yaml of a trained model: `arm` (backbones nested), `geometry`, `training`, `version`."""
    path = Path(folder) / "config.yaml"
    if not path.exists():
        raise InputError(f"{path}: not found; a trained model's folder holds it beside weights.safetensors")
    return yaml.safe_load(path.read_text())


def load_arm(folder: str | os.PathLike) -> tuple[Architecture, dict, dict]:
    """The trained model of a folder in eval mode, its config.yaml and its statistics.json."""
    folder = Path(folder)
    frozen = read_config(folder)
    statistics = json.loads((folder / "statistics.json").read_text())
    model = build_arm(frozen["arm"], frozen["arm"]["geometry"], statistics)
    weights.load(folder / "weights.safetensors", model, frozen["arm"]["name"])
    return model.eval(), frozen, statistics
