"""HiCFoundation against the same network assembled from plain transformer blocks, and the memory of ViT-L.

- A training step, encoder and decoder: ViT-L's widths (1024 and 512), six of its 24 encoder and two of its eight
  decoder blocks, windows of 224 bins, one a step. The reference has the blocks of timm's eager path: weights of the
  attention in memory, softmax, then values; its attributes are named alike, so that it takes the same weights. Equal
  losses and gradients. timm itself needs a torchvision that fits the installed torch and is not used.
- One forward pass of the whole ViT-L/16 in a process of its own: what it adds to its memory, weights included.

Times are CPU seconds of one thread: other load of the machine does not enter. Fails beyond the bounds.

    python -m benchmarks.hicfoundation
"""

import json
import sys
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks import added_mb, elsewhere, in_turns, step
from trifold.config import Geometry
from trifold.models import registry
from trifold.models.hicfoundation import DECODER_EPS, ENCODER_EPS, IMAGENET_MEAN, IMAGENET_SD

GEOMETRY = Geometry(bin_bp=4_000, window_bins=224, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
PATCH, WIDTH, HEADS, DECODER_WIDTH, DECODER_HEADS = 16, 1024, 16, 512, 16
SHORT = {"depth": 6, "decoder_depth": 2}
STEPS = 10
LEAST_RATIO, LARGEST_MEMORY_RATIO, LARGEST_GB = 0.95, 1.05, 4.0


class Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        attention = (q * self.scale) @ k.transpose(-2, -1)
        return self.proj((attention.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, n, c))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, eps: float):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=eps), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp["fc2"](self.act(self.mlp["fc1"](self.norm2(x))))


class Plain(nn.Module):
    """Map -> map on its residual, from the parts alone."""

    def __init__(self):
        super().__init__()
        patches = (GEOMETRY.window_bins // PATCH) ** 2
        encoder = nn.Module()
        encoder.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        encoder.pos_embed = nn.Parameter(torch.zeros(1, 1 + patches, WIDTH))
        encoder.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)})
        encoder.blocks = nn.Sequential(*[Block(WIDTH, HEADS, ENCODER_EPS) for _ in range(SHORT["depth"])])
        encoder.norm = nn.LayerNorm(WIDTH, eps=ENCODER_EPS)
        self.vit_backbone = encoder
        self.decoder_pos_embed = nn.Parameter(torch.zeros(1, patches, DECODER_WIDTH), requires_grad=False)
        self.decoder_embed = nn.Linear(WIDTH, DECODER_WIDTH)
        self.decoder_blocks = nn.Sequential(
            *[Block(DECODER_WIDTH, DECODER_HEADS, DECODER_EPS) for _ in range(SHORT["decoder_depth"])]
        )
        self.decoder_norm = nn.LayerNorm(DECODER_WIDTH, eps=DECODER_EPS)
        self.decoder_map = nn.Linear(DECODER_WIDTH, PATCH**2)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        x, encoder = batch["map"], self.vit_backbone
        images = torch.cat([x * 0 + 1, 1 - x, 1 - x], dim=1)
        images = (images - torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)) / torch.tensor(IMAGENET_SD).view(1, 3, 1, 1)
        patches = encoder.patch_embed["proj"](images).flatten(2).transpose(1, 2) + encoder.pos_embed[:, 1:]
        angle = 9 * 10000 ** (-torch.arange(WIDTH // 2) / (2 * WIDTH))  # log10 of 1e9 contacts
        count = torch.cat([angle.sin(), angle.cos()]).expand(len(x), 1, -1) + 1
        tokens = encoder.norm(encoder.blocks(torch.cat([encoder.cls_token.expand(len(x), -1, -1), count, patches], 1)))
        y = self.decoder_embed(tokens)
        y = torch.cat([y[:, :1], y[:, 1:2] + 1, y[:, 2:] + self.decoder_pos_embed], dim=1)
        y = self.decoder_map(self.decoder_norm(self.decoder_blocks(y))[:, 2:])
        side = GEOMETRY.window_bins // PATCH
        y = y.reshape(len(x), side, side, PATCH, PATCH).transpose(2, 3).reshape(x.shape)
        return torch.sigmoid(torch.logit(x.clamp(0.01, 0.99)) + (y + y.transpose(2, 3)) / 2)


def make(name: str, **sizes: int) -> nn.Module:
    torch.manual_seed(0)
    options = {"width": WIDTH, "heads": HEADS, "decoder_width": DECODER_WIDTH, "decoder_heads": DECODER_HEADS, **sizes}
    model = registry.build("hicfoundation", GEOMETRY, options, {}, protocol="corrected")
    nn.init.normal_(model.decoder_map.weight, std=0.02)  # it starts at zero, which would hide all other gradients
    if name == "package":
        return model
    plain = Plain()
    plain.load_state_dict(model.state_dict())
    return plain


def make_batch() -> tuple[dict[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(1)
    maps, target = (torch.rand(1, 1, 224, 224, generator=generator) for _ in range(2))
    return {"map": maps}, (target + target.mT) / 2


def peak_mb(name: str) -> float:
    """Of a step of one kind, or of a forward pass of the whole network with its weights."""
    batch, target = make_batch()
    if name != "whole":
        model = make(name, **SHORT)
        return added_mb(lambda: step(model, batch, target))
    with torch.inference_mode():
        return added_mb(lambda: make("package").eval()(batch))


def main() -> None:
    torch.set_num_threads(1)
    models, (batch, target) = {name: make(name, **SHORT) for name in ("package", "plain")}, make_batch()
    works = {name: partial(step, model.train(), batch, target) for name, model in models.items()}
    seconds, losses = in_turns(works, STEPS)
    torch.testing.assert_close(*losses, atol=0, rtol=1e-5)
    ours, theirs = (
        torch.cat([p.grad.flatten() for _, p in sorted(model.named_parameters()) if p.grad is not None])
        for model in models.values()
    )
    assert (ours - theirs).norm() < 1e-4 * theirs.norm()
    memory = {name: elsewhere("hicfoundation", name) for name in (*models, "whole")}
    row = {
        **{f"{name}_s": round(median(times), 2) for name, times in seconds.items()},
        **{f"{name}_mb": round(memory[name]) for name in models},
        "times_faster": round(median(b / a for a, b in zip(*seconds.values())), 2),
        "memory_ratio": round(memory["package"] / memory["plain"], 2),
        "vit_l_forward_gb": round(memory["whole"] / 1000, 2),
    }
    print(json.dumps(row))
    if row["times_faster"] < LEAST_RATIO or row["memory_ratio"] > LARGEST_MEMORY_RATIO:
        raise SystemExit(f"less than {LEAST_RATIO} times the speed, or over {LARGEST_MEMORY_RATIO} times the memory")
    if row["vit_l_forward_gb"] > LARGEST_GB:
        raise SystemExit(f"a forward pass of ViT-L takes over {LARGEST_GB} GB")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        torch.set_num_threads(1)
        print(peak_mb(sys.argv[1]))
    else:
        main()
