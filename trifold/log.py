"""Logging of a workflow job. What grants access is in no log: addresses are written without it."""

import logging
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from trifold.errors import InputError

# user:password@ of an address, and the values of what signs it or grants access.
_USER = re.compile(r"(?<=://)[^/\s]*@")
_GRANT = re.compile(
    r"([?&;][^=&;\s]*(?:sig|token|key|secret|passw|credential|auth|policy)[^=&;\s]*=)[^&;\s'\"<>)]+", re.IGNORECASE
)
# Of a Python warning: where it was raised, and the line of code below it.
_RAISED_AT = re.compile(r"^.*?:\d+: (?=\w+: )")
_CODE = re.compile(r"\n {2}[^\n]*\n?$")
# Of the warnings that are kept: how many, and how long one is, characters.
MOST, LONGEST = 20, 500
MORE = "more warnings are in the log"


def redact(text: str) -> str:
    """A text whose addresses grant nothing: no user and password, no signature, token or key."""
    return _GRANT.sub(r"\1***", _USER.sub("***@", text))


class _Formatter(logging.Formatter):
    """Tracebacks too, for an error may quote an address. What is `plain` is for a person: the message alone."""

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
    # Of a dependency, about its own code.
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    sys.excepthook = lambda *error: _uncaught(error, paths)


def _uncaught(error: tuple, paths: list[str]) -> None:
    if not isinstance(error[1], InputError):
        logging.critical("uncaught exception", exc_info=error)
        return
    where = f" (log: {', '.join(paths)})" if paths else ""
    logging.critical("error: %s%s", " ".join(str(error[1]).split("\n")), where, extra={"plain": True})


def files() -> list[str]:
    """Where records go besides stderr."""
    return [one.baseFilename for one in logging.getLogger().handlers if isinstance(one, logging.FileHandler)]


# ---------------------------------------------------------------- warnings that are kept


class _Keeper(logging.Handler):
    """Messages of level WARNING and above, as a record of what was made can hold them: each once, `MOST` of them."""

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
    """Add what another process has kept, and logged itself."""
    for keeper in logging.getLogger().handlers:
        if isinstance(keeper, _Keeper):
            for message in messages:
                keeper.add(message)
