"""T11: the workflow runs from wherever it is started, and as a module of another one."""

import shutil

TARGET = "results/smoke/splits/a/regions.bed"
IMPORTER = """
configfile: "smoke.yaml"


module trifold:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from trifold as trifold_*


rule all:
    input:
        rules.trifold_all.input,
    default_target: True
"""


def elsewhere(finished, folder):
    """A folder with nothing in it but the experiment and what it was simulated from."""
    folder.mkdir()
    shutil.copy(finished.folder / "smoke.yaml", folder)
    shutil.copytree(finished.folder / "results/smoke/simulate", folder / "results/smoke/simulate")
    return type(finished).there(folder)


def test_t11_another_snakefile_from_ones_own_folder(finished, tmp_path):
    """Data and results are those of the folder, the code is the checkout's."""
    there = elsewhere(finished, tmp_path / "mine")
    there.run(TARGET, "-s", str(finished.folder / "Snakefile"))
    assert (there.folder / TARGET).read_text() == (finished.folder / TARGET).read_text()
    assert not (there.folder / "trifold").exists()


def test_t11_another_working_directory(finished, tmp_path):
    there = elsewhere(finished, tmp_path / "mine")
    settings = str(there.folder / "smoke.yaml")
    done = finished.run(TARGET, "--directory", str(there.folder), configfile=settings)
    assert "rule split" in done.text
    assert (there.folder / TARGET).read_text() == (finished.folder / TARGET).read_text()


def test_t11_the_workflow_as_a_module(finished, tmp_path):
    """Every rule comes along under the name the importer gives it, with the settings of config.yaml."""
    there = elsewhere(finished, tmp_path / "mine")
    (there.folder / "Snakefile").write_text(IMPORTER.format(snakefile=finished.folder / "Snakefile"))
    whole = there.run("-n", configfile=None).text
    assert "trifold_train" in whole and "trifold_report" in whole
    there.run(TARGET, configfile=None)
    assert (there.folder / TARGET).read_text() == (finished.folder / TARGET).read_text()
