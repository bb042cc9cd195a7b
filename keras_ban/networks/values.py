"""What objects are made of, as far as a compiled function may hold it.

TensorFlow traces Python once. Whatever Python then says, numbers, closures,
tensors, code, stands in the compiled function, and only variables are read
again. So two models may share a function if all that Python says of them is
equal. `Walk` follows every attribute of every object that it reaches, and
gives up where it meets what it cannot read: what is not known to be equal is
not. What it leaves out is what no trace reads, and said to be so below.
"""

import builtins
import collections
import functools
import hashlib
import re
import sys
import types

import keras
import numpy as np
import tensorflow as tf

from keras_ban.networks.code import is_at_its_name
from keras_ban.networks.code import names

# Their code does not change, and what it reads are its arguments.
_LIBRARIES = frozenset(
    "abc builtins collections dataclasses enum functools keras keras_ban math "
    "ml_dtypes numbers numpy operator re tensorflow types typing".split()
)
# Plain values, whose type and text say all.
_PLAIN = (bool, bytes, complex, float, int, str, type(None))
_PLAIN += type(Ellipsis), type(NotImplemented)
# What a function could read by these, its code does not say.
_UNSEEN = frozenset(
    "__import__ breakpoint eval exec globals id input locals next open "
    "vars".split()
)
# By these a function reads of a module what its code does not name.
_BY_NAME = frozenset("__dict__ __getattribute__ attrgetter getattr".split())
# What Python keeps of each class, and what no method reads.
_DECLARATIONS = re.compile(
    r"__(dict|weakref|doc|module|annotations|firstlineno|qualname|"
    r"static_attributes|abstractmethods|dataclass_\w+|match_args|"
    r"parameters|orig_bases|slots)__|_abc_impl"
)
# What Keras and TensorFlow keep of losses, metrics and optimizers that say
# the rest: where variables are found again, and what follows from these.
_BOOKKEEPING = re.compile(
    r"_self_\w+|_tracker|_lock|built|_built|_variables|_trainable_variables|"
    r"_trainable_variables_indices|_exclude_from_weight_decay_cache|"
    r"_distribution_strategy|_all_reduce_sum_gradients"
)
_MOST = 50_000


class Unknown(Exception):
    """Something holds what nobody can compare."""


