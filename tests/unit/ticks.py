"""Every figure that a test draws is looked at: no axis may say one thing at two of its ticks (D21).

Fixtures for the conftest of a folder whose tests draw.
"""

import made_up
import pytest
from matplotlib.figure import Figure

from trifold.report import figures

_drawn: list[Figure] = []


class _Remembered(Figure):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        _drawn.append(self)


@pytest.fixture(scope="session", autouse=True)
def remembered_figures():
    patch = pytest.MonkeyPatch()
    patch.setattr(figures, "Figure", _Remembered)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def distinct_ticks():
    yield
    figures_of_test = [*_drawn]
    _drawn.clear()
    for figure in figures_of_test:
        assert made_up.repeated_ticks(figure) == []
