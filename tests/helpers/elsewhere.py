"""Networks made from a number that they read elsewhere than in their own code.

As in `hidden`: in modules, in what containers hold beside their items, and in
masks.
"""

import collections
import importlib
import operator
import sys
import types

import keras
import numpy as np
from builders import LOGITS
from hidden_compilations import made


def module(name):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].SCALE = 1.0
    return sys.modules[name]


settings = module("settings")
settings.inner = module("settings.inner")


def scaled_by(factor):
    """A loss that asks for its factor as it is computed."""
    return lambda y, z: LOGITS(y, z) * factor()


# --- Modules


def of_a_module(y, z):
    return LOGITS(y, z) * settings.SCALE


def of_an_inner_module(y, z):
    return LOGITS(y, z) * settings.inner.SCALE


def imported(y, z):
    import settings.inner

    return LOGITS(y, z) * settings.SCALE


def imported_from(y, z):
    from settings.inner import SCALE

    return LOGITS(y, z) * SCALE


def by_its_name(y, z):
    return LOGITS(y, z) * getattr(settings, "S" + "CALE")


def by_a_getter(y, z):
    return LOGITS(y, z) * operator.attrgetter("SCALE")(settings)


def by_its_dict(y, z):
    return LOGITS(y, z) * settings.__dict__["SCALE"]


def found_by_python(y, z):
    return LOGITS(y, z) * sys.modules["settings"].SCALE


def found_by_import(y, z):
    return LOGITS(y, z) * importlib.import_module("settings").SCALE


def imported_relatively(y, z):
    from .inner import SCALE

    return LOGITS(y, z) * SCALE


# Not this one, which has the name that its code says.
module("inner")
in_the_package = types.FunctionType(
    imported_relatively.__code__,
    {"LOGITS": LOGITS, "__name__": "settings.rows", "__package__": "settings"},
)


def reading(loss):
    """Networks whose loss reads what the modules say."""

    def make(k):
        settings.SCALE = settings.inner.SCALE = 1.0 + k
        return made(None, loss)

    return make


def module_in_a_closure(k):
    held = settings
    held.SCALE = 1.0 + k
    return made(None, lambda y, z: LOGITS(y, z) * held.SCALE)


class Held:
    def __init__(self, held):
        self.held = held

    def loss(self, y, z):
        return LOGITS(y, z) * self.held.SCALE


# --- Containers


def default_of_a_dict(k):
    factors = collections.defaultdict(lambda: 1.0 + k)
    return made(None, scaled_by(lambda: factors.default_factory()))


class Pair(collections.namedtuple("Pair", "one other")):
    factor = 1.0


def class_of_a_tuple(k):
    Pair.factor = 1.0 + k
    pair = Pair(1.0, 2.0)
    return made(None, scaled_by(lambda: pair.factor))


def masked_array(k):
    values = np.ma.array([1.0, 2.0], mask=[k == 0, k == 1])
    return made(None, scaled_by(lambda: float(values.sum())))


def shape_of_objects(k):
    values = np.array(["a"] * 6, object).reshape((2 + k, -1))
    return made(None, scaled_by(lambda: len(values)))


# --- Masks


class Passing(keras.layers.Layer):
    """Keeps the mask of words, or drops it."""

    def __init__(self, keeps):
        super().__init__()
        self.keeps = keeps
        self.supports_masking = True

    def call(self, x):
        # Another tensor, as the mask is one's own.
        return x + 0.0

    def compute_mask(self, inputs, mask=None):
        return mask if self.keeps else None


class Tagger(keras.Model):
    def __init__(self, keeps):
        super().__init__()
        self.words = keras.layers.Embedding(7, 3, mask_zero=True)
        self.passing = Passing(keeps)
        self.dense = keras.layers.Dense(4)

    def call(self, x):
        return self.dense(self.passing(self.words(keras.ops.abs(x) // 1)))


# --- What runs eagerly alone


class Branching(keras.Model):
    def __init__(self, limit):
        super().__init__()
        self.dense = keras.layers.Dense(4)
        self.limit = limit

    def call(self, x):
        # Python decides by a value.
        is_large = float(keras.ops.max(x)) > self.limit
        return self.dense(x if is_large else 2 * x)


def branching(k):
    return made(Branching(k), run_eagerly=True)


ALIKE = {
    "module": reading(of_a_module),
    "inner module": reading(of_an_inner_module),
    "imported module": reading(imported),
    "imported from a module": reading(imported_from),
    "default of a dict": default_of_a_dict,
    "class of a tuple": class_of_a_tuple,
    "shape of objects": shape_of_objects,
    "mask passed on": lambda k: made(Tagger(k)),
}
APART = {
    "by its name": reading(by_its_name),
    "by a getter": reading(by_a_getter),
    "by its dict": reading(by_its_dict),
    "found by Python": reading(found_by_python),
    "found by import": reading(found_by_import),
    "relative import": reading(in_the_package),
    "module in a closure": module_in_a_closure,
    "module in an attribute": lambda k: (
        setattr(settings, "SCALE", 1.0 + k) or made(None, Held(settings).loss)
    ),
    "masked array": masked_array,
    "branch of Python": branching,
}
