"""`trifold.enhance`, `score`, `info`, `load_model`, `list_models`: files in, files and numbers out."""

import doctest
import importlib.util
import json
import logging
import shutil
import subprocess
import sys
from types import SimpleNamespace

import cooler
import numpy as np
import pytest
import torch
import yaml
from small import BIN_BP, GEOMETRY, N_BINS, write_counts, write_model

import trifold
from trifold import api, programs, score_files
from trifold.config import Geometry, from_dict
from trifold.data import contacts, examples
from trifold.device import device_of
from trifold.errors import InputError
from trifold.inference import depth_advice, predict
from trifold.io.cool import write_cool
from trifold.models import published, ready
from trifold.models.ready import CORRECTED

WEIGHTS = "weights_deephic_raw_16.pth"


def matrix(path, bin_bp=None, balance=True):
    return cooler.Cooler(f"{path}::/resolutions/{bin_bp}" if bin_bp else str(path)).matrix(balance=balance)[:]


def test_importing_the_package_does_not_import_torch(repository):
    code = "import sys, trifold; dir(trifold); assert not {'torch', 'cooler', 'trifold.api'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)
    with pytest.raises(AttributeError, match="no attribute 'enhanse'"):
        _ = trifold.enhanse
    assert trifold.enhance is api.enhance


def test_examples_of_the_docstrings_run(door):
    found = doctest.testmod(api)
    assert found.failed == 0 and found.attempted >= 8


# ---------------------------------------------------------------- enhance


def test_enhance_writes_what_the_workflows_steps_write(door):
    """The map is prepared, then predicted with what the model's folder says: the same pixels, and zoom levels."""
    out = trifold.enhance("shallow.cool", "model", "out.mcool", device="cpu")
    contacts.prepare("shallow.cool", "low.cool", BIN_BP)
    model = ready.of_folder("model")
    (door / "by_hand").mkdir()
    predict(
        model.network,
        door / "by_hand",
        chromsizes={"chr1": N_BINS * BIN_BP},
        chromosomes=["chr1"],
        geometry=GEOMETRY,
        recipes=CORRECTED,
        statistics=model.statistics,
        low_map="low.cool",
        device="cpu",
    )
    found = matrix(out, BIN_BP)
    np.testing.assert_array_equal(found, matrix(door / "by_hand/map.cool"))
    assert np.isfinite(found[20, 20:38]).all()
    facts = api.made_by(out)
    assert (facts["arm"], facts["version"], facts["reach_bp"]) == ("image", "v1", 12 * BIN_BP)
    assert facts["contacts_per_bin"] == facts["trained_contacts_per_bin"]
    assert sorted(path.name for path in door.iterdir() if path.name.startswith(".")) == []


@pytest.mark.parametrize(
    ("read", "message"), [("tracks", "reads tracks"), ("embeddings", "reads vectors of a language")]
)
def test_what_only_an_experiment_can_give_is_said(read, message):
    model = SimpleNamespace(name="mine", reads=frozenset({"map", read}))
    with pytest.raises(InputError, match=rf"mine: {message}.*which an experiment gives it \(`enhance` of the workflow"):
        api._check_fasta(model, None)


def test_the_workflows_scripts_write_the_same_pixels(door, repository):
    """Low map, examples' statistics and prediction by the scripts of the rules, the model's folder as here."""
    contacts.prepare("deep.cool", "balanced.cool", BIN_BP)
    contacts.prepare("shallow.cool", "low.cool", BIN_BP)
    (door / "regions.bed").write_text("chr1\t0\t800000\ttrain\nchr1\t800000\t1200000\ttest\n")
    (door / "examples").mkdir()
    statistics = examples.build(
        "balanced.cool", "low.cool", None, "regions.bed", GEOMETRY, CORRECTED, 1, door / "examples"
    )
    rows = np.triu(matrix("low.cool", balance=False))[:80]
    assert statistics["low"] == {
        "bin_bp": BIN_BP,
        "coarsen": 1,
        "factor": pytest.approx(1, abs=0.02),
        "contacts_per_bin": pytest.approx(rows.sum() / 80),
    }
    shutil.copy("examples/statistics.json", "model/statistics.json")
    spec = importlib.util.spec_from_file_location("predict", repository / "workflow_scripts/predict.py")
    spec.loader.exec_module(script := importlib.util.module_from_spec(spec))
    read = {"model": ["model/statistics.json"], "low": ["low.cool"], "order": ["low.cool"]}
    inputs = SimpleNamespace(**read, sequence=[], tracks=[], embeddings=[], regions=[], examples=[])
    params = SimpleNamespace(
        name="image",
        arm={"architecture": "vehicle"},
        geometry=vars(GEOMETRY),
        predict={"roles": "all", "stride_bins": None, "batch_size": 16, "precision": "32-true", "formats": ["mcool"]},
        accelerator="cpu",
        assembly=None,
        ignore_diags=2,
        code="x",
    )
    script.main(inputs, ["made/map.cool"], params, 1)
    trifold.enhance("shallow.cool", "model", "out.cool", device="cpu")
    np.testing.assert_array_equal(matrix("made/map.cool"), matrix("out.cool"))


