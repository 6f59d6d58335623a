"""Maps as the portals give them: the duplicate pixels of many 4DN .mcool files, .hic with its own names and KR.

Whatever way a map comes, what is prepared of it equals what is prepared of the clean map.
"""

import cooler
import h5py
import hictkpy
import numpy as np
import pandas as pd
import pytest

from trifold.data.contacts import prepare, renumber
from trifold.io import cool, hic

GENOME = {"chr1": 300_000, "chr2": 201_000}
BIN_BP = 5_000
OPTIONS = {"ignore_diags": 1, "mad_max": 0, "min_nnz": 2}
NAMES = {"1": "chr1", "2": "chr2"}


@pytest.fixture(scope="module")
def pixels():
    """A map of 1 kb, denser near the diagonal, one bin of 5 kb empty."""
    i, j = np.triu_indices(501)
    count = np.random.default_rng(5).poisson(3.0 / (1 + j - i))
    count[(i // 5 == 7) | (j // 5 == 7)] = 0
    kept = count > 0
    return {"bin1_id": i[kept], "bin2_id": j[kept], "count": count[kept]}


@pytest.fixture(scope="module")
def clean(pixels, tmp_path_factory):
    """What is prepared of the sound map: its pixels and weights."""
    folder = tmp_path_factory.mktemp("clean")
    cool.write_cool(folder / "raw.cool", GENOME, 1_000, [pixels])
    cooler.coarsen_cooler(str(folder / "raw.cool"), str(folder / "five.cool"), 5, 10_000_000)
    prepare(folder / "five.cool", folder / "map.cool", BIN_BP, GENOME, balance=OPTIONS)
    return cool.open_map(folder / "map.cool")


def same(path, clean) -> None:
    ours = cool.open_map(path)
    assert dict(ours.chromsizes) == dict(clean.chromsizes)
    pd.testing.assert_frame_equal(ours.pixels()[:], clean.pixels()[:])
    np.testing.assert_allclose(ours.bins()["weight"][:], clean.bins()["weight"][:], rtol=1e-6)


# ---------------------------------------------------------------- duplicate pixels


def zoomed_with_the_defect(pixels, factor: int, chunk: int) -> dict:
    """Coarsened chunk by chunk, as cooler 0.8.3 did: a chunk that ends inside a wide bin leaves its pixels to be stored
    once more by the next one, behind other pixels of the same row."""
    ids, tables = renumber(GENOME, 1_000, factor), []
    for lo in range(0, len(pixels["count"]), chunk):
        part = {name: column[lo : lo + chunk] for name, column in pixels.items()}
        part = pd.DataFrame(part | {"bin1_id": ids[part["bin1_id"]], "bin2_id": ids[part["bin2_id"]]})
        tables.append(part.groupby(["bin1_id", "bin2_id"], as_index=False)["count"].sum())
    return pd.concat(tables, ignore_index=True)


def write_unchecked(path, group: str, bin_bp: int, table, weight=None) -> None:
    bins = cooler.binnify(pd.Series(GENOME), bin_bp)
    if weight is not None:
        bins["weight"] = weight
    unchecked = {"dupcheck": False, "triucheck": False, "boundscheck": False, "ensure_sorted": False}
    cooler.create_cooler(f"{path}::{group}", bins, [table], ordered=True, mode="a", **unchecked)


@pytest.fixture
def defective(pixels, tmp_path):
    """An .mcool with a sound base and two levels that have the defect, balanced as they are."""
    path = tmp_path / "4DN.mcool"
    write_unchecked(path, "/resolutions/1000", 1_000, pd.DataFrame(pixels))
    for factor in (2, 5):
        table = zoomed_with_the_defect(pixels, factor, chunk=211)
        assert table.duplicated(["bin1_id", "bin2_id"]).sum() > 10
        write_unchecked(path, f"/resolutions/{factor * 1_000}", factor * 1_000, table)
        broken = cooler.Cooler(f"{path}::/resolutions/{factor * 1_000}")
        cooler.balance_cooler(broken, store=True, cis_only=False, **OPTIONS)
    return path


def test_the_defect_is_repaired_from_the_base(defective, clean, tmp_path):
    report = prepare(defective, tmp_path / "map.cool", BIN_BP, GENOME, balance=OPTIONS)
    assert len(report["repairs"]) == 1
    assert "duplicate pixels at 5000 bp: coarsened anew from 1000 bp, which is sound" in report["repairs"][0]
    assert report["balanced"] == "anew", "the stored weight was made on the broken table"
    same(tmp_path / "map.cool", clean)


def test_a_level_without_its_base_is_summed(defective, clean, tmp_path):
    """What a download of one level alone brings."""
    with h5py.File(defective) as whole, h5py.File(tmp_path / "level.cool", "w") as level:
        for name in whole["resolutions/5000"]:
            whole.copy(f"resolutions/5000/{name}", level, name)
        level.attrs.update(whole["resolutions/5000"].attrs)
    report = prepare(tmp_path / "level.cool", tmp_path / "map.cool", BIN_BP, GENOME, balance=OPTIONS)
    assert "sorted, duplicates summed" in report["repairs"][0]
    assert report["balanced"] == "anew"
    same(tmp_path / "map.cool", clean)


def test_a_coarse_level_with_the_defect_is_not_coarsened_further(defective, pixels, tmp_path):
    """10 kb is not in the file: 5 kb, which would be coarsened, is broken, so the base is."""
    report = prepare(defective, tmp_path / "map.cool", 10_000, GENOME, balance=OPTIONS)
    assert "at 5000 bp: coarsened anew from 1000 bp" in report["repairs"][0]
    assert report["contacts"] == pixels["count"].sum()


def test_a_map_whose_base_is_broken_too(pixels, clean, tmp_path):
    shuffled = pd.DataFrame(pixels).sample(frac=1, random_state=3)
    for bin_bp, table in ((1_000, shuffled), (5_000, zoomed_with_the_defect(pixels, 5, chunk=211))):
        write_unchecked(tmp_path / "bad.mcool", f"/resolutions/{bin_bp}", bin_bp, table)
    report = prepare(tmp_path / "bad.mcool", tmp_path / "map.cool", BIN_BP, GENOME, balance=OPTIONS)
    assert "at 5000 bp: sorted, duplicates summed" in report["repairs"][0]
    same(tmp_path / "map.cool", clean)


# ---------------------------------------------------------------- .hic


@pytest.fixture
def hic_9(pixels, tmp_path, monkeypatch):
    """The same map as .hic version 9, chromosomes named as at 4DN."""
    # hictkpy writes from arrays that it may write to, and pandas 3 gives none.
    monkeypatch.setattr(pd.Series, "to_numpy", lambda series: np.array(series))
    sizes = {name: GENOME[ours] for name, ours in NAMES.items()}
    writer = hictkpy.hic.FileWriter(str(tmp_path / "4DN.hic"), sizes, [1_000, BIN_BP], tmpdir=str(tmp_path))
    writer.add_pixels(pd.DataFrame(pixels))
    writer.finalize()
    return tmp_path / "4DN.hic"


@pytest.mark.parametrize("bin_bp", [BIN_BP, 10_000])
def test_hic_version_9_without_chr(hic_9, clean, tmp_path, bin_bp):
    assert hictkpy.File(str(hic_9), BIN_BP).attributes()["format-version"] == 9
    report = prepare(hic_9, tmp_path / "map.cool", bin_bp, GENOME, rename=NAMES, balance=OPTIONS)
    assert report["renamed"] == NAMES
    if bin_bp == BIN_BP:
        same(tmp_path / "map.cool", clean)
    assert report["contacts"] == clean.info["sum"]


KR_GENOME = {"chr22": 51_304_566}
KR_BP = 100_000
OTHERS = [*map(str, range(1, 22)), "X", "Y", "MT"]


@pytest.fixture
def hic_8(mirror, tmp_path):
    """A real .hic version 8 with KR vectors, what is prepared of it, and its KR vector (divisive; NaN on bad bins)."""
    path = mirror / "test_chr22.hic"
    file = hictkpy.File(str(path), KR_BP)
    assert file.attributes()["format-version"] == 8 and "KR" in file.avail_normalizations()
    prepare(path, tmp_path / "hic.cool", KR_BP, KR_GENOME, exclude=OTHERS, rename={"22": "chr22"}, balance=OPTIONS)
    first = sum(-(-length // KR_BP) for name, length in hic.chromsizes(path).items() if name in OTHERS[:21])
    n = -(-KR_GENOME["chr22"] // KR_BP)
    vector = np.asarray(file.weights("KR"))[first : first + n]
    return path, cool.open_map(tmp_path / "hic.cool"), vector


def test_kr_divides(hic_8):
    """The vector in hand is the one the file balances by: count / (KR_i KR_j)."""
    path, _, vector = hic_8
    file = hictkpy.File(str(path), KR_BP)
    count, balanced = (file.fetch("22", normalization=name, count_type="float").to_numpy() for name in ("NONE", "KR"))
    good = np.isfinite(vector)
    expected = (count / vector[:, None] / vector)[np.ix_(good, good)]
    assert good.sum() > 100
    np.testing.assert_allclose(balanced[np.ix_(good, good)], expected, rtol=1e-5)


@pytest.mark.parametrize("column", ["KR", "weight", "weight, marked divisive", "weight, as if it were ours"])
def test_a_divisive_vector_is_never_taken_for_a_weight(hic_8, tmp_path, column):
    """KR under any name in a converted map: balanced anew, to the same map as from the .hic itself."""
    _, expected, vector = hic_8
    bins = cooler.binnify(pd.Series(KR_GENOME), KR_BP)
    bins[column.partition(",")[0]] = vector
    table = expected.pixels()[:]
    cooler.create_cooler(str(tmp_path / "converted.cool"), bins, table)
    with h5py.File(tmp_path / "converted.cool", "r+") as file:
        if column == "weight, marked divisive":
            file["bins/weight"].attrs.update(OPTIONS | {"divisive_weights": True})
        elif column == "weight, as if it were ours":
            file["bins/weight"].attrs.update(OPTIONS)
    report = prepare(tmp_path / "converted.cool", tmp_path / "map.cool", KR_BP, KR_GENOME, balance=OPTIONS)
    assert report["balanced"] == "anew"
    same(tmp_path / "map.cool", expected)
