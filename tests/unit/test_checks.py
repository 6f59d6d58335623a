"""What a configuration must say beyond its schema: every wrong value is refused before a job, by field and remedy."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
import yaml

from trifold import checks, plan, settings
from trifold.architectures import ARCHITECTURES, check_window, windows_of
from trifold.errors import InputError
from trifold.io.widths import bin_widths


@pytest.fixture
def config():
    return {
        "seeds": [1, 2],
        "genome": {"fasta": "genome.fa"},
        "geometry": {"bin_bp": 1000, "window_bins": 64},
        "predict": {"stride_bins": None},
        "tracks": {"bin_bp": 100, "effective_genome_size": None, "zero_where_uncovered": [], "strands": []},
        "pairs": {"band_bins": 500, "expression": []},
        "splits": {"a": {"kind": "random"}, "b": {"kind": "random", "on_demand": True}},
        "samples": {"alpha": {"contacts": "alpha.cool"}},
        "degradations": {"low": {"coarsen": 2, "thin": 16, "share_reads": False}},
        "training": {"loss": "mse", "loss_weights": {}},
        "evaluate": {"samples": ["alpha"], "comparison": {"reference_arms": []}},
        "arms_used": None,
        "shared": {},
        "arms": {
            "gaussian": {"architecture": "gaussian"},
            "sequence": {"architecture": "akita", "options": {"crop_bins": 0}},
            "image": {"architecture": "vehicle"},
            "vae": {"architecture": "vae"},
        },
        "enhance": {},
        "structure": {"samples": []},
    }


def check(config):
    checks.check(config, plan.resolve(config))


def refused(config, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        check(config)
    assert "\n" not in str(error.value)


def test_a_sound_configuration_passes(config):
    check(config)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"samples": ["alhpa"]}, "config: structure/samples: 'alhpa' is not one of alpha"),
        ({"min_bp": 63_000}, "config: structure/min_bp: 63000 leaves no loop below max_bp, 63000"),
        ({"window_bp": 32_000}, "config: structure/window_bp: 32000 reaches beyond max_bp, 63000"),
        ({"window_bp": 5_000}, "window_bp: 5000 is no whole number of bins of the low map 'low', 2000 bp; change it"),
    ],
)
def test_structure_that_cannot_be_called_is_refused(config, said, message):
    usual = {"samples": ["alpha"], "min_bp": None, "max_bp": None, "window_bp": None}
    config["evaluate"]["scoring"] = {"max_distance_bins": None}
    config["structure"] = usual
    check(config)
    config["structure"] = {**usual, **said}
    refused(config, message)
    # Where it is not asked for, nothing of it is looked at.
    config["structure"]["samples"] = []
    check(config)


def test_structure_of_a_sample_without_the_tracks_that_an_arm_reads_is_refused(config, monkeypatch):
    reads = replace(ARCHITECTURES["vehicle"], inputs=frozenset({"map", "tracks"}))
    monkeypatch.setitem(ARCHITECTURES, "vehicle", reads)
    config["evaluate"]["scoring"] = {"max_distance_bins": None}
    config["samples"]["alpha"]["tracks"] = {"atac": "atac.bw"}
    config["samples"]["beta"] = {"contacts": "beta.cool"}
    config["arms"]["image"] |= {"tracks": ["atac"], "samples": ["alpha"]}
    config["structure"] = {"samples": ["alpha"], "min_bp": None, "max_bp": None, "window_bp": None}
    check(config)
    config["structure"]["samples"] = ["alpha", "beta"]
    refused(config, "config: structure/samples: 'beta' has no track ['atac'], which arms/image reads; give it under")


def test_samples_and_their_low_maps_are_known(config):
    with pytest.raises(InputError, match=r"config: evaluate/samples: \['alhpa'\] is not one of \['alpha'\]"):
        plan.selected({**config, "evaluate": {**config["evaluate"], "samples": ["alhpa"]}})
    config["samples"]["alpha"]["low"] = {"lwo": "low.cool"}
    refused(config, "config: samples/alpha/low: 'lwo' is not one of low")


def test_d5_a_fasta_is_asked_for_by_the_arms_that_read_it(config):
    del config["genome"]["fasta"]
    refused(config, "config: genome/fasta: the arms sequence read the sequence of the genome; name its FASTA")
    del config["arms"]["sequence"]
    check(config)
    config["samples"]["alpha"]["tracks"] = {"atac": ["reads.bam"]}
    refused(config, "config: tracks/effective_genome_size: the track 'atac' of 'alpha' is made of reads")
    config["tracks"]["effective_genome_size"] = 12_000_000
    check(config)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_d18_a_window_is_as_large_as_the_network_needs(name):
    """The least window is taken and the next smaller refused; tests/models/test_registry.py builds them on both."""
    least, step = windows_of(name, {})
    check_window(name, {}, least, "arms/x")
    with pytest.raises(InputError, match=f"window_bins: {least - step} .*arms/x.* needs at least {least}"):
        check_window(name, {}, least - step, "arms/x")


def test_d18_windows_and_strides_are_whole_low_bins(config):
    config["geometry"]["window_bins"] = 63
    refused(config, "config: geometry/window_bins: 63 is no multiple of degradations/low/coarsen, 2")
    config["geometry"]["window_bins"] = 12
    refused(config, "config: geometry/window_bins: 12 bins do not suit arms/image: 'vehicle' needs at least 13")
    config["geometry"]["window_bins"] = 64
    config["predict"]["stride_bins"] = 7
    refused(config, "config: predict/stride_bins: 7 is no multiple of degradations/low/coarsen, 2")
    config["predict"]["stride_bins"] = 52
    refused(
        config, "config: predict/stride_bins: 52 leaves holes between the tiles of arms/image, which predicts 52 bins"
    )
    config["predict"]["stride_bins"] = 50
    check(config)


def test_d6_a_reference_arm_is_one_that_is_evaluated(config):
    config["evaluate"]["comparison"]["reference_arms"] = ["gaussian"]
    check(config)
    config["arms"]["gaussian"]["maps"] = False
    refused(config, "reference_arms: 'gaussian' is an arm whose whole maps are not scored")


@pytest.mark.parametrize(
    "arm, message",
    [
        ({"training": {"loss": "vehicle"}}, "arm 'image': the vae term of loss 'vehicle' needs a trained network"),
        (
            {"loss_networks": {"vae": "vae"}},
            "arm 'image': training/loss mse, training/loss_weights and loss_networks (vae given) are for models that "
            "predict maps with an adversarial",
        ),
        ({"training": {"loss": "hicsr", "loss_weights": {"vae": 1}}}, "loss 'hicsr' has no term vae"),
    ],
)
def test_t6_a_loss_has_the_networks_it_looks_through_and_no_other(config, arm, message):
    config["arms"]["image"] |= arm
    refused(config, message)


@pytest.mark.parametrize(
    "training, said",
    [
        ({"loss": "vehicle"}, "training/loss vehicle, training/loss_weights and loss_networks (none given)"),
        ({"loss_weights": {"vae": 1}}, "training/loss mse, training/loss_weights and loss_networks (none given)"),
    ],
)
def test_t6_an_auto_encoder_has_a_loss_of_its_own(config, training, said):
    config["arms"]["vae"]["training"] = training
    refused(config, f"arm 'vae': {said} are for models that predict maps with an adversarial loss")
    with pytest.raises(InputError, match="for any other arm set loss: mse, l1 or mse_ssim and remove the other two"):
        check(config)


def test_a_discriminator_of_whole_tiles_has_maps_that_large(config):
    """hicGAN's reads 40 bins: of what a corrected arm crops, of the window where a published one crops nothing."""
    arm = config["arms"]["image"] = {"architecture": "hicgan", "training": {"loss": "hicgan"}}
    config["geometry"]["window_bins"] = 52
    check(config)
    config["geometry"]["window_bins"] = 50
    refused(config, "arms/image: the discriminator of loss hicgan reads maps of 40 bins, and the arm predicts 38 of a ")
    arm["protocol"] = "published"
    check(config)


