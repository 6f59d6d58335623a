"""Trifold: Hi-C resolution enhancement with genome sequence and epigenomic tracks."""

__version__ = "0.1.0"
