"""Training ends in the same bits however often it is interrupted, and writes what it promises."""

import csv
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from fitted import fit_model
from torch.optim.optimizer import register_optimizer_step_post_hook

from trifold.config import WHERE, Geometry, Training, placed
from trifold.data.samples import Samples
from trifold.errors import InputError
from trifold.models import registry, weights
from trifold.training.fit import EpochOrder, duration, estimate
from trifold.training.regression import pixel_loss

GEOMETRY = Geometry(bin_bp=16, window_bins=20, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
STATISTICS = {"oe": {"mean": 0.0, "sd": 1.0}}
AKITA = {"channels": 8, "bottleneck": 4, "head_channels": 4, "trunk_blocks": 2, "head_blocks": 1}
GENERATOR = {"channels": 4, "residual_blocks": 1}
SETTINGS = Training(
    epochs=4,
    batch_size=4,
    learning_rate=0.01,
    schedule="cosine",
    weight_decay=0.0,
    optimiser="adam",
    betas=(0.9, 0.999),
    layer_decay=1.0,
    loss="mse",
    loss_weights={},
    discriminator_learning_rate=None,
    accumulate=2,
    clip_gradient_norm=10.0,
    early_stop_epochs=0,
    precision="32-true",
    devices=1,
    nodes=1,
    workers=0,
    stride_bins=None,
    reverse_complement=True,
    shift_bp=0,
    head_epochs=0,
)
HERE = {"workers": 0, "devices": 1, "nodes": 1}
BYTES = ("weights.safetensors", "last.safetensors", "config.yaml", "history.csv")


class Windows(Samples):
    """Random windows with an augmentation that depends on the epoch; `die_at` = (epoch, item) kills the process."""

    def __init__(self, count: int, seed: int, die_at: tuple[int, int] | None = None, how=None):
        rng = np.random.default_rng(seed)
        w = GEOMETRY.window_bins
        maps = rng.random((count, 1, w, w), dtype=np.float32)
        self.maps = (maps + maps.swapaxes(2, 3)) / 2
        self.valid = np.ones(w, dtype=bool)
        self.codes = rng.integers(0, 5, (count, GEOMETRY.window_bp), dtype=np.uint8)
        self.epoch, self.served, self.die_at, self.how = -1, 0, die_at, how

    def set_epoch(self, epoch: int) -> None:
        self.epoch, self.served = epoch, 0

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, i: int) -> dict:
        if self.die_at == (self.epoch, self.served):
            self.how()
        self.served += 1
        noise = np.random.default_rng((max(self.epoch, 0), i)).random(self.maps[i].shape, dtype=np.float32) * 0.1
        return {
            "sequence": self.codes[i],
            "map": self.maps[i] + noise,
            "valid": self.valid,
            "observed": self.maps[i] ** 2,
            "oe": self.maps[i] - 0.5,
        }


def make(architecture: str):
    torch.manual_seed(0)
    if architecture == "hybrid":
        parts = {"sequence": make("akita"), "image": make("vehicle")}
        return registry.build("hybrid", GEOMETRY, {}, STATISTICS, parts)
    return registry.build(architecture, GEOMETRY, AKITA if architecture == "akita" else GENERATOR, STATISTICS)


def train(folder: Path, architecture: str = "akita", settings=SETTINGS, die_at=None, how=None, version="v1", seed=7):
    arm = {"name": architecture, "architecture": architecture}
    windows = Windows(10, 1, die_at, how), Windows(4, 2)
    return fit_model(make(architecture), *windows, settings, folder, arm=arm, seed=seed, version=version)


def digests(out: Path) -> dict[str, str]:
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in BYTES}


def history(out: Path) -> list[dict]:
    with open(out / "history.csv") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Path:
    return train(tmp_path_factory.mktemp("unbroken"))


def interrupt():
    raise RuntimeError("interrupted")


def test_writes_what_it_promises(unbroken):
    rows = history(unbroken)
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]
    assert list(rows[0]) == ["epoch", "train_loss", "validation_loss", "validation_pearson", "learning_rate"]
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    frozen = yaml.safe_load((unbroken / "config.yaml").read_text())
    assert frozen["seed"] == 7
    assert frozen["version"] == "v1"
    assert placed(frozen["training"], HERE) == SETTINGS
    assert frozen["best_epoch"] == min(range(4), key=lambda epoch: rows[epoch]["validation_loss"])
    assert weights.read_header(unbroken / "weights.safetensors") == {"arm": frozen["arm"], "version": "v1"}
    assert list((unbroken / "tensorboard").glob("events.*"))
    weights.load(unbroken / "weights.safetensors", make("akita"), "akita")


