"""Logging of a workflow job."""

import logging
import sys
import warnings


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
    # Of a dependency, about its own code.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    sys.excepthook = lambda *error: logging.critical("uncaught exception", exc_info=error)
