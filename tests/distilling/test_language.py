"""Language models in a `Distiller`: state, perplexity, what is refused."""

import keras
import languages
import matrices
import numpy as np
import pytest
from languages import WORDS
from languages import batches
from languages import lstm
from languages import tokens
from matrices import pairs
from reference import softmax
from replicas import mirrored

import keras_ban
from keras_ban.data import text
from keras_ban.metrics import Perplexity

ROWS, STEPS = 4, 5
STILL = keras.optimizers.SGD


def sharp(**kwargs):
    """A network whose outputs depend on all words before."""
    model = lstm(0.0, optimizer=STILL(0.0), **kwargs)
    rng = np.random.default_rng(3)
    for weight in model.trainable_variables:
        weight.assign(0.7 * rng.normal(size=weight.shape))
    return model


def other(**kwargs):
    model = sharp(**kwargs)
    for weight in model.trainable_variables:
        weight.assign(weight * 0.6)
    return model


def streams():
    """All words of `batches`, each stream in one piece, and their labels."""
    x, y = zip(*batches(ROWS, STEPS).as_numpy_iterator(), strict=True)
    words = np.concatenate([part["words"] for part in x], 1)
    return words, np.concatenate(y, 1)


def whole(model):
    """Probabilities in float64, all steps at once."""
    words, _ = streams()
    z = model(languages.inputs(ROWS, True, words))
    return softmax(keras.ops.convert_to_numpy(z).astype("float64"))


HOW = {"steps_per_execution": 3}, {"eager": True}


@pytest.mark.parametrize(
    ("how", "teacher_outputs"), pairs(HOW, ["cached", "online"])
)
def test_both_terms_are_those_of_whole_streams(how, teacher_outputs):
    student, teacher = other(**how), sharp()
    q, p = whole(student), whole(teacher)
    label = -np.log(np.take_along_axis(q, streams()[1][..., None], -1)).mean()
    soft = -(p * np.log(q)).sum(-1).mean()
    distiller = keras_ban.Distiller(student, teacher, "ban+l")
    fit = {"teacher_outputs": teacher_outputs, "epochs": 2, "verbose": 0}
    history = distiller.fit(batches(ROWS, STEPS), **fit).history
    # Each epoch begins anew.
    np.testing.assert_allclose(history["label_loss"], [label] * 2, rtol=1e-5)
    np.testing.assert_allclose(history["teacher_loss"], [soft] * 2, rtol=1e-5)


def test_validation_in_an_epoch_leaves_training_where_it_was():
    held_out = text.evaluation(tokens(40, 1), ROWS, STEPS, starts=True)
    found = []
    # An epoch ends within a pass.
    for validation in (None, held_out):
        student = other(eager=True)
        distiller = keras_ban.Distiller(student, sharp(), "ban+l")
        fit = {"steps_per_epoch": 2, "epochs": 3, "verbose": 0}
        history = distiller.fit(
            batches(ROWS, STEPS), validation_data=validation, **fit
        ).history
        found.append([history[k] for k in ("label_loss", "teacher_loss")])
    np.testing.assert_array_equal(*found)


def test_the_teacher_is_left_as_it_was_found():
    teacher = sharp(eager=True)
    before = teacher.get_weights()
    keras_ban.Distiller(other(eager=True), teacher, "ban").fit(
        batches(ROWS, STEPS), verbose=0
    )
    for one, now in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(one, now)
    assert teacher.trainable and teacher.optimizer.iterations == 0


def test_gradients_are_clipped_by_their_global_norm():
    def trained(**clip):
        student = languages.compiled(
            sharp(), True, keras.optimizers.SGD(1.0, **clip)
        )
        before = student.get_weights()
        ds = batches(ROWS, STEPS).take(1)
        distiller = keras_ban.Distiller(student, other(), "ban+l")
        distiller.fit(ds, verbose=0)
        pairs = zip(student.get_weights(), before, strict=True)
        return np.concatenate([(b - a).ravel() for a, b in pairs])

    free = trained()
    norm = np.linalg.norm(free)
    assert norm > 0.1
    clipped = trained(global_clipnorm=0.05)
    np.testing.assert_allclose(clipped, free * 0.05 / norm, atol=1e-6)


HELD_OUT = tokens(50, 1)


def reference_perplexity(model):
    z = model(languages.inputs(1, True, HELD_OUT[None, :-1]))
    p = softmax(keras.ops.convert_to_numpy(z)[0].astype("float64"))
    return np.exp(-np.log(p[np.arange(49), HELD_OUT[1:]]).mean())


CUTS = {"whole": (1, 35), "rows": (3, 4), "steps": (1, 1), "long": (2, 49)}


