"""Weights files: stable bytes, a header, and refusals that say what to do."""

import logging

import pytest
import torch
from test_registry import GEOMETRY, make
from torch import nn

from trifold.errors import InputError
from trifold.models import weights


def test_equal_states_give_equal_bytes_whatever_their_memory_format(tmp_path):
    layer = nn.Conv2d(3, 4, 3)
    weights.save(tmp_path / "a", layer.state_dict(), arm={"name": "x", "z": 1}, version="v")
    weights.save(
        tmp_path / "b", layer.to(memory_format=torch.channels_last).state_dict(), arm={"z": 1, "name": "x"}, version="v"
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert weights.read_header(tmp_path / "a") == {"arm": {"name": "x", "z": 1}, "version": "v"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_weights_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    weights.save(path, nn.Linear(3, 2).state_dict(), arm={}, version="v")
    with pytest.raises(InputError) as error:
        weights.load(path, nn.Linear(3, 4, bias=False), "image")
    message = str(error.value)
    assert str(path) in message
    assert "arm 'image' (2 tensors differ" in message
    assert "weight is (2, 3) in the file and (4, 3) in the model" in message
    assert "bias is (2,) in the file and missing in the model" in message
    assert "config.yaml" in message


def written(path, model):
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    weights.save(path, model.state_dict(), arm={}, version="v")
    return model.state_dict()


def test_an_encoder_is_taken_over_and_nothing_else(tmp_path):
    trained = written(tmp_path / "w", make("hicfoundation", "corrected", GEOMETRY))
    model = make("hicfoundation-seq", "corrected", GEOMETRY)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    weights.take(tmp_path / "w", model, "lau", "encoder")
    for key, value in model.state_dict().items():
        if key == "vit_backbone.pos_embed":  # the row of cls is the arm's own
            value, trained[key] = value[:, 1:], trained[key][:, 1:]
        assert torch.equal(value, (trained if key.startswith("vit_backbone.") else before)[key]), key


@pytest.mark.parametrize("protocol", ["published", "corrected"])
def test_a_whole_model_is_taken_over_as_far_as_it_fits(tmp_path, caplog, protocol):
    trained = written(tmp_path / "w", make("hicfoundation", protocol, GEOMETRY))
    model = make("hicfoundation-seq", protocol, GEOMETRY)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with caplog.at_level(logging.INFO):
        weights.take(tmp_path / "w", model, "lau", "all")
    own = {"sequence_encoder", "sequence_none", "decoder_cross"}
    for key, value in model.state_dict().items():
        if key == "vit_backbone.pos_embed":  # the published arm has one token more
            assert torch.equal(value[:, -9:], trained[key][:, 1:])
        elif own & set(key.split(".")):
            assert torch.equal(value, before[key]), key
            assert key in caplog.text
        else:
            assert torch.equal(value, trained[key]), key


def test_a_model_of_the_same_architecture_needs_no_encoder(tmp_path):
    trained = written(tmp_path / "w", make("hicplus", "published", GEOMETRY))
    model = make("hicplus", "published", GEOMETRY)
    with pytest.raises(InputError, match="arm 'image': pretrained: this architecture has no encoder"):
        weights.take(tmp_path / "w", model, "image", "encoder")
    weights.take(tmp_path / "w", model, "image", "all")
    assert torch.equal(model.conv1.weight, trained["conv1.weight"])
    with pytest.raises(InputError, match=r"arm 'image': pretrained: nothing in .*w fits"):
        weights.take(tmp_path / "w", make("vehicle", "corrected", GEOMETRY), "image", "all")


def test_an_encoder_of_another_size_names_the_file_and_the_arm(tmp_path):
    written(tmp_path / "w", make("hicfoundation", "corrected", GEOMETRY, width=32))
    with pytest.raises(InputError, match=r"arm 'lau': pretrained: .*w: the encoder's weights do not fit"):
        weights.take(tmp_path / "w", make("hicfoundation", "corrected", GEOMETRY), "lau", "all")


@pytest.mark.parametrize("content", [None, b"", b"something else entirely"])
def test_no_weights_file_is_refused(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.safetensors: no readable safetensors file"):
        weights.load(path, nn.Linear(1, 1), "image")
