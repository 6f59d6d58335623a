"""A step of MIX-HIC's pre-training at the paper's D = 128 against the same modules in plain eager float32.

The reference is the same network with attention as its parts: products in memory, softmax, then values. Equal losses
and gradients. A batch of 16, beside which the weights are small; times are CPU seconds of one thread: other load of
the machine does not enter. Fails beyond the bounds.

    python -m benchmarks.pretraining
"""

import json
import sys
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks import added_mb, elsewhere, in_turns
from trifold.models import mixhic

DIM, BATCH, STEPS = 128, 16, 4
LEAST_RATIO, LARGEST_MEMORY_RATIO = 1, 1


def attend(attention: mixhic.Attention, x: Tensor, source: Tensor | None = None) -> Tensor:
    q = attention.qkv["to_q"](x)
    k, v = attention.qkv["to_kv"](x if source is None else source).chunk(2, dim=-1)
    q, k, v = (y.unflatten(-1, (attention.heads, -1)).transpose(1, 2) for y in (q, k, v))
    weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1)
    return attention.proj((weights @ v).transpose(1, 2).flatten(2))


def attend_to_itself(layer: nn.TransformerEncoderLayer, x: Tensor, *_, **__) -> Tensor:
    return layer.self_attn(x, x, x, need_weights=True)[0]


def make(name: str) -> mixhic.Pretraining:
    torch.manual_seed(0)
    network = mixhic.Pretraining(protocol="corrected", embed_dim=DIM)
    if name == "plain":
        for module in network.modules():
            if isinstance(module, mixhic.Attention):
                module.forward = partial(attend, module)
            elif isinstance(module, nn.TransformerEncoderLayer):
                module._sa_block = partial(attend_to_itself, module)
    return network


def make_batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"map": (BATCH, 1, 50, 50), "tracks": (BATCH, 5000, 2)}
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


def step(network: mixhic.Pretraining, batch: dict[str, Tensor]) -> Tensor:
    network.zero_grad()
    loss = network.total(network(batch), 0)
    loss.backward()
    return loss.detach()


def main() -> None:
    torch.set_num_threads(1)
    networks, batch = {name: make(name).train() for name in ("package", "plain")}, make_batch()
    seconds, losses = in_turns({name: partial(step, network, batch) for name, network in networks.items()}, STEPS)
    torch.testing.assert_close(*losses, atol=0, rtol=1e-5)
    ours, theirs = (
        torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        for network in networks.values()
    )
    assert (ours - theirs).norm() < 1e-3 * theirs.norm()
    memory = {name: elsewhere("pretraining", name) for name in networks}
    published = sum(p.numel() for p in mixhic.Pretraining(protocol="published", embed_dim=DIM).parameters())
    row = {
        **{f"{name}_s": round(median(times), 2) for name, times in seconds.items()},
        **{f"{name}_mb": round(memory[name]) for name in networks},
        "times_faster": round(median(b / a for a, b in zip(*seconds.values())), 2),
        "memory_ratio": round(memory["package"] / memory["plain"], 2),
        "idle_parameters_left_out": published - sum(p.numel() for p in networks["package"].parameters()),
    }
    print(json.dumps(row))
    if row["times_faster"] < LEAST_RATIO or row["memory_ratio"] > LARGEST_MEMORY_RATIO:
        raise SystemExit(f"less than {LEAST_RATIO} times the speed, or over {LARGEST_MEMORY_RATIO} times the memory")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        torch.set_num_threads(1)
        network, batch = make(sys.argv[1]).train(), make_batch()
        print(added_mb(lambda: step(network, batch)))
    else:
        main()
