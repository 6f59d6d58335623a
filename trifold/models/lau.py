"""Low map and sequence -> deep map: HiCFoundation with a sequence encoder (Lau 2025).

Deviations, by protocol:

- "published" is the released code of the report's version, which differs from its text: the sequence is one token
  among the encoder's, [cls, count, sequence, patches], not concatenated before the decoder. A convolutional network
  reads the 131,072 bp at the window's centre (the whole window, if shorter), an N as an A, and averages over them.
  Learned positions on all tokens, zero at first on the leading three. The encoder is frozen but for the sequence's
  part, as the report says of this arm alone; whether the runs did so cannot be read from the code.
- "corrected" keeps the encoder of the arm without sequence, trained or frozen like there: the arms differ in the
  sequence alone. One token per row of patches (columns are the same bins), from the whole window, N left out; map
  tokens attend to them before every decoder block. A sequence token has the position of its patch on the diagonal, so
  a patch finds its row's and its column's. The attention's last layer starts at zero: at first both arms are equal.
- The released loss flattens maps for an SSIM that refuses flat ones; here it is taken on the maps.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.hicfoundation import (
    AS_RELEASED,
    DECODER_EPS,
    ENCODINGS,
    ON_CONTACTS,
    VIT,
    Encoder,
    HiCFoundation,
    TokenEncoder,
    initialise,
)

# Read by trifold.architectures from the source.
SEQ_ENCODING = {"published": "window", "corrected": "map"}
ARCHITECTURES = {
    "hicfoundation-seq": {
        "network": "HiCFoundationSequence",
        "inputs": ["map", "sequence"],
        "target": "observed",
        "window_step": "patch_size",
        "options": {
            "encoding": None,
            "freeze_encoder": None,
            "sequence_channels": [64, 128, 256],
            "sequence_bp": 131072,
            "sequence_pool": 4,
            "control": "none",
            **VIT,
        },
        "kinds": {"encoding": "word", "freeze_encoder": "bool"},
        "choices": {"encoding": ENCODINGS, "control": ["none", "shuffled"]},
        "published_only": {"encoding": AS_RELEASED},
        "by_protocol": {"encoding": SEQ_ENCODING},
        "when": {"encoding": {"contacts": {**ON_CONTACTS, "inputs": ["map", "total", "sequence"]}}},
    },
}

KERNELS = (7, 5, 3)
SHUFFLE_SEED = 1


class SequenceFeatures(nn.Module):
    """Codes (B, L) -> features (B, channels[-1], 1, L / pool²): three convolutions with ReLU.

    pool: max pooling after the first and after the second; 1 is none (as released).
    """

    def __init__(self, channels: list[int], pool: int = 1):
        super().__init__()
        self.pool = pool
        sizes = zip([4, *channels[:-1]], channels, KERNELS)
        self.conv1, self.conv2, self.conv3 = (nn.Conv1d(a, b, k, padding=k // 2) for a, b, k in sizes)

    def features(self, codes: Tensor) -> Tensor:
        x = blocks.one_hot(codes)  # (B, 4, 1, L)
        for conv in (self.conv1, self.conv2, self.conv3):
            x = F.relu(F.conv2d(x, conv.weight[:, :, None], conv.bias, padding=(0, conv.kernel_size[0] // 2)))
            if self.pool > 1 and conv is not self.conv3:
                x = F.max_pool2d(x, (1, self.pool))
        return x


class SequenceCNN(SequenceFeatures):
    """Codes (B, L) -> one token (B, width): the mean over the sequence, one linear layer. An N is read as an A."""

    def __init__(self, channels: list[int], width: int):
        super().__init__(channels)
        self.fc = nn.Linear(channels[-1], width)

    def forward(self, codes: Tensor) -> Tensor:
        return self.fc(self.features(codes.where(codes < 4, 0)).mean((2, 3)))


class PatchSequence(SequenceFeatures):
    """Codes (B, L) -> a token per stretch (B, stretches, width), and where it holds a base (bool (B, stretches)).

    Of a stretch the mean and the largest value of every feature: what it is made of, and whether a motif is in it. The
    mean counts positions by their share of known bases, the largest value is of positions that have one. Stretches of
    thousands of bases have nearly the same means: the batch norm keeps what is left of a difference.
    """

    def __init__(self, channels: list[int], width: int, pool: int, stretches: int):
        super().__init__(channels, pool)
        self.stretches = stretches
        self.norm = nn.BatchNorm1d(2 * channels[-1], eps=1e-8)  # variances of 1e-6 are usual
        self.fc = nn.Linear(2 * channels[-1], width)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        known = (codes < 4).float().unflatten(1, (self.stretches, -1, self.pool**2)).mean(3)  # (B, stretches, n)
        x = self.features(codes)[:, :, 0].unflatten(2, known.shape[1:])  # (B, C, stretches, n)
        total = known.sum(2)
        mean = torch.einsum("bcsn,bsn->bsc", x, known.to(x)) / total.clamp(min=1e-6)[..., None]
        largest = x.where(known[:, None] > 0, 0).amax(3).mT  # (B, stretches, C); no feature is below 0
        x = self.norm(torch.cat([mean, largest], dim=2).flatten(0, 1)).unflatten(0, total.shape)
        return self.fc(x), total > 0


class CrossAttention(nn.Module):
    """Tokens (B, n, width) ask keys (B, m, width), of which `present` (bool (B, m)) exist; starts at zero."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, eps=DECODER_EPS)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        initialise(self)
        nn.init.zeros_(self.proj.weight)

    def forward(self, x: Tensor, keys: Tensor, present: Tensor) -> Tensor:
        q = self.query(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, n, width / heads)
        k, v = self.key_value(keys).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=present[:, None, None])
        return self.proj(y.transpose(1, 2).flatten(2))