def test_d4_published_weights_enhance_a_shallow_map_alone(door, mirror, shallow_counts):
    """No deep map, no FASTA: the low map's weights, and the depth that the file's name states."""
    trifold.enhance("shallow.cool", mirror / WEIGHTS, "out.cool", device="cpu")
    contacts.prepare("shallow.cool", "low.cool", BIN_BP)
    weight = cooler.Cooler("low.cool").bins()["weight"][:].to_numpy()
    geometry = from_dict(ready.Geometry, {**vars(GEOMETRY), "window_bins": N_BINS})
    network = published.load(WEIGHTS, mirror / WEIGHTS, geometry, {})
    counts = np.where(np.isfinite(np.outer(weight, weight)), shallow_counts, 0)
    with torch.inference_mode():
        given = torch.from_numpy(counts.astype(np.float32))[None, None]
        predicted = network.decode(network({"map": given}))[0, 0].double().numpy()
    expected = (predicted + predicted.T) / 2 * np.outer(weight, weight) / 16
    found = matrix("out.cool")
    band = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS))) <= 90
    np.testing.assert_allclose(found[band], expected[band], rtol=1e-4)
    assert api.made_by("out.cool")["assumed"] == "the deep map has 16 times the contacts of this one; contacts raw"


@pytest.mark.parametrize(
    "name",
    [
        "weights_deephic_kr_16.pth",
        "weights_hicarn_hicplus_16ds.pytorch",
        "weights_hicgan_gm12878.safetensors",
    ],
)
def test_other_published_weights_keep_the_depth_of_the_balanced_scale(door, mirror, name):
    """Rows of a balanced map sum to 1: whatever the weights and their units, the enhanced map is of that order."""
    trifold.enhance("shallow.cool", mirror / name, "out.cool", device="cpu")
    contacts.prepare("shallow.cool", "low.cool", BIN_BP)
    low, found = matrix("low.cool"), matrix("out.cool")
    rows = slice(10, 110)
    near = np.abs(np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS))) <= 40
    share = np.nansum((found * near)[rows]) / np.nansum((low * near)[rows])
    assert 0.3 < share < 3


def test_d5_chromosomes_and_their_order_come_from_the_map(door, deep_counts):
    sizes = {"b": 50 * BIN_BP, "a": 70 * BIN_BP}
    write_counts("two.cool", deep_counts, sizes)
    trifold.enhance("two.cool", "model", "out.cool", device="cpu", force=True)
    assert cooler.Cooler("out.cool").chromnames == ["b", "a"]
    trifold.enhance("two.cool", "model", "out.cool", chromosomes=["a"], device="cpu", force=True)
    known = cooler.Cooler("out.cool").bins()[:].groupby("chrom", observed=True)["weight"].count()
    assert known["b"] == 0 and known["a"] > 50


def test_d12_a_map_of_another_depth_is_said_with_both_numbers(door, caplog):
    with caplog.at_level(logging.WARNING, "trifold"):
        trifold.enhance("shallow.cool", "model", "near.cool", device="cpu")
        assert "contacts per bin" not in caplog.text
        trifold.enhance("deep.cool", "model", "far.cool", device="cpu")
    found = trifold.info("deep.cool")["contacts_per_bin"]
    taught = ready.of_folder("model").contacts_per_bin
    assert f"deep.cool: the map has {found:,.0f} contacts per bin of 10,000 bp" in caplog.text
    assert f"8.0 times as many as the maps the model was trained on ({taught:,.0f})" in caplog.text
    assert "thin the map to 1/8.0" in caplog.text


