"""Contacts in are contacts kept or left out for a reason, rows sum to 1: checked in every run, with both numbers."""

import json
import logging

import h5py
import numpy as np
import pytest
from small import write_counts

from trifold.config import Degradation
from trifold.data import contacts, degrade, invariants, summary
from trifold.errors import InputError
from trifold.io import cool

SIZES = {"chr1": 60_000, "chr2": 40_500, "chrM": 3_000}
EDGES = [0, 60, 101, 104]


@pytest.fixture
def counts():
    return np.triu(np.random.default_rng(3).poisson(30.0, (104, 104)))


@pytest.fixture
def raw(tmp_path, counts):
    return write_counts(tmp_path / "raw.cool", counts, SIZES, 1_000)


def prepared(folder, raw, **options):
    folder.mkdir()
    report = contacts.prepare(raw, folder / "map.cool", 1_000, SIZES, **options)
    return report, summary.write(folder, report, raw)


def test_contacts_are_kept_or_left_out_for_a_reason(tmp_path, raw, counts):
    report, facts = prepared(tmp_path / "deep", raw, exclude=["chrM"])
    assert report["contacts_read"] == counts.sum()
    within, between = counts[101:, 101:].sum(), counts[:101, 101:].sum()
    assert report["contacts_left_out"] == {
        "within excluded chromosomes": within,
        "between excluded and other chromosomes": between,
    }
    assert report["contacts"] == counts.sum() - within - between
    assert facts["checked"]["contacts_read"] == counts.sum()
    assert json.loads((tmp_path / "deep/summary.json").read_text()) == facts
    cis = counts[:60, :60].sum() + counts[60:101, 60:101].sum()
    assert facts["cis_share"] == pytest.approx(cis / report["contacts"])
    assert facts["row_sums"]["mean"] == pytest.approx(1, abs=1e-3)
    assert facts["row_sums"]["sd"] < 0.01


@pytest.mark.parametrize("settings", [Degradation(coarsen=2), Degradation(thin=4), Degradation(coarsen=3, thin=2.5)])
def test_a_degraded_map_keeps_its_share(tmp_path, raw, counts, settings):
    prepared(tmp_path / "deep", raw)
    (tmp_path / "low").mkdir()
    report = degrade.degrade(tmp_path / "deep/map.cool", tmp_path / "low/map.cool", settings)
    facts = summary.write(tmp_path / "low", report, "low")
    assert facts["checked"]["contacts_deep"] == counts.sum()
    if settings.thin == 1:
        assert report["contacts"] == counts.sum()
    assert facts["contacts"] == report["contacts"]


def test_a_failure_says_both_numbers():
    with pytest.raises(
        InputError, match=r"mine.cool: 100 contacts were read, and 80 are kept \(15 excluded left out\)"
    ):
        invariants.check_contacts("mine.cool", 100, {"excluded": 15}, 80)
    with pytest.raises(InputError, match="100 contacts were written, and the file holds 99"):
        invariants.check_stored("mine.cool", 100, 99)
    with pytest.raises(InputError, match=r"99 contacts are left of 100, and 1/1 of them are 100 ± 0"):
        invariants.check_thinned("mine.cool", 100, 99, 1)
    # 6 sigma of 1e6 contacts kept with probability 1/4: 6 x 433.
    invariants.check_thinned("mine.cool", 1_000_000, 250_000 + 2_598, 4)
    with pytest.raises(InputError, match=r"252,599 contacts are left of 1,000,000, and 1/4 of them are 250,000 ± 433"):
        invariants.check_thinned("mine.cool", 1_000_000, 250_000 + 2_599, 4)
    with pytest.raises(InputError, match=r"rows of the balanced map sum to 0.5 on average"):
        invariants.check_rows("mine.cool", {"mean": 0.5, "sd": 0.1})
    with pytest.raises(InputError, match="sum to nan"):
        invariants.check_rows("mine.cool", {"mean": np.nan, "sd": 0.1})


def test_a_file_that_holds_something_else_is_refused(tmp_path, raw):
    (folder := tmp_path / "deep").mkdir()
    report = contacts.prepare(raw, folder / "map.cool", 1_000, SIZES)
    with h5py.File(folder / "map.cool", "r+") as file:
        file["pixels/count"][7] += 1
    with pytest.raises(InputError, match="contacts were written, and the file holds"):
        summary.write(folder, report, raw)
    with h5py.File(folder / "map.cool", "r+") as file:
        file["pixels/count"][7] -= 1
        file["bins/weight"][:] *= 2
    with pytest.raises(InputError, match=r"raw.cool: rows of the balanced map sum to 4 on average"):
        summary.write(folder, report, raw)
    assert not (folder / "summary.json").exists()


def test_m2_cis_shares_of_a_measured_low_map_are_compared(tmp_path, raw, counts, caplog):
    """A low map of cis contacts alone beside a deep one with contacts between chromosomes, and the other way round."""
    prepared(tmp_path / "deep", raw)
    chrom = np.repeat(np.arange(3), np.diff(EDGES))
    cis = write_counts(tmp_path / "cis.cool", np.where(chrom[:, None] == chrom, counts, 0), SIZES, 1_000)

    def written(name, source, deep):
        (folder := tmp_path / name).mkdir()
        report = contacts.prepare(source, folder / "map.cool", 1_000, SIZES)
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            summary.write(folder, report, source, deep=tmp_path / deep / "map.cool")
        return caplog.text

    share = counts[chrom[:, None] == chrom].sum() / counts.sum()
    said = written("low", cis, "deep")
    assert (
        f"cis.cool: 100.0% of the low map's contacts lie within chromosomes, and {share:.1%} of the deep map's" in said
    )
    assert f"{share:.1%} of the low map's contacts lie within chromosomes, and 100.0%" in written("other", raw, "low")
    assert written("same", raw, "deep") == ""


def test_kept_weights_keep_their_attributes(tmp_path, raw):
    """`cooltools insulation` asks for ignore_diags, also of a map that came balanced."""
    contacts.balance(raw)
    facts = cool.weight_facts(cool.open_map(raw))
    assert {"ignore_diags", "mad_max", "min_nnz", "cis_only", "converged"} <= set(facts)
    report = contacts.prepare(raw, tmp_path / "map.cool", 1_000, SIZES)
    assert report["balanced"] == "the map's own weight"
    assert cool.weight_facts(cool.open_map(tmp_path / "map.cool")) == facts


def test_a_weight_of_zero_is_none(tmp_path, raw):
    """Its logarithm is not defined: the map is balanced anew."""
    contacts.balance(raw)
    with h5py.File(raw, "r+") as file:
        file["bins/weight"][5] = 0
    assert contacts.prepare(raw, tmp_path / "map.cool", 1_000, SIZES)["balanced"] == "anew"