def test_an_experiment_has_an_arm_to_score(config):
    for arm in config["arms"].values():
        arm["maps"] = False
    refused(config, "config: arms: there is none whose whole maps are scored")


def test_weights_are_a_published_file_or_the_folder_of_a_model(config, tmp_path):
    config["arms"]["image"]["weights"] = str(tmp_path)
    with pytest.raises(InputError, match=r"config: arms/image/weights: .*artifact\.json is not there; run"):
        checks.check_weights(config, ["weights_deephic.pth"])
    (tmp_path / "artifact.json").touch()
    checks.check_weights(config, [])
    (tmp_path / "config.yaml").write_text("arm: {geometry: {bin_bp: 1000}}")
    checks.check_weights(config, [])
    (tmp_path / "config.yaml").write_text("arm: {geometry: {bin_bp: 2000}}")
    with pytest.raises(InputError, match="is a model of bins of 2000 bp, and geometry/bin_bp is 1000; give a model"):
        checks.check_weights(config, [])
    config["arms"]["image"]["weights"] = "weights_deephic.pth"
    checks.check_weights(config, ["weights_deephic.pth"])
    for name in ("weights_depehic.pth", str(tmp_path / "weights_deephic.pth")):
        config["arms"]["image"]["weights"] = name
        with pytest.raises(InputError, match=r"a published file is named .* did you mean weights_deephic.pth?"):
            checks.check_weights(config, ["weights_deephic.pth"])


