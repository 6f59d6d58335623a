"""GraphReg's two networks against their released code, and what is made of them for windows about start sites."""

import re

import numpy as np
import pytest
import torch
from scipy import special, stats

from trifold.architectures import traits
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import registry
from trifold.models.graphreg import GraphAttention, edges_of, poisson_loss

torch.set_num_threads(1)
WINDOW = 50
# Name of a layer in the files, and here; those that are numbered have it in front.
LAYERS = {"c": "conv", "bn": "bn", "d": "dilated", "dbn": "norms", "gat": "graph", "gbn": "norms"}
WEIGHTS = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean"}
WEIGHTS |= {"moving_variance": "running_var", "bias": "bias"}
HEADS = {"kernel_self": "weight_self", "kernel_neighs": "weight_near"}
HEADS |= {"attn_kernel_self": "attend_self", "attn_kernel_neigh": "attend_near"}


def make(name: str, protocol: str = "published", *, bin_bp=5000, window_bins=WINDOW, track_bp=100, tracks=2, **options):
    torch.manual_seed(0)
    geometry = Geometry(bin_bp=bin_bp, window_bins=window_bins, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
    statistics = {"tracks": ["atac", "dnase", "h3k27ac"][:tracks], "track_bp": track_bp}
    return registry.build(name, geometry, options, statistics, {}, protocol, "cage").eval()


def state_of(data) -> dict[str, torch.Tensor]:
    """The file's weights by the names of ours: (k, in, out) becomes (out, in, k), the heads of a layer one tensor."""
    state, heads = {}, {}
    for key in data.files:
        if not key.startswith("sd/"):
            continue
        layer, name = key.removeprefix("sd/").removesuffix(":0").split("/")
        values = torch.from_numpy(data[key])
        if head := re.fullmatch(r"(.+)_(\d)", name):
            heads.setdefault((layer, HEADS[head[1]]), {})[int(head[2])] = values
            continue
        if layer == "out":
            place = layer
        else:
            kind, number = re.fullmatch(r"([a-z]+)(\d)", layer).groups()
            place = f"{LAYERS[kind]}{number}" if kind in ("c", "bn") else f"{LAYERS[kind]}.{number}"
            if kind in ("d", "dbn"):
                place = f"{LAYERS[kind]}.{int(number) - 1}"
            place = f"trunk.{place}" if kind in ("c", "bn") and number != "4" else place
        state[f"{place}.{WEIGHTS[name]}"] = values.permute(2, 1, 0) if name == "kernel" else values
    for (layer, name), of_head in heads.items():
        state[f"graph.{layer.removeprefix('gat')}.{name}"] = torch.stack([of_head[i] for i in sorted(of_head)])
    return state


def released(name: str, data):
    # A graph given as a map of ones and zeros is the graph of its contacts.
    options = {"edges": "contacts"} if name == "epi-graph" else {}
    model = make(name, window_bins=int(data["cfg/n_nodes"]), tracks=int(data["cfg/n_tracks"]), **options)
    model.load_state_dict(state_of(data))
    return model


FILES = {"epi-cnn": "multimodal/graphreg_epi_cnn_f2", "epi-graph": "multimodal/graphreg_epi_graphreg_f2"}


@torch.no_grad()
@pytest.mark.parametrize("name", FILES)
def test_parity_of_the_rates_and_the_loss(parity, name):
    data = parity(FILES[name])
    model, steps = released(name, data), {}
    graph = torch.from_numpy(data["in/adj"])
    assert torch.equal(edges_of(graph, "contacts"), graph)
    if name == "epi-graph":
        model.graph[0].register_forward_hook(lambda _, __, y: steps.update(gat0=y))
    tracks, cage = (torch.from_numpy(data[key]) for key in ("in/x", "in/cage"))
    label = torch.log2(cage.double() + 1).float().repeat(1, 2)
    batch = {"tracks": tracks.repeat(1, 2, 1), "map": graph[:, None], "cage": label}
    log_rate = model.log_rate(batch)
    np.testing.assert_allclose(log_rate.exp(), data["out/pred"], rtol=1e-4, atol=1e-5)
    if name == "epi-graph":
        np.testing.assert_allclose(steps["gat0"], data["mid/gat0"], rtol=1e-4, atol=1e-5)
    of_all = poisson_loss(log_rate, cage).item()
    assert of_all == pytest.approx(data["out/poisson_nll_all"].item(), rel=1e-5)
    # What is minimised: counts come back from the label.
    loss, predicted = model.loss_and_prediction(batch)
    assert loss.item() == pytest.approx(data["out/poisson_nll_middle_third"].item(), rel=1e-5)
    expected = np.log2(np.tile(data["out/pred"].astype(np.float64), 2) + 1)
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(batch), predicted)


@pytest.mark.parametrize(
    ("name", "tracks", "trainable", "total"),
    [
        ("epi-graph", 2, 180_865, 182_273),
        ("epi-graph", 3, 184_065, 185_473),
        ("epi-cnn", 2, 230_529, 232_449),
        ("epi-cnn", 3, 233_729, 235_649),
    ],
)
def test_parity_of_the_size(name, tracks, trainable, total):
    model = make(name, tracks=tracks)
    assert sum(weights.numel() for weights in model.parameters()) == trainable
    state = model.state_dict().items()
    assert sum(values.numel() for key, values in state if not key.endswith("num_batches_tracked")) == total


