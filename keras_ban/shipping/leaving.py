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