@pytest.mark.parametrize(
    "split, message",
    [
        (
            {"kind": "chromosomes", "validation": ["1"], "test": ["1"]},
            "splits/a: 1 stands twice in validation and test",
        ),
        ({"kind": "chromosomes", "validation": [], "test": []}, "splits/a/test: no chromosome is held out"),
        ({"kind": "chromosomes", "validation": ["M"], "test": ["2"]}, "splits/a: M is under genome/exclude"),
        ({"kind": "random", "fractions": {"validation": 0.8, "test": 0.3}}, "splits/a/fractions: validation and test"),
    ],
)
def test_d9_a_split_that_cannot_be_is_refused(config, tmp_path, split, message):
    config["genome"]["exclude"] = ["M"]
    config["splits"] = {"a": split}
    with pytest.raises(InputError, match=f"config: {message}"):
        checks.check_splits(config, tmp_path)


def test_a_folds_file_is_there(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config["genome"]["exclude"] = []
    config["splits"] = {"a": {"kind": "bed", "path": "regions/a.bed"}}
    with pytest.raises(InputError, match=r"config: splits/a/path: regions/a\.bed: no such file"):
        checks.check_splits(config, tmp_path / "workflow")
    (tmp_path / "workflow/regions").mkdir(parents=True)
    (tmp_path / "workflow/regions/a.bed").touch()
    checks.check_splits(config, tmp_path / "workflow")


# ---------------------------------------------------------------- tasks on windows about pairs of bins


EPCOT = {"architecture": "epcot", "task": "window", "samples": ["alpha"]}


@pytest.fixture
def pairs(config):
    """The same with arms of every task on windows about pairs, and what they read."""
    mixhic = {"architecture": "mixhic", "samples": ["alpha"], "tracks": ["atac"]}
    config["genome"]["tss"] = "genes.bed"
    config["samples"]["alpha"] |= {"loops": "alpha.bedpe", "tracks": {"atac": "atac.bw"}}
    config["arms"] |= {
        "pre": {**mixhic, "task": "pretraining"},
        "loops": {**mixhic, "task": "loop", "pretrained": "pre"},
        "windows": {**mixhic, "task": "window"},
        "cage": {**mixhic, "task": "cage"},
        "nearest": {"architecture": "nearest", "samples": ["alpha"], "tracks": ["atac"]},
        "graph": {"architecture": "epi-graph", "samples": ["alpha"], "tracks": ["atac"]},
    }
    return config


def test_arms_of_every_task_pass(pairs):
    pairs["arms"]["image"]["track_bp"] = 500
    check(pairs)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda c: c["samples"]["alpha"].pop("loops"),
            "config: samples/alpha/loops: missing; the arm 'pre' (pretraining) reads windows about them: give a BEDPE, "
            "or leave the arm out",
        ),
        (
            lambda c: c["arms"]["loops"].update(tracks=["dnase"]),
            "config: arms/loops/tracks: the sample 'alpha' has no track ['dnase']; give it under samples/alpha/tracks, "
            "or leave the track out",
        ),
        (
            lambda c: c["arms"]["graph"].pop("tracks"),
            "config: arms/graph/tracks: missing, and 'epi-graph' reads them; name tracks of its samples, or of all "
            "such arms under shared/epi-graph/tracks",
        ),
        (
            lambda c: c["samples"].update(beta={"contacts": "b.cool"}) or c["arms"]["loops"].update(samples=["beta"]),
            "config: samples/beta/loops: missing; the arm 'loops' (loop) reads windows about them",
        ),
        (
            lambda c: c["genome"].pop("tss"),
            "config: genome/tss: missing; the arm 'windows' (window) reads windows about start sites: give a BED or "
            "GTF, or leave the arm out",
        ),
        (
            lambda c: c["tracks"].update(bin_bp=128),
            "config: tracks/bin_bp 128 does not divide geometry/bin_bp 1000; the arm 'pre' reads whole bins of its "
            "tracks: choose a divisor",
        ),
        (
            lambda c: c["arms"]["nearest"].pop("tracks"),
            "config: arms/nearest/tracks: missing, and 'nearest' reads nothing else; name tracks of its samples, or of "
            "all such arms under shared/nearest/tracks",
        ),
        (
            lambda c: c["arms"].update(bases={**EPCOT, "options": {"dna": False}}),
            "config: arms/bases/tracks: missing, and 'epcot' reads nothing else",
        ),
        (
            lambda c: c["arms"].update(bases={**EPCOT, "options": {"pool_bins": 3}}),
            "config: arms/bases/options/pool_bins: 3 does not divide geometry/bin_bp 1000; 'epcot' cuts a bin into so "
            "many equal ones: choose a divisor",
        ),
        (
            lambda c: c["arms"].update(bases=EPCOT) or c["genome"].pop("fasta"),
            "config: genome/fasta: the arms sequence, bases read the sequence of the genome; name its FASTA",
        ),
        (
            lambda c: c["arms"]["loops"].update(window_bins=51),
            "config: arms/loops/window_bins: 51 is odd; windows about a pair are even",
        ),
        (
            lambda c: c["pairs"].update(band_bins=50),
            "config: pairs/band_bins: 50 diagonals hold no window of 50 bins, which arms/pre reads; keep more",
        ),
        *[
            (
                lambda c, bin_bp=bin_bp: c["arms"]["image"].update(track_bp=bin_bp),
                f"config: arms/image/track_bp: {bin_bp} is no multiple of tracks/bin_bp 100 that divides "
                "geometry/bin_bp 1000; choose one",
            )
            for bin_bp in (150, 300)
        ],
        (
            lambda c: c.update(enhance={"mine": {"contacts": "mine.cool", "arm": "loops"}}),
            "config: enhance/mine/arm: 'loops' has no model to enhance a map with; choose from sequence, image",
        ),
    ],
)
def test_what_arms_on_pairs_need_is_asked_for_by_field_and_remedy(pairs, change, message):
    change(pairs)
    refused(pairs, message)