# ---------------------------------------------------------------- what is compared


def test_the_loss_is_scipys_poisson():
    rng = np.random.default_rng(0)
    log_rate, counts = rng.normal(size=(3, 20)), rng.poisson(4, (3, 20))
    expected = -stats.poisson.logpmf(counts, np.exp(log_rate)).mean()
    found = poisson_loss(torch.from_numpy(log_rate), torch.from_numpy(counts.astype(float)))
    assert found.item() == pytest.approx(expected, rel=1e-12)


def sample(window_bins: int = WINDOW, track_bins: int = 50, tracks: int = 2, windows: int = 3, seed: int = 1) -> dict:
    """Windows about start sites: both stretches are one, and so are both halves of the label."""
    rng = np.random.default_rng(seed)
    maps = rng.random((windows, 1, window_bins, window_bins)).astype(np.float32)
    stretch = rng.random((windows, window_bins * track_bins, tracks)).astype(np.float32)
    label = 6 * rng.random((windows, window_bins)).astype(np.float32)
    x = torch.arange(windows) + 60
    return {
        "pair": torch.stack([x, x], dim=1),
        "map": torch.from_numpy((maps + maps.swapaxes(2, 3)) / 2),
        "tracks": torch.from_numpy(np.tile(stretch, (1, 2, 1))),
        "cage": torch.from_numpy(np.tile(label, 2)),
    }


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("protocol", "options", "nodes"),
    [
        ("published", {}, slice(16, 34)),
        ("corrected", {}, slice(0, 50)),
        ("corrected", {"scored": "middle"}, slice(16, 34)),
        ("published", {"scored": "all"}, slice(0, 50)),
    ],
)
def test_the_protocol_says_which_nodes_are_compared(name, protocol, options, nodes):
    """By what the model predicts and SciPy's likelihood, or the mean square."""
    batch = sample()
    for objective in ("poisson", "mse"):
        model = make(name, protocol, objective=objective, **options)
        with torch.no_grad():
            loss, predicted = model.loss_and_prediction(batch)
        log2, label = (values[:, :WINDOW][:, nodes].numpy().astype(np.float64) for values in (predicted, batch["cage"]))
        if objective == "mse":
            assert loss.item() == pytest.approx(((log2 - label) ** 2).mean(), rel=1e-5)
            continue
        counts, rate = 2**label - 1, 2**log2 - 1
        # The likelihood of what is no whole number, by the gamma function.
        from_scipy = rate - counts * np.log(rate) + special.gammaln(counts + 1)
        assert loss.item() == pytest.approx(from_scipy.mean(), rel=1e-3)


@pytest.mark.parametrize("name", FILES)
def test_the_protocol_says_which_loss(name):
    """Released: the likelihood; ours: the mean square, as other rows of the table are taught."""
    batch = sample()
    for protocol, objective in (("published", "poisson"), ("corrected", "mse")):
        with torch.no_grad():
            chosen, asked = (
                make(name, protocol, **options).loss_and_prediction(batch)[0]
                for options in ({}, {"objective": objective})
            )
            other = make(name, protocol, objective={"mse": "poisson", "poisson": "mse"}[objective])
            assert chosen == asked and chosen != other.loss_and_prediction(batch)[0]


@pytest.mark.parametrize("name", FILES)
def test_a_prediction_stands_twice_and_reads_one_stretch(name):
    model, batch = make(name), sample()
    with torch.no_grad():
        predicted = model(batch)
        elsewhere = batch["tracks"].clone()
        elsewhere[:, WINDOW * 50 :] = 7.0
        assert torch.equal(model({**batch, "tracks": elsewhere}), predicted)
        nearer = batch["tracks"].clone()
        nearer[:, : WINDOW * 50] += 1.0
        assert not torch.allclose(model({**batch, "tracks": nearer}), predicted)
    assert predicted.shape == (3, 2 * WINDOW) and (predicted >= 0).all()
    assert torch.equal(predicted[:, :WINDOW], predicted[:, WINDOW:])


# ---------------------------------------------------------------- the graph


def test_edges_are_what_the_distance_does_not_explain():
    """Held to sums written out; a bad bin is no part of the mean, and none of the graph."""
    rng = np.random.default_rng(3)
    maps = rng.random((2, 12, 12)).astype(np.float32)
    maps = (maps + maps.swapaxes(1, 2)) / 2
    maps[0, 4], maps[0, :, 4] = 0, 0
    maps[1, 2, 9] = maps[1, 9, 2] = 0
    found = {rule: edges_of(torch.from_numpy(maps), rule).numpy() for rule in ("oe", "contacts", "none")}
    for window, of_window in enumerate(maps):
        good = [i for i in range(12) if of_window[i].any()]
        for i in range(12):
            for j in range(12):
                at = [of_window[a, b] for a in good for b in good if abs(a - b) == abs(i - j)]
                assert found["contacts"][window, i, j] == (i != j and of_window[i, j] > 0)
                assert found["oe"][window, i, j] == (i != j and of_window[i, j] > np.mean(at, dtype=np.float64))
    assert not found["none"].any() and found["oe"].sum() > 0
    assert (found["oe"] <= found["contacts"]).all() and found["oe"].sum() < found["contacts"].sum()


