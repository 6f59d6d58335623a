"""Sequence -> ln O/E map with a graph transformer: the network Kriukov et al. 2021 propose ("Ours"), on Akita's trunk.

The bins of a window are the nodes of a graph whose edges know their distance. Blocks of multi-head attention exchange
what the bins hold, a bilinear form turns two bins into a pixel, a dense layer per pixel ends it. Attention is dense:
with 244 nodes it is faster than a list of edges, and the features of an edge, few, are contracted where they stand
instead of being widened to (S, S, heads · width).

Deviations, by protocol (those of the trunk, the affine and the clip are in `akita`):

- "published" is the released code. The text does not say: four blocks; a bin attends only to itself and to the bins
  before it; a root term W_skip·x_i beside the attended sum; edge features without a bias; and a distance table that is
  re-viewed instead of transposed, so that an edge gets components of eight other distances (`DistanceEmbedding`).
  Batch-norm eps 1e-5, Xavier initialisation. `symmetric` False is the variant `ours`, which mirrors the lower triangle;
  True is `ours_symm`, which is what the paper's Table I reports.
- "corrected": every bin attends to all bins, an edge has the embedding of its own distance |i - j|, and, as in Akita's
  head, a pixel knows its distance too: a linear map of the same embedding is added to the bilinear form, without which
  a pixel could not tell a loop from a boundary far apart. eps 1e-3, He initialisation of convolutions and of the
  bilinear form, blocks that start as the identity (the last batch norm at zero), element-wise dropout.
"""

import torch
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.models import blocks
from trifold.models.checkpoint import MICRO_C, Checkpoint
from trifold.models.trunk import HEAD, HEAD_KINDS, TRUNK, SequenceToMap, initialise

# Read by trifold.architectures from the source.
ARCHITECTURES = {
    "akita-graph": {
        "network": "AkitaGraph",
        "inputs": ["sequence"],
        "target": "oe",
        "options": {
            **TRUNK,
            "graph_blocks": 4,
            "heads": 2,
            "head_width": 64,
            "edge_features": 8,
            "graph_dropout": 0.3,
            "head_dropout": 0.1,
            "pixel_channels": 48,
            "symmetric": True,
            **HEAD,
        },
        "kinds": HEAD_KINDS,
    },
}
CHECKPOINTS = {
    "weights_dl2021_ours.pth": Checkpoint("akita-graph", {"symmetric": False}, MICRO_C),
    "weights_dl2021_ours_symm.pth": Checkpoint("akita-graph", {"symmetric": True}, MICRO_C),
}


class DistanceEmbedding(nn.Module):
    """Features of every pair of bins by their distance: `forward(bins) -> (features, bins, bins)`.

    scrambled: as released, the table of |i - j|, (bins², features), is re-viewed as (features, bins, bins).
    """

    def __init__(self, bins: int, features: int, scrambled: bool):
        super().__init__()
        self.emb = nn.Embedding(bins, features)
        self.scrambled = scrambled

    def forward(self, bins: int) -> Tensor:
        position = torch.arange(bins, device=self.emb.weight.device)
        table = self.emb((position[:, None] - position).abs())  # (S, S, features)
        return table.reshape(-1, bins, bins) if self.scrambled else table.permute(2, 0, 1)


class EdgeAttention(nn.Module):
    """Attention of every bin to others over edges with features: x (B, S, C), edges (E, S, S) -> (B, S, heads · width).

    With a_ij = edges[:, i, j] and e_ij = W_e·a_ij, per head: softmax_j of q_i·(k_j + e_ij) / √width, dropout on it,
    Σ_j α_ij (v_j + e_ij), plus W_skip·x_i. causal: over j <= i only. The arithmetic and the parameters of
    torch_geometric's ``TransformerConv``, where the edge j -> i has the features a_ij.
    """

    def __init__(self, features: int, heads: int, head_width: int, edge_features: int, dropout: float, causal: bool):
        super().__init__()
        self.heads, self.head_width, self.width, self.causal = heads, head_width, heads * head_width, causal
        self.lin_key = nn.Linear(features, self.width)
        self.lin_query = nn.Linear(features, self.width)
        self.lin_value = nn.Linear(features, self.width)
        self.lin_edge = nn.Linear(edge_features, self.width, bias=False)
        self.lin_skip = nn.Linear(features, self.width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)  # (B, heads, S, width)
            for layer in (self.lin_query, self.lin_key, self.lin_value)
        )
        widen = self.lin_edge.weight.unflatten(0, (self.heads, self.head_width))  # (heads, width, E)
        query = query * self.head_width**-0.5
        # q·W_e·a_ij: the query is brought to the few features of an edge, not the edge to the width of the query.
        score = query @ key.mT + torch.einsum("bhie,eij->bhij", query @ widen, edges)  # (B, heads, S, S)
        if self.causal:
            later = torch.ones(score.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
            score = score.masked_fill(later, -torch.inf)
        weight = self.dropout(score.softmax(-1))
        attended = weight @ value + torch.einsum("bhij,eij->bhie", weight, edges) @ widen.mT  # (B, heads, S, width)
        return attended.transpose(1, 2).flatten(2) + self.lin_skip(x)


class GraphBlocks(nn.Module):
    """x + block(x), (B, C, 1, S) -> same: attention, batch norm, ReLU, 1 × 1 convolution block back to C."""

    def __init__(self, attention: list[EdgeAttention], features: int, *, bn_eps: float, dropout: float):
        super().__init__()
        self.t_layers = nn.ModuleList(attention)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(layer.width, eps=bn_eps),
                nn.ReLU(),
                blocks.ConvBlock(layer.width, features, 1, dims=1, bn_eps=bn_eps, dropout=nn.Dropout(dropout)),
            )
            for layer in attention
        )

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        for attention, layer in zip(self.t_layers, self.layers):
            y = attention(x.squeeze(2).mT, edges)  # (B, S, heads · width)
            x = x + layer(y.mT.unsqueeze(2))
        return x


