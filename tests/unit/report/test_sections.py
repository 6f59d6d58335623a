"""A section of the page: written, read, and shown where it belongs."""

import re

import made_up
import pytest

from trifold.errors import InputError
from trifold.report import sections
from trifold.report.sections import Figure, Section, Table
from trifold.report.tables import Cell

FIGURES = (Figure("Called on <alpha>", "data:image/png;base64,AAAA", 320),)


def section() -> Section:
    cells = [Cell("0.25"), Cell("0.40", "± 0.28"), Cell()]
    groups = [("MSE ↓", ["paper", "published", "corrected"])]
    rows = [(["<i>A</i> & co", "Test"], cells), (["B", "Test"], cells[::-1])]
    table = Table("Table I: sequence <models>", ["model", "set"], groups, rows, "The paper's are of <mouse>.")
    return Section("paper-one", "Author et al. 2021", "Table I", ["As printed.", "A dash is none."], [table], FIGURES)


def test_a_section_is_read_as_it_was_written(tmp_path):
    path = sections.write(section(), tmp_path)
    assert path.name == "section.json"
    assert sections.read(path) == section()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"key": "a", "tables": [{"title": "no more"}]}'])
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "section.json").write_text(text)
    with pytest.raises(InputError, match=r"section\.json: no section of a page .*; make it again"):
        sections.read(tmp_path / "section.json")


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return made_up.plain(tmp_path_factory.mktemp("page"), [section(), section()._replace(key="paper-two")])


def test_sections_stand_after_the_scores(html):
    reader = made_up.Reader(html)  # elements nest
    assert len(reader.ids) == len(set(reader.ids))
    places = [reader.ids.index(name) for name in ("scores", "paper-paper-one", "paper-paper-two", "distance")]
    assert places == sorted(places)
    links = [own.get("href") for tag, own in reader.attributes if tag == "a"]
    assert links.index("#scores") + 1 == links.index("#paper-paper-one")
    text = " ".join(" ".join(reader.text).split())
    assert "Author et al. 2021: Table I" in text
    assert "As printed. A dash is none." in text and "The paper's are of <mouse>." in text


def test_figures_stand_under_the_tables(html):
    shown = re.findall(r"<figcaption>Called on &lt;alpha&gt;</figcaption>(<img [^>]*>)", html)
    assert len(shown) == 2
    assert 'src="data:image/png;base64,AAAA"' in shown[0] and "max-width:320px" in shown[0]


def test_the_tables_hold_the_cells(html):
    found = re.findall(r'<table class="paper">.*?</table>', html, flags=re.DOTALL)
    assert len(found) == 2
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in found[0].split("<tr>")[1:]]
    assert rows == [
        ["model", "set", "MSE ↓"],
        ["paper", "published", "corrected"],
        ["&lt;i&gt;A&lt;/i&gt; &amp; co", "Test", "0.25", '0.40<br><span class="spread">± 0.28</span>', "–"],
        ["B", "Test", "–", '0.40<br><span class="spread">± 0.28</span>', "0.25"],
    ]
    assert "<mouse>" not in html and "<models>" not in html


def test_without_papers_there_is_no_section(tmp_path):
    assert "paper-" not in made_up.plain(tmp_path, [])
