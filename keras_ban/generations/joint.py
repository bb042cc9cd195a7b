"""One compiled function that does steps of several networks."""

import keras
import tensorflow as tf


class Joint:
    """Does steps of several networks by one call, each for itself.

    A step is the network's own, `train_step` or `test_step`, compiled as
    Keras compiles it, with the same bits. Networks share nothing, so
    TensorFlow runs their steps at the same time where there are several cores.

    Args:
        trained: Models or `Distiller`s, a list.
        method: The name of their method that does a step.
    """

    def __init__(self, trained, method):
        self._steps = [_compiled(one, method) for one in trained]
        self._run = tf.function(
            self._all, reduce_retracing=True, autograph=False
        )

    def __call__(self, iterators, counts):
        """Does some steps of each.

        Args:
            iterators: The iterator over the batches of each, a list.
            counts: The number of steps of each, a list of integers from 0.

        Returns:
            The logs of the last step of each, a list of dicts; they say
            nothing where no step was done.
        """
        return self._run(iterators, tf.constant(counts, "int32"))

    def _all(self, iterators, counts):
        counts = tf.unstack(counts, len(self._steps))
        return list(map(_repeated, self._steps, iterators, counts))


def _compiled(trained, method):
    """A function of a batch, as `keras.Model.make_train_function` has it."""

    @tf.autograph.experimental.do_not_convert
    def step(batch):
        strategy = trained.distribute_strategy
        return strategy.run(getattr(trained, method), args=(batch,))

    return tf.function(step, reduce_retracing=True, jit_compile=False)


def _repeated(step, iterator, count):
    """The logs of the last of so many steps.

    They leave the loop, and so does nothing else: a step whose logs nobody
    reads is optimised into another one, whose last bits differ.
    """
    function = step.get_concrete_function(iterator.element_spec)
    logs = function.structured_outputs
    nothing = keras.tree.map_structure(
        lambda a: tf.zeros([size or 0 for size in a.shape], a.dtype), logs
    )
    shapes = keras.tree.map_structure(lambda a: tf.TensorShape(a.shape), logs)
    _, logs = tf.while_loop(
        lambda done, _: done < count,
        lambda done, _: (done + 1, step(iterator.get_next())),
        (tf.constant(0), nothing),
        shape_invariants=(tf.TensorShape([]), shapes),
    )
    return logs
