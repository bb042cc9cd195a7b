"""Whom born-again trees may learn from, and what that teaches them."""

import keras
import numpy as np
import pytest
from builders import compiled
from builders import mlp
from forests import FOREST
from forests import LABELS
from forests import VALUES
from forests import X
from forests import classifier
from forests import regressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.svm import LinearSVC
from weights import assert_same

import keras_ban


def test_leaves_hold_the_mean_of_the_teachers_probabilities():
    drawn = []

    def teacher(rows):
        p = FOREST.predict_proba(rows)
        drawn.append((rows.copy(), p))
        return p

    found = classifier(teacher, p_alter=0.5, max_samples=3000).fit(X)
    # After a try on real rows come all of these, then 300 that are held out,
    # then those that the tree is grown on.
    rows, p = (np.concatenate(parts[3:]) for parts in zip(*drawn, strict=True))
    assert len(rows) == 2700
    leaves = found.apply(rows)
    for leaf in np.unique(leaves):
        expected = p[leaves == leaf].mean(0)
        value = found.tree_.value[leaf, 0]
        np.testing.assert_allclose(value, expected, atol=1e-12)
        gini = 1 - np.square(expected).sum()
        assert found.tree_.impurity[leaf] == pytest.approx(gini)
    shown = found.predict_proba(rows)
    np.testing.assert_allclose(shown, found.tree_.value[leaves, 0])
    assert set(np.unique(shown.max(1).round(3)).tolist()) - {0.0, 1.0}


def test_soft_targets_say_more_than_votes():
    x = np.random.default_rng(0).uniform(size=(300, 1))

    def unsure(rows):
        return 0.6 + 0.3 * (rows[:, 0] > 0.4)

    found = classifier(unsure, p_alter=1.0).fit(x)
    # All votes are for class 1, so only probabilities tell the halves apart.
    assert set(found.predict(x)) == {1}
    expected = unsure(x)
    np.testing.assert_allclose(found.predict_proba(x)[:, 1], expected)
    assert found.get_n_leaves() == 2


@pytest.mark.parametrize(
    "ending", ["logits", "softmax", "sigmoid", "one logit"]
)
def test_keras_classifiers(ending):
    keras.utils.set_random_seed(0)
    outputs = {"logits": 3, "softmax": 3}.get(ending, 1)
    activation = ending if ending in ("softmax", "sigmoid") else None
    model = mlp(outputs=outputs, last=activation)
    weights = model.get_weights()
    found = classifier(model).fit(X)
    z = np.asarray(model(X.astype("float32")))
    if ending == "one logit":
        classes = (z[:, 0] > 0).astype(int)
    elif ending == "sigmoid":
        classes = (z[:, 0] > 0.5).astype(int)
    else:
        classes = z.argmax(1)
    assert np.mean(found.predict(X) == classes) > 0.85
    assert found.classes_.tolist() == list(range(max(outputs, 2)))
    assert_same(model, weights)


def test_an_ensemble_of_generations_and_the_names_of_its_classes():
    def model_fn():
        return compiled(mlp(16, outputs=3), eager=False, optimizer="adam")

    numbers = np.unique(LABELS, return_inverse=True)[1]
    ban = keras_ban.BornAgain(model_fn)
    lineage = ban.fit(X, numbers, generations=1, epochs=2, verbose=0)
    bane = lineage.ensemble()
    found = classifier(bane).fit(X, LABELS)
    assert found.classes_.tolist() == ["low", "mid", "top"]
    expected = np.unique(LABELS)[bane.predict(X, verbose=0).argmax(1)]
    assert np.mean(found.predict(X) == expected) > 0.8


def test_teachers_of_other_kinds():
    def probability(rows):
        return 1 / (1 + np.exp(-20 * (rows[:, 0] - 0.5)))

    found = classifier(probability).fit(X)
    assert np.mean(found.predict(X) == (X[:, 0] > 0.5)) > 0.97
    # Votes alone, and classes that are words.
    votes = LinearSVC(random_state=0).fit(X, LABELS)
    found = classifier(votes).fit(X)
    assert found.fidelity_.real > 0.75
    assert set(found.predict(X)) <= {"low", "mid", "top"}
    # Without a teacher: a random forest.
    assert isinstance(
        classifier().fit(X, LABELS).teacher_, RandomForestClassifier
    )
    assert isinstance(
        regressor().fit(X, VALUES).teacher_, RandomForestRegressor
    )
    # Another born-again tree.
    again = classifier(found.pruned(10)).fit(X)
    assert again.fidelity_.real >= 0.99


def test_keras_regressors_and_several_values():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    found = regressor(model).fit(X)
    taught = model.predict(X, verbose=0)
    assert found.predict(X).shape == taught.shape == (400, 2)
    assert found.fidelity_.real > 0.7
    both = LinearRegression().fit(X, np.stack([VALUES, -VALUES]).T)
    found = regressor(both).fit(X)
    one, other = found.predict(X).T
    np.testing.assert_allclose(one, -other, atol=1e-9)
    assert regressor(lambda rows: rows[:, 0]).fit(X).predict(X).shape == (400,)
