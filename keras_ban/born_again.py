"""The driver: generation after generation."""

import dataclasses
import functools
import time

import keras
import numpy as np
import tensorflow as tf

from keras_ban import batches
from keras_ban import checks
from keras_ban import data_checks
from keras_ban import objectives
from keras_ban import outputs
from keras_ban import report
from keras_ban.distiller import Distiller
from keras_ban.lineage import Generation
from keras_ban.lineage import Lineage
from keras_ban.teacher import Teacher


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
            `keras.Model` each time; or a `keras.Model`, which is cloned with
            all weights fresh, pretrained ones too; or a sequence of these,
            one for each network that is trained, the last one repeated.
        objective: What students are trained on: "ban", "ban+l", "cwtm",
            "dkpp", "kd", "logits", an `objectives.Objective`, a function
            `(y_true, student_logits, teacher_logits)`, or "labels", the
            control: every generation learns from the labels alone. Defaults
            to `"ban"`.
        seed: Non-negative integer. Generation k is seeded with a number that
            follows from `(seed, k)`, through `keras.utils.set_random_seed`.
            Defaults to `0`.
        from_logits: Says what the models give that do not say it
            themselves. Defaults to `None`.

    Attributes:
        lineage: The `Lineage` of the last `fit`. It grows by a generation at
            a time, so what was finished is there even if `fit` was stopped.

    Raises:
        ValueError: If an argument is not of these kinds.

    Example:
    >>> lineage = keras_ban.BornAgain(model_fn).fit(ds, generations=4)
    >>> print(lineage.evaluate(test_ds))
    >>> bane = lineage.ensemble(last=3)
    """

    def __init__(self, model_fn, objective="ban", seed=0, from_logits=None):
        checks.backend()
        self._model_fns = _model_functions(model_fn)
        self.objective = objectives.get(objective)
        self.seed = checks.integer("seed", seed, 0)
        self.lineage = Lineage()
        self._from_logits = from_logits

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
        **fit_arguments,
    ):
        """Trains all generations.

        The data is checked before the first step: arrays whole, of another
        data set the first 100 batches. A `tf.data.Dataset` is thus read once
        before training.

        Args:
            x: Inputs, or a `tf.data.Dataset` or `keras.utils.PyDataset` of
                `(inputs, labels)`.
            y: Labels, if `x` is arrays. They may be missing if a teacher is
                given and the objective needs none. Defaults to `None`.
            generations: Number of students after the teacher. Defaults to 3.
            teacher: A trained model of any architecture for the same
                classes, or a list of them, to be generation 0. Defaults to
                `None`: generation 0 is trained on the labels.
            callbacks: A list of Keras callbacks, shared by the generations,
                or a function from the generation's number to such a list.
                In generation 0 `self.model` is the model, then a `Distiller`,
                with the model as its `student`. Defaults to `None`.
            validation_data: As in Keras. Every trained generation is measured
                on it, and `lineage.best` chosen by it. Defaults to `None`.
            validation_split: As in Keras, for arrays. Defaults to `0.0`.
            verbose: As in Keras; 0 prints nothing. Defaults to `"auto"`.
            **fit_arguments: Any other argument of `keras.Model.fit`, as
                `epochs`, `batch_size` or `sample_weight`.

        Returns:
            A `Lineage` of `generations + 1`.

        Raises:
            ValueError: Before training, if an argument, the data, the models
                or the teacher do not fit each other.
            FloatingPointError: If a loss turns NaN or infinite. The
                generations before are in `self.lineage`.
        """
        generations = checks.integer("generations", generations, 1)
        checks.fit_arguments(fit_arguments)
        callbacks = [
            checks.callbacks(callbacks, k) for k in range(generations + 1)
        ]
        teacher = self._given_teacher(teacher)
        self._check_lengths(generations, teacher)
        arguments = _with_validation(
            {**fit_arguments, "x": x, "y": y, "verbose": verbose},
            validation_data,
            validation_split,
        )
        first_x, label_shape = self._check_data(arguments, teacher)
        self.lineage = Lineage(from_logits=self._from_logits)
        with report.quiet_retracing():
            for number in range(generations + 1):
                if number == 0 and teacher is not None:
                    generation = Generation(0, "Teacher", teacher, "given")
                else:
                    model_fn = self._model_fn(number, teacher)
                    build = functools.partial(
                        self._build, model_fn, first_x, label_shape
                    )
                    generation = self._train(
                        number, generations, build, callbacks[number], arguments
                    )
                self.lineage.append(self._measured(generation, arguments))
        if arguments["validation_data"] is not None:
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
        """Checks data and models; returns inputs and label shape of a batch."""
        trials = []
        (x, y, _), _ = data_checks.fit(
            arguments,
            functools.partial(self._check_models, teacher, trials),
            needs_labels=teacher is None or self.objective.needs_labels,
        )
        for distiller in trials:
            distiller.check_objective(x, y)
        return batches.first_rows(
            x, checks.PROBE_ROWS
        ), None if y is None else y.shape

    def _check_models(self, teacher, trials, x):
        """Tries every model function; returns the shape of their outputs.

        To `trials` it adds a `Distiller` for each function, if the objective
        needs a teacher.
        """
        shapes = []
        for model_fn in dict.fromkeys(self._model_fns):
            models = []
            for number in range(2):
                keras.utils.set_random_seed(_seed(self.seed, number))
                models.append(checks.returned_model(model_fn))
                output = checks.prediction(models[-1], x, self._from_logits)
                shapes.append(output.shape)
            checks.apart(*models, ("model of one call of `model_fn`", "next"))
            checks.own_optimizers(*models)
            checks.seeds_differ(*models)
            if self.objective.needs_teacher:
                parent = models[1] if teacher is None else teacher
                trials.append(self._distiller(models[0], parent))
                trials[-1].check_models(x)
        for shape in shapes:
            checks.same_classes(shape, shapes[0])
        return shapes[0]

    def _distiller(self, student, teacher):
        return Distiller(student, teacher, self.objective, self._from_logits)

    def _build(self, model_fn, x, label_shape):
        """A fresh model; compiled by default if it came uncompiled."""
        model = checks.returned_model(model_fn)
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
        model.compile(optimizer="adam", **default)
        return model

    def _train(self, number, generations, build, callbacks, arguments):
        """Trains one generation and returns it."""
        seed = _seed(self.seed, number)
        keras.utils.set_random_seed(seed)
        model = build()
        for earlier in self.lineage:
            checks.apart(model, earlier.model, ("student", earlier.name))
        parent, fit = None, model.fit
        if number > 0 and self.objective.needs_teacher:
            parent = self.lineage[number - 1]
            distiller = self._distiller(model, parent.model)
            # Its own `fit` would check the data once more.
            fit = functools.partial(keras.Model.fit, distiller)
        name = _name(number, self.objective)
        if arguments["verbose"] != 0:
            source = "the labels"
            if parent:
                source = f"{parent.name} by {self.objective.name!r}"
            print(
                f"{name}, generation {number} of {generations}, learns from "
                f"{source} (seed {seed})"
            )
        start = time.perf_counter()
        history = fit(callbacks=[*callbacks, _Finite(name)], **arguments)
        return Generation(
            number=number,
            name=name,
            model=model,
            objective=self.objective.name if parent else "labels",
            teacher=parent and parent.name,
            seed=seed,
            history=history.history,
            seconds=time.perf_counter() - start,
        )

    def _measured(self, generation, arguments):
        """The generation with its metrics on the validation data, if any."""
        if arguments["validation_data"] is None:
            return generation
        lineage = Lineage([generation], self._from_logits)
        row = lineage.evaluate(**batches.validation(arguments))[0]
        metrics = {k: row[k] for k in ("accuracy", "error", "nll", "ece")}
        return dataclasses.replace(generation, metrics=metrics)


class _Finite(keras.callbacks.Callback):
    """Ends a training whose loss is no number any more."""

    def __init__(self, generation):
        super().__init__()
        self._generation = generation
        self._epoch = 0

    def on_epoch_end(self, epoch, logs=None):
        if not logs:
            raise ValueError(
                f"{self._generation} read no data in epoch {epoch + 1}. "
                "Expected a data set that starts anew in each epoch. The "
                "generations before it are kept in `born_again.lineage`. "
                "Create the generator inside the function that "
                "`from_generator` is given, or add `.repeat()`."
            )
        self._epoch = epoch + 1
        if not np.isfinite(logs.get("loss", 0.0)):
            self._fail(f"loss of {self._generation} is {logs['loss']}")

    def on_train_end(self, logs=None):
        # The last update comes after the last loss.
        if not all(np.isfinite(w).all() for w in self.model.get_weights()):
            self._fail(f"weights of {self._generation} are not finite")

    def _fail(self, what):
        raise FloatingPointError(
            f"The {what} in epoch {self._epoch}. Expected finite numbers. The "
            "generations before it are kept in `born_again.lineage`. Lower "
            "the learning rate, clip the gradients (`clipnorm=` of the "
            "optimizer), or look for a float16 overflow."
        )


def _seed(seed, number):
    """The seed of a generation: generations and runs share no stream."""
    sequence = np.random.SeedSequence(seed, spawn_key=(number,))
    return int(sequence.generate_state(1)[0])


def _name(number, objective):
    if not objective.needs_teacher:
        return f"Labels-{number}"
    return f"BAN-{number}" if number else "Teacher"


def _model_functions(model_fn):
    """`model_fn` as a list of functions that return a fresh model."""
    many = isinstance(model_fn, (list, tuple))
    entries = list(model_fn) if many else [model_fn]
    if entries and all(callable(entry) for entry in entries):
        return [
            functools.partial(_clone, entry)
            if isinstance(entry, keras.Model)
            else entry
            for entry in entries
        ]
    raise ValueError(
        "Invalid value for argument `model_fn`. Expected a function without "
        "arguments that returns a `keras.Model`, a `keras.Model` to clone, or "
        f"a list of these. Received: {model_fn!r}"
    )


def _clone(model):
    """A model of the same architecture and compilation, freshly drawn."""
    for layer in model.layers:
        if hasattr(layer, "adapt"):
            raise ValueError(
                f"The layer {layer.name!r} of the model {model.name!r} may "
                "have adapted to data, which a fresh clone would forget. "
                "Expected a model without such preprocessing layers. Pass a "
                "function that builds the model around the adapted layer."
            )
    try:
        clone = keras.models.clone_model(model)
        if model.compiled:
            clone.compile_from_config(model.get_compile_config())
    except Exception as error:
        raise ValueError(
            f"Keras cannot clone the model {model.name!r}: {error} Expected a "
            "functional or sequential model whose loss and metrics Keras can "
            "serialise. Pass a function that builds and compiles the model."
        ) from error
    return clone


def _with_validation(arguments, validation_data, validation_split):
    """The arguments of `fit`, the validation data split off if it should be."""
    if validation_split and validation_data is None:
        data = [arguments.pop(k, None) for k in ("x", "y", "sample_weight")]
        train, validation_data = batches.split(data, validation_split)
        names = ("x", "y", "sample_weight")
        arguments |= dict(zip(names, train, strict=True))
    if isinstance(arguments["x"], tf.data.Dataset):
        # Keras warns that its default, True, cannot shuffle a data set.
        arguments.setdefault("shuffle", False)
    return arguments | {"validation_data": validation_data}
