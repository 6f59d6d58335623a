"""A published checkpoint becomes a model's folder like any other."""

import json

import pytest
import torch
from test_registry import COUNTS, GEOMETRY

from trifold.errors import InputError
from trifold.models import published, stored

STATISTICS = {"oe": {"mean": -0.1, "sd": 0.4}, "counts": COUNTS}
NAME = "weights_deephic_raw_16.pth"
GEOMETRY_SETTINGS = {
    "bin_bp": GEOMETRY.bin_bp,
    "window_bins": GEOMETRY.window_bins,
    "stride_bins": {},
    "max_bad_bins": 0.25,
    "max_n_bins": 0,
}
ARM = {"architecture": "deephic", "protocol": "corrected", "options": {}, "backbones": {}, "weights": NAME}


@pytest.fixture
def examples(tmp_path):
    folder = tmp_path / "examples"
    folder.mkdir()
    (folder / "statistics.json").write_text(json.dumps(STATISTICS))
    return folder


def put(arm, mirror, examples, out):
    out.mkdir()
    settings = {"geometry": GEOMETRY_SETTINGS, "checkpoint": mirror / NAME, "examples": examples, "version": "v"}
    stored.import_checkpoint(out, name="released", arm=arm, **settings)


@torch.no_grad()
def test_the_folder_gives_back_the_published_network(mirror, examples, tmp_path):
    put(ARM, mirror, examples, tmp_path / "model")
    model, frozen, statistics = stored.load_arm(tmp_path / "model")
    assert (frozen["arm"]["name"], frozen["arm"]["protocol"], statistics) == ("released", "published", STATISTICS)
    batch = {"map": torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(1)) * 30}
    expected = published.load(NAME, mirror / NAME, GEOMETRY, STATISTICS)(batch)
    assert torch.equal(model(batch), expected)
    assert expected.std() > 0.01


@pytest.mark.parametrize("changes", [{"architecture": "hicplus"}, {"options": {"channels": 8}}])
def test_an_arm_that_says_otherwise_is_refused(mirror, examples, tmp_path, changes):
    with pytest.raises(InputError, match=r"arms/released: weights_deephic_raw_16\.pth is a 'deephic'"):
        put({**ARM, **changes}, mirror, examples, tmp_path / "model")
