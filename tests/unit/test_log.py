"""What a person reads of a job: one line of what is to be put right, and the warnings that are kept for the page."""

import logging
import subprocess
import sys
import warnings

import pytest

from trifold import log

RAISES = """
from trifold import log
from trifold.errors import InputError
log.start({logs!r})
{error}
"""


def fails(repository, tmp_path, error: str, logged: bool = True) -> tuple[str, str]:
    """What a script that raises leaves on stderr and in its log; it ends with code 1."""
    path = tmp_path / "job.log"
    code = RAISES.format(logs=[str(path)] if logged else [], error=error)
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr, path.read_text() if logged else ""


def test_d19_an_input_error_is_one_line_with_the_log(repository, tmp_path):
    error = (
        "try:\n  1 / 0\nexcept ZeroDivisionError as e:\n  raise InputError('map.cool: bin_bp is 0;\\nset it') from e"
    )
    stderr, logged = fails(repository, tmp_path, error)
    assert stderr == f"error: map.cool: bin_bp is 0; set it (log: {tmp_path}/job.log)\n"
    assert logged == stderr


def test_d19_an_input_error_grants_nothing(repository, tmp_path):
    stderr, _ = fails(
        repository, tmp_path, "raise InputError('https://me:word@host/a?token=abc is gone')", logged=False
    )
    assert stderr == "error: https://***@host/a?token=*** is gone\n"


def test_d19_any_other_error_leaves_its_traceback(repository, tmp_path):
    stderr, logged = fails(repository, tmp_path, "raise ValueError('of ours')")
    assert stderr == logged
    assert "CRITICAL root: uncaught exception\nTraceback (most recent call last):" in logged
    assert logged.endswith("ValueError: of ours\n")


@pytest.fixture
def captured():
    """Python's warnings as records, as `log.start` has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        yield
        logging.captureWarnings(False)


def test_t13_warnings_are_kept_once_and_say_no_path(captured):
    logger = logging.getLogger("trifold.test")
    with log.kept() as messages:
        for _ in range(2):
            logger.warning("%s: bins without data", "chr1")
            warnings.warn("mean of\nnothing", RuntimeWarning, stacklevel=1)
        logger.info("as it goes")
        logger.error("https://me:word@host/a: gone")
    logger.warning("later")
    assert messages == ["chr1: bins without data", "RuntimeWarning: mean of\nnothing", "https://***@host/a: gone"]


def test_t13_not_more_are_kept_than_a_page_can_show():
    logger = logging.getLogger("trifold.test")
    with log.kept() as messages:
        for number in range(log.MOST + 5):
            logger.warning("%d: %s", number, "x" * 2 * log.LONGEST)
    assert len(messages) == log.MOST + 1
    assert messages[-1] == log.MORE
    assert {len(message) for message in messages[:-1]} == {log.LONGEST}


def test_t13_warnings_of_another_process_are_added():
    with log.kept() as outer, log.kept() as inner:
        log.keep(["a", "b"])
        log.keep(["b"])
    assert outer == inner == ["a", "b"]
