"""Letters and codes."""

import numpy as np
import pytest

from trifold import genome


def test_codes_of_letters():
    assert genome.encode("ACGTNacgtn").tolist() == [0, 1, 2, 3, 4] * 2
    assert genome.encode(b"RYSWKMBDHV-*").tolist() == [4] * 12, "ambiguity is N"
    assert genome.decode(genome.encode("acgtRN")) == "ACGTNN"


def test_reverse_complement_is_an_involution_and_knows_the_letters():
    codes = genome.encode("AACGTN")
    assert genome.decode(genome.reverse_complement(codes)) == "NACGTT"
    stack = np.random.default_rng(0).integers(0, 5, (3, 50), dtype=np.uint8)
    assert np.array_equal(genome.reverse_complement(genome.reverse_complement(stack)), stack)


@pytest.mark.parametrize("length, bins", [(1, 1), (1000, 1), (1001, 2), (2000, 2)])
def test_the_last_bin_may_be_short(length, bins):
    assert genome.n_bins(length, 1000) == bins
