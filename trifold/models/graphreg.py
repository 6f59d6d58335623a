"""Tracks, or tracks and a map -> expression (CAGE) of every bin: GraphReg's Epi-CNN and Epi-GraphReg (Karbalayghareh et
al. 2022), rows EPI-CNN and EPI-Graph of Yang et al. 2025 (MIX-HIC), Table 4.

Convolutions bring the tracks, in 100-bp means, to one vector for every bin of the map, a node. Epi-CNN goes on with
dilated convolutions along the genome; Epi-GraphReg lets a node attend to the nodes that the map joins it to. Either
ends in the logarithm of a rate per node, released with the Poisson likelihood of the signal as its loss.

Layers, their order and batch norm (eps 1e-3, a mean of which each step takes 1 %) are those of the released TensorFlow
code, held to its outputs by the parity tests. What outputs cannot show: weights start as Keras starts them (Glorot's
uniform, biases zero), and dropout in the attention falls on both projections. As released the networks see 6 Mb, 1,200
nodes of 5 kb, with three tracks (H3K4me3, H3K27ac, DNase), a graph of significant contacts (HiC-DC+, FDR 0.1), and the
loss is of the middle 400 nodes.

Yang et al. give both networks the windows of their own, 250 kb, and say no more: how is not published. What stands here
for it is ours, under either protocol:

- A window is a graph of its W bins (50). Start sites are read with x = y, so both stretches of a sample are the same
  one: the network reads that about x, and what it predicts stands twice, as the label does.
- Edges (`edges`) are taken from the window's map: "oe", pixels above the window's mean at their distance; "contacts",
  pixels with any contact; "none", no edge, a control that shows what the graph adds. The default is "oe": released
  edges are contacts that the distance does not explain, and at the depth of the paper nearly every pixel of 250 kb has
  some contact, so that "contacts" would join all nodes alike. No edge lies on the diagonal, as released.
- The label is log2(x + 1) of the mean signal x, and so is what is predicted and scored, log2(rate + 1). The likelihood
  is of x itself, which the label says exactly. Signal is no count: as in the released targets it is coverage (RPGC),
  and a factor in it is a factor in the likelihood's gradient.
- Pools are the three factors of as many track bins as a bin of the map has; 50: 2, 5, 5, as released.

What the protocols differ in:

- "published": the loss (`objective`) is the Poisson likelihood, of the middle third of the nodes (`scored`); batches
  are of one window.
- "corrected", ours: what the comparison needs, since it is of log2(x + 1) over all nodes. The loss is the mean square
  of that, by which all other rows of the table are taught (in the likelihood few nodes of high signal outweigh the
  rest), of all nodes; batches are of 24 windows, which have as many nodes as one of the released ones; batch norm's
  statistics are taken anew from training windows (`training.regression`).

Released, and not repeated: the best epoch and the early stop are by the smallest validation loss (here by the largest
correlation, as for every row of that table); the learning rate falls as 1 / (1 + step · 1e-6); Adam's eps is 1e-7.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.blocks import Architecture, declared, read
from trifold.models.mixhic import TRAINING, pools_of

BN_EPS, BN_MOMENTUM = 1e-3, 0.01  # Keras' momentum 0.99 keeps the old value, torch's takes the new one
FIRST_KERNEL, KERNEL = 25, 3
SLOPE = 0.2  # of the attention's leaky ReLU
LN2 = math.log(2)
OPTIONS = {"channels": 128, "head_channels": 64, "dropout": 0.5, "objective": None, "scored": None}
KINDS = {"objective": "word", "scored": "word"}
CHOICES = {"objective": ["poisson", "mse"], "scored": ["middle", "all"]}
ADAM = {**TRAINING, "optimiser": "adam", "learning_rate": 2e-4, "weight_decay": 0, "early_stop_epochs": 5}
CNN = {**ADAM, "epochs": 100}
GRAPH = {**ADAM, "epochs": 200}
ARCHITECTURES = {
    "epi-cnn": {
        "network": "EpiCnn",
        "inputs": ["tracks"],
        "target": "cage",
        "window_bins": 50,
        "tasks": {"cage": {}},
        "options": {**OPTIONS, "dilated_layers": 8},
        "kinds": KINDS,
        "choices": CHOICES,
        "training": {"published": {**CNN, "batch_size": 1}, "corrected": {**CNN, "batch_size": 24}},
    },
    "epi-graph": {
        "network": "EpiGraph",
        "inputs": ["map", "tracks"],
        "target": "cage",
        "window_bins": 50,
        "tasks": {"cage": {}},
        "options": {**OPTIONS, "graph_layers": 2, "heads": 4, "edges": "oe"},
        "kinds": KINDS,
        "choices": {**CHOICES, "edges": ["oe", "contacts", "none"]},
        "training": {"published": {**GRAPH, "batch_size": 1}, "corrected": {**GRAPH, "batch_size": 24}},
    },
}


def poisson_loss(log_rate: Tensor, counts: Tensor) -> Tensor:
    """Mean negative logarithm of the Poisson likelihood: rate - counts ln(rate) + ln(counts!); scalar."""
    return (log_rate.exp() - counts * log_rate + torch.lgamma(counts + 1)).mean()


def edges_of(maps: Tensor, rule: str) -> Tensor:
    """Maps of windows on the diagonal (B, W, W) -> which nodes are joined, 1 or 0, (B, W, W), none to itself.

    rule: of the option `edges`. "oe": above the mean of the window's pixels at that distance, those of bins without any
    contact left out. Sums are of float64, so that a distance whose pixels are all alike has no edge.
    """
    if rule == "none":
        return torch.zeros_like(maps)
    expected: Tensor | float = 0.0
    if rule == "oe":
        side = maps.shape[-1]
        node = torch.arange(side, device=maps.device)
        distance = (node[:, None] - node).abs()
        at = F.one_hot(distance, side).double()  # (W, W, W), the last of distances
        present = (maps > 0).any(-1)
        known = (present[:, :, None] & present[:, None]).double()
        total, number = (torch.einsum("bij,ijd->bd", values, at) for values in (maps.double() * known, known))
        expected = (total / number.clamp(min=1))[:, distance]  # (B, W, W)
    return (maps > expected).to(maps.dtype) * (1 - torch.eye(maps.shape[-1], device=maps.device))


class Trunk(nn.Module):
    """Tracks (B, T, W · k) -> nodes (B, channels, W): three convolutions with ReLU, batch norm and pools, k in all."""

    def __init__(self, tracks: int, track_bins: int, channels: int, dropout: float):
        super().__init__()
        self.pools = pools_of(track_bins)
        self.dropout = nn.Dropout(dropout)
        self.conv1, self.bn1 = conv(tracks, channels, FIRST_KERNEL), norm(channels)
        self.conv2, self.bn2 = conv(channels, channels, KERNEL), norm(channels)
        self.conv3, self.bn3 = conv(channels, channels, KERNEL), norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.pools
        x = self.dropout(F.max_pool1d(self.bn1(F.relu(self.conv1(x))), first))  # (B, C, W · 25)
        x = self.dropout(F.max_pool1d(self.bn2(F.relu(self.conv2(x))), second))  # (B, C, W · 5)
        return F.max_pool1d(self.bn3(F.relu(self.conv3(x))), third)


def conv(channels_in: int, channels: int, kernel: int, dilation: int = 1) -> nn.Conv1d:
    """A convolution that keeps the length, started as Keras starts it: Glorot's uniform, biases zero."""
    layer = nn.Conv1d(channels_in, channels, kernel, padding=dilation * (kernel // 2), dilation=dilation)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def norm(channels: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(channels, eps=BN_EPS, momentum=BN_MOMENTUM)


class GraphAttention(nn.Module):
    """Nodes (B, W, C) and their edges (B, W, W) -> (B, W, heads · width): a node takes from those it is joined to.

    Per head, with s_i = W_self·x_i and n_j = W_near·x_j: the weight of an edge is the sigmoid of
    LeakyReLU(a_self·s_i + a_near·n_j), of no edge 0; a node's own weight is 1. Both are divided by their sum, so that a
    node without edges keeps what it has, and one with many weak ones does not have to choose among them, as under a
    softmax. The sum of s_i and all n_j by weight goes through ELU. No biases.
    """

    def __init__(self, features: int, heads: int, width: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.weight_self, self.weight_near = (nn.Parameter(torch.empty(heads, features, width)) for _ in range(2))
        self.attend_self, self.attend_near = (nn.Parameter(torch.empty(heads, width, 1)) for _ in range(2))
        for weights in self.parameters():
            for head in weights:  # a head is a matrix of its own
                nn.init.xavier_uniform_(head)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        x, edges = x[:, None], edges[:, None]
        own, near = x @ self.weight_self, x @ self.weight_near  # (B, heads, W, width)
        score = own @ self.attend_self + (near @ self.attend_near).mT  # (B, heads, W, W): of node i, from node j
        weight = torch.sigmoid(F.leaky_relu(score, SLOPE)) * edges
        share = 1 / (1 + weight.sum(-1, keepdim=True))
        y = share * self.dropout(own) + (share * weight) @ self.dropout(near)
        return F.elu(y.transpose(1, 2).flatten(2))


class Expression(Architecture):
    """What both networks share: the trunk, the head, what is compared; `forward(batch) -> (B, 2W)`, log2(x + 1).

    channels, head_channels   of the nodes before and after what the two differ in
    dropout                   share of the features, as released one half
    objective                 "poisson": the likelihood of the signal; "mse": mean square of log2(x + 1)
    scored                    nodes of the loss: "middle", the middle third; "all"
    objective, scored: None follows the protocol. Raises InputError without tracks.
    """

    context = ("protocol", "statistics")
    has_batch_norm = True
    channels_last = False
    head_kernel = KERNEL

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        channels: int,
        head_channels: int,
        dropout: float,
        objective: str | None,
        scored: str | None,
    ):
        super().__init__()
        tracks, track_bins = len(statistics["tracks"]), geometry.bin_bp // statistics["track_bp"]
        if not tracks:
            raise InputError("config: an arm of epi-cnn or epi-graph reads tracks and none is named; give it `tracks`")
        self.nodes, self.track_shape = geometry.window_bins, (2 * geometry.window_bins * track_bins, tracks)
        published = protocol == "published"
        self.objective = objective or ("poisson" if published else "mse")
        border = self.nodes // 3 if (scored or ("middle" if published else "all")) == "middle" else 0
        self.inside = slice(border, self.nodes - border)
        self.trunk = Trunk(tracks, track_bins, channels, dropout)
        self.dropout = nn.Dropout(dropout)
        self.conv4, self.bn4 = conv(channels, head_channels, self.head_kernel), norm(head_channels)
        self.out = conv(head_channels, 1, 1)

    def nodes_of(self, batch: dict[str, Tensor]) -> Tensor:
        """-> (B, channels, W), from the tracks of the stretch about x."""
        tracks = read(batch, "tracks", *self.track_shape)
        return self.trunk(tracks[:, : self.track_shape[0] // 2].mT)

    def narrowed(self, x: Tensor) -> Tensor:
        """(B, channels, W) -> (B, head_channels, W)."""
        return self.bn4(F.relu(self.conv4(self.dropout(x))))

    def log_rate(self, batch: dict[str, Tensor]) -> Tensor:
        """ln of the rate of every node, (B, W)."""
        raise NotImplementedError

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self._predicted(self.log_rate(batch)).repeat(1, 2)

    @staticmethod
    def _predicted(log_rate: Tensor) -> Tensor:
        """log2(rate + 1), (B, W)."""
        return F.softplus(log_rate) / LN2

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The loss over the nodes of `inside`, and what `forward` gives."""
        log_rate = self.log_rate(batch)
        predicted = self._predicted(log_rate)
        label = read(batch, "cage", 2 * self.nodes)[:, : self.nodes]
        if self.objective == "mse":
            loss = F.mse_loss(predicted[:, self.inside], label[:, self.inside])
        else:
            loss = poisson_loss(log_rate[:, self.inside], torch.expm1(LN2 * label[:, self.inside]))
        return loss, predicted.repeat(1, 2)


@declared(ARCHITECTURES["epi-cnn"])
class EpiCnn(Expression):
    """From the tracks alone. dilated_layers: convolutions of three nodes, 2, 4, 8, … apart."""

    def __init__(self, geometry: Geometry, *, dilated_layers: int, head_channels: int, **shared):
        super().__init__(geometry, head_channels=head_channels, **shared)
        self.dilated, self.norms = nn.ModuleList(), nn.ModuleList()
        for i in range(dilated_layers):
            self.dilated.append(conv(head_channels, head_channels, KERNEL, dilation=2 ** (i + 1)))
            self.norms.append(norm(head_channels))

    def log_rate(self, batch: dict[str, Tensor]) -> Tensor:
        x = self.narrowed(self.nodes_of(batch))  # (B, 64, W)
        for layer, normalise in zip(self.dilated, self.norms):
            x = normalise(x + F.relu(layer(x)))
        return self.out(x)[:, 0].float()


@declared(ARCHITECTURES["epi-graph"])
class EpiGraph(Expression):
    """From the tracks, and from the map which nodes exchange them.

    graph_layers   of attention, one after the other
    heads          of each, of channels / heads features
    edges          "oe", "contacts" or "none" (`edges_of`)
    Raises InputError for channels that the heads do not divide.
    """

    head_kernel = 1

    def __init__(
        self,
        geometry: Geometry,
        *,
        graph_layers: int,
        heads: int,
        edges: str,
        channels: int,
        dropout: float,
        **shared,
    ):
        super().__init__(geometry, channels=channels, dropout=dropout, **shared)
        if channels % heads:
            raise InputError(
                f"config: the option channels {channels} does not divide into {heads} heads; change channels or heads"
            )
        self.edges = edges
        self.graph, self.norms = nn.ModuleList(), nn.ModuleList()
        for _ in range(graph_layers):
            self.graph.append(GraphAttention(channels, heads, channels // heads, dropout))
            self.norms.append(norm(channels))

    def log_rate(self, batch: dict[str, Tensor]) -> Tensor:
        edges = edges_of(read(batch, "map", 1, self.nodes, self.nodes)[:, 0], self.edges)  # (B, W, W)
        x = self.nodes_of(batch)  # (B, 128, W)
        for attend, normalise in zip(self.graph, self.norms):
            x = normalise(attend(x.mT, edges).mT)
        return self.out(self.narrowed(x))[:, 0].float()
