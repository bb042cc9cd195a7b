"""What a user gives as `model_fn`, as fresh networks for the generations."""

import copy
import functools
import inspect

import keras

from keras_ban import checks
from keras_ban.distribution.strategies import scope
from keras_ban.networks.layers import is_untouched
from keras_ban.networks.layers import steps_taken
from keras_ban.networks.layers import sublayers
from keras_ban.networks.stand_in import check_own_methods
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks.checks import prediction


class Blueprints:
    """What makes the network of each generation.

    Args:
        model_fn: A function without arguments, or of the model of the
            generation before, a `keras.Model` to clone, or a sequence of
            these.
        strategy: The strategy on whose devices networks are trained, or
            `None`. Defaults to `None`.
        said: What the owner of the models says of them. Defaults to nothing.

    Attributes:
        strategy: As given.
        said: As given.

    Raises:
        ValueError: If it is none of these.
    """

    def __init__(self, model_fn, strategy=None, said=kinds.UNSAID):
        self.strategy = strategy
        self._functions = _functions(model_fn)
        self.said = said

    @property
    def different(self):
        """The functions, each once."""
        return list(dict.fromkeys(self._functions))

    def check_count(self, trained):
        """Checks that there are no more functions than networks to train.

        Raises:
            ValueError: If there are.
        """
        if len(self._functions) > trained:
            raise ValueError(
                f"`model_fn` has {len(self._functions)} entries. Expected "
                f"{trained} at most, the number of networks to train. Leave "
                "out the others, or raise `generations`."
            )

    @property
    def takes_parents(self):
        """Whether a network is made from the one before."""
        return any(checks.arity(f) == 1 for f in self._functions)

    def of_first(self):
        """The `Blueprints` of networks that are all like the first."""
        found = copy.copy(self)
        found._functions = self._functions[:1]
        return found

    def function(self, index):
        """The function that makes the network that is trained as this one.

        Args:
            index: Its number among those that are trained, counted from 0.
        """
        return self._functions[min(index, len(self._functions) - 1)]

    def fresh(self, function, parent=None):
        """A model to train, on the devices of the strategy.

        Args:
            function: One of the functions.
            parent: The model of the generation before, or `None`.

        Raises:
            ValueError: If it does not give a model.
        """
        with scope(self.strategy):
            return returned_model(function, parent)

    def compiled(self, model, x, label_shape):
        """The model; compiled by default if it came uncompiled.

        Args:
            model: What `fresh` returned.
            x: A few rows of inputs.
            label_shape: Shape of the labels of a batch, or `None` for none.
        """
        if model.compiled:
            return model
        shape = heads.shape_of(prediction(model, x, self.said))
        default = {}
        if label_shape is not None:
            task = kinds.task_of(model, self.said, shape)
            row = heads.each(lambda one: one[1:], shape)
            default = task.default_compilation(row, label_shape)
        with model.distribute_strategy.scope():
            model.compile(optimizer="adam", **default)
        return model


def _functions(model_fn):
    """`model_fn` as a list of functions that return a fresh model."""
    many = isinstance(model_fn, (list, tuple))
    entries = list(model_fn) if many else [model_fn]
    checks.keras_3("model_fn", *entries)
    if entries and all(callable(entry) for entry in entries):
        made = {id(entry): _function(entry) for entry in entries}
        return [made[id(entry)] for entry in entries]
    raise ValueError(
        "Invalid value for argument `model_fn`. Expected a function without "
        "arguments that returns a `keras.Model`, a `keras.Model` to clone, or "
        f"a list of these. Received: {model_fn!r}"
    )


def _function(entry):
    """A function that can be told from others, as the key of a dict."""
    if isinstance(entry, keras.Model):
        return Clones(entry)
    try:
        hash(entry)
    except TypeError:
        return functools.partial(entry)
    return entry


