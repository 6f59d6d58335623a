import numpy as np
import pytest

from trifold.data.augment import Augmentation, read_shifted, reverse
from trifold.errors import InputError
from trifold.genome import decode, encode


class Genome:
    """A sequence store in memory."""

    def __init__(self, letters):
        self.codes = encode(letters)

    def window(self, chrom, start_bp, end_bp):
        inside = self.codes[max(start_bp, 0) : max(end_bp, 0)]
        return np.pad(inside, (max(-start_bp, 0), max(end_bp - len(self.codes), 0)), constant_values=4)


def window(rng):
    asymmetric = rng.random((1, 6, 6), dtype=np.float32)
    return {
        "sequence": encode("AACGTTNACCGT"),
        "map": asymmetric,
        "map_coarse": rng.random((1, 3, 3), dtype=np.float32),
        "observed": rng.random((1, 6, 6), dtype=np.float32),
        "oe": rng.random((1, 6, 6), dtype=np.float32),
        "tracks": rng.random((2, 6), dtype=np.float32),
        "tracks_valid": rng.random((2, 6)) < 0.5,
        "valid": np.array([True, True, False, True, True, True]),
    }


def test_reverse_twice_is_the_identity_and_once_is_not():
    original = window(np.random.default_rng(0))
    once = reverse(original)
    for key, array in reverse(once).items():
        np.testing.assert_array_equal(array, original[key], err_msg=key)
        assert not np.array_equal(once[key], original[key]), key
        assert once[key].dtype == original[key].dtype


def test_reverse_turns_everything_together():
    original = window(np.random.default_rng(1))
    turned = reverse(original)
    assert decode(turned["sequence"]) == "ACGGTNAACGTT"
    assert not turned["valid"][3]
    # Bins i, j of one strand are bins W - 1 - i, W - 1 - j of the other, in every array.
    assert turned["map"][0, 1, 5] == original["map"][0, 4, 0]
    assert turned["tracks"][1, 0] == original["tracks"][1, 5]


def test_strands_change_places():
    """Of four tracks the first and the last are the strands of an assay; what a bin knows goes with its track."""
    rng = np.random.default_rng(2)
    original = {
        **window(rng),
        "tracks": rng.random((4, 12), dtype=np.float32),
        "tracks_valid": rng.random((4, 12)) < 0.5,
    }
    kept = {key: array.copy() for key, array in original.items()}
    once = reverse(original, [(0, 3)])
    for key in ("tracks", "tracks_valid"):
        np.testing.assert_array_equal(once[key], original[key][[3, 1, 2, 0], ::-1])
    for key in original.keys() - {"tracks", "tracks_valid"}:
        np.testing.assert_array_equal(once[key], reverse(original)[key], err_msg=key)
    for key, array in reverse(once, [(0, 3)]).items():
        np.testing.assert_array_equal(array, original[key], err_msg=key)
        assert not np.array_equal(once[key], original[key]), key
    for key, array in kept.items():  # the window that was given stays as it is
        np.testing.assert_array_equal(original[key], array, err_msg=key)


def test_draw_depends_on_seed_epoch_and_index_alone():
    augmentation = Augmentation(reverse_complement=True, shift_bp=11)
    first = [augmentation.draw(3, 5, index) for index in range(200)]
    backwards = [augmentation.draw(3, 5, index) for index in reversed(range(200))][::-1]
    assert first == backwards
    assert first != [augmentation.draw(3, 6, index) for index in range(200)]
    assert first != [augmentation.draw(4, 5, index) for index in range(200)]


def test_draw_is_uniform():
    draws = [Augmentation(True, 2).draw(0, 0, index) for index in range(4000)]
    reverses, shifts = np.array(draws).T
    assert abs(reverses.mean() - 0.5) < 0.03
    shares = np.bincount(shifts + 2, minlength=5) / 4000
    np.testing.assert_allclose(shares, 0.2, atol=0.025)


def test_published_shifts_are_skewed_as_released():
    shifts = np.array([Augmentation(True, 2, "published").draw(0, 0, index)[1] for index in range(4000)])
    assert (shifts.min(), shifts.max()) == (-1, 2)
    np.testing.assert_allclose(np.bincount(shifts + 1) / 4000, [0.2, 0.4, 0.2, 0.2], atol=0.03)


def test_nothing_to_draw_is_no_augmentation():
    assert {Augmentation(False, 0).draw(0, epoch, 1) for epoch in range(20)} == {(False, 0)}


@pytest.mark.parametrize(
    ("shift_bp", "corrected", "published"),
    [(0, "CGTT", "CGTT"), (1, "GTTA", "GTTN"), (-2, "AACG", "NNCG")],
)
def test_shift_reads_neighbours_and_published_pads(shift_bp, corrected, published):
    genome = Genome("AACGTTAC")
    assert decode(read_shifted(genome, "chr1", 2, 6, shift_bp, "corrected")) == corrected
    padded = read_shifted(genome, "chr1", 2, 6, shift_bp, "published")
    assert decode(padded) == published
    assert decode(genome.codes) == "AACGTTAC"


def test_shift_must_be_smaller_than_a_bin():
    Augmentation(shift_bp=99).check(bin_bp=100)
    with pytest.raises(InputError, match="shift_bp: 100"):
        Augmentation(shift_bp=100).check(bin_bp=100)