@pytest.mark.parametrize(("rows", "steps"), matrices.rows(CUTS, "rows", "long"))
def test_perplexity_is_that_of_the_stream_however_it_is_cut(rows, steps):
    model = languages.compiled(
        sharp(), optimizer="sgd", weighted_metrics=[Perplexity()]
    )
    expected = reference_perplexity(model)
    ds = text.evaluation(HELD_OUT, rows, steps, starts=True)
    found = model.evaluate(ds, return_dict=True, verbose=0)["perplexity"]
    assert found == pytest.approx(expected, rel=1e-5)
    lineage = keras_ban.Lineage(
        [
            keras_ban.Generation(k, f"BAN-{k}", m, "ban")
            for k, m in enumerate((model, other()))
        ]
    )
    table = lineage.evaluate(ds)
    assert table[0]["perplexity"] == pytest.approx(expected, rel=1e-5)
    assert table[0]["perplexity"] == np.exp(table[0]["nll"])
    assert table[-1]["name"] == "Ens*all" and table[-1]["perplexity"] > 1
    assert "perplexity" in str(table)


def test_an_ensemble_carries_the_states_of_its_members():
    members = [sharp(), other()]
    mean = keras_ban.ensemble(members)
    expected = sum(map(whole, members)) / 2
    found = [mean.predict_on_batch(x) for x, _ in batches(ROWS, STEPS)]
    np.testing.assert_allclose(
        np.concatenate(found, 1), expected, rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_rows_are_predicted_in_batches_of_any_size(size):
    model, words = sharp(), streams()[0]
    found = model.predict(
        languages.inputs(ROWS, True, words), batch_size=size, verbose=0
    )
    expected = softmax(found.astype("float64"))
    np.testing.assert_allclose(whole(model), expected, rtol=1e-4, atol=1e-7)


def arrays(model_fn, **fit):
    x, y = next(iter(batches(ROWS, STEPS)))
    x = {k: v.numpy() for k, v in x.items()}
    keras_ban.BornAgain(model_fn).fit(x, y.numpy(), verbose=0, **fit)


@pytest.mark.parametrize(
    "fit",
    [
        lambda m: arrays(lambda: lstm(eager=True)),
        lambda m: keras_ban.BornAgain(lambda: lstm(eager=True)).fit(
            batches(), shuffle=20, verbose=0
        ),
        lambda m: m.fit(batches().shuffle(9), verbose=0),
        lambda m: m.fit(batches(), shuffle=20, verbose=0),
    ],
)
def test_shuffled_data_is_refused(fit):
    distiller = keras_ban.Distiller(lstm(eager=True), sharp(), "ban")
    with pytest.raises(ValueError, match=r"carries its state.*shuffle=False"):
        fit(distiller)


def test_several_replicas_are_refused():
    def model_fn():
        return lstm(eager=True)

    with pytest.raises(ValueError, match=r"one device can.*strategy=None"):
        keras_ban.BornAgain(model_fn, strategy=mirrored(2)).fit(
            batches(), verbose=0
        )
    with mirrored(2).scope():
        student = model_fn()
    with pytest.raises(ValueError, match=r"one device can.*2 replicas"):
        keras_ban.Distiller(student, sharp(), "ban").fit(batches(), verbose=0)


def test_a_teacher_of_other_words_is_refused():
    teacher = languages.models.lstm_lm(WORDS + 3, 6, rows=8)
    distiller = keras_ban.Distiller(lstm(eager=True), teacher, "ban")
    with pytest.raises(ValueError, match=r"the same classes.*12.*15"):
        distiller.fit(batches(), verbose=0)


def test_rows_in_their_order_are_taken():
    arrays(lambda: lstm(eager=True), shuffle=False, batch_size=4, generations=1)


def test_a_network_without_a_state_may_be_shuffled():
    ds = text.batches(tokens(60), ROWS, STEPS)
    assert WORDS == 12
    keras_ban.BornAgain(lambda: languages.gpt(eager=True), "ban+l").fit(
        ds, generations=1, shuffle=8, verbose=0
    )


def test_all_but_one_of_the_probabilities_are_all():
    """What is left goes to the one that is not kept."""
    found = []
    for cache in ("online", keras_ban.TeacherCache(top_k=WORDS - 1)):
        student = other(eager=True)
        languages.compiled(student, True)
        fit = {"teacher_outputs": cache, "epochs": 2, "verbose": 0}
        distiller = keras_ban.Distiller(student, sharp(), "ban+l")
        history = distiller.fit(batches(ROWS, STEPS), **fit).history
        found.append((history["teacher_loss"], student.get_weights()))
    (losses, weights), (kept_losses, kept_weights) = found
    np.testing.assert_allclose(kept_losses, losses, rtol=1e-5)
    for one, kept in zip(weights, kept_weights, strict=True):
        np.testing.assert_allclose(kept, one, rtol=1e-4, atol=1e-5)
