"""Trainings of the documents and docstrings, cut short."""

import functools

EPOCHS = 2


def eagerly(compile):
    """`compile`, without a graph unless one is asked for."""

    @functools.wraps(compile)
    def compiled(self, *args, **kwargs):
        is_graph = {"jit_compile", "steps_per_execution"} & {*kwargs}
        if not is_graph:
            kwargs = {"run_eagerly": True} | kwargs
        return compile(self, *args, **kwargs)

    return compiled


def shortened(fit):
    """`fit`, in a few epochs."""

    @functools.wraps(fit)
    def short(*args, **kwargs):
        if callable(kwargs.get("epochs")):
            kwargs["epochs"](0)
            kwargs["epochs"] = lambda generation: 1 + generation % EPOCHS
        elif "epochs" in kwargs:
            kwargs["epochs"] = min(kwargs["epochs"], EPOCHS)
        if "phases" in kwargs:
            kwargs["phases"] = dict(enumerate(kwargs["phases"].values(), 1))
        return fit(*args, **kwargs)

    return short


def of_two_seeds(compare):
    """`compare`, of two seeds."""

    @functools.wraps(compare)
    def short(*args, seeds=5, **kwargs):
        return compare(*args, seeds=2, **kwargs)

    return short
