"""Dense attention over the bins of a window against PyTorch Geometric's edge list, at equal values and gradients.

One attention layer of the graph transformer (64 features, 2 heads of 64, 8 edge features) on 244 bins, forward and
backward, as published (a bin attends to those before it: 29,890 edges) and corrected (all pairs: 59,536). Times are CPU
seconds of one thread: other load of the machine does not enter. Memory is that of a process of its own, above what it
held before the first step. Fails below the bounds.

    python -m benchmarks.graph
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor
from torch_geometric.nn import TransformerConv

from benchmarks import added_mb, elsewhere, in_turns
from trifold.models.akita_graph import EdgeAttention

BINS, WINDOWS, STEPS = 244, 2, 5
LEAST_RATIO, LEAST_MEMORY_RATIO = 4, 5


def make(causal: bool) -> tuple[dict[str, Callable], list[Tensor]]:
    """ "dense" and "edge list": nodes (B, S, 64), table (8, S, S) -> (B, S, 128); and the two inputs."""
    torch.manual_seed(0)
    ours = EdgeAttention(64, heads=2, head_width=64, edge_features=8, dropout=0.0, causal=causal)
    theirs = TransformerConv(64, 64, heads=2, edge_dim=8, dropout=0.0)
    theirs.load_state_dict(ours.state_dict())
    pairs = torch.ones(BINS, BINS).triu() if causal else torch.ones(BINS, BINS)
    source, target = pairs.nonzero().T
    edge_index = torch.cat([torch.stack([source, target]) + BINS * window for window in range(WINDOWS)], dim=1)

    def edge_list(x: Tensor, table: Tensor) -> Tensor:
        attributes = table[:, target, source].T.repeat(WINDOWS, 1)
        return theirs(x.flatten(0, 1), edge_index, attributes).unflatten(0, (WINDOWS, BINS))

    inputs = [torch.randn(WINDOWS, BINS, 64, requires_grad=True), torch.randn(8, BINS, BINS, requires_grad=True)]
    return {"dense": ours, "edge list": edge_list}, inputs


def step(layer: Callable, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """Output and gradients of both inputs."""
    y = layer(*inputs)
    return (y.detach(), *torch.autograd.grad(y.square().mean(), inputs))


def peak_mb(name: str, causal: bool) -> float:
    layers, inputs = make(causal)

    def twice() -> None:
        for _ in range(2):
            step(layers[name], inputs)

    return added_mb(twice)


def compare(causal: bool) -> dict:
    """One row. Raises AssertionError where outputs or gradients differ."""
    torch.set_num_threads(1)
    layers, inputs = make(causal)
    seconds, results = in_turns({name: partial(step, layer, inputs) for name, layer in layers.items()}, STEPS)
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    memory = {name: elsewhere("graph", name, str(int(causal))) for name in layers}
    return {
        "case": "published" if causal else "corrected",
        **{f"{name}_ms": round(median(times) * 1000, 1) for name, times in seconds.items()},
        **{f"{name}_mb": round(mb) for name, mb in memory.items()},
        "times_faster": round(median(b / a for a, b in zip(*seconds.values())), 1),
        "times_smaller": round(memory["edge list"] / memory["dense"], 1),
    }


def main() -> None:
    for causal in (True, False):
        row = compare(causal)
        print(json.dumps(row), flush=True)
        if row["times_faster"] < LEAST_RATIO or row["times_smaller"] < LEAST_MEMORY_RATIO:
            raise SystemExit(f"less than {LEAST_RATIO} times the speed, or than {LEAST_MEMORY_RATIO} times smaller")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(peak_mb(sys.argv[1], bool(int(sys.argv[2]))))
    else:
        main()