def hybrid_on(image):
    return {"arms": {"hybrid": {"backbones": {"sequence": "sequence", "image": image}}}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arms": {"loop-small": {"samples": ["alhpa"]}}}, "arms/loop-small/samples: 'alhpa' is not one of"),
        ({"arms": {"loop-small": {"test_samples": ["alhpa"]}}}, "arms/loop-small/test_samples: 'alhpa' is not one of"),
        (hybrid_on("hybrid"), "arms/hybrid/backbones/image: 'hybrid' is not"),
        (hybrid_on("identity"), "arms/hybrid/backbones/image: 'identity' is not"),
        (hybrid_on("vae"), "arms/hybrid/backbones/image: 'vae' is not"),
        (hybrid_on("small"), "arms/hybrid/backbones/image: 'small' is not"),
        ({"arms": {"vehicle": {"loss_networks": {"vae": "image"}}}}, "arms/vehicle/loss_networks/vae: 'image' is not"),
        ({"arms": {"loop-small": {"pretrained": "image"}}}, "arms/loop-small/pretrained: 'image' is not one of"),
        ({"arms": {"image": {"pretrained": "small"}}}, "arms/image/pretrained: 'small' is not one of"),
        ({"tracks": {"strands": [["plsu", "minsu"]]}}, "tracks/strands: ['minsu', 'plsu'] is not one of"),
        ({"pairs": {"expression": ["caeg"]}}, "pairs/expression: the sample 'alpha' has no track ['caeg']"),
        ({"shared": {"identity": {"tracks": ["atac"]}}}, "shared/identity/tracks: 'identity' reads no track"),
        ({"shared": {"vehicle": {"options": {"chanels": 3}}}}, "shared/vehicle/options/chanels: the architecture"),
        ({"arms": {"identity": {"seeds": [1, 2]}}}, "arms/identity/seeds: 'identity' is not trained"),
        ({"arms": {"loop-small": {"track_bp": 128}}}, "arms/loop-small/track_bp: the task 'loop' has no use for it"),
        ({"arms": {"loop-corner": {"tracks": ["atac"]}}}, "arms/loop-corner/tracks: 'corner' reads no track"),
        ({"arms": {"loop-small": {"training": {"loss": "l1"}}}}, "arms/loop-small/training/loss: the network brings"),
    ],
)
def test_what_would_fail_later_or_do_nothing_is_refused_in_the_demo(repository, given, message):
    demo = yaml.safe_load((repository / "experiments/demo.yaml").read_text())
    for section, entries in given.items():
        for name, value in entries.items():
            kept = demo.setdefault(section, {})
            kept[name] = {**kept.get(name, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(InputError, match=re.escape(f"config: {message}")):
        chosen = plan.selected(settings.complete(demo, repository))
        checks.check(chosen, plan.resolve(chosen))


def test_what_one_task_of_an_architecture_takes_may_be_shared(repository):
    demo = yaml.safe_load((repository / "experiments/demo.yaml").read_text())
    chosen = plan.selected(settings.complete({**demo, "shared": {"mixhic": {"tracks": ["atac"]}}}, repository))
    assert plan.resolve(chosen)["loop-small"].tracks == ("atac",)


def test_loops_and_start_sites_are_files_that_are_there(pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pairs["samples"]["alpha"]["loops"] = ["one.bedpe", "two.bedpe"]
    for name in ("genome.fa", "alpha.cool", "atac.bw", "one.bedpe", "genes.bed"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"config: samples/alpha/loops: two\.bedpe: no such file"):
        checks.check_inputs(pairs, [])
    checks.check_inputs(pairs, ["two.bedpe"])
    (tmp_path / "genes.bed").unlink()
    with pytest.raises(InputError, match=r"config: genome/tss: genes\.bed: no such file"):
        checks.check_inputs(pairs, ["two.bedpe"])


# ---------------------------------------------------------------- one's own maps


def test_what_learns_at_once_has_a_model_to_enhance_with(config, monkeypatch):
    fitted = replace(ARCHITECTURES["gaussian"], fitter="closed form")
    monkeypatch.setitem(ARCHITECTURES, "gaussian", fitted)
    config["enhance"] = {"mine": {"contacts": "mine.cool", "arm": "gaussian"}}
    assert checks.enhanced(config, plan.resolve(config), "mine")["seed"] == 1  # the first of those that thin anew
    config["seeds"] = [1]
    assert checks.enhanced(config, plan.resolve(config), "mine")["seed"] == 0


def test_enhance_takes_the_arms_first_fold_and_seed(config):
    config["enhance"] = {"mine": {"contacts": "mine.cool", "arm": "image"}}
    check(config)
    assert checks.enhanced(config, plan.resolve(config), "mine") == {
        "contacts": "mine.cool",
        "arm": "image",
        "fold": "a",
        "seed": 1,
    }


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"arm": "gaussian"}, "config: enhance/mine/arm: 'gaussian' has no model to enhance a map with; choose from"),
        ({"arm": "vae"}, "config: enhance/mine/arm: 'vae' has no model"),
        ({"arm": "imgae"}, "config: enhance/mine/arm: 'imgae' is not one of image, sequence"),
        ({"fold": "c"}, "config: enhance/mine/fold: 'c' is not one of a"),
        ({"seed": 3}, "config: enhance/mine/seed: 3 is not one of 1, 2"),
    ],
)
def test_d17_enhance_names_a_model_that_will_be_there(config, setting, message):
    config["enhance"] = {"mine": {"contacts": "mine.cool", "arm": "image", **setting}}
    refused(config, message)