def returned_model(model_fn, parent=None):
    """Calls `model_fn` and checks that it returns a model.

    Args:
        model_fn: A function without arguments, or of the parent.
        parent: The model of the generation before, if there is one. Defaults
            to `None`.
    """
    arguments = ()
    if checks.arity(model_fn) == 1:
        if parent is None:
            raise ValueError(
                "`model_fn` takes the model of the generation before, and "
                f"generation 0 has none. Received: {model_fn!r} as the first. "
                "Give `[first_fn, model_fn]`, `fit(..., teacher=model)`, or a "
                "default for its argument."
            )
        arguments = (parent,)
    try:
        inspect.signature(model_fn).bind(*arguments)
    except ValueError:
        pass  # what is built in may have no signature
    except TypeError as error:
        raise ValueError(
            "`model_fn` must be a function that needs no arguments, or the "
            f"model of the generation before. Received: {model_fn!r}, {error}. "
            "Give it defaults, or wrap it in a lambda."
        ) from error
    model = model_fn(*arguments)
    checks.keras_3("model_fn", model)
    if isinstance(model, keras.Model):
        check_own_methods(model)
        return model
    raise ValueError(
        "`model_fn` must return a `keras.Model`. Received: "
        f"{type(model).__name__}. End the function in `return model`."
    )


class Clones:
    """Makes models of the architecture and compilation of a given one.

    What is trained is drawn anew. What is not, frozen layers and weights that
    were frozen one by one, at any depth, is kept, with its values.

    Args:
        model: The `keras.Model`.
    """

    def __init__(self, model):
        self._model = model
        self._was_checked = False

    def __repr__(self):
        return repr(self._model)

    def __call__(self):
        """Returns a model.

        Raises:
            ValueError: If Keras cannot clone the model, or if a layer may
                have adapted to data.
        """
        model = self._model
        if not self._was_checked:
            self._was_checked = True
            check_own_methods(model)
            _check_adapted(model)
            _warn_of_training(model)
        try:
            clone = keras.models.clone_model(model)
            _check_class(model, clone)
            _keep_frozen(model, clone)
            if model.compiled:
                clone.compile_from_config(model.get_compile_config())
        except Exception as error:
            raise ValueError(
                f"Keras cannot clone the model {model.name!r}: {error} "
                "Expected a functional or sequential model whose loss and "
                "metrics Keras can serialise. Pass a function that builds and "
                "compiles the model."
            ) from error
        return clone


def _check_adapted(model):
    """Refuses layers whose state a fresh layer would not have."""
    for layer in sublayers(model):
        if hasattr(layer, "adapt"):
            raise ValueError(
                f"The layer {layer.name!r} of the model {model.name!r} may "
                "have adapted to data, which a fresh clone would forget. "
                "Expected a model without such preprocessing layers. Pass a "
                "function that builds the model around the adapted layer."
            )


def _check_class(model, clone):
    """Refuses a clone that is of another class, and lacks what its own does."""
    one, other = type(model), type(clone)
    for name in dir(keras.Model):
        rewritten = name in ("get_config", "from_config")
        if not rewritten and not name.startswith("_"):
            if getattr(one, name) is not getattr(other, name):
                raise ValueError(
                    f"it makes a {other.__name__} of a {one.__name__}, "
                    f"without the `{name}` of that class."
                )


def _warn_of_training(model):
    if steps_taken(model) or (model.built and is_untouched(model) is False):
        checks.warn(
            f"`model_fn` is the model {model.name!r}, whose weights were "
            "trained, loaded or set: generations are drawn anew, and keep of "
            "it only what is frozen. To start from it as generation 0, call "
            "`fit(..., teacher=model)`."
        )


def _keep_frozen(model, clone):
    """Gives a clone the weights that are not trained in the model."""
    frozen = {
        id(weight)
        for layer in sublayers(model)
        if not layer.trainable
        for weight in layer.weights
    }
    if model.built and not clone.built:
        clone.build(model.input_shape)
    pairs = zip(sublayers(model), sublayers(clone), strict=True)
    for layer, fresh in pairs:
        # Of a container of frozen layers Keras forgets that it is frozen.
        if fresh.trainable and not layer.trainable:
            fresh.trainable = False
    for weight, fresh in zip(model.weights, clone.weights, strict=True):
        if weight.trainable != fresh.trainable:
            fresh.trainable = weight.trainable
            frozen.add(id(weight))
        if id(weight) in frozen:
            fresh.assign(weight.value.read_value())
