"""A model is written, loaded again and compared before it takes its place."""

import os
import pathlib
import tempfile
from typing import NamedTuple

from keras_ban import files
from keras_ban import rows
from keras_ban.networks.layers import carried
from keras_ban.networks.layers import sublayers
from keras_ban.shipping import precision
from keras_ban.shipping import probe
from keras_ban.shipping.formats import FORMATS

_NEAR = 1e-5
# A number of bfloat16 has 8 bits, of float16 11.
_NEAR_IF_REDUCED = {"float16": 1e-3, "bfloat16": 1e-2}
_SAVED_MODEL = "saved_model.pb"


class Exported(NamedTuple):
    """What was written.

    Attributes:
        path: The `pathlib.Path` of the model, a file or a folder.
        card: That of what is known of it, a Markdown file.
        difference: The largest difference between what it gives, loaded
            again, and what the model in memory gives: absolute up to 1, and
            as a share of what is larger.
        tolerance: What it may be at most.
        rows: On how many rows they were compared.
    """

    path: pathlib.Path
    card: pathlib.Path
    difference: float
    tolerance: float
    rows: int


def export(model, path, format, x, overwrite, card):
    """Writes a model and its card, once what is written gives the same.

    Args:
        model: A built `keras.Model`.
        path: Where to write it.
        format: A key of `FORMATS`.
        x: Inputs to compare on, or `None`.
        overwrite: Whether it may take the place of what is there.
        card: Function of an `Exported` that gives the text of the card.

    Returns:
        An `Exported`.

    Raises:
        ValueError: If an argument is not of its kind, or if what is written
            cannot be loaded, or gives something else.
        FileExistsError: If there is something, and `overwrite` is `False`.
        ImportError: If something that the format needs is not installed.
        OSError: If it cannot be written.
    """
    known = _format(format)
    place = _place(path, format, known, overwrite)
    known.check()
    _check_state(model, format, known)
    batches = probe.batches(model, x)
    expected = [probe.in_memory(model, batch) for batch in batches]
    reduced = precision.reduced(model)
    tolerance = max(map(_NEAR_IF_REDUCED.get, reduced), default=_NEAR)
    with _folder_beside(place) as folder:
        written = pathlib.Path(folder) / place.name
        try:
            leaving = model
            if reduced and known.in_float32:
                leaving = precision.in_float32(model, batches[0])
            known.write(leaving, written)
            run = known.load(written, model)
            given = [probe.outputs(run, batch) for batch in batches]
            found = max(map(probe.difference, expected, given))
        except OSError:
            raise
        except Exception as error:
            raise _refused(model, format, error) from error
        if not found <= tolerance:
            raise ValueError(
                f"What was written of {model.name!r} gives other outputs than "
                "the model in memory. Expected a difference of at most "
                f"{tolerance:g}. Received: {found:.3g}. Nothing is left of "
                "it. Choose another format."
            )
        exported = Exported(
            place,
            _card_of(place),
            found,
            tolerance,
            rows.count_rows(batches[0]),
        )
        text = card(exported)
        _move(written, place, pathlib.Path(folder))
    files.write(exported.card, lambda p: p.write_text(text, encoding="utf-8"))
    return exported


def _move(written, place, folder):
    """Puts what was written where it belongs."""
    if written.is_file():
        files.write(place, lambda p: os.replace(written, p))
        return
    if place.exists():
        # A folder that is not empty is replaced by none.
        os.replace(place, folder / "replaced")
    os.replace(written, place)


def _card_of(place):
    return place.with_name(f"{place.name}.md")


def _refused(model, format, error):
    text = " ".join(str(error).split())
    return ValueError(
        f"The model {model.name!r} cannot leave as {format!r}: {text[:1000]}"
    )


def _format(format):
    if isinstance(format, str) and format in FORMATS:
        return FORMATS[format]
    raise ValueError(
        f"Invalid value for argument `format`. Expected one of "
        f"{list(FORMATS)}. Received: {format!r}"
    )


def _place(path, format, known, overwrite):
    """The absolute path, if the model may be written there."""
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise ValueError(
            "Invalid value for argument `path`. Expected where to write the "
            f"model. Received: {path!r}"
        )
    place = pathlib.Path(path).expanduser().absolute()
    if known.ending and place.suffix != known.ending:
        raise ValueError(
            f"Invalid value for argument `path`. Expected, of the format "
            f"{format!r}, a name that ends in {known.ending!r}. Received: "
            f"{str(path)!r}"
        )
    card = _card_of(place)
    for one in (place, card):
        if os.path.lexists(one) and not overwrite:
            raise FileExistsError(
                f"There is something at {one}. Expected a path that is free. "
                "Choose another one, or pass `overwrite=True`."
            )
    _check_replaceable(place, known)
    if os.path.lexists(card):
        files.check_file(card)
    if not place.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {place.parent}. Expected one to write "
            f"{place.name} to. Make it first."
        )
    return place


def _check_replaceable(place, known):
    """Checks that what would be replaced is a model of the same kind."""
    if not os.path.lexists(place):
        return
    if known.ending:
        files.check_file(place)
        return
    files.check_folder(place)
    if not (place / _SAVED_MODEL).is_file():
        raise FileExistsError(
            f"The folder {place} is no SavedModel. Expected one to take the "
            "place of. Choose another path."
        )


def _check_state(model, format, known):
    """Refuses models whose outputs depend on the batches before."""
    for layer in sublayers(model):
        if getattr(layer, "stateful", False) is True:
            raise ValueError(
                f"The layer {layer.name!r} of {model.name!r} is stateful: "
                "what is loaded again begins with another state. Expected a "
                "model that gives the same for the same batch. Build it with "
                "`stateful=False`, and copy the weights."
            )
    if carried(model) and not known.has_state:
        raise ValueError(
            f"The model {model.name!r} carries a state from batch to batch, "
            f"which the format {format!r} has not. Expected format='keras'. "
            f"Received: {format!r}"
        )


def _folder_beside(place):
    """A folder on the same disk, that is gone afterwards."""
    try:
        return tempfile.TemporaryDirectory(
            dir=place.parent, prefix=f"{files.TEMPORARY}-"
        )
    except OSError as error:
        raise OSError(
            error.errno, f"Cannot write {place}: {error.strerror or error}."
        ) from error
