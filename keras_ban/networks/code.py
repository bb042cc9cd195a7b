"""The names that a function uses, told by its code."""

import dis
import functools
import types


@functools.lru_cache(maxsize=10_000)
def names(code):
    """What the code of a function names that is not its own.

    Args:
        code: The `__code__` of a function; what is inside of it counts too.

    Returns:
        Four sets: what it reads globally, what it imports, all that it names,
        attributes too, and what it changes globally.
    """
    read, imported, changed = set(), set(), set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(step.argval)
        elif step.opname.startswith("IMPORT"):
            imported.add(step.argval)
        elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            changed.add(step.argval)
    found = read, imported, set(code.co_names), changed
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            for mine, own in zip(found, names(inner), strict=True):
                mine |= own
    return found
