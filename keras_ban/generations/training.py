"""The training of one generation: fresh, seeded, guarded, resumable."""

import dataclasses
import time
from typing import Any

import keras
import tensorflow as tf

from keras_ban.distribution.cluster import Cluster
from keras_ban.distribution.replicas import replicas_of
from keras_ban.feeding.feed import Feed
from keras_ban.feeding.passes import clear_errors
from keras_ban.generations.blueprints import Blueprints
from keras_ban.generations.blueprints import returned_model
from keras_ban.generations.guards import Finite
from keras_ban.generations.guards import Seeded
from keras_ban.generations.trial import Trial
from keras_ban.lineage import Generation
from keras_ban.objectives import Objective
from keras_ban.runs import fingerprint
from keras_ban.state import seeds
from keras_ban.state.callbacks import CallbackStates
from keras_ban.state.variables import Variables
from keras_ban.tasks.checks import apart
from keras_ban.teaching.plan import Plan


@dataclasses.dataclass
class Trainer:
    """Trains the generations of a run, one at a time.

    Attributes:
        seed: The seed of the run.
        objective: The `Objective` of its students.
        teacher: The model that was given as generation 0, or `None`.
        callbacks: The user's callbacks of each generation, a list of lists.
        feed: The `Feed`.
        plan: The `Plan` of what examples bring along.
        blueprints: The `Blueprints` of the networks.
        trial: Their `Trial`.
        cluster: The `Cluster` of workers.
    """

    seed: int
    objective: Objective
    teacher: keras.Model | None
    callbacks: list
    feed: Feed
    plan: Plan
    blueprints: Blueprints
    trial: Trial
    cluster: Cluster

    def __post_init__(self):
        self._names = seeds.Names()
        # What changes is told from how all callbacks are now.
        self.watches = [
            Watch(self.seed, number, self._name(number), own)
            for number, own in enumerate(self.callbacks)
        ]

    def identity(self):
        """What makes the run this one, as `fingerprint.run` says it."""
        count = range(len(self.watches))
        is_given = self.teacher is not None
        return fingerprint.run(
            fingerprint.shared(
                self.seed,
                self.objective,
                self.blueprints.from_logits,
                self.feed,
                self.teacher,
                self.plan.describe(),
            ),
            [
                self.trial.networks[self._function(k)]
                if k >= is_given
                else None
                for k in count
            ],
            self.callbacks,
        )

    def generation(self, number, lineage, run):
        """Trains a generation, or takes the teacher that was given.

        Args:
            number: The number of the generation.
            lineage: The `Lineage` of those before.
            run: What keeps the run: an `OpenRun` or `Unkept`.

        Returns:
            A `Generation`.
        """
        name = self._name(number)
        if number == 0 and self.teacher is not None:
            return Generation(0, name, self.teacher, "given")
        seed = seeds.derive(self.seed, number)
        before = lineage[number - 1] if number else None
        function = self._function(number)
        model = self._fresh(function, seed, before and before.model)
        for earlier in lineage:
            if earlier.model:
                apart(model, earlier.model, ("student", earlier.name))
        parent = before if self.objective.needs_teacher else None
        student = self.trial.workshop.student(model)
        training = self._training(number, seed, student, parent)
        if training.trained.train_function is None:
            # It drops every compiled function.
            tf.random.set_seed(seed)
        history, seconds = training.run(run)
        model = self._finished(student, model, function, before)
        self._names.number(model, number)
        return Generation(
            number=number,
            name=name,
            model=model,
            objective=self.objective.name if parent else "labels",
            teacher=parent and parent.name,
            seed=seed,
            history=history,
            seconds=seconds,
        )

    def _name(self, number):
        if not self.objective.needs_teacher:
            return f"Labels-{number}"
        return f"BAN-{number}" if number else "Teacher"

    def _function(self, number):
        is_given = self.teacher is not None
        return self.blueprints.function(number - is_given)

    def _fresh(self, function, seed, parent):
        """A compiled model, its weights drawn from the seed."""
        seeds.set_seed(seed)
        if function in self.trial.draws_elsewhere:
            tf.random.set_seed(seed)
        with self._names.again():
            model = self.blueprints.fresh(function, parent)
            return self._compiled(model)

    def _compiled(self, model):
        rows, y = self.trial.workshop.batch
        shape = None if y is None else y.shape
        return self.blueprints.compiled(model, rows, shape)

    def _training(self, number, seed, student, parent):
        """The training of the student by itself, or by a `Distiller`."""
        if parent is None and replicas_of(student) == 1:
            return _Training(self, number, seed, None, student, student.fit)
        distiller = self.trial.workshop.distiller(
            student, parent and parent.model
        )
        fit = distiller.fit_unchecked
        return _Training(self, number, seed, parent, distiller, fit)

    def _finished(self, student, model, function, before):
        """The trained model, one that anybody can use without a strategy."""
        if self.blueprints.strategy:
            with seeds.undisturbed(), self._names.again():
                parent = before and before.model
                model = self._compiled(returned_model(function, parent))
        self.trial.workshop.finish(student, model)
        return model