@pytest.mark.parametrize("found, said", [(100, None), (51, None), (199, None), (25, "thinned 4.0 times more")])
def test_d12_depth_within_a_factor_of_two_passes(found, said):
    advice = depth_advice(found, 100, 10_000)
    assert said in advice if said else advice is None


def test_d14_a_map_without_a_good_bin_is_refused(door):
    write_counts("bad.cool", np.eye(N_BINS, dtype=int))
    with pytest.raises(InputError, match=r"^bad\.cool: too few contacts, 0 of \d+ bins"):
        trifold.enhance("bad.cool", "model", "out.cool", device="cpu")
    assert not list(door.glob("*out*")) and not list(door.glob(".*"))


def test_d13_wider_bins_are_made_only_where_that_is_asked(door):
    geometry = from_dict(ready.Geometry, {**vars(GEOMETRY), "bin_bp": 2 * BIN_BP})
    write_model(door / "wide", 100.0, geometry)
    with pytest.raises(InputError, match=r"has bins of 10,000 bp.*reads 20,000 bp; say resolution 20000"):
        trifold.enhance("shallow.cool", "wide", "out.cool", device="cpu")
    trifold.enhance("shallow.cool", "wide", "out.cool", resolution=20_000, device="cpu")
    assert cooler.Cooler("out.cool").binsize == 20_000
    write_model(door / "fine", 100.0, from_dict(ready.Geometry, {**vars(GEOMETRY), "bin_bp": 4_000}))
    with pytest.raises(InputError, match=r"reads 4,000 bp, which cannot be made"):
        trifold.enhance("shallow.cool", "fine", "out2.cool", resolution=4_000, device="cpu")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"out": "out.h5"}, r"out\.h5: the name of the result ends with \.mcool"),
        ({"out": "no/out.cool"}, r"no folder no"),
        ({"out": "deep.cool"}, r"deep\.cool: exists"),
        ({"fasta": "genome.fa"}, r"image: reads no sequence"),
        ({"resolution": 5_000}, r"image reads bins of 10,000 bp"),
        ({"map": "none.cool"}, r"none\.cool: no such file"),
        ({"model": "nothing"}, r"nothing: no model"),
        ({"model": "deep.cool"}, r"published weights 'deep\.cool' are not known"),
        ({"model": WEIGHTS}, r"known, but the file is not here"),
        ({"chromosomes": ["chr9"]}, r"shallow\.cool: no chromosome chr9; it has chr1"),
        ({"chromosomes": "chr9"}, r"shallow\.cool: no chromosome chr9; it has chr1"),
        ({"chromosomes": []}, r"chromosomes: an empty list"),
        ({"threads": 0}, r"threads: 0 is no whole number from 1 on"),
        ({"batch_size": 0}, r"batch_size: 0 is no"),
        ({"device": "tpu"}, r"device: 'tpu' is no device; choose auto, cpu or gpu"),
        ({"out": "shallow.cool", "force": True}, r"shallow\.cool: is what is read"),
        ({"map": "shallow.cool::/", "out": "./shallow.cool", "force": True}, r"is what is read"),
        ({"fasta": "out.cool", "force": True}, r"out\.cool: is what is read"),
        ({"out": "x" * 245 + ".cool", "force": True}, r"cannot be written \(File name too long\)"),
        ({"out": "x" * 300 + ".cool"}, r"cannot be written \(File name too long\)"),
    ],
)
def test_what_does_not_fit_is_one_error_and_leaves_nothing(door, changes, said):
    before = (door / "deep.cool").read_bytes()
    given = {"map": "shallow.cool", "model": "model", "out": "out.cool", "device": "cpu"} | changes
    with pytest.raises(InputError, match=said):
        trifold.enhance(**given)
    assert sorted(path.name for path in door.iterdir()) == ["deep.cool", "model", "shallow.cool"]
    assert (door / "deep.cool").read_bytes() == before


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:1"])
def test_a_gpu_that_is_not_here_is_said_before_any_work(door, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(contacts, "prepare", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(InputError, match=f"^device {device}: no GPU here; use auto or cpu$"):
        trifold.enhance("shallow.cool", "model", "out.cool", device=device)
    with pytest.raises(InputError, match=f"^config: accelerator: {device}: no GPU here; use auto or cpu$"):
        device_of(device)


def test_what_is_read_is_never_overwritten(door):
    """By a link to it, by the model's own folder; nor is a folder replaced."""
    (door / "link.cool").symlink_to("shallow.cool")
    shutil.copytree("model", "model.cool")
    (door / "folder.cool").mkdir()
    before = (door / "shallow.cool").read_bytes()
    for given, said in [
        (("shallow.cool", "model", "link.cool"), "is what is read"),
        (("link.cool", "model", "shallow.cool"), "is what is read"),
        (("shallow.cool", "model.cool", "model.cool"), "is what is read"),
        (("shallow.cool", "model", "folder.cool"), "a folder; choose another name"),
    ]:
        with pytest.raises(InputError, match=said):
            trifold.enhance(*given, force=True, device="cpu")
    assert (door / "shallow.cool").read_bytes() == before


def test_remedies_are_those_of_the_command_and_not_of_an_experiment(door, deep_counts):
    write_counts("short.cool", deep_counts[:30, :30], {"chr1": 30 * BIN_BP})
    write_counts("empty.cool", np.eye(N_BINS, dtype=int))
    said = []
    for call in (
        lambda: trifold.enhance("short.cool", "model", "out.cool", device="cpu"),
        lambda: trifold.enhance("empty.cool", "model", "out.cool", device="cpu"),
        lambda: trifold.score("empty.cool", "deep.cool"),
    ):
        with pytest.raises(InputError) as error:
            call()
        said.append(str(error.value))
    assert said[0].startswith("short.cool: the model reads windows of 320,000 bp, and of chr1 none is as long")
    assert all(one.startswith("empty.cool: ") and "give a map with more contacts" in one for one in said[1:])
    for word in ("geometry", "balance/", "thin less", "test region", "splits", "low.cool"):
        assert word not in " ".join(said)


@pytest.mark.parametrize("value, said", [(-1.0, "negative"), (np.nan, "NaN"), (np.inf, "infinite"), (0.5, "not whole")])
def test_counts_that_are_none_are_said_to_be_what_they_are(door, deep_counts, value, said):
    counts = deep_counts.astype(float)
    counts[3, 5] = value
    write_counts("odd.cool", counts)
    with pytest.raises(InputError, match=rf"^odd\.cool: counts are {said}.*; give the raw counts"):
        trifold.enhance("odd.cool", "model", "out.cool", device="cpu")


def test_a_map_that_a_program_made_says_what_it_knows(door):
    """Contacts are balanced; values that are balanced already are taken as they are, and give the same map again."""
    facts = {"arm": "shared-out", "architecture": "share"}
    kept = {"bin_bp": BIN_BP, "chromsizes": {"chr1": N_BINS * BIN_BP}, "balance": {}, "facts": facts, "assembly": "sim"}
    contacts.prepare("deep.cool", "balanced.cool", BIN_BP)
    source = door / "deep.cool"
    for name in ("once", "twice"):
        (door / name).mkdir()
        programs.keep_map(source, door / name, **kept)
        source = door / name / "map.cool"
        assert api.made_by(source) == api.made_by(door / name / "map.mcool") == facts | {"scale": "balanced"}
        np.testing.assert_allclose(matrix(source), matrix("balanced.cool"), rtol=1e-12)


# ---------------------------------------------------------------- models


def test_a_model_of_an_earlier_version_is_told_to_be_trained_again(door):
    path = door / "model/statistics.json"
    statistics = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in statistics.items() if name != "low"}))
    with pytest.raises(InputError, match=r"model/statistics\.json: lacks low: .*train the model again"):
        trifold.load_model("model")


