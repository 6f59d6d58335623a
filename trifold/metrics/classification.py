"""Scores of a classification into two classes: loops and pixels that are none.

Every score takes labels (n,), 1 or 0, and the model's scores (n,), larger where 1 is likelier. `weights` (B, n), where
given, says how often a pair counts in each of B resamples, and there are B values instead of one. A score that is not
defined (no positive, nothing predicted) is NaN.
"""

import numpy as np

from trifold.metrics.pixels import ratio


def precision(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5, weights: np.ndarray | None = None):
    """Share of positives among what scores above the threshold; a float, or (B,) with weights."""
    hits, predicted, _ = _counts(labels, scores, threshold, weights)
    return _values(ratio(hits, predicted), weights)


def recall(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5, weights: np.ndarray | None = None):
    """Share of the positives that scores above the threshold; a float, or (B,) with weights."""
    hits, _, positives = _counts(labels, scores, threshold, weights)
    return _values(ratio(hits, positives), weights)


def f1(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5, weights: np.ndarray | None = None):
    """Harmonic mean of precision and recall, 0 where no score is above the threshold; a float, or (B,) with weights."""
    hits, predicted, positives = _counts(labels, scores, threshold, weights)
    return _values(ratio(2 * hits, predicted + positives), weights)


def auroc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None):
    """Area under the receiver operating characteristic, ties counting half; a float, or (B,) with weights."""
    positives, negatives = _by_score(labels, scores, weights)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return _values(ratio((positives * below).sum(axis=1), pairs), weights)


def auprc(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None):
    """Average precision: the precision at every score, weighted by the recall gained; a float, or (B,) with weights."""
    positives, negatives = (sums[:, ::-1] for sums in _by_score(labels, scores, weights))
    hits = np.cumsum(positives, axis=1)
    shares = np.nan_to_num(ratio(hits, hits + np.cumsum(negatives, axis=1)))
    return _values(ratio((positives * shares).sum(axis=1), positives.sum(axis=1)), weights)


def _values(values: np.ndarray, weights: np.ndarray | None):
    return float(values[0]) if weights is None else values


def _weights(labels: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    return np.ones((1, len(labels))) if weights is None else np.asarray(weights, dtype=np.float64)


def _counts(labels: np.ndarray, scores: np.ndarray, threshold: float, weights: np.ndarray | None) -> np.ndarray:
    """Positives above the threshold, all above the threshold, all positives: (3, B)."""
    predicted, positive = np.asarray(scores) > threshold, np.asarray(labels) == 1
    return (_weights(labels, weights) @ np.stack([predicted & positive, predicted, positive], axis=1).astype(float)).T


def _by_score(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives that share a score, (B, scores), lowest first."""
    order = np.argsort(scores, kind="stable")
    labels, scores = np.asarray(labels)[order], np.asarray(scores)[order]
    weights = _weights(labels, weights)[:, order]
    starts = np.flatnonzero(np.diff(scores, prepend=np.nan) != 0)
    if not len(starts):
        return np.zeros((len(weights), 1)), np.zeros((len(weights), 1))
    positives, negatives = (np.add.reduceat(weights * (labels == value), starts, axis=1) for value in (1, 0))
    return positives, negatives
