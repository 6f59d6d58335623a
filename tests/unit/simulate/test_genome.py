"""The simulated sequence: what is planted where, and what the files say about it."""

import gzip

import numpy as np
import pandas as pd
import pytest

from trifold import config
from trifold.errors import InputError
from trifold.genome import N_CODE, encode, reverse_complement
from trifold.simulate import genome


def read_fasta(path) -> dict[str, str]:
    records = gzip.decompress(path.read_bytes()).decode().split(">")[1:]
    return {record.split("\n", 1)[0]: record.split("\n", 1)[1].replace("\n", "") for record in records}


def scan(codes: np.ndarray) -> np.ndarray:
    """Score of the forward motif at every position."""
    return genome.motif_score(np.lib.stride_tricks.sliding_window_view(codes, len(genome.MOTIF)))


def test_fasta_holds_the_sequence_the_mask_and_the_gaps(world):
    letters = read_fasta(world.folder / "genome.fa.gz")
    assert list(letters) == ["chrI", "chrII"]
    for chromosome in world.chromosomes:
        text = letters[chromosome.name]
        np.testing.assert_array_equal(encode(text), chromosome.codes)
        lower = np.char.islower(np.array(list(text)))
        np.testing.assert_array_equal(lower, chromosome.masked)
        assert 0.2 < lower.mean() < 0.4
        assert "n" not in text
        unmappable = chromosome.mappable == 0
        assert 3 <= unmappable.sum() <= 12
        assert np.ptp(np.flatnonzero(unmappable)) + 1 == unmappable.sum()  # one stretch


def test_gc_content_follows_the_compartments(world):
    table = pd.read_csv(world.folder / "compartments.bed", sep="\t")
    for chromosome in world.chromosomes:
        segments = table[table["#chrom"] == chromosome.name]
        assert segments.start.iloc[0] == 0
        assert segments.end.iloc[-1] == chromosome.length_bp
        np.testing.assert_array_equal(segments.start[1:], segments.end[:-1])
        content = {"A": [], "B": []}
        for segment in segments.itertuples():
            codes = chromosome.codes[segment.start : segment.end]
            content[segment.name].append(np.isin(codes, [1, 2]).sum() / (codes != N_CODE).sum())
        assert np.mean(content["A"]) == pytest.approx(0.52, abs=0.03)
        assert np.mean(content["B"]) == pytest.approx(0.38, abs=0.03)


def test_motifs_stand_where_and_how_ctcf_bed_says(world):
    letters = read_fasta(world.folder / "genome.fa.gz")
    table = pd.read_csv(world.folder / "ctcf.bed", sep="\t")
    best = np.log2(4 * genome.motif_probabilities().max(axis=1)).sum()
    assert set(table.strand) == {"+", "-"}
    for row in table.itertuples():
        codes = encode(letters[row[1]][row.start : row.end])
        here, there = genome.motif_score(codes), genome.motif_score(reverse_complement(codes))
        assert (here > there) == (row.strand == "+")
        assert row.score == pytest.approx(np.clip(1000 * max(here, there) / best, 0, 1000), abs=0.51)


def test_the_background_holds_no_strong_motif(world):
    for chromosome in world.chromosomes:
        strong = chromosome.ctcf[~chromosome.ctcf.weak]
        threshold = strong.score.quantile(0.05)
        for strand, codes in ((1, chromosome.codes), (-1, reverse_complement(chromosome.codes))):
            found = np.flatnonzero(scan(codes) >= threshold)
            starts_bp = found if strand > 0 else chromosome.length_bp - found - len(genome.MOTIF)
            planted = chromosome.ctcf.start_bp[chromosome.ctcf.strand == strand]
            assert np.isin(starts_bp, planted).all()
            assert len(found) >= 0.9 * (strong.strand == strand).sum()


def test_a_cell_element_beside_a_motif_tells_where_it_is_bound(world):
    elements = {cell: genome.cell_element(cell) for cell in world.settings.cells}
    gap_bp = genome.SPACER_BP
    switched = 0
    for chromosome in world.chromosomes:
        for site in chromosome.ctcf.itertuples():
            if site.strand > 0:
                beside = chromosome.codes[site.end_bp + gap_bp :][: genome.CELL_ELEMENT_BP]
            else:
                end_bp = site.start_bp - gap_bp
                beside = reverse_complement(chromosome.codes[end_bp - genome.CELL_ELEMENT_BP : end_bp])
            named = [cell for cell, element in elements.items() if np.array_equal(beside, element)]
            bound = [cell for cell in elements if getattr(site, cell)]
            assert bound == (named or list(elements))
            switched += bool(named)
    n_sites = sum(len(chromosome.ctcf) for chromosome in world.chromosomes)
    assert 0.1 < switched / n_sites < 0.4


def test_promoters_are_core_elements_enriched_in_a(world):
    letters = read_fasta(world.folder / "genome.fa.gz")
    table = pd.read_csv(world.folder / "promoters.bed", sep="\t")
    for row in table.itertuples():
        codes = encode(letters[row[1]][row.start : row.end])
        expected = encode(genome.CORE_PROMOTER)
        np.testing.assert_array_equal(codes if row.strand == "+" else reverse_complement(codes), expected)
    assert (table[["alpha", "beta"]].max(axis=1) > 0).all()
    in_a = 0
    for chromosome in world.chromosomes:
        segments = chromosome.compartments
        row = np.searchsorted(segments.end_bp, chromosome.promoters.tss_bp, side="right")
        in_a += (segments.name.to_numpy()[row] == "A").sum()
    assert in_a / len(table) > 0.6


def test_a_chromosome_depends_on_seed_and_name_alone(settings):
    def codes(**changes):
        return genome.make_chromosome("chrI", config.from_dict(genome.Settings, {**settings, **changes})).codes

    alone = codes(chromosomes={"chrI": settings["chromosomes"]["chrI"]})
    np.testing.assert_array_equal(codes(), alone)
    assert (codes(seed=4) != alone).mean() > 0.5


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"background": 1.0}, "simulate.background"),
        ({"cells": []}, "simulate.cells"),
        ({"chromosomes": {"chrI": 200_000}}, "simulate.chromosomes.chrI"),
        ({"band_bp": 4096}, "simulate.band_bp"),
        ({"reads": {"atac": 1}}, "simulate.reads"),
    ],
)
def test_settings_that_cannot_be_simulated_are_refused(settings, changes, message):
    with pytest.raises(InputError, match=message):
        config.from_dict(genome.Settings, {**settings, **changes})
