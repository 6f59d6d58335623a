"""Training on windows about pairs of bins, by the loss that the network brings: MIX-HIC's pre-training and its tasks.

Tasks keep the weights of the best AUROC (loops) or Pearson correlation over all values (windows, CAGE) of the
validation set, as released; the text does not say which. Pre-training keeps those of the smallest validation loss.
"""

import math
from typing import cast

import torch
from torch import Tensor

from trifold.config import Training
from trifold.errors import InputError
from trifold.metrics.classification import auroc
from trifold.models.blocks import Architecture
from trifold.training.regression import Regression


class Multimodal(Regression):
    """Trains a network that has `loss_and_prediction` or, where its loss is a sum, `terms`, their values and `total`.

    Seeds, schedules and records are those of `Regression`.

    `metrics`: for pre-training each term's mean over the training samples; for loops `validation_auroc`;
    `validation_pearson` is over all values of the validation set (NaN for pre-training).
    """

    def __init__(self, model: Architecture, settings: Training, **named):
        super().__init__(model, settings, **named)
        self.terms: tuple[str, ...] = model.terms
        self.columns = self.terms or (("validation_auroc",) if model.target == "label" else ())

    # ---------------------------------------------------------------- training

    def on_train_epoch_start(self) -> None:
        self._train_sums = self._sums(2 + len(self.terms))

    def training_step(self, batch: dict[str, Tensor], step: int) -> Tensor:
        self._start_step(step)
        loss, terms = self._loss(batch)
        self._check("training", loss, batch, step)
        self._add(torch.tensor(len(batch["index"]), device=self.device), loss, *terms)
        return loss

    def _loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, list[Tensor]]:
        if not self.terms:
            return self.model.loss_and_prediction(batch)[0], []
        terms = self.model(batch)
        return self.model.total(terms, self.current_epoch), [terms[name] for name in self.terms]

    def on_train_epoch_end(self) -> None:
        *totals, weight = self.trainer.strategy.reduce(self._train_sums, reduce_op="sum").tolist()
        self.metrics |= {
            name: total / max(weight, 1.0) for name, total in zip(("train_loss", *self.terms), totals, strict=True)
        }

    def _refuse_loss(self, role: str, loss: Tensor, batch: dict[str, Tensor], step: int) -> None:
        if bad := [name for name, values in batch.items() if not values.isfinite().all()]:
            remedy = f"{', '.join(bad)} of this batch hold NaN or infinity: check the maps and tracks"
        else:
            remedy = "the training diverged: lower learning_rate"
        raise InputError(
            f"{self.arm}: the {role} loss is {loss.item()} at epoch {self.current_epoch}, step {step}; {remedy}"
        )

    # ---------------------------------------------------------------- validation

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._validation_sums = self._sums(7)  # loss, samples, and of all values n, p, t, pp, tt, pt but for n
        self._values = self._sums(1)
        self._scores: list[Tensor] = []

    def validation_step(self, batch: dict[str, Tensor], step: int) -> None:
        number = len(batch["index"])
        if self.terms:
            loss = self._loss(batch)[0]
        else:
            loss, prediction = self.model.loss_and_prediction(batch)
            p, t = prediction.detach().double().flatten(), batch[self.model.target].double().flatten()
            self._validation_sums[2:] += torch.stack([p.sum(), t.sum(), p @ p, t @ t, p @ t])
            self._values += len(p)
            if self.model.target == "label":
                self._scores.append(torch.stack([t, p]))
        self._check("validation", loss, batch, step)
        self._validation_sums[:2] += torch.stack([loss.detach().double() * number, self._sums(1)[0] + number])

    def on_validation_epoch_end(self) -> None:
        reduce = self.trainer.strategy.reduce
        loss, samples, p, t, pp, tt, pt = reduce(self._validation_sums, reduce_op="sum").tolist()
        n = max(reduce(self._values, reduce_op="sum").item(), 1.0)
        self.metrics["validation_loss"] = loss / max(samples, 1.0)
        varies = (pp - p * p / n) * (tt - t * t / n)
        self.metrics["validation_pearson"] = (pt - p * t / n) / math.sqrt(varies) if varies > 0 else math.nan
        if "validation_auroc" in self.columns:
            labels, scores = self._all_scores().cpu().numpy()
            self.metrics["validation_auroc"] = float(auroc(labels, scores))

    def _all_scores(self) -> Tensor:
        """Labels and scores of all devices, (2, n); shares differ by one sample, so they are filled up to be joined."""
        scores = torch.cat(self._scores, dim=1)
        if self.trainer.world_size == 1:
            return scores
        longest = int(self.trainer.strategy.reduce(scores.new_tensor(scores.shape[1]), reduce_op="max").item())
        filled = torch.cat([scores, scores.new_full((2, longest - scores.shape[1]), math.nan)], dim=1)
        # Of a tensor a tensor; Lightning's type says that it takes collections too.
        joined = cast(Tensor, self.all_gather(filled)).movedim(0, 1).flatten(1)
        return joined[:, joined.isfinite().all(0)]
