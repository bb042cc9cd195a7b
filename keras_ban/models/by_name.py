"""A network from its name, as commands and recipes give it."""

import inspect
import re

from keras_ban.models import students
from keras_ban.models.densenets import densenet
from keras_ban.models.resnets import pre_resnet
from keras_ban.models.resnets import wide_resnet

# What the numbers in a name are.
_FAMILIES = {
    "densenet": (densenet, int, int),
    "wide_resnet": (wide_resnet, int, int),
    "pre_resnet": (pre_resnet, int),
    "ban_densenet": (students.ban_densenet, float, float),
    "ban_wide_resnet": (students.ban_wide_resnet, int, float),
    "ban_pre_resnet": (students.ban_pre_resnet, int, float),
}
_FORMS = (
    "densenet_DEPTH_GROWTH, wide_resnet_DEPTH_WIDTH, pre_resnet_DEPTH, "
    "ban_densenet_DEPTH_COMPRESSION (factors of DenseNet-90-60's), "
    "ban_wide_resnet_UNITS_RATIO and ban_pre_resnet_UNITS_RATIO, as "
    "densenet_90_60, wide_resnet_28_10 or ban_wide_resnet_4_0.5"
)


def get(name, num_classes=100, **options):
    """Builds the network that a name stands for.

    Args:
        name: A family and its numbers, as "densenet_90_60",
            "wide_resnet_28_10", "pre_resnet_164", "ban_densenet_2_1" (twice
            the depth), "ban_wide_resnet_4_0.5" or "ban_pre_resnet_14_1".
        num_classes: Number of logits. Defaults to `100`.
        **options: What else the family's function takes: `input_shape`,
            `weight_decay`, and `teacher` for the last two. `teacher` and
            `dropout` are left out where the family does not know them.

    Returns:
        An uncompiled `keras.Model` that gives logits.

    Raises:
        ValueError: If there is no such network.

    Example:
    >>> model = keras_ban.models.get("wide_resnet_16_1", num_classes=10)
    """
    found = re.fullmatch(r"([a-z_]+?)((?:_[\d.]+)+)", str(name))
    function, *kinds = _FAMILIES.get(found and found[1], (None,))
    texts = found[2][1:].split("_") if found else []
    if function is None or len(texts) != len(kinds):
        _unknown(name)
    try:
        numbers = [kind(text) for kind, text in zip(kinds, texts, strict=True)]
    except ValueError:
        _unknown(name)
    known = inspect.signature(function).parameters
    for optional in ("teacher", "dropout"):
        if optional not in known:
            options.pop(optional, None)
    return function(*numbers, num_classes=num_classes, **options)


def takes_teacher(name):
    """Whether a network of that name is built from its teacher's shapes."""
    return str(name).startswith(("ban_wide_resnet_", "ban_pre_resnet_"))


def _unknown(name):
    raise ValueError(
        f"Unknown network. Expected one of {_FORMS}. Received: {name!r}"
    ) from None
