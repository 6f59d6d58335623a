"""Running statistics of batch norm, taken from training windows in place of a mean that lags.

In evaluation a layer of batch norm divides by running statistics. torch moves them by a share of the way, usually a
tenth, at every step, from mean 0 and variance 1: after few steps they are not those of the data, and what is validated
and kept is not the network that was trained. Here they are those of the values that reach the layer, over many batches
by the weights of the moment: the mean of all, and the variance of all about it (Wu & Johnson 2021, "Rethinking 'Batch'
in BatchNorm", population statistics). ``torch.optim.swa_utils.update_bn`` would give frozen layers new statistics too,
draw dropout anew, and leave out how the means of batches vary.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trifold.models.blocks import Architecture

Layer = nn.BatchNorm1d | nn.BatchNorm2d


class Moments:
    """Number, mean and variance of the values that reach a layer, channel by channel, over batches."""

    def __init__(self, layer: Layer):
        self.layer = layer
        # Number, sum and sum of squares.
        self.sums = torch.zeros(3, layer.num_features, dtype=torch.float64, device=layer.weight.device)

    def add(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        """A batch (N, C) or (N, C, ...), as a hook before the layer gets it."""
        x = inputs[0].detach().float()
        over = [dim for dim in range(x.ndim) if dim != 1]
        variance, mean = (moment.double() for moment in torch.var_mean(x, over, correction=0))
        number = x.numel() // x.shape[1]
        self.sums += number * torch.stack([torch.ones_like(mean), mean, variance + mean.square()])

    def settle(self, total: Callable[[Tensor], Tensor]) -> None:
        """Make them the layer's running statistics; `total` adds sums of all processes. A layer that no value reached
        keeps those it has."""
        number, values, squares = total(self.sums)
        if not number.any():
            return
        mean = values / number
        # Unbiased, as torch's running variance is.
        variance = (squares / number - mean.square()).clamp(min=0) * number / (number - 1).clamp(min=1)
        self.layer.get_buffer("running_mean").copy_(mean)
        self.layer.get_buffer("running_var").copy_(variance)


@contextmanager
def _modes_kept(model: nn.Module) -> Iterator[None]:
    """Every module's mode, training or evaluation, is as it was afterwards: parts of a network may differ in it."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def following(model: Architecture) -> list[Layer]:
    """Layers whose statistics follow the data in training; those of a frozen part stay as they are (`train`)."""
    with _modes_kept(model):
        model.train()
        return [layer for layer in model.modules() if isinstance(layer, Layer) and layer.training]


@torch.no_grad()
def recompute(
    model: Architecture,
    batches: Iterable[dict[str, Any]],
    predict: Callable[[dict[str, Any]], object],
    total: Callable[[Tensor], Tensor],
) -> None:
    """Give a model's layers the statistics of batches; nothing else of it changes.

    predict: runs the model on a batch; total: adds a tensor of all processes. Layers normalise by the batch, as in
    training; all else is in evaluation mode: no dropout, nothing random, because that is how the statistics are used.
    """
    moments = [Moments(layer) for layer in following(model)]
    if not moments:
        return
    with _modes_kept(model), ExitStack() as hooks:
        model.eval()
        for tally in moments:
            tally.layer.train()
            tally.layer.track_running_stats = False  # torch's own rule would move them meanwhile
            hooks.enter_context(tally.layer.register_forward_pre_hook(tally.add))
        try:
            for batch in batches:
                predict(batch)
        finally:
            for tally in moments:
                tally.layer.track_running_stats = True
    for tally in moments:
        tally.settle(total)
