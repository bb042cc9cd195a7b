"""Several workers that train together: what they share and agree on.

The chief alone writes the directory of a run. All have the same script, data
and weights, so they need each other's words only where they start and stop.
"""

import contextlib
import json

import numpy as np
import tensorflow as tf

from keras_ban.distribution import rendezvous
from keras_ban.distribution.share import Share

_CHUNK = 2**26
# What TensorFlow raises when it cannot reach a worker.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)


def places(resolver):
    """The addresses of all workers, and the number of this one among them.

    Args:
        resolver: A `tf.distribute.cluster_resolver.ClusterResolver`.

    Raises:
        ValueError: If this one is not among them.
    """
    known = resolver.cluster_spec().as_dict()
    tasks = [
        (job, number)
        for job in ("chief", "worker")
        for number in range(len(known.get(job, ())))
    ]
    addresses = [known[job][number] for job, number in tasks]
    own = resolver.task_type, resolver.task_id
    if tasks and own not in tasks:
        raise ValueError(
            "This process has no part in the training. Expected a task 'chief' "
            f"or 'worker' of the cluster {known}. Received: {own}. Correct "
            "`TF_CONFIG`, or take it out of the environment."
        )
    return addresses, tasks.index(own) if tasks else 0


class Cluster:
    """The workers of a strategy, one or more.

    Args:
        strategy: A `tf.distribute.Strategy`. Defaults to `None`: the one that
            is entered.

    Attributes:
        size: The number of workers.
        number: Which of them this is, counted from 0, the chief.
        replicas: The number of replicas on all of them.
    """

    def __init__(self, strategy=None):
        self._strategy = strategy or tf.distribute.get_strategy()
        self.replicas = self._strategy.num_replicas_in_sync
        self.size, self.number, self._others = 1, 0, []
        many = tf.distribute.MultiWorkerMirroredStrategy
        if isinstance(self._strategy, many):
            addresses, self.number = places(self._strategy.cluster_resolver)
            self.size = len(addresses)
            self._others = [a for a in addresses if a != addresses[self.number]]

    @property
    def several(self):
        """Whether there is more than one worker."""
        return self.size > 1

    @property
    def part(self):
        """The `Share` of this worker's replicas, or `None` if all are here."""
        if not self.several:
            return None
        local = self.replicas // self.size
        return Share(self.number * local, local, self.replicas)

    @contextlib.contextmanager
    def watched(self):
        """Says in plain words that another worker is gone.

        Raises:
            RuntimeError: In place of TensorFlow's error.
        """
        try:
            yield
        except _LOST as error:
            if not self.several:
                raise
            raise RuntimeError(
                f"Worker {self.number} of {self.size} stops, as another one is "
                "gone: it was killed, failed or cannot be reached. Start all "
                "workers again, with the same script: with `directory=`, the "
                "run goes on where its state was saved. TensorFlow says: "
                f"{error.message.strip()}"
            ) from error

    def leave(self):
        """Lets the chief end last, where all end in the middle of a run."""
        if self.number == 0:
            rendezvous.outlast(self._others)

    def gather(self, arrays):
        """The arrays of all workers, joined along the first axis.

        Args:
            arrays: A list of NumPy arrays, on each worker of the same shapes.

        Returns:
            A list of NumPy arrays.
        """
        if not self.several:
            return arrays
        content = b"".join(array.tobytes() for array in arrays)
        words = np.zeros((self.size, -(-len(content) // 4)), "int32")
        mine = words[self.number].view("uint8")
        mine[: len(content)] = np.frombuffer(content, "uint8")
        rows = [row.tobytes() for row in self._sum(words)]
        joined, start = [], 0
        for array in arrays:
            parts = [
                np.frombuffer(row, array.dtype, array.size, start).reshape(
                    array.shape
                )
                for row in rows
            ]
            joined.append(np.concatenate(parts))
            start += array.nbytes
        return joined

    def meet(self):
        """Waits for all workers."""
        self.numbers(0)

    def numbers(self, number):
        """What each worker gives, a list of integers."""
        return self.gather([np.array([number], "int64")])[0].tolist()

    def on_chief(self, function):
        """Calls a function on the chief alone.

        Returns:
            What it returns, for JSON, on all workers.

        Raises:
            RuntimeError: On the others, if it raises anything on the chief.
        """
        if not self.several:
            return function()
        answer, error = None, None
        if self.number == 0:
            try:
                answer = {"result": function()}
            except Exception as raised:
                answer, error = {"error": str(raised)}, raised
        answer = json.loads(self.share(json.dumps(answer).encode()))
        if error:
            raise error
        if "error" in answer:
            raise RuntimeError(f"The chief failed: {answer['error']}")
        return answer["result"]

    def on_each(self, function):
        """Calls a function on every worker.

        Returns:
            What each returns, for JSON, a list, on all workers.

        Raises:
            ValueError: On all, if it raises one on any of them.
        """
        if not self.several:
            return [function()]
        error = None
        try:
            answer = {"result": function()}
        except ValueError as raised:
            answer, error = {"error": str(raised)}, raised
        content = json.dumps(answer).encode()
        answers = [
            json.loads(self.share(content, number))
            for number in range(self.size)
        ]
        if error:
            raise error
        for number, answer in enumerate(answers):
            if "error" in answer:
                raise ValueError(f"Worker {number}: {answer['error']}")
        return [answer["result"] for answer in answers]

    def send(self, folder, names):
        """Gives the other workers the chief's files.

        Args:
            folder: A `pathlib.Path`; on the chief, where they are.
            names: Their paths in it.
        """
        for name in names:
            path = folder / name
            content = path.read_bytes() if self.number == 0 else b""
            content = self.share(content)
            if self.number > 0:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)

    def share(self, content, source=0):
        """The bytes that one worker has, on all of them.

        Args:
            content: Bytes. Those of the other workers count for nothing.
            source: The number of the worker. Defaults to `0`, the chief.
        """
        if not self.several:
            return content
        size = self.numbers(len(content))[source]
        mine = np.zeros(size + -size % 4, "uint8")
        if self.number == source:
            mine[:size] = np.frombuffer(content, "uint8")
        words = mine.view("int32")
        for start in range(0, len(words), _CHUNK):
            part = words[start : start + _CHUNK]
            part[:] = self._sum(part)
        return mine[:size].tobytes()

    def _sum(self, array):
        """The sum of an array of 32-bit integers over the workers."""
        if not array.size:
            # TensorFlow crashes at nothing.
            return array
        strategy = self._strategy
        local = len(strategy.extended.worker_devices)

        def value(context):
            first = context.replica_id_in_sync_group % local == 0
            return tf.constant(array if first else np.zeros_like(array))

        values = strategy.experimental_distribute_values_from_function(value)
        return strategy.reduce("SUM", values, axis=None).numpy()