class SequenceTokenEncoder(TokenEncoder):
    """HiCFoundation's encoder with one sequence token: (B, 3 + patches, width), [cls, count, sequence, patches]."""

    leading = 3

    def __init__(self, rows: int, *, channels: list[int], width: int, **sizes):
        super().__init__(rows, width=width, **sizes)
        self.sequence_encoder = SequenceCNN(channels, width)
        self.pos_embed = nn.Parameter(F.pad(self.pos_embed.detach(), (0, 0, self.leading - 1, 0)))

    def forward(self, images: Tensor, total: Tensor | None, codes: Tensor) -> Tensor:
        cls = self.cls_token.expand(len(images), -1, -1)
        leading = [cls, self.count_token(images, total), self.sequence_encoder(codes)[:, None]]
        at_leading, at_patches = self.pos_embed.tensor_split([self.leading], dim=1)
        placed = [x + place for x, place in zip(leading, at_leading.split(1, dim=1))]
        return self.encode(placed, self.patch_embed(images) + at_patches)


class RowTokens(HiCFoundation):
    """`HiCFoundation` whose map tokens attend to one token per row of patches before every decoder block.

    encoding: as `HiCFoundation`; None is "window" in "published", as Lau 2025 released it. freeze_encoder None follows
    the protocol: True in "published", False in "corrected". control "shuffled" exchanges the tokens (or, as a subclass
    has it, what they are made of): in training every window is permuted anew (by torch's global generator), in eval
    mode one permutation serves all.
    """

    has_batch_norm = True

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        encoding: str | None,
        freeze_encoder: bool | None,
        control: str,
        **sizes,
    ):
        super().__init__(
            geometry,
            protocol=protocol,
            encoding=SEQ_ENCODING[protocol] if encoding is None else encoding,
            freeze_encoder=protocol == "published" if freeze_encoder is None else freeze_encoder,
            **sizes,
        )
        self.shuffled = control == "shuffled"

    def add_rows(self, decoder_width: int, decoder_heads: int) -> None:
        """Make the layers that ask the tokens."""
        # What a token attends to where there is no sequence.
        self.sequence_none = nn.Parameter(0.02 * torch.randn(1, 1, decoder_width))
        self.decoder_cross = nn.ModuleList(CrossAttention(decoder_width, decoder_heads) for _ in self.decoder_blocks)

    def decoded_with(self, images: Tensor, tokens: Tensor, present: Tensor) -> Tensor:
        """Decoder tokens of images and tokens of rows (B, rows, decoder_width), of which `present` (B, rows) exist."""
        if self.shuffled:
            order = self._permutations(present)
            present = torch.take_along_dim(present, order, dim=1)
            tokens = torch.take_along_dim(tokens, order[..., None], dim=1)
        on_diagonal = self.decoder_pos_embed[:, :: tokens.shape[1] + 1]  # patches (0, 0), (1, 1), ...
        keys = torch.cat([self.sequence_none.expand(len(tokens), -1, -1), tokens + on_diagonal], dim=1)
        present = F.pad(present, (1, 0), value=True)
        return self.decode_tokens(self.vit_backbone(images), lambda i, x: self.decoder_cross[i](x, keys, present))

    def _permutations(self, x: Tensor) -> Tensor:
        """(B, n): an order of the n entries of each row of x (B, n)."""
        if self.training:
            return torch.rand(x.shape).argsort(dim=1).to(x.device)
        fixed = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(SHUFFLE_SEED))
        return fixed.to(x.device).expand(len(x), -1)


