"""The graph-transformer head: the released implementation, PyTorch Geometric, and what the corrected protocol means."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_parity import KRIUKOV, largest_difference, parameters, stored
from test_registry import GEOMETRY, ODD, make, make_batch
from torch import nn

from trifold.models import registry
from trifold.models.akita_graph import DistanceEmbedding, EdgeAttention
from trifold.models.blocks import crop, upper_triangle


@torch.no_grad()
def test_graph_as_released_parity(parity, recipe):
    data = parity("enhancement/akita_dl2021_graph_recipe")
    # The file holds the variant `ours`; the keys of the test below are those of `ours_symm`.
    model = registry.build("akita-graph", KRIUKOV, {"symmetric": False}, {}, protocol="published").eval()
    assert model.crop_bins == 10
    assert parameters(model) == 1_064_289
    model.load_state_dict(
        {
            key: torch.from_numpy(recipe.fill(f"A.{key}", value.shape, 0.2 if key.startswith("trunk.") else 1.0))
            for key, value in model.state_dict().items()
        }
    )
    steps = {}
    model.trunk[3].register_forward_hook(lambda _, __, y: steps.update(trunk=y))
    model.final.register_forward_hook(lambda _, __, y: steps.update(final=y))
    codes = torch.from_numpy(recipe.unpack2bit(data["seq_packed2bit"]).astype(np.uint8))[None]
    full = model.full_map({"sequence": codes})

    assert largest_difference(steps["trunk"].squeeze(2), data["trunk_pre_relu"]) < 1e-4
    assert largest_difference(steps["final"][0, 0, ::4, ::4], data["final244"]) < 1e-4
    resized = torch.nn.functional.interpolate(steps["final"], size=(200, 200), mode="bilinear")
    assert largest_difference(resized[0, 0], data["interp200"]) < 1e-4
    assert largest_difference(upper_triangle(crop(full, 10))[:, 0], data["out_triu_crop10"]) < 1e-4
    assert largest_difference(crop(full, 6)[:, 0], data["out_full_crop6"]) < 1e-4


def test_graph_keys_are_the_released_ones_parity(recipe):
    lines = (Path(recipe.__file__).parent / "enhancement/akita_dl2021_graph_keys.txt").read_text().splitlines()
    model = registry.build("akita-graph", KRIUKOV, {}, {}, protocol="published")
    shapes = {key: str(tuple(value.shape)) for key, value in model.state_dict().items()}
    assert shapes == dict(line.split("\t") for line in lines)


@torch.no_grad()
@pytest.mark.parametrize(("name", "symmetric"), [("graph_head_small", False), ("graph_symm_head_small", True)])
def test_graph_head_as_released_parity(parity, name, symmetric):
    data = parity(f"enhancement/akita_dl2021_{name}")
    model = registry.build("akita-graph", KRIUKOV, {"symmetric": symmetric}, {}, protocol="published").eval()
    weights = stored(data)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert unexpected == []
    assert {key.split(".")[0] for key in missing} == {"trunk", "final"}  # not in the file

    x = torch.from_numpy(data["x"])[:, :, None]  # (2, 64, 1, 40)
    edges = model.pos_emb(40)
    source, target = data["edge_index"][:, :820]  # the first of two equal graphs
    # Two windows of the batch are two graphs of 40 nodes in the file.
    assert np.array_equal(data["edge_index"][:, 820:], data["edge_index"][:, :820] + 40)
    assert largest_difference(edges[:, target, source].T, data["edge_attr"][:820]) == 0
    attended = model.graph_block.t_layers[0](x.squeeze(2).mT, edges)
    assert largest_difference(attended.flatten(0, 1), data["transformerconv0"]) < 1e-5
    assert largest_difference(model.graph_block(x, edges).squeeze(2), data["graph_block"]) < 1e-5
    # From the stored nodes: pixels go up to 90, and would show the rounding of the blocks.
    pixels = model.onetotwo(torch.from_numpy(data["graph_block"])[:, :, None])
    assert largest_difference(pixels, data["onetotwo"]) < 1e-5
    assert largest_difference(pixels, data["middle"]) < 1e-5


@pytest.mark.parametrize("causal", [True, False])
def test_dense_attention_is_pygs_on_an_edge_list(causal):
    from torch_geometric.nn import TransformerConv

    torch.manual_seed(0)
    bins = 13
    ours = EdgeAttention(6, heads=3, head_width=5, edge_features=4, dropout=0.0, causal=causal)
    theirs = TransformerConv(6, 5, heads=3, edge_dim=4, dropout=0.0)
    theirs.load_state_dict(ours.state_dict())
    x, edges = torch.randn(2, bins, 6, requires_grad=True), torch.randn(4, bins, bins, requires_grad=True)
    wanted = torch.randn(2, bins, 15)

    source, target = torch.triu_indices(bins, bins) if causal else torch.cartesian_prod(*[torch.arange(bins)] * 2).T
    attributes = edges[:, target, source].T
    expected = torch.stack([theirs(nodes, torch.stack([source, target]), attributes) for nodes in x])
    found = ours(x, edges)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)

    def gradients(y, module):
        return torch.autograd.grad((y * wanted).sum(), [x, edges, *(p for _, p in sorted(module.named_parameters()))])

    for ours_gradient, theirs_gradient in zip(gradients(found, ours), gradients(expected, theirs), strict=True):
        torch.testing.assert_close(ours_gradient, theirs_gradient, atol=1e-5, rtol=1e-4)


def test_a_scrambled_edge_has_components_of_other_distances():
    published, corrected = (DistanceEmbedding(5, 3, scrambled) for scrambled in (True, False))
    corrected.load_state_dict(published.state_dict())
    table = published.emb.weight
    assert torch.equal(corrected(5)[:, 1, 4], table[3])
    # Feature c of (i, j) is number 25 c + 5 i + j of the table of |i - j| written out row by row, three per distance.
    assert published(5)[0, 1, 4] == table[3, 0]  # 9 = 3 · 3 + 0: the pair (0, 3)
    assert published(5)[1, 1, 4] == table[1, 1]  # 34 = 11 · 3 + 1: the pair (2, 1)
    assert published(5)[2, 1, 4] == table[1, 2]  # 59 = 19 · 3 + 2: the pair (3, 4)


@pytest.mark.parametrize("protocol", registry.PROTOCOLS)
def test_who_attends_to_whom(protocol):
    """Published: a bin to itself and those before it; corrected: to all. Read off the gradient of every bin."""
    model = make("akita-graph", protocol, GEOMETRY).eval()
    attention = model.graph_block.t_layers[0]
    x = torch.randn(24, 8)
    reach = torch.autograd.functional.jacobian(lambda nodes: attention(nodes[None], model.pos_emb(24))[0].sum(1), x)
    expected = torch.ones(24, 24, dtype=torch.bool)
    assert torch.equal(reach.abs().sum(2) > 0, expected.tril() if protocol == "published" else expected)


@torch.no_grad()
@pytest.mark.parametrize("geometry", [GEOMETRY, ODD], ids=["exact", "resized"])
def test_corrected_graph_reverses_with_its_sequence(geometry):
    """Strands of the filters swapped, the map of the reversed sequence is the reversed map: no order among the bins."""

    def model():
        made = make("akita-graph", "corrected", geometry).eval()
        for layer in made.graph_block.layers:
            nn.init.ones_(layer[2].bn.weight)  # otherwise no block takes part
        return made

    batch, flipped = make_batch(geometry), model()
    for module in flipped.modules():
        if isinstance(module, nn.Conv1d):
            module.weight.copy_(module.weight.flip(-1))
    y = flipped({"sequence": batch["sequence"].flip(-1)})
    expected = model()(batch)
    assert expected.std() > 0.01
    torch.testing.assert_close(y.flip(-1, -2), expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_corrected_blocks_start_as_the_identity():
    model = make("akita-graph", "corrected", GEOMETRY).eval()
    x = torch.rand(2, 8, 1, 24)
    assert torch.equal(model.graph_block(x, model.pos_emb(24)), x)
    assert {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}


@torch.no_grad()
def test_corrected_pixels_know_their_distance():
    """Bins that all hold the same: published gives one value, corrected one per distance."""
    x = torch.ones(1, 8, 1, 24)
    maps = make("akita-graph", "corrected", GEOMETRY).eval().pixels(x)[0, 0]
    diagonals = [maps.diagonal(offset) for offset in range(24)]
    assert all(torch.allclose(values, values[0], atol=1e-6) for values in diagonals)
    assert torch.stack([values[0] for values in diagonals]).std() > 1e-3
    without = make("akita-graph", "corrected", GEOMETRY).eval()
    nn.init.zeros_(without.distance.dense.weight)
    flat = without.pixels(x)
    assert flat.max() - flat.min() < 1e-6


@torch.no_grad()
def test_the_other_variant_mirrors_its_lower_triangle():
    model = make("akita-graph", "published", GEOMETRY, symmetric=False).eval()
    x = torch.rand(1, 8, 1, 24)
    y = model.pixels(x)
    raw = model.final(model.onetotwo[:3](model.graph_block(x, model.pos_emb(24))))
    assert not torch.allclose(raw, raw.mT)
    torch.testing.assert_close(y.tril(), raw.tril())
    torch.testing.assert_close(y, y.mT)


@torch.no_grad()
def test_a_hybrid_stands_on_the_graph_network():
    parts = {"sequence": make("akita-graph", "published", GEOMETRY), "image": make("vehicle", "published", GEOMETRY)}
    model, batch = registry.build("hybrid", GEOMETRY, {}, {}, parts, "published").eval(), make_batch(GEOMETRY)
    maps = [crop(parts["sequence"].full_map(batch), 6) / 4 + 0.5, parts["image"](batch)]
    torch.testing.assert_close(model(batch), model.head(torch.cat(maps, dim=1)))
