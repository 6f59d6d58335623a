"""The one exception a user is meant to read."""


class InputError(ValueError):
    """Something the user gave is wrong. The message names the file, the field and the remedy."""
