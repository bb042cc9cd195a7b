"""The training of one generation: fresh, seeded, guarded, resumable."""

import contextlib
import time

import keras
import tensorflow as tf

from keras_ban.distribution.replicas import replicas_of
from keras_ban.feeding.passes import clear_errors
from keras_ban.generations.blueprints import returned_model
from keras_ban.generations.guards import Finite
from keras_ban.generations.guards import Seeded
from keras_ban.generations.guards import Steady
from keras_ban.lineage import Generation
from keras_ban.runs import fingerprint
from keras_ban.runs.backup import check_executions
from keras_ban.state import seeds
from keras_ban.state.callbacks import CallbackStates
from keras_ban.state.callbacks import is_of_keras
from keras_ban.state.variables import Variables
from keras_ban.tasks.checks import apart


class Trainer:
    """Trains the generations of a run, one at a time.

    Args:
        trial: The finished `Trial` of its networks.
        feed: The `Feed`.
        plan: The `Plan` of what examples bring along.
        callbacks: The user's callbacks of each generation, a list of lists.
        cluster: The `Cluster` of workers.

    Attributes:
        trial: As given.
        feed: As given.
        watches: The `Watch` of each generation.
    """

    def __init__(self, trial, feed, plan, callbacks, cluster):
        self.trial = trial
        self.feed = feed
        # What changes is told from how all callbacks are now.
        seen = {}
        self.watches = [
            Watch(trial.seed, number, self._name(number), own, seen)
            for number, own in enumerate(callbacks)
        ]
        self._plan = plan
        self._cluster = cluster
        self._names = trial.names

    def identity(self):
        """What makes the run this one, as `fingerprint.run` says it."""
        trial = self.trial
        given = int(trial.teacher is not None)
        trained = range(given, len(self.watches))
        return fingerprint.run(
            fingerprint.shared(
                trial.seed,
                trial.objective,
                trial.blueprints.from_logits,
                self.feed,
                trial.teacher,
                self._plan.describe(),
            ),
            [None] * given
            + [trial.networks[self._function(number)] for number in trained],
            [watch.given for watch in self.watches],
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
        trial, watch = self.trial, self.watches[number]
        if number == 0 and trial.teacher is not None:
            return Generation(0, watch.name, trial.teacher, "given")
        before = lineage[number - 1] if number else None
        teacher = before if trial.objective.needs_teacher else None
        model = self._fresh(watch, before)
        for earlier in lineage:
            if earlier.model:
                apart(model, earlier.model, ("student", earlier.name))
        student = trial.workshop.student(model)
        trained, fit = self._trained(student, teacher)
        if trained.train_function is None:
            # It drops every compiled function. What draws from it later may
            # not tell which students were compiled anew, as in a resumed run.
            first = seeds.derive(trial.seed, 1)
            tf.random.set_seed(first if teacher else watch.seed)
        history, seconds = self._fit(watch, trained, fit, teacher, run)
        model = self._finished(watch, student, model, before)
        return Generation(
            number=number,
            name=watch.name,
            model=model,
            objective=trial.objective.name if teacher else "labels",
            teacher=teacher and teacher.name,
            seed=watch.seed,
            history=history,
            seconds=seconds,
        )

    def _name(self, number):
        if not self.trial.objective.needs_teacher:
            return f"Labels-{number}"
        return f"BAN-{number}" if number else "Teacher"

    def _function(self, number):
        is_given = self.trial.teacher is not None
        return self.trial.blueprints.function(number - is_given)

    def _fresh(self, watch, before):
        """A compiled model, its weights drawn from the seed."""
        function = self._function(watch.number)
        seeds.set_seed(watch.seed)
        if function in self.trial.draws_elsewhere:
            tf.random.set_seed(watch.seed)
        with self._names.again():
            model = self.trial.blueprints.fresh(
                function, before and before.model
            )
            return self._compiled(model)

    def _compiled(self, model):
        rows, y = self.trial.workshop.batch
        shape = None if y is None else y.shape
        return self.trial.blueprints.compiled(model, rows, shape)

    def _trained(self, student, teacher):
        """What is trained, the student or a `Distiller`, and its `fit`."""
        is_single = replicas_of(student) == 1
        # Keras knows no loss of mixed labels.
        if teacher is None and is_single and not self._plan.mixes:
            return student, student.fit
        workshop = self.trial.workshop
        distiller = workshop.distiller(student, teacher and teacher.model)
        return distiller, distiller.fit_unchecked

    def _fit(self, watch, trained, fit, teacher, run):
        """Trains, from the beginning or from what was saved.

        Returns:
            The history, a dict, and the seconds it took.
        """
        trial, feed = self.trial, self.feed
        saved = run.saved(watch.number)
        epoch = saved.meta["epoch"] if saved else feed.initial_epoch
        self._announce(
            watch, teacher, epoch, run.resumption(saved, watch.states)
        )
        watch.states.begin()
        views = self._plan.views(
            feed.train,
            watch.seed,
            teacher and trained.teacher,
            folder=f"generation-{watch.number - 1}",
            cluster=self._cluster,
            watch=run.stop_now_if_asked,
        )
        size = trained.steps_per_execution
        if saved:
            check_executions(saved.meta, feed.train.course, size)
            Variables(trained).build(*trial.workshop.batch)
            if saved.meta["stopped"] and not saved.meta["step"]:
                feed = feed.until(epoch)
        arguments = feed.generation(
            watch.number, watch.seed, epoch, views, size
        )
        needed = arguments.pop("callbacks") or []
        start = time.perf_counter() - (saved.meta["seconds"] if saved else 0)
        student = getattr(trained, "student", trained)
        callbacks = run.callbacks(
            [
                *needed,
                *watch.callbacks,
                Steady(watch.name, student, trial.workshop),
            ],
            trained,
            watch.states,
            watch.number,
            saved,
            reading=[*needed, watch.seeded],
            verbose=feed.verbose,
            epochs=arguments.get("epochs", 1),
            steps=feed.train.epoch_steps(),
        )
        with clear_errors(watch.name), contextlib.ExitStack() as stack:
            for one in needed:
                stack.callback(one.close)
            history = fit(callbacks=callbacks, **arguments)
        return history.history, time.perf_counter() - start

    def _announce(self, watch, teacher, epoch, resumption):
        if resumption is not None:
            epochs = self.feed.epochs
            print(
                f"resuming {watch.name} at epoch {min(epoch + 1, epochs)} of "
                f"{epochs}{resumption}"
            )
        elif self.feed.verbose != 0:
            source = "the labels"
            if teacher:
                source = f"{teacher.name} by {self.trial.objective.name!r}"
            print(
                f"{watch.name}, generation {watch.number} of "
                f"{len(self.watches) - 1}, learns from {source} "
                f"(seed {watch.seed})"
            )

    def _finished(self, watch, student, model, before):
        """The trained model, one that anybody can use without a strategy."""
        if self.trial.blueprints.strategy:
            with seeds.undisturbed(), self._names.again():
                function = self._function(watch.number)
                parent = before and before.model
                model = self._compiled(returned_model(function, parent))
        self.trial.workshop.finish(student, model)
        self._names.number(model, watch.number)
        return model


class Watch:
    """The seed of a generation, its callbacks, and what these remember.

    Args:
        run_seed: The seed of the run.
        number: The number of the generation.
        name: Its name.
        given: The user's callbacks, a list.
        seen: The dict that `CallbackStates` of all generations share.

    Attributes:
        number: As given.
        name: As given.
        seed: The seed of the generation, an integer.
        given: As given.
        seeded: What seeds each epoch.
        callbacks: All callbacks of its training.
        states: `CallbackStates` of these.
        remembered: `CallbackStates` of those that go on to the next
            generation: what is Keras' own begins anew.
    """

    def __init__(self, run_seed, number, name, given, seen):
        self.number = number
        self.name = name
        self.seed = seeds.derive(run_seed, number)
        self.given = given
        self.seeded = Seeded(run_seed, number)
        first, *last = (
            self.seeded,
            Finite(name),
            keras.callbacks.History(),
        )
        self.callbacks = [first, *given, *last]
        # The history that counts takes its state before one of the user's.
        self.states = CallbackStates([first, *last, *given], seen)
        self.remembered = CallbackStates(
            [c for c in given if not is_of_keras(type(c))], seen
        )


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
