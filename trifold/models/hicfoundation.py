"""Low map -> deep map by a vision transformer: HiCFoundation (Wang et al. 2024), its fine-tuning and its pre-training.

A window is an image of patches. Encoder: tokens [cls, count, patches], pre-norm transformer blocks. Decoder: narrower
blocks over all tokens; each patch token becomes patch_size × patch_size pixels. Pre-training hides three quarters of
the patches and asks for the whole image back. Keys are those of the released checkpoints (`vit_backbone.*` in
fine-tuning; none of them prefixed in pre-training).

Kept by both protocols, or a released encoder would not fit: LayerNorm eps 1e-6 in the encoder and all of
pre-training, 1e-5 in the fine-tuning decoder; sin-cos positions, trained in the fine-tuning encoder, fixed elsewhere,
given to patches only; ones added to the count token in the decoder; the count's frequencies 10000^(-k / 2D), which an
operator's precedence made out of 10000^(-2k / D).

What is read and predicted, option `encoding`:

- "contacts" ("published"), the released inference: contacts per pixel, the main diagonal set to 0, cut at 100, log10 of
  one more over log10(101); of maps with more than one contact per base pair uncut, over the window's own maximum. The
  count token is of all contacts of the low map, counted once, on chromosomes of half a window or more. The target is
  log10 of one more than contacts cut at 1000, over log10(1001), which the released way back implies.
- "window", the released data set of the fine-tuning, and Lau 2025's: log10(x + 1) over the window's own maximum, and
  the count token of 1e9 contacts, what the released code assumes where no total is given. The target is the map.
- "map" ("corrected"): the map on [0, 1] as it is, low and deep being on one scale, and 1e9 contacts.

Deviations, by protocol:

- "published" gives the last layer's numbers as they are, not symmetric, and carries timm's classification layer, which
  nothing uses. An all-zero window, NaN in the released code, is an empty image here. Contacts are 0 on bins without a
  balancing weight, shared among the pixels of a wider bin, and stay where the released code drops up to 0.01 of them.
  `patch_embed.*` repeats `vit_backbone.patch_embed.*` in released files: read, never written.
- "corrected" adds the symmetrised output to the logit of the input, ``sigmoid(logit(clamp(x)) + y)``, with a last
  layer that starts at zero: training starts at its input.
- Pre-training, "published": windows are read as by "window"; the mask noise of a window on the diagonal is
  noise + noiseᵀ, so that diagonal patches (2u, u uniform) stay visible more often than others (u + u'). "corrected"
  reads the map and mirrors the upper triangle: all alike.
- Pre-training, both: maps on [0, 1] hold no contacts, so the total is 1e9 and the count to predict is log10(sum of the
  window + 1); the weight alpha is 1 unless set.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models import blocks
from trifold.models.checkpoint import Checkpoint
from trifold.models.similarity import ssim

# Read by trifold.architectures from the source.
# ViT-L/16 and the decoder, in pre-training and in both fine-tuning arms.
VIT = {
    "patch_size": 16,
    "width": 1024,
    "depth": 24,
    "heads": 16,
    "decoder_width": 512,
    "decoder_depth": 8,
    "decoder_heads": 16,
    "gradient_checkpointing": False,
}
ENCODINGS = ["map", "window", "contacts"]
AS_RELEASED = ["window", "contacts"]
ENCODING = {"published": "contacts", "corrected": "map"}
ON_CONTACTS = {"target": "counts", "inputs": ["map", "total"]}
ARCHITECTURES = {
    "hicfoundation": {
        "network": "HiCFoundation",
        "inputs": ["map"],
        "target": "observed",
        "window_step": "patch_size",
        "options": {"encoding": None, "freeze_encoder": None, **VIT},
        "kinds": {"encoding": "word", "freeze_encoder": "bool"},
        "choices": {"encoding": ENCODINGS},
        "published_only": {"encoding": AS_RELEASED},
        "by_protocol": {"encoding": ENCODING},
        "when": {"encoding": {"contacts": ON_CONTACTS}},
    },
    "hicfoundation-mae": {
        "network": "MaskedAutoencoder",
        "inputs": [],
        "target": "observed",
        "predicts": False,
        "window_step": "patch_size",
        # Of a single patch nothing is left to see once it is masked.
        "least_steps": 2,
        "options": {"mask_ratio": 0.75, "alpha": 1.0, **VIT},
    },
}
# Training checkpoints: optimiser and settings beside the weights, the patch embedding under two names.
CHECKPOINTS = {
    "weights_hicfoundation_resolution.pth.tar": Checkpoint(
        "hicfoundation", {}, {"bin_bp": 10_000, "window_bins": 224, "bias": "raw", "depth": None}, whole=False
    ),
    "weights_hicfoundation_pretrain.pth.tar": Checkpoint(
        "hicfoundation-mae", {}, {"bin_bp": 5000, "window_bins": 224, "bias": "raw", "depth": None}, whole=False
    ),
}

IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ENCODER_EPS, DECODER_EPS = 1e-6, 1e-5
# Contacts of the whole map, where nobody says.
DEFAULT_TOTAL = 1e9
# Contacts at which the released code cuts the low map and the deep one.
LOW_CLIP, DEEP_CLIP = 100.0, 1000.0
# Outputs of the unused classification layer in the released weights.
CLASSES = 1000
# Input values are kept this far from 0 and 1: the logit stays finite, the sigmoid's slope usable.
LOGIT_MARGIN = 0.01
# Share of non-zero pixels from which a patch counts in the contrastive term.
LEAST_FILLED = 0.001


# ---------------------------------------------------------------- images and patches


def rgb(maps: Tensor, *, own_maximum: bool) -> Tensor:
    """Maps on [0, 1] (B, 1, W, W) -> images (B, 3, W, W), white to red, normalised as ImageNet's.

    own_maximum: log10(x + 1) relative to the window's own maximum (as released) in place of x itself.
    """
    if own_maximum:
        maps = torch.log10(maps + 1)
        maps = maps / maps.amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    channels = torch.ones_like(maps), 1 - maps, 1 - maps
    return torch.cat([(c - mean) / sd for c, mean, sd in zip(channels, IMAGENET_MEAN, IMAGENET_SD)], dim=1)


def shares(contacts: Tensor, uncut: Tensor) -> Tensor:
    """Contacts (B, 1, W, W) of windows on the diagonal -> [0, 1], as the released inference reads them.

    uncut: bool (B,), of maps so deep that nothing is cut.
    """
    uncut = uncut[:, None, None, None]
    x = contacts.masked_fill(torch.eye(contacts.shape[-1], dtype=torch.bool, device=contacts.device), 0)
    x = torch.log10(torch.where(uncut, x, x.clamp(max=LOW_CLIP)) + 1)
    largest = x.amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    return x / torch.where(uncut, largest, math.log10(LOW_CLIP + 1))


def colours(images: Tensor) -> Tensor:
    """Undo ImageNet's normalisation, clipped to [0, 1]; (B, 3, W, W) -> the same."""
    split = zip(images.split(1, dim=1), IMAGENET_MEAN, IMAGENET_SD)
    return torch.cat([(c * sd + mean).clamp(0, 1) for c, mean, sd in split], dim=1)


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """(B, C, W, W) -> (B, patches, patch_size² · C), channels innermost."""
    b, c, w, _ = images.shape
    rows = w // patch_size
    x = images.reshape(b, c, rows, patch_size, rows, patch_size)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(b, rows * rows, -1)


