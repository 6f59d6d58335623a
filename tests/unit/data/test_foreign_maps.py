"""Maps as other tools and people write them: bins, number types, and what is no map at all."""

import gzip
import shutil

import cooler
import h5py
import hictkpy
import numpy as np
import pandas as pd
import pytest

import trifold
from trifold import checks, programs
from trifold.config import Degradation
from trifold.data import contacts, degrade, summary
from trifold.errors import InputError
from trifold.io import cool, hic, kinds, widths

SIZES = {"chr1": 60_000, "chr2": 40_500}
BIN_BP = 1_000
OPTIONS = {"ignore_diags": 1, "mad_max": 0, "min_nnz": 2}


@pytest.fixture
def matrix():
    upper = np.triu(np.random.default_rng(3).poisson(6.0, (101, 101)))
    return upper + np.triu(upper, 1).T


def pixels_of(matrix, ids=None):
    """Upper-triangle pixels of a dense map whose bin i is called ids[i]; sorted, in the upper triangle."""
    i, j = np.nonzero(np.triu(matrix))
    ids = np.arange(len(matrix)) if ids is None else ids
    first, second = np.minimum(ids[i], ids[j]), np.maximum(ids[i], ids[j])
    order = np.lexsort((second, first))
    return pd.DataFrame({"bin1_id": first[order], "bin2_id": second[order], "count": matrix[i, j][order]})


def table(rows=None):
    """The bin table of `SIZES`, of these rows only, in their order."""
    bins = cooler.binnify(pd.Series(SIZES), BIN_BP)
    return bins if rows is None else bins.iloc[rows].reset_index(drop=True)


def write_lacking(path, matrix, kept):
    """A cooler whose bin table and pixels lack all bins but `kept`, with the chromosomes' true lengths."""
    cooler.create_cooler(str(path), table(kept), pixels_of(matrix[np.ix_(kept, kept)]), ordered=True)
    with h5py.File(path, "r+") as file:
        for name, values in {
            "name": np.array(list(SIZES), "S"),
            "length": np.array(list(SIZES.values()), "i4"),
        }.items():
            del file[f"chroms/{name}"]
            file[f"chroms/{name}"] = values
        numbers = table(kept)["chrom"].cat.codes.to_numpy()
        file["bins/chrom"][:] = numbers
        del file["indexes/chrom_offset"]
        file["indexes/chrom_offset"] = np.searchsorted(numbers, [0, 1, 2])
    return path


def dense(path):
    return cool.open_map(path).matrix(balance=False)[:]


# ---------------------------------------------------------------- M1: bins are read, not assumed


@pytest.mark.parametrize(
    "lacking",
    [range(10), [0], range(20, 30), [59], [3, 17, 18, 60, 100], range(60)],
    ids=["starts late", "first bin", "middle", "last bin of a chromosome", "here and there", "a whole chromosome"],
)
def test_m1_pixels_lie_where_the_bin_table_has_them(tmp_path, matrix, lacking, caplog):
    kept = np.setdiff1d(np.arange(101), lacking)
    path = write_lacking(tmp_path / "lacking.cool", matrix, kept)
    report = contacts.prepare(path, tmp_path / "map.cool", BIN_BP, SIZES, balance=OPTIONS)
    expected = np.zeros_like(matrix)
    expected[np.ix_(kept, kept)] = matrix[np.ix_(kept, kept)]
    np.testing.assert_array_equal(dense(tmp_path / "map.cool"), expected)
    said = f"the bin table lacks {101 - len(kept)} of 101 bins of 1000 bp: pixels placed by coordinates"
    assert said in report["repairs"]
    assert said in caplog.text
    assert report["contacts_read"] == report["contacts"] == np.triu(expected).sum()
    assert np.isnan(cool.open_map(tmp_path / "map.cool").bins()["weight"][:][list(lacking)]).all()


def test_m1_bins_in_another_order(tmp_path, matrix):
    """A table that counts a chromosome from its end, and one whose chromosomes are not those of `chroms` in order."""
    rows = np.concatenate([np.arange(59, -1, -1), np.arange(60, 101)])
    ids = np.argsort(rows)
    bins = table(rows)
    path = tmp_path / "turned.cool"
    unchecked = {"dupcheck": False, "triucheck": False, "boundscheck": False}
    cooler.create_cooler(str(path), table(), pixels_of(matrix, ids), ordered=True, **unchecked)
    with h5py.File(path, "r+") as file:
        file["bins/start"][:], file["bins/end"][:] = bins["start"], bins["end"]
    report = contacts.prepare(path, tmp_path / "map.cool", BIN_BP, SIZES, balance=OPTIONS)
    np.testing.assert_array_equal(dense(tmp_path / "map.cool"), matrix)
    assert "another order" in report["repairs"][0]


