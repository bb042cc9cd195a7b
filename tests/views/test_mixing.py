"""Examples and labels that are mixed of two."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_ban import views
from keras_ban.distribution.parts import Mixed
from keras_ban.feeding.views import Views
from keras_ban.views.base import Batch

ROWS = 400
# Rows that tell themselves and their shares.
EYE = np.eye(ROWS, dtype="float32")
Y = np.arange(ROWS)


def shown(augment, x, y=Y, weight=None, epoch=0, numbers=None, **how):
    numbers = np.arange(len(keras.tree.flatten(x)[0]))
    x = keras.tree.map_structure(tf.constant, x)
    y = None if y is None else tf.constant(y)
    epoch = tf.constant(epoch, "int64")
    return Views(augment, seed=5, **how)(x, y, numbers, epoch, weight)


def pool(x=EYE, y=Y, weight=None):
    arrays = (None if a is None else tf.constant(a) for a in (x, y, weight))
    return Batch(*arrays)


@pytest.mark.parametrize("how", [{}, {"pool": pool()}], ids=["batch", "all"])
def test_each_row_is_the_mean_of_itself_and_of_one_other(how):
    x, y, weight = shown("mixup", EYE, **how)
    assert isinstance(y, Mixed) and weight is None
    share = y.share.numpy().astype("float64")
    expected = np.zeros_like(EYE, "float64")
    expected[Y, y.first] += share
    expected[Y, y.second] += 1 - share
    np.testing.assert_array_equal(y.first, Y)
    np.testing.assert_array_equal(y.part, y.share)
    np.testing.assert_allclose(x, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "law"),
    [
        ("uniform", stats.uniform),
        (1, stats.uniform),
        (0.5, stats.beta(0.5, 0.5)),
    ],
)
def test_shares_and_partners_have_their_distributions(alpha, law):
    found = [
        shown(views.mixup(alpha), EYE, epoch=e, pool=pool()).labels
        for e in range(20)
    ]
    shares = np.concatenate([y.share for y in found])
    partners = np.concatenate([y.second for y in found])
    assert stats.kstest(shares, law.cdf).pvalue > 1e-4
    counts = np.bincount(partners, minlength=ROWS)
    assert stats.chisquare(counts).pvalue > 1e-4
    distances = (partners - np.tile(Y, 20)) % ROWS
    counts = np.bincount(distances, minlength=ROWS)
    assert stats.chisquare(counts).pvalue > 1e-4
    assert abs(np.corrcoef(shares, partners)[0, 1]) < 0.05


def test_a_view_follows_from_seed_example_and_epoch():
    whole = shown("mixup", EYE, pool=pool(), epoch=2)
    again = shown("mixup", EYE, pool=pool(), epoch=2)
    some = np.array([300, 2, 9])
    made = Views("mixup", seed=5, pool=pool())
    epoch = tf.constant(2, "int64")
    part = made(tf.constant(EYE[some]), tf.constant(some), some, epoch)
    np.testing.assert_array_equal(again.inputs, whole.inputs)
    np.testing.assert_array_equal(part[0], whole.inputs.numpy()[some])
    np.testing.assert_array_equal(part[1].second, whole[1].second.numpy()[some])
    other = shown("mixup", EYE, pool=pool(), epoch=3)
    assert not np.array_equal(whole.inputs, other.inputs)


def test_all_inputs_have_one_share_and_one_partner():
    x = {"a": EYE, "b": (2 * EYE[:, :, None], np.stack([EYE, -EYE], -1))}
    found, y, _ = shown("mixup", x)
    for leaf, factor in zip(
        keras.tree.flatten(found), (1, 2, np.array([1, -1])), strict=True
    ):
        own = found["a"].numpy() if leaf.ndim == 2 else found["a"][..., None]
        np.testing.assert_allclose(leaf, own * factor, atol=1e-6)
    np.testing.assert_array_equal(found["a"].numpy()[Y, y.second] > 0, True)


def test_bytes_are_mixed_as_floats():
    x = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3)).astype("uint8")
    found, y, _ = shown("mixup", x, np.arange(20))
    share = y.share.numpy()[:, None, None, None].astype("float64")
    expected = share * x + (1 - share) * x[y.second]
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_each_label_has_the_weight_of_its_own_example(shape):
    w = np.random.default_rng(1).uniform(0.1, 3, shape).astype("float32")
    x = EYE[:20, :20]
    _, y, weight = shown("mixup", x, Y[:20], weight=w)
    share = y.share.numpy().reshape(-1, *[1] * (len(shape) - 1))
    one, two = share * w, (1 - share) * w[y.second]
    np.testing.assert_allclose(weight, one + two, rtol=1e-6)
    np.testing.assert_allclose(y.part * weight, one, rtol=1e-5)


def test_inputs_without_labels_are_mixed_too():
    found, y, _ = shown("mixup", EYE, None)
    assert y is None
    assert ((found.numpy() > 0).sum(1) <= 2).all()


SIZES = {"image": (6, 9, 2), "signal": (12, 3)}


@pytest.mark.parametrize("kind", SIZES)
def test_cutmix_takes_one_part_of_one_other(kind):
    size, rows = SIZES[kind], 200
    x = np.broadcast_to(
        np.arange(rows, dtype="float32").reshape(-1, *[1] * len(size)),
        (rows, *size),
    )
    found, y, _ = shown("cutmix", x, Y[:rows])
    found, second = found.numpy(), y.second.numpy()
    cuts = []
    for row in range(rows):
        cut = (found[row] != row).all(-1)
        assert (found[row][cut] == second[row]).all()
        spans = [
            np.flatnonzero(cut.any(tuple(a for a in range(cut.ndim) if a != k)))
            for k in range(cut.ndim)
        ]
        # A whole rectangle, without holes.
        assert cut.sum() == np.prod([len(s) for s in spans])
        assert all((np.diff(s) == 1).all() for s in spans)
        if second[row] != row:
            assert y.share.numpy()[row] == pytest.approx(1 - cut.mean())
            cuts.append(cut)
    # Every place is cut at times, those in the middle more often.
    often = np.mean(cuts, axis=0)
    middle = tuple(n // 2 for n in size[:-1])
    assert 0.02 < often.min() and often[middle] == pytest.approx(0.4, abs=0.15)


def test_cutmix_keeps_the_share_that_was_drawn_but_for_edges():
    x = np.zeros((2000, 40, 40, 1), "float32")
    share = shown("cutmix", x, np.arange(2000))[1].share.numpy()
    # A center at an edge keeps more than was drawn.
    rng = np.random.default_rng(0)
    drawn, center = rng.random(20_000), rng.integers(0, 40, (2, 20_000))
    half = (40 * np.sqrt(1 - drawn)).astype(int) // 2
    sides = np.minimum(center + half, 40) - np.maximum(center - half, 0)
    expected = 1 - sides.prod(0) / 1600
    assert stats.ks_2samp(share, expected).pvalue > 1e-4


def test_views_before_a_mixing_one_change_both_examples():
    x = np.ones((30, 8, 8, 1), "float32") * np.arange(30)[:, None, None, None]
    augment = [views.shift(3), "mixup"]
    found, y, _ = shown(augment, x, Y[:30], pool=pool(x, Y[:30]))
    share = y.share.numpy()
    kinds = set()
    for row, image in enumerate(found.numpy()[..., 0]):
        one, two = share[row] * row, (1 - share[row]) * y.second[row].numpy()
        near = [
            np.isclose(image, v, atol=1e-4) for v in (0, one, two, one + two)
        ]
        assert np.any(near, axis=0).all()
        kinds |= {k for k in range(4) if near[k].any()}
    # So each was shifted by itself, another way than its partner.
    assert kinds == {0, 1, 2, 3}


def test_views_after_a_mixing_one_see_the_mixed_example():
    found, y, _ = shown(["mixup", views.noise(1e-3)], EYE)
    share, mixed = y.share.numpy(), np.zeros_like(EYE)
    mixed[Y, Y] += share
    mixed[Y, y.second] += 1 - share
    noise = found.numpy() - mixed
    assert noise.std() == pytest.approx(1e-3, rel=0.02)