def unpatchify(patches: Tensor, patch_size: int, channels: int) -> Tensor:
    """(B, patches, patch_size² · C) -> (B, C, W, W)."""
    b, n, _ = patches.shape
    rows = round(n**0.5)
    x = patches.reshape(b, rows, rows, patch_size, patch_size, channels)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(b, channels, rows * patch_size, rows * patch_size)


def positions(rows: int, width: int) -> Tensor:
    """Sin-cos positions (1, rows², width) of a square of patches, row by row: half for the column, half for the row."""
    frequency = 10000 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angle = torch.arange(rows, dtype=torch.float64)[:, None] * frequency
    line = torch.cat([angle.sin(), angle.cos()], dim=1)  # (rows, width / 2)
    column, row = line.expand(rows, -1, -1), line[:, None].expand(-1, rows, -1)
    return torch.cat([column, row], dim=2).reshape(1, rows * rows, width).float()


def count_embedding(total: Tensor, width: int) -> Tensor:
    """Contacts of the whole map (B,) -> (B, width), from their log10."""
    frequency = 10000 ** (-torch.arange(width // 2, device=total.device) / (2 * width))
    angle = torch.log10(total)[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1) + 1


# ---------------------------------------------------------------- transformer


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (B, heads, N, width / heads)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)); (B, N, width)."""

    def __init__(self, width: int, heads: int, eps: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def transformer(depth: int, width: int, heads: int, eps: float) -> nn.ModuleList:
    return nn.ModuleList(Block(width, heads, eps) for _ in range(depth))


def run(block: nn.Module, x: Tensor, checkpointing: bool) -> Tensor:
    """One block; with `checkpointing` it is computed again in the backward pass instead of being remembered."""
    if checkpointing and torch.is_grad_enabled():
        return checkpoint(block, x, use_reentrant=False)
    return block(x)


class PatchEmbed(nn.Module):
    """(B, 3, W, W) -> (B, patches, width)."""

    def __init__(self, patch_size: int, width: int):
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch_size, stride=patch_size)
        # One linear layer over the pixels of a patch, and initialised like one.
        nn.init.xavier_uniform_(self.proj.weight.view(width, -1))

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).flatten(2).mT


class TokenEncoder(nn.Module):
    """Layers of an encoder, whatever tokens stand before those of the patches.

    classes: outputs of timm's classification layer, which exists in released weights and is never used; 0 = none.
    """

    def __init__(
        self, rows: int, *, patch_size: int, width: int, depth: int, heads: int, classes: int, checkpointing: bool
    ):
        super().__init__()
        self.checkpointing = checkpointing
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(F.pad(positions(rows, width), (0, 0, 1, 0)))  # a zero row for cls
        self.patch_embed = PatchEmbed(patch_size, width)
        self.blocks = transformer(depth, width, heads, ENCODER_EPS)
        self.norm = nn.LayerNorm(width, eps=ENCODER_EPS)
        initialise(self.blocks)
        if classes:
            self.head = nn.Linear(width, classes).requires_grad_(False)

    def count_token(self, images: Tensor, total: Tensor | None) -> Tensor:
        """(B, 1, width); no total means 1e9 contacts."""
        total = images.new_full((len(images),), DEFAULT_TOTAL) if total is None else total
        return count_embedding(total, self.cls_token.shape[-1])[:, None]

    def encode(self, leading: list[Tensor], patches: Tensor) -> Tensor:
        """Tokens before the patches, (B, 1, width) each, and patches (B, n, width) through all blocks."""
        x = torch.cat([*leading, patches], dim=1)
        for block in self.blocks:
            x = run(block, x, self.checkpointing)
        return self.norm(x)


class Encoder(TokenEncoder):
    """Images (B, 3, W, W) and totals (B,) -> tokens (B, 2 + patches, width): [cls, count, patches]."""

    leading = 2  # tokens before the patches

    def forward(self, images: Tensor, total: Tensor | None = None) -> Tensor:
        patches = self.patch_embed(images) + self.pos_embed[:, 1:]
        return self.encode([self.cls_token.expand(len(images), -1, -1), self.count_token(images, total)], patches)


def initialise(module: nn.Module) -> None:
    """Xavier weights and zero biases in every linear layer, as in pre-training."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def fixed(table: Tensor) -> nn.Parameter:
    """A table of positions stored with the weights and never trained."""
    return nn.Parameter(table, requires_grad=False)


