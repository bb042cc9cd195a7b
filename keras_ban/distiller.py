"""One student learning from one frozen teacher."""

import contextlib
import inspect
import random

import keras

from keras_ban import checks
from keras_ban import objectives
from keras_ban.distribution.cluster import Cluster
from keras_ban.distribution.replicas import building
from keras_ban.feeding.feed import check_names
from keras_ban.feeding.feed import feed
from keras_ban.feeding.passes import clear_errors
from keras_ban.feeding.unlabelled import NAME as UNLABELLED
from keras_ban.networks.stand_in import check_own_training
from keras_ban.rows import first_rows
from keras_ban.rows import map_arrays
from keras_ban.rows import tensor
from keras_ban.state.variables import own_variables
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks import outputs
from keras_ban.tasks.checks import apart
from keras_ban.teaching import checking
from keras_ban.teaching import family
from keras_ban.teaching.epochs import told
from keras_ban.teaching.features import FeatureTerm
from keras_ban.teaching.plan import Plan
from keras_ban.teaching.steps import Steps
from keras_ban.teaching.terms import Terms
from keras_ban.teaching.terms import check_objectives

_DEFAULT = "sum_over_batch_size"


class Distiller(Steps):
    """Trains a student to match a teacher, as an ordinary `keras.Model`.

    `compile`, `fit`, `evaluate`, `predict` and callbacks work as usual. What
    is compiled is the student: its optimizer, loss, metrics, `jit_compile`
    and `steps_per_execution` are the ones that are used, so a compiled
    student needs no second `compile`, and after `fit` it is an ordinary
    trained model. `fit` logs `label_loss` and `teacher_loss`, the two terms
    before they are weighted, beside `loss`. `evaluate` and `predict` run the
    student alone; saving saves the student.

    The teacher runs in inference mode, outside the gradient tape, and is left
    as it was found.

    Args:
        student: The `keras.Model` to train, with one output or several:
            logits or probabilities of classes or of several labels, or values.
        teacher: What teaches the same classes, labels or values, as
            `BornAgain.fit` takes it; of several outputs those of the same
            names teach. May be `None` for the objective "labels".
        objective: As `BornAgain` takes it. Defaults to `"ban"`.
        from_logits: Says what those models give that do not say it
            themselves. Defaults to `None`.
        task: What kind of task they have, as `BornAgain` takes it. Defaults
            to `"auto"`.

    Raises:
        ValueError: If the objective is unknown, if the teacher has no
            weights, or if student and teacher share weights. `fit` raises it
            for data, outputs and classes that do not fit each other, before
            the first step.

    Example:
    >>> distiller = keras_ban.Distiller(student, teacher, objective="kd")
    >>> distiller.compile("adam", metrics=["accuracy"])
    >>> distiller.fit(x, y, epochs=30)
    >>> student.evaluate(x_test, y_test)
    """

    def __init__(
        self, student, teacher, objective="ban", from_logits=None, task="auto"
    ):
        checks.backend()
        said = kinds.Said(task, from_logits).checked()
        super().__init__(student, name="distiller")
        # Random seeds and sums are variables, of the student's devices.
        with student.distribute_strategy.scope():
            self.objective = objectives.get(objective).fresh()
            self._terms = Terms(self.objective)
        if self.objective.needs_teacher:
            check_own_training(student)
        self.teacher = None
        if teacher is not None or self.objective.needs_teacher:
            self.teacher = family.get(teacher, said)
            if self.teacher.model is not None:
                apart(student, self.teacher.model)
        self._labels = objectives.Labels()
        self._own_reduction = self.objective.reduction
        self._said, self.task = said, None
        self._unfinished_compile = self._features = None
        self._shows_terms = True
        self._is_checked = False
        self.built = True
        if student.compiled:
            self._adopt_compilation()

    def compile(self, optimizer="rmsprop", loss=None, **kwargs):
        """Compiles the student; the arguments are those of `keras.Model`.

        Args:
            optimizer: As in Keras. Defaults to `"rmsprop"`.
            loss: The loss on the labels, as in Keras. Defaults to `None`: the
                loss the student has, else the cross-entropy that fits the
                labels which `fit` is given.
            **kwargs: The other arguments of `keras.Model.compile`.
        """
        loss = self.student.loss if loss is None else loss
        unfinished = {"optimizer": optimizer, **kwargs}
        self._unfinished_compile = unfinished if loss is None else None
        self.student.compile(optimizer=optimizer, loss=loss, **kwargs)
        self._adopt_compilation()

    def _adopt_compilation(self):
        student, self._features = self.student, None
        super().compile(
            optimizer=student.optimizer,
            run_eagerly=student.run_eagerly,
            steps_per_execution=student.steps_per_execution,
            jit_compile=checking.compiles(student, self.teacher),
            auto_scale_loss=False,
        )
        # Both terms are reduced as the label loss is where it stands alone.
        reduction = getattr(outputs.compiled_loss(student), "reduction", None)
        if reduction in (None, "none"):
            reduction = _DEFAULT
        self._labels.reduction = reduction
        own = self._own_reduction
        self.objective.reduction = reduction if own == _DEFAULT else own

    def fit(
        self,
        *args,
        teacher_outputs="online",
        augment=None,
        views=None,
        unlabelled=None,
        **kwargs,
    ):
        """Trains the student; the arguments are those of `keras.Model.fit`.

        Args:
            *args: As in Keras.
            teacher_outputs: "online": the teacher runs in each step. "cached":
                its outputs are computed once, and joined to the examples. The
                path of a folder: so, and they are kept there. Or a
                `keras_ban.TeacherCache`. Defaults to `"online"`.
            augment: Optional view of the examples, which student and teacher
                share, as `BornAgain.fit` takes it. Defaults to `None`.
            views: How many views each example has: epoch e shows view e
                modulo `views`. Defaults to `None`: a new one in each epoch,
                which cannot be cached.
            unlabelled: Inputs without labels beside those of `x`, as
                `BornAgain.fit` takes them: the teacher's term is the mean over
                all examples, the label term over those that have a label.
                Defaults to `None`.
            **kwargs: As in Keras.

        Returns:
            The `keras.callbacks.History`.

        Raises:
            ValueError: If the data does not fit the student, or the student
                the teacher. Arrays and the first batches of a `PyDataset` are
                checked whole; of a `tf.data.Dataset`, which another reading
                could shuffle anew, the length. And if the teacher's outputs
                cannot be cached, or are of another teacher or other data.
        """
        check_names(kwargs)
        signature = inspect.signature(keras.Model.fit)
        arguments = signature.bind(self, *args, **kwargs).arguments
        del arguments["self"]
        plan = Plan(teacher_outputs, augment, views).taught_by(self.teacher)
        is_own = bool(plan) or unlabelled is not None
        # Keras itself splits what it is given as it is.
        split = 0.0 if is_own else arguments.pop("validation_split", 0.0)
        arguments = told(self, arguments) | {UNLABELLED: unlabelled}
        data = feed(arguments, viewed=bool(plan), once=unlabelled is None)
        checking.check_training(self, data, self._said)
        if self._unfinished_compile and not data.train.reads_once:
            self._finish_compile(data)
        data.check_unlabelled(self.objective, self.teacher)
        data = data.for_student()
        if not is_own:
            return self.fit_unchecked(validation_split=split, **data.as_given())
        data.train.check_steps()
        if plan.mixes:
            check_own_training(self.student)
        shape = heads.spec(self.student)
        plan.check(data.train, self.objective, shape, task=self.task)
        # What orders itself draws from the same generator.
        seed = 0 if data.train.orders_itself else random.getrandbits(32)
        cluster = Cluster(self.student.distribute_strategy)
        shown = plan.views(data.train, 0, self.teacher, cluster=cluster)
        size = self.steps_per_execution
        with clear_errors("the student"):
            return self.fit_unchecked(
                **data.generation(0, seed, data.initial_epoch, shown, size)
            )

    def fit_unchecked(self, **arguments):
        """Trains on what was checked; arguments as `keras.Model.fit`."""
        return super().fit(**arguments)

    def check_models(self, x, y=None, name="x"):
        """Checks on one batch that student and teacher fit each other.

        Args:
            x: A batch of inputs.
            y: Its labels, or `None`. Defaults to `None`.
            name: What errors call the inputs. Defaults to `"x"`.

        Returns:
            Shape `(rows, ..., n)` of the student's output, or a `ByName`.

        Raises:
            ValueError: If an output is not what its model says, if the
                classes differ, or if the models share weights.
        """
        self._is_checked = True
        shape = checking.check_pair(self, x, y, name, self._said)
        if self.student.compiled:
            self.prepare(x)
        return shape

    def meet(self, x, y):
        """Takes student and teacher for such as were checked elsewhere.

        Args:
            x: A batch of inputs.
            y: Its labels, or `None`.
        """
        x = map_arrays(tensor, first_rows(x))
        checking.meet(self, x, y, self._said)
        self._is_checked = True
        self.prepare(x)

    def check_objective(self, x, y):
        """Tries the loss, and an objective of the user's own, on a few samples.

        Args:
            x: A batch of inputs.
            y: Their labels, or `None`.

        Raises:
            ValueError: If it cannot be computed, or does not give one loss
                for each sample.
        """
        # Tensors: Keras runs no model on NumPy beside sparse inputs.
        x, y = map_arrays(tensor, first_rows((x, y)))
        checking.check_loss(self.student, x, y, self.task)
        if type(self.objective) in objectives.BUILT_IN:
            return
        taught = self.teacher and self.teacher.probed(x)
        learned = self._learned(y, self.student(x), taught)
        check_objectives(self.objective, learned, self.student.run_eagerly)

    def prepare(self, x):
        """Makes what compares features, if the objective has any.

        Args:
            x: A batch of inputs.

        Raises:
            ValueError: If layers are missing, or do not fit each other.
        """
        if self.objective.features and self._features is None:
            with building(self.student):
                x = map_arrays(tensor, first_rows(x))
                self._features = FeatureTerm(
                    self.objective, self.student, self.teacher, x
                )

    @property
    def lasting(self):
        """What outlasts a new compilation, a list of variables.

        Those of the objective, and of the layers that features are projected
        by, but for the optimizer of these.
        """
        between = self._features.variables if self._features else []
        return [*own_variables(self.objective), *between]

    def _finish_compile(self, data):
        """Compiles again, now that the labels say which loss is meant."""
        loss = checking.default_loss(self.student, data, self._said)
        if loss is not None:
            self.compile(loss=loss, **self._unfinished_compile)

    def evaluate(self, *args, **kwargs):
        """The student's own evaluation; arguments as `keras.Model.evaluate`."""
        with self.evaluating():
            return super().evaluate(*args, **kwargs)

    @contextlib.contextmanager
    def evaluating(self):
        """While it lasts, the metrics are the student's alone."""
        self._shows_terms = False
        try:
            yield
        finally:
            self._shows_terms = True
