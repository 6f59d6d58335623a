"""What each edit re-runs, as job counts of a dry run on a finished experiment: the table of the README."""

import pytest

PAGE = {"kriukov2021_section": 1, "report": 1, "manifest": 1}
SCORES = {"evaluate": 5, "score": 5, "tables": 1, "kriukov2021_table": 2, **PAGE}


def test_nothing_to_do_in_a_copy(copy_of_finished):
    assert copy_of_finished.jobs() == {}


def test_a_new_seed(copy_of_finished):
    copy_of_finished.edit("config.yaml", "seeds: [1]", "seeds: [1, 2]")
    assert copy_of_finished.jobs() == {
        "train": 3,
        "predict": 3,
        "evaluate": 3,
        "score": 3,
        "tables": 1,
        "kriukov2021_table": 2,
        "kriukov2021_section": 1,
        "report": 1,
        "manifest": 1,
    }


def test_one_arms_setting(copy_of_finished):
    """The image arm and what is stacked on it; not the sequence arm."""
    copy_of_finished.edit("smoke.yaml", "residual_blocks: 1", "residual_blocks: 2")
    assert copy_of_finished.jobs() == {
        "train": 2,
        "predict": 2,
        "evaluate": 2,
        "score": 2,
        "tables": 1,
        "kriukov2021_table": 1,
        "kriukov2021_section": 1,
        "report": 1,
        "manifest": 1,
    }


def test_the_bin_width(copy_of_finished):
    copy_of_finished.edit("smoke.yaml", "geometry:\n  bin_bp: 256", "geometry:\n  bin_bp: 512")
    assert copy_of_finished.jobs() == {
        "encode_sequence": 1,
        "prepare_contacts": 1,
        "degrade": 1,
        "split": 1,
        "prepare_track": 3,
        "examples": 1,
        "train": 3,
        "predict": 5,
        **SCORES,
    }


@pytest.mark.parametrize(
    "module, jobs",
    [
        ("trifold/metrics/scc.py", SCORES),
        ("trifold/report/figures.py", {"report": 1, "manifest": 1}),
        ("trifold/models/hybrid.py", {"train": 3, "predict": 5, **SCORES}),
    ],
)
def test_a_module_re_runs_those_who_reach_it(copy_of_finished, module, jobs):
    path = copy_of_finished.folder / module
    path.write_text(path.read_text() + "\nEDITED = True\n")
    assert copy_of_finished.jobs() == jobs


def test_words_re_run_nothing(copy_of_finished):
    path = copy_of_finished.folder / "trifold/metrics/scc.py"
    path.write_text("# A comment.\n" + path.read_text())
    (copy_of_finished.folder / "README.md").write_text("A word.\n")
    copy_of_finished.edit("config.yaml", "# ---- data", "# ---- of the data")
    assert copy_of_finished.jobs() == {}


def test_t12_where_jobs_run_re_runs_nothing(copy_of_finished):
    copy_of_finished.edit("config.yaml", "accelerator: cpu ", "accelerator: auto ")
    copy_of_finished.edit("config.yaml", "workers: 0 ", "workers: 1 ")
    copy_of_finished.edit("config.yaml", "{train: 1, predict: 1}", "{train: 2, predict: 1}")
    copy_of_finished.edit("config.yaml", "devices: 1 ", "devices: 2 ")
    assert copy_of_finished.jobs() == {}


def test_which_arms_are_compared_is_the_tables_business(copy_of_finished):
    copy_of_finished.edit("smoke.yaml", "reference_arms: [identity, gaussian,", "reference_arms: [gaussian,")
    assert copy_of_finished.jobs() == {"tables": 1, "report": 1, "manifest": 1}


def test_a_deleted_file_is_made_again_when_it_is_asked_for(copy_of_finished):
    """What was made from it stays as it is: nothing about it has changed."""
    (copy_of_finished.folder / "results/smoke/contacts/alpha/low/map.cool").unlink()
    assert copy_of_finished.jobs() == {}
    assert copy_of_finished.jobs("results/smoke/contacts/alpha/low/map.cool") == {"degrade": 1}
