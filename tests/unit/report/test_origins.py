import pandas as pd
import pytest

from trifold.report import origins

AGAIN = "made again from the seed in the configuration"


def config(**changes) -> dict:
    sample = {"contacts": "simulated/alpha.mcool", "tracks": {"atac": ["simulated/a.bam", "simulated/b.bam"]}}
    return {
        "genome": {"assembly": "sim1", "fasta": "simulated/genome.fa.gz"},
        "samples": {"alpha": sample},
        "arms": {"identity": {"architecture": "identity"}},
        **changes,
    }


def test_d15_simulated_data_are_said_to_be_simulated():
    found = origins.origins(config())
    assert [(one.what, one.kind) for one in found] == [
        ("genome", "simulated"), ("contacts of alpha", "simulated"), ("track atac of alpha", "simulated"),
    ]  # fmt: skip
    assert found[2].names == ["simulated/a.bam", "simulated/b.bam"]
    said = origins.sentences(found, any_download=False)
    assert said == [f"Nothing was downloaded: the data are simulated, and {AGAIN}."]


def test_d15_files_of_ones_own_are_not_called_simulated():
    samples = {"mine": {"contacts": "/data/deep.mcool::/resolutions/5000", "low": {"low": "/data/low.cool"}}}
    found = origins.origins(config(genome={"assembly": "hg38"}, samples=samples))
    assert [(one.what, one.kind) for one in found] == [
        ("contacts of mine", "a file of one's own"), ("low map “low” of mine", "a file of one's own"),
    ]  # fmt: skip
    said = origins.sentences(found, any_download=False)
    assert said[0] == "Nothing was downloaded."
    assert said[1].startswith("Files of one's own: ")
    assert "imulated" not in " ".join(said)


def test_d15_mixed_data_name_each_input():
    mixed = config(
        samples={"g1": {"contacts": "yeast_G1_2kb.cool", "truth": "simulated/alpha.truth.cool"}},
        enhance={"shallow": {"contacts": "/data/shallow.mcool"}},
        arms={"deephic": {"architecture": "deephic", "weights": "weights.pth"}},
    )
    found = origins.origins(mixed, {"yeast_G1_2kb.cool", "weights.pth"})
    assert {one.what: one.kind for one in found} == {
        "genome": "simulated", "contacts of g1": "downloaded", "noise-free map of g1": "simulated",
        "own map shallow": "a file of one's own", "weights of deephic": "downloaded",
    }  # fmt: skip
    said = " ".join(origins.sentences(found, any_download=True))
    assert "Nothing was downloaded" not in said
    assert f"Simulated: what is marked so is {AGAIN}." in said
    assert "Files of one's own" in said
    assert "Downloaded files were verified" in said


@pytest.mark.parametrize("any_download", [True, False])
def test_simulated_data_beside_a_download_of_something_else(any_download):
    said = origins.sentences(origins.origins(config()), any_download=any_download)
    assert any("Nothing was downloaded" in one for one in said) is not any_download
    assert any("the data are" in one for one in said)


def test_downloads_keep_source_and_licence_and_drop_empty_columns():
    rows = [{"file": "a.cool", "licence": "MIT", "origin": "a package", "portal": "", "md5": "0" * 32, "bytes": "12"}]
    assert origins.downloads(pd.DataFrame(rows)) == [
        {"file": "a.cool", "licence": "MIT", "origin": "a package", "bytes": "12"}
    ]
    assert origins.downloads(pd.DataFrame()) == []
