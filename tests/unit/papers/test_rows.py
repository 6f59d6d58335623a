"""Rows of a paper's tables that an experiment has arms for."""

import pytest

from trifold.errors import InputError
from trifold.papers import rows


def test_an_experiment_has_the_rows_of_its_arms():
    config = {
        "arms": {"identity": {}, "image": {}},
        "splits": {"a": {}},
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


def test_a_row_of_a_split_that_is_not_there_is_refused():
    section = {"table3": {"Chromosome": {"fold": "a", "arms": ["image"]}}}
    config = {"arms": {"image": {}}, "splits": {"a-1": {}, "a-2": {}}, "paper": section}
    with pytest.raises(InputError, match=r"paper/table3/Chromosome/fold: 'a' is not one of \['a-1', 'a-2'\]"):
        rows.used(config, "paper")
