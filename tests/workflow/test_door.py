"""The door: what a new user writes is what is planned, and what cannot work is said before any job, in one line."""

import re

import cooler
import pytest

SIMULATED = "results/smoke/simulate"


def refused(workspace, text):
    """The one line that a dry run of the smoke experiment with this overlay prints of its error."""
    overlay = workspace.overlay("wrong.yaml", text)
    done = workspace.run("-n", "--configfile", "smoke.yaml", overlay, configfile=None, check=False)
    assert done.returncode != 0
    lines = [line for line in done.text.splitlines() if line.startswith("config: ")]
    assert len(lines) == 1, done.text
    assert "Traceback" not in done.text and len(done.text.splitlines()) < 8, done.text
    return lines[0]


@pytest.fixture(scope="module")
def workspace(finished):
    """The finished experiment, on which nothing here runs: dry runs only."""
    return finished


@pytest.mark.parametrize(
    "text, line",
    [
        pytest.param("degradation: {}", "config: degradation: no such key; did you mean degradations?", id="d10"),
        pytest.param(
            "arms: {image: {options: {channel: 16}}}",
            "config: arms/image/options/channel: the architecture 'vehicle' has no such option; did you mean channels?",
            id="d11-option",
        ),
        pytest.param(
            "enhance: {mine: {contacts: simulated/alpha.mcool, arm: gaussian}}",
            "config: enhance/mine/arm: 'gaussian' has no model to enhance a map with; choose from sequence, ",
            id="d17-arm",
        ),
        pytest.param(
            "geometry: {window_bins: 12}",
            "config: geometry/window_bins: 12 bins do not suit arms/image: 'vehicle' needs at least 13",
            id="d18",
        ),
    ],
)
def test_d10_d11_d17_d18_what_cannot_work_is_said_in_the_dry_run(workspace, text, line):
    """A case for the schema, the plan and the checks; tests/unit has the others."""
    assert refused(workspace, text).startswith(line)


def test_d11_a_number_may_be_written_as_one_writes_it(workspace):
    """YAML takes 1e-3 for text."""
    overlay = workspace.overlay("rate.yaml", "training: {learning_rate: 1e-3}")
    assert workspace.jobs("--configfile", "smoke.yaml", overlay, configfile=None) == {}


def test_d6_an_arm_that_is_left_out_is_no_reference_either(workspace):
    overlay = workspace.overlay("fewer.yaml", "arms_used: [identity, sequence, image, hybrid]")
    jobs = workspace.jobs("--configfile", "smoke.yaml", overlay, configfile=None)
    # The paper's row of the arm goes with it.
    assert jobs == {"tables": 1, "kriukov2021_table": 1, "kriukov2021_section": 1, "report": 1, "manifest": 1}


def test_d5_a_map_without_a_genome(workspace):
    """Arms that read the map alone: no sequence is encoded, and the chromosomes are those of the map."""
    text = (workspace.folder / "smoke.yaml").read_text()
    own = re.sub(r"genome:\n(  .*\n)+", "", text.replace("experiment: smoke", "experiment: own"))
    own = own.replace("tracks:\n  bin_bp: 64", "tracks:\n  bin_bp: 64\n  effective_genome_size: 800000") + "\n"
    wanted = workspace.jobs(configfile=workspace.overlay("own.yaml", own + "arms_used: [identity, image]\n"))
    assert "read_chromosomes" in wanted and "encode_sequence" not in wanted
    done = workspace.run("-n", configfile=workspace.overlay("all_arms.yaml", own), check=False)
    assert "config: genome/fasta: the arms sequence, hybrid read the sequence of the genome" in done.text


def test_d7_the_order_of_keys_means_nothing(copy_of_finished):
    copy_of_finished.edit(
        "smoke.yaml",
        "  assembly: sim1\n  fasta: simulated/genome.fa.gz\n",
        "  fasta: simulated/genome.fa.gz\n  assembly: sim1\n",
    )
    copy_of_finished.edit("smoke.yaml", "window_bins: 32\n  stride_bins: {train: 16,", "stride_bins: {train: 16,")
    copy_of_finished.edit("smoke.yaml", "test: 32}\n", "test: 32}\n  window_bins: 32\n")
    assert copy_of_finished.jobs() == {}


def test_d8_names_are_settled_per_input(workspace):
    """A map under other names beside the first one: nothing of the first is made again."""
    overlay = workspace.overlay(
        "second.yaml",
        "samples: {second: {contacts: simulated/alpha.mcool, rename: {'1': chr1}}}\nevaluate: {samples: [alpha]}",
    )
    # The page shows the configuration.
    assert workspace.jobs("--configfile", "smoke.yaml", overlay, configfile=None) == {"report": 1, "manifest": 1}
    overlay = workspace.overlay("renamed.yaml", "samples: {alpha: {rename: {'1': chr1}}}")
    jobs = workspace.jobs("--configfile", "smoke.yaml", overlay, configfile=None)
    assert jobs["prepare_contacts"] == 1 and jobs["prepare_track"] == 3 and jobs["train"] == 3
    assert {"simulate", "encode_sequence", "split"}.isdisjoint(jobs)


def test_d13_a_finer_map_is_not_coarsened_unasked(copy_of_finished):
    folder = copy_of_finished.folder
    fine = cooler.Cooler(f"{folder / SIMULATED / 'alpha.mcool'}::resolutions/256")
    cooler.create_cooler(str(folder / "fine.cool"), fine.bins()[:][["chrom", "start", "end"]], fine.pixels()[:])
    line = refused(copy_of_finished, "enhance: {mine: {contacts: fine.cool, arm: image}}")
    assert line.startswith("config: enhance/mine/contacts: fine.cool has bins of 256 bp, and arm 'image' reads bins of")
    asked = "enhance: {mine: {contacts: fine.cool, arm: image, coarsen: true}}"
    overlay = copy_of_finished.overlay("asked.yaml", asked)
    jobs = copy_of_finished.jobs("enhance", "--configfile", "smoke.yaml", overlay, configfile=None)
    assert jobs == {"prepare_own_map": 1, "enhance_own_map": 1, "enhance": 1}


def test_d16_the_uri_of_a_cooler_is_taken(copy_of_finished):
    """One group of a file of one's own is the sample's map: the same contacts as the level of the file."""
    folder = copy_of_finished.folder
    uri = f"{SIMULATED}/alpha.mcool::/resolutions/256"
    copy_of_finished.edit("smoke.yaml", "contacts: simulated/alpha.mcool", f"contacts: {uri}")
    target = "results/smoke/contacts/alpha/deep/map.cool"
    before = cooler.Cooler(str(folder / target)).pixels()[:]
    assert copy_of_finished.jobs(target) == {"prepare_contacts": 1}
    copy_of_finished.run(target)
    assert cooler.Cooler(str(folder / target)).pixels()[:].equals(before)
    copy_of_finished.edit("smoke.yaml", "resolutions/256", "resolutions/333")
    done = copy_of_finished.run(target, check=False)
    assert done.returncode != 0 and "resolutions/333" in done.text and "resolutions/256" in done.text
