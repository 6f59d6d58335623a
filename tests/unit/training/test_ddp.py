"""Two processes on the CPU (gloo) train what one trains; what differs is what `training.fit` says."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fitted import fit_model
from safetensors.torch import load_file
from test_adversarial import Windows as GanWindows
from test_adversarial import make as make_gan
from test_batch_norm import agree, by_hand, statistics
from test_fit import AKITA, GENERATOR, GEOMETRY, SETTINGS, STATISTICS, Windows, digests, history, interrupt
from test_mixhic_training import SETTINGS as PAIR_SETTINGS
from test_mixhic_training import Pairs
from test_mixhic_training import make as make_pairs
from torch.utils.data import DataLoader

from trifold.errors import InputError
from trifold.log import kept
from trifold.models import registry
from trifold.training import processes
from trifold.training.fit import EpochOrder

VIT = {"patch_size": 10, "width": 8, "depth": 1, "heads": 2, "decoder_width": 8, "decoder_depth": 1, "decoder_heads": 2}
# Nothing in a vision transformer looks at its neighbours in the batch. Adam would blow rounding up: SGD.
PLAIN = replace(SETTINGS, epochs=3, optimiser="sgd", learning_rate=0.02)
ONE_STEP = replace(SETTINGS, epochs=1, batch_size=10, accumulate=1, optimiser="sgd")
GAN = replace(SETTINGS, epochs=1, loss="vehicle", accumulate=1)


def make(name: str, options: dict):
    torch.manual_seed(0)
    model = registry.build(name, GEOMETRY, options, STATISTICS)
    if name == "hicfoundation":  # all zero, it would hide the layers before it
        torch.nn.init.normal_(model.decoder_map.weight)
    return model


def train(folder: Path, name: str, options: dict, settings, die_at=None, protocol="corrected"):
    model = make(name, options)
    windows = Windows(10, 1, die_at, interrupt)
    # Three validation windows: two processes have unlike numbers of batches.
    fit_model(model, windows, Windows(3, 2), settings, folder, arm={"name": name, "protocol": protocol}, threads=2)
    return model


def train_all(folder: str, devices: int) -> None:
    """Every training of this file, in as many processes as are there; each leaves the weights it ended with."""
    folder, rank = Path(folder), processes.world()[0]
    models = {
        "plain": train(folder / "plain", "hicfoundation", VIT, replace(PLAIN, devices=devices)),
        "step": train(folder / "step", "akita", AKITA, replace(ONE_STEP, devices=devices)),
        "released": train(
            folder / "released", "akita", AKITA, replace(ONE_STEP, devices=devices), protocol="published"
        ),
    }
    if devices > 1:
        settings, broken = replace(PLAIN, devices=devices), folder / "broken"
        with pytest.raises(RuntimeError, match="interrupted"):
            train(broken, "hicfoundation", VIT, settings, die_at=(1, 3))
        models["broken"] = train(broken, "hicfoundation", VIT, settings)
        gan, arm = make_gan("vehicle"), {"name": "gan", "protocol": "corrected"}
        networks = {"vae": make_gan("vae").eval()}
        settings = replace(GAN, devices=devices)
        windows = GanWindows(8, 1), GanWindows(3, 2)
        fit_model(gan, *windows, settings, folder / "gan", arm=arm, threads=2, networks=networks)
        models["gan"] = gan
        pairs, arm = make_pairs("loop", "published"), {"name": "loop", "task": "loop", "protocol": "published"}
        settings = replace(PAIR_SETTINGS, epochs=1, devices=devices)
        fit_model(pairs, Pairs(8, 1), Pairs(5, 2), settings, folder / "pairs", arm=arm, threads=2)
        models["pairs"] = pairs
    for name, model in models.items():
        torch.save(model.state_dict(), folder / f"{name}-{rank}.pt")


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    train_all(str(folder), 1)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        processes.run("test_ddp:train_all", {"folder": folder, "devices": 2}, folder, 2)
    return folder


def test_two_processes_train_what_one_trains(one, two):
    ours, theirs = (load_file(folder / "plain/out/last.safetensors") for folder in (two, one))
    start = make("hicfoundation", VIT).state_dict()
    assert max((theirs[name] - start[name]).abs().max() for name in theirs) > 1e-2
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-6, msg=name)
    rows = zip(history(two / "plain/out"), history(one / "plain/out"), strict=True)
    for our, their in rows:
        assert our == pytest.approx(their, rel=1e-4)


@pytest.mark.parametrize("name", ["plain", "step", "released", "gan", "pairs"])
def test_processes_end_with_the_same_weights(two, name):
    first, second = (torch.load(two / f"{name}-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert value.equal(second[key]), key


def test_y10_statistics_are_those_of_all_shares(two):
    """After a step of all ten windows, five in each process: layers normalise by their share."""
    state, model = load_file(two / "step/out/last.safetensors"), make("akita", AKITA)
    model.load_state_dict(state)
    windows = Windows(10, 1)
    windows.set_epoch(0)
    shares = [DataLoader(windows, 5, sampler=EpochOrder(10, 7, 0, rank, 2)) for rank in (0, 1)]
    agree(statistics(state), by_hand(model, [batch for share in shares for batch in share]))


def test_published_batch_norm_sees_its_own_share_and_its_statistics_are_averaged(one, two):
    """After a step of all ten windows: means of equal shares average to the mean, variances do not to the variance."""
    ours, theirs = (load_file(folder / "released/out/last.safetensors") for folder in (two, one))
    mean, variance = (f"trunk.0.bn.running_{moment}" for moment in ("mean", "var"))
    torch.testing.assert_close(ours[mean], theirs[mean], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(ours[variance], theirs[variance], rtol=1e-2, atol=0)
    assert not torch.allclose(ours[variance], theirs[variance], rtol=1e-6, atol=0)


def test_interrupted_training_ends_in_the_same_bits(two):
    assert digests(two / "broken/out") == digests(two / "plain/out")


def test_adversarial_training_is_finite(two):
    (row,) = history(two / "gan/out")
    assert np.isfinite([row["train_loss"], row["discriminator_loss"], row["validation_loss"]]).all()


def test_a_step_sees_the_windows_that_one_process_would_see():
    whole = list(EpochOrder(12, 3, 1))
    shares = [list(EpochOrder(12, 3, 1, rank, 2)) for rank in (0, 1)]
    for step in range(3):
        batch = {window for share in shares for window in share[2 * step : 2 * step + 2]}
        assert batch == set(whole[4 * step : 4 * step + 4])


def test_one_that_fails_ends_the_others(tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text(
        "import os, pathlib, time\n"
        "def work(folder):\n"
        "    first = pathlib.Path(folder, '0')\n"
        "    if os.environ['LOCAL_RANK'] == '0':\n"
        "        first.write_text(str(os.getpid()))\n"
        "        time.sleep(60)\n"
        "    while not first.exists() or not first.read_text():\n"
        "        time.sleep(0.05)\n"
        "    raise SystemExit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="process 1 with code 3 of 2 ended"):
        processes.run("failing:work", {"folder": tmp_path}, tmp_path, 2)
    assert time.monotonic() - started < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "0").read_text()), 0)
    assert not list(tmp_path.glob(".processes-*"))


def test_d19_what_one_refuses_is_raised_once(tmp_path, monkeypatch, capfd):
    """In every process alike: it comes back as the InputError it was, and no process prints it."""
    (tmp_path / "refusing.py").write_text(
        "from trifold.errors import InputError\n"
        "def work():\n"
        "    raise InputError('config: training/epochs: too many')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^config: training/epochs: too many$"):
        processes.run("refusing:work", {}, tmp_path, 2)
    assert capfd.readouterr().err == ""


def test_t13_warnings_of_all_processes_are_kept(tmp_path, monkeypatch):
    (tmp_path / "warning.py").write_text(
        "import logging, os\n"
        "def work():\n"
        "    logging.warning('both')\n"
        "    logging.warning('process %s', os.environ['LOCAL_RANK'])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with kept() as messages:
        processes.run("warning:work", {}, tmp_path, 2)
    assert messages == ["both", "process 0", "process 1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 3}, "batch_size 4 cannot be shared among the 3 processes"),
        ({"devices": 2, "nodes": 2}, "are 4 processes and there are 3 windows"),
    ],
)
def test_what_cannot_be_shared_is_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, "vehicle", GENERATOR, replace(SETTINGS, **changes))


def test_several_nodes_need_slurm(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match="training/nodes is 2 and this is no job of SLURM"):
        processes.run("time:sleep", {}, tmp_path, 1, 2)
    with pytest.raises(ValueError, match="need as many processes, not 1"):
        train(tmp_path, "vehicle", GENERATOR, replace(SETTINGS, devices=2))
