"""What the workflow's scripts put into the version of what they make."""

import importlib.util
from types import SimpleNamespace

import cooler
import numpy as np
import pandas as pd
import pytest

from trifold import provenance


@pytest.fixture
def degrade(repository):
    """The script of the rule `degrade`, as a module."""
    spec = importlib.util.spec_from_file_location("degrade", repository / "workflow_scripts/degrade.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(path, seed):
    """A map of 40 bins of 1 kb in the group `path`."""
    bins = pd.DataFrame({"chrom": "chr1", "start": np.arange(40) * 1000, "end": np.arange(1, 41) * 1000})
    i, j = np.triu_indices(40)
    count = np.random.default_rng(seed).poisson(20, len(i))
    cooler.create_cooler(path, bins, pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": count}), mode="a")


def test_a_measured_low_map_is_the_group_and_the_names_it_was_read_by(degrade, tmp_path):
    """Of one file with two maps each is a version of its own, and so is one under other names."""
    for seed, group in enumerate(("one", "two")):
        write(f"{tmp_path}/maps.h5::{group}", seed)
    write(f"{tmp_path}/deep.cool", 2)
    (tmp_path / "chromosomes.tsv").write_text("name\tlength_bp\nchr1\t40000\n")
    given = {"measured": f"{tmp_path}/maps.h5", "map": f"{tmp_path}/deep.cool"}
    versions = set()
    for group, assembly in (("/one", "a"), ("/two", "a"), ("/two", "b")):
        out = tmp_path / f"low{len(versions)}"
        degrade.main(
            SimpleNamespace(**given, sequence=f"{tmp_path}/chromosomes.tsv"),
            [out / "artifact.json"],
            SimpleNamespace(
                degradation={"coarsen": 1, "thin": 4, "seed": 1},
                balance={},
                bin_bp=1000,
                genome={"assembly": assembly, "exclude": [], "rename": {}, "group": group},
                code="code",
            ),
            threads=1,
        )
        assert (out / "checks.json").exists() and (out / "summary.json").exists()
        versions.add(provenance.read_record(out / "artifact.json")["version"])
    assert len(versions) == 3
