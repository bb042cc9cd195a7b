"""Where the teacher's scores come from: what all teachers have in common."""

from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_ban.networks import likeness
from keras_ban.networks.ensembles import joined
from keras_ban.networks.stand_in import check_own_methods
from keras_ban.networks.taps import Taps
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks.checks import prediction
from keras_ban.tasks.several import Several
from keras_ban.teaching import topk


class Taught(NamedTuple):
    """What a teacher gives whose layers are tapped.

    Attributes:
        scores: Its scores.
        features: What its layers give, a dict by name.
    """

    scores: Any
    features: dict


class Teacher:
    """What students learn from, frozen; a subclass for each kind.

    It is a plain object, so that Keras does not count it among the student's
    layers.

    Attributes:
        name: What errors call it.
        words: What it is, in errors and records: "the function 'f'".
        model: The `keras.Model` that it is, or `None`.
        task: Its `Task`, once it was checked.
        takes_inputs: Whether it can be run on inputs.
        runs_in_graph: Whether XLA may compile a step with it.
    """

    name = "teacher"
    words = "the teacher"
    model = None
    task = None
    takes_inputs = True
    runs_in_graph = True

    def __call__(self, x):
        """Returns scores `(..., n)` for inputs; logits `(..., 1)` if binary."""
        # One that was not tried says so.
        found = self.output(x)
        return self.task.scores(found)

    def output(self, x):
        """What it gives for inputs, a tensor of shape `(rows, ..., n)`."""
        raise NotImplementedError

    def probed(self, x):
        """Scores of the first rows of the data, which these inputs are."""
        return self(x)

    def computed(self, x, numbers):
        """Scores to be kept, outside of a graph.

        Args:
            x: A batch of inputs.
            numbers: The numbers of its examples, of shape `(batch,)`.

        Returns:
            A NumPy array of shape `(batch, ..., n)`; of several outputs, or of
            layers too, a structure of such.
        """
        raise NotImplementedError

    @property
    def places(self):
        """On how many devices of this machine it can run at a time."""
        return 1

    def computed_beside(self, batches):
        """What `computed` returns for each of several batches.

        Args:
            batches: As many as there are `places`, or fewer, a list of inputs
                and numbers.
        """
        return [self.computed(*batch) for batch in batches]

    @property
    def names(self):
        """The names of what it gives, in order; `None` for scores alone."""
        return None

    def decoded(self, kept, scores):
        """Scores from what is kept of them, as calling it returns them.

        Args:
            kept: A tuple, what `filling.encode` makes of the scores.
            scores: Those of the student.
        """
        return topk.decode(kept, scores)

    def meet(self, student, task, shape=None):
        """Takes of several outputs that of the student, or names its one.

        Args:
            student: The `keras.Model` that learns from it.
            task: Its `Task`.
            shape: Shape of the teacher's output, or a `ByName` of shapes.
                Defaults to `None`: it is not known.

        Returns:
            The shape of what it teaches, alike.

        Raises:
            ValueError: If a student with one output has none of its.
        """
        return shape

    def tap(self, paths):
        """Gives what inner layers give too, from now on: a `Taught`.

        Args:
            paths: Their names, as `Taps` takes them.

        Raises:
            ValueError: If it has no layers.
        """
        raise ValueError(
            f"The teacher, {self.words}, has no layers. Expected a Keras "
            "model, as the objective compares features of inner layers. Leave "
            "`Features` out, or give the model."
        )

    def check(self, x, y, name, task):
        """Tries it on a few rows, and tells its task.

        Args:
            x: The first batch of inputs.
            y: Its labels, or `None`.
            name: What errors call the inputs.
            task: The `Task` of the student.

        Returns:
            The shape `(rows, ..., n)` of its output.

        Raises:
            ValueError: If it cannot be run on them, or gives something else
                than it says.
        """
        raise NotImplementedError

    def look(self, x, y, task):
        """Tells its task again, of which labels may know more than it says.

        Args:
            x: Inputs that it can be run on.
            y: Their labels, or `None`.
            task: The `Task` of the student.
        """

    def check_examples(self, examples):
        """Checks that it can teach these examples.

        Args:
            examples: The `Examples` to train on.

        Raises:
            ValueError: If it cannot.
        """

    def fingerprint(self, examples):
        """What tells it from other teachers, a text.

        Args:
            examples: The `Examples` to train on.
        """
        raise NotImplementedError

    def __reduce__(self):
        # What it holds may be compiled, or a connection: a copy of what it
        # taught knows its name, as one that is loaded from a directory.
        return str, (self.words,)


