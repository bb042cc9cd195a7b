"""Everything that a running training would lose, as one file.

An HDF5 file of one dataset: a JSON text that says what is in it, and then the
bytes of all arrays, one after another. The 512 bytes before it, which HDF5
leaves to the user, hold the length of the text and the checksum of the rest.
"""

import collections
import contextlib
import hashlib
import io
import json
import random
import re

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import global_seed_generator

from keras_ban import batches
from keras_ban import distribute
from keras_ban import files
from keras_ban.cluster import Cluster

_HEADER = 512
# Keras has no public name for what its layers draw from without a seed of
# their own, and a constant for this one only since 3.13.
_GLOBAL_SEEDS = "global_seed_generator"
# Nor for how often it has given a name.
_NAMES = "object_name_uids"


def pack(meta, arrays):
    """The content of a state file.

    Args:
        meta: A dict that JSON can hold.
        arrays: A list of NumPy arrays.

    Returns:
        Bytes.
    """
    index = [[a.dtype.name, list(a.shape)] for a in arrays]
    text = files.dumps({"meta": meta, "arrays": index}).encode()
    content = b"".join([text, *(a.tobytes() for a in arrays)])
    # A memory image: one writing to the disk, of a file that is complete.
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        file["state"] = np.frombuffer(content, "uint8")
        file.flush()
        image = file.id.get_file_image()
    known = {"json": len(text), "sha256": hashlib.sha256(image).hexdigest()}
    return json.dumps(known).encode().ljust(_HEADER) + image


def unpack(content):
    """What `pack` was given: the dict and the list of arrays.

    Raises:
        ValueError: If the content is damaged.
    """
    try:
        known = json.loads(content[:_HEADER])
        length, expected = known["json"], known["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("its beginning is not that of a state") from error
    if hashlib.sha256(content[_HEADER:]).hexdigest() != expected:
        raise ValueError("its checksum differs")
    with h5py.File(io.BytesIO(content), "r") as file:
        held = file["state"][()].tobytes()
    known = json.loads(held[:length])
    arrays, start = [], length
    for name, shape in known["arrays"]:
        dtype = np.dtype(tf.as_dtype(name).as_numpy_dtype)
        count = int(np.prod(shape, dtype="int64"))
        array = np.frombuffer(held, dtype, count, start)
        arrays.append(array.reshape(shape))
        start += array.nbytes
    return known["meta"], arrays


def seed(value):
    """Seeds Keras, Python and NumPy, and leaves TensorFlow's global seed.

    To set that one drops every compiled function.

    Args:
        value: An integer of 32 bits.
    """
    random.seed(value)
    np.random.seed(value)
    # Made anew from Python's generator by what draws from it first.
    global_state.set_global_attribute(_GLOBAL_SEEDS, None)


def draws_globally():
    """Whether something has drawn from Keras' global seed since `seed`."""
    return global_state.get_global_attribute(_GLOBAL_SEEDS) is not None


@contextlib.contextmanager
def undisturbed():
    """Puts the seeds of Keras, Python and NumPy back where they were."""
    before = global_state.get_global_attribute(_GLOBAL_SEEDS)
    held = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        global_state.set_global_attribute(_GLOBAL_SEEDS, before)
        random.setstate(held[0])
        np.random.set_state(held[1])


class Names:
    """Gives what each generation is made of the same automatic names.

    As long as the process lives, TensorFlow keeps a kernel of every name that
    a variable was made with: 35 KB for each variable of each generation.
    """

    def __init__(self):
        self._first = _names()

    @contextlib.contextmanager
    def again(self):
        """Begins to count where it began before; what is newer stays taken."""
        before = _names()
        _set_names(self._first)
        try:
            yield
        finally:
            after = _names()
            for name, count in before.items():
                after[name] = max(count, after[name])
            _set_names(after)

    def number(self, model, generation):
        """Tells models apart that were not named by the user."""
        if re.sub(r"_\d+$", "", model.name) in _names():
            model.name = f"{model.name}_{generation}"


def _names():
    counts = global_state.get_global_attribute(_NAMES)
    return collections.defaultdict(int, counts or {})


def _set_names(counts):
    global_state.set_global_attribute(_NAMES, counts.copy())


def of_objective(objective):
    """The variables of an objective, those of its random seeds included."""
    found = []
    for value in vars(objective).values():
        if isinstance(value, keras.random.SeedGenerator):
            found.append(value.state)
        elif isinstance(value, keras.Variable):
            found.append(value)
    return found


def copy(source, target, optimizer=True):
    """Gives a model the values of another of the same architecture.

    Weights, the states of random seeds, and the optimizer's variables.

    Args:
        source: A built `keras.Model`.
        target: Another.
        optimizer: Whether they are compiled, and their optimizers take part.
            Defaults to `True`.
    """
    pairs = [(source.variables, target.variables)]
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


def _build_optimizer(model):
    # One that scales the loss would add its own variables once more.
    if not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)


class Variables:
    """All variables that change while a model or `Distiller` trains.

    Weights, the states of random seeds, the optimizer with its loss scale and
    accumulated gradients, metrics, and what the objective draws from.

    Args:
        trained: What `fit` is called on.
    """

    def __init__(self, trained):
        self._trained = trained
        self._student = getattr(trained, "student", trained)
        self._cluster = Cluster(self._student.distribute_strategy)

    def build(self, x, y):
        """Creates those that only the first step would create.

        Args:
            x: A batch of inputs.
            y: Its labels, or `None`.
        """
        student = self._student
        if distribute.replicas_of(student) > 1:
            y = None if y is None else y[: batches.rows(x)]
            distribute.build(student, x, y)
            return
        y_pred = student(x, training=False)
        _build_optimizer(student)
        if y is not None:
            y = keras.ops.convert_to_tensor(y[: len(y_pred)])
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
            global_seed_generator()
            found = self._all(metrics)
        shapes = [tuple(v.shape) for v in found]
        if shapes != [
            held.shape[held.ndim - len(shape) :]
            for held, shape in zip(values, shapes, strict=False)
        ]:
            raise ValueError(
                f"The saved state has {len(values)} variables, the training "
                f"{len(found)}, or they have other shapes. Expected the same "
                "network, optimizer and metrics. Pass `overwrite=True`, or "
                "choose another directory."
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
            found += of_objective(objective)
        seeds = global_state.get_global_attribute(_GLOBAL_SEEDS)
        if seeds is not None:
            found.append(seeds.state)
        return list({id(v): v for v in found}.values())
