"""Logging of a workflow job."""

import logging
import sys


def start(log) -> None:
    """Send records, warnings and uncaught exceptions to the rule's log file and to stderr."""
    handlers = [logging.FileHandler(path, mode="w") for path in log] + [logging.StreamHandler(sys.stderr)]
    logging.basicConfig(
        level=logging.INFO,
        handlers=handlers,
        force=True,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    logging.captureWarnings(True)
    sys.excepthook = lambda *error: logging.critical("uncaught exception", exc_info=error)
