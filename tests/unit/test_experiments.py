"""Every experiment that is shipped, with each of its overlays, is one that the workflow accepts."""

import copy
import os
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config, validate

from trifold import plan, plan_mixhic2025

HERE = Path(__file__).resolve().parents[2] / "experiments"
WHOLE = sorted(HERE.glob("*.yaml"))
LAYERS = [[path] for path in WHOLE] + [
    [path, *overlays]
    for path in WHOLE
    for own in sorted((HERE / path.stem).glob("*.yaml"))
    for overlays in ([own], [own, own.with_name("short.yaml")])
    if own.stem != "short" and overlays[-1].exists()
]


@pytest.fixture(scope="module")
def demo(repository):
    return yaml.safe_load((repository / "config.yaml").read_text())


@pytest.mark.parametrize("layers", LAYERS, ids=lambda layers: "+".join(str(path.relative_to(HERE)) for path in layers))
def test_it_is_accepted(repository, demo, layers):
    """What the rules ask of a configuration before they make a job of it (rules/common.smk)."""
    config, layered = copy.deepcopy(demo), {}
    for path in layers:  # as Snakemake does it: one into the other, then into config.yaml
        update_config(layered, yaml.safe_load(path.read_text()))
    update_config(config, layered)
    config = plan.without_nulls(config)
    validate(config, schema=os.fspath(repository / "resources/schemas/config.schema.yaml"))
    config = plan.selected(config)
    assert config["experiment"] != demo["experiment"]
    assert all(plan.resolve_arm(config, name) for name in config["arms"])
    resolved = plan_mixhic2025.resolve(config)
    assert set(resolved) == {"samples", "pretrainings", "runs"}
    assert plan.runs(config)