def cooler_of(path, *widths):
    """As much of a cooler as is read for its bin widths."""
    with h5py.File(path, "w") as file:
        for width in widths:
            group = file if len(widths) == 1 else file.create_group(f"resolutions/{width}")
            group.attrs.update({"format": "HDF5::Cooler", "bin-size": np.int64(width)})
    return str(path)


def test_d13_a_map_is_coarsened_before_it_is_enhanced_only_where_one_asks_for_it(config, tmp_path):
    config["enhance"] = {"mine": {"contacts": cooler_of(tmp_path / "mine.cool", 1000), "arm": "image"}}
    arms = plan.resolve(config)
    with pytest.raises(
        InputError, match=r"enhance/mine/contacts: .*mine\.cool has bins of 1000 bp.*reads bins of 2000"
    ):
        checks.check_maps(config, arms, str)
    config["enhance"]["mine"]["coarsen"] = True
    checks.check_maps(config, arms, str)
    config["enhance"]["mine"] = {"contacts": cooler_of(tmp_path / "mine.mcool", 1000, 2000), "arm": "image"}
    checks.check_maps(config, arms, str)


def test_what_is_no_map_is_said_before_any_job(config, tmp_path):
    arms = plan.resolve(config)
    (tmp_path / "table.tsv").write_text("chrom\tstart\n")
    for name, said in (
        (str(tmp_path / "table.tsv"), "a text file, and no contact map; make a map"),
        (cooler_of(tmp_path / "a.mcool", 1000, 2000) + "::/resolutions/9999", "no map; give a"),
    ):
        config["samples"]["alpha"]["contacts"] = name
        with pytest.raises(InputError, match=f"config: samples/alpha/contacts: {re.escape(name)}: {said}"):
            checks.check_maps(config, arms, lambda name: name.partition("::")[0])


