"""Several workers: what a step sums over them, and what that takes.

`python benchmarks/workers.py` starts pairs of processes with a core and a batch
each, of which some train together and some know nothing of each other; they
take turns. `--profile` lists the collective operations of a step in place of
that, and times nothing.
"""

import argparse
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf
from distribute import data
from distribute import step_seconds
from measuring import in_turn
from measuring import ratio
from measuring import save
from measuring import summary
from networks import cross_entropy
from networks import sgd

import keras_ban
from keras_ban import launch
from keras_ban.distribution import exact

COUNT = 2


def mlp():
    layers = keras.layers
    return [layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(10)]


def convolutional():
    layers = keras.layers
    blocks = [
        [layers.Conv2D(16, 3, s), layers.BatchNormalization(), layers.ReLU()]
        for s in (1, 2)
    ]
    last = [layers.GlobalAveragePooling2D(), layers.Dense(10)]
    return [*blocks[0], *blocks[1], *last]


NETWORKS = {"mlp": mlp, "convolutional": convolutional}
OBJECTIVES = ("labels", "ban+l", "cwtm")


def network(name):
    if name in NETWORKS:
        layers = [keras.Input((32, 32, 3)), *NETWORKS[name]()]
        model = keras.Sequential(layers)
    else:
        model = keras_ban.models.get(
            name, 10, input_shape=(32, 32, 3), weight_decay=0
        )
    model.compile(
        sgd(), cross_entropy(), metrics=["accuracy"], jit_compile=False
    )
    return model


class Mended(keras.Model):
    """Keras' own step, without what makes it fail (keras issue 20585)."""

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if not self.built or not self.optimizer.built:
            exact.build(self, *data(2))


def mended(model):
    """Keras' own training of a model on several workers."""
    from keras.src.backend.tensorflow import trainer

    def reduced(values, strategy, reduction):
        return keras.tree.map_structure(
            lambda v: strategy.reduce("MEAN", v, axis=None), values
        )

    trainer.reduce_per_replica = reduced
    found = Mended(model.inputs, model.outputs)
    found.compile(
        sgd(), cross_entropy(), metrics=["accuracy"], jit_compile=False
    )
    return found


def training(strategy, name, kind):
    """What `fit` is called on: Keras' own step, or ours by an objective."""
    with strategy.scope():
        student = network(name)
        if kind == "keras":
            linked = strategy.num_replicas_in_sync > 1
            return mended(student) if linked else student
        teacher = None if kind == "labels" else network(name)
    return keras_ban.Distiller(student, teacher, kind)


def collectives(name, kind):
    """The collective operations of a step of two replicas, a list of each."""
    names = [d.name for d in tf.config.list_logical_devices("CPU")[:COUNT]]
    strategy = tf.distribute.MirroredStrategy(names)
    model = training(strategy, name, kind)
    x, y = data(4)
    model.check_models(x, y)
    exact.build(model.student, x, y)
    ds = tf.data.Dataset.from_tensors((x, y))
    ds = model.distribute_strategy.experimental_distribute_dataset(ds)

    @tf.function(autograph=False)
    def step(batch):
        return strategy.run(model.train_step, args=(batch,))

    graph = step.get_concrete_function(next(iter(ds))).graph
    found = [op for op in graph.get_operations() if "Collective" in op.type]
    # Each replica has its own of each.
    given = [(op.type, op.inputs[0]) for op in found[::COUNT]]
    return [
        {"operation": kind, "bytes": a.shape.num_elements() * a.dtype.size}
        for kind, a in given
    ]


def profile(networks):
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * COUNT,
    )
    found = {
        name: {kind: collectives(name, kind) for kind in OBJECTIVES}
        for name in networks
    }
    save("workers_profile", {"collective operations of a step": found})


def worker(name, kind, batch, steps):
    """One of the processes: seconds of a step for each line that it reads."""
    strategy = tf.distribute.get_strategy()
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    model = training(strategy, name, kind)
    batch *= strategy.num_replicas_in_sync
    x, y = data(batch)
    step_seconds(model, x, y, batch, 4)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(step_seconds(model, x, y, batch, steps), flush=True)


class Pair:
    """Two processes with a core each.

    Args:
        name: The network.
        kind: "keras", or an objective.
        linked: Whether they train together.
        given: The arguments of the command line.
    """

    def __init__(self, name, kind, linked, given):
        command = [sys.executable, __file__, "--worker", name, kind]
        command += ["--batch", str(given.batch), "--steps", str(given.steps)]
        alone = [dict(os.environ) for _ in range(COUNT)]
        places = launch.environments(COUNT) if linked else alone
        self._processes = [
            subprocess.Popen(
                ["taskset", "-c", str(number % os.cpu_count()), *command],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number, environment in enumerate(places)
        ]
        self._said()

    def _said(self):
        lines = [p.stdout.readline().strip() for p in self._processes]
        assert all(lines), "a worker has failed"
        return lines

    def seconds(self):
        """Of a step, the longer of both."""
        for process in self._processes:
            print("step", file=process.stdin, flush=True)
        return max(map(float, self._said()))

    def end(self):
        for process in self._processes:
            process.stdin.close()
        for process in self._processes:
            process.wait(60)


PAIRS = {
    "keras, apart": ("keras", False),
    "keras, together": ("keras", True),
    "labels, together": ("labels", True),
    "ban+l, apart": ("ban+l", False),
    "ban+l, together": ("ban+l", True),
}
RATIOS = {
    "labels, together / keras, apart": ("labels, together", "keras, apart"),
    "ban+l, together / apart": ("ban+l, together", "ban+l, apart"),
    "keras, together / apart": ("keras, together", "keras, apart"),
}


def measured(name, given):
    """Seconds of a step of each pair, and their ratios."""
    pairs = {p: Pair(name, *how, given) for p, how in PAIRS.items()}
    times = in_turn({p: one.seconds for p, one in pairs.items()}, given.rounds)
    for one in pairs.values():
        one.end()
    return {
        "seconds of a step": summary(times),
        "ratios": {
            said: ratio(times, above, [below])
            for said, (above, below) in RATIOS.items()
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--networks", nargs="+", default=[*NETWORKS, "wide_resnet_16_1"]
    )
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        worker(*given.worker, given.batch, given.steps)
    elif given.profile:
        profile(given.networks)
    else:
        found = {name: measured(name, given) for name in given.networks}
        save("workers", {"settings": vars(given), "a core each": found})


if __name__ == "__main__":
    main()