class Bilinear(nn.Module):
    """(B, C, 1, S) -> (B, K, S, S): channel k of pixel (i, j) is x_iᵀ·W_k·x_j + b_k."""

    def __init__(self, features: int, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, features, features))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        left = torch.einsum("bcoi,kcd->bkid", x, self.weight)  # (B, K, S, C)
        return left @ x.movedim(2, 1) + self.bias[:, None, None]


class MirrorLower(nn.Module):
    """The lower triangle in place of the upper one."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.tril() + maps.tril(-1).mT


@blocks.declared(ARCHITECTURES["akita-graph"])
class AkitaGraph(SequenceToMap):
    """`SequenceToMap` with the graph transformer; attributes and state-dict keys as released.

    graph_blocks, heads, head_width (of one head): the attention; edge_features: of the distance embedding;
    graph_dropout: on attention weights; head_dropout: in the convolution of a block; pixel_channels: of the bilinear
    form. targets: maps predicted at once; the workflow trains one.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        graph_blocks: int,
        heads: int,
        head_width: int,
        edge_features: int,
        graph_dropout: float,
        head_dropout: float,
        pixel_channels: int,
        symmetric: bool,
        targets: int,
        **trunk,
    ):
        super().__init__(geometry, protocol=protocol, **trunk)
        nodes = geometry.window_bp >> (geometry.bin_bp.bit_length() - 1)
        attention = [
            EdgeAttention(self.bottleneck, heads, head_width, edge_features, graph_dropout, causal=self.published)
            for _ in range(graph_blocks)
        ]
        self.graph_block = GraphBlocks(attention, self.bottleneck, bn_eps=self.bn_eps, dropout=head_dropout)
        self.pos_emb = DistanceEmbedding(nodes, edge_features, scrambled=self.published)
        if not self.published:
            self.distance = blocks.PixelDense(edge_features, pixel_channels)
        # Keras' momentum 0.9265 keeps the old value, torch's takes the new one.
        norm = nn.BatchNorm2d(pixel_channels, eps=self.bn_eps, momentum=1 - 0.9265)
        bilinear = Bilinear(self.bottleneck, pixel_channels)
        self.onetotwo = (
            nn.Sequential(bilinear, blocks.Symmetrise(), norm, nn.ReLU())
            if symmetric
            else nn.Sequential(bilinear, norm, nn.ReLU(), MirrorLower())
        )
        self.final = nn.Sequential(blocks.PixelDense(pixel_channels, targets))
        self._initialise()

    def _initialise(self) -> None:
        initialise(self, self.published)
        # Small: attention starts by what the bins hold and learns the distance.
        nn.init.xavier_uniform_(self.pos_emb.get_parameter("emb.weight"))
        if self.published:
            nn.init.xavier_uniform_(self.onetotwo.get_parameter("0.weight"))
        else:
            nn.init.kaiming_normal_(self.onetotwo.get_parameter("0.weight"))
            for layer in self.graph_block.layers:
                nn.init.zeros_(layer.get_parameter("2.bn.weight"))

    def pixels(self, x: Tensor) -> Tensor:
        edges = self.pos_emb(x.shape[-1])  # (edge_features, S, S)
        y = self.onetotwo[0](self.graph_block(x, edges))  # (B, pixel_channels, S, S)
        if not self.published:
            y = y + self.distance(edges[None])
        return self.final(self.onetotwo[1:](y))
