"""Networks that generations are trained in, one after another.

What TensorFlow compiles belongs to the variables it was traced with. So the
generations of one architecture are trained in one network: it takes over the
fresh weights of a generation before its training, and hands the trained ones
back afterwards. The bits are those of a training of its own.
"""

import re

import numpy as np
import tensorflow as tf

from keras_ban.networks import likeness
from keras_ban.state import seeds
from keras_ban.state import variables

# Operations whose memory, or whose code, no model's variables tell of.
_UNTRACKED = re.compile(
    "Random|Truncated|Parameterized|Multinomial|Stateful|PyFunc|EagerPyFunc"
)


class Workshop:
    """Trains the generations of one architecture by one compiled function.

    Args:
        models: Models that nobody else needs, to work in.
        batch: A few rows of inputs and their labels, or `None` for these.
        make: Function from student and teacher to a fresh `Distiller`.

    Attributes:
        batch: As given.
    """

    def __init__(self, models, batch, make):
        self._spare = [
            (model, [likeness.exact(model, c)[0] for c in (False, True)])
            for model in models
        ]
        self.batch = batch
        self._rows = batch[0]
        self._make = make
        self._twins = {}
        self._distillers = {}
        self._trusted = {}

    def student(self, model):
        """A network with the values of `model`, or `model` itself."""
        return self._twin(model, trained=True)

    def distiller(self, student, parent):
        """A `Distiller` as if it were fresh.

        Args:
            student: What `student` returned.
            parent: The trained model of the generation before, or `None` if
                the labels alone are the teacher.
        """
        teacher = parent and self._twin(parent, trained=False)
        fresh = self._make(student, teacher)
        key = id(student), id(teacher)
        held = self._distillers.setdefault(key, fresh)
        if held.optimizer is not student.optimizer:
            held = self._distillers[key] = fresh
        if held is not fresh:
            pairs = zip(
                variables.objective_variables(held.objective),
                variables.objective_variables(fresh.objective),
                strict=True,
            )
            for variable, value in pairs:
                variable.assign(value)
        return held

    def finish(self, student, model):
        """Hands the trained values back.

        Args:
            student: What `student` returned.
            model: What it was given.
        """
        if student is not model:
            variables.copy(student, model)
        if seeds.draws_globally():
            # The compiled function would go on with this generation's seed.
            for held in (
                self._spare,
                self._twins,
                self._distillers,
                self._trusted,
            ):
                held.clear()

    def _twin(self, model, trained):
        if not model.built:
            model(self._rows, training=False)
        key, of_keras = likeness.exact(model, trained)
        twin = self._twins.get((trained, key)) or self._take(key, trained)
        if twin is None:
            return model
        # A callback may have changed what it was given.
        if trained and likeness.exact(twin)[0] != key:
            return model
        variables.copy(model, twin, optimizer=trained)
        if not of_keras and not self._alike(model, twin, key):
            return model
        self._twins[trained, key] = twin
        return twin

    def _take(self, key, trained):
        for number, (model, keys) in enumerate(self._spare):
            if key and keys[trained] == key:
                del self._spare[number]
                if trained:
                    # For what the first step would create, it would trace
                    # again.
                    variables.Variables(model).build(*self.batch)
                return model
        return None

    def _alike(self, model, twin, key):
        """Whether two models of own classes hold nothing beside variables."""
        with seeds.undisturbed():
            if key not in self._trusted:
                self._trusted[key] = _tells_all(twin, self._rows)
            return self._trusted[key] and np.array_equal(
                *(m(self._rows, training=False) for m in (model, twin))
            )


def _tells_all(model, rows):
    """Whether the variables of a model are all that its training changes."""
    function = tf.function(lambda x: model(x, training=True))
    graph = function.get_concrete_function(rows).graph
    content = graph.as_graph_def()
    nodes = [*content.node]
    for inner in content.library.function:
        nodes += inner.node_def
    known = {id(v.value) for v in model.variables}
    return not any(_UNTRACKED.match(node.op) for node in nodes) and all(
        id(v) in known for v in graph.variables
    )
