"""What a table shows, drawn: points, intervals and a control beside them."""

import itertools
import sys

import keras
import numpy as np
import pytest
from builders import mlp
from families import ALL
from families import X
from families import Y
from families import family
from hostile import replace
from hostile import within

from keras_ban import Generation
from keras_ban import Lineage
from keras_ban.reporting import plot
from keras_ban.reporting.table import Table


def test_plot(whole, table, tmp_path):
    from matplotlib import image

    whole.plot(tmp_path / "lineage.png")
    pixels = image.imread(tmp_path / "lineage.png")[..., :3]
    assert pixels.shape[0] > 300
    assert pixels.shape[1] > 900
    drawn = pixels.min(-1) < 0.9
    for third in np.array_split(drawn, 3, axis=1):
        assert 0.005 < third.mean() < 0.5


def points(axes):
    """Where the points of a panel stand, and how far their bars reach."""
    found = []
    for container in axes.containers:
        line, _, [bars] = container.lines
        [[x, y]] = line.get_xydata()
        [[_, low], [_, high]] = bars.get_segments()[0]
        found.append((x, y, low, high))
    return found


def test_a_point_and_its_interval_for_each_network(whole, table):
    left, middle, _ = whole.plot().axes
    for axes, column, scale in ((left, "error", 100), (middle, "nll", 1)):
        found = points(axes)
        assert [x for x, *_ in found] == list(range(len(ALL)))
        for (_, y, low, high), row in zip(found, table, strict=True):
            assert y == pytest.approx(scale * row[column])
            ends = [scale * end for end in table.intervals[row["name"]][column]]
            assert [low, high] == pytest.approx(ends)
            bottom, top = axes.get_ylim()
            assert bottom <= low < high < top


def test_the_control_stands_beside_the_run(whole, table):
    control = family(mlp(5), mlp(5))
    control.evaluate(X, Y)
    left, *_ = whole.plot(control=control).axes
    assert len(points(left)) == len(ALL) + 3
    colors = [c.lines[0].get_color() for c in left.containers]
    assert len(set(colors)) == 2
    texts = [text.get_text() for text in left.get_legend().get_texts()]
    assert sorted(texts) == ["on the labels alone", "this run"]


def test_a_control_of_other_data_is_refused(whole, table):
    control = family(mlp(5), mlp(5))
    with pytest.raises(ValueError, match="Nothing to plot"):
        whole.plot(control=control)
    control.evaluate(X[:60], Y[:60])
    with pytest.raises(ValueError, match="evaluated on other data"):
        whole.plot(control=control)
    control.evaluate(X, Y, title="the same data")
    whole.plot(control=control)


def scaled_mlp():
    keras.utils.set_random_seed(0)
    return mlp(scale=2)


@pytest.mark.parametrize("count", [1, 6])
def test_a_control_of_another_length_is_matched_by_generation(
    whole, table, count
):
    model = scaled_mlp()
    control = Lineage(
        [Generation(k, f"Labels-{k}", model, "labels") for k in range(count)]
    )
    control.evaluate(X, Y)
    left, *_ = whole.plot(control=control).axes
    places = [x for x, *_ in points(left)]
    beside = [x - 0.2 for x in places if x % 1]
    # Up to BAN-3, and the ensembles that both have.
    expected = [0] if count == 1 else [0, 1, 2, 3, 4, 5, 6]
    assert beside == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 20])
def test_names_do_not_overlap(count):
    model = scaled_mlp()
    generations = [
        Generation(k, f"BAN-{k}" if k else "Teacher", model, "ban")
        for k in range(count)
    ]
    many = Lineage(generations)
    many.evaluate(X, Y)
    picture = many.plot()
    picture.canvas.draw()
    for axes in picture.axes[:2]:
        boxes = [t.get_window_extent() for t in axes.get_xticklabels()]
        assert len(boxes) >= count
        for before, after in itertools.pairwise(boxes):
            assert before.x1 <= after.x0 + 1


def test_plot_of_one_generation(whole, tmp_path):
    alone = Lineage(whole[:1])
    alone.evaluate(X, Y)
    alone.plot(str(tmp_path / "alone.pdf"))
    content = (tmp_path / "alone.pdf").read_bytes()
    assert content.startswith(b"%PDF") and len(content) > 1000


def test_plot_before_evaluation(whole, tmp_path):
    with pytest.raises(ValueError, match=r"Nothing to plot.*evaluate"):
        Lineage(whole).plot(tmp_path / "lineage.png")
    assert not list(tmp_path.iterdir())


def test_plot_without_matplotlib(whole, table, tmp_path, monkeypatch):
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"\.\[plots\]"):
        whole.plot(tmp_path / "lineage.png")


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket"])
def test_plot_where_no_file_can_be(kind, tmp_path):
    path = tmp_path / "lineage.png"
    replace(path, kind, tmp_path)
    with within(), pytest.raises(OSError, match=r"lineage\.png is in the way"):
        plot.draw(Table([], "nothing"), path)
