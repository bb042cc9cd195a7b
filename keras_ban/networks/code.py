"""What a function is called, and what its code names."""

import dis
import functools
import sys
import types


@functools.lru_cache(maxsize=10_000)
def names(code):
    """What the code of a function names that is not its own.

    Args:
        code: The `__code__` of a function; what is inside of it counts too.

    Returns:
        Four sets: what it reads globally, the modules that it imports, all
        that it names, attributes too, and what it changes globally.
    """
    read, imported, changed = set(), set(), set()
    steps = list(dis.get_instructions(code))
    for place, step in enumerate(steps):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            # Of a relative import, the dots, as Python pushes their number.
            name = "." * steps[place - 2].argval + step.argval
            imported |= {name, name.partition(".")[0] or name}
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            changed.add(step.argval)
    found = read, imported, set(code.co_names), changed
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            for mine, own in zip(found, names(inner), strict=True):
                mine |= own
    return found


def is_at_its_name(function):
    """Whether its name leads to a function: there is one of it only.

    Args:
        function: A function.
    """
    found = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function
