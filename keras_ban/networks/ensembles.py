"""The mean of several models' predictions as one plain Keras model."""

import keras
import numpy as np

from keras_ban import checks
from keras_ban.networks.stand_in import check_own_methods
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks.activations import last_activation


def ensemble(models, weights=None, from_logits=None, task="auto"):
    """Averages the predictions of several models: probabilities or values.

    The result is an ordinary functional `keras.Model`, compiled for
    `evaluate`, made of Keras' own layers around the members: it saves, loads
    where keras_ban is not installed, exports as a SavedModel and serves as a
    teacher. The members are not copied: it holds them as layers.

    Source: Furlanello et al., "Born-Again Neural Networks", 2018, Table 2
    (BANE); Hansen and Salamon, "Neural network ensembles", 1990.

    Args:
        models: The members, a sequence of built models with the same inputs
            and classes, labels or values. Those of one sigmoid and of two
            softmax columns go together.
        weights: Optional weight of each member, no one negative, scaled to a
            sum of 1. Defaults to `None`, equal weights.
        from_logits: Says what the members give that do not say it
            themselves. Defaults to `None`.
        task: What kind of task they have: "classes", "binary", "multilabel",
            "values", "gaussian" or a `tasks.Task`. Defaults to `"auto"`: what
            they say themselves.

    Returns:
        A `keras.Model` giving probabilities in float32, of shape `(..., n)`,
        or of class 1, of shape `(..., 1)`, if the members are binary; or
        values, of shape `(..., n)`.

    Raises:
        ValueError: If there are no models, if their task is not known, if
            they do not fit each other, or if the weights do not fit them.

    Example:
    >>> bane = keras_ban.ensemble([model_1, model_2, model_3])
    >>> bane.save("bane.keras")
    """
    said = kinds.Said(task, from_logits).checked()
    return joined(models, weights, said)[0]


def joined(models, weights=None, said=kinds.UNSAID):
    """The ensemble of several models, and its `Task`.

    Args:
        models: As `ensemble` takes them.
        weights: As `ensemble` takes them. Defaults to `None`.
        said: What the owner of the models says of them. Defaults to nothing.
    """
    models = _check_members(models)
    weights = _check_weights(weights, len(models))
    inputs = keras.tree.map_structure(_like, symbolic_inputs(models[0]))
    members = [_member(m, f"member_{i}") for i, m in enumerate(models)]
    shapes = [_shape(model) for model in models]
    tasks = _tasks(models, shapes, said)
    columns = tasks[0].columns(shapes)
    averaged = [
        task.averaged(_call(member, inputs), f"probabilities_{i}", columns)
        for i, (member, task) in enumerate(zip(members, tasks, strict=True))
    ]
    merged = tasks[0].merged(averaged, weights)
    result = keras.Model(inputs, merged, name="ensemble")
    task = tasks[0].of_mean()
    # This optimizer keeps no state that a file would hold.
    result.compile(
        optimizer="sgd", auto_scale_loss=False, **task.ensemble_compilation()
    )
    return result, task


def _member(model, name):
    """The layers of a model under a name of their own, its outputs in a list.

    Members may have equal names; and the state of their optimizers stays out.
    """
    inputs = symbolic_inputs(model)
    if getattr(model, "inputs", None):
        return keras.Model(inputs, model.outputs, name=name)
    return keras.Model(inputs, keras.tree.flatten(model(inputs)), name=name)


def _shape(model):
    """Shape of the output of a model, or a `ByName` of several."""
    shape = heads.spec(model)
    if shape is None:
        # A subclass says it where it is called.
        result = heads.by_name(model, model(symbolic_inputs(model)))
        shape = heads.shape_of(result)
    return shape


def _call(member, inputs):
    """The outputs of a member; a tensor, if there is one."""
    try:
        found = member(inputs)
    except Exception as error:
        raise ValueError(
            f"The {member.name} of the ensemble does not take the inputs of "
            "the first. Expected members with the same inputs. Received: "
            f"{error}"
        ) from error
    return found if len(found) > 1 else found[0]


def _like(tensor):
    return keras.Input(
        batch_shape=tensor.shape,
        dtype=tensor.dtype,
        sparse=tensor.sparse,
        name=tensor.name,
    )


def symbolic_inputs(model):
    """Symbolic inputs of the structure that a model was built with."""
    # A sequential model of what runs on no symbols does not know its own.
    if getattr(model, "inputs", None):
        if isinstance(model, keras.Sequential):
            return model.inputs[0]
        return model.input
    shapes = (model.get_build_config() or {}).get("input_shape")
    if isinstance(shapes, dict):
        return {k: keras.Input(s[1:], name=k) for k, s in shapes.items()}
    if shapes is not None:
        return keras.tree.map_shape_structure(
            lambda shape: keras.Input(shape[1:]), shapes
        )
    raise ValueError(
        f"Cannot tell the inputs of the model {model.name!r}. Expected a "
        "functional or sequential model, or a subclass with one argument. "
        f"Received: a {type(model).__name__} that does not know the shape it "
        "was built on. Wrap it: `x = keras.Input(shape); model = "
        "keras.Model(x, model(x))`."
    )


def _check_members(models):
    models = list(models) if isinstance(models, (list, tuple)) else [models]
    checks.keras_3("models", *models)
    if not models or not all(isinstance(m, keras.Model) for m in models):
        raise ValueError(
            "Invalid value for argument `models`. Expected a list of one or "
            f"more `keras.Model`s. Received: {models}"
        )
    for model in models:
        if not model.built or not model.weights:
            raise ValueError(
                f"The model {model.name!r} has no weights yet. Expected "
                "trained models. Call it on a batch, or train it."
            )
        check_own_methods(model)
    if len({id(model) for model in models}) < len(models):
        raise ValueError(
            "The same model stands twice in an ensemble. Expected different "
            f"models. Received: {[m.name for m in models]}. Give it a larger "
            "weight by `weights=` instead."
        )
    return models


def _tasks(models, shapes, said):
    """The `Task` of each member; refuses what does not go together."""
    if any(len(one) < 2 for shape in shapes for one in heads.leaves(shape)):
        _refuse_outputs(shapes)
    beside_softmax = "softmax" in map(last_activation, models)
    found = []
    for model, shape in zip(models, shapes, strict=True):
        # Beside a softmax, as many columns that were trained by squared
        # differences are logits, matched to a teacher's.
        is_matched = said.task == kinds.AUTO and beside_softmax
        if is_matched and kinds.named(model, shape) == kinds.VALUES:
            own = said._replace(task=kinds.CLASSES)
            found.append(kinds.task_of(model, own, shape))
        else:
            found.append(kinds.task_of(model, said, shape))
        found[0].check_same(found[-1])
    try:
        for shape in shapes:
            found[0].check_pair(shapes[0], shape)
    except ValueError:
        _refuse_outputs(shapes)
    return found


def _refuse_outputs(shapes):
    raise ValueError(
        "The members of an ensemble must have the same outputs, for the "
        f"same classes. Received: outputs of shapes {shapes}."
    )


def _check_weights(weights, count):
    if weights is None:
        return [1.0 / count] * count
    values = np.asarray(weights)
    if values.shape == (count,) and values.dtype.kind in "iuf":
        total = values.sum(dtype="float64")
        if np.all(values >= 0) and 0 < total < np.inf:
            return [float(value / total) for value in values]
    raise ValueError(
        f"Invalid value for argument `weights`. Expected {count} finite "
        "numbers, none negative and not all zero, one for each model. "
        f"Received: {weights}"
    )