def test_best_weights_give_the_best_validation_loss(unbroken):
    model = make("akita").eval()
    weights.load(unbroken / "weights.safetensors", model, "akita")
    windows = Windows(4, 2)
    items = [windows[i] for i in range(4)]
    batch = {key: torch.from_numpy(np.stack([item[key] for item in items])) for key in items[0]}
    with torch.no_grad():
        predicted = model(batch)
    mask = torch.ones_like(predicted, dtype=torch.bool).triu(2)
    loss = pixel_loss(predicted, batch["oe"][..., 1:-1, 1:-1], mask, "mse")
    np.testing.assert_allclose(loss.item(), min(row["validation_loss"] for row in history(unbroken)), rtol=1e-5)


@pytest.mark.parametrize("die_at", [(0, 3), (2, 5), (3, 0)])
def test_interrupted_training_ends_in_the_same_bits(tmp_path, unbroken, die_at):
    with pytest.raises(RuntimeError, match="interrupted"):
        train(tmp_path, die_at=die_at, how=interrupt)
    assert not (tmp_path / "out").exists()
    # TensorBoard's thread would write on into a folder that the next start removes.
    assert not [thread for thread in threading.enumerate() if "AsyncWriter" in type(thread).__name__]
    assert digests(train(tmp_path)) == digests(unbroken)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_killed_training_ends_in_the_same_bits(tmp_path, unbroken, number, code):
    """A real signal in the middle of the third epoch, in a process of its own; a scheduler's is no success either."""
    script = (
        "import os, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); import test_fit as t; "
        f"t.train(Path(sys.argv[1]), die_at=(2, 6), how=lambda: os.kill(os.getpid(), {int(number)}))"
    )
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": str(here.parents[2]), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", script, tmp_path, here], env=environment, capture_output=True)
    assert killed.returncode == code, killed.stderr.decode()
    assert (tmp_path / "checkpoints" / "last.ckpt").exists()
    assert digests(train(tmp_path)) == digests(unbroken)


def test_killed_after_the_last_epoch_only_writes(tmp_path, unbroken):
    out = train(tmp_path)
    for name in BYTES:
        (out / name).unlink()
    assert digests(train(tmp_path, die_at=(0, 0), how=interrupt)) == digests(unbroken)


def test_corrupt_checkpoint_starts_from_the_beginning(tmp_path, unbroken, caplog):
    (tmp_path / "checkpoints").mkdir()
    whole = (unbroken.parent / "checkpoints/last.ckpt").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0x10
    torch.load(io.BytesIO(flipped), weights_only=True)  # read without a complaint
    for content in (b"", b"not a checkpoint", whole[:5000], bytes(flipped)):
        (tmp_path / "checkpoints/last.ckpt").write_bytes(content)
        assert digests(train(tmp_path)) == digests(unbroken)
        assert "cannot be read" in caplog.text
        caplog.clear()


def test_checkpoint_of_another_version_or_seed_is_not_resumed(tmp_path, unbroken):
    train(tmp_path, version="v0")
    assert digests(train(tmp_path)) == digests(unbroken)
    other = train(tmp_path, seed=8)
    assert digests(other)["last.safetensors"] != digests(unbroken)["last.safetensors"]


def test_t12_workers_are_no_part_of_a_model(tmp_path, unbroken):
    """A training begun without them goes on with one, from its last epoch, and ends in the same files."""
    assert not set(WHERE) & yaml.safe_load((unbroken / "config.yaml").read_text())["training"].keys()
    with pytest.raises(RuntimeError, match="interrupted"):
        train(tmp_path, die_at=(2, 5), how=interrupt)
    # It would die again if it went through the first epochs once more: a worker counts from 0 in each.
    out = train(tmp_path, settings=replace(SETTINGS, workers=1), die_at=(1, 0), how=interrupt)
    assert digests(out) == digests(unbroken)


def test_d19_the_log_says_how_long_it_will_take(tmp_path, caplog):
    caplog.set_level("INFO")
    with pytest.raises(RuntimeError, match="interrupted"):
        train(tmp_path, die_at=(2, 5), how=interrupt)
    train(tmp_path)
    said = [record.message for record in caplog.records if "more" in record.message]
    assert [text.split(" took ")[0] for text in said] == ["epoch 1 of 4", "epoch 3 of 4"]
    assert all(re.fullmatch(r"epoch \d of 4 took \d+ s: at most \d+ s more", text) for text in said)


