"""Sequence and DNase signal, kilobase by kilobase, to a map or to expression: EPCOT (Zhang et al. 2023).

A backbone reads each bin of 1 kb with 300 bp to either side, base by base, and gives one vector for it. Over the
vectors of a window runs a trunk, an LSTM or a transformer; from its output come the pixels of a 5-kb map (the authors'
task COP, `Map` here) or CAGE (their GEP, `Cage`). MIX-HIC's Tables 2 and 4 have both trunks as EPCOT-LSTM and
EPCOT-transformer. Written from what the released code does (liu-bioinfo-lab/EPCOT, aec8b82), with its keys.

A batch is a dict: `sequence` (B, 2W · bin_bp) base codes and `tracks` (B, 2W · track bins, T) of the stretch about x,
then of that about y; `map` (B, 1, W, W) or `cage` (B, 2W), the targets. In shapes, W are the bins of the map in a
window, N the backbone's bins, W · `pool_bins`, T the tracks; widths are those of the released networks.

- "published": the loss of a map is over its upper triangle with the diagonal; batches and steps are the released ones.
- "corrected": it is over all pixels of the window, which are what is scored; a step of the optimiser has as many base
  pairs as the released one, in a single batch. Batch norm's running statistics are taken anew from training windows
  (`training.regression`).

Neither MIX-HIC's text nor its code says how EPCOT came to windows of 250 kb and two tracks. Decided here, for both:

- MIX-HIC gives all systems the same two tracks, and no DNA. `dna` false leaves the bases out; tracks are those of the
  arm. The released network is `dna` true with the one track DNase.
- A track has one value for some 100 bp here, as log2(x + 1) like those of all systems (`log_tracks`); each of its bases
  gets it. The released input has the coverage of every base.
- Windows of these tasks are on the diagonal, both stretches are the same, and the first is read.
- What lies outside of a window is not known: the flanks of its first and last bin are zeros, as the released ones are
  at the ends of a chromosome. No border is cut off; released maps lose 4 of 200 bins at either end, CAGE 25 of 250.
- CAGE of a bin of the map is the mean over its bins of the backbone; it stands twice, as in the batch.
- All of the network is trained, from nothing. The released backbone is pre-trained on ChIP-seq profiles, from DNA and
  DNase together, and without `--fine_tune` is left as it comes, pre-trained or not.
- The released script trains the LSTM for CAGE at a constant rate, and all else by one cycle. `training` has the cycle;
  the arms of MIX-HIC's tables say where it is constant.
"""

import math
from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.blocks import Architecture, declared, one_hot, pre_norm_layers, read, symmetrise, upper_triangle
from trifold.models.mixhic import TRAINING as ON_PAIRS

BASES = 4
KERNELS, POOLS = (10, 8, 8), (5, 4)  # of the three pairs of convolutions; after the first and the second
LEAST_BP = 388  # of which the convolutions leave one position, of less none
MAX_DISTANCE = 10  # bins, beyond which pixels have the same embedding
TOWER_KERNEL = 9
KEY_WIDTH = 64  # of a head of the CAGE transformer
# As released, in both tasks; `layers` None: as many as the trunk has in the task.
OPTIONS = {
    "trunk": "transformer",
    "dna": True,
    "channels": [256, 360, 512],
    "hidden_dim": 512,
    "heads": 4,
    "layers": None,
    "pool_bins": 5,
    "flank_bp": 300,
}
# One cycle, which with the released factors stays at the largest rate (`training.regression.one_cycle`).
TRAINING = {
    **ON_PAIRS,
    "epochs": 40,
    "learning_rate": 3e-4,
    "schedule": "one-cycle",
    "weight_decay": 1e-6,
    "early_stop_epochs": 0,
}
ARCHITECTURES = {
    "epcot": {
        "network": "Map",
        "inputs": ["sequence", "tracks"],
        "target": "map",
        "window_bins": 50,
        "bin_step": "pool_bins",
        "kinds": {"layers": "int"},
        "choices": {"trunk": ["lstm", "transformer"]},
        "when": {"dna": {False: {"inputs": ["tracks"]}}},
        "tasks": {
            "window": {
                "options": {**OPTIONS, "embed_dim": 256, "trunk_heads": 4, "pixel_channels": 64, "tower_blocks": 5},
                "training": {
                    # Windows of 1 Mb there, of 250 kb here.
                    "published": {**TRAINING, "batch_size": 1, "accumulate": 2},
                    "corrected": {**TRAINING, "batch_size": 8, "accumulate": 1},
                },
            },
            "cage": {
                "network": "Cage",
                "target": "cage",
                "options": {**OPTIONS, "embed_dim": 360, "trunk_heads": 6},
                "training": {
                    "published": {**TRAINING, "batch_size": 2, "accumulate": 16},
                    "corrected": {**TRAINING, "batch_size": 32, "accumulate": 1},
                },
            },
        },
    },
}


