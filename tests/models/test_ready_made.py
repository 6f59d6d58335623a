"""The models that come with the package."""

import shutil
from pathlib import Path

import cooler
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.ndimage import gaussian_filter

import trifold
from trifold import provenance
from trifold.cli import main
from trifold.config import Degradation
from trifold.data.contacts import prepare
from trifold.data.degrade import degrade, hold_back
from trifold.io.cool import Band, write_cool
from trifold.models import ready_made

LARGEST_BYTES = 8_000_000  # of all of them in the repository


@pytest.fixture
def models(repository):
    return {path.name: path for path in (repository / "resources/models").iterdir() if path.is_dir()}


def test_each_is_a_folder_with_a_card(models):
    options = {option.name: option for option in main.commands["enhance"].params}
    assert options["model"].default == ready_made.DEFAULT in models and ready_made.folders() == models
    for folder in models.values():
        names = {path.name for path in folder.iterdir()}
        assert names == {
            "artifact.json",
            "card.md",
            "config.yaml",
            "history.csv",
            "statistics.json",
            "weights.safetensors",
        }
    assert sum(path.stat().st_size for folder in models.values() for path in folder.iterdir()) <= LARGEST_BYTES


def test_each_is_whole_so_that_an_arm_can_name_it(models):
    """`weights: resources/models/<name>`: jobs read its record, and compare its files with it."""
    for folder in models.values():
        assert provenance.damage(folder / "artifact.json") == {}
        assert (
            provenance.input_version(folder / "artifact.json")
            == provenance.read_record(folder / "artifact.json")["version"]
        )


def test_a_trained_model_is_kept_without_what_nobody_needs(models, tmp_path):
    for name in ("last.safetensors", "tensorboard"):
        assert name not in ready_made.KEPT
    with provenance.artifact(
        tmp_path / "trained", "model", parameters={"arm": {}}, code="c", inputs=[], seed=3
    ) as made:
        for name in (*ready_made.KEPT, "last.safetensors"):
            shutil.copyfile(models["trifold"] / name if name in ready_made.KEPT else Path(__file__), made / name)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/card.md").write_text("mine")
    ready_made.keep(tmp_path / "trained", tmp_path / "kept")
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"card.md", "artifact.json", *ready_made.KEPT}
    assert provenance.damage(tmp_path / "kept/artifact.json") == {}
    assert provenance.read_record(tmp_path / "kept/artifact.json")["seed"] == 3
    assert trifold.load_model(tmp_path / "kept").name == "trifold"


def test_they_are_listed_first_and_loaded_by_name(models, repository, monkeypatch):
    """In a checkout too, where a folder of that name lies beside: the package itself."""
    monkeypatch.chdir(repository)
    listed = trifold.list_models()
    assert list(listed) == ["model", "architecture", "bin_bp", "trained_on", "file", "enhances"]
    assert list(listed["model"][: len(models)]) == sorted(models)
    assert (listed["enhances"][: len(models)] == "yes").all() and listed["bin_bp"].isna()[0]
    model = trifold.load_model("trifold")
    assert model.name == "trifold" and model.reads == {"map"} and model.any_bins
    least, most = model.depths
    assert least < 5 and most > 2_000


def test_one_command_enhances_a_map(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    n = 200
    distance = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    counts = np.triu(np.random.default_rng(1).poisson(60 / (1 + distance)))
    row, column = np.nonzero(counts)
    pixels = {"bin1_id": row, "bin2_id": column, "count": counts[row, column]}
    write_cool("mine.cool", {"one": n * 7_000}, 7_000, [pixels])
    done = CliRunner().invoke(main, ["enhance", "mine.cool", "-o", "enhanced.mcool", "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert "enhanced.mcool: trifold (trifold), up to " in done.output
    made = cooler.Cooler("enhanced.mcool::resolutions/7000").pixels()[:]
    assert np.isfinite(made["count"]).all() and (made["sd"] > 0).all() and len(made) > 5_000


def over_expected(path, chrom, width):
    band = Band.read(path, chrom, width).balanced
    with np.errstate(invalid="ignore"):
        return band / np.nanmean(band, axis=0)


def test_a_real_map_that_it_has_not_seen_comes_nearer_to_the_reads_held_back(mirror: Path, tmp_path):
    """Yeast in metaphase, 1/16 of the contacts, chromosome II: nearer in O/E than under any Gaussian, its width chosen
    on the very reads that it is scored against."""
    prepare(mirror / "yeast_metaphase_2kb.cool", tmp_path / "deep.cool", 2_000)
    for make, name in ((degrade, "low"), (hold_back, "rest")):
        make(tmp_path / "deep.cool", tmp_path / f"{name}.cool", Degradation(1, 16, 1), {"min_nnz": 3})
    out = trifold.enhance(
        tmp_path / "low.cool", "trifold", tmp_path / "out.cool", resolution=2_000, chromosomes="chrII", device="cpu"
    )
    width, chrom = 45, "chrII"
    low, rest, made = (
        over_expected(path, chrom, width) for path in (tmp_path / "low.cool", tmp_path / "rest.cool", out)
    )

    def score(band):
        known = np.isfinite(band) & np.isfinite(rest)
        known[:, :2] = False
        return np.corrcoef(band[known], rest[known])[0, 1]

    def smoothed(sigma_bins):
        """In the plane of two bins, missing pixels left out."""
        n = len(low)
        square, there = np.zeros((2, n, n))
        for d in range(width):
            i = np.arange(n - d)
            values = low[: n - d, d]
            for a, b in ((i, i + d), (i + d, i)):
                square[a, b], there[a, b] = np.nan_to_num(values), np.isfinite(values)
        smooth = gaussian_filter(square, sigma_bins) / np.maximum(gaussian_filter(there, sigma_bins), 1e-9)
        return np.stack([np.append(np.diagonal(smooth, d), np.full(d, np.nan)) for d in range(width)], axis=1)

    best = max(score(smoothed(sigma)) for sigma in (0.7, 1.0, 1.5, 2.0, 3.0, 4.0))
    assert score(made) > best + 0.02 > score(low) + 0.1
