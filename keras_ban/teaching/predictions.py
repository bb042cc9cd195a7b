"""Teachers of which there are predictions alone: an array beside the data."""

import hashlib

import numpy as np

from keras_ban.rows import count_rows
from keras_ban.tasks import kinds
from keras_ban.teaching import values
from keras_ban.teaching.functions import given_task
from keras_ban.teaching.teacher import Teacher


class Predictions(Teacher):
    """The outputs of a teacher for all examples, one row for each.

    It knows no other inputs: neither views of the examples nor other data.

    Args:
        array: NumPy array of shape `(rows, ..., n)`.
        said: What its owner says of it, a `Said`. Defaults to nothing.

    Raises:
        ValueError: If it holds anything else than finite numbers.
    """

    name = "predictions"
    takes_inputs = False

    def __init__(self, array, said=kinds.UNSAID):
        self.words = f"predictions of shape {array.shape}"
        self._values = values.array(array, self.words, None)
        self._said = said

    def output(self, x):
        raise ValueError(
            f"The teacher is {self.words}, which belong to examples by their "
            "place in the data. Received: inputs without a place. Call `fit`, "
            "with arrays or a `tf.data.Dataset`."
        )

    def probed(self, x):
        return self.computed(x, np.arange(count_rows(x)))

    def computed(self, x, numbers):
        return np.asarray(self.task.scores(self._values[numbers]))

    def check(self, x, y, name, task):
        from_logits = self._said.from_logits
        self.task = given_task(task, from_logits, self._values, self.words)
        values.check_task(self.words, self.name, self._values, self.task)
        return self._values.shape

    def check_examples(self, examples):
        count = examples.count()
        if count != len(self._values):
            raise ValueError(
                f"The teacher is {self.words}. Expected one row for each of "
                f"the {count} examples of `x`, in their order. Received: "
                f"{len(self._values)} rows. Predict on the examples that are "
                "trained on, unshuffled."
            )

    def fingerprint(self, examples):
        held = hashlib.sha256(str(self._values.shape).encode())
        held.update(self._values.dtype.str.encode())
        for part in values.parts(self._values):
            held.update(np.ascontiguousarray(part).tobytes())
        return held.hexdigest()