def test_m1_a_map_counted_from_within_a_bin_is_refused(tmp_path, matrix):
    path = tmp_path / "shifted.cool"
    cooler.create_cooler(str(path), table(), pixels_of(matrix), ordered=True)
    with h5py.File(path, "r+") as file:
        file["bins/start"][:60] += 500
        file["bins/end"][:60] += 500
    with pytest.raises(InputError, match=r"shifted.cool::/: bin 0 of its bin table is chr1:500-1500, none of the bins"):
        contacts.prepare(path, tmp_path / "map.cool", BIN_BP, SIZES)


def test_m1_a_bin_twice_is_refused(tmp_path, matrix):
    path = tmp_path / "twice.cool"
    cooler.create_cooler(str(path), table(), pixels_of(matrix), ordered=True)
    with h5py.File(path, "r+") as file:
        file["bins/start"][5], file["bins/end"][5] = 4_000, 5_000
    with pytest.raises(InputError, match=r"twice.cool.*a bin stands twice"):
        trifold.info(path)


def test_m1_a_map_without_its_last_bins_says_so(tmp_path, matrix):
    """There the length of the chromosome itself is the end of the last bin left: it looks like another assembly."""
    kept = np.arange(50)
    cooler.create_cooler(str(tmp_path / "m.cool"), table(kept), pixels_of(matrix[:50, :50]), ordered=True)
    with pytest.raises(InputError, match=r"chr1 50,000 bp against 60,000; or its bin table lacks the last bins"):
        contacts.prepare(tmp_path / "m.cool", tmp_path / "map.cool", BIN_BP, SIZES)


def test_m1_info_and_score_read_the_bin_table(tmp_path, matrix):
    kept = np.arange(10, 101)
    path = write_lacking(tmp_path / "late.cool", matrix, kept)
    whole = cooler.create_cooler(str(tmp_path / "whole.cool"), table(), pixels_of(matrix), ordered=True) or "whole.cool"
    facts = trifold.info(path)
    inside = np.zeros_like(matrix)
    inside[10:, 10:] = matrix[10:, 10:]
    assert facts["bins"] == 101
    assert facts["contacts"] == np.triu(inside).sum()
    cis = np.triu(inside[:60, :60]).sum() + np.triu(inside[60:, 60:]).sum()
    assert facts["cis_contacts"] == cis
    # A map that lacks its first bins, scored against itself whole: equal where both are known.
    scores = trifold.score(path, tmp_path / whole)["regions"].query("scale == 'balanced'").set_index("chrom")
    assert scores.loc["chr1", "pearson"] > 0.99


def test_m1_values_that_are_no_counts_are_placed_too(tmp_path, matrix):
    """A predicted map of others, taken as it is by `score` and as a program's map."""
    kept = np.setdiff1d(np.arange(101), range(20, 30))
    values = matrix / 7
    path = tmp_path / "predicted.cool"
    bins = table(kept).assign(weight=1.0)
    cooler.create_cooler(
        str(path), bins, pixels_of(values[np.ix_(kept, kept)]), dtypes={"count": np.float64}, ordered=True
    )
    contacts.copy(path, tmp_path / "copy.cool", BIN_BP)
    expected = np.zeros(matrix.shape)
    expected[np.ix_(kept, kept)] = values[np.ix_(kept, kept)]
    np.testing.assert_array_equal(dense(tmp_path / "copy.cool"), expected)
    weight = cool.open_map(tmp_path / "copy.cool").bins()["weight"][:]
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(weight)), np.arange(20, 30))
    with pytest.raises(InputError, match=r"predicted.cool: its bin table lacks bins"):
        cool.Band.read(path, "chr1", 5)
    # The other chromosome has all its bins, and its band is that of the map placed by coordinates.
    whole = cool.Band.read(tmp_path / "copy.cool", "chr2", 5)
    np.testing.assert_array_equal(cool.Band.read(path, "chr2", 5).counts, whole.counts)


