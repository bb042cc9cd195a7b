"""The estimators of scikit-learn: what they train, choose and say."""

import functools
import pickle
import random

import keras
import numpy as np
import pandas
import pytest
from scipy import sparse
from scipy.special import expit
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.model_selection import KFold
from sklearn.model_selection import cross_val_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.preprocessing import StandardScaler
from tables import CODES
from tables import MARKS
from tables import NAMES
from tables import ONE
from tables import VALUES
from tables import X
from tables import classifier
from tables import regressor
from tables import softmax_fn

import keras_ban
from keras_ban.sklearn.network import perceptron

FRAME = pandas.DataFrame(X, columns=list("abcdef"))


def fitted_on_frame():
    return classifier(epochs=15).fit(FRAME, NAMES)


@pytest.fixture(scope="module")
def fitted():
    return fitted_on_frame()


def test_it_learns_names(fitted):
    assert fitted.score(FRAME, NAMES) > 0.9
    assert fitted.classes_.tolist() == ["ash", "elm", "fir", "oak"]
    assert set(fitted.predict(FRAME)) == set(NAMES)
    assert fitted.feature_names_in_.tolist() == list("abcdef")
    assert fitted.n_features_in_ == 6


def test_probabilities_are_those_of_the_best_network(fitted):
    assert fitted.model_ is fitted.lineage_.best.model
    assert len(fitted.lineage_) == 2
    logits = fitted.model_.predict(X, verbose=0).astype("float64")
    found = fitted.predict_proba(FRAME)
    np.testing.assert_allclose(found, softmax(logits, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(
        fitted.classes_[found.argmax(1)], fitted.predict(FRAME)
    )


def test_networks_are_measured_once(fitted):
    assert all(len(g.history["loss"]) == 15 for g in fitted.lineage_)
    assert all(len(g.history["val_loss"]) == 1 for g in fitted.lineage_)


def test_a_seed_gives_the_same_bits_and_touches_no_other(fitted):
    before = np.random.get_state()[1].copy(), random.getstate()
    again = fitted_on_frame()
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert random.getstate() == before[1]
    np.testing.assert_array_equal(
        again.predict_proba(FRAME), fitted.predict_proba(FRAME)
    )


def test_without_a_seed_fits_differ():
    np.random.seed(0)
    one, other = (
        classifier(**ONE, epochs=1, random_state=None).fit(X, NAMES)
        for _ in range(2)
    )
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_it_is_pickled_with_its_networks(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        again.predict_proba(FRAME), fitted.predict_proba(FRAME)
    )
    # Once, not once for each name.
    assert again.model_ is again.lineage_.best.model


def test_a_row_is_predicted_alike_whatever_is_beside_it():
    # Of several outputs a single row has the same bits anyway.
    found = regressor(**ONE, epochs=1).fit(X, VALUES[:, 0])
    whole = found.predict(X)
    alone = [found.predict(X[k : k + 1]) for k in range(12)]
    np.testing.assert_array_equal(np.concatenate(alone), whole[:12])
    np.testing.assert_array_equal(found.predict(X[5:50]), whole[5:50])
    for k in range(4):
        many = np.concatenate([np.roll(X, -k, axis=0)] * 7)[:1025]
        last = found.predict(many)[-1]
        np.testing.assert_array_equal(last, whole[(1024 + k) % len(X)])


def test_it_trains_as_born_again_does():
    weights = np.linspace(0.5, 2, len(X)).astype("float32")
    balance = {"ash": 1.0, "elm": 2.0, "fir": 3.0, "oak": 0.5}
    found = classifier(
        model=softmax_fn,
        model_kwargs={"units": 7},
        objective="kd",
        validation_fraction=0.25,
        class_weight=balance,
        batch_size=16,
    ).fit(X, NAMES, weights)

    number = np.random.RandomState(0).randint(2**31 - 1)
    train, other = train_test_split(
        np.arange(len(X)),
        test_size=0.25,
        random_state=number,
        stratify=CODES,
    )
    marks = keras.utils.to_categorical(CODES)
    weights = weights * [balance[name] for name in NAMES]
    model_fn = functools.partial(softmax_fn, X, marks, units=7)
    lineage = keras_ban.BornAgain(model_fn, "kd", seed=number).fit(
        X[train],
        marks[train],
        sample_weight=weights[train].astype("float32"),
        generations=1,
        epochs=2,
        batch_size=16,
        verbose=0,
    )
    for one, same in zip(found.lineage_, lineage, strict=True):
        for a, b in zip(
            one.model.get_weights(), same.model.get_weights(), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    kept = X[other], CODES[other], weights[other]
    for generation, same in zip(found.lineage_, lineage, strict=True):
        expected = lineage.measure(same, *kept)
        assert generation.metrics["nll"] == pytest.approx(expected["nll"])


def test_rows_without_weight_are_left_out():
    weights = np.where(np.arange(len(X)) % 4, 1.0, 0.0)
    options = {**ONE, "validation_fraction": 0}
    found = classifier(**options).fit(X, NAMES, weights)
    kept = weights > 0
    other = classifier(**options).fit(X[kept], NAMES[kept], weights[kept])
    np.testing.assert_array_equal(
        found.predict_proba(X), other.predict_proba(X)
    )
    with pytest.raises(ValueError, match=r"not zero.*: 1 of 160 rows"):
        classifier().fit(X, NAMES, np.eye(len(X))[0])


def test_without_validation_the_last_generation_is_taken():
    found = regressor(validation_fraction=0, epochs=1).fit(X, VALUES[:, 0])
    assert found.model_ is found.lineage_[1].model
    assert not found.lineage_[1].metrics
    assert found.predict(X).shape == (len(X),)


def test_an_ensemble_of_several_labels():
    found = classifier(ensemble=True).fit(X, MARKS)
    assert found.classes_.tolist() == [0, 1]
    members = [
        expit(g.model.predict(X, verbose=0).astype("float64"))
        for g in found.lineage_
    ]
    expected = np.mean(members, axis=0)
    np.testing.assert_allclose(found.predict_proba(X), expected, rtol=1e-5)
    np.testing.assert_array_equal(found.predict(X), expected > 0.5)
    assert found.score(X, MARKS) > 0.6


def test_sparse_marks_are_labels_as_dense_ones_are():
    options = {**ONE, "epochs": 1, "class_weight": "balanced"}
    found = [
        classifier(**options).fit(X, marks).predict_proba(X)
        for marks in (MARKS, sparse.csr_matrix(MARKS))
    ]
    np.testing.assert_array_equal(*found)


def test_values_of_any_size_are_learned_alike():
    options = {**ONE, "epochs": 10}
    expected = regressor(**options).fit(X, VALUES)
    score = expected.score(X, VALUES)
    assert score > 0.9
    for scale, shift in ((1e6, 1e7), (1e-6, 0), (1e12, 0), (1e-12, 0)):
        values = VALUES * scale + shift
        found = regressor(**options).fit(X, values)
        np.testing.assert_allclose(
            (found.predict(X) - shift) / scale, expected.predict(X), atol=0.02
        )
        # The lineage has them in their own units too.
        row = found.lineage_.evaluate(X, values)[0]
        assert row["r2"] == pytest.approx(score, abs=0.01)


def away(y_true, student, teacher):
    """An objective on which no student does as well as its teacher."""
    return -keras.ops.mean(keras.ops.square(student - teacher), axis=-1)


def test_several_teachers_are_not_what_is_chosen():
    options = {"objective": away, "teachers": 2, "augment": "mixup"}
    found = regressor(**options).fit(X, VALUES[:, :1])
    assert len(found.lineage_.teachers) == 2
    assert found.lineage_.best is found.lineage_[0]
    assert found.model_ is found.lineage_["BAN-1"].model
    assert found.predict(X).shape == (len(X), 1)


def test_a_model_is_cloned():
    given = softmax_fn(X, MARKS)
    before = given.get_weights()
    found = classifier(model=given, **ONE).fit(X, MARKS[:, 0] > 0)
    assert found.model_ is not given
    assert [w.shape for w in found.model_.get_weights()] == [
        w.shape for w in before
    ]
    np.testing.assert_array_equal(given.get_weights()[0], before[0])
    assert found.predict(X).dtype == bool


def test_callbacks_see_the_validation_data():
    losses = []

    class Seen(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            losses.append(logs["val_loss"])

    options = {"fit_kwargs": {"callbacks": lambda generation: [Seen()]}}
    classifier(**options, **ONE, epochs=3).fit(X, NAMES)
    assert len(losses) == 3


def test_a_class_of_one_row_is_no_hindrance():
    names = NAMES.copy()
    names[0] = "yew"
    found = classifier(**ONE, epochs=1).fit(X, names)
    assert found.predict_proba(X).shape == (len(X), 5)


def test_it_is_searched_in_a_pipeline():
    network = classifier(**ONE, epochs=1)
    pipeline = make_pipeline(MinMaxScaler(), network)
    name = "bornagainclassifier__hidden_units"
    search = GridSearchCV(pipeline, {name: [(), (32,)]}, cv=2)
    search.fit(FRAME, NAMES)
    assert search.best_estimator_[-1].hidden_units in ((), (32,))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    layers = search.best_estimator_[-1].model_.layers
    assert len(layers) == 4 + len(search.best_params_[name])


def test_its_scores_are_cross_validated():
    network, folds = classifier(**ONE, epochs=1), KFold(2)
    scores = cross_val_score(network, X, NAMES, cv=folds)
    for score, (rows, others) in zip(scores, folds.split(X), strict=True):
        found = clone(network).fit(X[rows], NAMES[rows]).predict(X[others])
        assert score == np.mean(found == NAMES[others])


def test_a_clone_has_what_was_given():
    kept = {"callbacks": []}
    options = {
        "objective": keras_ban.objectives.KD(0.3),
        "fit_kwargs": kept,
        "model": softmax_fn,
        "model_kwargs": {"units": 3},
        "class_weight": "balanced",
    }
    again = clone(classifier(**options)).get_params()
    assert again["objective"].alpha == 0.3
    assert {k: again[k] for k in options if k != "objective"} == {
        k: v for k, v in options.items() if k != "objective"
    }


def test_the_default_network_standardises():
    table = X * [1e-12, 100, 1e4, 1e-3, 1, 1e25] + [0, 5, -1e4, 0, 0, 0]
    table[:, 4] = 3
    table = table.astype("float32")
    model = perceptron(table, VALUES * 50 + 3, "values", (), 0.1)
    rows = StandardScaler().fit_transform(table.astype("float64"))
    kernel, bias = model.layers[-2].get_weights()
    inner = rows @ kernel.astype("float64") + bias
    scaled = inner * (50 * VALUES.astype("float64")).std(0)
    expected = scaled + (50 * VALUES.astype("float64")).mean(0) + 3
    np.testing.assert_allclose(
        model.predict(table, verbose=0), expected, rtol=1e-3, atol=1e-2
    )


def test_a_fit_that_fails_leaves_no_network():
    found = classifier(**ONE, epochs=1).fit(X, NAMES)
    with pytest.raises(ValueError, match="one class only"):
        found.fit(X[:, :3], ["elm"] * len(X))
    with pytest.raises(NotFittedError):
        found.predict(X[:, :3])