class Walk:
    """A digest of objects and of all that can be reached from them.

    Args:
        variables: Those whose values are copied from network to network, so
            that only their places count, a list.

    Attributes:
        own: Layers of classes that are not Keras' own. Their attributes are
            left out: what they compute is asked of the graph.
        others: Variables that are not copied, and so count by their values.
    """

    def __init__(self, variables):
        self.own = []
        self.others = []
        self._places = {id(v): place for place, v in enumerate(variables)}
        self._seen = {}
        self._held = []
        self._digest = hashlib.sha256()

    def key(self):
        """What is equal for equal objects, a string."""
        return self._digest.hexdigest()

    def note(self, *facts):
        """Adds plain values."""
        self._digest.update(repr(facts).encode())

    def see(self, value):
        """Adds a value and all that it reaches.

        Raises:
            Unknown: If something cannot be read.
        """
        if type(value) in _PLAIN:
            self.note(type(value).__name__, value)
        elif isinstance(value, (tuple, tf.TensorShape)):
            self.note(type(value).__name__)
            self._items(value)
            self._rest(value)
        elif id(value) in self._seen:
            # The same object again, not one that is equal.
            self.note("again", self._seen[id(value)])
        elif len(self._held) == _MOST:
            raise Unknown("too many objects")
        else:
            self._seen[id(value)] = len(self._held)
            self._held.append(value)
            self.note(type(value).__name__)
            for kinds, method in _METHODS:
                if isinstance(value, kinds):
                    method(self, value)
                    return
            self._instance(value)

    def _items(self, values):
        self.note(len(values))
        for value in values:
            self.see(value)

    def _sequence(self, values):
        self._items(list(values))
        self._rest(values)

    def _mapping(self, values):
        self._items([(key, values[key]) for key in values])
        self.see(getattr(values, "default_factory", None))
        self._rest(values)

    def _set(self, values):
        if not all(type(value) in _PLAIN for value in values):
            raise Unknown("a set of objects")
        self.note(sorted(map(repr, values)))
        self._rest(values)

    def _rest(self, value):
        """What a container of a class of its own holds beside its items."""
        if not _is_library(type(value).__module__):
            self.see(type(value))
            self.see(getattr(value, "__dict__", {}))

    def _variable(self, variable):
        place = self._places.get(id(variable))
        self.note(tuple(variable.shape), str(variable.dtype), place)
        if place is None:
            # As those of a metric that begins anew.
            self.others.append(variable)
            self._array(variable.value.read_value().numpy())

    def _seeds(self, generator):
        if id(generator.state) not in self._places:
            raise Unknown("random numbers of its own")

    def _nothing(self, value):
        """What no step reads, as an initializer."""

    def _array(self, array):
        if isinstance(array, np.ma.MaskedArray):
            raise Unknown("an array that holds more than its values")
        self.note(array.shape, str(array.dtype))
        if array.dtype.hasobject:
            self._items(list(np.ravel(array)))
        else:
            self._digest.update(np.ascontiguousarray(array).tobytes())

    def _tensor(self, tensor):
        if not hasattr(tensor, "numpy") or tensor.dtype in _HANDLES:
            raise Unknown("a symbol, or a resource")
        self._array(np.asarray(tensor.numpy()))

    def _text(self, value):
        self.note(str(value))

    def _pattern(self, pattern):
        self.note(pattern.pattern, pattern.flags)

    def _layer(self, layer):
        cls = type(layer)
        self.note(cls.__module__, cls.__qualname__)
        if not _is_library(cls.__module__):
            self.own.append(layer)
            return
        if isinstance(layer, keras.Layer):
            self.see(
                [
                    layer.trainable,
                    layer.dtype_policy,
                    layer.activity_regularizer,
                    layer.autocast,
                    layer.supports_masking,
                ]
            )
        # It begins anew with each stream.
        carried = set(map(id, getattr(layer, "carried", ())))
        for name, value in sorted(vars(layer).items()):
            if name in kept_of_layers() or _BOOKKEEPING.fullmatch(name):
                continue
            if id(value) in carried:
                continue
            if not name.endswith("_initializer"):
                self.note(name)
                self.see(value)
        if isinstance(layer, keras.Model):
            self._items(getattr(layer, "operations", None) or layer.layers)

    def _instance(self, value):
        if not _is_open(type(value)):
            raise Unknown(f"a {type(value).__name__}")
        self.see(type(value))
        attributes = {
            name: getattr(value, name)
            for name in _slots(type(value))
            if hasattr(value, name)
        }
        attributes |= getattr(value, "__dict__", {})
        optimizes = isinstance(value, keras.optimizers.Optimizer)
        for name, held in sorted(attributes.items()):
            if isinstance(value, _KEPT) and _BOOKKEEPING.fullmatch(name):
                continue
            # A step creates them where it does not find them.
            if not (optimizes and self._is_copied(held)):
                self.note(name)
                self.see(held)

    def _is_copied(self, held):
        if isinstance(held, (list, tuple)):
            return all(map(self._is_copied, held))
        return id(held) in self._places

    def _class(self, cls):
        self.note(cls.__module__, cls.__qualname__)
        if _is_library(cls.__module__):
            return
        self._items(cls.__bases__)
        for name, value in sorted(vars(cls).items()):
            if not _DECLARATIONS.fullmatch(name):
                self.note(name)
                self.see(value)

    def _descriptor(self, value):
        self.see(value.__func__)

    def _property(self, value):
        self._items((value.fget, value.fset, value.fdel))

    def _method(self, method):
        self.see(method.__func__)
        self.see(method.__self__)

    def _partial(self, partial):
        self._items((partial.func, partial.args, partial.keywords))

    def _builtin(self, function):
        owner = getattr(function, "__self__", None)
        if isinstance(owner, types.ModuleType):
            owner = owner.__name__
        elif owner is None or isinstance(owner, type):
            owner = getattr(function, "__module__", None) or "builtins"
        if not isinstance(owner, str) or not _is_library(owner.lstrip("_")):
            raise Unknown(f"the built-in {function!r}")
        self.note(owner, function.__name__)

    def _module(self, module):
        # What a function reads of it, the function's own names tell.
        if not _is_library(module.__name__):
            raise Unknown("a module in a place of its own")
        self.note(module.__name__)

    def _read(self, value, names):
        """What a function may read of what it names globally.

        Args:
            value: That; of a module, what is named of it, at any depth.
            names: All that the function names, a set.
        """
        is_module = isinstance(value, types.ModuleType)
        if not is_module or _is_library(value.__name__):
            self.see(value)
            return
        if names & _BY_NAME:
            raise Unknown("what is read of a module is not named")
        self.note(value.__name__)
        key = id(value), tuple(sorted(names))
        if key not in self._seen:
            self._seen[key] = len(self._seen)
            for inner in sorted(names & set(vars(value))):
                self.note(inner)
                self._read(vars(value)[inner], names)

    def _function(self, function):
        scope = str(function.__globals__.get("__name__"))
        if _is_library(scope) and is_at_its_name(function):
            self.note(function.__module__, function.__qualname__)
            return
        self._items((function.__code__, function.__defaults__))
        self._items((function.__kwdefaults__, vars(function)))
        for cell in function.__closure__ or ():
            try:
                self.see(cell.cell_contents)
            except ValueError:
                self.note("empty")
        if not _is_library(scope):
            self._globals(function)

    def _code(self, code):
        self.note(code.co_code, code.co_names, code.co_varnames, code.co_flags)
        self.note(code.co_freevars, code.co_cellvars, code.co_argcount)
        self.note(code.co_kwonlyargcount, code.co_posonlyargcount)
        self._items(code.co_consts)

    def _globals(self, function):
        """What a function names that is neither an argument nor its own."""
        read, imported, attributes, changed = names(function.__code__)
        if changed or "random" in attributes | imported:
            raise Unknown("random numbers, or what is global is changed")
        if imported - set(sys.modules):
            raise Unknown("a module that was not imported yet")
        scope = function.__globals__
        found = {name: scope[name] for name in read if name in scope}
        found |= {name: sys.modules[name] for name in imported}
        for name, value in sorted(found.items()):
            self.note(name)
            self._read(value, attributes)
        rest = {n for n in read - set(scope) if hasattr(builtins, n)}
        if rest & _UNSEEN:
            raise Unknown(f"{rest & _UNSEEN} in a function")
        self.note(sorted(rest))


