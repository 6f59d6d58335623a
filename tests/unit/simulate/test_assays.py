"""Reads and loops: where they gather, how they are written, and that the same seed writes the same bytes."""

import cooler
import numpy as np
import pandas as pd
import pysam
import pytest

from trifold.genome import N_CODE, encode
from trifold.simulate import assays, folding
from trifold.simulate.simulate import simulate


def read_bam(path) -> tuple[dict, list[pysam.AlignedSegment]]:
    with pysam.AlignmentFile(str(path), check_sq=False) as handle:
        return handle.header.to_dict(), list(handle)


@pytest.mark.parametrize("assay", ["atac", "dnase", "cage"])
def test_reads_are_the_genome_and_never_on_a_gap(world, assay):
    header, reads = read_bam(world.folder / f"alpha.{assay}.bam")
    assert [(row["SN"], row["LN"]) for row in header["SQ"]] == [(c.name, c.length_bp) for c in world.chromosomes]
    wanted = world.settings.reads[assay] * (2 if assay == "atac" else 1)
    assert 0.97 * wanted < len(reads) <= wanted
    codes = {chromosome.name: chromosome.codes for chromosome in world.chromosomes}
    for read in reads[::37]:
        here = codes[read.reference_name][read.reference_start : read.reference_end]
        np.testing.assert_array_equal(encode(read.query_sequence), here)
        assert (here != N_CODE).all()
        assert read.cigarstring == f"{assays.READ_BP}M"
        assert read.mapping_quality == assays.MAPPING_QUALITY
    positions = [(read.reference_id, read.reference_start) for read in reads]
    in_order = positions == sorted(positions)
    assert in_order == (assay != "atac")
    assert header["HD"]["SO"] == ("coordinate" if in_order else "unsorted")


def test_atac_mates_face_one_another(world):
    _, reads = read_bam(world.folder / "beta.atac.bam")
    for left, right in zip(reads[::2], reads[1::2]):
        assert left.query_name == right.query_name
        assert left.is_proper_pair
        assert left.is_read1
        assert right.is_read2
        assert (left.is_reverse, right.is_reverse) == (False, True) == (right.mate_is_reverse, left.mate_is_reverse)
        assert left.next_reference_start == right.reference_start
        assert right.next_reference_start == left.reference_start
        assert left.template_length == right.reference_end - left.reference_start == -right.template_length


def test_sorted_reads_can_be_indexed_and_fetched(world, tmp_path):
    path = tmp_path / "dnase.bam"
    path.write_bytes((world.folder / "alpha.dnase.bam").read_bytes())
    pysam.index(str(path))
    _, reads = read_bam(path)
    with pysam.AlignmentFile(str(path)) as handle:
        fetched = sum(1 for _ in handle.fetch("chrI", 300_000, 400_000))
    inside = [
        r for r in reads if r.reference_name == "chrI" and r.reference_end > 300_000 and r.reference_start < 400_000
    ]
    assert fetched == len(inside) > 100


def test_index_bins_are_those_of_the_specification():
    start_bp = np.array([0, 16_384 - 36, 16_384 - 35, 131_072 - 1, 5_000_000, (1 << 26) - 10])
    expected = [4681, 4681, 585, 73, 4681 + (5_000_000 >> 14), 0]
    np.testing.assert_array_equal(assays._index_bin(start_bp), expected)


@pytest.mark.parametrize("assay", ["atac", "dnase"])
def test_open_chromatin_gathers_at_bound_sites_of_the_cell_type(world, assay):
    depth = {}
    for cell in world.settings.cells:
        _, reads = read_bam(world.folder / f"{cell}.{assay}.bam")
        for chromosome in world.chromosomes:
            starts = [read.reference_start for read in reads if read.reference_name == chromosome.name]
            depth[cell, chromosome.name] = np.bincount(starts, minlength=chromosome.length_bp)

    def around(chromosome, cell, which) -> float:
        centres_bp = chromosome.ctcf.start_bp[which].to_numpy()
        return np.mean([depth[cell, chromosome.name][bp - 200 : bp + 200].sum() for bp in centres_bp])

    for chromosome in world.chromosomes:
        overall = depth["alpha", chromosome.name].mean() * 400
        only_beta = chromosome.ctcf.beta & ~chromosome.ctcf.alpha
        assert around(chromosome, "alpha", chromosome.ctcf.alpha) > 5 * overall
        assert around(chromosome, "alpha", only_beta) < 2 * overall
        assert around(chromosome, "beta", only_beta) > 5 * overall


