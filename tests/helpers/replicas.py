"""Strategies over the logical devices of `conftest.py`."""

import functools

import tensorflow as tf


@functools.cache
def mirrored(count):
    """One strategy a process for each count, as TensorFlow asks for."""
    devices = tf.config.list_logical_devices("CPU")[:count]
    # A process can have one group of devices that reduces collectively.
    ops = None if count == 2 else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([d.name for d in devices], ops)
