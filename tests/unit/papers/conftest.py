"""Figures drawn here are looked at: see ticks.py."""

from ticks import distinct_ticks, remembered_figures

__all__ = ["distinct_ticks", "remembered_figures"]
