"""Rows of arrays, and of structures of arrays that share them."""

import keras

# So many rows of a batch show what a model makes of it.
PROBE_ROWS = 8


def count_rows(arrays):
    """The number of rows of the arrays in a structure."""
    return len(keras.tree.flatten(arrays)[0])


def map_arrays(function, structure):
    """Applies a function to each array, and leaves `None` as it is."""
    return keras.tree.map_structure(
        lambda a: None if a is None else function(a), structure
    )


def first_rows(arrays, count=PROBE_ROWS):
    """The first rows of a batch, where there are any."""
    return map_arrays(lambda a: a[:count], arrays)


def slice_rows(arrays, size):
    """Yields so many rows at a time, of all arrays."""
    for start in range(0, count_rows(arrays), size):
        yield map_arrays(lambda a, s=start: a[s : s + size], arrays)
