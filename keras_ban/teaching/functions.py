"""Teachers that are functions of a batch, and estimators of scikit-learn."""

import keras
import numpy as np
import tensorflow as tf

from keras_ban.feeding.samples import sample
from keras_ban.rows import between
from keras_ban.rows import count_rows
from keras_ban.rows import first_rows
from keras_ban.rows import map_arrays
from keras_ban.rows import tensor
from keras_ban.tasks import kinds
from keras_ban.teaching import values
from keras_ban.teaching.teacher import Teacher

# Two calls may round otherwise, in half precision too.
_TOLERANCE = 0.02


class Function(Teacher):
    """A function of a batch, of NumPy or TensorFlow.

    Where TensorFlow can trace it, it is a part of the compiled step, and is
    given tensors. Else Python calls it in each step, with NumPy arrays, by
    `tf.numpy_function`, which XLA does not compile.

    Args:
        function: The function.
        said: What its owner says of it, a `Said`. Defaults to nothing.
        words: What errors call it. Defaults to `None`: by its name.
    """

    runs_in_graph = False

    def __init__(self, function, said=kinds.UNSAID, words=None):
        known = getattr(function, "__name__", type(function).__name__)
        self.name = known
        self.words = words or f"the function {known!r}"
        self._called = function
        self._said = said
        # The shape of its output for one example, once it is known.
        self._row = None

    def output(self, x):
        if self._row is None:
            raise ValueError(
                f"The teacher, {self.words}, was not tried on the data, as a "
                "generator can be read only once. Give arrays or a "
                "`tf.data.Dataset`, or call `distiller.check_models(x)` on a "
                "batch of inputs before."
            )
        x = map_arrays(_input, x)
        found = self._traced(x) if self.runs_in_graph else self._by_python(x)
        return tf.ensure_shape(found, [*[None] * len(self._row), self._row[-1]])

    def computed(self, x, numbers):
        if self.runs_in_graph:
            return np.asarray(self._compiled(x))
        return np.asarray(self(x))

    def check(self, x, y, name, task):
        x = map_arrays(lambda a: _input(tensor(a)), first_rows(x))
        found = self._tried(x, name, task)
        self._check_alone(x, found, name)
        self.task = self._task(task, found)
        values.check_task(self.words, self.name, found, self.task)
        self._row = found.shape[1:]
        self.runs_in_graph = self._can_be_traced(x, found)
        if self.runs_in_graph:
            self._compiled = tf.function(self, reduce_retracing=True)
        return found.shape

    def fingerprint(self, examples):
        """Its outputs for the first rows, if another reading finds the same."""
        once, again = (next(examples.read(1))[0] for _ in range(2))
        if sample(once) != sample(again):
            return self.words
        found = self.output(first_rows(once))
        return values.digest(np.asarray(found))

    def _task(self, task, found):
        return given_task(task, self._said.from_logits, found, self.words)

    def _call(self, x):
        """What the user's function gives."""
        return self._called(x)

    def _tried(self, x, name, task):
        """The outputs for a few rows, called with NumPy arrays."""
        try:
            found = self._call(map_arrays(_numpy, x))
        except Exception as error:
            raise ValueError(
                f"The teacher, {self.words}, cannot be run on `{name}`. "
                "Expected a function of a batch of inputs, as NumPy arrays or "
                "tensors, "
                f"{keras.tree.map_structure(_told, x)}. Received: {error!r}"
            ) from error
        return values.array(found, self.words, count_rows(x))

    def _check_alone(self, x, found, name):
        """Checks that an example's outputs follow from it alone."""
        half = (count_rows(x) + 1) // 2
        part = map_arrays(lambda a: between(a, 0, half), x)
        again = self._tried(part, name, None)
        if again.shape[1:] == found.shape[1:] and _close(again, found[:half]):
            return
        raise ValueError(
            f"The teacher, {self.words}, gives other outputs for the same "
            "examples in a smaller batch. Expected a function of each example "
            f"alone. Received: {again[0]} after {found[0]} for the first row "
            f"of `{name}`. Run what it calls in inference mode, "
            "`training=False`, and draw nothing at random."
        )

    def _can_be_traced(self, x, found):
        """Whether TensorFlow makes a graph of it that gives the same."""
        traced = tf.function(self._traced, autograph=False)
        try:
            graph = traced.get_concrete_function(map_arrays(_spec, x))
            # Each may call Python, which has its reasons.
            if any("PyFunc" in kind for kind in _operations(graph)):
                return False
            again = np.asarray(traced(x))
        except Exception:
            return False
        return again.shape == found.shape and _close(again, found)

    def _traced(self, x):
        return _float(values.columns(tf.convert_to_tensor(self._call(x))))

    def _by_python(self, x):
        leaves = [a for a in keras.tree.flatten(x) if a is not None]
        if not all(isinstance(a, (np.ndarray, tf.Tensor)) for a in leaves):
            raise ValueError(
                f"The teacher, {self.words}, is called by Python, which takes "
                "no sparse or ragged tensors in a step. Give its predictions "
                "as an array in its place, one row for each example."
            )

        def call(*arrays):
            left = iter(arrays)
            given = map_arrays(lambda a: next(left), x)
            found = values.array(self._call(given), self.words, len(arrays[0]))
            if found.shape[1:][-1] != self._row[-1]:
                raise ValueError(
                    f"The teacher, {self.words}, gave outputs of shape "
                    f"{found.shape[1:]} after {self._row}."
                )
            return found.astype(_floats())

        return tf.numpy_function(call, leaves, _floats(), stateful=False)


