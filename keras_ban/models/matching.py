"""What a student of another family has in common with its teacher."""

import keras
from keras import layers


def hidden_shapes(model):
    """The last feature map at each resolution.

    For a DenseNet: each dense block's output after the 1×1 convolution, and
    what the last layer takes the mean of.

    Args:
        model: A functional or sequential `keras.Model` of images.

    Returns:
        A list of `(height, width, channels)`.

    Raises:
        ValueError: If the model has no feature maps to read.

    Example:
    >>> keras_ban.models.hidden_shapes(keras_ban.models.densenet_90_60())
    [(32, 32, 458), (16, 16, 679), (8, 8, 1579)]
    """
    _check_model(model)
    found = {}
    # A sequential model has no list of its operations.
    for layer in getattr(model, "operations", model.layers):
        shape = getattr(getattr(layer, "output", None), "shape", ())
        if len(shape) == 4 and not isinstance(layer, layers.InputLayer):
            found[shape[1:3]] = tuple(shape[1:])
    if found:
        return list(found.values())
    raise ValueError(
        f"The model {model.name!r} has no feature maps to match. Expected a "
        "functional or sequential convolutional `keras.Model`, as those of "
        "`keras_ban.models`. Give another teacher, or a student of your own."
    )


def _check_model(model):
    if not isinstance(model, keras.Model):
        raise ValueError(
            "A student is matched to a network. Expected a `keras.Model`, as "
            f"`keras_ban.models.get` makes one of a name. Received: {model!r}"
        )


def halved_shapes(teacher):
    """The hidden shapes of a teacher, each half the size of the one before.

    Raises:
        ValueError: If they are not, or if the model has none.
    """
    shapes = hidden_shapes(teacher)
    size = tuple(teacher.input_shape[1:3])
    if None in size:
        raise ValueError(
            f"The teacher {teacher.name!r} takes images of any size. Expected "
            f"a known height and width. Received: {size}. Build it with the "
            "`input_shape` of your images."
        )
    height, width = size
    halved = [(height // 2**k, width // 2**k) for k in range(len(shapes))]
    sizes = [shape[:2] for shape in shapes]
    if sizes != halved:
        raise ValueError(
            f"No residual stages match the teacher {teacher.name!r}. Expected "
            f"feature maps of sizes {halved}, from the image's on, each half "
            f"of the one before. Received: images of {size} and feature maps "
            f"of {sizes}. Give another teacher, or a student of your own."
        )
    return shapes


def share_ends(student, teacher):
    """Copies the teacher's first convolution and last layer, and freezes them.

    The teacher stays as it is.

    Source: Furlanello et al., 2018, Section 4 and Table 5.

    Args:
        student: A `keras.Model`, compiled afterwards.
        teacher: A `keras.Model`.

    Returns:
        The student.

    Raises:
        ValueError: If the layers have different shapes.
    """
    _check_model(teacher)
    for kind, place in ((layers.Conv2D, 0), (layers.Dense, -1)):
        ours, theirs = (
            end_layer(model, kind, place) for model in (student, teacher)
        )
        shapes = [
            [tuple(weight.shape) for weight in layer.weights]
            for layer in (ours, theirs)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"The student {student.name!r} cannot share the layer "
                f"{theirs.name!r} of the teacher {teacher.name!r}. Expected "
                f"weights of shapes {shapes[1]}. Received: {shapes[0]}. Give "
                "`share=False`, or a student whose first convolution and last "
                "layer have the teacher's shapes."
            )
        ours.set_weights(theirs.get_weights())
        ours.trainable = False
    return student


def end_layer(model, kind, place):
    """The first layer of a kind (`place=0`), or the last one (`-1`)."""
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    if found:
        return found[place]
    raise ValueError(
        f"The model {model.name!r} has no {kind.__name__} to share. Expected a "
        "network that begins with a convolution and ends in a dense layer. "
        "Give `share=False`, or another teacher."
    )
