"""The site: what checks it finds faults, and each guide has its place."""

import importlib.util

import pytest
from scripts import ROOT

CONFIG = ROOT / "docs" / "mkdocs.yml"


@pytest.fixture(scope="module")
def check():
    place = ROOT / "docs" / "site" / "check.py"
    spec = importlib.util.spec_from_file_location("check", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HEADING = '<h2 id="a-part">A part</h2>'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<a href="other.html#a-part">', []),
        ('<a href="#here"><b id="here">', []),
        ('<a href="https://example.org">', []),
        ('<a href="picture%20one.png">', []),
        ('<a href="missing.html">', ["index.html: no file for missing.html"]),
        (
            '<a href="other.html#no-part">',
            ["index.html: no anchor for other.html#no-part"],
        ),
        ('<img src="missing.png"/>', ["index.html: no file for missing.png"]),
        (
            '<script src="https://example.org/x.js"></script>',
            ["index.html: loads https://example.org/x.js"],
        ),
        (
            '<link rel="stylesheet" href="//example.org/x.css">',
            ["index.html: loads //example.org/x.css"],
        ),
        (
            '<link rel="preconnect" href="https://example.org">',
            ["index.html: loads https://example.org"],
        ),
    ],
)
def test_dead_links_and_what_a_network_gives_are_found(
    text, expected, check, tmp_path
):
    (tmp_path / "index.html").write_text(text)
    (tmp_path / "other.html").write_text(HEADING)
    (tmp_path / "picture one.png").touch()
    assert check.faults(tmp_path) == expected


def test_styles_that_load_from_a_network_are_found(check, tmp_path):
    (tmp_path / "index.html").touch()
    (tmp_path / "a.css").write_text("@import 'https://example.org/font.css';")
    (tmp_path / "b.css").write_text("b { background: url(data:image/png,x) }")
    expected = ["a.css: loads https://example.org/font.css"]
    assert check.faults(tmp_path) == expected


def test_a_site_without_pages_is_a_fault(check, tmp_path):
    assert len(check.faults(tmp_path)) == 1


def test_every_guide_has_a_place_in_the_site():
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("examples/notebooks/*.ipynb")]
    places = [
        page.relative_to(ROOT).with_suffix(".md").as_posix() for page in pages
    ]
    text = CONFIG.read_text()
    assert [place for place in places if f": {place}\n" not in text] == []