_KEPT = (keras.Loss, keras.Metric, keras.optimizers.Optimizer)
_HANDLES = (tf.resource, tf.variant)
_METHODS = (
    (keras.Variable, Walk._variable),
    (keras.random.SeedGenerator, Walk._seeds),
    (keras.Initializer, Walk._nothing),
    (keras.Operation, Walk._layer),
    ((np.ndarray, np.generic), Walk._array),
    (tf.Tensor, Walk._tensor),
    ((tf.DType, np.dtype, np.ufunc), Walk._text),
    (re.Pattern, Walk._pattern),
    (list, Walk._sequence),
    (dict, Walk._mapping),
    ((set, frozenset), Walk._set),
    (type, Walk._class),
    ((staticmethod, classmethod), Walk._descriptor),
    (property, Walk._property),
    (types.MethodType, Walk._method),
    (functools.partial, Walk._partial),
    ((types.BuiltinFunctionType, types.MethodDescriptorType), Walk._builtin),
    (types.ModuleType, Walk._module),
    (types.FunctionType, Walk._function),
    (types.CodeType, Walk._code),
    ((range, slice, types.MemberDescriptorType), Walk._text),
    # The place of a field, which the names of all fields tell.
    (type(collections.namedtuple("_", "field").field), Walk._nothing),
)


def _is_library(module):
    return str(module).partition(".")[0] in _LIBRARIES


@functools.cache
def kept_of_layers():
    """What Keras keeps of every layer and model, beside what it is told.

    Their connections are told by the configuration, weights and seeds are
    copied, what they were compiled with is seen by itself.
    """
    # Named, as Keras would count them among the user's.
    inputs = keras.Input((1,), name="x")
    outputs = keras.layers.Identity(name="y")(inputs)
    model = keras.Model(inputs, outputs, name="model")
    model.compile(keras.optimizers.SGD(name="sgd"), "mse")
    layer = keras.layers.Layer(name="layer")
    running = "history stop_training stop_evaluating stop_predicting".split()
    running += ["_eval_epoch_iterator", "_functional"]
    return {*vars(layer), *vars(model), *running}


def _slots(cls):
    """The names of the slots of a class."""
    found = []
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        found += [slots] if isinstance(slots, str) else slots
    return [s for s in found if s not in ("__dict__", "__weakref__")]


def _is_open(cls):
    """Whether Python sees all that an object of a class holds."""
    # As `copyreg` tells what it can take apart: nothing lies beside these.
    pointers = (
        len(_slots(cls))
        + (cls.__dictoffset__ > 0)
        + (cls.__weakrefoffset__ > 0)
    )
    return cls.__basicsize__ <= object.__basicsize__ + 8 * pointers