@pytest.mark.parametrize("absent", [range(3), range(50, 55), range(60, 65), range(80, 85)])
def test_m1_a_band_needs_all_bins_of_its_chromosome(tmp_path, matrix, absent):
    kept = np.setdiff1d(np.arange(101), absent)
    path = tmp_path / "map.cool"
    cooler.create_cooler(str(path), table(kept), pixels_of(matrix[np.ix_(kept, kept)]), ordered=True)
    lacking, other = ("chr1", "chr2") if absent[0] < 60 else ("chr2", "chr1")
    with pytest.raises(InputError, match=r"map.cool: its bin table lacks bins"):
        cool.Band.read(path, lacking, 5, balance=False)
    inside = slice(0, 60) if other == "chr1" else slice(60, 101)
    counts = cool.Band.read(path, other, 5, balance=False).counts
    for d in range(5):
        np.testing.assert_array_equal(counts[: len(counts) - d, d], np.diagonal(matrix[inside, inside], d))


def test_m1_a_program_map_in_another_order_of_chromosomes(tmp_path, matrix):
    order = np.concatenate([np.arange(60, 101), np.arange(60)])
    other = {"chr2": SIZES["chr2"], "chr1": SIZES["chr1"]}
    bins = cooler.binnify(pd.Series(other), BIN_BP).assign(weight=1.0)
    values = matrix[np.ix_(order, order)] / 7
    cooler.create_cooler(str(tmp_path / "made.cool"), bins, pixels_of(values), dtypes={"count": float}, ordered=True)
    options = contacts.BALANCE
    programs.keep_map(
        tmp_path / "made.cool", tmp_path, bin_bp=BIN_BP, chromsizes=SIZES, balance=options, facts={}, assembly="toy"
    )
    np.testing.assert_array_equal(dense(tmp_path / "map.cool"), matrix / 7)
    assert cool.open_map(tmp_path / "map.cool").chromnames == ["chr1", "chr2"]


@pytest.fixture
def cells(tmp_path, matrix):
    """A .scool of three cells, one twice and one three times as deep as the first."""
    path = tmp_path / "cells.scool"
    cooler.create_scool(str(path), table(), {f"cell{k}": pixels_of(matrix * k) for k in (1, 2, 3)}, ordered=True)
    return path


def test_m1_of_several_maps_one_is_named(tmp_path, cells, matrix):
    for asked in (
        lambda: contacts.prepare(cells, tmp_path / "map.cool", BIN_BP, SIZES),
        lambda: trifold.info(cells),
        lambda: trifold.score(cells, cells),
        lambda: trifold.enhance(cells, "model", tmp_path / "out.mcool"),
    ):
        with pytest.raises(InputError) as said:
            asked()
        if "no model" not in str(said.value):
            assert "cells.scool: holds 3 maps of 1 bin width; choose one of" in str(said.value)
            assert f"{cells}::/cells/cell2" in str(said.value)
    report = contacts.prepare(f"{cells}::/cells/cell2", tmp_path / "map.cool", BIN_BP, SIZES, balance=OPTIONS)
    np.testing.assert_array_equal(dense(tmp_path / "map.cool"), matrix * 2)
    assert report["group"] == "cells/cell2"
    assert trifold.info(f"{cells}::cells/cell3")["contacts"] == 3 * np.triu(matrix).sum()


def test_m1_the_dry_run_asks_for_one_of_several(tmp_path, cells, matrix):
    several = tmp_path / "several.mcool"
    for group in ("resolutions/1000", "resolutions/2000", "other/resolutions/1000"):
        bins = cooler.binnify(pd.Series(SIZES), int(group.rpartition("/")[2]))
        empty = pd.DataFrame({"bin1_id": [0], "bin2_id": [1], "count": [5]})
        cooler.create_cooler(f"{several}::{group}", bins, empty, mode="a", ordered=True)
    config = {"geometry": {"bin_bp": BIN_BP}, "degradations": {}, "enhance": {}}

    def check(name):
        given = {"samples": {"mine": {"contacts": name}}}
        checks.check_maps(config | given, {}, lambda named: named.partition("::")[0])

    for path, group in ((cells, "/cells/cell1"), (several, "/other/resolutions/1000")):
        with pytest.raises(InputError, match=rf"samples/mine/contacts: .*holds 3 maps of .* name one of .*{group}"):
            check(str(path))
        check(f"{path}::{group}")
    check(f"{several}::resolutions")
    with pytest.raises(InputError, match="a group that the file has"):
        check(f"{several}::/nowhere")