def test_models_are_listed_with_where_they_are(door, mirror, monkeypatch):
    monkeypatch.setenv("TRIFOLD_MIRROR", str(mirror))
    shutil.copytree("model", "results/mine/models/image/fold-a/seed-1")
    listed = trifold.list_models().set_index("model")
    assert listed.loc[WEIGHTS, "file"] == str(mirror / WEIGHTS)
    assert listed.loc[WEIGHTS, "enhances"] == "yes"
    assert "not say how much deeper" in listed.loc["weights_vehicle_gan.ckpt", "enhances"]
    trained = listed.loc["results/mine/models/image/fold-a/seed-1"]
    assert (trained["architecture"], trained["bin_bp"], trained["enhances"]) == ("vehicle", BIN_BP, "yes")
    assert trained["trained_on"].endswith("contacts per bin, windows of 32 bins")
    assert trifold.load_model(WEIGHTS).path == mirror / WEIGHTS
    with pytest.raises(InputError, match="part of a training"):
        trifold.load_model(mirror / "weights_hicsr_dae.pth")


def test_a_model_of_pairs_is_no_model_of_an_earlier_version(door):
    """Its statistics say nothing of low maps: it reads none."""
    folder = door / "results/mine/models/loops/fold-a/seed-1"
    shutil.copytree("model", folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["arm"] |= {"name": "loops", "architecture": "mixhic", "task": "loop"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    statistics = {"geometry": config["arm"]["geometry"], "tracks": ["atac"], "track_bp": 100, "n_diagonals": 60}
    (folder / "statistics.json").write_text(json.dumps(statistics))
    listed = trifold.list_models().set_index("model").loc["results/mine/models/loops/fold-a/seed-1"]
    assert listed["architecture"] == "mixhic"
    assert listed["enhances"] == "a model of the task loop, which predicts no whole maps"
    with pytest.raises(InputError, match="a model of the task loop, which predicts no whole maps"):
        trifold.load_model(folder)


def test_a_damaged_folder_does_not_hide_the_other_models(door):
    for name in ("a", "b", "c"):
        shutil.copytree("model", folder := f"results/mine/models/image/{name}/seed-1")
        shutil.copytree("model", folder.replace("mine", "whole"))
    damaged = door / "results/mine/models/image"
    (damaged / "a/seed-1/statistics.json").unlink()
    (damaged / "b/seed-1/config.yaml").write_text("a: [")
    (damaged / "c/seed-1/weights.safetensors").unlink()
    listed = trifold.list_models().set_index("model")["enhances"]
    assert [listed[f"results/whole/models/image/{name}/seed-1"] for name in "abc"] == ["yes"] * 3
    for name, file in [("a", "statistics.json"), ("b", "config.yaml"), ("c", "weights.safetensors")]:
        folder = f"results/mine/models/image/{name}/seed-1"
        assert listed[folder].startswith(f"damaged: {folder}/{file}: ")


# ---------------------------------------------------------------- score, info


@pytest.fixture
def tables(door):
    return trifold.score("deep.cool", "deep.cool", low="shallow.cool")


def test_a_map_against_itself_is_perfect_on_the_balanced_scale(tables):
    own = {name: table.query("map == 'prediction' and scale == 'balanced'") for name, table in tables.items()}
    assert (own["distance"]["mse"] == 0).all() and len(own["distance"]) > 50
    for name in ("windows", "regions"):
        row = own[name].iloc[0]
        assert (row["mse"], row["mae"]) == (0, 0)
        assert row[["pearson", "spearman", "scc_hicrep"]].to_numpy(float) == pytest.approx(1)


def test_the_low_map_stands_beside_on_the_same_pixels(tables):
    regions = tables["regions"].query("scale == 'balanced'").set_index("map")
    assert regions.loc["low", "n_pixels"] == regions.loc["prediction", "n_pixels"] > 3_000
    assert 0.5 < regions.loc["low", "pearson"] < 1
    assert regions.loc["low", "mse"] > 0
    summary = api.summary_of_scores(tables)
    assert next(iter(summary)) == "Mean of 1 windows"
    assert set(summary["By distance, balanced"]["map"]) == {"low", "prediction"}


def test_the_low_map_is_brought_to_the_deep_maps_scale_by_what_the_scored_chromosomes_say(tmp_path):
    """Bins twice as wide, values three times those of the four pixels they hold; five times on a chromosome that is
    not scored."""
    n, sizes = 64, {"chr1": 64_000, "chr2": 64_000}
    deep = np.random.default_rng(3).uniform(1, 2, (n, n)) / (1 + np.subtract.outer(np.arange(n), np.arange(n)) ** 2)
    deep = np.triu(deep) + np.triu(deep, 1).T
    wide = deep.reshape(n // 2, 2, n // 2, 2).mean(axis=(1, 3))
    for name, values, width, scales in (("deep", deep, 1, (1, 1)), ("low", wide, 2, (3, 5))):
        rows, columns = np.triu_indices(len(values))
        parts = [
            {"bin1_id": rows + at, "bin2_id": columns + at, "count": scale * values[rows, columns]}
            for at, scale in zip((0, len(values)), scales)
        ]
        write_cool(tmp_path / f"{name}.cool", sizes, 1000 * width, parts, np.ones(2 * len(values)))
    geometry = Geometry(1000, 32, {}, 0.25, 0)
    maps = tmp_path / "low.cool", tmp_path / "deep.cool"
    assert score_files._low_factor(*maps, geometry, 2, {"chr1": 64_000}) == pytest.approx(3, rel=0.01)
    assert score_files._low_factor(*maps, geometry, 2, {"chr2": 64_000}) == pytest.approx(5, rel=0.01)
    assert score_files._low_factor(*maps, geometry, 2, sizes) == pytest.approx(4, rel=0.01)


def test_an_enhanced_map_is_scored_as_it_was_written(door):
    trifold.enhance("shallow.cool", "model", "out.mcool", device="cpu")
    tables = trifold.score("out.mcool", "deep.cool", low="shallow.cool")
    contacts.prepare("deep.cool", "balanced.cool", BIN_BP)
    found, target = matrix("out.mcool", BIN_BP), matrix("balanced.cool")
    scored = np.isfinite(found) & np.isfinite(target)
    apart = np.subtract.outer(np.arange(N_BINS), np.arange(N_BINS)).T
    scored &= (apart >= 2) & (apart <= 12)
    row = tables["regions"].query("scale == 'balanced' and map == 'prediction'").iloc[0]
    assert row["n_pixels"] == scored.sum()
    assert row["mse"] == pytest.approx(np.mean((found - target)[scored] ** 2))
    low = tables["regions"].query("scale == 'balanced' and map == 'low'").iloc[0]
    assert low["n_pixels"] == row["n_pixels"]


def test_maps_that_do_not_fit_are_not_scored(door, deep_counts):
    write_counts("other.cool", deep_counts, {"chrA": N_BINS * BIN_BP})
    write_counts("wide.cool", deep_counts, {"chr1": N_BINS * 20_000}, 20_000)
    write_counts("short.cool", deep_counts[:30, :30], {"chr1": 30 * BIN_BP})
    for pair, said in [
        (("other.cool", "deep.cool"), "do not share the chromosomes"),
        (("deep.cool", "wide.cool"), r"wide\.cool: has bins of 20,000 bp and none of 10,000"),
        (("short.cool", "short.cool"), "no chromosome has the 40 bins"),
    ]:
        with pytest.raises(InputError, match=said):
            trifold.score(*pair)


def test_a_chromosome_to_score_is_looked_for_in_every_map(door, deep_counts):
    write_counts("two.cool", deep_counts, {"chr1": 70 * BIN_BP, "chr2": 50 * BIN_BP})
    with pytest.raises(InputError, match=r"^deep\.cool: no chromosome chr2; it has chr1$"):
        trifold.score("two.cool", "deep.cool", chromosomes="chr2")
    with pytest.raises(InputError, match=r"^shallow\.cool: no chromosome chr2"):
        trifold.score("two.cool", "two.cool", low="shallow.cool", chromosomes=["chr2"])


def test_info_of_a_hic_file_and_its_sentences(mirror):
    facts = trifold.info(mirror / "test_chr22.hic", 100_000)
    assert facts["assembly"] == "hg19"
    assert (facts["bin_bp"], facts["contacts"] >= facts["cis_contacts"] > 0) == (100_000, True)
    said = api.sentences(facts)
    assert said["assembly"] == "hg19"
    assert said["bins"].endswith("of 100,000 bp, not balanced")
