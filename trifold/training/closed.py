"""Arms that learn in closed form: a mean by distance, least squares, a width chosen on the validation windows."""

import logging
from pathlib import Path

import yaml

from trifold.data.samples import Samples
from trifold.models import weights
from trifold.models.blocks import Architecture

log = logging.getLogger(__name__)


def fit(model: Architecture, train: Samples, validation: Samples, out: Path, arm: dict, version: str) -> None:
    """Fit a model to its samples; weights.safetensors and config.yaml into the folder `out`.

    arm: settings that are frozen beside the weights, with its `name`. What was chosen among several (a width on the
    validation samples) stands in config.yaml as `chosen`.
    """
    model.fit(train, validation)
    chosen = {"chosen": model.chosen()} if model.chosen() else {}
    for name, value in chosen.get("chosen", {}).items():
        log.info("%s: %s %s", arm["name"], name, value)
    out.mkdir(parents=True, exist_ok=True)
    weights.save(out / "weights.safetensors", model.state_dict(), arm=arm, version=version)
    (out / "config.yaml").write_text(yaml.safe_dump({"arm": arm, "version": version, **chosen}, sort_keys=False))
