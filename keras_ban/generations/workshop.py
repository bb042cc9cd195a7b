"""Networks that generations are trained in, one after another.

What TensorFlow compiles belongs to the variables it was traced with. So the
generations of one architecture are trained in one network: it takes over the
fresh weights of a generation before its training, and hands the trained ones
back afterwards. The bits are those of a training of its own.
"""

import keras

from keras_ban.distribution.replicas import building
from keras_ban.networks import graphs
from keras_ban.networks import likeness
from keras_ban.state import seeds
from keras_ban.state import variables


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
            (model, [likeness.describe(model, c).key for c in (False, True)])
            for model in models
        ]
        self.batch = batch
        self._rows = batch[0]
        self._make = make
        self._twins = {}
        self._as_taken = {}
        self._distillers = {}

    def beside(self):
        """A workshop without networks, for what is trained beside its own."""
        return Workshop([], self.batch, self._make)

    def student(self, model):
        """A network with the values of `model`, or `model` itself."""
        return self._twin(model, trained=True)

    def distiller(self, student, parent):
        """A `Distiller` as if it were fresh.

        Args:
            student: What `student` returned.
            parent: The trained model of the generation before, a `Teacher`
                that is none, or `None` if the labels alone are the teacher.
        """
        teacher = parent
        if isinstance(parent, keras.Model):
            teacher = self._twin(parent, trained=False)
        fresh = self._make(student, teacher)
        fresh.meet(*self.batch)
        rule = likeness.of_objective(fresh.objective)
        key = id(student), id(teacher)
        held, known = self._distillers.setdefault(key, (fresh, rule))
        if held is fresh:
            return held
        if rule is None or rule != known:
            # What it reads has changed since, or cannot be compared.
            self._distillers[key] = fresh, rule
            return fresh
        if held.optimizer is not student.optimizer:
            self._distillers[key] = fresh, rule
            return fresh
        fresh.objective.match(held.objective)
        pairs = zip(
            variables.objective_variables(held.objective),
            variables.objective_variables(fresh.objective),
            strict=True,
        )
        for variable, value in pairs:
            variable.assign(value)
        return held

    def forget_changed(self, student):
        """Gives up a network that callbacks changed before its first step.

        What they change later, no step sees that is traced already.

        Args:
            student: What `student` returned.

        Returns:
            Whether it was such a one.
        """
        known = self._as_taken.get(id(student))
        if known is None or _state(student) == known[0]:
            return False
        for key in [k for k, twin in self._twins.items() if twin is student]:
            self._twins[key] = None
        return True

    def finish(self, student, model):
        """Hands the trained values back.

        Args:
            student: What `student` returned.
            model: What it was given.
        """
        if student is not model:
            self._build(model)
            variables.copy(student, model)
        if seeds.draws_globally():
            # The compiled function would go on with this generation's seed.
            for held in (self._spare, self._twins, self._distillers):
                held.clear()

    def _build(self, model):
        if not model.built:
            with building(model):
                model(self._rows, training=False)

    def _twin(self, model, trained):
        self._build(model)
        key, own, _ = likeness.describe(model, trained)
        if (trained, key) not in self._twins:
            self._twins[trained, key] = self._take(key, trained)
        twin = self._twins[trained, key]
        if twin is None:
            return model
        if trained:
            # A metric that does not begin anew tells it by its values.
            twin.reset_metrics()
        state, graph = self._as_taken[id(twin)]
        # A callback, or the training, may have changed more than variables.
        if _state(twin, trained) != state:
            return model
        if own and (graph is None or self._graph(model, own) != graph):
            return model
        variables.copy(model, twin, optimizer=trained)
        return twin

    def _take(self, key, trained):
        for number, (model, keys) in enumerate(self._spare):
            if key and keys[trained] == key:
                del self._spare[number]
                own = self._prepare(model, trained)
                graph = self._graph(model, own) if own else None
                self._as_taken[id(model)] = _state(model, trained), graph
                return model
        return None

    def _prepare(self, model, trained):
        """Creates what the first step would; returns what is not Keras' own.

        Else it would be traced again.
        """
        _, own, others = likeness.describe(model, trained)
        if trained:
            values = [v.value.read_value() for v in others]
            variables.Variables(model).build(*self.batch)
            # Some metrics do not begin anew, and have seen a batch.
            for variable, value in zip(others, values, strict=True):
                variable.assign(value)
        return own

    def _graph(self, model, own):
        with seeds.undisturbed():
            return graphs.text(model, own, self._rows)


def _state(twin, trained=True):
    """What Python says of a network, beside its variables."""
    key, own, _ = likeness.describe(twin, trained)
    return key, graphs.plain_state(own)