# ---------------------------------------------------------------- M4: the type that holds it

LARGE = 600_000_000


def all_pixels(count):
    """The same count in every pixel of the map: 101 bins."""
    i, j = np.triu_indices(101)
    return pd.DataFrame({"bin1_id": i, "bin2_id": j, "count": np.full(len(i), count)})


ALL_BINS = {"ignore_diags": 0, "mad_max": 0, "min_nnz": 1}


def test_m4_counts_beyond_int32(tmp_path):
    large = tmp_path / "large.cool"
    cooler.create_cooler(str(large), table(), all_pixels(10 * LARGE), dtypes={"count": np.int64}, ordered=True)
    report = contacts.prepare(large, tmp_path / "map.cool", BIN_BP, SIZES, balance=ALL_BINS)
    clr = cool.open_map(tmp_path / "map.cool")
    assert (clr.pixels()[:]["count"] == 6_000_000_000).all()
    assert report["contacts"] == report["contacts_read"] == clr.info["sum"] == 5151 * 6_000_000_000
    assert summary.summarise(tmp_path / "map.cool")["contacts"] == 5151 * 6_000_000_000


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.int64, np.float64])
def test_m4_pixels_that_only_sum_beyond_int32(tmp_path, kind):
    """Pixels of 6e8, which int32 holds: coarsened by 4, those on the diagonal are ten of them, the others sixteen."""
    pixels = all_pixels(LARGE)
    cooler.create_cooler(str(tmp_path / "a.cool"), table(), pixels, dtypes={"count": kind}, ordered=True)
    contacts.prepare(tmp_path / "a.cool", tmp_path / "map.cool", 4 * BIN_BP, SIZES, balance=ALL_BINS)
    wide = dense(tmp_path / "map.cool")
    assert (wide[0, 0], wide[0, 1], wide[-1, -1]) == (10 * LARGE, 16 * LARGE, LARGE)
    # Stored twice each, unsorted: summed on disk.
    near = pixels[pixels["bin2_id"] - pixels["bin1_id"] < 12]
    twice = pd.concat([near, near.iloc[::-1]] * 2)
    unchecked = {"dupcheck": False, "triucheck": False, "boundscheck": False}
    cooler.create_cooler(str(tmp_path / "b.cool"), table(), twice, dtypes={"count": kind}, ordered=True, **unchecked)
    report = contacts.prepare(tmp_path / "b.cool", tmp_path / "sums.cool", BIN_BP, SIZES, balance=ALL_BINS)
    assert (cool.open_map(tmp_path / "sums.cool").pixels()[:]["count"] == 4 * LARGE).all()
    assert report["contacts"] == len(near) * 4 * LARGE


def test_m4_degraded_maps(tmp_path):
    cool.write_cool(tmp_path / "raw.cool", SIZES, BIN_BP, [all_pixels(LARGE)])
    contacts.prepare(tmp_path / "raw.cool", tmp_path / "map.cool", BIN_BP, SIZES, balance=ALL_BINS)
    assert cool.open_map(tmp_path / "map.cool").pixels().dtypes["count"] == np.int32
    total = 5151 * LARGE
    for settings, expected in ((Degradation(coarsen=4), total), (Degradation(thin=2, seed=1), total / 2)):
        report = degrade.degrade(tmp_path / "map.cool", tmp_path / "low.cool", settings, balance=ALL_BINS)
        stored = int(cool.open_map(tmp_path / "low.cool").pixels()[:]["count"].sum())
        assert report["contacts"] == stored
        assert abs(stored - expected) <= 6 * np.sqrt(total / 4)
        if settings.coarsen > 1:
            assert (stored, dense(tmp_path / "low.cool")[0, 1]) == (total, 16 * LARGE)


def test_m4_what_does_not_fit_is_not_cut(tmp_path):
    chunk = {"bin1_id": np.array([0]), "bin2_id": np.array([1]), "count": np.array([2**31])}
    with pytest.raises(OverflowError, match="a count of 2147483648 does not fit into int32"):
        cool.write_cool(tmp_path / "a.cool", SIZES, BIN_BP, [chunk])
    cool.write_cool(tmp_path / "a.cool", SIZES, BIN_BP, [chunk], largest=2**31)
    assert dense(tmp_path / "a.cool")[0, 1] == 2**31


