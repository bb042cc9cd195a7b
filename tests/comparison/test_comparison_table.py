"""How a comparison is shown: text, HTML, picture."""

import html.parser
import io

import pytest
from comparisons import OTHER
from comparisons import around
from comparisons import results
from comparisons import table

from keras_ban import Method
from keras_ban.comparison import plot
from keras_ban.comparison.measures import NLL

ERRORS = {"labels": around(45.0), "ban": around(44.0, spread=OTHER)}


def lines(found):
    return str(found).splitlines()


def test_table():
    found = lines(table(ERRORS, ["ban"]))
    assert found[0] == "made-up data"
    head, labels, ban = found[1].split(), found[3].split(), found[4].split()
    assert " ".join(head) == "method error % NLL ECE % to twin train run"
    # Half of the interval: 2.776 standard errors.
    assert labels[:3] == ["labels", "45.00", "+-0.25"]
    assert labels[-3:] == ["-", "1.0", "1"]
    assert ban[0] == "ban" and ban[1] == "44.00"
    assert ban[-4] == "-1.00" and ban[-2:] == ["2.0", "1"]


@pytest.mark.parametrize("mean", [3.0, 45.0, 100.0])
@pytest.mark.parametrize("spread", [0.01, 1.0, 40.0])
@pytest.mark.parametrize("name", ["a" * 40, "ban and so on", "Ω" * 20, "b"])
def test_never_wider_than_80_columns(mean, spread, name):
    errors = {
        "labels": around(mean, spread),
        name: around(mean, spread, OTHER),
    }
    found = table(errors, [Method(name=name)])
    assert max(map(len, lines(found))) <= 80
    for text in (name.encode("ascii", "backslashreplace").decode(),):
        assert text[:8] in str(found)


def test_any_stream_can_print_it():
    found = table({"labels": 5.0, "β±": 4.0}, [Method(name="β±")])
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    print(found, file=stream)
    stream.flush()
    assert b"\\u03b2\\xb1" in stream.buffer.getvalue()


class Reader(html.parser.HTMLParser):
    """The tags of a page, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_html_shows_names_as_they_are():
    name = "<script>&\"'"
    found = table(ERRORS | {name: 41.0}, ["ban", Method("kd", name=name)])
    page = Reader(found._repr_html_())
    assert set(page.tags) == {
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "p")
    }
    assert name in page.text
    assert "45.00 ±0.25" in page.text


def test_picture(tmp_path):
    found = results(
        ERRORS | {"$x$": around(41.0)}, ["ban", Method("kd", name="$x$")]
    )
    path = tmp_path / "comparison.png"
    picture = plot.draw(found, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    left, right = picture.axes
    names = [text.get_text() for text in left.get_yticklabels()]
    assert names == ["labels", "ban", r"\$x\$"]
    drawn = [line.get_xdata() for line in left.lines]
    assert any(list(x) == list(around(45.0)) for x in drawn)
    # A line at 0, then dots and a mean for each difference.
    shown = [list(line.get_xdata()) for line in right.lines]
    assert [0, 0] in shown
    assert plot.draw(found) is not picture


def test_picture_of_the_nll():
    left, right = plot.draw(results(ERRORS, ["ban"]), measure=NLL).axes
    labels, ban = (3 * values / 100 for values in ERRORS.values())
    drawn = [line.get_xdata() for line in left.lines]
    assert any(len(x) == 5 and x == pytest.approx(labels) for x in drawn)
    shown = [line.get_xdata() for line in right.lines]
    assert any(len(x) == 5 and x == pytest.approx(ban - labels) for x in shown)
    assert left.get_xlabel() == "NLL (nats)"
    assert right.get_xlabel() == "difference to the twin (nats)"


def test_picture_needs_matplotlib(uninstall):
    uninstall("matplotlib")
    with pytest.raises(ImportError, match=r"\.\[plots\]"):
        plot.draw(results(ERRORS, ["ban"]), "never.png")
