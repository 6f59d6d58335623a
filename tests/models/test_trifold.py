"""The network of rates: features free of units, what it says at the start, its doubt, tracks that are absent."""

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import registry, trifold

GEOMETRY = Geometry(bin_bp=1000, window_bins=32, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)


def make(**options):
    torch.manual_seed(0)
    options = {"channels": 8, "residual_blocks": 2, **options}
    return registry.build("trifold", GEOMETRY, options, {"tracks": ["atac", "ctcf"]}, task="rates")


def maps(seed=1, depth=1.0):
    """Contacts of a window and those expected, with a bin that has no weight."""
    rng = np.random.default_rng(seed)
    distance = np.abs(np.subtract.outer(np.arange(32), np.arange(32)))
    expected = depth * 50 / (1 + distance)
    counts = np.triu(rng.poisson(expected * np.exp(rng.normal(0, 0.3, (32, 32)))))
    counts, expected = counts + np.triu(counts, 1).T, expected.copy()
    for values in (counts, expected):
        values[7], values[:, 7] = 0, 0
    return tuple(torch.tensor(values, dtype=torch.float32)[None, None] for values in (counts, expected))


def test_smoothing_is_scipys():
    counts, _ = maps()
    for sigma_bins in trifold.SIGMAS_BINS:
        wanted = ndimage.gaussian_filter(counts[0, 0].double().numpy(), sigma_bins, mode="constant", truncate=3)
        made = trifold.smoothed(counts, trifold.gaussian(sigma_bins))[0, 0].numpy()
        np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=1e-5)


def test_features_say_nothing_where_contacts_are_as_expected():
    _, expected = maps()
    for depth in (1, 100):
        same = trifold.map_features(depth * expected, depth * expected)
        torch.testing.assert_close(same[:, :4], torch.zeros(1, 4, 32, 32), atol=1e-5, rtol=0)
        assert not same[0, -1, 7].any() and same[:, -1].sum() == 31 * 31


def test_few_contacts_are_drawn_towards_what_is_expected():
    """Twice as many contacts as expected: ln 2 where many are under the Gaussian, less where there are few."""
    _, expected = maps()
    deep = trifold.map_features(2000 * expected, 1000 * expected)
    shallow = trifold.map_features(0.002 * expected, 0.001 * expected)
    torch.testing.assert_close(deep[:, 1], torch.full((1, 32, 32), np.log(2)), atol=2e-3, rtol=0)
    assert 0 < shallow[:, 1].max() < 0.5


def test_it_starts_from_the_smoothed_map():
    counts, expected = maps()
    log_oe, log_dispersion = make().rates({"map": counts, "map_expected": expected})
    features = trifold.map_features(counts, expected)
    torch.testing.assert_close(log_oe, features[:, :3].mean(dim=1, keepdim=True), atol=1e-5, rtol=0)
    assert (log_dispersion == trifold.LOG_DISPERSION).all()


def test_doubt_is_the_spread_of_the_logarithm_of_a_gamma_rate():
    counts, expected = maps()
    log_oe, sd = make().with_doubt({"map": counts, "map_expected": expected})
    assert log_oe.shape == sd.shape
    number = np.exp(-trifold.LOG_DISPERSION)
    assert sd.unique().item() == pytest.approx(stats.loggamma(number).std(), rel=1e-5)


def test_tracks_that_are_not_there_are_no_zeros():
    """A map without its tracks is read as one whose tracks were left out in training, whatever the arrays hold."""
    counts, expected = maps()
    model = make(reads_tracks=True)
    for weight in (model.join.weight, model.tracks.absent, model.leave.weight):
        torch.nn.init.normal_(weight)
    batch = {"map": counts, "map_expected": expected, "tracks": torch.rand(1, 2, 32)}
    known, unknown = torch.ones(1, 2, 32, dtype=torch.bool), torch.zeros(1, 2, 32, dtype=torch.bool)
    model.eval()
    said = model({**batch, "tracks_valid": known})
    none = model({**batch, "tracks_valid": unknown})
    assert not torch.allclose(said, none)
    assert torch.equal(model({**batch, "tracks": torch.zeros(1, 2, 32), "tracks_valid": unknown}), none)
    # The unit of a track does not matter.
    torch.testing.assert_close(model({**batch, "tracks": 100 * batch["tracks"], "tracks_valid": known}), said)
    model.tracks.leave_out = 1.0
    torch.testing.assert_close(model.train()({**batch, "tracks_valid": known}), none)


def test_depths_that_make_no_sense_are_refused():
    for depths in ([1, 4], [16, 4]):
        with pytest.raises(InputError, match="option depths"):
            make(depths=depths)
