"""Examples without labels, beside those that have one."""

import numpy as np
from builders import learnable

from keras_ban.feeding import feed

X, Y = learnable(60)
MORE, _ = learnable(97, 3)
WEIGHT = np.linspace(0.5, 2, 60).astype("float32")


def fed(**arguments):
    given = {"x": X, "y": Y, "unlabelled": MORE, "batch_size": 25, "epochs": 2}
    return feed.feed(given | arguments)
