"""Trifold: Hi-C resolution enhancement with genome sequence and epigenomic tracks.

`enhance`, `advise`, `compare`, `score`, `info`, `load_model` and `list_models` are those of `trifold.api`; nothing
heavy is imported before one of them is asked for.
"""

from importlib import import_module

__version__ = "0.2.0"
# What `__getattr__` gives, no type checker sees.
__all__ = ["advise", "compare", "enhance", "info", "list_models", "load_model", "score"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name in __all__:
        return getattr(import_module("trifold.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
