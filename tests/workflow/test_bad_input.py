"""What a user gets wrong: a clear error that names the file or field and the remedy, before or at the step concerned.

What single readers refuse is tested beside them (tests/unit/io, tests/unit/data, tests/models); here, that it reaches
the person who runs the workflow, and that nothing half-written stays.
"""

import os
import re
import shutil
import subprocess

import pytest
import yaml

RESULTS = "results/smoke"


@pytest.fixture
def workspace(make_workspace, tmp_path):
    return make_workspace(tmp_path / "trifold")


@pytest.mark.parametrize(
    "overlay, words",
    [
        ("geometry: {bin_pb: 256}", ["bin_pb"]),
        ("arms: {sequence: {architecture: akitta}}", ["arms/sequence/architecture", "akitta", "akita"]),
        ("arms: {image: {degradation: lwo}}", ["arms/image/degradation", "lwo", "low"]),
        ("arms: {image: {training: {epoch: 3}}}", ["arms/image/training", "epoch", "epochs"]),
        ("samples: {alpha: {contacts: nowhere.mcool}}", ["nowhere.mcool", "resources/datasets.tsv"]),
        ("seeds: []", ["seeds"]),
        ("splits: {a: {test: []}}", ["splits/a/test", "held out"]),
        (
            "arms: {mine: {architecture: vehicle, weights: results/fly/mine}}",
            ["arms/mine/weights", "results/fly/mine/artifact.json"],
        ),
    ],
)
def test_a_wrong_config_is_refused_before_anything_runs(workspace, overlay, words):
    workspace.overlay("wrong.yaml", overlay)
    done = workspace.run("-n", "--configfile", "smoke.yaml", "wrong.yaml", configfile=None, check=False)
    assert done.returncode != 0
    for word in words:
        assert word in done.text
    assert not (workspace.folder / "results").exists()


def test_a_wrong_table_of_data_sets_is_refused(workspace):
    path = workspace.folder / "resources/datasets.tsv"
    path.write_text(path.read_text().replace("\tpinned\t", "\tpined\t", 1))
    done = workspace.run("-n", check=False)
    assert done.returncode != 0
    assert "pined" in done.text


def fails(workspace, target, words, *overlay):
    """The run fails, and the words stand in the one error that the user sees (D19): a line with the log's path and no
    traceback, as it stands in the log; what the target's folder held is gone."""
    configs = ["--configfile", "smoke.yaml", *overlay]
    done = workspace.run(target, *configs, configfile=None, check=False)
    assert done.returncode != 0
    errors = re.findall("^error: .*$", done.text, flags=re.MULTILINE)
    assert len(errors) == 1, done.text[-3000:]
    for word in words:
        assert word in errors[0]
    assert "Traceback" not in done.text
    (log,) = re.findall(r"\(log: (.*)\)$", errors[0])
    assert (workspace.folder / log).read_text().splitlines()[-1] == errors[0]
    assert not (workspace.folder / target).exists()
    assert not list((workspace.folder / "results").rglob(".*.partial"))


def test_a_window_larger_than_every_chromosome(copy_of_finished):
    overlay = copy_of_finished.overlay("wrong.yaml", "geometry: {window_bins: 1024, stride_bins: {train: 16}}")
    fails(copy_of_finished, f"{RESULTS}/examples/corrected/low/alpha/fold-a/tiles.tsv", ["window_bins"], overlay)


def test_a_split_of_a_chromosome_that_is_not_there(copy_of_finished):
    overlay = copy_of_finished.overlay("wrong.yaml", "splits: {a: {test: [chr9]}}")
    fails(copy_of_finished, f"{RESULTS}/splits/a/regions.bed", ["no chromosome chr9", "chr6"], overlay)


def test_d14_a_genome_of_n_alone(copy_of_finished):
    """Where the geometry lets every window pass: nothing of them could be learned or scored."""
    sizes = yaml.safe_load((copy_of_finished.folder / "smoke.yaml").read_text())["simulate"]["chromosomes"]
    (copy_of_finished.folder / "n.fa").write_text("".join(f">{name}\n{'N' * size}\n" for name, size in sizes.items()))
    overlay = copy_of_finished.overlay("wrong.yaml", "geometry: {max_n_bins: 32}\ngenome: {fasta: n.fa}")
    words = ["held-back/alpha/low/map.cool", "train windows", "100% hold an N", "genome/fasta", "max_n_bins"]
    fails(copy_of_finished, f"{RESULTS}/examples/corrected/low/alpha/fold-a/tiles.tsv", words, overlay)


def test_a_truncated_map(copy_of_finished):
    path = copy_of_finished.folder / "broken.mcool"
    whole = (copy_of_finished.folder / RESULTS / "simulate/alpha.mcool").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    overlay = copy_of_finished.overlay("wrong.yaml", "samples: {alpha: {contacts: broken.mcool}}")
    fails(copy_of_finished, f"{RESULTS}/contacts/alpha/deep/map.cool", ["broken.mcool", "fetch it again"], overlay)


def test_a_map_without_the_resolution(copy_of_finished):
    overlay = copy_of_finished.overlay("wrong.yaml", "geometry: {bin_bp: 100}")
    target = f"{RESULTS}/contacts/alpha/deep/map.cool"
    fails(copy_of_finished, target, ["alpha.mcool", "100", "256"], overlay)


