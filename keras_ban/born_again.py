"""The driver: generation after generation."""

import contextlib
import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from keras_ban import batches
from keras_ban import cache
from keras_ban import checks
from keras_ban import data_checks
from keras_ban import distribute
from keras_ban import fingerprint
from keras_ban import guards
from keras_ban import model_functions
from keras_ban import objectives
from keras_ban import outputs
from keras_ban import report
from keras_ban import saving
from keras_ban import state
from keras_ban import stream
from keras_ban.cluster import Cluster
from keras_ban.distiller import Distiller
from keras_ban.lineage import Generation
from keras_ban.lineage import Lineage
from keras_ban.run_directory import RunDirectory
from keras_ban.teacher import Teacher
from keras_ban.training import Training
from keras_ban.training import first_epoch
from keras_ban.workshop import Workshop


class BornAgain:
    """Trains a network, then fresh copies of it from it, one after another.

    Generation 0 learns from the labels; generation k starts from a fresh
    random seed and learns from generation k - 1, frozen, on the same schedule.

    The models keep what they were compiled with. An uncompiled model gets
    Adam at Keras' default learning rate, the cross-entropy that fits its
    output and the labels, and the metric "accuracy".

    Source: Furlanello et al., "Born-Again Neural Networks", 2018.

    Args:
        model_fn: A function without arguments that returns a fresh
            `keras.Model` each time, or one of the model of the generation
            before, whose shapes or layers it takes over; or a `keras.Model`,
            which is cloned with all weights fresh, pretrained ones too; or a
            sequence of these, one for each network that is trained, the last
            one repeated.
        objective: What students are trained on: "ban", "ban+l", "cwtm",
            "dkpp", "kd", "logits", an `objectives.Objective`, a function
            `(y_true, student_logits, teacher_logits)`, or "labels", the
            control: every generation learns from the labels alone. Defaults
            to `"ban"`.
        directory: A folder in which the run is kept: what is finished, and
            the state of what is running. The same script, run again, goes on
            from there, with the same bits on CPU. Defaults to `None`: nothing
            is written.
        seed: Non-negative integer. Generation k is seeded with a number that
            follows from `(seed, k)`, through `keras.utils.set_random_seed`.
            Defaults to `0`.
        from_logits: Says what the models give that do not say it
            themselves. Defaults to `None`.
        keep: Which models stay in the directory and in the lineage: "all",
            "best" (by validation data) and the last one, or so many of the
            last ones, a positive integer. Defaults to `"all"`.
        save_every: Steps between two savings of the running training.
            Defaults to `None`: after each epoch.
        overwrite: Whether to remove the run that the directory holds.
            Defaults to `False`.
        strategy: The `tf.distribute.Strategy` to train under. Defaults to
            `"auto"`: the one that is entered; else, among several workers
            told by `TF_CONFIG` or Slurm, a `MultiWorkerMirroredStrategy`;
            else, with several GPUs, a `MirroredStrategy`; else none.

    Attributes:
        lineage: The `Lineage` of the last `fit`. It grows by a generation at
            a time, so what was finished is there even if `fit` was stopped.

    Raises:
        ValueError: If an argument is not of these kinds.
        RuntimeError: If there are several workers, and one of them is
            missing, or TensorFlow has begun already.

    Example:
    >>> ban = keras_ban.BornAgain(model_fn, directory="runs/digits")
    >>> lineage = ban.fit(ds, generations=4)
    >>> print(lineage.evaluate(test_ds))
    >>> bane = lineage.ensemble(last=3)
    """

    def __init__(
        self,
        model_fn,
        objective="ban",
        directory=None,
        seed=0,
        from_logits=None,
        keep="all",
        save_every=None,
        overwrite=False,
        strategy="auto",
    ):
        checks.backend()
        self._strategy = distribute.get(strategy)
        self._model_fns = model_functions.get(model_fn)
        self.objective = objectives.get(objective)
        self.seed = checks.integer("seed", seed, 0)
        self.lineage = Lineage()
        self._from_logits = from_logits
        # Of those functions, Keras' seed alone does not fix the weights.
        self._draws_elsewhere = set()
        self._run = None
        self._cluster = Cluster(self._strategy)
        checks.directory(directory, keep, save_every, overwrite)
        if directory is not None:
            self._run = RunDirectory(
                directory, keep, save_every, overwrite, self._cluster
            )

    def fit(
        self,
        x=None,
        y=None,
        generations=3,
        teacher=None,
        callbacks=None,
        validation_data=None,
        validation_split=0.0,
        verbose="auto",
        teacher_outputs="online",
        augment=None,
        views=None,
        **fit_arguments,
    ):
        """Trains all generations.

        The data is checked before the first step: arrays whole, of another
        data set the first 100 batches. A `tf.data.Dataset` is thus read once
        before training.

        Epoch e of generation k reads arrays in an order that follows from
        `(seed, k, e)`, with `directory=` or without; so does an unshuffled
        `tf.data.Dataset` with `shuffle=buffer`, and what a function gives.

        With `directory=`, generations that are finished there are not trained
        again, and one that was interrupted goes on where it was saved. SIGINT
        and SIGTERM end the run at the next step, its state saved.

        Args:
            x: Inputs, or a `tf.data.Dataset` or `keras.utils.PyDataset` of
                `(inputs, labels)`, or a function from the numbers of
                generation and epoch, both from 0, to a `tf.data.Dataset`.
            y: Labels, if `x` is arrays. They may be missing if a teacher is
                given and the objective needs none. Defaults to `None`.
            generations: Number of students after the teacher. Defaults to 3.
            teacher: A trained model of any architecture for the same
                classes, or a list of them, to be generation 0. Defaults to
                `None`: generation 0 is trained on the labels.
            callbacks: A list of Keras callbacks, shared by the generations,
                or a function from the generation's number to such a list.
                In generation 0 `self.model` is the model, then a `Distiller`,
                with the model as its `student`; on several replicas always.
                Defaults to `None`.
            validation_data: As in Keras. Every trained generation is measured
                on it, and `lineage.best` chosen by it. Defaults to `None`.
            validation_split: As in Keras, for arrays. Defaults to `0.0`.
            verbose: As in Keras; 0 prints nothing but where a run resumes.
                Defaults to `"auto"`.
            teacher_outputs: "online": the teacher runs in each step. "cached":
                what it gives is computed once for each generation, and joined
                to the examples. The path of a folder: so, and it is kept
                there. Or a `keras_ban.TeacherCache`. Defaults to `"online"`.
            augment: Optional function from an example, without the axis of
                the batch, and a seed of shape `(2,)` to a view of it, as
                `tf.image.stateless_random_flip_left_right`; or one from an
                example, its label and a seed to a view and its label. Student
                and teacher see the same view. Defaults to `None`.
            views: How many views each example has in a generation: epoch e
                shows view e modulo `views`. Defaults to `None`: a new one in
                each epoch, which cannot be cached.
            **fit_arguments: Any other argument of `keras.Model.fit`, as
                `epochs`, `batch_size` or `sample_weight`. `shuffle` may be a
                number: the examples of an unshuffled `tf.data.Dataset` are
                shuffled in a buffer of that size, anew in each epoch.

        Returns:
            A `Lineage` of `generations + 1`.

        Raises:
            ValueError: Before training, if an argument, the data, the models
                or the teacher do not fit each other, or if the directory
                holds another run or a damaged file.
            BlockingIOError: If another process trains in the directory.
            OSError: If the directory cannot be written, as on a full disk.
                What was saved before is intact.
            RuntimeError: If there are several workers, and another one is
                gone or fails at the directory.
            FloatingPointError: If a loss turns NaN or infinite. The
                generations before are in `self.lineage`.
        """
        generations = checks.integer("generations", generations, 1)
        checks.fit_arguments(fit_arguments)
        given = [checks.callbacks(callbacks, k) for k in range(generations + 1)]
        teacher = self._given_teacher(teacher)
        self._check_lengths(generations, teacher)
        arguments = batches.with_validation(
            {
                **fit_arguments,
                "x": x,
                "y": y,
                "verbose": verbose,
                "validation_data": validation_data,
                "validation_split": validation_split,
            }
        )
        plan = cache.Plan(teacher_outputs, augment, views)
        with self._cluster.watched():
            batch, classes, workshop, networks = self._check_data(
                arguments, teacher
            )
        arguments = stream.prepare(
            arguments, int(teacher is not None), bool(plan)
        )
        plan.check(arguments, self.objective, classes)
        job = _Job(generations, teacher, batch, workshop, plan, arguments)
        self.lineage = Lineage(from_logits=self._from_logits)
        trainings = [
            Training(self.seed, k, _name(k, self.objective), callbacks)
            for k, callbacks in enumerate(given)
        ]
        with contextlib.ExitStack() as stack:
            stack.enter_context(report.quiet_retracing())
            stack.enter_context(self._cluster.watched())
            if self._run:
                stack.enter_context(self._run.open())
                self._continue(job, networks, given)
            done = len(self.lineage)
            if 0 < done <= generations:
                # Those that later generations share go on from there.
                self._run.remind(trainings[done - 1].remembered)
            for number in range(done, generations + 1):
                if number == 0 and teacher is not None:
                    generation = Generation(0, "Teacher", teacher, "given")
                else:
                    generation = self._train(job, trainings[number], number)
                self._finish(
                    self._measured(generation, arguments),
                    trainings[number].remembered,
                )
                if self._run:
                    self._run.stop_if_asked()
        validated = arguments["validation_data"] is not None
        if (
            validated
            and done <= generations
            and all(g.model for g in self.lineage)
        ):
            self.lineage.evaluate(
                **batches.validation(arguments), title="validation data"
            )
        if verbose != 0:
            print(self.lineage)
        return self.lineage

    def _given_teacher(self, teacher):
        if teacher is None:
            return None
        if not self.objective.needs_teacher:
            raise ValueError(
                f"The objective {self.objective.name!r} learns from no "
                "teacher. Received: `teacher=`. Leave it out, or choose "
                "another objective."
            )
        return Teacher(checks.teacher(teacher), self._from_logits).model

    def _check_lengths(self, generations, teacher):
        trained = generations + (teacher is None)
        if len(self._model_fns) > trained:
            raise ValueError(
                f"`model_fn` has {len(self._model_fns)} entries. Expected "
                f"{trained} at most, the number of networks to train. Leave "
                "out the others, or raise `generations`."
            )

    def _model_fn(self, number, teacher):
        index = number if teacher is None else number - 1
        return self._model_fns[min(index, len(self._model_fns) - 1)]

    def _check_data(self, arguments, teacher):
        """Checks data and models.

        Returns:
            A batch of inputs and its labels, the number of classes, a
            `Workshop`, and for each model function what
            `fingerprint.network` says of it.
        """
        models, trials, networks = [], [], {}
        x = stream.example(arguments, int(teacher is not None))
        if x is not arguments["x"]:
            # Each epoch has a data set of its own.
            arguments = {**arguments, "x": x, "epochs": 1}
        (x, y, _), shape = data_checks.fit(
            arguments,
            functools.partial(
                self._check_models, teacher, models, trials, networks
            ),
            needs_labels=teacher is None or self.objective.needs_labels,
        )
        for distiller in trials:
            distiller.check_objective(x, y)
        rows = batches.first_rows(x, checks.PROBE_ROWS)
        models = [
            self._compiled(model, rows, None if y is None else y.shape)
            for model in models
        ]
        batch = rows, y
        workshop = Workshop(models, batch, self._distiller)
        return batch, shape[-1], workshop, networks

    def _check_models(self, teacher, models, trials, networks, x):
        """Tries every model function; returns the shape of their outputs.

        To `models` it adds two of each function, to `trials` a `Distiller`,
        if the objective needs a teacher, and to `networks` what each makes.
        """
        shapes, before = [], teacher
        for model_fn in dict.fromkeys(self._model_fns):
            pair = []
            for number in range(2):
                keras.utils.set_random_seed(guards.seed(self.seed, number))
                pair.append(self._fresh(model_fn, before))
                output = checks.prediction(pair[-1], x, self._from_logits)
                shapes.append(output.shape)
            checks.apart(*pair, ("model of one call of `model_fn`", "next"))
            checks.own_optimizers(*pair)
            checks.seeds_differ(*pair)
            if self._run:
                saving.check_savable(pair[0], x)
                networks[model_fn] = fingerprint.network(pair[0])
            if self.objective.needs_teacher:
                parent = pair[1] if teacher is None else teacher
                trials.append(self._distiller(pair[0], parent))
                trials[-1].check_models(x)
            state.seed(guards.seed(self.seed, 0))
            if not _same_weights(self._fresh(model_fn, before), pair[0]):
                self._draws_elsewhere.add(model_fn)
            models += pair
            before = pair[0]
        if self._run and teacher is not None:
            saving.check_savable(teacher, x)
        for shape in shapes:
            checks.same_classes(shape, shapes[0])
        return shapes[0]

    def _distiller(self, student, teacher):
        objective = "labels" if teacher is None else self.objective
        return Distiller(student, teacher, objective, self._from_logits)

    def _continue(self, job, networks, callbacks):
        """Compares the run with that on disk, and loads what is finished."""
        arguments, teacher = job.arguments, job.teacher
        for held in callbacks:
            checks.no_backup(held)
        if self._run.keep == "best" and arguments["validation_data"] is None:
            raise ValueError(
                "keep='best' chooses by validation data. Received: none. Pass "
                "`validation_data=` or `validation_split=`, or another `keep`."
            )
        common = fingerprint.run(
            self.seed,
            self.objective,
            self._from_logits,
            arguments,
            teacher,
            job.plan.describe(),
        )
        numbers = range(len(callbacks))
        given = 0 if teacher is None else 1
        self._run.check(
            common,
            [
                networks[self._model_fn(k, teacher)] if k >= given else None
                for k in numbers
            ],
            [fingerprint.callbacks(held) for held in callbacks],
        )
        finished = self._run.generations(teacher)[: len(callbacks)]
        self.lineage = Lineage(finished, self._from_logits)

    def _fresh(self, model_fn, before):
        """A model to train, on the devices of the strategy."""
        with distribute.scope(self._strategy):
            return checks.returned_model(model_fn, before)

    def _compiled(self, model, x, label_shape):
        """The model; compiled by default if it came uncompiled."""
        if model.compiled:
            return model
        shape = checks.prediction(model, x, self._from_logits).shape
        default = {}
        if label_shape is not None:
            default = outputs.default_compilation(
                outputs.gives_logits(model, self._from_logits),
                shape[1:],
                label_shape,
            )
        with model.distribute_strategy.scope():
            model.compile(optimizer="adam", **default)
        return model

    def _train(self, job, training, number):
        """Trains one generation and returns it."""
        model_fn = self._model_fn(number, job.teacher)
        state.seed(training.seed)
        if model_fn in self._draws_elsewhere:
            tf.random.set_seed(training.seed)
        x, y = job.batch
        label_shape = None if y is None else y.shape
        before = self.lineage[number - 1].model if number else None
        with job.names.again():
            model = self._fresh(model_fn, before)
            model = self._compiled(model, x, label_shape)
        for earlier in self.lineage:
            if earlier.model:
                checks.apart(model, earlier.model, ("student", earlier.name))
        parent, teacher, student = None, None, job.workshop.student(model)
        trained, fit = student, student.fit
        if number > 0 and self.objective.needs_teacher:
            parent = self.lineage[number - 1]
        if parent or distribute.replicas_of(model) > 1:
            trained = job.workshop.distiller(student, parent and parent.model)
            teacher = trained.teacher
            # Its own `fit` would check the data once more.
            fit = functools.partial(keras.Model.fit, trained)
        if trained.train_function is None:
            # It drops every compiled function.
            tf.random.set_seed(training.seed)
        saved = self._run and self._run.saved(number)
        self._announce(job, training, number, parent, saved)
        views = job.plan.views(
            job.arguments,
            training.seed,
            teacher,
            folder=f"generation-{number - 1}",
            cluster=self._cluster,
        )
        history, seconds = training.fit(
            fit, trained, job.batch, job.arguments, views, self._run, saved
        )
        if self._strategy:
            # One that anybody can use without the strategy.
            with state.undisturbed(), job.names.again():
                model = checks.returned_model(model_fn, before)
                model = self._compiled(model, x, label_shape)
        job.workshop.finish(student, model)
        job.names.number(model, number)
        return Generation(
            number=number,
            name=training.name,
            model=model,
            objective=self.objective.name if parent else "labels",
            teacher=parent and parent.name,
            seed=training.seed,
            history=history,
            seconds=seconds,
        )

    def _announce(self, job, training, number, parent, saved):
        arguments = job.arguments
        if self._run and self._run.resumes:
            self._run.resumes = False
            epoch = first_epoch(arguments, saved) + 1
            epochs = arguments.get("epochs", 1)
            step = saved and saved[0]["step"]
            print(
                f"resuming {training.name} at epoch {min(epoch, epochs)} of "
                f"{epochs}"
                + (f", after step {step}" if step else "")
                + self._run.resized(saved)
            )
        elif arguments["verbose"] != 0:
            source = "the labels"
            if parent:
                source = f"{parent.name} by {self.objective.name!r}"
            print(
                f"{training.name}, generation {number} of {job.generations}, "
                f"learns from {source} (seed {training.seed})"
            )

    def _finish(self, generation, remembered):
        """Records a generation: on disk first, then in the lineage."""
        self.lineage.append(generation)
        if self._run:
            self.lineage.keep(self._run.record(generation, remembered))

    def _measured(self, generation, arguments):
        """The generation with its metrics on the validation data, if any."""
        if arguments["validation_data"] is None:
            return generation
        metrics = self.lineage.measure(
            generation, **batches.validation(arguments)
        )
        return dataclasses.replace(generation, metrics=metrics)


@dataclasses.dataclass(frozen=True)
class _Job:
    """What one call of `fit` is about."""

    generations: int
    teacher: keras.Model | None
    batch: tuple
    workshop: Workshop
    plan: cache.Plan
    arguments: dict
    names: state.Names = dataclasses.field(default_factory=state.Names)


def _same_weights(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=False)
    return all(np.array_equal(a, b) for a, b in pairs)


def _name(number, objective):
    if not objective.needs_teacher:
        return f"Labels-{number}"
    return f"BAN-{number}" if number else "Teacher"
