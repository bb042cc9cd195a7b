"""Views by their names, and lists of these."""

import keras

from keras_ban.views.base import View
from keras_ban.views.functions import Function
from keras_ban.views.inputs import crop_and_flip
from keras_ban.views.mixing import cutmix
from keras_ban.views.mixing import mixup
from keras_ban.views.preprocessing import layer

_BY_NAME = {
    "crop_and_flip": crop_and_flip,
    "cutmix": cutmix,
    "mixup": mixup,
}
_MADE = "noise(std), shift(pixels) and smear(p)"


def get(identifier, argument="augment"):
    """The views that an argument stands for, applied in turn.

    Args:
        identifier: A name, a `View`, a preprocessing layer of Keras, or a
            `keras.Sequential` of such, a function of an example and its seed,
            or of an example, its label and a seed, a list of these, or `None`.
        argument: What errors call it. Defaults to `"augment"`.

    Returns:
        A list of `View`s.

    Raises:
        ValueError: If there is something else, or more than one that changes
            labels.
    """
    if identifier is None:
        return []
    if isinstance(identifier, keras.Sequential):
        identifier = identifier.layers
    if not isinstance(identifier, (list, tuple)):
        return [_one(identifier, argument)]
    found = [_one(item, argument) for item in identifier]
    changing = [view for view in found if view.changes_labels]
    if len(changing) > 1:
        raise ValueError(
            f"`{argument}` changes labels twice. Expected one view at most "
            f"that does. Received: {changing[0]!r} and {changing[1]!r}. Leave "
            "one of them out."
        )
    return found


def _one(item, argument):
    if isinstance(item, View):
        return item
    if isinstance(item, str) and item in _BY_NAME:
        return _BY_NAME[item]()
    if isinstance(item, keras.layers.Layer):
        return layer(item)
    if callable(item) and not isinstance(item, type):
        return Function(item)
    raise ValueError(
        f"Invalid value for argument `{argument}`. Expected one of "
        f"{', '.join(map(repr, _BY_NAME))}, a view that `keras_ban.views` "
        f"makes (also {_MADE}), a preprocessing layer of Keras, as "
        "`keras.layers.RandomFlip()`, a function from an example and its seed, "
        "two integers, to a view of the example, or a list of these. Received: "
        f"{item!r}"
    )