@pytest.mark.parametrize(
    "name, said",
    [
        ("deep.cool", "no such file below .*, nor simulated/<file>, nor a file of resources/datasets.tsv"),
        ("yeast.cool", "did you mean yeast_G1.cool?"),
        ("~/deep.cool", "~ is not expanded; write the whole path"),
        ("https://a/deep.cool", "an address; download the file"),
        ("folder", "a folder; name the file in it"),
    ],
)
def test_d1_a_file_that_is_not_there_is_said_with_its_field(config, tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "genome.fa").touch()
    for field, sample in (
        ("contacts", {"contacts": name}),
        ("tracks/atac", {"contacts": "genome.fa", "tracks": {"atac": [name]}}),
    ):
        config["samples"]["alpha"] = sample
        with pytest.raises(InputError, match=f"config: samples/alpha/{field}: {name}: .*{said}"):
            checks.check_inputs(config, ["yeast_G1.cool"])
    config["samples"]["alpha"] = {"contacts": "yeast_G1.cool", "truth": "simulated/alpha.cool"}
    checks.check_inputs(config, ["yeast_G1.cool"])


def test_a_map_gives_the_bins_that_are_asked_for(config, tmp_path):
    config["samples"]["alpha"]["contacts"] = cooler_of(tmp_path / "deep.cool", 1500)
    arms = plan.resolve(config)
    with pytest.raises(
        InputError, match=r"samples/alpha/contacts: .*deep\.cool cannot give bins of 1000 bp: it has 1500"
    ):
        checks.check_maps(config, arms, str)
    checks.check_maps(config, arms, lambda name: f"<results>/{name}")


