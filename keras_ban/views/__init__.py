"""Views of examples: what `fit(..., augment=)` takes, by name or made here."""

from keras_ban.views.base import View
from keras_ban.views.inputs import crop_and_flip
from keras_ban.views.inputs import noise
from keras_ban.views.inputs import shift
from keras_ban.views.inputs import smear
from keras_ban.views.mixing import cutmix
from keras_ban.views.mixing import mixup
from keras_ban.views.preprocessing import layer

__all__ = [
    "View",
    "crop_and_flip",
    "cutmix",
    "layer",
    "mixup",
    "noise",
    "shift",
    "smear",
]