def test_d19_the_estimate():
    assert estimate(0, 12, 0, 34.0) == "epoch 1 of 12 took 34 s: at most 6 min more"
    assert estimate(0, 12, 2, 34.0) == "epoch 1 of 12 took 34 s: at least 6 min more"
    assert estimate(2, 12, 2, 900.0) == "epoch 3 of 12 took 15 min: at most 2 h 15 min more"
    assert duration(3 * 86_400 + 2 * 3_600) == "3 days 2 h"


@pytest.mark.parametrize("architecture", ["akita", "vehicle"])
@pytest.mark.parametrize("role", ["training", "validation"])
def test_d14_a_training_without_a_valid_pixel_is_refused(tmp_path, architecture, role):
    """Bins at the ends are valid, and cut off (vehicle: none is)."""
    windows = {"training": Windows(4, 1), "validation": Windows(2, 2)}
    windows[role].valid[:] = False
    crop = make(architecture).crop_bins
    windows[role].valid[[*range(crop), *range(GEOMETRY.window_bins - crop, GEOMETRY.window_bins)]] = True
    with pytest.raises(InputError, match=f"arm '{architecture}': no pixel of the {role} windows counts.*max_n_bins"):
        fit_model(make(architecture), *windows.values(), SETTINGS, tmp_path, arm={"name": architecture}, seed=1)
    assert not (tmp_path / "out").exists()


def test_d14_neighbouring_bins_alone_teach_no_ln_oe(tmp_path):
    thin = Windows(4, 1)
    thin.valid[:] = False
    thin.valid[[8, 9]] = True
    with pytest.raises(InputError, match="next to the diagonal"):
        fit_model(make("akita"), thin, Windows(2, 2), SETTINGS, tmp_path, arm={"name": "akita"}, seed=1)
    out = fit_model(make("vehicle"), thin, Windows(2, 2), SETTINGS, tmp_path, arm={"name": "vehicle"}, seed=1)
    assert all(row["train_loss"] > 0 for row in history(out))


def test_hybrid_trains_its_head_first(tmp_path):
    settings = replace(SETTINGS, epochs=3, head_epochs=1, schedule="constant", accumulate=1)
    start = make("hybrid").state_dict()
    with pytest.raises(RuntimeError, match="interrupted"):
        train(tmp_path, "hybrid", settings, die_at=(1, 2), how=interrupt)
    checkpoint = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    changed = {name for name, tensor in start.items() if not torch.equal(checkpoint[f"model.{name}"], tensor)}
    assert changed == {name for name in start if name.startswith("head.")}
    out = train(tmp_path, "hybrid", settings)
    assert [row["learning_rate"] for row in history(out)] == pytest.approx([0.01, 0.001, 0.001])
    final = make("hybrid")
    weights.load(out / "last.safetensors", final, "hybrid")
    assert not torch.equal(final.state_dict()["image.pre_res_block.0.weight"], start["image.pre_res_block.0.weight"])
    assert digests(train(tmp_path / "again", "hybrid", settings)) == digests(out)


def test_stops_when_validation_no_longer_improves(tmp_path):
    settings = replace(SETTINGS, epochs=30, early_stop_epochs=2, learning_rate=0.3, optimiser="adamw")
    rows = history(train(tmp_path, "vehicle", settings))
    best = min(range(len(rows)), key=lambda epoch: rows[epoch]["validation_loss"])
    assert len(rows) == best + 3 < 30


def test_clips_gradients_after_the_backward_pass(tmp_path):
    """Plain SGD moves the weights by learning rate × clipped norm at most."""
    settings = replace(SETTINGS, epochs=1, optimiser="sgd", schedule="constant", accumulate=3, learning_rate=1.0)
    start = make("vehicle").state_dict()
    moved = []
    for norm in (1e-3, 0.0):
        out = train(tmp_path / str(norm), "vehicle", replace(settings, clip_gradient_norm=norm))
        model = make("vehicle")
        weights.load(out / "last.safetensors", model, "vehicle")
        moved.append(sum((p - start[name]).square().sum() for name, p in model.named_parameters()).sqrt().item())
    assert moved[0] == pytest.approx(1e-3, rel=1e-3)
    assert moved[1] > 2e-3


