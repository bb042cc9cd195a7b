"""Each model function, tried before anything is trained."""

import copy

import keras
import numpy as np
import tensorflow as tf

from keras_ban import checks
from keras_ban import objectives
from keras_ban.distiller import Distiller
from keras_ban.distribution.exact import check_executions
from keras_ban.generations.workshop import Workshop
from keras_ban.networks.stand_in import check_own_training
from keras_ban.networks.stand_in import overridden
from keras_ban.rows import first_rows
from keras_ban.rows import map_arrays
from keras_ban.rows import tensor
from keras_ban.state import seeds
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks.checks import apart
from keras_ban.tasks.checks import counting
from keras_ban.tasks.checks import has_gradient
from keras_ban.tasks.checks import prediction
from keras_ban.tasks.losses import with_mask_of
from keras_ban.teaching.checking import check_carried


class Trial:
    """What the networks of a run turned out to be, on one batch.

    Args:
        blueprints: The `Blueprints`.
        objective: The `Objective` of the students.
        seed: The seed of the run.
        teacher: The `Teacher` that was given as generation 0, or `None`.
        run: Where it is kept: a `RunDirectory` or `Unkept`.
        phases: The `Phases` of each training.
        batch: The first batch `(x, y, sample_weight)`.

    Attributes:
        blueprints: As given.
        objective: As given.
        seed: As given.
        teacher: As given.
        phases: As given.
        task: Their `Task`.
        shape: Shape `(rows, ..., n)` of their outputs.
        outputs: What the networks of each function give for the first rows,
            a dict of lists of arrays.
        networks: For each model function, what a run must have in common with
            another.
        draws_elsewhere: The model functions whose weights Keras' seed alone
            does not fix.
        workshop: Once it is finished, a `Workshop` with the models that were
            tried.
        names: The `Names` that every model of a function is made with, as an
            optimizer may go by the names of weights.

    Raises:
        ValueError: If they are not of one task, or not fresh, or do not fit
            the teacher.
    """

    def __init__(
        self, blueprints, objective, seed, teacher, run, phases, batch
    ):
        self.networks = {}
        self.draws_elsewhere = set()
        self.workshop = self.task = None
        self.names = seeds.Names()
        self.blueprints = blueprints
        self.objective = objective
        self.seed = seed
        self.teacher = teacher
        self.phases = phases
        self._are_teachers = False
        self._run = run
        self._batches = [batch]
        self._x, self._y, _ = batch
        self._spare, self._tried, self._last = [], [], []
        self.outputs, before = {}, teacher and teacher.model
        for function in blueprints.different:
            pair = self._pair(function, before)
            before = pair[0]
        if teacher is not None and teacher.model is not None:
            run.check_model(teacher.model, self._x)
        given = [z for pair in self.outputs.values() for z in pair]
        self.shape = heads.shape_of(given[0])
        for values in given:
            self.task.check_alike(heads.shape_of(values), self.shape)

    def check_inputs(self, batch, name):
        """Checks that the inputs that models are validated on fit them all.

        Args:
            batch: A batch `(x, y, sample_weight)`.
            name: What errors call them.

        Returns:
            The shape `(rows, ..., n)` of the outputs for them.

        Raises:
            ValueError: If they do not.
        """
        self._batches.append(batch)
        x, y, _ = batch
        said = self.blueprints.said
        for model in self._spare[::2]:
            shape = heads.shape_of(prediction(model, x, said, y, name))
        return shape

    def models(self):
        """A built model of each function, and another of the first."""
        return [*self._spare[::2], self._spare[1]]

    def of_labels(self):
        """The trial of as many first networks, that learn from the labels."""
        found = copy.copy(self)
        found.objective = objectives.get("labels")
        found._are_teachers = True
        found.blueprints = self.blueprints.of_first()
        return found

    def place(self, number, count):
        """The place of a network among those that are trained, in words.

        Args:
            number: Its number, from 0.
            count: How many there are.
        """
        if self._are_teachers:
            return f"teacher {number + 1} of {count}"
        return f"generation {number} of {count - 1}"

    def check_training(self):
        """Refuses models whose own training would not know mixed labels.

        Raises:
            ValueError: If there is one.
        """
        for model in self._last:
            check_own_training(model)

    def finish(self):
        """Tries losses and objective, once the data is known to be sound.

        Raises:
            ValueError: If one cannot be computed.
        """
        for model in self._last:
            for x, y, weight in map(first_rows, self._batches):
                if y is not None:
                    self._try_loss(model, x, y, weight)
        for distiller in self._tried:
            distiller.check_objective(self._x, self._y)
        self._try_phases()
        # Tensors: Keras runs no model on NumPy beside sparse inputs.
        rows = map_arrays(tensor, first_rows(self._x))
        shape = heads.label_shape(self._y)
        compiled = []
        for model in self._spare:
            with self.names.again():
                compiled.append(self.blueprints.compiled(model, rows, shape))
            check_executions(compiled[-1])
        self.workshop = Workshop(compiled, (rows, self._y), self._distiller)

    def teaching(self, trained):
        """What those give for the first rows that teach others later.

        Args:
            trained: How many networks are trained.
        """
        functions = {self.blueprints.function(k) for k in range(trained - 1)}
        return [z for f in functions for z in self.outputs[f]]

    def _pair(self, function, before):
        """Two models of a function, checked."""
        said = self.blueprints.said
        pair = []
        for number in range(2):
            keras.utils.set_random_seed(seeds.derive(self.seed, number))
            pair.append(self._fresh(function, before))
            output = prediction(pair[-1], self._x, said, self._y, trained=True)
            self.outputs.setdefault(function, []).append(output)
        shape = heads.shape_of(output)
        task = kinds.task_of(pair[0], said, shape, self._y)
        self.task = self.task or task
        task.check_same(self.task)
        _check_ignored(task, self.task)
        apart(*pair, ("model of one call of `model_fn`", "next"))
        _check_optimizers(*pair)
        _check_seeds(*pair)
        self._run.check_model(pair[0], self._x)
        self.networks[function] = self._run.describe(pair[0])
        parent = pair[1] if self.teacher is None else self.teacher
        if self.objective.needs_teacher:
            self._tried.append(self._distiller(pair[0], parent))
            self._tried[-1].check_models(self._x, self._y)
        seeds.set_seed(seeds.derive(self.seed, 0))
        again = self._fresh(function, before)
        if not _same_weights(again, pair[0]):
            self.draws_elsewhere.add(function)
        self._spare += pair
        self._last.append(again)
        return pair

    def _try_phases(self):
        """Changes a model of each function as its training would."""
        if not self.phases:
            return
        shape = heads.label_shape(self._y)
        for function, model in zip(self.networks, self._last, strict=True):
            model = self.blueprints.compiled(model, self._x, shape)
            with self.names.again():
                found = self.phases.described(model, self._run.describe)
            known = self.networks[function]
            self.networks[function] = known and known | {"phases": found}
            if self._y is not None:
                self._try_loss(model, *map(first_rows, self._batches[0]))

    def _try_loss(self, model, x, y, weight):
        """Computes what a model was compiled with, loss and metrics."""
        model = self.blueprints.compiled(model, x, heads.label_shape(y))
        z = model(map_arrays(tensor, x), training=False)
        # Keras before 3.13 takes the loss from logits that it finds at z.
        z = map_arrays(lambda one: with_mask_of(one, tf.identity(one)), z)
        shape = heads.shape_of(heads.by_name(model, z))
        labels, weights = map_arrays(keras.ops.convert_to_tensor, (y, weight))
        with counting(model, y, shape, weight):
            if not overridden(model, "compute_loss", "train_step"):
                with tf.GradientTape() as tape:
                    tape.watch(z)
                    loss = model.compute_loss(x, labels, z, weights)
                has_gradient(model, tape.gradient(loss, z))
        if not overridden(model, "compute_metrics", "train_step"):
            with counting(model, y, shape, weight, "metric"):
                model.compute_metrics(x, labels, z, weights)

    def _fresh(self, function, before):
        with self.names.again():
            return self.blueprints.fresh(function, before)

    def _distiller(self, student, teacher):
        """A `Distiller`; without a teacher, of the labels alone."""
        objective = "labels" if teacher is None else self.objective
        said = self.blueprints.said
        return Distiller(
            student, teacher, objective, said.from_logits, said.task
        )


