"""The driver: generation after generation."""

import functools

from keras_ban import checks
from keras_ban import objectives
from keras_ban.distribution import strategies
from keras_ban.distribution.cluster import Cluster
from keras_ban.feeding.feed import feed
from keras_ban.generations import alike
from keras_ban.generations.ancestry import lengths
from keras_ban.generations.blueprints import Blueprints
from keras_ban.generations.hooks import ended
from keras_ban.generations.outlook import Outlook
from keras_ban.generations.outlook import stopped
from keras_ban.generations.places import check_places
from keras_ban.generations.prepared import given_callbacks
from keras_ban.generations.succession import train
from keras_ban.generations.training import Trainer
from keras_ban.generations.trial import Trial
from keras_ban.generations.trial import tried
from keras_ban.generations.wanted import wanted
from keras_ban.lineage import Lineage
from keras_ban.reporting import printed
from keras_ban.reporting.evaluation import quiet_retracing
from keras_ban.runs import directory as directories
from keras_ban.runs.folders import TEACHERS
from keras_ban.state import seeds
from keras_ban.tasks import kinds
from keras_ban.teaching.plans import SAME


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
            which is cloned: what is trained is drawn anew, pretrained weights
            too, and what is frozen, at any depth, is kept; or a
            sequence of these, one for each generation that is trained, the last
            one repeated.
        objective: What students are trained on: "ban", "ban+l", "cwtm",
            "dkpp", "kd", "dkd", "dist", "logits", an `objectives.Objective`, a
            function `(y_true, student_logits, teacher_logits)`, or "labels",
            the control: every generation learns from the labels alone; or a
            dict of these by the names of several outputs, `None` for labels.
            Defaults to `"ban"`.
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
        task: What kind of task the models have: "classes", "binary" (one
            sigmoid), "multilabel", "values" (regression), "gaussian", a
            `tasks.Task`, or a dict of these by the names of outputs. Defaults
            to `"auto"`: what loss, last activation and labels say.

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
        task="auto",
    ):
        checks.backend()
        strategy = strategies.get(strategy)
        self._said = kinds.Said(task, from_logits).checked()
        self._blueprints = Blueprints(model_fn, strategy, self._said)
        self.objective = objectives.get(objective)
        self.seed = checks.integer("seed", seed, 0)
        self.lineage = Lineage()
        # Trained networks to be generation 0, in place of training them.
        self._founders = None
        self._cluster = Cluster(strategy)
        self._run = directories.get(
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
        teachers=1,
        learn_from="parent",
        teacher_augment=SAME,
        phases=None,
        unlabelled=None,
        shard=False,
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
            generations: Number of students after the teacher; with the
                objective "labels" it may be 0. Defaults to 3.
            teacher: What knows the same classes, to be generation 0: a model
                or a list of them, a path, a function, an estimator, or
                predictions. Defaults to `None`: it is trained on the labels.
            callbacks: A list of Keras callbacks, shared by the generations,
                or a function from the generation's number to such a list.
                Keras' own begin anew in each generation, and one of them that
                writes needs a file or folder of its own for each. In
                generation 0 `self.model` is the model, then a `Distiller`,
                with the model as its `student`; on several replicas, and
                where views mix labels, always.
                Defaults to `None`.
            validation_data: As in Keras. Every trained generation is measured
                on it, and `lineage.best` chosen by it. Defaults to `None`.
            validation_split: As in Keras, for arrays. Defaults to `0.0`.
            verbose: 0 prints nothing but where a run resumes; 1 how much
                there is to train, Keras' bar, and, once an epoch has told,
                when the run will be finished; 2 a line for each generation.
                Defaults to `"auto"`, as 1.
            teacher_outputs: "online": the teacher runs in each step. "cached":
                what it gives is computed once for each generation, and joined
                to the examples. The path of a folder: so, and it is kept
                there. Or a `keras_ban.TeacherCache`. Defaults to `"online"`.
            augment: Optional view of the examples, which student and teacher
                share: "mixup", "cutmix" or "crop_and_flip"; what
                `keras_ban.views` makes; a preprocessing layer of Keras, as
                `keras.layers.RandomFlip()`, or a `keras.Sequential` of such
                (`keras_ban.views.layer` says how they draw); a function from
                an example, without the axis of the batch, and a seed of shape
                `(2,)` to a view of it, as
                `tf.image.stateless_random_flip_left_right`; or one from an
                example, its label and a seed to a view and its label; or a
                list of these, applied in turn. Defaults to `None`.
            views: How many views each example has in a generation: epoch e
                shows view e modulo `views`. Defaults to `None`: a new one in
                each epoch, which cannot be cached.
            teachers: Number of networks that are trained on the labels and
                teach BAN-1 as their mean, which is generation 0. Each is kept
                and resumed by itself, and `lineage.teachers` has them.
                Networks are counted as they are trained, by `seed`,
                `callbacks` and a function as `x`: these first, then the
                students. Defaults to `1`.
            learn_from: "parent": each generation learns from the one before.
                "all": from the mean of all before. Defaults to `"parent"`.
            teacher_augment: Views on which generation 0 is trained on the
                labels, one network or several, if they are others than those
                of the students: what `augment` takes, or `None` for none.
                While it teaches, both see the same view, one of `augment`, as
                Beyer et al. 2022 ask. They ask for one strong set of views;
                this departs from it, as strong views may make the better
                teachers, and mild ones be closer to what the student is for.
                Defaults to `"same"`: those of `augment`.
            phases: A dict from a number of epochs to a function of the model
                that changes it after these, and compiles it anew, as {5:
                unfreeze} for a pretrained one. All networks go through them,
                in `epochs` in all. Defaults to `None`.
            unlabelled: Inputs without labels, arrays beside arrays or data of
                the kind of `x`, of as many batches. Students see all of them
                in each epoch, a share in each batch: the label term is the
                mean over those with labels, the teacher's over all.
                `sample_weight` is 1 for them. Defaults to `None`.
            shard: Whether each of several workers is given its own part of the
                examples alone, each batch its part of the global one. Defaults
                to `False`: all have the same, and take their rows of it.
            **fit_arguments: Any other argument of `keras.Model.fit`, as
                `epochs`, `batch_size` or `sample_weight`. `epochs` may be a
                function of the generation's number, so that students are
                trained longer. `shuffle` may be a number: the examples of an
                unshuffled `tf.data.Dataset` are shuffled in a buffer of that
                size, anew in each epoch.

        Returns:
            A `Lineage` of `generations + 1`.

        Raises:
            ValueError: Before training, if an argument, the data, the models
                or the teacher do not fit each other, or if the directory
                holds another run or a damaged file.
            BlockingIOError: If another process trains in the directory.
            OSError: If the directory cannot be written, as on a full disk:
                what was saved before is intact. Or if something else has the
                name of one of its files or folders: a link, say, or a pipe.
            RuntimeError: If there are several workers, and another one is
                gone or fails at the directory.
            FloatingPointError: If a loss turns NaN or infinite. The
                generations before are in `self.lineage`.
            KeyboardInterrupt: If it is stopped. It says what is finished.
        """
        arguments = {
            **fit_arguments,
            "x": x,
            "y": y,
            "generations": generations,
            "teacher": teacher,
            "callbacks": callbacks,
            "verbose": verbose,
            "validation_data": validation_data,
            "validation_split": validation_split,
            "teacher_outputs": teacher_outputs,
            "augment": augment,
            "views": views,
            "teacher_augment": teacher_augment,
            "teachers": teachers,
            "learn_from": learn_from,
            "phases": phases,
            "unlabelled": unlabelled,
            "shard": shard,
        }
        prepared = self._prepared(wanted(arguments, self._said))
        try:
            has_trained, data = self._train(*prepared), prepared[1]
        except KeyboardInterrupt as interrupt:
            # Where it was stopped, in the midst of TensorFlow, helps nobody.
            words = stopped(interrupt, self.lineage, self._run.way_on)
            raise type(interrupt)(*words) from None
        has_all = all(g.model or g.given for g in self.lineage)
        if has_trained and has_all and data.validation:
            self.lineage.evaluate(data.validation, title="validation data")
        ended(prepared[3], self._cluster, self.lineage)
        if verbose != 0:
            printed.say(str(self.lineage))
        return self.lineage

    def _prepared(self, run):
        """What `_train` takes of a `Wanted`, checked as far as it can be."""
        ancestry, teacher = run.ancestry, run.teacher
        least = int(self.objective.needs_teacher)
        generations = checks.integer("generations", run.generations, least)
        ancestry.check(self.objective, teacher)
        plans = run.plans.taught_by(teacher)
        # Networks are counted as they are trained.
        count = ancestry.teachers + generations
        own = [given_callbacks(run.callbacks, k) for k in range(count)]
        first = int(teacher is not None)
        check_places(dict(enumerate(own[first:], first)))
        trained = generations + (teacher is None)
        self._blueprints.check_count(trained)
        data = feed(
            run.rest,
            viewed=bool(plans),
            generation=first,
            epoch_seed=functools.partial(seeds.derive, self.seed),
            lengths=lengths(run.rest.get("epochs"), generations + 1),
            share=self._cluster.part,
            shard=run.shard,
        )
        data.check_initial_epoch()
        run.phases.check(data.lengths or [data.epochs])
        self._run.check(data, own, ancestry.takes_all)
        with self._cluster.watched():
            alike.check_asked(self, run, data, teacher, own)
            needs_labels = teacher is None or self.objective.needs_labels
            known = self._blueprints, self.objective, self.seed, teacher
            make = functools.partial(Trial, *known, self._run, run.phases)
            owned = data, plans, ancestry, self._cluster
            trial = tried(make, needs_labels, *owned)
            alike.check_found(self._cluster, data, teacher)
        data.train.check_steps()
        outputs = trial.teaching(trained)
        plans.check(data, self.objective, trial.shape, outputs, trial.task)
        return trial, data, plans, own, ancestry

    def _fit(self, founders, **arguments):
        """`fit` without the training of generation 0.

        Args:
            founders: What that training would give, of the same recipe and
                seed: a `Lineage` of as many as `teachers` says, or more.
            **arguments: Those of `fit`.

        Returns:
            What `fit` returns.
        """
        self._founders = founders
        try:
            return self.fit(**arguments)
        finally:
            self._founders = None

    def _train(self, trial, data, plans, callbacks, ancestry):
        """Trains what is not finished; returns whether there was anything."""
        count, outlook = ancestry.teachers, Outlook(data.verbose)
        trainer = Trainer(
            trial,
            data,
            plans,
            callbacks[count - 1 :],
            self._cluster,
            ancestry,
            outlook,
        )
        has_founder = trial.teacher is not None or self._founders is not None
        trainer.foresee(int(has_founder or count > 1))
        self.lineage = self._lineage(trainer)
        with (
            self._cluster.watched(),
            quiet_retracing(),
            self._run.open(trainer.identity, data) as run,
        ):
            teachers = None
            if self._founders is not None:
                teachers = self._lineage(trainer, self._founders[:count])
            elif count > 1:
                trainer.check_room(1)
                data = data.for_generation(0)
                teachers = self._teachers(
                    trial, data, plans.of_teachers(), callbacks[:count], outlook
                )
            self.lineage = self._lineage(trainer, (), teachers)
            return train(trainer, run, self.lineage)

    def _lineage(self, trainer, generations=(), teachers=None):
        said, recipe = self._said, trainer.identity.recipe
        known = said.from_logits, teachers, said.task, recipe
        return Lineage(generations, *known)

    def _teachers(self, trial, data, plans, callbacks, outlook):
        """The networks whose mean is generation 0, a `Lineage`."""
        trainer = Trainer(
            trial.of_labels(),
            data,
            plans,
            callbacks,
            self._cluster,
            outlook=outlook,
        )
        trainer.foresee(0)
        # What was finished is there even if it is stopped.
        self.lineage = self._lineage(trainer)
        with self._run.within(TEACHERS).open(trainer.identity, data) as run:
            train(trainer, run, self.lineage)
        return self.lineage