def test_one_cycle_moves_rate_and_first_beta_from_step_to_step(tmp_path):
    """Every step of the optimiser has torch's own, the last of an epoch, of one batch in place of two, too."""
    seen = []

    def note(optimiser, *_):
        seen.append((optimiser.param_groups[0]["lr"], *optimiser.param_groups[0]["betas"]))

    hook = register_optimizer_step_post_hook(note)
    try:
        train(tmp_path, "vehicle", replace(SETTINGS, epochs=17, batch_size=2, optimiser="adamw", schedule="one-cycle"))
    finally:
        hook.remove()
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    cycle = {"total_steps": 17 * 3, "pct_start": 0.025, "div_factor": 100, "final_div_factor": 0.01}
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=0.01, **cycle)
    expected = []
    for step in range(17 * 3):
        expected.append((optimiser.param_groups[0]["lr"], *optimiser.param_groups[0]["betas"]))
        optimiser.step()
        if step < 17 * 3 - 1:
            schedule.step()
    np.testing.assert_allclose(seen, expected, rtol=1e-9)


def test_loss_that_is_not_finite_is_explained(tmp_path):
    diverged, broken = make("akita"), Windows(4, 1)
    torch.nn.init.constant_(diverged.final[0].dense.bias, torch.inf)
    broken.maps[:] = np.nan
    for model, windows, remedy in (
        (diverged, Windows(4, 1), "lower training/learning_rate"),
        (make("akita"), broken, "oe of"),
    ):
        with pytest.raises(InputError, match=f"arm 'akita': .* at epoch 0, step 0; .*{remedy}"):
            fit_model(model, windows, Windows(2, 2), SETTINGS, tmp_path, arm={"name": "akita"}, seed=1)
    with pytest.raises(InputError, match="the validation loss is nan at epoch 0, step 0; oe of"):
        fit_model(make("akita"), Windows(4, 1), broken, SETTINGS, tmp_path, arm={"name": "akita"}, seed=1)


VIT = {"patch_size": 10, "width": 8, "depth": 1, "heads": 2, "decoder_width": 8, "decoder_depth": 1, "decoder_heads": 2}


def test_layers_learn_at_their_own_rates(tmp_path):
    """Adam's first step is the learning rate itself, whatever the gradient; betas of 0 keep it so."""
    torch.manual_seed(0)
    model = registry.build("hicfoundation", GEOMETRY, VIT, STATISTICS)
    torch.nn.init.normal_(model.decoder_map.weight)
    start = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    once = {"epochs": 1, "batch_size": 10, "accumulate": 1, "schedule": "constant", "betas": (0.0, 0.0)}
    settings = replace(SETTINGS, **once, loss="mse_ssim", layer_decay=0.5, clip_gradient_norm=0.0)
    out = fit_model(model, Windows(10, 1), Windows(4, 2), settings, tmp_path, arm={"name": "vit"}, seed=1)
    moved = {name: (parameter - start[name]).abs().max().item() for name, parameter in model.named_parameters()}
    for name, level in (("decoder_map.bias", 0), ("decoder_blocks.0.attn.proj.weight", 1), ("decoder_embed.weight", 2)):
        assert moved[name] == pytest.approx(0.01 * 0.5**level, rel=1e-3), name
    assert moved["vit_backbone.blocks.0.attn.proj.weight"] == pytest.approx(0.01 * 0.5**3, rel=1e-3)
    assert history(out)[0]["learning_rate"] == 0.01


@pytest.mark.parametrize(
    ("architecture", "settings", "message"),
    [("vehicle", {"layer_decay": 0.75}, "training/layer_decay is for"), ("akita", {"loss": "mse_ssim"}, "'oe' maps")],
)
def test_settings_of_another_architecture_are_refused(tmp_path, architecture, settings, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, architecture, replace(SETTINGS, **settings))


@pytest.mark.parametrize(("sizes", "role"), [((0, 2), "training"), ((2, 0), "validation")])
def test_empty_split_is_refused(tmp_path, sizes, role):
    with pytest.raises(InputError, match=f"no {role} window"):
        windows = Windows(sizes[0], 1), Windows(sizes[1], 1)
        fit_model(make("akita"), *windows, SETTINGS, tmp_path, arm={"name": "akita"}, seed=1)


def test_epoch_order_is_a_permutation_that_changes():
    orders = [list(EpochOrder(11, 3, epoch)) for epoch in range(3)]
    assert all(sorted(order) == list(range(11)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    assert orders[1] == list(EpochOrder(11, 3, 1))
    shares = [list(EpochOrder(11, 3, 1, rank, 3)) for rank in range(3)]
    assert {len(share) for share in shares} == {4}
    assert set().union(*shares) == set(range(11))