def test_cage_reads_begin_at_active_promoters_on_their_strand(world):
    _, reads = read_bam(world.folder / "alpha.cage.bam")
    at_tss = right_strand = 0
    for read in reads:
        five_prime_bp = read.reference_end - 1 if read.is_reverse else read.reference_start
        promoters = next(c for c in world.chromosomes if c.name == read.reference_name).promoters
        active = promoters[promoters.alpha > 0]
        distance_bp = np.abs(active.tss_bp - five_prime_bp)
        if distance_bp.min() < 60:
            at_tss += 1
            right_strand += (active.strand[distance_bp.idxmin()] < 0) == read.is_reverse
    assert at_tss / len(reads) == pytest.approx(assays.PEAK_SHARE["cage"], abs=0.03)
    assert right_strand / at_tss > 0.99


def test_loops_join_convergent_bound_motifs_and_are_corners_of_the_map(world):
    columns = ["chrom1", "start1", "end1", "chrom2", "start2", "end2", "pets"]
    for cell in world.settings.cells:
        table = pd.read_csv(world.folder / f"{cell}.chiapet.bedpe", sep="\t", names=columns)
        assert len(table) > 30
        assert (table.pets >= assays.MIN_PETS).all()
        assert (table.chrom1 == table.chrom2).all()
        for chromosome in world.chromosomes:
            bound = chromosome.ctcf[chromosome.ctcf[cell]]
            rows = table[table.chrom1 == chromosome.name]
            assert (rows.start1 < rows.start2).all()
            for start, end, strand in ((rows.start1, rows.end1, 1), (rows.start2, rows.end2, -1)):
                motifs_bp = bound.start_bp[bound.strand == strand].to_numpy()
                held = (motifs_bp > start.to_numpy()[:, None]) & (motifs_bp < end.to_numpy()[:, None])
                assert held.any(axis=1).all()


def test_the_same_seed_writes_the_same_files_and_another_does_not(settings, tmp_path):
    small = {**settings, "chromosomes": {"chrI": 300_000}, "contacts": 100_000}
    folders = []
    for name, seed in (("first", 3), ("again", 3), ("other", 4)):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        simulate(folders[-1], {**small, "seed": seed})
    first, again, other = folders
    names = sorted(path.name for path in first.iterdir())
    of_maps = ["mcool", "truth.cool", "planted.bedpe", "planted.bed"]
    kinds = [*of_maps, "atac.bam", "dnase.bam", "cage.bam", "chiapet.bedpe"]
    shared = ["genome.fa.gz", "ctcf.bed", "compartments.bed", "promoters.bed"]
    shared += [f"{name}.{kind}" for name in settings["without_loops"] for kind in of_maps]
    assert names == sorted(shared + [f"{cell}.{kind}" for cell in settings["cells"] for kind in kinds])
    for name in names:
        if name.endswith("cool"):
            uri = f"{name}::/resolutions/1024" if name.endswith("mcool") else name
            one, two, three = (cooler.Cooler(f"{folder}/{uri}") for folder in folders)
            pd.testing.assert_frame_equal(one.pixels()[:], two.pixels()[:])
            pd.testing.assert_frame_equal(one.bins()[:], two.bins()[:])
            assert not one.pixels()[:].equals(three.pixels()[:])
        else:
            assert (first / name).read_bytes() == (again / name).read_bytes()
            # What is planted in a map without loops is nothing, whatever the seed.
            assert ((first / name).read_bytes() != (other / name).read_bytes()) == (not name.startswith("flat.planted"))


