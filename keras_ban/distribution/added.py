"""Losses that layers add, summed over replicas as on one device.

What a layer adds is its own matter: a mean over the rows of the batch, as an
activity regulariser; a sum; or what hangs on weights alone. A replica's mean
counts by its share of the rows, its sum as it is. Nothing says which it is,
so a few rows are tried, apart and together.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_ban.distribution.replicas import place
from keras_ban.distribution.replicas import replicas
from keras_ban.rows import count_rows
from keras_ban.rows import first_rows
from keras_ban.rows import map_arrays

_ROWS = 32
_STEPS = {True: "train_step", False: "test_step"}


class AddedLosses:
    """The losses that the layers of a model add to a loss.

    Args:
        model: The `keras.Model`.
    """

    def __init__(self, model):
        self._model = model
        self._kinds = {}

    def learn(self, x):
        """Learns on a few rows of a batch what kind each loss is.

        Args:
            x: Inputs of a batch.

        Raises:
            ValueError: If one is neither a sum nor a mean over the rows, or
                if a layer is synchronized between replicas.
        """
        if self._kinds:
            return
        parts = _parts(x)
        found = {}
        for training, step in _STEPS.items():
            own = [
                name
                for name in (step, "compute_loss")
                if getattr(type(self._model), name)
                is not getattr(keras.Model, name)
            ]
            if not own:
                found[training] = self._kinds_in(parts, training)
        self._kinds = found
        if any(found.values()):
            self._check_synchronized()

    def _check_synchronized(self):
        for layer in self._model._flatten_layers():
            if getattr(layer, "synchronized", False):
                raise ValueError(
                    f"In the model {self._model.name!r} layers add losses, and "
                    f"{layer.name!r} waits for the other replicas meanwhile, "
                    "whose losses Keras then takes for this one's. Expected "
                    "one of these on several replicas. Pass "
                    "`synchronized=False` to that layer, or train on one "
                    "device with `strategy=None`."
                )

    def _kinds_in(self, parts, training):
        """The kind of each loss that is no regulariser of weights."""
        count = len(self._values(parts[0], training))
        if not count:
            return []
        if training and count == len(self._values(parts[0], False)):
            # Without dropout, rows do not hang on each other.
            training = False
        counts = [count_rows(part) for part in parts]
        tolerance = 5e-3 if _is_half(self._model) else 1e-5
        tried = [self._values(part, training) for part in parts]
        drawn = None
        kinds = []
        for number, values in enumerate(zip(*tried, strict=True)):
            kind = _kind(values, counts, tolerance)
            if kind == "zero":
                # A regulariser of outputs that are still zero, perhaps.
                drawn = drawn or [
                    self._values(part, training, drawn=True) for part in parts
                ]
                values = [values[number] for values in drawn]
                kind = _kind(values, counts, tolerance)
            if kind is None:
                self._refuse(number, values, counts)
            kinds.append(kind)
        return kinds

    def _values(self, x, training, drawn=False):
        """What the layers add for a few rows; leaves the model as it is."""
        model = self._model
        weights = [v.value for v in model.trainable_variables]
        if drawn:
            rng = np.random.default_rng(0)
            weights = [
                ops.cast(rng.normal(size=w.shape), w.dtype) for w in weights
            ]
        values = [*weights, *(v.value for v in model.non_trainable_variables)]
        variables = model.trainable_variables + model.non_trainable_variables
        # Not by `stateless_call`, which forgets the first of two losses that
        # a layer adds in two places.
        with keras.StatelessScope(
            list(zip(variables, values, strict=True)), collect_losses=True
        ):
            model(x, training=training)
            losses = model.losses
        added = losses[: len(losses) - _regularized(model)]
        return [float(np.sum(ops.convert_to_numpy(v))) for v in added]

    def _refuse(self, number, values, counts):
        first, second, both = values
        raise ValueError(
            f"The loss number {number} that layers of the model "
            f"{self._model.name!r} add by `add_loss`, or by an activity "
            "regulariser, is not that of one device on several replicas. "
            "Expected a mean or a sum over the rows of a batch. Received: "
            f"{first:.6g} for {counts[0]} rows, {second:.6g} for {counts[1]} "
            f"more, {both:.6g} for all of them. Add a mean over the rows, "
            "without randomness, or train on one device with `strategy=None`."
        )

    def total(self, losses, x, training):
        """A replica's summand of all of them.

        Args:
            losses: What the layers have added to this step's loss.
            x: Its inputs, those rows that count.
            training: Whether it is a step of training.

        Returns:
            A scalar, or `None` if they are as Keras has them.
        """
        kinds = self._kinds.get(training)
        if not kinds or replicas() == 1:
            return None
        rows = next(a for a in keras.tree.flatten(x) if a is not None)
        rows = tf.shape(rows)[0]
        _, all_rows = place(rows)
        factors = {
            "mean": tf.cast(rows, "float32") / tf.cast(all_rows, "float32"),
            "sum": tf.cast(rows > 0, "float32"),
            "zero": 1.0,
            "weights": 1 / replicas(),
        }
        regularized = _regularized(self._model)
        if len(losses) != len(kinds) + regularized:
            raise ValueError(
                f"Layers of the model {self._model.name!r} add "
                f"{len(losses) - regularized} losses. Expected {len(kinds)}, "
                "as on the first rows of the data: on several replicas, they "
                "are summed by what they were then. Add the same losses for "
                "every batch, or train on one device with `strategy=None`."
            )
        kinds = kinds + ["weights"] * regularized
        total = 0.0
        # Keras has those of weights last, and scales them so.
        for loss, kind in zip(losses, kinds, strict=True):
            loss = ops.sum(ops.cast(loss, "float32"))
            if kind == "zero":
                # Its kind is not known: better none than a wrong number.
                loss = ops.where(loss == 0, loss, np.nan)
            total += factors[kind] * loss
        return total


def _regularized(model):
    """How many losses are regularisers of weights; Keras has them last."""
    return sum(v.regularizer is not None for v in model.trainable_weights)


def _parts(x):
    """A few rows, others, and all of them."""
    x = first_rows(x, _ROWS)
    rows = count_rows(x)
    if rows == 1:
        x = map_arrays(lambda a: ops.repeat(a, 3, axis=0), x)
        rows = 3
    cut = (rows + 1) // 3
    return [
        map_arrays(lambda a, p=part: a[p], x)
        for part in (slice(cut), slice(cut, None), slice(None))
    ]


def _is_half(model):
    """Whether something in a model is computed in half precision."""
    layers = [model, *model._flatten_layers()]
    return any(str(layer.compute_dtype).endswith("float16") for layer in layers)


def _kind(values, counts, tolerance):
    """What a loss is by its values for two parts and for both: a word.

    `None` if it is neither a sum nor a mean.
    """
    first, second, both = values
    scale = max(map(abs, values))
    if not scale:
        return "zero"
    mean = (counts[0] * first + counts[1] * second) / counts[2]
    sums = mean, first + second
    close = [abs(both - v) <= tolerance * scale for v in sums]
    return {(True, False): "mean", (False, True): "sum"}.get(tuple(close))
