"""What an object keeps in its attributes, to be put back."""

import functools
import random

import numpy as np


class Attributes:
    """The attributes of an object, as they are now.

    Arrays that can be written, random generators, lists and dicts are put
    back in place, as others may hold them too; of anything else, which object
    an attribute is. A list or dict that has only grown is a record, and stays.

    Args:
        owner: The object.
    """

    def __init__(self, owner):
        self._owner = owner
        self._values = vars(owner).copy()
        self._held = {}
        for value in self._values.values():
            _hold(value, self._held)

    def put_back(self):
        """Gives the object its attributes back."""
        vars(self._owner).clear()
        vars(self._owner).update(self._values)
        for put_back in self._held.values():
            put_back()


def _hold(value, held):
    """Notes how to put back what is in a value.

    Args:
        value: Anything.
        held: Functions that put objects back, by their identity.
    """
    if id(value) in held:
        return
    if isinstance(value, np.ndarray):
        if value.flags.writeable and not isinstance(value, np.memmap):
            put_back = functools.partial(np.copyto, value, value.copy())
            held[id(value)] = put_back
    elif isinstance(value, (list, dict)):
        content = value.copy()
        held[id(value)] = functools.partial(_refill, value, content)
        for item in content.values() if isinstance(value, dict) else content:
            _hold(item, held)
    elif isinstance(value, tuple):
        for item in value:
            _hold(item, held)
    elif isinstance(value, random.Random):
        held[id(value)] = functools.partial(value.setstate, value.getstate())
    elif isinstance(value, np.random.RandomState):
        held[id(value)] = functools.partial(value.set_state, value.get_state())
    elif isinstance(value, np.random.Generator):
        bits = value.bit_generator
        held[id(value)] = functools.partial(setattr, bits, "state", bits.state)


def _refill(container, content):
    if _places(content).items() <= _places(container).items():
        return
    container.clear()
    add = container.update if isinstance(content, dict) else container.extend
    add(content)


def _places(container):
    """What a list or dict holds where, by the identity of the objects."""
    is_dict = isinstance(container, dict)
    items = container.items() if is_dict else enumerate(container)
    return {key: id(value) for key, value in items}
