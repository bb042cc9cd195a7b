"""The training of one generation: fresh, seeded, guarded, resumable."""

import dataclasses

import tensorflow as tf

from keras_ban import checks
from keras_ban.distribution.replicas import replicas_of
from keras_ban.generations.ancestry import Ancestry
from keras_ban.generations.blueprints import returned_model
from keras_ban.generations.guards import Steady
from keras_ban.generations.hooks import begun
from keras_ban.generations.identity import Identity
from keras_ban.generations.outlook import Outlook
from keras_ban.generations.prepared import Training
from keras_ban.generations.prepared import Watch
from keras_ban.reporting.bar import bars
from keras_ban.reporting.generation import Generation
from keras_ban.reporting.generation import called
from keras_ban.runs.backup import check_executions
from keras_ban.state import seeds
from keras_ban.state.variables import Variables
from keras_ban.tasks import heads
from keras_ban.tasks.checks import apart
from keras_ban.teaching.epochs import telling


class Trainer:
    """Trains the generations of a run, one at a time.

    Args:
        trial: The finished `Trial` of its networks.
        feed: The `Feed`.
        plans: The `Plans` of what examples bring along.
        callbacks: The user's callbacks of each generation, a list of lists.
        cluster: The `Cluster` of workers.
        ancestry: The `Ancestry`. Defaults to `None`: one network teaches the
            next.
        outlook: The `Outlook` of the run. Defaults to `None`: nobody asks.

    Attributes:
        trial: As given.
        feed: As given.
        watches: The `Watch` of each generation.
        outlook: As given.
        identity: The `Identity` of the run.
    """

    def __init__(
        self,
        trial,
        feed,
        plans,
        callbacks,
        cluster,
        ancestry=None,
        outlook=None,
    ):
        self.trial = trial
        self.feed = feed
        self.outlook = outlook or Outlook(0)
        self._ancestry = ancestry or Ancestry()
        # What changes is told from how all callbacks are now.
        seen = {}
        before = self._ancestry.teachers - 1
        is_taught = trial.objective.needs_teacher
        self.watches = [
            Watch(k + before, k, called(k, is_taught), trial.seed, own, seen)
            for k, own in enumerate(callbacks)
        ]
        self.identity = Identity(
            trial, feed, plans, self._ancestry, self.watches, self.function
        )
        self._plans = plans
        self._cluster = cluster
        self._names = trial.names

    def foresee(self, first):
        """Tells the outlook what there is to train.

        Args:
            first: The number of the first generation that is trained.
        """
        for watch in self.watches[first:]:
            feed = self.feed.for_generation(watch.number)
            self.outlook.expect(
                watch.place,
                range(feed.initial_epoch, feed.epochs),
                feed.train.epoch_steps(),
                self.trial.objective.needs_teacher and watch.number > 0,
            )

    @property
    def is_independent(self):
        """Whether no generation needs another one."""
        learns = self.trial.objective.needs_teacher
        return not learns and not self.trial.blueprints.takes_parents

    def check_room(self, first):
        """Checks that there is room for what teachers give, where it is kept.

        Args:
            first: The number of the first generation to train.

        Raises:
            OSError: If a disk has not enough.
        """
        students = range(max(first, 1), len(self.watches))
        self._plans.later.check_room(
            self.feed.taught,
            heads.each(lambda shape: shape[1:], self.trial.shape),
            [_outputs_of(number - 1) for number in students],
            self._cluster,
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
        given = self.given(number, lineage)
        if given is not None:
            return given
        after = self.prepared(number, lineage, run)
        while after is not None:
            training = after
            with training.reading():
                history = training.fit(
                    callbacks=training.callbacks, **training.arguments
                )
            after = self._next(training, run)
        return self.finished(training, history)

    def given(self, number, lineage):
        """The generation, if there is nothing to train for it, or `None`.

        Args:
            number: The number of the generation.
            lineage: The `Lineage` of those before, and of their teachers.
        """
        if number:
            return None
        if self.trial.teacher is not None:
            name = self.watches[number].name
            return self._ancestry.given(self.trial.teacher, name)
        if lineage.teachers:
            return self._ancestry.founder(lineage.teachers)
        return None

    def fresh(self, number, lineage):
        """A compiled model, its weights drawn from the generation's seed.

        Args:
            number: The number of the generation.
            lineage: The `Lineage` of those before.
        """
        watch, before = self.watches[number], self._parent(number, lineage)
        function = self.function(number)
        seeds.set_seed(watch.seed)
        if function in self.trial.draws_elsewhere:
            tf.random.set_seed(watch.seed)
        with self._names.again():
            model = self.trial.blueprints.fresh(
                function, before and before.model
            )
            return self._compiled(model)

    def prepared(
        self, number, lineage, run, workshop=None, beside=1, is_shown=True
    ):
        """What a generation is trained with, from the beginning or as saved.

        Args:
            number: The number of the generation.
            lineage: The `Lineage` of those before.
            run: What keeps the run: an `OpenRun` or `Unkept`.
            workshop: The `Workshop` to train it in. Defaults to `None`: that
                of the trial.
            beside: How many are trained at the same time. Defaults to `1`.
            is_shown: Whether its progress is printed, if any is. Defaults to
                `True`.

        Returns:
            A `Training`.
        """
        watch, before = self.watches[number], self._parent(number, lineage)
        teacher = None
        if before and self.trial.objective.needs_teacher:
            teacher = self._ancestry.teacher(lineage)
        model = self.fresh(number, lineage)
        for earlier in lineage:
            if earlier.model:
                apart(model, earlier.model, ("student", earlier.name))
        saved = run.saved(number)
        reached = self.feed.initial_epoch, 0, False
        if saved:
            reached = saved.meta["epoch"], saved.meta["step"], True
        for phase in self._phases(number):
            phase.begin(model, watch.seed, self._names)
            if phase.holds(*reached):
                break
        workshop = workshop or self.trial.workshop
        training = self._training(
            watch, before, teacher, model, phase, workshop
        )
        training.begin(saved.meta["seconds"] if saved else 0, beside)
        self._schedule(training, run, saved, beside, is_shown)
        return training

    def _phases(self, number):
        feed = self.feed.for_generation(number)
        return self.trial.phases.parts(feed.epochs)

    def _next(self, training, run):
        """The `Training` of the next phase, or `None` if there is none."""
        phases = self._phases(training.watch.number)
        if training.phase == phases[-1]:
            return None
        phase, model = phases[training.phase.number + 1], training.model
        lasting = [v.numpy() for v in _lasting(training)]
        training.workshop.finish(training.student, model)
        phase.begin(model, training.watch.seed, self._names)
        after = self._training(
            training.watch,
            training.before,
            training.teacher,
            model,
            phase,
            training.workshop,
        )
        for variable, value in zip(_lasting(after), lasting, strict=True):
            variable.assign(value)
        after.views = training.views
        after.begin(training.seconds())
        self._schedule(after, run)
        return after

    def _training(self, watch, before, teacher, model, phase, workshop):
        """The `Training` of a model, without its schedule."""
        student = workshop.student(model)
        trained, fit = student, student.fit
        # Keras knows no loss of mixed labels.
        mixes = self._plans.for_generation(watch.number).mixes
        if teacher is not None or mixes or replicas_of(student) > 1:
            trained = workshop.distiller(student, teacher and teacher.source)
            fit = trained.fit_unchecked
        if trained.train_function is None:
            # It drops every compiled function. What draws from it later may
            # not tell which students were compiled anew, as in a resumed run.
            first = seeds.derive(self.trial.seed, 1)
            tf.random.set_seed(first if teacher else watch.seed)
        return Training(
            watch,
            before,
            teacher,
            model,
            phase,
            student,
            trained,
            fit,
            workshop,
        )

    def finished(self, training, history):
        """The `Generation` that a training gave.

        Args:
            training: The `Training`.
            history: Its `keras.callbacks.History`.
        """
        watch = training.watch
        seconds = training.seconds()
        if self.feed.verbose == 2:
            self.outlook.tell(watch, history.history, seconds)
        return dataclasses.replace(
            self._generation(training),
            model=self._finished(training),
            history=history.history,
            seconds=seconds,
        )

    def _generation(self, training):
        """The `Generation` of a training, as it is known before it."""
        watch, teacher = training.watch, training.teacher
        return Generation(
            number=watch.number,
            name=watch.name,
            model=training.model,
            objective=self.trial.objective.name if teacher else "labels",
            teacher=teacher and teacher.name,
            seed=watch.seed,
        )

    def function(self, number):
        """The function that makes the network of a generation, by number."""
        is_given = self.trial.teacher is not None
        return self.trial.blueprints.function(number - is_given)

    def _parent(self, number, lineage):
        """The generation before, where one is asked for it, or `None`."""
        learns = self.trial.objective.needs_teacher
        if number and (learns or checks.arity(self.function(number)) == 1):
            return lineage[number - 1]
        return None

    def _compiled(self, model):
        rows, y = self.trial.workshop.batch
        return self.trial.blueprints.compiled(model, rows, heads.label_shape(y))

    def _schedule(self, training, run, saved=None, beside=1, is_shown=True):
        """Says how it is trained, from the beginning or from what was saved."""
        trial, watch, phase = self.trial, training.watch, training.phase
        feed = self.feed.for_generation(watch.number)
        trained, teacher = training.trained, training.teacher
        told = telling(trained, feed.epochs)
        is_last = feed.epochs == phase.end
        feed = feed.since(phase.start).until(phase.end)
        epoch = saved.meta["epoch"] if saved else feed.initial_epoch
        self.outlook.announce(
            training,
            trial.place(watch.number, len(self.watches)),
            epoch,
            run.resumption(saved, watch.states),
        )
        if phase.is_first:
            watch.states.begin()
            new, recipe = self._generation(training), self.identity.recipe
            begun(watch.given, self._cluster, new, recipe)
        plan = self._plans.for_generation(watch.number)
        views = training.views = training.views or plan.views(
            feed.train,
            watch.seed,
            teacher and trained.teacher,
            folder=_outputs_of(watch.number - 1),
            cluster=self._cluster,
            watch=run.stop_now_if_asked,
        )
        size = trained.steps_per_execution
        if saved:
            check_executions(saved.meta, feed.train.course, size)
            Variables(trained).build(*trial.workshop.batch)
            if saved.meta["stopped"] and not saved.meta["step"]:
                feed = feed.until(epoch)
        arguments = feed.generation(watch.place, watch.seed, epoch, views, size)
        needed = arguments.pop("callbacks") or []
        if not is_shown or self.feed.verbose == 2:
            arguments["verbose"] = 0
        steady = Steady(watch.name, training.student, training.workshop)
        shown = bars(arguments.get("verbose", "auto"), watch.given)
        if is_shown:
            beside = range(watch.place, watch.place + beside)
            shown.append(self.outlook.clock(beside, is_last))
        training.needed, training.arguments = needed, arguments
        training.callbacks = run.callbacks(
            [*needed, *told, *watch.callbacks, steady, *shown],
            trained,
            watch.states,
            watch.number,
            saved,
            reading=[*needed, watch.seeded],
            seconds=training.seconds,
            verbose=arguments.get("verbose", "auto"),
            epochs=arguments.get("epochs", 1),
            steps=feed.train.epoch_steps(),
        )

    def _finished(self, training):
        """The trained model, one that anybody can use without a strategy."""
        number, model = training.watch.number, training.model
        if self.trial.blueprints.strategy:
            with seeds.undisturbed(), self._names.again():
                function, before = self.function(number), training.before
                model = returned_model(function, before and before.model)
                model = self._compiled(model)
                for phase in self._phases(number):
                    phase.begin(model, training.watch.seed, self._names)
        training.workshop.finish(training.student, model)
        self._names.number(model, number)
        return model


def _lasting(training):
    """What a training leaves to the next phase, beside its model."""
    return getattr(training.trained, "lasting", ())


def _outputs_of(number):
    """The folder for the outputs of a generation, in that of the cache."""
    return f"generation-{number}"