@blocks.declared(ARCHITECTURES["hicfoundation-seq"])
class HiCFoundationSequence(RowTokens):
    """`map` (B, 1, W, W) on [0, 1] and `sequence` (B, W·bin_bp) -> (B, 1, W, W).

    Options of `RowTokens`, and sequence_channels: widths of the three convolutions. sequence_bp ("published"): bases
    read at the centre. sequence_pool ("corrected"): max pooling after the first two convolutions; its square divides
    the bases of a patch.
    control: "none", or "shuffled": as many parameters, no information on where what is. "corrected" exchanges the
    tokens of the stretches, "published", which has one token, the bases read.
    """

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        decoder_width: int,
        decoder_heads: int,
        sequence_channels: list[int],
        sequence_bp: int,
        sequence_pool: int,
        **common,
    ):
        published = protocol == "published"
        if len(sequence_channels) != len(KERNELS):
            raise InputError(
                f"config: the option sequence_channels has {len(sequence_channels)} widths; give {len(KERNELS)}, one "
                "per convolution"
            )
        super().__init__(
            geometry,
            protocol=protocol,
            decoder_width=decoder_width,
            decoder_heads=decoder_heads,
            encoder=partial(SequenceTokenEncoder, channels=sequence_channels) if published else Encoder,
            **common,
        )
        self.window_bp, self.read_bp = geometry.window_bp, min(sequence_bp, geometry.window_bp)
        if published:
            self.vit_backbone.sequence_encoder.requires_grad_(True)
            return
        patch_bp, rows = self.patch_size * geometry.bin_bp, geometry.window_bins // self.patch_size
        if patch_bp % sequence_pool**2:
            raise InputError(
                f"config: a patch of {self.patch_size} bins has {patch_bp:,} bp, not a multiple of {sequence_pool**2}, "
                "the square of the option sequence_pool; change sequence_pool, patch_size or geometry/bin_bp"
            )
        self.sequence_encoder = PatchSequence(sequence_channels, decoder_width, sequence_pool, rows)
        self.add_rows(decoder_width, decoder_heads)

    def decoded(self, images: Tensor, batch: dict[str, Tensor]) -> Tensor:
        codes = batch["sequence"]
        blocks.check_length(codes, self.window_bp)
        if self.published:
            start = (self.window_bp - self.read_bp) // 2
            read = codes[:, start : start + self.read_bp]
            if self.shuffled:
                read = torch.take_along_dim(read, self._permutations(read), dim=1)
            return self.decode_tokens(self.vit_backbone(images, self.contacts(batch), read))
        tokens, present = self.sequence_encoder(codes)  # (B, rows, decoder_width), (B, rows)
        return self.decoded_with(images, tokens, present)
