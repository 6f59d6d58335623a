"""The reference outputs in the repository: small, as the whole ones are, and whole in themselves."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from parity import choose, subset

MOST_BYTES = 6_000_000
FILES = sorted(choose.CHOSEN)


def test_it_is_small_and_all_of_it_is_chosen():
    files = [path for path in subset.FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert {path for path in files if path.suffix == ".npz"} == {subset.path_of(name) for name in FILES}


@pytest.mark.parametrize("name", FILES)
def test_it_is_bit_for_bit_the_whole(name, whole_parity):
    whole, chosen = np.load(whole_parity / f"{name}.npz"), subset.Subset(name)
    assert sorted([*chosen.files, *chosen.index["left_out"]]) == sorted(whole.files)
    assert [key for key in chosen.files if not choose.identical(chosen[key], whole[key])] == []


def test_names_of_weights_and_the_recipe_are_the_whole_ones(recipe, whole_parity):
    names = {path.name: path.read_bytes() for path in (subset.FOLDER / "enhancement").glob("*_keys.txt")}
    assert names == {path.name: path.read_bytes() for path in (whole_parity / "enhancement").glob("*_keys.txt")}
    for name, shape in (("A.bn.running_var", (7,)), ("A.bn.running_mean", (7,)), ("G.a.weight", (4, 3, 3, 3))):
        assert choose.identical(subset.recipe.fill(name, shape), recipe.fill(name, shape)), name
    packed = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(subset.recipe.unpack2bit(packed), recipe.unpack2bit(packed))


@pytest.mark.parametrize("name", FILES)
def test_weights_made_here_are_those_of_the_references(name):
    """Without the whole data too: the generators of this NumPy and machine give the same bits."""
    chosen = subset.Subset(name)
    assert subset.digest(chosen, chosen.index["made"]) == chosen.index["weights"]
    assert all(subset.Subset(file)[key].size for file, key in chosen.index["same"].values())


def test_what_is_left_out_skips_the_test_that_asks():
    data = subset.Subset("multimodal/mixhic_windows")
    with pytest.raises(pytest.skip.Exception, match="nodes of multimodal/mixhic_windows is not in tests/parity"):
        data["nodes"]
    with pytest.raises(KeyError, match="no_such"):
        data["no_such"]


# Tests against reference outputs, some of which lie in the repository, some of which do not.
NEEDING = ("tests/models/test_akita_graph.py", "tests/unit/data/test_pairs.py")


def test_a_clone_without_the_whole_data_passes_and_skips_with_the_reason(repository, tmp_path):
    """As a public runner has it: no `shared` beside it, and nothing in the environment that names one."""
    clone = tmp_path / "trifold"
    shutil.copytree(repository / "tests", clone / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("trifold", "pyproject.toml"):
        (clone / name).symlink_to(repository / name)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRIFOLD_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", "parity", *NEEDING]
    done = subprocess.run(command, cwd=clone, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    reasons = re.findall(r"^SKIPPED \[1\] [^ ]+ (.*)$", done.stdout, flags=re.MULTILINE)
    whole = "reference data parity/enhancement/akita_dl2021_graph_recipe.npz not found beside the checkout"
    part = "track_atac_50bp of multimodal/mixhic_windows is not in tests/parity"
    assert sorted(reasons) == [
        f"{whole} (set TRIFOLD_SHARED)",
        f"{part}; set TRIFOLD_SHARED to the whole reference data",
    ]
    assert re.search(r"^7 passed, 2 skipped, \d+ deselected", done.stdout, flags=re.MULTILINE), done.stdout[-300:]
