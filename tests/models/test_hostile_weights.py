"""Weights that would run code when they are loaded: refused with a clear error, and nothing has run."""

import argparse
import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import pytest
import torch
from test_registry import COUNTS, GEOMETRY

from trifold.errors import InputError
from trifold.models import published, registry, stored, weights
from trifold.training import fit


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def zipped(path: Path, payload: Payload) -> None:
    torch.save({"conv1.weight": torch.zeros(1), "hyper_parameters": payload}, path)


def legacy(path: Path, payload: Payload) -> None:
    torch.save({"state_dict": {"conv1.weight": payload}}, path, _use_new_zipfile_serialization=False)


def bare(path: Path, payload: Payload) -> None:
    path.write_bytes(pickle.dumps(payload))


def in_the_command_line(path: Path, payload: Payload) -> None:
    """Inside the one class that is let pass beside tensors."""
    torch.save({"model": {"a": torch.zeros(1)}, "args": argparse.Namespace(lr=payload)}, path)


def tarred(path: Path, payload: Payload) -> None:
    """The format before torch 0.1.10."""
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            body = pickle.dumps(payload)
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))


FORMS = [zipped, legacy, bare, in_the_command_line, tarred]
NAMES = [
    "weights_hicfoundation_resolution.pth.tar",
    "weights_vehicle_gan.ckpt",
    "weights_dl2021_hypermodel.pth",
    "weights_deephic_raw_16.pth",
]


@pytest.mark.parametrize("form", FORMS)
def test_the_payloads_are_live(tmp_path, form):
    """What the tests below refuse would run in a loader that trusts."""
    form(tmp_path / "weights.pth", Payload(tmp_path / "ran"))
    if form is tarred:
        with tarfile.open(tmp_path / "weights.pth") as archive:
            pickle.load(archive.extractfile("pickle"))
    elif form is bare:
        pickle.loads((tmp_path / "weights.pth").read_bytes())
    else:
        torch.load(tmp_path / "weights.pth", weights_only=False)
    assert (tmp_path / "ran").is_dir()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_published_weights(tmp_path, form, name):
    path = tmp_path / name
    form(path, Payload(tmp_path / "ran"))
    with pytest.raises(InputError, match=f"{path}: not readable as tensors alone") as error:
        published.read_state(name, path)
    assert "safetensors where you trust it" in str(error.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("form", FORMS)
def test_an_imported_arm(tmp_path, form):
    """What the rule import_weights does."""
    name = "weights_deephic_raw_16.pth"
    form(tmp_path / name, Payload(tmp_path / "ran"))
    (tmp_path / "out").mkdir()
    (tmp_path / "statistics.json").write_text(json.dumps({"counts": COUNTS}))
    arm = {"architecture": "deephic", "protocol": "published", "options": {}, "backbones": {}}
    geometry = {"bin_bp": 16, "window_bins": 24, "stride_bins": {}, "max_bad_bins": 0.25, "max_n_bins": 0}
    with pytest.raises(InputError, match="not readable as tensors alone"):
        stored.import_checkpoint(
            tmp_path / "out",
            name="released",
            arm=arm,
            geometry=geometry,
            checkpoint=tmp_path / name,
            examples=tmp_path,
            version="v",
        )
    assert not (tmp_path / "ran").exists() and not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("form", FORMS)
def test_a_models_folder(tmp_path, form):
    """Pickles under the name of a safetensors file: for a model, and for an arm that starts from one."""
    path = tmp_path / "weights.safetensors"
    form(path, Payload(tmp_path / "ran"))
    model = registry.build("deephic", GEOMETRY, {}, {"counts": COUNTS}, {}, "published")
    for read in (
        lambda: weights.load(path, model, "image"),
        lambda: weights.take(path, model, "image", "all"),
        lambda: weights.read_header(path),
    ):
        with pytest.raises(InputError, match=f"{path}: no readable safetensors file"):
            read()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_of_a_training_under_way(tmp_path, form, caplog):
    form(tmp_path / "last.ckpt", Payload(tmp_path / "ran"))
    assert fit._read_checkpoint(tmp_path / "last.ckpt", {"version": "v", "seed": 1}) is None
    assert "training starts from the beginning" in caplog.text
    assert not (tmp_path / "ran").exists()