def test_a_map_of_the_distance_alone_has_no_edge():
    decay = 0.1 / (1 + np.abs(np.arange(50)[:, None] - np.arange(50)))
    maps = torch.from_numpy(decay.astype(np.float32))[None]
    assert not edges_of(maps, "oe").any() and edges_of(maps, "contacts").sum() == 50 * 49


def test_a_node_takes_from_those_it_is_joined_to():
    """One layer, one graph: a node without an edge is as without a graph, and reads only itself."""
    layer = GraphAttention(8, 2, 4, 0.5).eval()
    x, edges = torch.randn(1, 5, 8), torch.zeros(1, 5, 5)
    edges[0, 1, 3] = edges[0, 3, 1] = 1
    with torch.no_grad():
        alone, joined = layer(x, torch.zeros(1, 5, 5)), layer(x, edges)
        own = torch.nn.functional.elu(torch.cat([x @ head for head in layer.weight_self], dim=2))
    torch.testing.assert_close(alone, own)
    apart = [0, 2, 4]
    torch.testing.assert_close(joined[:, apart], alone[:, apart])
    assert not torch.isclose(joined[:, [1, 3]], alone[:, [1, 3]]).all(-1).any()
    # By hand, of the second head of node 1: an edge of weight w, and its own of 1.
    own, near = x[0] @ layer.weight_self[1], x[0] @ layer.weight_near[1]
    score = own[1] @ layer.attend_self[1] + near[3] @ layer.attend_near[1]
    weight = 1 / (1 + torch.exp(-torch.where(score > 0, score, 0.2 * score)))
    mixed = (own[1] + weight * near[3]) / (1 + weight)
    torch.testing.assert_close(joined[0, 1, 4:], torch.where(mixed > 0, mixed, torch.expm1(mixed)))


def test_the_map_matters_to_the_graph_alone():
    batch = sample()
    other = {**batch, "map": sample(seed=9)["map"]}
    with torch.no_grad():
        graph, cnn, none = make("epi-graph"), make("epi-cnn"), make("epi-graph", edges="none")
        assert not torch.allclose(graph(batch), graph(other))
        assert torch.equal(cnn(batch), cnn(other)) and torch.equal(none(batch), none(other))
        # Only edges are read of a map: another scale is the same graph.
        torch.testing.assert_close(graph(batch), graph({**batch, "map": 0.5 * batch["map"]}))
    assert graph.entries == {"map", "tracks", "cage"} and cnn.entries == {"tracks", "cage"}


# ---------------------------------------------------------------- other windows and tracks


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("window_bins", "track_bp", "tracks"), [(24, 1000, 1), (64, 40, 3), (50, 5000, 2), (9, 100, 2)]
)
def test_other_windows_and_tracks_work(name, window_bins, track_bp, tracks):
    """Pools are the factors of as many track bins as a bin has: 5, 125, 1, 50."""
    model = make(name, window_bins=window_bins, track_bp=track_bp, tracks=tracks)
    batch = sample(window_bins, 5000 // track_bp, tracks)
    loss, predicted = model.loss_and_prediction(batch)
    assert predicted.shape == (3, 2 * window_bins) and loss.isfinite()


def test_what_it_cannot_read_is_refused():
    with pytest.raises(InputError, match="reads tracks and none is named; give it `tracks`"):
        make("epi-cnn", tracks=0)
    with pytest.raises(InputError, match="channels 10 does not divide into 4 heads; change channels or heads"):
        make("epi-graph", channels=10)
    with pytest.raises(InputError, match=r"'tracks' is \(3, 2400, 2\); this network reads \(B, 5000, 2\)"):
        make("epi-cnn")(sample(24))
    with pytest.raises(InputError, match="edges: 'significant' is not one of oe, contacts, none"):
        make("epi-graph", edges="significant")


def test_batch_norm_is_keras():
    layers = [layer for layer in make("epi-graph").modules() if isinstance(layer, torch.nn.BatchNorm1d)]
    assert len(layers) == 6 and {(layer.eps, layer.momentum) for layer in layers} == {(1e-3, 0.01)}


def test_trainings_are_the_released_ones():
    """Of either protocol; a batch of the corrected one has as many nodes as a released window."""
    for name, epochs in (("epi-cnn", 100), ("epi-graph", 200)):
        of_protocol = traits(name, "cage").training
        released = {"optimiser": "adam", "learning_rate": 2e-4, "weight_decay": 0, "schedule": "constant"}
        for protocol, batch_size in (("published", 1), ("corrected", 24)):
            asked = {**released, "epochs": epochs, "batch_size": batch_size, "early_stop_epochs": 5}
            assert {key: of_protocol[protocol][key] for key in asked} == asked
    assert 24 * WINDOW == 1200
