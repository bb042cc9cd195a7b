"""What `compare` is given, checked before anything is trained."""

import inspect
import numbers

import keras

from keras_ban import checks
from keras_ban.generations.places import place
from keras_ban.generations.prepared import given_callbacks
from keras_ban.state import seeds as seeding
from keras_ban.state.callbacks import is_of_keras

# What says how methods differ.
_OF_METHODS = (
    "objective",
    "teachers",
    "generations",
    "learn_from",
    "teacher_augment",
)
_FIRST_GENERATIONS = 2
_ENDING = (
    keras.optimizers.schedules.CosineDecay,
    keras.optimizers.schedules.PolynomialDecay,
)


def seeds(given):
    """The seeds as a list of integers.

    Raises:
        ValueError: If there are fewer than two, or one twice.
    """
    if isinstance(given, numbers.Integral) and not isinstance(given, bool):
        given = range(max(0, given))
    elif not isinstance(given, (list, tuple, range)):
        raise ValueError(
            "Invalid value for argument `seeds`. Expected how many, at least "
            f"2, or a list of different integers. Received: {given!r}"
        )
    found = [checks.integer("seeds", seed, 0) for seed in given]
    if len(found) < 2:
        raise ValueError(
            "A comparison of one seed has no spread, and shows nothing. "
            f"Expected at least 2 seeds. Received: {len(found)}. Five are a "
            "good beginning."
        )
    for seed in found:
        if found.count(seed) > 1:
            raise ValueError(
                f"The seed {seed} is given twice. Expected different seeds: "
                f"the same one gives the same networks. Received: {found}"
            )
    return found


def check_model_fn(model_fn):
    """Checks that all networks are of one function.

    Raises:
        ValueError: If they are not.
    """
    several = isinstance(model_fn, (list, tuple))
    takes_parent = checks.arity(model_fn) == 1 and not takes_epochs(model_fn)
    if several or takes_parent:
        raise ValueError(
            "A comparison trains networks of one architecture, so that a "
            "method and its twin differ in what they learn from alone. "
            "Expected one function without arguments, or a `keras.Model`. "
            f"Received: {model_fn!r}. Give that of the student."
        )


def takes_epochs(model_fn):
    """Whether a function makes networks for a number of epochs."""
    if isinstance(model_fn, keras.Model):
        return False
    try:
        return "epochs" in inspect.signature(model_fn).parameters
    except (TypeError, ValueError):
        return False


def checked(given):
    """The arguments of `fit` that all runs share, a dict.

    Raises:
        ValueError: If one is what a `Method` says, or cannot be shared.
    """
    for name in _OF_METHODS:
        if name in given:
            raise ValueError(
                f"`{name}` differs between methods. Expected it in a "
                f"`keras_ban.Method({name}=...)`. Received: "
                f"{name}={given[name]!r} for all of them."
            )
    if given.get("teacher") is not None:
        raise ValueError(
            "A comparison trains its teachers, as their cost and their seeds "
            "are part of what is compared. Received: `teacher=`. Leave it out."
        )
    if given.get("initial_epoch"):
        raise ValueError(
            "A comparison trains from the first epoch on, as lengths are "
            f"compared. Received: initial_epoch={given['initial_epoch']!r}. "
            "Leave it out."
        )
    cache = given.get("teacher_outputs", "online")
    if cache not in ("online", "cached"):
        raise ValueError(
            "Each run has teachers of its own, and one folder keeps the "
            "outputs of one run. Expected teacher_outputs='online' or "
            f"'cached'. Received: {cache!r}"
        )
    _check_callbacks(given.get("callbacks"))
    return dict(given)


def _check_callbacks(given):
    """Checks that callbacks can be those of every run."""
    pair = [given_callbacks(given, k) for k in range(_FIRST_GENERATIONS)]
    for one in (callback for held in pair for callback in held):
        name = type(one).__name__
        if place(one) is not None:
            raise ValueError(
                f"`{name}` writes to one place, {place(one)!r}, whatever run "
                "it is of: the number of a generation does not tell the runs "
                "of methods and seeds apart. Expected callbacks that write "
                "nothing. Leave it out: `directory=` keeps models and "
                "histories."
            )
        shared = any(one is other for other in pair[0]) and any(
            one is other for other in pair[1]
        )
        if shared and not is_of_keras(type(one)):
            raise ValueError(
                f"`{name}` would be shared by all runs, and what it remembers "
                "of one would act on the next. Expected callbacks that are "
                "made for each network. Pass a function of the generation's "
                f"number: `callbacks=lambda number: [{name}(...)]`."
            )


def check_schedule(model_fn, design):
    """Warns of a learning rate that ends before the training, or after it.

    Args:
        model_fn: Function from a number of epochs to the `model_fn` for it.
        design: The `Design`.
    """
    lengths = {length for e in design.entries for length in e.epochs}
    functions = [model_fn(length) for length in lengths]
    if len(lengths) == 1 or len(set(functions)) > 1:
        return
    with seeding.undisturbed():
        model = functions[0]()
    config = model.optimizer.get_config() if model.compiled else {}
    rate = config.get("learning_rate")
    names = [one.__name__ for one in _ENDING]
    if isinstance(rate, dict) and rate.get("class_name") in names:
        checks.warn(
            f"The learning rate follows {rate['class_name']}, of one length, "
            f"and networks are trained for {sorted(lengths)} epochs. Give "
            "`model_fn` an argument `epochs`, and the schedule as many steps: "
            "what is trained longer is else trained at a rate of 0."
        )