def numbered(layers: dict[int, nn.Module]) -> nn.Sequential:
    """Layers under their numbers in the released files, which count some steps without weights."""
    return nn.Sequential(OrderedDict((str(number), layer) for number, layer in layers.items()))


# ---------------------------------------------------------------- backbone


def convolutions(inputs: int, channels: list[int]) -> nn.Sequential:
    """Bases (n, inputs, 1600) -> (n, 512, 61). Nothing is padded."""
    layers: list[nn.Module] = []
    for i, (width, kernel) in enumerate(zip(channels, KERNELS)):
        last = i == len(KERNELS) - 1
        layers += [nn.Conv1d(inputs, width, kernel), nn.ReLU(), nn.Dropout(0.2 if last else 0.1)]
        layers += [nn.Conv1d(width, width, kernel), nn.ReLU()]
        layers += [] if last else [nn.MaxPool1d(POOLS[i])]
        layers += [nn.BatchNorm1d(width), nn.Dropout(0.2 if last else 0.1)]
        inputs = width
    return nn.Sequential(*layers)


class Backbone(nn.Module):
    """(n, inputs, 1600) -> (n, 61, 512): convolutions, then one layer that attends along the 61 positions."""

    def __init__(self, inputs: int, channels: list[int], hidden_dim: int, heads: int):
        super().__init__()
        self.backbone = nn.ModuleDict({"conv_net": convolutions(inputs, channels)})
        self.input_proj = nn.Conv1d(channels[-1], hidden_dim, 1)
        encoder = pre_norm_layers(hidden_dim, heads, 2 * hidden_dim, 1, 0.2, nn.LayerNorm(hidden_dim))
        for parameter in encoder.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        self.transformer = nn.ModuleDict({"encoder": encoder})

    def forward(self, x: Tensor) -> Tensor:
        return self.transformer["encoder"](self.input_proj(self.backbone["conv_net"](x)).mT)


class AttentionPool(nn.Module):
    """(n, 61, 512) -> (n, 512): of every channel a mean over the positions, weighted by a softmax of its own."""

    def __init__(self, dim: int):
        super().__init__()
        self.to_attn_logits = nn.Parameter(torch.eye(dim))

    def forward(self, x: Tensor) -> Tensor:
        return (x * (x @ self.to_attn_logits).softmax(dim=1)).sum(1)


# ---------------------------------------------------------------- trunks


class RelativeAttention(nn.Module):
    """Attention with relative positions, as Enformer's: (B, n, dim) -> the same, for a fixed n.

    A logit is a product of contents and one of a content with the distance j - i, which is described by `dim` / heads
    functions of it: exponentials, steps and gamma densities, and each of these with the sign of the distance.
    """

    distances: Tensor  # (2n - 1, dim / heads), of -n + 1 ... n - 1
    places: Tensor  # (n, n), where the distance j - i stands among them

    def __init__(self, dim: int, heads: int, length: int):
        super().__init__()
        self.heads, width = heads, dim // heads
        self.to_q = nn.Linear(dim, KEY_WIDTH * heads, bias=False)
        self.to_k = nn.Linear(dim, KEY_WIDTH * heads, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.Linear(dim, dim)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)
        self.to_rel_k = nn.Linear(width, KEY_WIDTH * heads, bias=False)
        self.rel_content_bias = nn.Parameter(torch.randn(1, heads, 1, KEY_WIDTH))
        self.rel_pos_bias = nn.Parameter(torch.randn(1, heads, 1, KEY_WIDTH))
        self.dropout, self.position_dropout = nn.Dropout(0.05), nn.Dropout(0.01)
        self.register_buffer("distances", distance_features(length, width), persistent=False)
        bins = torch.arange(length)
        self.register_buffer("places", bins - bins[:, None] + length - 1, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.to_q, self.to_k, self.to_v)
        )
        q = q * KEY_WIDTH**-0.5  # (B, heads, n, 64), as k
        by_distance = self.to_rel_k(self.position_dropout(self.distances)).unflatten(1, (self.heads, -1))
        contents = (q + self.rel_content_bias) @ k.mT  # (B, heads, n, n)
        positions = (q + self.rel_pos_bias) @ by_distance.permute(1, 2, 0)  # (B, heads, n, 2n - 1)
        positions = positions.gather(3, self.places.expand(*positions.shape[:2], -1, -1))
        y = self.dropout((contents + positions).softmax(-1)) @ v
        return self.to_out(y.transpose(1, 2).flatten(2))


