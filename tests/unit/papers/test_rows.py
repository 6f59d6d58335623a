"""Rows of a paper's tables that an experiment has arms for."""

import pytest

from trifold.errors import InputError
from trifold.papers import rows


def test_an_experiment_has_the_rows_of_its_arms():
    config = {
        "arms": {"identity": {}, "image": {}},
        "paper": {
            "table1": {"Akita-like": ["sequence"], "img-to-img": ["image", "sequence"]},
            "table3": {"Random": {"fold": "b", "arms": ["sequence"]}, "Chromosome": {"fold": "a", "arms": ["image"]}},
            "figures": {"maps": ["image", "sequence"], "sequence": ["sequence"], "windows": 3},
            "differences": {"img-to-img": ["Akita-like"]},
        },
    }
    assert rows.used(config, "paper") == {
        "table1": {"img-to-img": ["image"]},
        "table3": {"Chromosome": {"fold": "a", "arms": ["image"]}},
        "figures": {"maps": ["image"], "windows": 3},
        "differences": {"img-to-img": ["Akita-like"]},
    }


def test_differences_are_of_rows_of_the_table():
    section = {"table1": {"With": ["a"], "Without": ["b"]}, "differences": {"With": ["Wthout"]}}
    with pytest.raises(InputError, match=r"paper/differences/With: \['Wthout'\] is not one of \['With', 'Without'\]"):
        rows.used({"arms": {}, "paper": section}, "paper")