class Network(Teacher):
    """A frozen model as a function from a batch of inputs to its scores.

    It only ever runs in inference mode, so the model comes out as it went
    in: weights, `trainable` flags, compile state.

    Args:
        model: A trained `keras.Model`, or a list of them, which stands for
            their mean prediction.
        said: What its owner says of it, a `Said`. Defaults to nothing.

    Attributes:
        model: The model, one for a list of them.
        said: As given; of a list of models, what their mean is.

    Raises:
        ValueError: If there is a model without weights, or one that has no
            task that is known.
    """

    def __init__(self, model, said=kinds.UNSAID):
        is_list = isinstance(model, (list, tuple))
        for one in model if is_list else [model]:
            _check_trained(one)
        if is_list:
            model, task = joined(model, None, said)
            said = kinds.Said(task)
        self.model = model
        self.name = model.name
        self.words = f"the model {model.name!r}"
        self.said = said.among(heads.names(model))
        self._taps, self._whole, self.task, self._chosen = (
            None,
            None,
            None,
            _all,
        )
        # What a class of its own gives is known once it is run.
        has_several = self.said.is_by_name or _has_several(model)
        if heads.names(model) or not has_several:
            self._whole = self.task = kinds.task_of(model, self.said)
        self._trace()

    def _trace(self):
        """Lets TensorFlow trace it anew, on one device and on all."""
        self._function = tf.function(self, reduce_retracing=True)
        self._function_beside = tf.function(self._each, reduce_retracing=True)

    def __call__(self, x):
        """Returns scores; of several outputs a dict, once tapped a `Taught`."""
        features = None
        if self._taps is None:
            result = self.model(x, training=False)
        else:
            result, features = self._taps(x, training=False)
        if self._whole is None:
            found = heads.by_name(self.model, result)
            self._look(heads.shape_of(found), None)
        scores = self._chosen(self._whole.scores(result))
        return scores if features is None else Taught(scores, features)

    def output(self, x):
        return self.model(x, training=False)

    def computed(self, x, numbers):
        return keras.tree.map_structure(np.asarray, self._function(x))

    @property
    def places(self):
        strategy = self.model.distribute_strategy
        if strategy.num_replicas_in_sync == 1:
            return 1
        return len(strategy.extended.worker_devices)

    def computed_beside(self, batches):
        if self.places == 1:
            return super().computed_beside(batches)
        inputs = [x for x, _ in batches]

        def own(context):
            # Where there are fewer batches than devices, some do one again.
            place = context.replica_id_in_sync_group % self.places
            return inputs[min(place, len(inputs) - 1)]

        strategy = self.model.distribute_strategy
        held = strategy.experimental_distribute_values_from_function(own)
        found = keras.tree.map_structure(
            np.asarray, self._function_beside(held)
        )
        return found[: len(inputs)]

    def _each(self, held):
        """Scores of each of the batches that the devices hold, a list."""
        strategy = self.model.distribute_strategy
        found = strategy.run(self, args=(held,))
        parts = map(
            strategy.experimental_local_results, keras.tree.flatten(found)
        )
        return [
            keras.tree.pack_sequence_as(found, list(part))
            for part in zip(*parts, strict=True)
        ]

    @property
    def names(self):
        parts = sorted(self.task.parts) if self.task.parts else []
        if not self._taps:
            return parts or None
        return [*(parts or [""]), *sorted(self._taps.paths)]

    def decoded(self, kept, scores):
        paths = sorted(self._taps.paths) if self._taps else []
        count = len(kept) - len(paths)
        kept, features = kept[:count], kept[count:]
        if self.task.parts:
            found = [topk.decode((part,)) for part in kept]
            taught = dict(zip(sorted(self.task.parts), found, strict=True))
        else:
            taught = topk.decode(kept, scores)
        if not paths:
            return taught
        return Taught(taught, dict(zip(paths, features, strict=True)))

    def tap(self, paths):
        self._taps = Taps(self.model, paths, "teacher")
        self._trace()

    def check(self, x, y, name, task):
        labels = None if task.parts else y
        found = prediction(self.model, x, self.said, labels, name)
        shape = heads.shape_of(found)
        self._look(shape, task.labels_for(shape, y))
        return shape

    def look(self, x, y, task):
        shape = heads.given(self.model, x)
        self._look(shape, task.labels_for(shape, y))

    def _look(self, shape, y):
        """Asks again for its task, now that outputs and labels may tell."""
        self._whole = kinds.task_of(self.model, self.said, shape, y)
        self.task = self._whole

    def meet(self, student, task, shape=None):
        if self._whole is None:
            raise ValueError(
                f"Cannot tell the outputs of the teacher {self.model.name!r}, "
                "a class of its own. Expected data that can be read before "
                "training, or a functional model. Give arrays."
            )
        self.task, has_several = self._whole, bool(task.parts)
        teaches_several = bool(self._whole.parts)
        self._chosen = _all
        if has_several == teaches_several:
            return shape
        if has_several:
            name = heads.only_name(self.model)
            template = {name: name}
            self.task = Several(heads.ByName({name: self._whole}, template))
            self._chosen = lambda scores: {name: scores}
            return shape and heads.ByName({name: shape}, template)
        name = heads.only_name(student)
        if name not in self._whole.parts:
            raise ValueError(
                f"The student {student.name!r} has one output, {name!r}. "
                "Expected a teacher with an output of this name. Received: "
                f"{', '.join(map(repr, self._whole.parts))}. Name the last "
                "layer of the student as the output that it is to learn from."
            )
        self.task = self._whole.parts[name]
        self._chosen = lambda scores: scores[name]
        return shape and shape[name]

    def fingerprint(self, examples):
        return likeness.weights(self.model)


def _check_trained(model):
    """Checks that a model was trained."""
    if not model.built or not model.weights:
        raise ValueError(
            f"The teacher {model.name!r} has no weights. Expected a trained "
            "model. Train it, load its weights, or call it on a batch."
        )
    check_own_methods(model)
    if any(np.isnan(w).any() for w in model.get_weights()):
        raise ValueError(
            f"The teacher {model.name!r} gives NaN: there are NaN among its "
            "weights. Expected a trained model. Load the weights from "
            "before its training diverged."
        )


def _has_several(model):
    """Whether a model was compiled with losses of several outputs."""
    return len(keras.tree.flatten(getattr(model, "loss", None))) > 1


def _all(scores):
    return scores
