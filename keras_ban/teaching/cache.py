"""How the outputs of a teacher are kept: what a user chooses."""

from keras_ban import checks

_DTYPES = ("float32", "float16")


class TeacherCache:
    """How the outputs of a teacher are kept.

    Memory or disk: `rows * views * classes` numbers of `dtype`, for sequences
    times their length; with `top_k`, `rows * views * k` numbers of `dtype` and
    as many of 4 bytes, and `rows * views * 4` bytes. Beside it, 8 bytes for
    each row.

    With `top_k`, the other classes share the remaining probability `r` as the
    student has it: the teacher says how likely they are together, and the
    labels alone which of them. Against the teacher's own probabilities, the
    gradient of the teacher's term at temperature 1 is off by `2 r` at most, in
    the sum of absolute values over a sample's logits.

    Args:
        directory: A folder for the outputs, in memory-mapped files. Defaults
            to `None`: memory.
        dtype: "float32" or "float16", which keeps 3 digits of each logit.
            Defaults to `"float32"`.
        top_k: How many of the largest probabilities are kept of each row, a
            positive integer. Defaults to `None`, all logits.

    Raises:
        ValueError: If an argument is not of these kinds.

    Example:
    >>> cache = keras_ban.TeacherCache("cache", dtype="float16")
    >>> distiller.fit(x, y, teacher_outputs=cache)
    """

    def __init__(self, directory=None, dtype="float32", top_k=None):
        if directory is not None:
            directory = checks.folder("directory", directory)
        if dtype not in _DTYPES:
            raise ValueError(
                "Invalid value for argument `dtype`. Expected one of "
                f"{_DTYPES}. Received: {dtype!r}"
            )
        if top_k is not None:
            top_k = checks.integer("top_k", top_k, 1)
        self.directory = directory
        self.dtype = dtype
        self.top_k = top_k