def distance_features(length: int, width: int) -> Tensor:
    """Enformer's functions of the distances -length + 1 ... length - 1: (2 · length - 1, width), a third each."""
    number = width // 6
    distance = torch.arange(-length + 1, length)
    far = distance.abs()[:, None].float()
    half_lives = 2 ** torch.linspace(3, math.log2(length), number)
    exponentials = torch.exp(-math.log(2) / half_lives * far)
    steps = (2.0 ** torch.arange(1, number + 1) - 1 > far).float()
    # Gamma densities whose means go from length / number to length, sd length / (2 · number); the largest becomes 1.
    means, sd = torch.linspace(length / number, length, number), length / (2 * number)
    shapes, rates = (means / sd) ** 2, means / sd**2
    logs = torch.xlogy(shapes - 1, far) - rates * far - (torch.lgamma(shapes) - shapes * rates.log())
    densities = logs.exp() + 1e-8
    features = torch.cat([exponentials, steps, densities / densities.max()], dim=1)
    return torch.cat([features, distance.sign()[:, None] * features], dim=1)


class Residual(nn.Module):
    """x + fn(x)."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.fn = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn(x)


def enformer_layer(dim: int, heads: int, length: int) -> nn.Sequential:
    """Attention with relative positions and a feed-forward, each added to what it reads, (B, n, dim)."""
    attend = RelativeAttention(dim, heads, length)
    forward = nn.Linear(dim, 2 * dim), nn.Dropout(0.2), nn.ReLU(), nn.Linear(2 * dim, dim), nn.Dropout(0.2)
    return nn.Sequential(
        Residual(nn.LayerNorm(dim), attend, nn.Dropout(0.2)),
        Residual(nn.LayerNorm(dim), *forward),
    )


def lstm(dim: int, layers: int) -> nn.LSTM:
    """(B, n, dim) -> the same: half of the channels from either direction."""
    return nn.LSTM(dim, dim // 2, layers, batch_first=True, dropout=0.2 if layers > 1 else 0.0, bidirectional=True)


# ---------------------------------------------------------------- networks


class Network(Architecture):
    """What maps and CAGE share: the bins of the backbone, and their vectors.

    trunk        "lstm" or "transformer"
    dna          the bases are read, beside the tracks
    channels     of the three pairs of convolutions
    hidden_dim   of the backbone's transformer, with `heads` heads
    embed_dim    of the trunk, with `layers` layers (None: as released) of `trunk_heads` heads
    pool_bins    bins of the backbone to one of the map; 5 of 1 kb to 5 kb as released
    flank_bp     bases that a bin of the backbone reads beyond either of its ends
    Raises InputError for sizes that do not go together, and where there is nothing to read.
    """

    context = ("protocol", "statistics")
    has_batch_norm = True
    kernel: int  # of the convolution over the backbone's bins
    layers_of: dict[str, int]  # trunk -> layers as released
    transformer: nn.Module
    head_step = 1  # what the channels of a transformer's head are a multiple of

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        statistics: dict,
        trunk: str,
        dna: bool,
        channels: list[int],
        hidden_dim: int,
        heads: int,
        layers: int | None,
        pool_bins: int,
        flank_bp: int,
        embed_dim: int,
        trunk_heads: int,
    ):
        super().__init__()
        self.published, self.dna, self.window_bp = protocol == "published", dna, geometry.window_bp
        self.track_bp, self.tracks = statistics["track_bp"], len(statistics["tracks"])
        self.inputs = frozenset({"sequence", "tracks"} if dna else {"tracks"})
        self.window_bins, self.pool_bins, self.flank_bp = geometry.window_bins, pool_bins, flank_bp
        self.trunk, self.trunk_layers = trunk, self.layers_of[trunk] if layers is None else layers
        self._check(geometry, channels, hidden_dim, heads, embed_dim, trunk_heads)
        self.piece_bp, self.bins = geometry.bin_bp // pool_bins, geometry.window_bins * pool_bins
        inputs = (BASES if dna else 0) + self.tracks
        self.pretrain_model = Backbone(inputs, list(channels), hidden_dim, heads)
        self.attention_pool = AttentionPool(hidden_dim)
        self.project = numbered(
            {
                1: nn.Conv1d(hidden_dim, hidden_dim, self.kernel, padding=self.kernel // 2, groups=hidden_dim),
                2: nn.BatchNorm1d(hidden_dim),
                3: nn.Conv1d(hidden_dim, embed_dim, 1),
                4: nn.ReLU(),
                5: nn.Dropout(0.2),
            }
        )
        if trunk == "lstm":
            self.BiLSTM = lstm(embed_dim, self.trunk_layers)

    def _check(
        self, geometry: Geometry, channels: list[int], hidden_dim: int, heads: int, embed_dim: int, trunk_heads: int
    ) -> None:
        length_bp = geometry.bin_bp // self.pool_bins + 2 * self.flank_bp
        step = self.head_step * trunk_heads
        for refused, problem in (
            (not (self.dna or self.tracks), "dna false leaves nothing to read; give the arm tracks"),
            (
                geometry.bin_bp % self.pool_bins,
                f"pool_bins {self.pool_bins} does not divide geometry/bin_bp {geometry.bin_bp}; choose a divisor",
            ),
            (
                length_bp < LEAST_BP,
                f"pool_bins {self.pool_bins} and flank_bp {self.flank_bp} leave {length_bp} bp to the convolutions, "
                f"which need {LEAST_BP}; lower pool_bins, or raise flank_bp",
            ),
            (len(channels) != len(KERNELS), f"channels {list(channels)} is no list of {len(KERNELS)} widths"),
            (hidden_dim % heads, f"hidden_dim {hidden_dim} does not divide into {heads} heads; change one of them"),
            (
                self.trunk == "lstm" and embed_dim % 2,
                f"embed_dim {embed_dim} is odd, and the LSTM has half of it for either direction; choose an even one",
            ),
            (
                self.trunk == "transformer" and embed_dim % step,
                f"embed_dim {embed_dim} is no multiple of {step}, which {trunk_heads} trunk_heads need; change it",
            ),
        ):
            if refused:
                raise InputError(f"config: an option of the architecture 'epcot': {problem}")

    @property
    def entries(self) -> set[str]:
        """Tracks only where the arm has any."""
        return {*self.inputs, self.target} - (set() if self.tracks else {"tracks"})

    def bases(self, batch: dict[str, Tensor]) -> Tensor:
        """The window about x base by base, zeros where nothing is known: (B, inputs, W · bin_bp)."""
        found = []
        if self.dna:
            codes = read(batch, "sequence", 2 * self.window_bp)[:, : self.window_bp]
            found.append(one_hot(codes)[:, :, 0])
        if self.tracks:
            length = self.window_bp // self.track_bp
            tracks = read(batch, "tracks", 2 * length, self.tracks)[:, :length]
            found.append(tracks.repeat_interleave(self.track_bp, dim=1).mT)
        return torch.cat(found, dim=1)

    def cut(self, bases: Tensor) -> Tensor:
        """(B, inputs, W · bin_bp) -> (B · N, inputs, 1600): the backbone's bins, each with its flanks."""
        flanked = F.pad(bases, (self.flank_bp, self.flank_bp))
        pieces = flanked.unfold(2, self.piece_bp + 2 * self.flank_bp, self.piece_bp)  # (B, inputs, N, 1600)
        return pieces.transpose(1, 2).flatten(0, 1)

    def embed(self, pieces: Tensor) -> Tensor:
        """(B · N, inputs, 1600) -> (B, embed_dim, N): the vectors of the bins, each with a few of its neighbours."""
        vectors = self.attention_pool(self.pretrain_model(pieces))  # (B · N, 512)
        return self.project(vectors.unflatten(0, (-1, self.bins)).mT)

    def along(self, x: Tensor) -> Tensor:
        """The trunk, (B, n, embed_dim) -> the same."""
        return self.BiLSTM(x)[0] if self.trunk == "lstm" else self.transformer(x)


