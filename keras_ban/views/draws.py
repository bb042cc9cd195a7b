"""Random numbers that follow from the seeds of examples, for all at once.

TensorFlow's stateless functions take one seed for all that they draw. Here
each example of a batch has its own, so that what is drawn for it depends on no
other. The generator is counter-based: SplitMix64 of a key and a counter.

What is more than arithmetic is computed in float64: the last digits hang on an
example's place in its batch, as vector instructions round otherwise than those
for what is left over, and are gone when views are made in float32.

Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
Generators", 2014; for generators of this kind, Salmon et al., "Parallel Random
Numbers: As Easy as 1, 2, 3", 2011.
"""

import numpy as np
import tensorflow as tf

_STEP = 0x9E3779B97F4A7C15
_FACTOR = 0xD1342543DE82EF95
_MASK = 2**64 - 1
# Candidates of a rejection that takes 95 % of them at least.
_CANDIDATES = 8


def bits(seeds, count, stream=0):
    """64 random bits, `count` times for each example.

    Args:
        seeds: Seeds of shape `(batch, 2)`, of type int64.
        count: An integer.
        stream: Which of the streams of a seed to draw from, an integer.
            Defaults to `0`.

    Returns:
        Shape `(batch, count)`, of type uint64.
    """
    one, two = tf.unstack(tf.bitcast(seeds, "uint64"), axis=1)
    # An odd factor: no two examples of a view share a key.
    key = _mixed(one * _uint64(_FACTOR) + two + _uint64(stream * _STEP))
    steps = np.arange(1, count + 1, dtype="uint64") * np.uint64(_STEP)
    return _mixed(key[:, None] + tf.constant(steps))


def fold(seeds, stream):
    """Other seeds that follow from seeds, of the same shape `(batch, 2)`.

    Args:
        seeds: Seeds of shape `(batch, 2)`.
        stream: Which ones, a non-negative integer.
    """
    return tf.bitcast(bits(seeds, 2, stream + 1), "int64")


def uniform(drawn):
    """Numbers from 0 to 1, neither of them, of type float64.

    They are numbers of float32 too.

    Args:
        drawn: What `bits` gives, of any shape.
    """
    places = tf.cast(tf.bitwise.right_shift(drawn, _uint64(41)), "float64")
    return (places + 0.5) * 2.0**-23


def integers(drawn, count):
    """Integers from 0 to before `count`, of type int64.

    Args:
        drawn: What `bits` gives, of any shape.
        count: An integer or an integer tensor, less than 2³².
    """
    half = tf.bitwise.right_shift(drawn, _uint64(32))
    scaled = half * tf.cast(count, "uint64")
    return tf.cast(tf.bitwise.right_shift(scaled, _uint64(32)), "int64")


def normal(drawn):
    """Numbers of the standard normal distribution, of type float64.

    Args:
        drawn: What `bits` gives, of any shape.
    """
    return tf.math.ndtri(uniform(drawn))


def beta(seeds, alpha):
    """A number of Beta(alpha, alpha) for each example, shape `(batch,)`.

    As the share that one of two gamma variates has in their sum, of type
    float64.

    Args:
        seeds: Seeds of shape `(batch, 2)`.
        alpha: A positive number.
    """
    if alpha == 1:
        return uniform(bits(seeds, 1))[:, 0]
    one, two = (_log_gamma_variate(fold(seeds, n), alpha) for n in range(2))
    return tf.sigmoid(one - two)


def _log_gamma_variate(seeds, alpha):
    """The logarithm of a gamma variate, but for a constant.

    Source: Marsaglia and Tsang, "A Simple Method for Generating Gamma
    Variables", 2000, with Section 6 for `alpha` below 1.
    """
    d = (alpha + 1 if alpha < 1 else alpha) - 1 / 3
    drawn = bits(seeds, 2 * _CANDIDATES + 1)
    z = normal(drawn[:, :_CANDIDATES])
    u = uniform(drawn[:, _CANDIDATES:])
    v = tf.maximum((1 + z / (9 * d) ** 0.5) ** 3, 1e-30)
    bound = z**2 / 2 + d - d * v + d * tf.math.log(v)
    taken = (v > 1e-30) & (tf.math.log(u[:, 1:]) < bound)
    first = tf.argmax(tf.cast(taken, "int32"), axis=1)
    found = tf.math.log(tf.gather(v, first, axis=1, batch_dims=1))
    return found + (tf.math.log(u[:, 0]) / alpha if alpha < 1 else 0.0)


def _mixed(x):
    """The output function of SplitMix64."""
    x = _xor_shifted(x, 30) * _uint64(0xBF58476D1CE4E5B9)
    x = _xor_shifted(x, 27) * _uint64(0x94D049BB133111EB)
    return _xor_shifted(x, 31)


def _xor_shifted(x, places):
    shifted = tf.bitwise.right_shift(x, _uint64(places))
    return tf.bitwise.bitwise_xor(x, shifted)


def _uint64(number):
    return tf.constant(np.uint64(number & _MASK))