def test_a_genome_that_lacks_a_chromosome_of_the_map(copy_of_finished):
    (copy_of_finished.folder / "other.fa").write_text(">chromosome_1\n" + "ACGT" * 40_000 + "\n")
    overlay = copy_of_finished.overlay("wrong.yaml", "genome: {fasta: other.fa}")
    target = f"{RESULTS}/contacts/alpha/deep/map.cool"
    fails(copy_of_finished, target, ["chromosome_1", "chr1", "rename"], overlay)


def test_a_bam_of_another_assembly(copy_of_finished):
    """The lengths differ: the BAM of the simulated genome against a genome cut short."""
    source = copy_of_finished.folder / RESULTS / "simulate/alpha.dnase.bam"
    shutil.copy(source, copy_of_finished.folder / "own.bam")
    shutil.copy(copy_of_finished.folder / RESULTS / "simulate/alpha.mcool", copy_of_finished.folder / "own.mcool")
    overlay = copy_of_finished.overlay(
        "wrong.yaml",
        "simulate: {chromosomes: {chr1: 170000}}\nsamples: {alpha: {contacts: own.mcool, tracks: {dnase: [own.bam]}}}",
    )
    target = f"{RESULTS}/tracks/alpha/dnase/bins.npy"
    fails(copy_of_finished, target, ["own.bam", "chr1", "assembly"], overlay)


def test_a_training_that_diverges(copy_of_finished):
    overlay = copy_of_finished.overlay(
        "wrong.yaml",
        "training: {optimiser: sgd, clip_gradient_norm: 0, schedule: constant}\n"
        "arms: {sequence: {training: {learning_rate: 1.0e+30}}}",
    )
    target = f"{RESULTS}/models/sequence/fold-a/seed-1/weights.safetensors"
    fails(copy_of_finished, target, ["sequence", "epoch", "learning_rate"], overlay)


def test_a_model_that_does_not_fit_its_arm(copy_of_finished):
    """Weights of another architecture under the arm's name."""
    models = copy_of_finished.folder / RESULTS / "models"
    shutil.copytree(models / "image/fold-a/seed-1", copy_of_finished.folder / "mine")
    shutil.copy(models / "sequence/fold-a/seed-1/weights.safetensors", copy_of_finished.folder / "mine")
    overlay = copy_of_finished.overlay("wrong.yaml", "arms: {mine: {architecture: vehicle, weights: mine}}")
    target = f"{RESULTS}/predictions/mine/fold-a/seed-0/alpha/map.cool"
    fails(copy_of_finished, target, ["mine/weights.safetensors", "do not fit", "image"], overlay)


@pytest.mark.chaos
def test_a_damaged_intermediate(copy_of_finished):
    """A flipped bit: who reads it refuses, `verify` names it, `mend` takes it away, and it is made again as it was."""
    name = f"{RESULTS}/contacts/alpha/low/map.cool"
    path = copy_of_finished.folder / name
    whole = path.read_bytes()
    body = bytearray(whole)
    body[len(body) // 2] ^= 1
    stamp = path.stat().st_mtime_ns
    path.write_bytes(body)
    os.utime(path, ns=(stamp, stamp))  # as a disk does it
    assert copy_of_finished.jobs() == {}, "Snakemake itself compares no contents"
    words = ["results/smoke/contacts/alpha/low", "map.cool is changed", "snakemake mend"]
    for arguments in (("verify",), ("--forcerun", "examples", "--until", "examples")):
        done = copy_of_finished.run(*arguments, check=False)
        assert done.returncode != 0
        for word in words:
            assert word in done.text, done.text[-3000:]
    copy_of_finished.run("mend")
    assert not path.parent.exists()
    copy_of_finished.run(name)
    assert path.read_bytes() == whole


@pytest.mark.chaos
@pytest.mark.parametrize(
    "name", ["figures/artifact.json", "tables/scores.tsv", "tables/artifact.json", "report/index.html", "manifest.json"]
)
def test_what_a_person_reads_is_made_again(copy_of_finished, name):
    """Nothing is made from it, but after `mend` plain `snakemake` makes it, and what lies beside it, as it was."""
    root = copy_of_finished.folder / RESULTS
    before = {path: path.read_bytes() for kind in ("svg", "png", "tsv") for path in root.glob(f"*/*.{kind}")}
    (root / name).unlink()
    copy_of_finished.run("mend")
    copy_of_finished.run()
    assert (root / name).exists()
    assert {path for path in before if not path.exists() or path.read_bytes() != before[path]} == set()
    copy_of_finished.run("verify")


@pytest.mark.chaos
@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is made by mounting a small tmpfs, which needs root")
def test_a_full_disk(copy_of_finished):
    """The examples meet a full disk: the error says so, nothing half-written stays, and with room the run goes on."""
    folder = copy_of_finished.folder / RESULTS / "examples"
    shutil.rmtree(folder)
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    assert mounted.returncode == 0, mounted.stderr
    try:
        target = f"{RESULTS}/examples/corrected/low/alpha/fold-a/tiles.tsv"
        done = copy_of_finished.run(target, check=False)
        assert done.returncode != 0
        # Nothing that a setting would cure: the traceback says where it was met, once.
        assert "OSError: [Errno 28] No space left on device" in done.text, done.text[-3000:]
        assert done.text.count("uncaught exception") == 1
        assert not list(folder.rglob(".*.partial"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    copy_of_finished.run(f"{RESULTS}/examples/corrected/low/alpha/fold-a/tiles.tsv")
