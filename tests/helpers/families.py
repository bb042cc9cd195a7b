"""Lineages of networks that nobody trained, and data to measure them on."""

import keras
import numpy as np
from builders import mlp
from builders import scaled

from keras_ban import Generation
from keras_ban import Lineage

X = np.random.default_rng(0).normal(size=(70, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 4, 70)
NAMES = ["Teacher", "BAN-1", "BAN-2", "BAN-3"]
ALL = [*NAMES, "Ens*2", "Ens*3", "Ens*all"]


def family(*models, **kwargs):
    """A lineage of these, the first of them the teacher."""
    generations = []
    for k, model in enumerate(models):
        scaled(model, 2)
        generations.append(
            Generation(
                number=k,
                name=NAMES[k],
                model=model,
                objective="ban" if k else "labels",
                teacher=NAMES[k - 1] if k else None,
                seconds=1.5 * (k + 1),
            )
        )
    return Lineage(generations, **kwargs)


def whole_family():
    """Four networks, of which one gives probabilities."""
    keras.utils.set_random_seed(0)
    softmax = mlp(last="softmax")
    return family(mlp(12), mlp(), softmax, mlp())