class Estimator(Function):
    """A fitted estimator, as scikit-learn has them.

    Of classes and labels, `predict_proba` is what it gives, of values
    `predict`.

    Args:
        estimator: The estimator.
        said: What its owner says of it, a `Said`. Defaults to nothing.
    """

    def __init__(self, estimator, said=kinds.UNSAID):
        name = type(estimator).__name__
        super().__init__(estimator, said, f"the estimator {name}")
        self._estimator = estimator
        self._method = None

    def _task(self, task, found):
        self._check_classes(task, found)
        return given_task(task, False, found, self.words)

    def _call(self, x):
        return getattr(self._estimator, self._method)(x)

    def _tried(self, x, name, task):
        if task is not None:
            self._method = self._method_for(task)
        return super()._tried(x, name, task)

    def _can_be_traced(self, x, found):
        return False

    def _method_for(self, task):
        """The name of the method that gives what a task takes."""
        if task.gives_probabilities:
            if hasattr(self._estimator, "predict_proba"):
                return "predict_proba"
            raise ValueError(
                f"The teacher, {self.words}, gives no probabilities. Expected "
                f"one with `predict_proba`, for students of {task.words}. "
                "Calibrate it, by `sklearn.calibration.CalibratedClassifierCV`,"
                " or give a function of a batch that returns what it decides "
                "by."
            )
        if hasattr(self._estimator, "classes_"):
            raise ValueError(
                f"The teacher, {self.words}, is a classifier. Expected a "
                f"regressor, for students of {task.words}."
            )
        return "predict"

    def _check_classes(self, task, found):
        classes = getattr(self._estimator, "classes_", None)
        expected = np.arange(found.shape[-1])
        if not task.gives_probabilities or classes is None:
            return
        if not np.array_equal(classes, expected):
            raise ValueError(
                f"The teacher, {self.words}, knows other classes than its "
                f"students. Expected `classes_` from 0 to {expected[-1]}, the "
                "columns of a network, in their order. Received: "
                f"{list(classes)}. Fit it on the numbers of the classes, all "
                "of them, or give a function that puts its columns in order: "
                "`lambda x: estimator.predict_proba(x)[:, order]`, with "
                "`from_logits=False`."
            )


def given_task(task, from_logits, found, words):
    """The `Task` of outputs that no model says anything of.

    Args:
        task: The `Task` of the student.
        from_logits: Whether these are logits, as their owner says, or `None`.
        found: The outputs, of shape `(rows, ..., n)`.
        words: What the teacher is, in errors.

    Raises:
        ValueError: If they may be logits or probabilities, and nobody says it.
    """
    if task.gives_probabilities and from_logits is None:
        raise ValueError(
            f"Cannot tell whether the teacher, {words}, gives logits or "
            "probabilities. Expected `from_logits=True` or "
            "`from_logits=False`, as an argument of `BornAgain` or "
            "`Distiller`. Received: neither."
        )
    return task.for_outputs(from_logits, found.shape[-1])


def _floats():
    """The type of a teacher's outputs: half precision is for networks."""
    return "float64" if keras.config.floatx() == "float64" else "float32"


def _float(found):
    return tf.cast(found, _floats())


def _input(array):
    """An array as a tensor, floats as Keras has them."""
    if isinstance(array, np.ndarray) or not hasattr(array, "dtype"):
        array = tf.convert_to_tensor(array)
    if array.dtype.is_floating and isinstance(array, tf.Tensor):
        return tf.cast(array, keras.config.floatx())
    return array


def _numpy(array):
    return array.numpy() if isinstance(array, tf.Tensor) else array


def _spec(array):
    if isinstance(array, tf.Tensor):
        return tf.TensorSpec([None, *array.shape[1:]], array.dtype)
    return tf.type_spec_from_value(array)


def _told(array):
    return f"{array.dtype.name}{array.shape.as_list()}"


def _close(one, other):
    scale = float(np.abs(other).max())
    return np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE * scale)


def _operations(graph):
    """The types of all operations of a graph, those of its functions too."""
    held = graph.graph.as_graph_def()
    yield from (node.op for node in held.node)
    for function in held.library.function:
        yield from (node.op for node in function.node_def)
