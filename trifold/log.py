"""Logging of a workflow job. What grants access is in no log: addresses are written without it."""

import logging
import re
import sys
import warnings

# user:password@ of an address, and the values of what signs it or grants access.
_USER = re.compile(r"(?<=://)[^/\s]*@")
_GRANT = re.compile(
    r"([?&;][^=&;\s]*(?:sig|token|key|secret|passw|credential|auth|policy)[^=&;\s]*=)[^&;\s'\"<>)]+", re.IGNORECASE
)


def redact(text: str) -> str:
    """A text whose addresses grant nothing: no user and password, no signature, token or key."""
    return _GRANT.sub(r"\1***", _USER.sub("***@", text))


class _Formatter(logging.Formatter):
    """Tracebacks too, for an error may quote an address."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def start(log, mode: str = "w", level: int = logging.INFO) -> None:
    """Send records, warnings and uncaught exceptions to the rule's log file (mode "a": after what it holds) and to
    stderr."""
    handlers = [logging.FileHandler(path, mode=mode) for path in log] + [logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=level, handlers=handlers, force=True)
    logging.captureWarnings(True)
    # Of a dependency, about its own code.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    sys.excepthook = lambda *error: logging.critical("uncaught exception", exc_info=error)


def files() -> list[str]:
    """Where records go besides stderr."""
    return [one.baseFilename for one in logging.getLogger().handlers if isinstance(one, logging.FileHandler)]
