"""Weights files: stable bytes, a header, and refusals that say what to do."""

import pytest
import torch
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


@pytest.mark.parametrize("content", [None, b"", b"something else entirely"])
def test_no_weights_file_is_refused(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.safetensors: no readable safetensors file"):
        weights.load(path, nn.Linear(1, 1), "image")
