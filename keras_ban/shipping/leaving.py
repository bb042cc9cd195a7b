"""Which of a run's networks leaves."""


def chosen(lineage, model):
    """The network that leaves, and what it is.

    Args:
        lineage: The `Lineage`.
        model: "best", "ensemble", or the number or name of a generation.

    Returns:
        Its name, the `keras.Model`, and the `Generation`s that it is, or is
        the mean of.

    Raises:
        ValueError: If there is none.
    """
    if isinstance(model, str) and model == "ensemble":
        members = [g for g in lineage if g.given is None]
        return "ensemble", lineage.ensemble(), members
    if isinstance(model, str) and model == "best":
        found = lineage.best
    else:
        found = _generation(lineage, model)
    if found.model is None:
        raise ValueError(
            f"{found.name} has no model to export: `keep` left it out, or it "
            "is no Keras model. Expected a generation whose model is there. "
            "Choose another one, or train with `keep='all'`."
        )
    return found.name, found.model, [found]


def compared(lineage, comparison):
    """What a comparison says of a run, in Markdown, or `None` without one.

    Args:
        lineage: The `Lineage`.
        comparison: A `Comparison`, or `None`.

    Raises:
        ValueError: If it is something else, or nothing was measured yet.
    """
    if comparison is None:
        return None
    if not hasattr(comparison, "verdict"):
        raise ValueError(
            "Invalid value for argument `comparison`. Expected what "
            f"`compare` returned. Received: {comparison!r}"
        )
    return comparison.to_markdown(lineage)


def _generation(lineage, model):
    is_number = isinstance(model, int) and not isinstance(model, bool)
    try:
        if is_number or isinstance(model, str):
            return lineage[model]
    except (IndexError, KeyError):
        pass
    names = ", ".join(repr(g.name) for g in lineage)
    raise ValueError(
        "Invalid value for argument `model`. Expected 'best', 'ensemble', or "
        f"the number or name of a generation, one of {names}. Received: "
        f"{model!r}"
    )