class DilatedResidual(nn.Module):
    """ReLU of x + a dilated convolution of it, made symmetric: (B, C, W, W) -> the same."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        padding = TOWER_KERNEL // 2 * dilation
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, TOWER_KERNEL, padding=padding, dilation=dilation),
            nn.BatchNorm2d(channels),
            nn.Dropout(0.1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(symmetrise(x + self.conv(x)))


@declared(ARCHITECTURES["epcot"] | ARCHITECTURES["epcot"]["tasks"]["window"])
class Map(Network):
    """The map of a window on the diagonal: `forward(batch) -> (B, 1, W, W)`, symmetric, in the units of the target.

    pixel_channels of the tower of `tower_blocks` convolutions over the map, dilated by 1, 2, 4, ...
    """

    kernel, layers_of = 15, {"lstm": 4, "transformer": 3}

    def __init__(self, geometry: Geometry, *, embed_dim: int, pixel_channels: int, tower_blocks: int, **network):
        super().__init__(geometry, embed_dim=embed_dim, **network)
        # From the backbone's bins to those of the map.
        self.cnn = nn.Sequential(
            nn.Conv1d(embed_dim, embed_dim, self.kernel, padding=self.kernel // 2),
            nn.BatchNorm1d(embed_dim),
            nn.MaxPool1d(self.pool_bins),
            nn.ReLU(),
            nn.Conv1d(embed_dim, embed_dim, 1),
            nn.Dropout(0.2),
        )
        if self.trunk == "transformer":
            heads = network["trunk_heads"]
            self.transformer = pre_norm_layers(embed_dim, heads, 2 * embed_dim, self.trunk_layers, 0.1)
        self.distance_embed = nn.Embedding(MAX_DISTANCE + 1, embed_dim)
        self.dist_dropout = nn.Dropout(0.1)
        tower = {
            1: nn.Conv2d(embed_dim, pixel_channels, 1),
            **{2 + i: DilatedResidual(pixel_channels, 2**i) for i in range(tower_blocks)},
            2 + tower_blocks: nn.Conv2d(pixel_channels, pixel_channels, 1),
        }
        self.dilate_tower = nn.ModuleDict({"cnn": numbered(tower)})
        self.prediction_head = nn.Linear(pixel_channels, 1)

    def predict(self, pieces: Tensor) -> Tensor:
        """The backbone's bins (B · N, inputs, 1600) -> (B, 1, W, W)."""
        x = self.along(self.cnn(self.embed(pieces)).mT)  # (B, W, 256)
        bins = torch.arange(x.shape[1], device=x.device)
        distance = (bins[:, None] - bins).abs().clamp(max=MAX_DISTANCE)
        rows, columns = x[:, :, None], x[:, None]
        pixels = (rows + columns) / 2 + rows * columns  # (B, W, W, 256)
        # The distance is embedded for every window of the batch, each with a dropout of its own.
        pixels = pixels + self.dist_dropout(self.distance_embed(distance.expand(len(x), -1, -1)))
        pixels = self.dilate_tower["cnn"](pixels.movedim(-1, 1))  # (B, 64, W, W)
        return self.prediction_head(pixels.movedim(1, -1)).movedim(-1, 1)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.predict(self.cut(self.bases(batch)))

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean square against `map`: over the upper triangle with the diagonal ("published"), or all pixels."""
        prediction, target = self(batch), batch["map"]
        if self.published:
            return F.mse_loss(upper_triangle(prediction, 0), upper_triangle(target, 0)), prediction
        return F.mse_loss(prediction, target), prediction


@declared(ARCHITECTURES["epcot"] | ARCHITECTURES["epcot"]["tasks"]["cage"])
class Cage(Network):
    """CAGE of the bins of a window on the diagonal, twice: `forward(batch) -> (B, 2W)`, log2(x + 1)."""

    kernel, layers_of = 9, {"lstm": 3, "transformer": 4}
    head_step = 6  # functions of the distance come in six kinds

    def __init__(self, geometry: Geometry, *, embed_dim: int, **network):
        super().__init__(geometry, embed_dim=embed_dim, **network)
        if self.trunk == "transformer":
            heads = network["trunk_heads"]
            stack = [enformer_layer(embed_dim, heads, self.bins) for _ in range(self.trunk_layers)]
            self.transformer = nn.Sequential(OrderedDict(transformer=nn.Sequential(*stack)))
        self.prediction_head = nn.Linear(embed_dim, 1)

    def predict(self, pieces: Tensor) -> Tensor:
        """The backbone's bins (B · N, inputs, 1600) -> (B, N), a value for each."""
        return self.prediction_head(self.along(self.embed(pieces).mT))[..., 0]

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        once = self.predict(self.cut(self.bases(batch))).unflatten(1, (self.window_bins, self.pool_bins)).mean(2)
        return torch.cat([once, once], dim=1)

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean square against `cage`, and the prediction."""
        prediction = self(batch)
        return F.mse_loss(prediction, batch["cage"]), prediction
