"""Logging of a workflow job. Passwords, signatures and tokens in addresses are replaced before a line is written."""

import logging
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from trifold.errors import InputError

# In an address: user:password@, and the values of parameters that sign it or grant access.
_USER = re.compile(r"(?<=://)[^/\s]*@")
_GRANT = re.compile(
    r"([?&;][^=&;\s]*(?:sig|token|key|secret|passw|credential|auth|policy)[^=&;\s]*=)[^&;\s'\"<>)]+", re.IGNORECASE
)
# Cut out of the text of a Python warning: the place where it was raised, and the line of code quoted below it.
_RAISED_AT = re.compile(r"^.*?:\d+: (?=\w+: )")
_CODE = re.compile(r"\n {2}[^\n]*\n?$")
# A record keeps at most so many warnings, of at most so many characters.
MOST, LONGEST = 20, 500
MORE = "more warnings are in the log"


def redact(text: str) -> str:
    """The text with user, password, signature, token and key of every address in it replaced by ***."""
    return _GRANT.sub(r"\1***", _USER.sub("***@", text))


class _Formatter(logging.Formatter):
    """Redacts records with their tracebacks, as an error may quote an address.

    Of a record with the attribute `plain` only the message is written, for a person to read.
    """

    def format(self, record: logging.LogRecord) -> str:
        return redact(record.getMessage() if getattr(record, "plain", False) else super().format(record))


def start(log, mode: str = "w", level: int = logging.INFO) -> None:
    """Send records, warnings and uncaught exceptions to the rule's log file (mode "a": after what it holds) and to
    stderr. An InputError is one line that names the log; any other exception comes with its traceback."""
    paths = [str(path) for path in log]
    handlers = [logging.FileHandler(path, mode=mode) for path in paths] + [logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=level, handlers=handlers, force=True)
    logging.captureWarnings(True)
    # A dependency warns about its own code; a user can do nothing about it.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    sys.excepthook = lambda *error: _uncaught(error, paths)


def _uncaught(error: tuple, paths: list[str]) -> None:
    if not isinstance(error[1], InputError):
        logging.critical("uncaught exception", exc_info=error)
        return
    logs = f" (log: {', '.join(paths)})" if paths else ""
    logging.critical("error: %s%s", " ".join(str(error[1]).split("\n")), logs, extra={"plain": True})


def files() -> list[str]:
    """Paths of the log files that records are written to."""
    return [
        handler.baseFilename for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)
    ]


# ---------------------------------------------------------------- warnings that are kept


class _Keeper(logging.Handler):
    """Collects messages of level WARNING and above for the record of an artifact: a text once, at most `MOST`."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.name == "py.warnings":
            text = _CODE.sub("", _RAISED_AT.sub("", text))
        self.add(redact(text.strip())[:LONGEST])

    def add(self, message: str) -> None:
        if message not in self.messages and len(self.messages) <= MOST:
            self.messages.append(message if len(self.messages) < MOST else MORE)


@contextmanager
def kept() -> Iterator[list[str]]:
    """The warnings and errors that are logged while the block runs, without repetitions; Python's own warnings too,
    once `start` was called."""
    keeper, root = _Keeper(), logging.getLogger()
    root.addHandler(keeper)
    try:
        yield keeper.messages
    finally:
        root.removeHandler(keeper)


def keep(messages: Iterable[str]) -> None:
    """Add warnings that another process has kept; that process has logged them, so they are not logged again."""
    for keeper in logging.getLogger().handlers:
        if isinstance(keeper, _Keeper):
            for message in messages:
                keeper.add(message)