def _check_ignored(task, first):
    """Refuses losses that take one label as a class, and as none."""
    if task.ignored != first.ignored:
        raise ValueError(
            "The losses of the models ignore different classes. Expected one "
            "`ignore_class` for all, as they learn from the same labels. "
            f"Received: {first.ignored} and {task.ignored}. Compile all with "
            "the same."
        )


def _check_optimizers(one, other):
    """Refuses two fresh models that are compiled with one optimizer."""
    optimizer = getattr(one, "optimizer", None)
    if optimizer is not None and optimizer is other.optimizer:
        raise ValueError(
            "Two calls of `model_fn` returned models with the same optimizer "
            f"{optimizer.name!r}, which keeps the state of one model only. "
            "Expected an optimizer for each. Create it inside `model_fn`."
        )


def _check_seeds(one, other):
    """Warns if two fresh models start from the same random weights."""
    random = any(np.ptp(a) > 0 for a in one.get_weights() if a.size)
    if random and _same_weights(one, other):
        checks.warn(
            "Two calls of `model_fn` gave the same initial weights, though "
            "the global seed differed. Every generation should start from a "
            "seed of its own: leave out the fixed `seed=` of initializers and "
            "any `set_random_seed` in `model_fn`."
        )


def _same_weights(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=False)
    return all(np.array_equal(a, b) for a, b in pairs)


def tried(make, needs_labels, data, plans, ancestry, cluster):
    """Checks data and models against each other; returns the `Trial`.

    Args:
        make: Function from the first batch to the `Trial` of the models.
        needs_labels: Whether something is trained on labels.
        data: The `Feed`.
        plans: The `Plans`.
        ancestry: The `Ancestry`.
        cluster: The `Cluster` of workers.

    Raises:
        ValueError: If they do not fit.
    """
    scan = data.train.scan()
    if needs_labels:
        scan.check_labelled()
    trial = make(scan.first)
    scan.check(trial.task, trial.shape, needs_labels, cluster)
    data.weigh_classes(trial.task, trial.shape)
    data.check_unlabelled(trial.objective, trial.teacher, cluster)
    if data.validation:
        scan = data.validation.scan()
        scan.check_labelled()
        name = data.validation.how.role.data
        shape = trial.check_inputs(scan.first, name)
        scan.check(trial.task, shape, needs_labels=True)
    models = trial.models()
    strategy = trial.blueprints.strategy
    given = trial.teacher and trial.teacher.model
    check_carried([*models, given], data.taught, strategy)
    ancestry.check_models(models)
    if plans.mixes:
        trial.check_training()
    trial.finish()
    return trial