def test_m4_bin_ids_of_a_narrow_type(tmp_path, matrix):
    """Ids stored as int32: the number of a pixel in the square of the map must not wrap around."""
    sizes = {"chr1": 80_000_000}
    i, j = np.triu_indices(12)
    first = np.repeat([10, 69_980, 79_980], len(i))
    pixels = pd.DataFrame({"bin1_id": first + np.tile(i, 3), "bin2_id": first + np.tile(j, 3), "count": 5})
    path = tmp_path / "narrow.cool"
    cooler.create_cooler(str(path), cooler.binnify(pd.Series(sizes), BIN_BP), pixels, ordered=True)
    with h5py.File(path, "r+") as file:
        for name in ("bin1_id", "bin2_id"):
            ids = file[f"pixels/{name}"][:].astype(np.int32)
            del file[f"pixels/{name}"]
            file[f"pixels/{name}"] = ids
    contacts.prepare(path, tmp_path / "map.cool", BIN_BP, sizes, balance=ALL_BINS)
    stored = cool.open_map(tmp_path / "map.cool").pixels()[:]
    assert stored.to_numpy().tolist() == pixels.to_numpy().tolist()


# ---------------------------------------------------------------- M8: what it is, and what to do


def page(path):
    path.write_text("\n<!DOCTYPE html><html><body>Please log in</body></html>")


def of_anndata(path):
    with h5py.File(path, "w") as file:
        file["obs"], file["X"] = [1], [2]


def of_hicexplorer(path):
    with h5py.File(path, "w") as file:
        file["intervals/start_list"], file["matrix/data"] = [1], [2]


def packed(content):
    return lambda path: path.write_bytes(gzip.compress(content))


WRONG = {
    "map.hic.gz": (packed(b"HIC\0" + bytes(50)), "a .hic packed by gzip.*gunzip"),
    "map.cool.gz": (packed(kinds.HDF5 + bytes(50)), "a cooler packed by gzip.*gunzip"),
    "pairs.cool": (packed(b"## pairs format v1.0\n"), "a list of pairs, packed by gzip.*cload pairs"),
    "cut.cool.gz": (lambda path: path.write_bytes(gzip.compress(bytes(500))[:12]), "a gzip file that is not whole"),
    "reads.cool": (packed(b"BAM\1" + bytes(50)), "a BAM of reads.*make a map of the reads"),
    "track.cool": (lambda path: path.write_bytes(b"\x26\xfc\x8f\x88" + bytes(60)), "a bigWig track.*under `tracks`"),
    "portal.mcool": (page, "an HTML page.*fetch the file itself"),
    "cells.cool": (of_anndata, r"HDF5, but no cooler inside \(it holds X, obs\)"),
    "old.cool": (of_hicexplorer, "a matrix of HiCExplorer.*hicConvertFormat"),
    "empty.cool": (lambda path: path.write_bytes(b""), "empty.*fetch it again"),
    "lfs.cool": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer"),
    "chr1.fa": (lambda path: path.write_text(">chr1\nACGT\n"), "a FASTA"),
    "page.hic": (page, "an HTML page.*and no .hic"),
    "deep.tar.cool": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(60)), "a zip archive"),
}


@pytest.mark.parametrize("name", WRONG)
def test_m8_what_is_no_map_is_called_what_it_is(tmp_path, name):
    write, said = WRONG[name]
    write(tmp_path / name)
    target = tmp_path / "prepared.cool"
    for asked in (
        lambda: contacts.prepare(tmp_path / name, target, BIN_BP, SIZES),
        lambda: trifold.info(tmp_path / name),
        lambda: trifold.score(tmp_path / name, tmp_path / name),
    ):
        with pytest.raises(InputError, match=said) as error:
            asked()
        assert str(error.value).startswith(str(tmp_path / name))
        assert "\n" not in str(error.value)
    assert not target.exists()


@pytest.mark.parametrize("name", ["map.hic.gz", "portal.mcool", "track.cool", "reads.cool"])
def test_m8_the_dry_run_says_it_too(tmp_path, name):
    write, said = WRONG[name]
    write(tmp_path / name)
    config = {
        "geometry": {"bin_bp": BIN_BP},
        "degradations": {},
        "enhance": {},
        "samples": {"mine": {"contacts": str(tmp_path / name)}},
    }
    with pytest.raises(InputError, match=f"config: samples/mine/contacts: .*{said.split('.*')[0]}"):
        checks.check_maps(config, {}, lambda named: named)


