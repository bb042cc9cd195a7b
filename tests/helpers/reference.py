"""The objectives in float64 NumPy, written from the papers' formulas.

Student logits `z` and teacher logits `t` have shape `(b, n)`, labels `y` are
distributions of shape `(b, n)`. An objective returns the loss of each sample,
shape `(b,)`, and the gradient of their mean with respect to `z`, shape
`(b, n)`.
"""

import functools
import itertools

import numpy as np


def log_softmax(z):
    """Log-probabilities `(..., n)` of logits `(..., n)`."""
    z = np.asarray(z, "float64")
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def softmax(z):
    """Probabilities `(..., n)` of logits `(..., n)`."""
    return np.exp(log_softmax(z))


def one_hot(y, n):
    """Distributions `(..., n)` of class numbers `(...)`."""
    return np.eye(n)[np.asarray(y, int)]


def cross_entropy(p, z):
    """`-Σ p log softmax(z)`, shape `(...)`, of `p` and `z` `(..., n)`."""
    return -(p * log_softmax(z)).sum(axis=-1)


def binary_cross_entropy(y, z):
    """`-y log σ(z) - (1 - y) log(1 - σ(z))`, elementwise, for logits `z`."""
    z = np.asarray(z, "float64")
    return y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)


def labels(y, z, t=None):
    """`L(y, q)`, gradient `q - y` (Furlanello et al., 2018, Equation 1)."""
    return cross_entropy(y, z), (softmax(z) - y) / len(z)


def ban(y, z, t):
    """`-Σ p log q`, gradient `q - p` (Furlanello et al., 2018, Table 2)."""
    return labels(softmax(t), z)


def ban_with_labels(y, z, t):
    """`L(y, q) - Σ p log q` (Furlanello et al., 2018, Equation 3)."""
    label, teacher = labels(y, z), ban(y, z, t)
    return label[0] + teacher[0], label[1] + teacher[1]


def cwtm_weights(t):
    """`max p_s / Σ_u max p_u`, `(b,)` (Furlanello et al., 2018, Equation 9)."""
    confidence = softmax(t).max(axis=-1)
    return confidence / confidence.sum()


def cwtm(y, z, t):
    """`b w_s L(y_s, q_s)`, of which the mean is the loss `Σ w_s L(y_s, q_s)`.

    Source: Furlanello et al., 2018, Equation 9.
    """
    w = cwtm_weights(t)
    return len(z) * w * cross_entropy(y, z), w[:, None] * (softmax(z) - y)


def kd(y, z, t, alpha, temperature):
    """`α L(y, q) + (1 - α) T² CE(softmax(t / T), softmax(z / T))`.

    The gradient is `α (q - y) + (1 - α) T (q_T - p_T)`. Source: Hinton,
    Vinyals and Dean, 2015, Section 2.
    """
    z, t = np.asarray(z, "float64"), np.asarray(t, "float64")
    p, q = softmax(t / temperature), softmax(z / temperature)
    hard, hard_gradient = labels(y, z)
    soft = temperature**2 * cross_entropy(p, z / temperature)
    soft_gradient = temperature * (q - p) / len(z)
    return (
        alpha * hard + (1 - alpha) * soft,
        alpha * hard_gradient + (1 - alpha) * soft_gradient,
    )


def logit_regression(y, z, t):
    """`Σ (z - t)² / n`, gradient `2 (z - t) / n` (Ba and Caruana, 2014)."""
    z, t = np.asarray(z, "float64"), np.asarray(t, "float64")
    difference = z - t
    gradient = 2 * difference / z.shape[-1] / len(z)
    return (difference**2).mean(axis=-1), gradient


# By name, as they are by default.
FORMULAS = {
    "ban": ban,
    "ban+l": ban_with_labels,
    "cwtm": cwtm,
    "kd": functools.partial(kd, alpha=0.5, temperature=2.0),
    "logits": logit_regression,
}


def expected_calibration_error(y, p, bins=15):
    """`Σ share |accuracy - confidence|` over bins of equal width.

    Source: Guo et al., 2017, Section 2. A confidence on an edge belongs to the
    bin below.
    """
    confidence, right = p.max(axis=-1), p.argmax(axis=-1) == y
    edges = np.arange(bins + 1) / bins
    error = 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        error += abs((right[inside] - confidence[inside]).sum()) / len(p)
    return error
