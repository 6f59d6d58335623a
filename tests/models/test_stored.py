"""A published checkpoint becomes a model's folder like any other."""

import json

import pytest
import torch
from test_registry import COUNTS, GEOMETRY

from trifold.errors import InputError
from trifold.models import published, stored, weights

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


@torch.no_grad()
@pytest.mark.parametrize(("task", "mode"), [("loop", "bimodal"), ("window", "infer_map"), ("cage", "map")])
def test_a_model_of_a_task_is_built_again_from_its_folder(tmp_path, task, mode):
    """Windows of 24 bins and three tracks at an eighth of a bin: what the folder says, and no default."""
    arm = {"architecture": "mixhic", "task": task, "protocol": "corrected", "backbones": {}, "name": "loops"}
    arm |= {"options": {"mode": mode, "embed_dim": 8, "heads": 2, "depth": 1}, "geometry": GEOMETRY_SETTINGS}
    statistics = {"geometry": GEOMETRY_SETTINGS, "tracks": ["a", "b", "c"], "track_bp": 4, "n_diagonals": 60}
    (folder := tmp_path / "model").mkdir()
    torch.manual_seed(3)
    model = stored.build_arm(arm, GEOMETRY_SETTINGS, statistics).eval()
    weights.save(folder / "weights.safetensors", model.state_dict(), arm=arm, version="v")
    (folder / "config.yaml").write_text(json.dumps({"arm": arm, "version": "v"}))
    (folder / "statistics.json").write_text(json.dumps(statistics))
    again, frozen, found = stored.load_arm(folder)
    assert type(again) is type(model) and (frozen["arm"], found) == (arm, statistics)
    batch = {"map": torch.rand(2, 1, 24, 24), "tracks": torch.rand(2, 2 * 24 * 8, 3)}
    batch = {name: own for name, own in batch.items() if name in again.entries}
    assert again(batch).std() > 0 and torch.equal(again(batch), model(batch))
    other = {**arm, "task": "pretraining", "options": {}}
    (folder / "config.yaml").write_text(json.dumps({"arm": other, "version": "v"}))
    with pytest.raises(InputError, match="loops"):
        stored.load_arm(folder)


@torch.no_grad()
def test_an_arm_without_a_model_is_built_from_the_statistics_alone_where_none_is_given(mirror, examples, tmp_path):
    put(ARM, mirror, examples, tmp_path / "model")
    asked = []

    def statistics():
        asked.append("statistics")
        return {**STATISTICS, "geometry": GEOMETRY_SETTINGS}

    arm = {**ARM, "architecture": "gaussian", "options": {"sigma_bins": 1.0}}
    trained, known = stored.load_or_build(tmp_path / "model", arm, statistics)
    assert (type(trained).__module__, known, asked) == ("trifold.models.deephic", STATISTICS, [])
    built, known = stored.load_or_build(None, arm, statistics)
    assert (type(built).__name__, known["geometry"], asked) == ("Gaussian", GEOMETRY_SETTINGS, ["statistics"])
    assert not trained.training and not built.training


@pytest.mark.parametrize("changes", [{"architecture": "hicplus"}, {"options": {"channels": 8}}])
def test_an_arm_that_says_otherwise_is_refused(mirror, examples, tmp_path, changes):
    with pytest.raises(InputError, match=r"arms/released: weights_deephic_raw_16\.pth is a 'deephic'"):
        put({**ARM, **changes}, mirror, examples, tmp_path / "model")


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("config.yaml", None, "not found"),
        ("config.yaml", b"", "empty"),
        ("config.yaml", b"a: [", "no YAML"),
        ("config.yaml", b"\xff\x00", "no YAML"),
        ("config.yaml", b"version: v", "lacks arm"),
        ("config.yaml", b"arm: {name: x}", "arm lacks architecture, geometry, options"),
        ("statistics.json", None, "not found"),
        ("statistics.json", b'{"oe": ', "no JSON"),
        ("statistics.json", b"[1]", "no mapping of JSON"),
    ],
)
def test_a_damaged_folder_is_told_to_be_copied_again(mirror, examples, tmp_path, name, content, said):
    put(ARM, mirror, examples, tmp_path / "model")
    path = tmp_path / "model" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: {said}.*; copy the whole folder .* again, or train") as error:
        stored.load_arm(tmp_path / "model")
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("geometry, said", [({"bin_bp": 5}, "window_bins"), (GEOMETRY_SETTINGS, "'oe'")])
def test_a_setting_or_statistic_that_an_architecture_is_built_from_is_missed(tmp_path, geometry, said):
    (folder := tmp_path / "model").mkdir()
    arm = {**ARM, "name": "oe", "architecture": "akita", "protocol": "corrected", "geometry": geometry, "options": {}}
    (folder / "config.yaml").write_text(json.dumps({"arm": arm, "version": "v"}))
    (folder / "statistics.json").write_text("{}")
    with pytest.raises(InputError, match=rf"model: its config\.yaml or statistics\.json lacks .*{said}.*copy the"):
        stored.load_arm(folder)


@pytest.mark.parametrize(
    "given, named",
    [("weights_deephic_raw16.pth", "weights_deephic_raw_16.pth"), ("weights_hicsr", "weights_hicsr.pth")],
)
def test_a_renamed_file_is_told_the_nearest_names(given, named):
    with pytest.raises(InputError, match=f"'{given}' are not known, nearest are .*'{named}'.*rename it back") as error:
        published.checkpoint(given)
    assert str(error.value).count("weights_") <= 4


def test_a_damaged_published_file_gives_no_advice_to_run_it(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(b"not weights at all, in any way")
    with pytest.raises(InputError, match="not readable as tensors alone") as error:
        published.read_state(NAME, path)
    assert "weights_only" not in str(error.value)
