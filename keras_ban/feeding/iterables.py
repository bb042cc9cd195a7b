"""What is neither arrays nor a data set of Keras or TensorFlow."""

from keras_ban.feeding.examples import Examples


class Iterable(Examples):
    """Anything that yields its batches anew each time it is read."""


class Once(Examples):
    """What can be read only once, such as a generator."""

    reads_freely = False
    reads_once = True
