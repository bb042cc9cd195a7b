"""All variables that change while a network trains."""

import keras
import numpy as np
import tensorflow as tf

from keras_ban.distribution import exact
from keras_ban.distribution.cluster import Cluster
from keras_ban.distribution.replicas import replicas_of
from keras_ban.networks.layers import carried
from keras_ban.rows import count_rows
from keras_ban.rows import first_rows
from keras_ban.rows import map_arrays
from keras_ban.state import seeds


def objective_variables(objective):
    """The variables of an objective, those of its random seeds included."""
    return [*own_variables(objective), *objective.kept]


def own_variables(objective):
    """Those of them that are not trained beside the student."""
    found = []
    for value in vars(objective).values():
        if isinstance(value, keras.random.SeedGenerator):
            found.append(value.state)
        elif isinstance(value, keras.Variable):
            found.append(value)
    for one in objective.copies.values():
        found += objective_variables(one)
    return found


def copy(source, target, optimizer=True):
    """Gives a model the values of another of the same architecture.

    Weights, the states of random seeds, what layers carry from batch to batch,
    and the optimizer's variables.

    Args:
        source: A built `keras.Model`.
        target: Another.
        optimizer: Whether they are compiled, and their optimizers take part.
            Defaults to `True`.
    """
    held = [list(map(Carried, carried(model))) for model in (source, target)]
    pairs = [(source.variables, target.variables), held]
    if optimizer:
        for model in (source, target):
            _build_optimizer(model)
        pairs.append((source.optimizer.variables, target.optimizer.variables))
    for one, other in pairs:
        for value, variable in zip(one, other, strict=True):
            if _is_distributed(variable):
                variable.assign(_read(value))
            else:
                # A tenth of the time that Keras' own `assign` takes.
                tf.raw_ops.AssignVariableOp(
                    resource=variable.value.handle, value=_read(value)
                )


def _read(variable):
    value = variable.value
    if _is_distributed(variable):
        return value.read_value()
    # A third of the time that `numpy()` of the variable takes.
    return tf.raw_ops.ReadVariableOp(resource=value.handle, dtype=value.dtype)


def _is_distributed(variable):
    return isinstance(variable.value, tf.distribute.DistributedValues)


def _is_in_parts(variable):
    """Whether each replica has a summand of its own, as of a metric."""
    how = tf.VariableSynchronization.ON_READ
    return _is_distributed(variable) and variable.value.synchronization == how


def _fits(variable, value):
    """Whether it is the variable's, with or without an axis of replicas."""
    shape = tuple(variable.shape)
    shapes = value.shape, value.shape[1:]
    return shape in shapes and value.dtype.name == variable.dtype


class Carried:
    """What a layer carries, read and written as Keras' own variables are.

    Args:
        value: A `tf.Variable`.
    """

    def __init__(self, value):
        self.value = value
        self.shape = value.shape
        self.dtype = value.dtype.name
        self.assign = value.assign


def _build_optimizer(model):
    # One that scales the loss would add its own variables once more.
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)


class Variables:
    """All variables that change while a model or `Distiller` trains.

    Weights, the states of random seeds, the optimizer with its loss scale and
    accumulated gradients, metrics, what the objective draws from, and what
    layers of student and teacher carry from batch to batch.

    Args:
        trained: What `fit` is called on.
    """

    def __init__(self, trained):
        self._trained = trained
        self._student = getattr(trained, "student", trained)
        self._cluster = Cluster(self._student.distribute_strategy)
        teacher = getattr(trained, "teacher", None)
        held = [*carried(self._student), *carried(teacher and teacher.model)]
        self._carried = [Carried(state) for state in held]

    def build(self, x, y):
        """Creates those that only the first step would create.

        Args:
            x: A batch of inputs.
            y: Its labels, or `None`.
        """
        student, y = self._student, first_rows(y, count_rows(x))
        if replicas_of(student) > 1:
            exact.build(student, x, y)
            return
        y_pred = student(x, training=False)
        _build_optimizer(student)
        if y is not None:
            y = map_arrays(keras.ops.convert_to_tensor, y)
            if keras.tree.is_nested(y_pred):
                # It has a metric for the loss of each output.
                student.compute_loss(x, y, y_pred)
            student.compute_metrics(x, y, y_pred, None)
            student.reset_metrics()

    def values(self, metrics):
        """Their values.

        Args:
            metrics: Whether to include the metrics, which begin anew in each
                epoch.

        Returns:
            A list of NumPy arrays. A variable of which each replica has a
            summand has an axis of the replicas before its own.
        """
        variables = self._all(metrics)
        found = [self._value(variable) for variable in variables]
        split = [k for k, v in enumerate(variables) if _is_in_parts(v)]
        whole = self._cluster.gather([found[k] for k in split])
        for k, array in zip(split, whole, strict=True):
            found[k] = array
        return found

    def assign(self, values, metrics):
        """Gives them the values that `values` returned.

        Args:
            values: A list of NumPy arrays.
            metrics: Whether it includes the metrics.

        Raises:
            ValueError: If these do not fit.
        """
        found = self._all(metrics)
        if len(values) == len(found) + 1:
            # Created when something first drew without a seed of its own.
            seeds.global_generator(create=True)
            found = self._all(metrics)
        if len(found) != len(values) or not all(map(_fits, found, values)):
            raise ValueError(
                f"The state in backup.h5 has {len(values)} variables, the "
                f"training {len(found)}, or they have other shapes or types. "
                "Expected the same network, optimizer and metrics. Pass "
                "`overwrite=True`, or choose another directory."
            )
        for variable, value in zip(found, values, strict=True):
            self._assign(variable, value)

    def _value(self, variable):
        if _is_in_parts(variable):
            return np.stack([part.numpy() for part in self._parts(variable)])
        return _read(variable).numpy()

    def _assign(self, variable, value):
        in_parts = value.ndim > len(variable.shape)
        if not _is_in_parts(variable):
            variable.assign(value.sum(0) if in_parts else value)
            return
        own = self._parts(variable)
        values = value if in_parts else value[None]
        count = len(own) * self._cluster.size
        if len(values) != count:
            # Of another number of replicas: the first one has the sum.
            rest = np.zeros((count - 1, *values.shape[1:]), values.dtype)
            values = np.concatenate([values.sum(0, keepdims=True), rest])
        first = self._cluster.number * len(own)
        for part, held in zip(own, values[first:], strict=False):
            part.assign(held)

    def _parts(self, variable):
        strategy = self._student.distribute_strategy
        return strategy.experimental_local_results(variable.value)

    def _all(self, metrics):
        student = self._student
        objective = getattr(self._trained, "objective", None)
        found = [*student.variables, *student.optimizer.variables]
        if metrics:
            found += self._trained.metrics_variables
        if objective:
            found += objective_variables(objective)
        found += self._carried
        if seeds.draws_globally():
            found.append(seeds.global_generator().state)
        return list({id(v): v for v in found}.values())
