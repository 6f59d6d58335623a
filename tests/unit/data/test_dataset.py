import json
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from embedding_files import write_embeddings
from small import resolved
from torch.utils.data import DataLoader
from track_files import write_track

from trifold.data import dataset, sequence
from trifold.data.augment import Augmentation
from trifold.data.dataset import WindowDataset
from trifold.data.given import Given
from trifold.data.sequence import SequenceStore
from trifold.data.tracks import TrackStore, read_tracks
from trifold.errors import InputError
from trifold.genome import decode, reverse_complement

W, K, BIN = 8, 2, 10


class Genome:
    """Every base of a chromosome from a formula: a sequence store without files."""

    def window(self, chrom, start_bp, end_bp):
        positions = np.arange(start_bp, end_bp)
        return np.where(positions < 0, 4, positions**2 // 7 % 4).astype(np.uint8)


class Track:
    """A track whose values are its coordinates, in bins of 5 bp; nothing is known of bp 20-30 nor of bp 40-45."""

    bin_bp = 5

    def weights(self, chrom, start_bp, end_bp):
        return self.window(chrom, start_bp, end_bp)[1].astype(np.float32)

    def window(self, chrom, start_bp, end_bp):
        starts = np.arange(start_bp, end_bp, 5)
        valid = ~((starts >= 20) & (starts < 30) | (starts == 40))
        return np.where(valid, starts, 0).astype(np.float32), valid


def write_dataset(folder, roles, seed):
    rng = np.random.default_rng(seed)
    n = len(roles)
    folder.mkdir()
    starts = np.arange(n) * W * BIN
    tiles = {"chrom": "chr1", "start_bp": starts, "end_bp": starts + W * BIN, "role": roles, "bad_bins": 0}
    pd.DataFrame(tiles).to_csv(folder / "tiles.tsv", sep="\t", index=False)
    statistics = {"geometry": {"window_bins": W, "bin_bp": BIN}, "coarsen": K}
    (folder / "statistics.json").write_text(json.dumps(statistics))
    arrays = {
        "deep_observed": rng.random((n, W, W), dtype=np.float32),
        "deep_oe": rng.standard_normal((n, W, W), dtype=np.float32),
        "low_observed": rng.random((n, W // K, W // K), dtype=np.float32),
        "low_bias": rng.standard_normal((n, W // K), dtype=np.float32),
        "deep_counts": rng.random((n, W, W), dtype=np.float32),
        "low_counts": rng.random((n, W // K, W // K), dtype=np.float32),
        "valid": rng.random((n, W)) < 0.8,
    }
    arrays["low_bias"][:, 1] = np.nan
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return arrays


@pytest.fixture
def two(tmp_path):
    """Two samples of 4 and 3 windows: folders and what they hold."""
    a = write_dataset(tmp_path / "a", ["train", "test", "train", "validation"], seed=1)
    b = write_dataset(tmp_path / "b", ["test", "train", "train"], seed=2)
    return [tmp_path / "a", tmp_path / "b"], [a, b]


EVERYTHING = {"inputs": ["sequence", "map", "tracks"], "sequence": Genome(), "tracks": [[Track()], [Track()]]}


def test_windows_of_a_role_over_samples(two):
    folders, (a, b) = two
    data = WindowDataset(folders, "train", inputs=["map"], target="observed")
    assert len(data) == 4
    for index, (arrays, row) in enumerate([(a, 0), (a, 2), (b, 1), (b, 2)]):
        window = data[index]
        assert set(window) == {"map", "map_coarse", "observed", "valid", "index"}
        np.testing.assert_array_equal(window["observed"][0], arrays["deep_observed"][row])
        np.testing.assert_array_equal(window["map_coarse"][0], arrays["low_observed"][row])
        np.testing.assert_array_equal(window["valid"], arrays["valid"][row])
        assert window["index"] == index
    assert data.tiles["folder"].tolist() == [0, 0, 1, 1]
    with pytest.raises(IndexError):
        data[4]


def test_map_is_upsampled_bilinearly(two):
    folders, (a, _) = two
    window = WindowDataset(folders[0], "test", inputs=["map"], target="oe")[0]
    low = torch.from_numpy(a["low_observed"][1])[None, None]
    torch.testing.assert_close(
        window["map"][None], F.interpolate(low, scale_factor=K, mode="bilinear", align_corners=False)
    )
    assert window["map"].dtype == window["oe"].dtype == torch.float32
    assert "map" not in WindowDataset(folders[0], "test", inputs=["map"], target="oe", upsample=False)[0]


def test_y15_every_window_has_the_contacts_of_its_low_map(two):
    folders, _ = two
    read = {"inputs": ["map", "total"], "target": "counts"}
    with pytest.raises(InputError, match=r"a/statistics\.json: low/cis_contacts is missing; make the examples again"):
        WindowDataset(folders, "train", **read)
    for folder, contacts in zip(folders, (5e7, 3e6)):
        statistics = json.loads((folder / "statistics.json").read_text())
        low = {"cis_contacts": contacts, "cis_bp": 1.5e6}
        (folder / "statistics.json").write_text(json.dumps(statistics | {"low": low}))
    data = WindowDataset(folders, "train", **read)
    batch = data.collate([data[index] for index in range(4)])
    assert batch["total"].tolist() == [5e7, 5e7, 3e6, 3e6]
    assert batch["total_bp"].tolist() == [1.5e6] * 4
    assert batch["total"].dtype == torch.float32


def test_contacts_are_read_where_the_target_is_contacts(two):
    folders, (a, _) = two
    window = WindowDataset(folders[0], "test", inputs=["map"], target="counts")[0]
    np.testing.assert_array_equal(window["counts"][0], a["deep_counts"][1])
    np.testing.assert_array_equal(window["map_coarse"][0], a["low_counts"][1])
    (folders[0] / "deep_counts.npy").unlink()
    with pytest.raises(InputError, match=r"deep_counts\.npy: not found; make the examples again"):
        WindowDataset(folders[0], "test", inputs=["map"], target="counts")[0]


def test_bias_is_repeated_and_missing_bins_are_marked(two):
    folders, (a, _) = two
    window = WindowDataset(folders[0], "test", inputs=["bias"], target="oe")[0]
    expected = a["low_bias"][1].repeat(K)
    np.testing.assert_array_equal(window["low_valid"], [1, 1, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(window["bias"], np.where(window["low_valid"], expected, 0))


def test_only_windows_at_a_multiple_of_the_stride(two):
    data = WindowDataset(two[0], "train", inputs=[], target="oe", stride_bins=2 * W)
    assert data.tiles["start_bp"].tolist() == [0, 2 * W * BIN, 2 * W * BIN]
    with pytest.raises(InputError, match="stride_bins"):
        WindowDataset(two[0][0], "validation", inputs=[], target="oe", stride_bins=2 * W)


def test_sequence_and_tracks_are_read_by_coordinate(two):
    data = WindowDataset(two[0], "train", target="oe", **EVERYTHING)
    window = data[1]  # bp 160-240 of sample a
    np.testing.assert_array_equal(window["sequence"], Genome().window("chr1", 160, 240))
    assert window["sequence"].dtype == torch.uint8
    np.testing.assert_array_equal(window["tracks"], [np.arange(160, 240, 10) + 2.5])
    assert window["tracks_valid"].all()


def test_with_stores_on_disk(two, tmp_path):
    """The same windows from a FASTA and a folder of binned means."""
    codes = Genome().window("chr1", 0, 300)
    (tmp_path / "genome.fa").write_text(f">chr1\n{decode(codes)}\n")
    genome, track = tmp_path / "sequence", tmp_path / "track"
    genome.mkdir()
    sequence.prepare([tmp_path / "genome.fa"], genome, bin_bp=BIN)
    values, valid = Track().window("chr1", 0, 300)
    write_track(track, np.where(valid, values, np.nan), {"chr1": 300}, 5)
    stored = {"sequence": SequenceStore(genome), "tracks": [[TrackStore(track)]]}
    settings = {"inputs": EVERYTHING["inputs"], "target": "oe", "augmentation": Augmentation(True, 3), "seed": 1}
    data = pickle.loads(pickle.dumps(WindowDataset(two[0][0], "train", **settings, **stored)))
    made = WindowDataset(two[0][0], "train", **settings, sequence=Genome(), tracks=[[Track()]])
    for a, b in zip(data, made, strict=True):
        for key in a:
            torch.testing.assert_close(a[key], b[key], rtol=0, atol=0)


def test_missing_track_values_are_masked_not_averaged():
    values, valid = read_tracks([Track(), Track()], "chr1", 0, 80, window_bins=8)
    np.testing.assert_array_equal(valid[0], [1, 1, 0, 1, 1, 1, 1, 1])
    # Bin 4 knows only its second half; bin 2 nothing.
    np.testing.assert_array_equal(values[1], [2.5, 12.5, 0, 32.5, 45, 52.5, 62.5, 72.5])
    assert values.dtype == np.float32


@pytest.mark.parametrize("track_bp", [5, 10, 20, 40])
def test_tracks_at_a_resolution_of_their_own_are_means_cut_by_hand(two, track_bp):
    """Of window 0, bp 0-80: coordinates, but nothing of bp 20-30 and 40-45."""
    data = WindowDataset(two[0], "train", target="oe", track_bp=track_bp, **EVERYTHING)
    known = [start for start in range(0, 80, 5) if not (20 <= start < 30 or start == 40)]
    inside = [[each for each in known if start <= each < start + track_bp] for start in range(0, 80, track_bp)]
    window = data[0]
    assert window["tracks"].shape == window["tracks_valid"].shape == (1, 80 // track_bp)
    np.testing.assert_array_equal(window["tracks_valid"][0], [len(own) > 0 for own in inside])
    np.testing.assert_allclose(window["tracks"][0], [np.mean(own) if own else 0 for own in inside], rtol=1e-6)
    # Maps, masks and the sequence are what they are without it.
    plain = WindowDataset(two[0], "train", target="oe", **EVERYTHING)[0]
    for key in plain.keys() - {"tracks", "tracks_valid"}:
        torch.testing.assert_close(window[key], plain[key], rtol=0, atol=0)


class Minus(Track):
    """The other strand of `Track`: negative coordinates, and nothing of bp 60-65."""

    def window(self, chrom, start_bp, end_bp):
        starts = np.arange(start_bp, end_bp, 5)
        return np.where(starts == 60, 0, -starts).astype(np.float32), starts != 60


def test_strands_of_an_assay_change_places_on_the_other_strand(two):
    """Tracks plus, other, minus: reversed they are minus, other, plus from right to left, values and masks alike."""
    tracks = [[Track(), Track(), Minus()]] * 2
    given = {"inputs": ["tracks"], "target": "oe", "tracks": tracks, "track_bp": 5, "strands": [(0, 2)]}
    plain = WindowDataset(two[0], "train", **given)
    turned = WindowDataset(two[0], "train", augmentation=Augmentation(True, 0), seed=7, **given)
    seen = set()
    for index in range(len(plain)):
        was, now = plain[index], turned[index]
        reverse, _ = Augmentation(True, 0).draw(7, 0, index)
        seen.add(reverse)
        for key in ("tracks", "tracks_valid"):
            expected = was[key][[2, 1, 0]].flip(-1) if reverse else was[key]
            torch.testing.assert_close(now[key], expected, rtol=0, atol=0)
    assert seen == {True, False}


def test_sets_of_an_arm_on_whole_maps(two, tmp_path):
    """What it reads, how its tracks are binned, which strands are a pair; validation windows stand as they are."""
    folders, track = two[0], tmp_path / "track"
    write_track(track, np.arange(0, 400, 5), {"chr1": 400}, 5)
    given = Given(("alpha", "beta"), examples=tuple(folders), tracks=((track, track), (track, track)))
    arm = resolved(("alpha", "beta"), image={"architecture": "vehicle"})["image"]
    training = {**arm.training, "reverse_complement": True, "shift_bp": 0, "stride_bins": 2 * W}
    arm = replace(arm, training=training, track_bp=20, strands=((0, 1),))

    class Network:
        inputs, target, learned = frozenset({"map", "tracks"}), "observed", True

    assert dataset.statistics_of(arm, {}, given) == json.loads((folders[0] / "statistics.json").read_text())
    first = Given(("alpha",), examples=(folders[0],), tracks=((track, track),))
    train, validation = dataset.training_sets(arm, first, Network(), {}, 5)
    assert train.tiles["start_bp"].tolist() == [0, 2 * W * BIN] and len(validation) == 1
    assert (train.track_bins, train.strands, train.seed) == (4, ((0, 1),), 5)
    assert train.augmentation == Augmentation(True, 0, "corrected") and validation.augmentation is None

    class Row(Network):
        learned = False

    at_once, _ = dataset.training_sets(arm, first, Row(), {}, 5)
    assert at_once.augmentation is None and len(at_once) == len(train)
    expected = np.arange(240, 320, 5).reshape(4, 4).mean(axis=1)
    np.testing.assert_array_equal(validation[0]["tracks"], [expected, expected])


def test_embeddings_are_read_by_coordinate_and_turned_with_the_window(two, tmp_path):
    """Bins 16 to 23 of the genome, the second window of training; bin 18 has no vector."""
    store = write_embeddings(tmp_path / "vectors", {"chr1": 400}, BIN, without=[("chr1", 18)])
    given = {"inputs": ["embeddings"], "target": "observed", "embeddings": store}
    plain = WindowDataset(two[0], "train", **given)
    expected, valid = np.arange(16, 24) * np.array([[1.0], [2.0]]), np.arange(16, 24) != 18
    np.testing.assert_array_equal(plain[1]["embeddings"], expected * valid)
    np.testing.assert_array_equal(plain[1]["embeddings_valid"], valid)
    assert plain[1]["embeddings"].dtype == torch.float32
    turned = WindowDataset(two[0], "train", augmentation=Augmentation(True, 0), seed=2, **given)
    drawn = [Augmentation(True, 0).draw(2, 0, index)[0] for index in range(len(plain))]
    assert drawn[1] and not drawn[2]
    for index, reverse in enumerate(drawn):
        for key in ("embeddings", "embeddings_valid"):
            was = plain[index][key]
            torch.testing.assert_close(turned[index][key], was.flip(-1) if reverse else was, rtol=0, atol=0)
    with pytest.raises(InputError, match="this model reads embeddings: name them in the config"):
        WindowDataset(two[0], "train", inputs=["embeddings"], target="observed")


def test_sets_of_an_arm_on_embeddings(two, tmp_path):
    """The model is told of which vectors it is; what a job is given survives the way to another process."""
    write_embeddings(tmp_path / "vectors", {"chr1": 400}, BIN)
    files = [str(folder / "artifact.json") for folder in two[0]]
    given = Given.of_files(["alpha", "beta"], examples=files, embeddings=[str(tmp_path / "vectors/artifact.json")])
    assert Given.of_settings(json.loads(json.dumps(given.as_settings()))) == given
    arm = resolved(("alpha", "beta"), image={"architecture": "vehicle"})["image"]
    arm = replace(arm, training={**arm.training, "reverse_complement": False, "shift_bp": 0, "stride_bins": None})

    class Network:
        inputs, target, learned = frozenset({"map", "embeddings"}), "observed", True

    statistics = dataset.statistics_of(arm, {}, given)
    assert statistics["embeddings"] == {"name": "tiny", "channels": 2, "identity": "abc"}
    train, validation = dataset.training_sets(arm, given, Network(), statistics, 5)
    assert train[0]["embeddings"].shape == validation[0]["embeddings"].shape == (2, W)


def test_augmentation_turns_inputs_and_target_together(two):
    folders = two[0]
    plain = WindowDataset(folders, "train", target="observed", **EVERYTHING)
    turned = WindowDataset(
        folders, "train", target="observed", augmentation=Augmentation(True, 0), seed=7, **EVERYTHING
    )
    seen = set()
    for epoch in range(6):
        turned.set_epoch(epoch)
        for index in range(len(plain)):
            was, now = plain[index], turned[index]
            reverse, _ = Augmentation(True, 0).draw(7, epoch, index)
            seen.add(reverse)
            dims = (-2, -1) if reverse else ()
            for key in ("map", "map_coarse", "observed"):
                torch.testing.assert_close(now[key], was[key].flip(dims))
            for key in ("tracks", "tracks_valid", "valid"):
                torch.testing.assert_close(now[key], was[key].flip(dims[:1] and (-1,)))
            codes = was["sequence"].numpy()
            np.testing.assert_array_equal(now["sequence"], reverse_complement(codes) if reverse else codes)
    assert seen == {True, False}


def test_wide_low_windows_are_given_as_they_are_and_not_reversed(two):
    folders, arrays = two[0], two[1]
    wide = np.random.default_rng(1).random((len(arrays[0]["valid"]), W, W), dtype=np.float32)
    np.save(folders[0] / "low_observed.npy", wide)
    given = {"inputs": ["map"], "target": "observed"}
    data = WindowDataset(folders[0], "train", augmentation=Augmentation(False), **given)
    row = data.tiles["row"][0]
    for name in ("map", "map_coarse"):
        np.testing.assert_array_equal(data[0][name][0].numpy(), wide[row])
    with pytest.raises(InputError, match="set training/reverse_complement to false"):
        WindowDataset(folders[0], "train", augmentation=Augmentation(True), **given)


def test_workers_and_pickling_change_nothing(two):
    data = WindowDataset(two[0], "train", target="oe", augmentation=Augmentation(True, 3), seed=1, **EVERYTHING)
    data.set_epoch(4)
    here = [data[index] for index in range(len(data))]
    copy = pickle.loads(pickle.dumps(data))
    with_workers = DataLoader(data, batch_size=None, num_workers=2)
    for others in ([copy[index] for index in range(len(copy))], with_workers):
        for a, b in zip(here, others, strict=True):
            for key in a:
                torch.testing.assert_close(a[key], b[key], rtol=0, atol=0)


def test_pickle_carries_no_array(two):
    data = WindowDataset(two[0], "train", inputs=["map"], target="oe")
    data[0]
    assert len(pickle.dumps(data)) < 10_000
    assert pickle.loads(pickle.dumps(data))._arrays == {}


def test_errors_say_what_to_do(two, tmp_path):
    folders = two[0]
    with pytest.raises(InputError, match=r"b: tiles.tsv: no validation window"):
        WindowDataset(folders[1], "validation", inputs=["map"], target="oe")
    with pytest.raises(InputError, match="no dataset directory"):
        WindowDataset(tmp_path, "train", inputs=["map"], target="oe")
    with pytest.raises(InputError, match="no sequence store"):
        WindowDataset(folders, "train", inputs=["sequence"], target="oe")
    with pytest.raises(InputError, match="arms/<arm>/tracks"):
        WindowDataset(folders, "train", inputs=["tracks"], target="oe", tracks=[[Track()]])
    with pytest.raises(InputError, match="shift_bp: 10"):
        WindowDataset(folders, "train", inputs=["sequence"], target="oe", sequence=Genome(),
                      augmentation=Augmentation(shift_bp=10))  # fmt: skip


def test_samples_of_different_geometry_are_refused(two):
    folders = two[0]
    statistics = {"geometry": {"window_bins": W, "bin_bp": 2 * BIN}, "coarsen": K}
    (folders[1] / "statistics.json").write_text(json.dumps(statistics))
    with pytest.raises(InputError, match=r"b/statistics.json: .* \(8, 20, 2\), and \(8, 10, 2\)"):
        WindowDataset(folders, "train", inputs=["map"], target="oe")
