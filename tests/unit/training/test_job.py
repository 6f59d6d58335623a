"""What a training starts from must have been made on the same bins."""

import json

import pytest
import yaml

from trifold.errors import InputError
from trifold.training import job


@pytest.fixture
def model(tmp_path):
    """The folder of a model of 2-kb maps and 40-bp tracks, its weights aside."""
    (folder := tmp_path / "model").mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"arm": {"name": "a", "geometry": {"bin_bp": 2000}}}))
    (folder / "statistics.json").write_text(json.dumps({"track_bp": 40}))
    return folder


def test_t8_the_same_bins(model):
    job.check_starts([model], {"geometry": {"bin_bp": 2000}, "track_bp": 40})
    job.check_starts([model], {"geometry": {"bin_bp": 2000}})  # windows on the diagonal have no such statistic


def test_t8_other_bins_are_refused(model):
    with pytest.raises(InputError, match="model: a model of bins of 2000 bp, and geometry/bin_bp is 1000"):
        job.check_starts([model], {"geometry": {"bin_bp": 1000}, "track_bp": 40})
    with pytest.raises(InputError, match="model: a model of tracks in bins of 40 bp, and tracks/bin_bp is 100"):
        job.check_starts([model], {"geometry": {"bin_bp": 2000}, "track_bp": 100})
