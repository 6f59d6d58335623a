"""The one exception a user is meant to read."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class InputError(ValueError):
    """Something the user gave is wrong. The message names the file, the field and the remedy.

    alone: the message where there is no experiment whose settings could be changed; the same unless given.
    """

    def __init__(self, message: str, alone: str | None = None):
        super().__init__(message)
        self.alone = alone or message


@contextmanager
def standing_alone(called: Mapping[str | os.PathLike, str | os.PathLike] | None = None) -> Iterator[None]:
    """Errors without an experiment in them, and with the user's own file in place of what was made of it.

    called: path of what was made -> what the user calls it.
    """
    try:
        yield
    except InputError as error:
        message = error.alone
        for made, called_by_user in (called or {}).items():
            message = message.replace(os.fspath(made), os.fspath(called_by_user))
        raise InputError(message) from error
