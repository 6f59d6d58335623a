"""Windows of a Hi-C map with two epigenomic tracks: MIX-HIC (Yang et al. 2025), pre-training and its three tasks.

A sample is a window of 50 × 50 bins about the pixel (x, y) of a 5-kb map, and the tracks of the 50 bins about x and of
those about y. Each has an encoder that ends in a few tokens: 9 for the map, 12 for the tracks. Pre-training divides
them into features that both should share and features of their own, and learns to infer either set from the other.
Loops, maps and CAGE are read off the tracks' tokens once these have attended to the map's, measured or inferred.

A batch is a dict: `map` (B, 1, 50, 50) on [0, 1]; `tracks` (B, 5000, 2), 100-bp means of ATAC and DNase as log2(x + 1),
the window about x and then that about y; `label` (B, 1), 0 or 1, for loops; `cage` (B, 100), log2(x + 1). A network
reads of these what its mode needs. In shapes, D is `embed_dim`. Where maps or tracks have other bins, or tracks are not
two, `track_bins` and `tracks` say so: (B, 100 track_bins, tracks).

Keys are those of the released checkpoints, some of them odd ("dowsample"). docs/mixhic2025.md lists all that differs
between paper and code; what of it lies here, each a switch that can be set alone:

- "published": transformers over the tracks attend across the samples of the batch, not along the genome; a learnable
  temperature; ten epochs of the contrastive term alone; rotary positions in the CAGE models only; inferred tokens as
  the linear layer gives them; the decoder upsamples before it attends; x along the columns of the predicted map; and
  layers that nothing uses, so that checkpoints and parameter counts agree. Linear layers start with sd 0.02. Batch
  norm's running statistics are as the steps leave them.
- "corrected": attention along the sequence; temperature 0.07; all terms from the first epoch; no rotary positions;
  inferred tokens as long as those they stand for; the decoder attends, then upsamples; x along the rows; no idle layer.
  Linear layers start with 0.02 √(128 / D): narrow ones with the published sd lose the map beside their biases. Batch
  norm's running statistics are taken anew from training windows (`training.regression`).

Both: `depth` reaches both encoders of every network, where the released tasks keep two layers for the tracks.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.blocks import Architecture, declared, read

WINDOW_BINS = 50
TRACK_BINS, TRACKS = 50, 2  # as published; TRACK_BINS: of the tracks, to a bin of the map
PATCH = 2
TEMPERATURE, TEMPERATURE_RANGE = 0.07, (0.001, 0.5)
WARMUP_EPOCHS = 10
ROTARY_BASE = 10000
# Linear layers start with this standard deviation; the width it was chosen for.
START_SD, WIDTH = 0.02, 128
# Of a network, in every task: what an arm takes over from its pre-training, and what the protocol decides.
SIZES = {"embed_dim": 128, "heads": 4, "depth": 2, "variant": "full"}
SWITCHES = {"attend_across_batch": None, "learn_temperature": None, "scale_inferred": None}
KINDS = {"attend_across_batch": "bool", "learn_temperature": "bool", "scale_inferred": "bool"}
HEAD = {"freeze": False, "hidden": None}
HEAD_KINDS = {"hidden": "int", **KINDS}
DECODER_KINDS = {"upsample_first": "bool", **HEAD_KINDS}
# full: as published. contrastive: shared features only, no mapping. shared_mapping: the mapping reads and predicts
# shared features only.
VARIANTS = ("full", "contrastive", "shared_mapping")
# AdamW at a constant rate; what differs by task, as the released code has it and as the paper has it (weight decay,
# which the paper does not name, as in the code).
TRAINING = {
    "schedule": "constant",
    "optimiser": "adamw",
    "betas": [0.9, 0.999],
    "layer_decay": 1,
    "loss": "mse",
    "loss_weights": {},
    "discriminator_learning_rate": None,
    "accumulate": 1,
    "clip_gradient_norm": 0,
    "stride_bins": None,
    "reverse_complement": False,
    "shift_bp": 0,
    "head_epochs": 0,
}
ARCHITECTURES = {
    "mixhic": {
        "network": "Pretraining",
        "inputs": ["map", "tracks"],
        "target": "map",
        "window_bins": WINDOW_BINS,
        # Patches of two bins, their side halved three times.
        "least_window_bins": 16,
        "inherits": ["embed_dim", "heads", "depth", "variant"],
        "tasks": {
            "pretraining": {
                "predicts": False,
                "options": {**SIZES, **SWITCHES, "rope": False, "contrast_share": 0.5, "warmup_epochs": None},
                "kinds": {**KINDS, "warmup_epochs": "int"},
                "choices": {"variant": VARIANTS},
                "training": {
                    "published": {
                        **TRAINING,
                        "epochs": 300,
                        "batch_size": 32,
                        "learning_rate": 1e-5,
                        "weight_decay": 1e-6,
                        "early_stop_epochs": 0,
                    },
                    "corrected": {
                        **TRAINING,
                        "epochs": 500,
                        "batch_size": 256,
                        "learning_rate": 1e-5,
                        "weight_decay": 1e-6,
                        "early_stop_epochs": 0,
                    },
                },
            },
            "loop": {
                "network": "Loop",
                "target": "label",
                "options": {"mode": "bimodal", **SIZES, **HEAD, **SWITCHES, "rope": False},
                "kinds": HEAD_KINDS,
                "choices": {"variant": VARIANTS, "mode": ["bimodal", "map", "epi", "infer_map", "infer_epi"]},
                "training": {
                    "published": {
                        **TRAINING,
                        "epochs": 50,
                        "batch_size": 128,
                        "learning_rate": 1e-5,
                        "weight_decay": 0.01,
                        "early_stop_epochs": 10,
                    },
                    "corrected": {
                        **TRAINING,
                        "epochs": 200,
                        "batch_size": 64,
                        "learning_rate": 1e-5,
                        "weight_decay": 0.01,
                        "early_stop_epochs": 20,
                    },
                },
            },
            "window": {
                "network": "Map",
                "target": "map",
                "options": {
                    "mode": "infer_map",
                    **SIZES,
                    **HEAD,
                    **SWITCHES,
                    "rope": False,
                    "upsample_first": None,
                    "x_in_columns": None,
                },
                "kinds": {**DECODER_KINDS, "x_in_columns": "bool"},
                "choices": {"variant": VARIANTS, "mode": ["infer_map", "epi"]},
                "training": {
                    "published": {
                        **TRAINING,
                        "epochs": 200,
                        "batch_size": 32,
                        "learning_rate": 1e-5,
                        "weight_decay": 0.01,
                        "early_stop_epochs": 20,
                    },
                    "corrected": {
                        **TRAINING,
                        "epochs": 200,
                        "batch_size": 64,
                        "learning_rate": 1e-5,
                        "weight_decay": 0.01,
                        "early_stop_epochs": 20,
                    },
                },
            },
            "cage": {
                "network": "Cage",
                "target": "cage",
                "options": {
                    "mode": "bimodal",
                    **SIZES,
                    "embed_dim": 256,
                    **HEAD,
                    **SWITCHES,
                    "rope": None,
                    "upsample_first": None,
                },
                "kinds": {**DECODER_KINDS, "rope": "bool"},
                "choices": {"variant": VARIANTS, "mode": ["bimodal", "map", "epi", "infer_map"]},
                "training": {
                    "published": {
                        **TRAINING,
                        "epochs": 500,
                        "batch_size": 32,
                        "learning_rate": 1e-4,
                        "weight_decay": 1e-6,
                        "early_stop_epochs": 20,
                    },
                    "corrected": {
                        **TRAINING,
                        "epochs": 200,
                        "batch_size": 64,
                        "learning_rate": 1e-4,
                        "weight_decay": 1e-6,
                        "early_stop_epochs": 20,
                    },
                },
            },
        },
    },
}


# ---------------------------------------------------------------- attention


class Rotary(nn.Module):
    """Rotary positions: pairs of neighbouring channels of token i turned by i / 10000^(2k / channels)."""

    def __init__(self, channels: int):
        super().__init__()
        frequencies = ROTARY_BASE ** (-torch.arange(0, channels, 2) / channels)
        self.freqs = nn.Parameter(frequencies, requires_grad=False)  # a parameter in the released files

    def forward(self, x: Tensor) -> Tensor:
        """(B, heads, n, channels) -> the same."""
        angle = torch.arange(x.shape[-2], device=x.device)[:, None] * self.freqs
        even, odd = x[..., ::2], x[..., 1::2]
        turned = even * angle.cos() - odd * angle.sin(), odd * angle.cos() + even * angle.sin()
        return torch.stack(turned, dim=-1).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    """Tokens (B, n, dim) attend to `source` (B, m, dim), or to themselves."""

    def __init__(self, dim: int, heads: int, *, rope: bool):
        super().__init__()
        self.heads = heads
        self.qkv = nn.ModuleDict({"to_q": nn.Linear(dim, dim), "to_kv": nn.Linear(dim, 2 * dim)})
        self.proj = nn.Linear(dim, dim)
        if rope:
            self.rotary_emb = Rotary(dim // heads)
        self.rope = rope

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        q = self.qkv["to_q"](x)
        k, v = self.qkv["to_kv"](x if source is None else source).chunk(2, dim=-1)
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (q, k, v))  # (B, heads, n, dim / heads)
        if self.rope:
            q, k = self.rotary_emb(q), self.rotary_emb(k)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).flatten(2))


class LeFF(nn.Module):
    """Feed-forward of map tokens with a 3 × 3 convolution per channel in the middle (B, side², dim)."""

    def __init__(self, dim: int):
        super().__init__()
        self.linear1 = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU())
        self.dwconv = nn.Sequential(nn.Conv2d(2 * dim, 2 * dim, 3, padding=1, groups=2 * dim), nn.GELU())
        self.linear2 = nn.Sequential(nn.Linear(2 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(to_tokens(self.dwconv(to_image(self.linear1(x)))))


class MLP(nn.Module):
    """Feed-forward of the fusion block (B, n, dim)."""

    def __init__(self, dim: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


def to_image(tokens: Tensor) -> Tensor:
    """(B, side², C) -> (B, C, side, side)."""
    side = round(tokens.shape[1] ** 0.5)
    return tokens.mT.unflatten(2, (side, side))


def to_tokens(image: Tensor) -> Tensor:
    """(B, C, ...) -> (B, n, C)."""
    return image.flatten(2).mT


class Block(nn.Module):
    """Pre-norm transformer block; where `source` is given, attention to it follows that to itself, in one residual.

    The source is not normalised. cross: there is a second attention; the map encoder's is never used.
    """

    def __init__(self, dim: int, heads: int, mlp: type[nn.Module], *, rope: bool, cross: bool):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads, rope=rope)
        if cross:
            self.cross_attn = Attention(dim, heads, rope=rope)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = mlp(dim)

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        y = self.attn(self.norm1(x))
        if source is not None:
            y = self.cross_attn(y, source)
        x = x + y
        return x + self.mlp(self.norm2(x))


class Blocks(nn.Module):
    """`depth` blocks one after the other, all with the same source."""

    def __init__(self, dim: int, heads: int, depth: int, mlp: type[nn.Module], *, rope: bool, cross: bool):
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, heads, mlp, rope=rope, cross=cross) for _ in range(depth))

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, source)
        return x


def transformer(dim: int, heads: int, depth: int, *, across_batch: bool) -> nn.TransformerEncoder:
    """torch's own post-norm layers on (B, n, dim).

    across_batch: token i of a sample attends to token i of all samples, not to its sample's tokens.
    """
    layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout=0.0, batch_first=not across_batch)
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


# ---------------------------------------------------------------- encoders and decoder


class Downsample(nn.Module):
    """Half the length (`dims` 1) or side (2) and `channels` instead of `dim`: (B, n, dim) -> (B, ⌊n / 2⌋, channels)."""

    def __init__(self, dim: int, channels: int, dims: int):
        super().__init__()
        conv = nn.Conv1d if dims == 1 else nn.Conv2d
        self.conv, self.dims = nn.Sequential(conv(dim, channels, 4, stride=2, padding=1)), dims

    def forward(self, x: Tensor) -> Tensor:
        return to_tokens(self.conv(x.mT if self.dims == 1 else to_image(x)))


class Upsample(nn.Module):
    """(B, n, dim) -> (B, length, channels), length 2n or 2n + 1."""

    def __init__(self, dim: int, channels: int):
        super().__init__()
        self.conv_transpose = nn.Sequential(nn.ConvTranspose1d(dim, channels, 4, stride=2, padding=1))

    def forward(self, x: Tensor, length: int) -> Tensor:
        # The padding is cut off by hand: oneDNN on several threads has got 2048 channels wrong with output_padding.
        weight, bias = self.conv_transpose.parameters()
        y = F.conv_transpose1d(x.mT, weight, bias, stride=2)  # (B, channels, 2n + 2)
        return y[..., 1 : 1 + length].mT


def pools_of(track_bins: int) -> tuple[int, ...]:
    """Three max pools that together reduce the tracks to one value per bin of the map, smallest first but for ones.

    50 -> (2, 5, 5), as published.
    """
    pools, rest, factor = [], track_bins, 2
    while rest > 1:
        while rest % factor:
            factor += 1
        pools.append(factor)
        rest //= factor
    while len(pools) > 3:
        first, second, *others = sorted(pools)
        pools = [first * second, *others]
    return (*sorted(pools), *[1] * (3 - len(pools)))


class PoolingEncoder(nn.Module):
    """(B, 5000, dim) -> (B, 100, dim): convolutions with batch norm, max pooling by 2, 5, 5 (`pools_of`) and none."""

    def __init__(self, dim: int, track_bins: int):
        super().__init__()
        self.pools = (*pools_of(track_bins), 1)
        for i in range(1, len(self.pools) + 1):
            self.add_module(f"conv{i}", nn.Conv1d(dim, dim, 3, padding=1))
            self.add_module(f"bn{i}", nn.BatchNorm1d(dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x.mT
        for i, pool in enumerate(self.pools, start=1):
            x = F.relu(self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(x)))
            x = F.max_pool1d(x, pool)
        return x.mT


class TrackEncoder(nn.Module):
    """(B, 5000, D) -> tokens (B, 12, 8D), and on the way (B, 100, D), (B, 50, 2D), (B, 25, 4D).

    The windows about x and y are one sequence: convolutions run across the join.
    """

    def __init__(self, dim: int, heads: int, depth: int, track_bins: int, *, across_batch: bool, idle: bool):
        super().__init__()
        self.pooling_encoder = PoolingEncoder(dim, track_bins)
        for i in range(3):
            self.add_module(f"seq_encoder_{i}", transformer(dim << i, heads, depth, across_batch=across_batch))
            if idle:
                self.add_module(f"layer_norm{i}", nn.LayerNorm(dim << i))
            self.add_module(f"dowsample_{i}", Downsample(dim << i, dim << (i + 1), 1))
        self.bottleneck = transformer(8 * dim, heads, depth, across_batch=across_batch)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        x, skips = self.pooling_encoder(x), []
        for i in range(3):
            skips.append(self.get_submodule(f"seq_encoder_{i}")(x))
            x = self.get_submodule(f"dowsample_{i}")(skips[-1])
        return self.bottleneck(x), skips


class MapEncoder(nn.Module):
    """(B, 625, D) -> (B, 9, 8D): blocks at sides of 25, 12, 6 and 3 tokens."""

    def __init__(self, dim: int, heads: int, depth: int, *, rope: bool, idle: bool):
        super().__init__()
        for i in range(4):
            self.add_module(f"encoderlayer_{i}", Blocks(dim << i, heads, depth, LeFF, rope=rope, cross=idle))
            if i < 3:
                self.add_module(f"dowsample_{i}", Downsample(dim << i, dim << (i + 1), 2))

    def forward(self, x: Tensor) -> Tensor:
        for i in range(3):
            x = self.get_submodule(f"dowsample_{i}")(self.get_submodule(f"encoderlayer_{i}")(x))
        return self.get_submodule("encoderlayer_3")(x)


class Decoder(nn.Module):
    """Tokens (B, 12, width) and the tracks' (B, 25, 4D), (B, 50, 2D), (B, 100, D) -> (B, 100, 2D).

    Three stages of [upsample, append the encoder's tokens of that length, attend], or of [attend, upsample, append].
    """

    def __init__(self, width: int, dim: int, heads: int, depth: int, *, across_batch: bool, upsample_first: bool):
        super().__init__()
        self.upsample_first = upsample_first
        before = width
        for stage, channels in zip((3, 4, 5), (4 * dim, 2 * dim, dim)):
            attended = 2 * channels if upsample_first else before
            self.add_module(f"upsample_{stage}", Upsample(before, channels))
            self.add_module(f"seq_decoder_{stage}", transformer(attended, heads, depth, across_batch=across_batch))
            before = 2 * channels

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for stage, skip in zip((3, 4, 5), reversed(skips)):
            attend, upsample = self.get_submodule(f"seq_decoder_{stage}"), self.get_submodule(f"upsample_{stage}")
            if not self.upsample_first:
                x = attend(x)
            x = torch.cat([upsample(x, skip.shape[1]), skip], dim=-1)
            if self.upsample_first:
                x = attend(x)
        return x


# ---------------------------------------------------------------- pre-training


def initialise(network: nn.Module, sd: float) -> None:
    """Linear layers truncated normal, biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=sd)
            nn.init.zeros_(module.bias)