def test_m8_a_hic_is_one_whatever_its_name(tmp_path, mirror):
    for name in ("map.HIC", "map.Hic", "map.cool", "map"):
        path = shutil.copy(mirror / "test_chr22.hic", tmp_path / name)
        assert kinds.is_hic(path)
        assert contacts.resolutions(path) == hic.resolutions(mirror / "test_chr22.hic")
        assert widths.bin_widths(path) == contacts.resolutions(path)
    # And a cooler called .hic is a cooler.
    cool.write_cool(tmp_path / "a.cool", SIZES, BIN_BP, [])
    shutil.copy(tmp_path / "a.cool", tmp_path / "a.hic")
    assert contacts.resolutions(tmp_path / "a.hic") == [BIN_BP]


def test_m8_bins_beyond_the_table(tmp_path, matrix):
    path = tmp_path / "beyond.cool"
    cooler.create_cooler(str(path), table(), pixels_of(matrix), ordered=True)
    with h5py.File(path, "r+") as file:
        file["pixels/bin2_id"][-1] = 140
    for asked in (lambda: contacts.prepare(path, tmp_path / "m.cool", BIN_BP, SIZES), lambda: trifold.info(path)):
        with pytest.raises(InputError, match=r"beyond.cool: holds pixels of bin 140, and has 101 bins"):
            asked()


def test_m8_a_file_that_ends_early(tmp_path, matrix, mirror):
    path = tmp_path / "whole.cool"
    cooler.create_cooler(str(path), table(), pixels_of(matrix), ordered=True)
    content = path.read_bytes()
    (tmp_path / "cut.cool").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(InputError, match=r"cut.cool: not a readable cooler \(.*truncated.*fetch it again"):
        trifold.info(tmp_path / "cut.cool")
    # The tables of contents are whole, a chunk of pixels is not.
    with h5py.File(path, "r") as file:
        chunk = file["pixels/count"].id.get_chunk_info(0)
    damaged = bytearray(content)
    damaged[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"whole.cool::/: not a readable cooler"):
        contacts.prepare(path, tmp_path / "m.cool", BIN_BP, SIZES)
    content = (mirror / "test_chr22.hic").read_bytes()
    for share in (0.02, 0.5):
        (tmp_path / "cut.hic").write_bytes(content[: int(len(content) * share)])
        with pytest.raises(InputError, match=r"cut.hic: not a readable .hic"):
            contacts.prepare(tmp_path / "cut.hic", tmp_path / "m.cool", 100_000)


def test_m8_messages_name_the_map_that_was_given(tmp_path, matrix):
    """Neither a hidden folder nor the name of what is being made of it."""
    (folder := tmp_path / ".low.partial").mkdir()
    cool.write_cool(tmp_path / "deep.cool", SIZES, BIN_BP, [pixels_of(np.triu(matrix, 3) * 0 + np.eye(101, dtype=int))])
    with pytest.raises(InputError, match=r"deep.cool .*too few contacts") as error:
        degrade.degrade(tmp_path / "deep.cool", folder / "map.cool", Degradation(thin=64))
    assert ".partial" not in str(error.value)
    with pytest.raises(InputError, match=r"deep.cool: too few contacts") as error:
        contacts.prepare(tmp_path / "deep.cool", folder / "map.cool", BIN_BP)
    assert ".partial" not in str(error.value)


def test_m5_names_of_a_hic(tmp_path):
    """hictk takes chrom:start-end apart at a colon; names may hold some."""
    names = {"HLA-A*01:01:01:01": 50_000, "hap1#1#chr1": 40_000}
    writer = hictkpy.hic.FileWriter(tmp_path / "a.hic", names, [1_000])
    pixels = pd.DataFrame({"bin1_id": [0, 3, 60], "bin2_id": [2, 55, 61], "count": [5.0, 4.0, 3.0]})
    writer.add_pixels(pixels.astype({"bin1_id": "Int64", "bin2_id": "Int64", "count": "Float32"}))
    writer.finalize()
    assert hic.chromsizes(tmp_path / "a.hic") == names
    counts = np.concatenate([chunk["count"] for chunk in hic.read_pixels(tmp_path / "a.hic", 1_000)])
    assert counts.tolist() == [5.0, 4.0, 3.0]