@dataclasses.dataclass(frozen=True)
class _Training:
    """One training, from the beginning or from where it was saved."""

    trainer: Trainer
    number: int
    seed: int
    parent: Generation | None
    trained: keras.Model
    fit: Any

    def run(self, run):
        """Trains; returns the history, a dict, and the seconds it took."""
        feed, saved = self.trainer.feed, run.saved(self.number)
        epoch = saved.meta["epoch"] if saved else feed.initial_epoch
        self._announce(epoch, run.resumption(saved))
        views = self._views()
        arguments = feed.generation(self.number, self.seed, epoch, views)
        if saved:
            Variables(self.trained).build(*self.trainer.trial.workshop.batch)
            if saved.meta["stopped"] and not saved.meta["step"]:
                arguments["epochs"] = epoch
        watch = self.trainer.watches[self.number]
        start = time.perf_counter() - (saved.meta["seconds"] if saved else 0)
        callbacks = run.callbacks(
            watch.callbacks,
            self.trained,
            watch.states,
            self.number,
            saved,
            verbose=feed.verbose,
            epochs=arguments.get("epochs", 1),
            steps=feed.train.epoch_steps(),
        )
        with clear_errors(watch.name):
            history = self.fit(callbacks=callbacks, **arguments)
        return history.history, time.perf_counter() - start

    def _views(self):
        return self.trainer.plan.views(
            self.trainer.feed.train,
            self.seed,
            self.parent and self.trained.teacher,
            folder=f"generation-{self.number - 1}",
            cluster=self.trainer.cluster,
        )

    def _announce(self, epoch, resumption):
        feed, name = self.trainer.feed, self.trainer.watches[self.number].name
        if resumption is not None:
            print(
                f"resuming {name} at epoch {min(epoch + 1, feed.epochs)} of "
                f"{feed.epochs}{resumption}"
            )
        elif feed.verbose != 0:
            source = "the labels"
            if self.parent:
                source = (
                    f"{self.parent.name} by {self.trainer.objective.name!r}"
                )
            print(
                f"{name}, generation {self.number} of "
                f"{len(self.trainer.callbacks) - 1}, learns from {source} "
                f"(seed {self.seed})"
            )


class Watch:
    """The callbacks of a generation, and what they remember.

    Args:
        run_seed: The seed of the run.
        number: The number of the generation.
        name: Its name.
        given: The user's callbacks, a list.

    Attributes:
        name: As given.
        callbacks: All callbacks of its training.
        states: `CallbackStates` of these.
        remembered: `CallbackStates` of the user's.
    """

    def __init__(self, run_seed, number, name, given):
        self.name = name
        self.callbacks = [
            Seeded(run_seed, number),
            *given,
            Finite(name),
            keras.callbacks.History(),
        ]
        self.states = CallbackStates(self.callbacks)
        self.remembered = CallbackStates(given)


def given_callbacks(given, number):
    """The callbacks of a generation, as a list.

    Args:
        given: A callback, a list of them, a function from the generation's
            number to one of these, or `None`.
        number: Number of the generation.

    Raises:
        ValueError: If one is no Keras callback.
    """
    if callable(given):
        given = given(number)
    found = [c for c in keras.tree.flatten(given) if c is not None]
    for one in found:
        if not isinstance(one, keras.callbacks.Callback):
            raise ValueError(
                "Invalid value for argument `callbacks`. Expected a list of "
                "`keras.callbacks.Callback`s, or a function from the "
                f"generation's number to one. Received: {one!r}"
            )
    return found
