"""What becomes of the tables when things go wrong: faults at seeded random moments of the smoke workflow.

First an undisturbed run, then one in another folder that is killed, starved of disk, and loses or damages files on its
way; then damage to what is finished. After each, what docs/trust.md tells a user to do. In the end the tables, and
every other file that is meant to be, must be the same bytes as the undisturbed run's.

    python tests/chaos/faults.py --seed 1 --minutes 5 [--undisturbed FOLDER]

Prints each fault, then a table of faults tried and survived, which it writes to results/chaos.tsv too. Fails if a table
differs, a damage goes unnoticed, or a run cannot be brought to its end.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests/workflow")]
from conftest import Workspace  # noqa: E402

from trifold import provenance  # noqa: E402
from trifold.errors import InputError  # noqa: E402

RESULTS = "results/smoke"
LONGEST_RUN_S = 1800
DISK = "48m"
FIRST = ["job killed", "Snakemake killed", "disk full", "file deleted", "bytes flipped", "file cut short"]
DAMAGES = FIRST[3:]
# Times and TensorBoard's events are of one run; what is drawn or printed with them is the report's.
OF_ONE_RUN = {"report", "manifest"}


def is_of_one_run(name: str) -> bool:
    return name.split("/")[0] in OF_ONE_RUN or "tensorboard" in name


class Failure(Exception):
    """The workflow did not survive."""


class Chaos:
    def __init__(self, workspace: Workspace, seed: int):
        self.workspace, self.random = workspace, random.Random(seed)
        self.root = workspace.folder / RESULTS
        self.tried, self.survived = Counter(), Counter()
        self.started = time.monotonic()

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.started:6.0f} s  {text}", flush=True)

    # ---------------------------------------------------------------- what a user does

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.workspace.command(*arguments),
            cwd=self.workspace.folder,
            env=self.workspace.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST_RUN_S,
        )

    def must(self, *arguments: str) -> str:
        done = self.snakemake(*arguments)
        if done.returncode:
            raise Failure(f"snakemake {' '.join(arguments)}\n{done.stdout[-5000:]}")
        return done.stdout

    def go_on(self) -> None:
        """Start again; where a job refuses what is damaged, mend and start again."""
        if self.snakemake().returncode:
            self.must("mend")
            self.must()

    def complete(self) -> None:
        """Ask by name for what was lost after all that is made from it was there, then for that again."""
        with contextlib.chdir(self.workspace.folder):
            lost = provenance.verify(RESULTS)[1]  # folders; of artifacts that share one, the record
        if lost:
            self.say(f"asked for by name: {', '.join(lost)}")
            self.must(*(name if name.endswith(provenance.RECORD) else f"{name}/{provenance.RECORD}" for name in lost))
            self.must()

    # ---------------------------------------------------------------- faults while it runs

    def scripts(self, process: subprocess.Popen) -> list[psutil.Process]:
        """Jobs of a run that are in their script."""
        found = []
        try:
            for one in psutil.Process(process.pid).children(recursive=True):
                if any(".snakemake/scripts" in word for word in one.cmdline()):
                    found.append(one)
        except psutil.NoSuchProcess:
            pass
        return found

    def disturb(self, kind: str) -> bool:
        """One start of the workflow with one fault in it; false if it came to its end before."""
        process = subprocess.Popen(
            self.workspace.command(),
            cwd=self.workspace.folder,
            env=self.workspace.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wanted, done = self.random.randint(1, 3), set()  # the fault comes in this many jobs' time
        try:
            while process.poll() is None:
                jobs = self.scripts(process)
                done |= {job.pid for job in jobs}
                if jobs and len(done) >= wanted:
                    time.sleep(self.random.uniform(0, 3))
                    if self.strike(kind, process):
                        self.tried[kind] += 1
                        return True
                time.sleep(0.02)
            return False
        finally:
            self.stop(process)

    def strike(self, kind: str, process: subprocess.Popen) -> bool:
        if kind == "job killed":
            if not (jobs := self.scripts(process)):
                return False
            job = self.random.choice(jobs)
            try:
                self.say(f"kill -9 of a job: {Path(job.cmdline()[-1]).name.partition('.')[2]}")
                job.kill()
            except psutil.NoSuchProcess:
                return False
            process.wait(LONGEST_RUN_S)
        elif kind == "Snakemake killed":
            self.say("kill -9 of Snakemake and all its jobs")
            self.stop(process)
        elif kind == "disk full":
            self.say("the disk is full")
            ballast = self.root.parent / "ballast"
            try:
                with open(ballast, "wb", buffering=0) as handle:
                    while handle.write(bytes(1 << 16)):
                        pass
            except OSError:
                pass
            self.wait(process, 60)
            ballast.unlink()
        else:
            if not (files := self.finished()):
                return False
            self.damage(kind, self.random.choice(files))
            self.wait(process, self.random.uniform(2, 20))
        return True

    def wait(self, process: subprocess.Popen, seconds: float) -> None:
        """For a run to end by itself; one that goes on is killed by who began it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)

    def stop(self, process: subprocess.Popen) -> None:
        """Nothing of a run survives; a lock that it leaves is taken away as the documents say."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self.must("--unlock")

    # ---------------------------------------------------------------- damage

    def finished(self) -> list[Path]:
        """Files of finished artifacts, their records too."""
        found = []
        try:
            for one in provenance.manifest(self.root):
                found += [self.root / one["folder"] / name for name in (*one["files"], one["record"])]
        except InputError:  # a record that is just being replaced
            return []
        return [path for path in found if path.is_file() and path.stat().st_size]

    def damage(self, kind: str, path: Path) -> None:
        self.say(f"{kind}: {path.relative_to(self.root)}")
        if kind == "file deleted":
            path.unlink()
            return
        body = bytearray(path.read_bytes())
        if kind == "file cut short":
            del body[self.random.randrange(len(body)) :]
        else:
            for _ in range(3):
                body[self.random.randrange(len(body))] ^= 1 << self.random.randrange(8)
        path.write_bytes(body)

    def record_of(self, path: Path) -> Path:
        """The record of the artifact that a file belongs to."""
        for one in provenance.manifest(self.root):
            place = self.root / one["folder"]
            if path in (place / one["record"], *(place / name for name in one["files"])):
                return place / one["record"]
        raise Failure(f"{path}: belongs to no artifact")

    def spoil(self, kind: str) -> None:
        """Damage to the finished experiment: `verify` names it, `mend` takes it away, the workflow makes it again."""
        path = self.random.choice(self.finished())
        before, record = provenance.digest_file(path), self.record_of(path)
        self.damage(kind, path)
        if path.exists() and provenance.digest_file(path) == before:
            return  # the same bit twice
        self.tried[kind] += 1
        told = self.snakemake("verify")
        name = path.relative_to(self.workspace.folder)
        # Files in folders of their own (TensorBoard's events) are named within the artifact's.
        if not told.returncode or f"{RESULTS}/{record.parent.relative_to(self.root)}" not in told.stdout:
            raise Failure(f"{name}: verify does not name it\n{told.stdout[-3000:]}")
        self.must("mend")
        if path.exists():
            raise Failure(f"{name}: mend leaves it")
        self.must()
        # The name of TensorBoard's events has the time in it.
        again = record if "tensorboard" in name.parts else path
        if not again.exists():  # nothing needed it
            self.complete()
        if not again.exists():
            raise Failure(f"{name}: is not made again")
        self.survived[kind] += 1

    # ---------------------------------------------------------------- the whole

    def disturbed_run(self, end: float) -> Counter:
        """From nothing to the end through one fault of every kind, twice where the time allows: how many of each."""
        kinds = [kind for kind in FIRST if kind != "disk full" or self.mounted]
        order = self.random.sample(kinds, len(kinds)) + self.random.sample(kinds, len(kinds))
        struck = Counter()
        for kind in order:
            if time.monotonic() > end or not self.disturb(kind):
                break
            struck[kind] += 1
            if kind in DAMAGES:
                self.must("mend")
        self.go_on()
        self.complete()
        return struck

    def mount(self) -> None:
        """A disk of its own that can be filled, where that is allowed."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(self.root.parent)]
        self.mounted = subprocess.run(command, capture_output=True).returncode == 0
        if not self.mounted:
            self.say("no disk can be mounted here: a full one is not tried")

    def unmount(self) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.root.parent)], check=True)