def place(leading: list[Tensor], patches: Tensor, table: Tensor) -> Tensor:
    """Decoder tokens: positions on the patches, ones on the count token (token 1), which tell it from cls."""
    cls, count, *others = leading
    return torch.cat([cls, count + 1, *others, patches + table], dim=1)


def check_sizes(geometry: Geometry, patch_size: int, **widths: tuple[int, int]) -> int:
    """Patches per side of a window. Raises InputError for a window or a width (with its heads) that does not divide."""
    if geometry.window_bins % patch_size:
        raise InputError(
            f"config: geometry/window_bins is {geometry.window_bins}, not a multiple of the option patch_size "
            f"{patch_size}; change one of them"
        )
    for name, (width, heads) in widths.items():
        if width % 4 or width % heads:
            raise InputError(
                f"config: the option {name} is {width}; take a multiple of 4 (positions) and of the {heads} heads"
            )
    return geometry.window_bins // patch_size


# ---------------------------------------------------------------- fine-tuning


@blocks.declared(ARCHITECTURES["hicfoundation"])
class HiCFoundation(blocks.Architecture):
    """`map` (B, 1, W, W) -> (B, 1, W, W); W a multiple of patch_size.

    encoding: "map" and "window" read maps on [0, 1]; "contacts" reads contacts and `total`, those of the whole low map
    (B,), with `total_bp` (B,), the length they lie on, and predicts in units of log10(1001). None follows the protocol;
    "corrected" has "map" alone. freeze_encoder True trains the decoder alone; None is False here. Sizes default to
    ViT-L/16. gradient_checkpointing: activations of one block at a time, for one more forward pass.
    """

    context = ("protocol",)
    has_layer_rates = True
    has_encoder = True

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        patch_size: int,
        width: int,
        depth: int,
        heads: int,
        decoder_width: int,
        decoder_depth: int,
        decoder_heads: int,
        encoding: str | None,
        freeze_encoder: bool | None,
        gradient_checkpointing: bool,
        encoder: Callable[..., TokenEncoder] = Encoder,
    ):
        super().__init__()
        rows = check_sizes(geometry, patch_size, width=(width, heads), decoder_width=(decoder_width, decoder_heads))
        self.published, self.patch_size = protocol == "published", patch_size
        self.encoding = ENCODING[protocol] if encoding is None else encoding
        if self.encoding == "contacts":
            self.inputs, self.target = self.inputs | {"total"}, "counts"
        self.checkpointing = gradient_checkpointing
        self.decoder_pos_embed = fixed(positions(rows, decoder_width))
        self.vit_backbone = encoder(
            rows,
            patch_size=patch_size,
            width=width,
            depth=depth,
            heads=heads,
            classes=CLASSES if self.published else 0,
            checkpointing=gradient_checkpointing,
        )
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.decoder_blocks = transformer(decoder_depth, decoder_width, decoder_heads, DECODER_EPS)
        self.decoder_norm = nn.LayerNorm(decoder_width, eps=DECODER_EPS)
        self.decoder_map = nn.Linear(decoder_width, patch_size**2)
        initialise(self.decoder_embed)
        if not self.published:  # as released, the decoder's blocks keep torch's initialisation
            initialise(self.decoder_blocks)
            nn.init.zeros_(self.decoder_map.weight)
            nn.init.zeros_(self.decoder_map.bias)
        if freeze_encoder:
            self.vit_backbone.requires_grad_(False)
        self.register_load_state_dict_pre_hook(_drop_alias)

    def decode_tokens(
        self,
        tokens: Tensor,
        attend: Callable[[int, Tensor], Tensor] | None = None,
        table: Tensor | None = None,
    ) -> Tensor:
        """Encoder tokens (B, n, width) -> decoder tokens (B, n, decoder_width).

        attend(i, x): what is added to the tokens before block i. table: positions of all tokens but the leading ones,
        where they are not those of the patches.
        """
        leading = self.vit_backbone.leading
        x = self.decoder_embed(tokens)
        table = self.decoder_pos_embed if table is None else table
        x = place(list(x[:, :leading].split(1, dim=1)), x[:, leading:], table)
        for i, block in enumerate(self.decoder_blocks):
            if attend is not None:
                x = x + attend(i, x)
            x = run(block, x, self.checkpointing)
        return self.decoder_norm(x)

    def to_map(self, decoded: Tensor) -> Tensor:
        """Decoder tokens -> (B, 1, W, W)."""
        return unpatchify(self.decoder_map(decoded[:, self.vit_backbone.leading :]), self.patch_size, 1)

    def images(self, batch: dict[str, Tensor]) -> Tensor:
        """The low map as the encoder sees it, (B, 3, W, W)."""
        x = batch["map"]
        if self.encoding == "contacts":
            return rgb(shares(x, batch["total"] > batch["total_bp"]), own_maximum=False)
        return rgb(x, own_maximum=self.encoding == "window")

    def contacts(self, batch: dict[str, Tensor]) -> Tensor | None:
        """What the count token says, (B,); None where nobody says. Its logarithm is taken, so there is one at least."""
        return batch["total"].clamp(min=1) if self.encoding == "contacts" else None

    def encode(self, target: Tensor) -> Tensor:
        if self.encoding != "contacts":
            return target
        return torch.log10(target.clamp(max=DEEP_CLIP) + 1) / math.log10(DEEP_CLIP + 1)

    def decode(self, output: Tensor) -> Tensor:
        if self.encoding != "contacts":
            return output
        return (10 ** (output * math.log10(DEEP_CLIP + 1)) - 1).clamp(min=0)

    def decoded(self, images: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Decoder tokens of a batch."""
        return self.decode_tokens(self.vit_backbone(images, self.contacts(batch)))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x = batch["map"]
        y = self.to_map(self.decoded(self.images(batch), batch))
        if self.published:
            return y
        return torch.sigmoid(torch.logit(x.clamp(LOGIT_MARGIN, 1 - LOGIT_MARGIN)) + blocks.symmetrise(y))

    def load_encoder(self, state: dict) -> None:
        """Take the encoder of pre-trained or fine-tuned weights: a state dict, or a checkpoint with one as `model`.

        Raises InputError naming the first tensors that are missing or of another size.
        """
        state = state.get("model", state)
        prefix = "vit_backbone."
        if any(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        ours = self.vit_backbone.state_dict()
        # What pre-training does not have: timm's unused layer, and an arm's own sequence encoder.
        wanted = [name for name in ours if not name.startswith(("head.", "sequence_encoder."))]
        taken = {name: state[name] for name in wanted if name in state}
        here, patches = ours["pos_embed"], self.decoder_pos_embed.shape[1]
        if "pos_embed" in taken and taken["pos_embed"].shape == (1, 1 + patches, here.shape[2]):
            # One row for cls, one per patch: an arm with more tokens before the patches keeps its own rows of those.
            taken["pos_embed"] = torch.cat([here[:, :-patches], taken["pos_embed"][:, 1:].to(here)], dim=1)
        differences = [
            f"{name} is {tuple(taken[name].shape) if name in taken else 'missing'} there, {tuple(tensor.shape)} here"
            for name, tensor in ours.items()
            if name in wanted and (name not in taken or taken[name].shape != tensor.shape)
        ]
        differences += [f"{name} is missing here" for name in state if name.startswith("blocks.") and name not in ours]
        if differences:
            raise InputError(
                f"the encoder's weights do not fit ({len(differences)} tensors differ: {'; '.join(differences[:3])}); "
                "set patch_size, width, depth and geometry/window_bins to those it was trained with"
            )
        self.vit_backbone.load_state_dict(taken, strict=False)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Trained parameters by level, input to output, for learning rates that grow with depth.

        Embeddings; each encoder block (the last with the encoder's norm); the entrance of the decoder; each decoder
        block; the last layers. A frozen level is empty.
        """
        depth = len(self.vit_backbone.blocks)
        groups = [[] for _ in range(depth + len(self.decoder_blocks) + 3)]
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                groups[self._level(name, depth)].append(parameter)
        return groups

    def layer_rates(self, decay: float) -> list[tuple[list[nn.Parameter], float]]:
        """Groups of trained parameters and the share of the learning rate that each gets.

        "corrected": decay ** (levels to the output), embeddings included. "published": the same of decoder blocks, all
        else at the full rate, encoder included, as the released code has it.
        """
        groups = self.layer_groups()
        shares = [decay**level for level in range(len(groups))][::-1]
        if self.published:
            first = len(self.vit_backbone.blocks) + 2
            shares = [share if first <= i < len(groups) - 1 else 1.0 for i, share in enumerate(shares)]
        return list(zip(groups, shares))

    @staticmethod
    def _level(name: str, depth: int) -> int:
        match name.split("."):
            case ["vit_backbone", "blocks", i, *_]:
                return 1 + int(i)
            case ["vit_backbone", "norm", _]:
                return depth
            case ["vit_backbone", *_]:
                return 0
            case ["decoder_blocks" | "decoder_cross", i, *_]:
                return depth + 2 + int(i)
            case ["decoder_norm" | "decoder_map", _]:
                return -1
        return depth + 1


def _drop_alias(module: nn.Module, state: dict, prefix: str, *_) -> None:
    """Released files hold the patch embedding under two names."""
    for name in ("patch_embed.proj.weight", "patch_embed.proj.bias"):
        if f"{prefix}vit_backbone.{name}" in state:
            state.pop(prefix + name, None)


class SubmatrixHead(nn.Module):
    """HiCFoundation's default head (task 0): decoder tokens (B, 2 + patches, width) -> embedding, map and track.

    Embedding of the window (B, width), map (B, 1, W, W), and a track along its rows (B, W): the mean over a row of
    patches, one linear layer.
    """

    def __init__(self, patch_size: int, width: int):
        super().__init__()
        self.patch_size = patch_size
        self.decoder_map = nn.Linear(width, patch_size**2)
        self.map_block = nn.Linear(width, patch_size)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        patches = tokens[:, Encoder.leading :]
        rows = round(patches.shape[1] ** 0.5)
        track = self.map_block(patches.unflatten(1, (rows, rows)).mean(2)).flatten(1)
        return tokens[:, 0], unpatchify(self.decoder_map(patches), self.patch_size, 1), track


# ---------------------------------------------------------------- pre-training


def symmetric_noise(noise: Tensor, diagonals: list[int], *, mirror: bool) -> Tensor:
    """Mask noise (B, rows, rows) made symmetric where a window crosses the map's diagonal.

    diagonals: of each window, where the diagonal enters, in patches (0: from corner to corner; > 0: to the right;
    < 0: below). mirror: the upper triangle repeated below, else noise + noiseᵀ (as released).
    """
    noise, rows = noise.clone(), noise.shape[-1]
    for window, diagonal in zip(noise, diagonals):
        side = rows - abs(diagonal)
        if side > 0:
            top, left = max(-diagonal, 0), max(diagonal, 0)
            square = window[top : top + side, left : left + side]
            square.copy_(square.triu() + square.triu(1).mT if mirror else square + square.mT)
    return noise


@blocks.declared(ARCHITECTURES["hicfoundation-mae"])
class MaskedAutoencoder(blocks.Architecture):
    """HiCFoundation's pre-training: a map of which a quarter of the patches is seen -> the whole map.

    `forward` gives the map (B, 1, W, W) behind the predicted image of the target; `loss` what is minimised:
    alpha·(1 - SSIM + squared error of log10(count)) + contrastive term. In training the visible patches are drawn from
    torch's generator; in evaluation they are always the same, so that epochs compare.
    """

    context = ("protocol",)

    def __init__(
        self,
        geometry: Geometry,
        *,
        protocol: str,
        patch_size: int,
        width: int,
        depth: int,
        heads: int,
        decoder_width: int,
        decoder_depth: int,
        decoder_heads: int,
        mask_ratio: float,
        alpha: float,
        gradient_checkpointing: bool,
    ):
        super().__init__()
        rows = check_sizes(geometry, patch_size, width=(width, heads), decoder_width=(decoder_width, decoder_heads))
        self.visible = int(rows * rows * (1 - mask_ratio))
        if not 0 < self.visible <= rows * rows:
            raise InputError(
                f"config: the option mask_ratio {mask_ratio} leaves {self.visible} of {rows * rows} patches visible; "
                "take a smaller mask_ratio or patch_size"
            )
        self.published, self.patch_size, self.rows, self.alpha = protocol == "published", patch_size, rows, alpha
        self.checkpointing = gradient_checkpointing
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.pos_embed = fixed(F.pad(positions(rows, width), (0, 0, 1, 0)))
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, decoder_width))
        self.decoder_pos_embed = fixed(positions(rows, decoder_width))
        self.patch_embed = PatchEmbed(patch_size, width)
        self.blocks = transformer(depth, width, heads, ENCODER_EPS)
        self.norm = nn.LayerNorm(width, eps=ENCODER_EPS)
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.decoder_blocks = transformer(decoder_depth, decoder_width, decoder_heads, ENCODER_EPS)
        self.decoder_norm = nn.LayerNorm(decoder_width, eps=ENCODER_EPS)
        self.decoder_pred = nn.Linear(decoder_width, 3 * patch_size**2)
        self.decoder_count = nn.Linear(decoder_width, 1)
        initialise(self)

    def noise(self, maps: Tensor) -> Tensor:
        """(B, rows · rows): the lowest are seen. Windows lie on the diagonal, and so do the masks."""
        generator = None if self.training else torch.Generator(maps.device).manual_seed(0)
        noise = torch.rand(len(maps), self.rows, self.rows, generator=generator, device=maps.device)
        return symmetric_noise(noise, [0] * len(maps), mirror=not self.published).flatten(1)

    def encode_visible(self, images: Tensor, total: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Images, totals (B,), noise (B, patches) -> tokens of the seen (B, 2 + visible, width), ranks (B, patches).

        A patch is seen when its rank is below `visible`.
        """
        order = torch.argsort(noise, dim=1, stable=True)
        patches = self.patch_embed(images) + self.pos_embed[:, 1:]
        seen = order[:, : self.visible, None].expand(-1, -1, patches.shape[-1])
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(len(images), -1, -1)
        count = count_embedding(total, patches.shape[-1])[:, None]
        x = torch.cat([cls, count, patches.gather(1, seen)], dim=1)
        for block in self.blocks:
            x = run(block, x, self.checkpointing)
        return self.norm(x), torch.argsort(order, dim=1)

    def decode_all(self, tokens: Tensor, ranks: Tensor) -> tuple[Tensor, Tensor]:
        """-> log10 of the window's count (B,), patches of the whole image (B, patches, patch_size² · 3)."""
        x = self.decoder_embed(tokens)
        hidden = self.mask_token.to(x).expand(len(x), ranks.shape[1] - self.visible, -1)
        patches = torch.cat([x[:, 2:], hidden], dim=1)  # by rank
        patches = patches.gather(1, ranks[..., None].expand(-1, -1, x.shape[-1]))  # by place
        x = place([x[:, :1], x[:, 1:2]], patches, self.decoder_pos_embed)
        for block in self.decoder_blocks:
            x = run(block, x, self.checkpointing)
        x = self.decoder_norm(x)
        return self.decoder_count(x[:, 1])[:, 0], self.decoder_pred(x[:, 2:])

    def image_terms(self, images: Tensor, filled: Tensor, patches: Tensor) -> tuple[Tensor, Tensor]:
        """1 - SSIM of the predicted image, and the contrastive term.

        Contrastive: among all patches of its image a predicted one should be the most alike (cosine) to its own
        target; mean cross-entropy over patches that are not empty, seen ones included. filled (B, 1, W, W): 1 where a
        pixel is above zero.
        """
        predicted = unpatchify(patches, self.patch_size, 3)
        structure = 1 - ssim(colours(predicted), colours(images)).mean()
        target = F.normalize(patchify(images, self.patch_size), dim=-1)
        alike = F.normalize(patches, dim=-1) @ target.mT  # (B, predicted, target), cosines
        entropy = -alike.float().log_softmax(-1).diagonal(dim1=1, dim2=2)  # (B, patches)
        counts = patchify(filled, self.patch_size).mean(-1) >= LEAST_FILLED
        return structure, (entropy * counts).sum() / counts.sum().clamp(min=1)

    def reconstruct(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps (B, 1, W, W) -> their images, and of these the predicted log10 count (B,) and patches."""
        images = rgb(maps, own_maximum=self.published)
        total = maps.new_full((len(maps),), DEFAULT_TOTAL)
        return images, *self.decode_all(*self.encode_visible(images, total, self.noise(maps)))

    def loss(self, maps: Tensor) -> Tensor:
        """Maps (B, 1, W, W) on [0, 1] -> scalar."""
        images, count, patches = self.reconstruct(maps)
        structure, contrast = self.image_terms(images, (maps > 0).float(), patches)
        of_count = F.mse_loss(count.float(), torch.log10(maps.sum((1, 2, 3)) + 1))
        return self.alpha * (structure + of_count) + contrast

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        maps = batch["observed"]
        _, _, patches = self.reconstruct(maps)
        # Green and blue both hold 1 - value.
        value = 1 - colours(unpatchify(patches, self.patch_size, 3))[:, 1:].mean(1, keepdim=True)
        if not self.published:
            return blocks.symmetrise(value)
        return 10 ** (value * torch.log10(maps.amax((1, 2, 3), keepdim=True) + 1)) - 1