def test_bin_widths_of_a_cooler_of_a_group_and_of_other_files(tmp_path):
    path = cooler_of(tmp_path / "a.mcool", 1000, 2000, 4000)
    assert bin_widths(path) == [1000, 2000, 4000]
    assert bin_widths(f"{path}::/resolutions/2000") == [2000]
    assert bin_widths(f"{path}::/resolutions/3000") is None
    (tmp_path / "words.cool").write_text("no map")
    assert bin_widths(tmp_path / "words.cool") is None
    (tmp_path / "words.tsv").write_text("no map")
    assert bin_widths(tmp_path / "words.tsv") is None
    (tmp_path / "words.hic").write_text("no map")
    assert bin_widths(tmp_path / "words.hic") is None
    (tmp_path / "cut.hic").write_bytes(b"HIC\0" + bytes(10))
    assert bin_widths(tmp_path / "cut.hic") == []


def test_bin_widths_of_real_maps(mirror):
    assert bin_widths(mirror / "yeast_G1_2kb.cool") == [2000]
    assert bin_widths(mirror / "test_chr22.hic")[:2] == [5000, 10000]


def test_y3_the_names_of_ceilings_are_taken(config):
    config["arms"]["replicate"] = {"architecture": "identity"}
    refused(config, "config: arms/replicate: a row of the tables that is no arm has this name; rename the arm")


def test_a_model_of_rates_is_not_for_wider_bins(config):
    config["arms"]["own"] = {"architecture": "trifold"}
    refused(config, "config: arms/own/degradation: 'low' has wider bins than the deep map")
    config["degradations"]["low"]["coarsen"] = 1
    checks.check(config, plan.resolve(config))


def test_what_a_model_reads_its_options_may_say(config):
    config["arms"]["own"] = {"architecture": "trifold", "tracks": ["atac"]}
    with pytest.raises(InputError, match="arms/own/tracks: 'trifold' reads no track"):
        plan.resolve(config)
    config["arms"]["own"]["options"] = {"reads_tracks": True}
    arm = plan.resolve(config)["own"]
    assert arm.tracks == ("atac",) and plan.traits_of(arm).inputs == {"map", "tracks"}


def test_data_sets_of_other_experiments_must_be_there(config, tmp_path):
    config["degradations"]["low"]["coarsen"] = 1
    folder = tmp_path / "results/fly/examples/corrected/low/S2/fold-a"
    config["arms"]["own"] = {"architecture": "trifold", "also": [str(folder)]}
    assert plan.deep_map_of(str(folder)) == str(tmp_path / "results/fly/contacts/S2/deep/map.cool")
    with pytest.raises(InputError, match=r"arms/own/also: .*fold-a/artifact\.json is not there; run that experiment"):
        checks.check_weights(config, {})
    folder.mkdir(parents=True)
    (folder / "artifact.json").write_text("{}")
    checks.check_weights(config, {})
    with pytest.raises(InputError, match="a dataset directory of another experiment"):
        plan.deep_map_of("fly/S2")
    config["arms"]["image"]["also"] = [str(folder)]
    with pytest.raises(InputError, match="arms/image/also: the task 'maps' learns from this experiment's samples"):
        plan.resolve(config)


def test_y2_a_map_that_is_not_thinned_says_that_it_shares_its_reads(config):
    config["degradations"]["low"]["thin"] = 1
    refused(config, "config: degradations/low/thin: 1 leaves every read")
    config["degradations"]["low"]["share_reads"] = True
    checks.check(config, plan.resolve(config))
    # A measured map takes nothing from the deep one, unless it is part of it, bin by bin.
    config["degradations"]["low"]["share_reads"] = False
    for sample in config["samples"].values():
        sample["low"] = {"low": "/data/low.cool"}
    checks.check(config, plan.resolve(config))
    assert not any(plan.holds_back(config, name, "low") for name in config["samples"])
    for sample in config["samples"].values():
        sample["low"] = {"low": {"contacts": "/data/low.cool", "reads_in_deep": True}}
    for coarsen in (1, 2):
        config["degradations"]["low"]["coarsen"] = coarsen
        assert {plan.holds_back(config, name, "low") for name in config["samples"]} == {coarsen == 1}
