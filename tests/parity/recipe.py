"""Weights of the reference networks, made anew: a tensor depends only on its name and shape.

NumPy's own generators, bit for bit the same on every machine that the tests have run on.
"""

import zlib

import numpy as np


def fill(name: str, shape, gain: float | None = None) -> np.ndarray:
    """A tensor of the enhancement models; name: the network's prefix + its state dict's key.

    gain None means 1.0 for 2-D tensors and 2.0 for others of several axes; 1-D tensors ignore it.
    """
    shape = tuple(int(size) for size in shape)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if name.endswith("running_var"):
        return (0.5 + rng.random(shape)).astype(np.float32)
    values = rng.standard_normal(shape)
    if name.endswith("running_mean"):
        return (0.1 * values).astype(np.float32)
    if len(shape) <= 1:
        return (1.0 + 0.1 * values if name.endswith("weight") else 0.05 * values).astype(np.float32)
    if gain is None:
        gain = 1.0 if len(shape) == 2 else 2.0
    return (values * np.sqrt(gain / int(np.prod(shape[1:])))).astype(np.float32)


def fill_multimodal(name: str, shape) -> np.ndarray:
    """A tensor of MIX-HIC's networks; name: its state dict's key."""
    shape = tuple(int(size) for size in shape)
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    last = name.split(".")[-1]
    if last == "running_var":
        return np.float32(0.5) + np.abs(values)
    if last == "running_mean":
        return np.float32(0.1) * values
    if len(shape) <= 1:
        return 1 + np.float32(0.1) * values if last == "weight" else np.float32(0.05) * values
    return (values / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def fill_keras(name: str, shape, gain: float) -> np.ndarray:
    """A tensor of GraphReg's networks, the output its last axis; name: layer, weight and ":0", as Keras has them."""
    shape = tuple(int(size) for size in shape)
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    last = name.removesuffix(":0").split("/")[-1]
    if last == "moving_variance":
        return np.float32(0.5) + np.abs(values)
    if last == "moving_mean":
        return np.float32(0.1) * values
    if len(shape) <= 1:
        return 1 + np.float32(0.1) * values if last == "gamma" else np.float32(0.05) * values
    return values * np.float32(gain) / np.float32(np.sqrt(np.prod(shape[:-1])))


def unpack2bit(packed: np.ndarray) -> np.ndarray:
    """Base codes 0..3 of packed bytes, four in a byte: c0 | c1 << 2 | c2 << 4 | c3 << 6."""
    return np.stack([(packed >> (2 * place)) & 3 for place in range(4)], 1).reshape(-1)