def test_planted_loops_are_convergent_pairs_that_stand_out(world):
    """Their pixels have more contacts than the same genome without loops over anchors, as the share says."""
    table = pd.read_csv(world.folder / "alpha.planted.bedpe", sep="\t", header=None)
    for chromosome in world.chromosomes:
        occupancy, anchored = folding.loops(chromosome, "alpha", world.settings)
        pairs = assays.anchored_pairs(chromosome, anchored, "alpha")
        whole = folding.contact_frequency(occupancy)
        distance = np.arange(len(whole))[:, None]
        alone = (1.0 + distance) ** -folding.CHAIN_EXPONENT
        alone = alone + folding.CONFINEMENT * (1.0 + distance) ** -folding.CONFINED_EXPONENT * folding.sharing(
            occupancy
        )
        left, right = pairs.left_bp // 1024, pairs.right_bp // 1024
        # Over the bases of other loops some contacts come too: the share is of the pair's loop alone.
        most = 1 - alone[right - left, left] / whole[right - left, left]
        of_chrom = table[table[0] == chromosome.name]
        known = {
            (start1 // 1024, start2 // 1024): share for start1, start2, share in zip(*(of_chrom[k] for k in (1, 4, 7)))
        }
        assert set(known) <= set(zip(left, right))
        assert len(known) > 20
        for place, bound in zip(zip(left, right), most):
            share = known.get(place, 0)
            assert share <= bound + 1e-3
            assert place in known or bound < 0.9
    assert (table[2] - table[1] == 1024).all() and (table[7] >= assays.PLANTED_SHARE - 1e-3).all()


def test_a_planted_share_is_what_the_map_has_less_of_without_that_loop(world):
    """Contacts are linear in loops: taken away, one takes those over its bases, and those of bins that it confines."""
    chromosome = world.chromosomes[1]
    occupancy, anchored = folding.loops(chromosome, "alpha", world.settings)
    pairs = assays.planted_loops(chromosome, occupancy, anchored, "alpha")
    whole = folding.contact_frequency(occupancy)
    for pair in (pairs.iloc[0], pairs.iloc[len(pairs) // 2], pairs.iloc[-1]):
        left, right = (int(pair[name]) // chromosome.bin_bp for name in ("left_bp", "right_bp"))
        at = right - left, left
        without = occupancy.copy()
        without[at] = 0
        confined = folding.CONFINEMENT * (1.0 + at[0]) ** -folding.CONFINED_EXPONENT * occupancy[at]
        lost = whole[at] - folding.contact_frequency(without)[at] - confined
        assert pair["share"] == pytest.approx(lost / whole[at], rel=1e-6)


def test_a_boundary_halts_as_its_best_direction_does(world):
    """By hand from the motifs: a leg passes a run where it passes every motif that points against it."""
    table = pd.read_csv(world.folder / "alpha.planted.bed", sep="\t", header=None)
    several = 0
    for chromosome in world.chromosomes:
        bound = chromosome.ctcf[chromosome.ctcf.alpha]
        for row in table[table[0] == chromosome.name].itertuples():
            # A run is of whole bins, but for the end of the chromosome.
            here = bound[(bound.start_bp >= row[2]) & (bound.start_bp < row[3])]
            passes = [np.prod(1 - here.barrier[here.strand == strand]) for strand in (-1, 1)]
            assert row[5] == round(1000 * (1 - min(passes)))
            several += (here.strand.value_counts() > 1).any()
    assert several > 3


def test_planted_boundaries_hold_every_barrier_and_lie_apart(world):
    table = pd.read_csv(world.folder / "alpha.planted.bed", sep="\t", header=None)
    for chromosome in world.chromosomes:
        runs = table[table[0] == chromosome.name]
        bound = chromosome.ctcf[chromosome.ctcf.alpha]
        inside = [((runs[1] <= start) & (start < runs[2])).sum() for start in bound.start_bp]
        assert set(inside) == {1}
        assert (runs[1].to_numpy()[1:] - runs[2].to_numpy()[:-1] >= assays.BOUNDARY_BP - 1024).all()
        # One weak motif halts two legs in five; several motifs of one direction, more.
        assert runs[4].min() == 400 and runs[4].max() > 950
    assert len(table) < len(pd.concat([chromosome.ctcf for chromosome in world.chromosomes]))


def test_a_map_without_loops_has_the_compartments_and_nothing_planted(world):
    for name in ("flat.planted.bedpe", "flat.planted.bed"):
        assert (world.folder / name).read_text() == ""
    maps = {name: cooler.Cooler(str(world.folder / f"{name}.truth.cool")) for name in ("alpha", "flat")}
    first, flat = (clr.matrix(balance=True).fetch("chrII") for clr in maps.values())
    chromosome = world.chromosomes[1]
    score = folding.compartment_score(chromosome, world.settings)
    i, j = np.indices(flat.shape)
    near = (j - i >= 5) & (j - i < 60) & np.isfinite(flat)
    expected = (1.0 + (j - i)[near]) ** -folding.CHAIN_EXPONENT
    expected = expected * np.exp(world.settings.compartment_strength * score[i[near]] * score[j[near]])
    # What is left is balancing: a factor for either bin.
    assert np.corrcoef(np.log(flat[near]), np.log(expected))[0, 1] > 0.98
    assert np.corrcoef(np.log(first[near]), np.log(expected))[0, 1] < 0.96
    weights = [clr.bins()["weight"][:].to_numpy() for clr in maps.values()]
    np.testing.assert_array_equal(np.isfinite(weights[0]), np.isfinite(weights[1]))