class Network(Architecture):
    """What all networks share: both encoders, the cross-modal interaction, the mapping.

    heads         of every attention; divides embed_dim
    depth         transformer layers per stage, in every part but the fusion block and the decoder, which have two
    variant       of VARIANTS
    attend_across_batch, learn_temperature, scale_inferred   None follows the protocol
    rope          rotary positions in the map encoder and the fusion block
    tracks        how many there are
    track_bins    bins of the tracks to one of the map
    window_bins   side of a window, even
    idle_norms    the pre-training network's unused layer norms ("published")
    Raises InputError for an embed_dim that the heads do not divide.
    """

    context = ("protocol", "statistics")
    has_encoder = True
    has_batch_norm = True
    has_idle_parameters = True
    channels_last = False

    @classmethod
    def make(cls, geometry: Geometry, *, protocol: str, statistics: dict, **options) -> "Network":
        """A network for the windows and tracks that the statistics of a data set describe; None takes the default."""
        shape = {
            "window_bins": geometry.window_bins,
            "tracks": len(statistics["tracks"]),
            "track_bins": geometry.bin_bp // statistics["track_bp"],
        }
        given = {name: value for name, value in options.items() if value is not None}
        return cls(protocol=protocol, **shape, **given)

    def __init__(
        self,
        *,
        protocol: str = "published",
        embed_dim: int = 128,
        heads: int = 4,
        depth: int = 2,
        variant: str = "full",
        attend_across_batch: bool | None = None,
        learn_temperature: bool | None = None,
        scale_inferred: bool | None = None,
        rope: bool = False,
        tracks: int = TRACKS,
        track_bins: int = TRACK_BINS,
        window_bins: int = WINDOW_BINS,
        idle_norms: bool = False,
    ):
        super().__init__()
        published = protocol == "published"
        if embed_dim % heads or (rope and embed_dim // heads % 2):
            raise InputError(
                f"config: the option embed_dim {embed_dim} does not divide into {heads} heads"
                f"{' of an even number of channels' if rope else ''}; change embed_dim or heads"
            )
        self.published, self.embed_dim, self.heads, self.rope = published, embed_dim, heads, rope
        self.variant = variant
        self.across_batch = published if attend_across_batch is None else attend_across_batch
        self.scale_inferred = not published if scale_inferred is None else scale_inferred
        self.start_sd = START_SD if published else START_SD * (WIDTH / embed_dim) ** 0.5
        learnt = published if learn_temperature is None else learn_temperature
        self.temp = nn.Parameter(torch.tensor(TEMPERATURE), requires_grad=learnt)
        self.window_bins, self.track_shape = window_bins, (2 * window_bins * track_bins, tracks)
        # Patches of two bins, halved three times, and the bins of both stretches, halved three times.
        self.map_tokens, self.track_tokens = (window_bins // PATCH // 8) ** 2, 2 * window_bins // 8
        # The text keeps the epoch of the smallest loss; the released pre-training has no validation and keeps the last.
        self.start_file = "last.safetensors" if published else "weights.safetensors"
        self.seq_input_projection = nn.Sequential(nn.Linear(tracks, embed_dim), nn.ReLU())
        self.seq_downsampleTrans = TrackEncoder(
            embed_dim, heads, depth, track_bins, across_batch=self.across_batch, idle=published and idle_norms
        )
        self.patch_embedding = nn.Linear(PATCH**2, embed_dim)
        self.map_downsampleTrans = MapEncoder(embed_dim, heads, depth, rope=rope, idle=published)
        initialise(self, self.start_sd)
        # As released: these keep torch's initialisation.
        whole, part = 8 * embed_dim, 4 * embed_dim
        self.width = part if variant == "contrastive" else whole  # of the tokens after the interaction
        self.epi_share_proj, self.map_share_proj = nn.Linear(whole, part), nn.Linear(whole, part)
        if variant != "contrastive":
            mapped = whole if variant == "full" else part
            self.epi_independent_proj, self.map_independent_proj = nn.Linear(whole, part), nn.Linear(whole, part)
            self.mlp_e2m, self.mlp_m2e = nn.Linear(mapped, mapped), nn.Linear(mapped, mapped)

    def encode_tracks(self, batch: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        """-> tokens (B, 12, 8D), and the encoder's of lengths 100, 50, 25."""
        return self.seq_downsampleTrans(self.seq_input_projection(read(batch, "tracks", *self.track_shape)))

    def encode_map(self, batch: dict[str, Tensor]) -> Tensor:
        """-> tokens (B, 9, 8D)."""
        patches = F.unfold(
            read(batch, "map", 1, self.window_bins, self.window_bins), PATCH, stride=PATCH
        )  # (B, 4, 625)
        return self.map_downsampleTrans(self.patch_embedding(patches.mT))

    def split(self, tokens: Tensor, kind: str) -> Tensor:
        """Encoder tokens of `kind` ("epi" or "map") -> (B, n, 8D): shared features, then its own, each of unit length.

        Variant "contrastive": shared features alone, (B, n, 4D).
        """
        names = ("share",) if self.variant == "contrastive" else ("share", "independent")
        return torch.cat(
            [F.normalize(self.get_submodule(f"{kind}_{name}_proj")(tokens), dim=-1) for name in names], dim=-1
        )

    def mapped(self, features: Tensor) -> Tensor:
        """The part of features that the mapping reads and predicts."""
        return features if self.variant == "full" else features[..., : 4 * self.embed_dim]

    def mapping(self, features: Tensor, kind: str) -> Tensor:
        """Features of one kind -> `mapped` ones of the other, `kind`: 9 tokens for "map", 12 for "epi"."""
        to_other, tokens = (self.mlp_e2m, self.map_tokens) if kind == "map" else (self.mlp_m2e, self.track_tokens)
        return to_other(F.adaptive_avg_pool1d(self.mapped(features).mT, tokens).mT)

    def infer(self, features: Tensor, kind: str) -> Tensor:
        """Features of a missing input (`kind`) from the other's: (B, 9 or 12, 8D).

        Training compares directions only. Scaled, tokens are as long as those they stand for: √2 for two halves of
        unit length. Variant "shared_mapping" leaves the features that are not shared zero.
        """
        inferred = self.mapping(features, kind)
        if self.scale_inferred:
            inferred = F.normalize(inferred, dim=-1) * (inferred.shape[-1] // (4 * self.embed_dim)) ** 0.5
        return F.pad(inferred, (0, self.width - inferred.shape[-1]))

    def load_encoder(self, state: dict) -> None:
        """Take all that pre-training teaches from a state dict, or a checkpoint with one as `model_state_dict`.

        Layers of the task, and idle ones, are left as they are. Raises InputError for tensors that are missing or of
        another size.
        """
        state = state.get("model_state_dict", state)
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
        ours = self.state_dict()
        taught = [name for name in ours if is_taught(name)]
        differences = [
            f"{name} is {tuple(state[name].shape) if name in state else 'missing'} there, {tuple(tensor.shape)} here"
            for name, tensor in ours.items()
            if name in taught and (name not in state or state[name].shape != tensor.shape)
        ]
        differences += [f"{name} is missing here" for name in state if is_taught(name) and name not in ours]
        if differences:
            raise InputError(
                f"the pre-trained weights do not fit ({len(differences)} tensors differ: {'; '.join(differences[:3])}"
                "); set embed_dim, depth and variant to those they were trained with"
            )
        self.load_state_dict({name: state[name] for name in taught}, strict=False)


def is_taught(name: str) -> bool:
    """Whether pre-training teaches a parameter: neither of a task, nor idle, nor a constant.

    The temperature serves pre-training alone.
    """
    if name.startswith(("classifier.", "fusion_block.", "seq_upsampleTrans.")) or name == "temp":
        return False
    return not any(part in name for part in (".cross_attn.", ".layer_norm", ".rotary_emb."))


def contrastive_loss(tracks: Tensor, maps: Tensor, temperature: Tensor) -> Tensor:
    """Cross-entropy by which shared features (B, C) of either kind pick their sample's other kind out of the batch."""
    alike = (tracks @ maps.T).float() / temperature
    diagonal = torch.arange(len(alike), device=alike.device)
    return (F.cross_entropy(alike, diagonal) + F.cross_entropy(alike.T, diagonal)) / 2


def orthogonal_loss(tracks: Tensor, maps: Tensor) -> Tensor:
    """Squared product of shared and specific features, summed over the kinds, mean over the batch.

    Means over tokens (B, 2C) of either kind: the shared half, then the specific one.
    """
    first, second = ((shared * rest).sum(1) for shared, rest in (kind.chunk(2, dim=1) for kind in (tracks, maps)))
    return (first.square() + second.square()).mean()


def mapping_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance of tokens (B, n, C), each first scaled to unit length."""
    return (F.normalize(predicted, dim=-1) - F.normalize(target, dim=-1)).norm(dim=-1).mean()


def pretraining_loss(batch: dict[str, Tensor], network: Network) -> dict[str, Tensor]:
    """Terms of pre-training, scalars: contrastive and, but for that variant, orthogonal and mapping.

    Reads `tracks` and `map`. A task's network has them too. A learnable temperature is first put back into its range.
    """
    if network.temp.requires_grad:
        with torch.no_grad():
            network.temp.clamp_(*TEMPERATURE_RANGE)
    tracks = network.split(network.encode_tracks(batch)[0], "epi")
    maps = network.split(network.encode_map(batch), "map")
    tracks_mean, maps_mean = tracks.mean(1), maps.mean(1)  # shorter than their tokens, and left so
    share = 4 * network.embed_dim
    terms = {"contrastive": contrastive_loss(tracks_mean[:, :share], maps_mean[:, :share], network.temp)}
    if network.variant == "contrastive":
        return terms
    to_map = mapping_loss(network.mapping(tracks, "map"), network.mapped(maps))
    to_tracks = mapping_loss(network.mapping(maps, "epi"), network.mapped(tracks))
    return {
        **terms,
        "orthogonal": orthogonal_loss(tracks_mean, maps_mean),
        "mapping": (to_map + to_tracks) / 2,
    }


@declared(ARCHITECTURES["mixhic"] | ARCHITECTURES["mixhic"]["tasks"]["pretraining"])
class Pretraining(Network):
    """All that the tasks start from; `forward(batch)` gives the terms of the loss, `total` what is minimised.

    contrast_share    weight of contrastive and orthogonal terms together; the mapping has the rest
    warmup_epochs     epochs of the contrastive term alone; None: 10 as published, none corrected
    """

    terms = ("contrastive", "orthogonal", "mapping")

    def __init__(self, *, contrast_share: float = 0.5, warmup_epochs: int | None = None, **network):
        super().__init__(idle_norms=True, **network)
        self.contrast_share = contrast_share
        if self.variant == "contrastive":
            self.terms = ("contrastive",)
        self.warmup_epochs = (WARMUP_EPOCHS if self.published else 0) if warmup_epochs is None else warmup_epochs

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return pretraining_loss(batch, self)

    def total(self, terms: dict[str, Tensor], epoch: int) -> Tensor:
        """Terms -> scalar; `epoch` from 0."""
        if epoch < self.warmup_epochs or self.variant == "contrastive":
            return terms["contrastive"]
        contrast = terms["contrastive"] + terms["orthogonal"]
        return self.contrast_share * contrast + (1 - self.contrast_share) * terms["mapping"]


# ---------------------------------------------------------------- tasks


# What a mode reads of a batch, beside the target.
READS = {
    "bimodal": {"map", "tracks"},
    "map": {"map"},
    "infer_epi": {"map"},
    "epi": {"tracks"},
    "infer_map": {"tracks"},
}


class Task(Network):
    """A network with a fusion block and a head (`classifier`).

    mode      what is read: "bimodal"; one encoder's tokens, without interaction and fusion ("epi" those of the tracks,
              "map" those of the map); or one input, from which the other's tokens are inferred ("infer_map" reads the
              tracks, "infer_epi" the map)
    freeze    train the head only; all else stays in evaluation mode, batch norms too
    Every mode has all layers: one checkpoint serves them all. Raises InputError for a mode that the variant does not
    have.
    """

    def __init__(self, *, mode: str, freeze: bool, **network):
        super().__init__(**network)
        self.mode, self.freeze = mode, freeze
        if self.variant == "contrastive" and mode != "bimodal":  # no mapping, and tokens half as wide
            raise InputError(
                f"config: the variant contrastive has no mode {mode!r}; choose bimodal, or another variant"
            )

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean squared error against the target (of its shape), and what `forward` gives."""
        prediction = self(batch)
        return F.mse_loss(prediction, read(batch, self.target, *prediction.shape[1:])), prediction

    @property
    def entries(self) -> set[str]:
        return {*READS[self.mode], self.target}

    def add_fusion(self) -> None:
        self.fusion_block = Blocks(self.width, self.heads, 2, MLP, rope=self.rope, cross=True)
        initialise(self.fusion_block, self.start_sd)

    def add_head(self, *layers: nn.Module) -> None:
        """The last thing a constructor does."""
        self.classifier = nn.Sequential(*layers)
        initialise(self.classifier, self.start_sd)
        if self.freeze:
            self.requires_grad_(False)
            self.classifier.requires_grad_(True)
            self.train()

    def train(self, mode: bool = True) -> "Task":
        super().train(mode and not self.freeze)
        self.classifier.train(mode)
        return self

    def fused(self, batch: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        """What the head or the decoder reads: (B, 12, 8D), (B, 9, 8D) in mode "map"; and the track encoder's tokens."""
        if self.mode in ("map", "infer_epi"):
            maps = self.encode_map(batch)
            if self.mode == "map":
                return maps, []
            maps = self.split(maps, "map")
            return self.fusion_block(self.infer(maps, "epi"), maps), []
        tracks, skips = self.encode_tracks(batch)
        if self.mode == "epi":
            return tracks, skips
        maps = self.encode_map(batch) if self.mode == "bimodal" else None
        tracks = self.split(tracks, "epi")
        maps = self.infer(tracks, "map") if maps is None else self.split(maps, "map")
        return self.fusion_block(tracks, maps), skips


@declared(ARCHITECTURES["mixhic"] | ARCHITECTURES["mixhic"]["tasks"]["loop"])
class Loop(Task):
    """Is (x, y) a loop: `forward(batch) -> (B, 1)`, a probability.

    Variant "contrastive" has no fusion block: the means of the shared features go to the head side by side.
    """

    def __init__(self, *, mode: str = "bimodal", freeze: bool = False, hidden: int = 32, **network):
        super().__init__(mode=mode, freeze=freeze, **network)
        if self.variant != "contrastive":
            self.add_fusion()
        self.add_head(nn.Linear(8 * self.embed_dim, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 1))

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        if self.variant == "contrastive":
            tracks = self.split(self.encode_tracks(batch)[0], "epi")
            maps = self.split(self.encode_map(batch), "map")
            return self.classifier(torch.cat([tracks.mean(1), maps.mean(1)], dim=1))
        return self.classifier(self.fused(batch)[0].mean(1))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return torch.sigmoid(self.logits(batch))

    def loss_and_prediction(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Binary cross-entropy against `label`, and the probability."""
        logits = self.logits(batch)
        return F.binary_cross_entropy_with_logits(logits, read(batch, "label", 1)), torch.sigmoid(logits)


class Decoded(Task):
    """A task that reads one token per 5-kb bin, of 50 about x and then of 50 about y.

    upsample_first: None follows the protocol.
    """

    def __init__(self, *, mode: str, freeze: bool, upsample_first: bool | None, **network):
        super().__init__(mode=mode, freeze=freeze, **network)
        self.add_fusion()
        first = self.published if upsample_first is None else upsample_first
        self.seq_upsampleTrans = Decoder(
            self.width, self.embed_dim, self.heads, 2, across_batch=self.across_batch, upsample_first=first
        )
        initialise(self.seq_upsampleTrans, self.start_sd)

    def decoded(self, batch: dict[str, Tensor]) -> Tensor:
        """-> (B, 100, 2D)."""
        return self.seq_upsampleTrans(*self.fused(batch))


@declared(ARCHITECTURES["mixhic"] | ARCHITECTURES["mixhic"]["tasks"]["window"])
class Map(Decoded):
    """Tracks -> the map: `forward(batch) -> (B, 1, 50, 50)` on [0, 1].

    x_in_columns: None follows the protocol. Windows have x along the rows; on the diagonal, where x is y, it is the
    same up to a transposition.
    """

    def __init__(
        self,
        *,
        mode: str = "infer_map",
        freeze: bool = False,
        hidden: int = 32,
        upsample_first: bool | None = None,
        x_in_columns: bool | None = None,
        **network,
    ):
        super().__init__(mode=mode, freeze=freeze, upsample_first=upsample_first, **network)
        self.x_in_columns = self.published if x_in_columns is None else x_in_columns
        self.add_head(nn.Linear(2 * self.embed_dim, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, 1))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        rows, columns = self.decoded(batch).chunk(2, dim=1)  # each (B, 50, 2D)
        if self.x_in_columns:
            rows, columns = columns, rows
        rows, columns = rows[:, :, None], columns[:, None]
        pixels = (rows + columns) / 2 + rows * columns  # (B, 50, 50, 2D)
        return torch.sigmoid(self.classifier(pixels)).movedim(-1, 1)


@declared(ARCHITECTURES["mixhic"] | ARCHITECTURES["mixhic"]["tasks"]["cage"])
class Cage(Decoded):
    """CAGE of the 50 bins about x and the 50 about y: `forward(batch) -> (B, 100)`, log2(x + 1).

    rope: None follows the protocol.
    """

    def __init__(
        self,
        *,
        protocol: str = "published",
        mode: str = "bimodal",
        freeze: bool = False,
        hidden: int = 128,
        rope: bool | None = None,
        upsample_first: bool | None = None,
        **network,
    ):
        super().__init__(
            protocol=protocol,
            mode=mode,
            freeze=freeze,
            rope=protocol == "published" if rope is None else rope,
            upsample_first=upsample_first,
            **network,
        )
        self.add_head(nn.Linear(2 * self.embed_dim, hidden), nn.ReLU(), nn.Dropout(0.0), nn.Linear(hidden, 1))

    @classmethod
    def make(cls, geometry: Geometry, *, mode: str, **settings) -> Network:
        """From the map alone it is another network, `CageFromMap`."""
        if mode == "map":
            return CageFromMap.make(geometry, **settings)
        return super().make(geometry, mode=mode, **settings)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.classifier(self.decoded(batch))[..., 0]


@declared(ARCHITECTURES["mixhic"] | ARCHITECTURES["mixhic"]["tasks"]["cage"])
class CageFromMap(Task):
    """CAGE from the map alone: the head reads the 9 tokens after the interaction; `forward(batch) -> (B, 100)`."""

    def __init__(self, *, protocol: str = "published", freeze: bool = False, rope: bool | None = None, **network):
        rope = protocol == "published" if rope is None else rope
        super().__init__(protocol=protocol, mode="map", freeze=freeze, rope=rope, **network)
        width = 8 * self.embed_dim
        self.add_head(nn.Linear(self.map_tokens * width, width), nn.ReLU(), nn.Linear(width, 2 * self.window_bins))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.classifier(self.split(self.encode_map(batch), "map").flatten(1))