def contents(root: Path) -> dict[str, str]:
    """sha256 of every file that a record lists, by name; the version of every artifact."""
    found = {}
    for one in provenance.manifest(root):
        found[f"version of {one['folder']}/{one['record']}"] = one["version"]
        for name in one["files"]:
            if not is_of_one_run(f"{one['folder']}/{name}"):
                found[f"{one['folder']}/{name}"] = provenance.digest_file(root / one["folder"] / name)
    return found


def compare(expected: Path, found: Path) -> str:
    """Raises Failure for the first files that differ; returns what was compared."""
    one, other = contents(expected), contents(found)
    if differs := sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name)):
        raise Failure(f"{len(differs)} differ: {', '.join(differs[:10])}")
    tables = [name for name in one if name.startswith("tables/")]
    return f"{len(one)} files and versions are the same, {len(tables)} of the tables among them"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0, help="of faults, after the undisturbed run")
    parser.add_argument("--undisturbed", type=Path, help="a finished copy of the smoke experiment; none: it is run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trifold-chaos-") as folder:
        chaos = Chaos(Workspace(Path(folder) / "disturbed" / "trifold", REPOSITORY), asked.seed)
        if asked.undisturbed is None:
            chaos.say("an undisturbed run")
            undisturbed = Workspace(Path(folder) / "undisturbed", REPOSITORY)
            undisturbed.run()
            asked.undisturbed = undisturbed.folder
        expected = asked.undisturbed / RESULTS
        chaos.mount()
        failed = True
        try:
            struck = chaos.disturbed_run(time.monotonic() + 0.6 * 60 * asked.minutes)
            chaos.must("verify")
            chaos.say(f"through to the end: {compare(expected, chaos.root)}")
            chaos.survived += struck
            rounds, end = 0, time.monotonic() + 0.4 * 60 * asked.minutes
            while time.monotonic() < end:
                chaos.spoil(DAMAGES[rounds % len(DAMAGES)])
                rounds += 1
            chaos.must("verify")
            chaos.say(f"after {rounds} more: {compare(expected, chaos.root)}")
            failed = False
        except Failure as failure:
            chaos.say(f"NOT SURVIVED: {failure}")
        finally:
            chaos.unmount()
    lines = ["fault\ttried\tsurvived", *(f"{kind}\t{chaos.tried[kind]}\t{chaos.survived[kind]}" for kind in FIRST)]
    print("\n".join(lines))
    out = REPOSITORY / "results"
    out.mkdir(exist_ok=True)
    (out / "chaos.tsv").write_text("\n".join(lines) + "\n")
    if failed or not chaos.tried or chaos.tried != chaos.survived:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
