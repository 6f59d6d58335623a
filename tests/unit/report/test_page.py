import re
from html.parser import HTMLParser

import made_up
import pandas as pd
import pytest

from trifold.report import figures, page

VOID = {"meta", "link", "br", "img", "input"}
SECTIONS = ["findings", "scores", "distance", "gallery", "training", "run", "data", "provenance", "configuration"]


class Reader(HTMLParser):
    """Checks that elements nest, and collects ids, attributes and text."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.ids, self.attributes, self.text = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if identity := dict(attrs).get("id"):
            self.ids.append(identity)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    settings = made_up.config(seeds=(1, 2), published=True)
    settings["evaluate"]["comparison"]["reference_arms"] = ["identity", "gaussian"]
    path = made_up.built(tmp_path_factory.mktemp("page"), settings, notes=["<b>Beware</b> & read"])
    assert path.name == "index.html"
    assert path.stat().st_size < 5e6
    return path.read_text()


@pytest.fixture(scope="module")
def reader(html):
    return Reader(html)


def test_every_section_is_there_and_in_the_navigation(reader):
    assert [name for name in reader.ids if name in SECTIONS] == SECTIONS
    links = [own["href"] for tag, own in reader.attributes if tag == "a" and "href" in own]
    assert links[1 : 1 + len(SECTIONS)] == [f"#{name}" for name in SECTIONS]


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(reader):
    assert len(reader.ids) == len(set(reader.ids))
    targets = {own["href"][1:] for tag, own in reader.attributes if tag == "a" and own.get("href", "").startswith("#")}
    assert targets <= set(reader.ids)


def test_nothing_is_loaded_from_elsewhere(html, reader):
    for tag, own in reader.attributes:
        for name in ("src", "href", "xlink:href", "data", "srcset", "action"):
            assert own.get(name, "#").startswith(("#", "data:")), (tag, own)
    assert not re.search(r"url\(\s*['\"]?(?!#)", html)
    assert "@import" not in html
    # What is left of http are the names of XML namespaces.
    assert set(re.findall(r'https?://[^"\s<]+', html)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_text_is_escaped(html):
    assert "&lt;b&gt;Beware&lt;/b&gt; &amp; read" in html


def test_images_have_alternatives_and_tables_have_headers(html, reader):
    images = [own for tag, own in reader.attributes if tag == "img"]
    assert len(images) == 3
    assert all(own["alt"] for own in images)
    drawn = [own for tag, own in reader.attributes if tag == "figure" and own.get("role") == "img"]
    assert len(drawn) == 4 * 2 + 4 + 1  # intervals by view and reference arm, distance by view, training
    assert all(own["aria-label"] for own in drawn)
    assert all('scope="col"' in table for table in re.findall(r"<table.*?</table>", html, flags=re.DOTALL))


def test_views_carry_what_they_show(reader):
    first = [own for tag, own in reader.attributes if tag == "input" and "checked" in own]
    assert {own["name"]: own["value"] for own in first} == {
        "degradation": "low", "sample": "alpha", "reference": "deep", "scale": "oe", "against": "identity",
    }  # fmt: skip
    views = [own for tag, own in reader.attributes if tag == "div" and "view" in own.get("class", "").split()]
    assert len(views) == 4 + 8 + 8 + 4 + 4  # findings, tables, intervals, by region, by distance
    assert all({"data-degradation", "data-sample", "data-reference", "data-scale"} <= set(own) for own in views)


def test_numbers_findings_and_provenance_are_in_the_text(reader):
    text = " ".join(" ".join(reader.text).split())
    assert "24 windows, 2 seeds" in text
    assert "Test regions: chr6:0-1,572,864" in text
    assert "the strongest row without a model" in text
    assert "published" in text
    assert "torch 2.13.0" in text
    assert "contacts/alpha/deep" in text
    assert "cdcdcdcdcdcd…" in text
    assert "experiment: made-up" in text


def test_a_bare_experiment_still_makes_a_page(tmp_path):
    """No learned arm, nothing trained, compared, shown or downloaded."""
    settings = made_up.config(seeds=(1,))
    settings["arms"] = {"identity": {"architecture": "identity"}}
    settings["evaluate"]["comparison"]["reference_arms"] = []
    nothing = {"gallery": [], "histories": pd.DataFrame(), "datasets": pd.DataFrame(), "manifest": []}
    path = made_up.built(tmp_path, settings, **nothing)
    text = " ".join(Reader(path.read_text()).text)
    for said in ("No learned arm was", "No windows were asked for", "No arm was trained", "Nothing was downloaded"):
        assert said in text


def test_inline_svg_carries_no_ids_but_those_it_refers_to():
    settings = made_up.config(seeds=(1,))
    figure = figures.training_curves(made_up.histories(settings), settings["arms"])
    svg = page._inline(figures.svg_text(figure, "key"))
    assert svg.startswith("<svg")
    used = set(re.findall(r"#([\w-]+)", svg))
    assert set(re.findall(r'id="([^"]+)"', svg)) <= used
