"""Windows about pairs of bins against windows and tracks cut by hand."""

import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from small import resolved
from torch.utils.data import DataLoader
from track_files import write_track

from trifold.data import pair_dataset, sequence
from trifold.data.bands import CountStore
from trifold.data.given import Given
from trifold.data.pair_dataset import PairDataset, Sample
from trifold.errors import InputError
from trifold.io.cool import Band

BIN_BP, TRACK_BP, N_BINS, N_DIAGONALS = 40, 10, 160, 120
ALL = {"map", "tracks", "label", "cage"}


def dense_map(seed: int) -> np.ndarray:
    upper = np.triu(np.random.default_rng(seed).integers(0, 200, (N_BINS, N_BINS)))
    return upper + np.triu(upper, 1).T


def tracks_of(seed: int) -> np.ndarray:
    """(chromosomes, bins) of one track; a stretch of chr1 has no data."""
    values = np.random.default_rng(seed).gamma(1, 2, (2, N_BINS * BIN_BP // TRACK_BP)).astype(np.float16)
    values[0, 300:310] = np.nan
    return values


def make_sample(folder, name: str, seed: int) -> Sample:
    """A cell type of two chromosomes with its bands, two tracks, pairs and windows."""
    root = folder / name
    for part in ("bands", "pairs", "atac", "dnase"):
        (root / part).mkdir(parents=True)
    lines = ["name\tn_bins\tn_diagonals"]
    for number, chrom in enumerate(("chr1", "chr2")):
        dense = dense_map(seed + number)
        band = np.full((N_BINS, N_DIAGONALS), np.nan)
        for d in range(N_DIAGONALS):
            band[: N_BINS - d, d] = np.diagonal(dense, d)
        CountStore.keep(root / "bands" / f"{chrom}.npy", Band(chrom, BIN_BP, np.nan_to_num(band), np.ones(N_BINS)))
        lines.append(f"{chrom}\t{N_BINS}\t{N_DIAGONALS}")
    (root / "bands/chromosomes.tsv").write_text("\n".join(lines) + "\n")
    for number, track in enumerate(("atac", "dnase")):
        sizes = dict.fromkeys(("chr1", "chr2"), N_BINS * BIN_BP)
        write_track(root / track, tracks_of(seed + number), sizes, TRACK_BP)
    table = pd.DataFrame(
        [
            ("chr1", 40, 60, 1, "train"),
            ("chr1", 50, 90, 0, "train"),
            ("chr1", 55, 62, 1, "train"),
            ("chr1", 60, 70, 0, "train"),
            ("chr2", 30, 80, 1, "test"),
            ("chr2", 33, 40, 0, "validation"),
        ],
        columns=["chrom", "x", "y", "label", "role"],
    )
    table.to_csv(root / "pairs/pairs.tsv", sep="\t", index=False)
    matched = [("chr1", 70, 92, 0, "train"), ("chr2", 35, 85, 0, "test")]
    pd.DataFrame(matched, columns=table.columns).to_csv(root / "pairs/matched.tsv", sep="\t", index=False)
    windows = pd.DataFrame({"chrom": ["chr1", "chr2"], "x": [80, 100], "role": ["train", "test"]})
    windows.assign(cage_role=["test", "train"]).to_csv(root / "pairs/windows.tsv", sep="\t", index=False)
    np.save(root / "pairs/cage.npy", np.arange(100, dtype=np.float32).reshape(2, 50))
    return Sample(name, root / "pairs", root / "bands", (root / "atac", root / "dnase"))


@pytest.fixture
def sample(tmp_path):
    return make_sample(tmp_path, "alpha", 0)


def dataset(sample, task="loop", roles=("train",), **settings):
    usual = {"reads": ALL - ({"cage"} if task != "cage" else set()), "protocol": "corrected", "window_bins": 50}
    samples = sample if isinstance(sample, list) else [sample]
    return PairDataset(samples, task, roles, bin_bp=BIN_BP, **usual | settings)


def test_values_are_those_cut_by_hand(sample):
    """Of the pair (50, 90) on chr1: rows 25 ... 74, columns 65 ... 114, tracks of both stretches."""
    item = dataset(sample)[1]
    dense = dense_map(0)
    scale = max(np.diagonal(dense, d).max() for d in range(N_DIAGONALS))
    expected = (dense / scale).astype(np.float32)
    np.testing.assert_allclose(item["map"][0], expected[25:75, 65:115], rtol=1e-6)
    kept = np.nan_to_num(np.stack([tracks_of(seed)[0] for seed in (0, 1)], axis=1).astype(float))
    by_hand = [np.log2(kept[start * 4 : start * 4 + 200] + 1) for start in (25, 65)]
    np.testing.assert_allclose(item["tracks"], np.concatenate(by_hand), rtol=1e-6)
    assert (item["tracks"][300 - 4 * 65 + 200 : 310 - 4 * 65 + 200] == 0).all()  # no data there
    assert item["label"].tolist() == [0.0] and item["pair"].tolist() == [50, 90] and item["index"] == 1
    plain = dataset(sample, log=False)[1]["tracks"]
    np.testing.assert_array_equal(plain[:200], kept[100:300].astype(np.float32))
    np.testing.assert_allclose(np.log2(plain + 1), item["tracks"], rtol=1e-6)


@pytest.mark.parametrize(
    ("task", "roles", "pairs"),
    [
        ("pretraining", ["train"], [(40, 60), (55, 62)]),
        ("pretraining", None, [(40, 60), (55, 62), (30, 80)]),
        ("loop", ["train"], [(40, 60), (50, 90), (55, 62), (60, 70)]),
        ("loop", ["validation", "test"], [(30, 80), (33, 40)]),
        ("window", ["train"], [(80, 80)]),
        ("cage", ["train"], [(80, 80)]),
    ],
)
def test_each_task_has_its_samples(sample, task, roles, pairs):
    data = dataset(sample, task, roles)
    assert list(data.table[["x", "y"]].itertuples(index=False, name=None)) == pairs


def test_published_cage_has_the_roles_drawn_at_random(sample):
    assert dataset(sample, "cage", ["train"], protocol="published").table["x"].tolist() == [100]
    assert dataset(sample, "window", ["train"], protocol="published").table["x"].tolist() == [80]
    cage = dataset(sample, "cage", ["train"], protocol="published")[0]["cage"]
    np.testing.assert_allclose(cage, np.log2(np.tile(np.arange(50, 100), 2) + 1), rtol=1e-6)


def test_samples_follow_each_other(tmp_path, sample):
    other = make_sample(tmp_path, "beta", 50)
    both = dataset([sample, other])
    assert both.table["sample"].tolist() == ["alpha"] * 4 + ["beta"] * 4
    for name in ("map", "tracks"):
        assert torch.equal(both[5][name], dataset(other)[1][name])
        assert not torch.equal(both[5][name], both[1][name])


def test_few_labels_are_a_draw_by_the_seed(sample):
    few = [dataset(sample, roles=None, fraction=0.5, seed=seed).table for seed in (1, 1, 2, 3, 4)]
    whole = dataset(sample, roles=None).table
    for table in few:
        assert len(table) == 3 and table["row"].is_monotonic_increasing
        pd.testing.assert_frame_equal(table, whole.iloc[table["row"]].reset_index(drop=True))
    drawn = [tuple(table["row"]) for table in few]
    assert drawn[0] == drawn[1] and len(set(drawn)) > 1


def test_mixed_order_holds_the_same_samples(sample):
    plain, mixed = (dataset(sample, roles=None, mixed=mixed, seed=3) for mixed in (False, True))
    order = mixed.table["row"].tolist()
    assert sorted(order) == plain.table["row"].tolist() != order
    for index, row in enumerate(order):
        assert torch.equal(mixed[index]["map"], plain[row]["map"])


def test_workers_serve_the_same(sample):
    data = dataset(sample)
    item = data[2]
    loader = DataLoader(data, 4, num_workers=1, collate_fn=data.collate)
    batch = next(iter(loader))
    assert {name: tuple(values.shape) for name, values in batch.items()} == {
        "pair": (4, 2),
        "index": (4,),
        "map": (4, 1, 50, 50),
        "tracks": (4, 400, 2),
        "label": (4, 1),
    }
    assert torch.equal(batch["map"][2], item["map"]) and torch.equal(batch["tracks"][2], item["tracks"])


def test_a_batch_is_its_samples(tmp_path, sample):
    """Of two cell types and chromosomes, in any order."""
    data = dataset([sample, make_sample(tmp_path, "beta", 50)], roles=None, noise=True)
    order = [11, 0, 4, 6, 5, 1]
    batch = data.__getitems__(order)
    assert data.table.loc[order, ["sample", "chrom"]].drop_duplicates().shape[0] == 4
    for place, index in enumerate(order):
        assert all(torch.equal(batch[name][place], values) for name, values in data[index].items())


def test_only_what_is_read_is_there(sample):
    assert set(dataset(sample, reads={"tracks"})[0]) == {"pair", "index", "tracks"}


@pytest.mark.parametrize("window_bins", [48, 64])
def test_windows_of_another_side_are_those_cut_by_hand(sample, window_bins):
    """Of the pair (55, 62) on chr1, and a label for every bin of both stretches."""
    half = window_bins // 2
    data = dataset(sample, roles=None, window_bins=window_bins)
    assert data.table[["x", "y"]].iloc[2].tolist() == [55, 62]
    item, dense = data[2], dense_map(0)
    scale = max(np.diagonal(dense, d).max() for d in range(N_DIAGONALS))
    expected = (dense / scale).astype(np.float32)[55 - half : 55 + half, 62 - half : 62 + half]
    np.testing.assert_allclose(item["map"][0], expected, rtol=1e-6)
    kept = np.nan_to_num(np.stack([tracks_of(seed)[0] for seed in (0, 1)], axis=1).astype(float))
    by_hand = [np.log2(kept[4 * (place - half) : 4 * (place + half)] + 1) for place in (55, 62)]
    np.testing.assert_allclose(item["tracks"], np.concatenate(by_hand), rtol=1e-6)
    labels = np.arange(2 * window_bins, dtype=np.float32).reshape(2, window_bins)
    np.save(sample.pairs / "cage.npy", labels)
    cage = dataset(sample, "cage", ["test"], window_bins=window_bins)[0]["cage"]
    np.testing.assert_allclose(cage, np.log2(np.tile(labels[1], 2) + 1), rtol=1e-6)


# ---------------------------------------------------------------- of an arm


class Reader:
    """What a data set asks of a network."""

    inputs, target = frozenset({"map", "tracks"}), "label"
    entries = frozenset({"map", "tracks", "label"})


def test_sets_of_an_arm(tmp_path, sample):
    """Its roles, share, noise and logarithm; validation and test samples are all there are, in a drawn order."""
    other = make_sample(tmp_path, "beta", 50)
    given = Given(
        ("alpha", "beta"),
        pairs=(sample.pairs, other.pairs),
        bands=(sample.bands, other.bands),
        tracks=(sample.tracks, other.tracks),
    )
    loops = {"architecture": "mixhic", "task": "loop", "tracks": ["atac", "dnase"]}
    arm = resolved(("alpha", "beta"), loops=loops)["loops"]
    geometry = {"bin_bp": BIN_BP, "window_bins": 24}
    statistics = pair_dataset.statistics_of(arm, geometry, given)
    assert statistics == {
        "geometry": {"bin_bp": BIN_BP, "window_bins": 50},
        "tracks": ["atac", "dnase"],
        "track_bp": TRACK_BP,
        "log_tracks": True,
        "n_diagonals": N_DIAGONALS,
        "loops": 4,
    }
    assert pair_dataset.statistics_of(replace(arm, hold_out=False), geometry, given)["loops"] == 6
    few = replace(arm, fraction=0.5, noise=True, log_tracks=False)
    train, validation = pair_dataset.training_sets(few, given, Reader(), statistics, 3)
    assert len(train) == 4 and set(train.table["row"]) <= {0, 1, 2, 3}
    row = train.table.iloc[0]
    same = dataset(other if row["sample"] == "beta" else sample, log=False)[int(row["row"])]
    assert torch.equal(train[0]["tracks"], same["tracks"])
    assert not torch.equal(train[0]["map"], same["map"])
    assert sorted(validation.table["sample"]) == ["alpha", "beta"]
    everything, _ = pair_dataset.training_sets(replace(arm, hold_out=False), given, Reader(), statistics, 3)
    assert len(everything) == 12
    tested = pair_dataset.test_set(arm, given, Reader(), statistics, 3, matched=False)
    assert list(tested.table[["x", "y"]].itertuples(index=False, name=None)) == [(30, 80)] * 2
    assert set(tested[0]) == {"pair", "index", "map", "tracks", "label"}
    beside = pair_dataset.test_set(arm, given, Reader(), statistics, 3, matched=True)
    rows = beside.table[["x", "y", "label"]].itertuples(index=False, name=None)
    assert sorted(rows) == [(30, 80, 1)] * 2 + [(35, 85, 0)] * 2


def test_the_chromosome_of_a_pair_is_a_number_for_its_name(sample):
    """CRC-32, which is the same on every machine."""
    data = dataset(sample, roles=None, reads={"label", "chromosome"})
    batch = data.__getitems__(range(len(data)))
    assert set(batch) == {"pair", "index", "label", "chromosome"}
    expected = [zlib.crc32(chrom.encode()) for chrom in data.table["chrom"]]
    assert batch["chromosome"].tolist() == expected and len(set(expected)) == 2


# ---------------------------------------------------------------- sequence

# chr2 ends within its last bin, and has N and lower case.
LETTERS = {
    "chr1": "".join(np.random.default_rng(1).choice(list("ACGT"), N_BINS * BIN_BP)),
    "chr2": "".join(np.random.default_rng(2).choice(list("ACGTNacgt"), 140 * BIN_BP - 13)),
}


@pytest.fixture
def genome(tmp_path):
    """The folder of a prepared sequence, and the FASTA that it comes from."""
    fasta, folder = tmp_path / "genome.fa", tmp_path / "sequence"
    fasta.write_text("".join(f">{chrom}\n{letters}\n" for chrom, letters in LETTERS.items()))
    folder.mkdir()
    sequence.prepare(fasta, folder, BIN_BP)
    return folder, fasta


def read_plainly(fasta, chrom: str, start_bp: int, end_bp: int) -> list[int]:
    """Codes of a stretch from the lines of a FASTA, letter by letter; 4 for N and beyond the ends."""
    lines = fasta.read_text().split("\n")
    letters = lines[lines.index(f">{chrom}") + 1].upper()
    return ["ACGTN".index(letters[place]) if 0 <= place < len(letters) else 4 for place in range(start_bp, end_bp)]


@pytest.mark.parametrize("window_bins", [50, 64])
def test_sequence_is_a_plain_read_of_the_fasta(sample, genome, window_bins):
    """Of every pair the stretch about x, then that about y; windows at a chromosome's start and end, N beyond it."""
    folder, fasta = genome
    ends = [("chr1", 3, 90, 1, "train"), ("chr2", 20, 130, 1, "train"), ("chr2", 137, 139, 0, "train")]
    table = pd.read_csv(sample.pairs / "pairs.tsv", sep="\t")
    table = pd.concat([table, pd.DataFrame(ends, columns=table.columns)])
    table.to_csv(sample.pairs / "pairs.tsv", sep="\t", index=False)
    data = dataset(sample, roles=None, reads={"sequence", "label"}, sequence=folder, window_bins=window_bins)
    batch = data.__getitems__(range(len(data)))
    length_bp = window_bins * BIN_BP
    assert set(batch) == {"pair", "index", "sequence", "label"}
    assert batch["sequence"].dtype == torch.uint8 and batch["sequence"].shape == (9, 2 * length_bp)
    for codes, (chrom, x, y) in zip(
        batch["sequence"].tolist(), data.table[["chrom", "x", "y"]].itertuples(index=False)
    ):
        starts = [(place - window_bins // 2) * BIN_BP for place in (x, y)]
        assert codes == [code for start in starts for code in read_plainly(fasta, chrom, start, start + length_bp)]
    assert (batch["sequence"] == 4).any(1).tolist() == [False] * 4 + [True] * 5


def test_sequence_comes_beside_maps_and_tracks_in_workers_too(tmp_path, sample, genome):
    folder, fasta = genome
    settings = {"roles": None, "reads": {"map", "tracks", "sequence", "cage"}, "sequence": folder}
    data = dataset([sample, make_sample(tmp_path, "beta", 50)], "cage", **settings)
    batch = next(iter(DataLoader(data, 4, num_workers=1, collate_fn=data.collate)))
    assert batch["sequence"].shape == (4, 4000) and batch["tracks"].shape == (4, 400, 2)
    for codes, (chrom, x) in zip(batch["sequence"].tolist(), data.table[["chrom", "x"]].itertuples(index=False)):
        once = read_plainly(fasta, chrom, (x - 25) * BIN_BP, (x + 25) * BIN_BP)
        assert codes == once + once
    assert torch.equal(data[2]["sequence"], batch["sequence"][2])


def test_a_sequence_that_is_missing_is_said(sample, genome):
    with pytest.raises(InputError, match="config: genome/fasta: missing; the network reads the sequence"):
        dataset(sample, reads={"sequence"})
    (genome[0] / "chromosomes.tsv").write_text(f"name\tlength_bp\nchr2\t{len(LETTERS['chr2'])}\n")
    with pytest.raises(InputError, match="the sequence has no chr1, where windows lie; it has chr2: name chromosomes"):
        dataset(sample, reads={"sequence"}, sequence=genome[0])
    assert len(dataset(sample, roles=("test",), reads={"sequence"}, sequence=genome[0])) == 1


def test_sets_of_an_arm_have_the_sequence_that_is_given(sample, genome):
    given = Given(("alpha",), pairs=(sample.pairs,), bands=(sample.bands,), tracks=(sample.tracks,), sequence=genome[0])
    arm = resolved(windows={"architecture": "mixhic", "task": "window", "tracks": ["atac", "dnase"]})["windows"]
    statistics = pair_dataset.statistics_of(arm, {"bin_bp": BIN_BP, "window_bins": 24}, given)
    network = Reader()
    network.entries = frozenset({"sequence", "map"})
    tested = pair_dataset.test_set(arm, given, network, statistics, 3, matched=False)
    assert tested[0]["sequence"].tolist() == 2 * read_plainly(genome[1], "chr2", 75 * BIN_BP, 125 * BIN_BP)


# ---------------------------------------------------------------- noise


def test_noise_is_of_the_released_kind():
    """Shares of what becomes of a constant map: half of what is left after salt and pepper is dropped."""
    window = np.full((500, 500), 0.4, dtype=np.float32)
    found = pair_dataset.noisy(window, np.random.default_rng(0))
    assert (window == 0.4).all() and found.dtype == np.float32
    # Zero: pepper 1/4, and half of the remaining 3/4. One: salt 1/4, halved. The rest, 1/2 halved, half of it noisy.
    shares = {value: np.mean(found == np.float32(value)) for value in (0, 1, 0.4)}
    assert shares == pytest.approx({0: 0.625, 1: 0.125, 0.4: 0.125}, abs=0.01)
    noisy = found[(found != 0) & (found != 1) & (found != np.float32(0.4))]
    assert noisy.mean() == pytest.approx(0.4, abs=0.005) and noisy.std() == pytest.approx(0.1, abs=0.005)


def test_noise_depends_on_seed_epoch_and_index(sample):
    data = dataset(sample, noise=True, seed=4)
    first = data[0]["map"]
    assert torch.equal(data[0]["map"], first) and torch.equal(dataset(sample, noise=True, seed=4)[0]["map"], first)
    assert not torch.equal(dataset(sample, noise=True, seed=5)[0]["map"], first)
    data.set_epoch(1)
    assert not torch.equal(data[0]["map"], first)
    clean = dataset(sample)[0]
    assert not torch.equal(clean["map"], first) and torch.equal(clean["tracks"], data[0]["tracks"])


# ---------------------------------------------------------------- refusals


def test_refuses_what_leaves_nothing(sample):
    with pytest.raises(InputError, match="no window sample with the role validation in alpha"):
        dataset(sample, "window", ["validation"])
    with pytest.raises(InputError, match=r"no loop sample with the role train in alpha; .* raise the arm's fraction"):
        dataset(sample, fraction=0.01)
    (sample.pairs / "cage.npy").unlink()
    with pytest.raises(InputError, match=r"cage\.npy: not found; give the sample 'alpha' the tracks of"):
        dataset(sample, "cage")
    (sample.pairs / "windows.tsv").unlink()
    with pytest.raises(InputError, match=r"windows\.tsv: not found; give start sites"):
        dataset(sample, "cage")
    with pytest.raises(IndexError, match="sample 4 of 4"):
        dataset(sample)[4]


def test_t7_a_track_without_a_tested_chromosome_is_refused(tmp_path, sample, caplog):
    """Of windows that are learned from it is said; the network reads 0 there."""
    values = tracks_of(1).reshape(2, -1).copy()
    values[1] = np.nan
    sizes = dict.fromkeys(("chr1", "chr2"), N_BINS * BIN_BP)
    write_track(sample.tracks[0], values, sizes, TRACK_BP)
    with pytest.raises(InputError, match="the track has no value on chr2, which hold test samples; give a file"):
        dataset(sample, roles=("test",))
    assert len(dataset(sample, roles=("train",)))
    assert caplog.text == ""
    assert len(dataset(sample, roles=("validation",)))
    assert "the track has no value on chr2, which hold validation samples" in caplog.text
    assert len(dataset(sample, roles=("test",), reads={"map"})), "who reads no track needs none"
