"""Kill -9 in the middle, run again: the same result, nothing half-written."""

import functools
import hashlib
import http.server
import threading
import time

import pandas as pd
import pytest

from trifold import provenance

pytestmark = pytest.mark.chaos
RESULTS = "results/smoke"


def digests(folder):
    """Contents of a folder, records and TensorBoard's time-stamped events left out."""
    return {
        str(path.relative_to(folder)): provenance.digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(provenance.RECORD) and "tensorboard" not in path.parts
    }


def test_killed_examples_are_the_same_examples(copy_of_finished):
    folder = copy_of_finished.folder / RESULTS / "examples/corrected/low/alpha/fold-a"
    before = digests(folder)
    partial = folder.parent / ".fold-a.partial"
    copy_of_finished.kill_when(
        lambda: (partial / "deep_oe.npy").exists() or (partial / "tiles.tsv").exists(),
        "--forcerun",
        "examples",
        "--until",
        "examples",
    )
    assert not (folder / "artifact.json").exists(), "what was killed has no artifact"
    copy_of_finished.run(f"{RESULTS}/examples/corrected/low/alpha/fold-a/tiles.tsv")
    assert digests(folder) == before
    assert not partial.exists()


def killed_training(workspace):
    """Kill the training of the image arm after its first epoch; the model's folder and what it held before."""
    folder = workspace.folder / RESULTS / "models/image/fold-a/seed-1"
    before = digests(folder)
    checkpoints = workspace.folder / RESULTS / "checkpoints"
    workspace.kill_when(
        lambda: any(checkpoints.glob("*/last.ckpt")),
        "--forcerun",
        "train",
        "--until",
        f"{RESULTS}/models/image/fold-a/seed-1/artifact.json",
    )
    assert not (folder / "artifact.json").exists()
    assert any(checkpoints.glob("*/last.ckpt")), "the checkpoint outlives the kill"
    return folder, before


def trained_again(workspace, settings: str) -> str:
    """Train it with other settings of the arm's training; returns the log."""
    overlay = workspace.overlay("changed.yaml", f"arms: {{image: {{training: {settings}}}}}")
    target = f"{RESULTS}/models/image/fold-a/seed-1/artifact.json"
    workspace.run(target, "--configfile", "smoke.yaml", overlay, configfile=None)
    assert list((workspace.folder / RESULTS / "checkpoints").iterdir()) == [], "those of earlier versions are gone too"
    return (workspace.folder / "logs/smoke/train/image/fold-a/seed-1.log").read_text()


def test_t12_a_killed_training_resumes_to_the_same_weights_with_other_workers(copy_of_finished):
    folder, before = killed_training(copy_of_finished)
    log = trained_again(copy_of_finished, "{workers: 1}")
    assert "resuming after 1 epochs" in log
    assert digests(folder) == before


def test_t12_a_killed_training_of_other_settings_says_why_it_starts_anew(copy_of_finished):
    folder, before = killed_training(copy_of_finished)
    log = trained_again(copy_of_finished, "{learning_rate: 0.002}")
    assert "resuming" not in log
    assert "training starts from epoch 1" in log
    assert "the parameters (arm/training/learning_rate 0.001 -> 0.002)" in log
    assert digests(folder)["weights.safetensors"] != before["weights.safetensors"]


class SlowHandler(http.server.SimpleHTTPRequestHandler):
    """Sends a file in small pieces with pauses, and honours a range."""

    ranges: list = []  # noqa: RUF012

    def log_message(self, *_):
        pass

    def do_GET(self):
        data = (self.directory_path / self.path.lstrip("/")).read_bytes()
        first = 0
        if wanted := self.headers.get("Range"):
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.ranges.append(first)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        try:
            for start in range(first, len(data), 1 << 18):
                self.wfile.write(data[start : min(start + (1 << 18), len(data))])
                time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            pass


@pytest.fixture
def slow_server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(SlowHandler, directory=str(folder))
    SlowHandler.directory_path, SlowHandler.ranges = folder, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_killed_download_goes_on_where_it_stopped(make_workspace, slow_server, tmp_path):
    served, address = slow_server
    data = hashlib.sha256(b"seed").digest() * 150_000  # 4.8 MB: two seconds
    (served / "data.bin").write_bytes(data)
    workspace = make_workspace(tmp_path / "trifold")
    path = workspace.folder / "resources/datasets.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    row = dict.fromkeys(table.columns, "") | {
        "file": "data.bin",
        "assay": "hic",
        "url": f"{address}/data.bin",
        "bytes": str(len(data)),
        "sha256": hashlib.sha256(data).hexdigest(),
        "status": "pinned",
        "origin": "this test",
    }
    pd.concat([table, pd.DataFrame([row])]).to_csv(path, sep="\t", index=False)
    target, partial = (workspace.folder / "resources/raw" / name for name in ("data.bin", ".data.bin.partial"))
    workspace.kill_when(lambda: partial.exists() and partial.stat().st_size > 1_000_000, "resources/raw/data.bin")
    assert not target.exists()
    have = partial.stat().st_size
    workspace.run("resources/raw/data.bin")
    assert target.read_bytes() == data
    assert SlowHandler.ranges == [have], "only what was missing was fetched"
    assert not partial.exists()
