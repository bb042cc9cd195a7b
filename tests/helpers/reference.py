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


def kd_standardized(y, z, t, alpha, temperature, standardize=True):
    """`kd` on logits `(z - mean) / std` (Sun et al., 2024, Algorithm 1)."""
    z, t = np.asarray(z, "float64"), np.asarray(t, "float64")
    mean, deviation = z.mean(-1, keepdims=True), z.std(-1, keepdims=True)
    scores = (z - mean) / deviation
    targets = (t - t.mean(-1, keepdims=True)) / t.std(-1, keepdims=True)
    hard, hard_gradient = labels(y, z)
    soft, slope = kd(y, scores, targets, 0.0, temperature)
    along = (slope * scores).mean(-1, keepdims=True)
    slope = (slope - slope.mean(-1, keepdims=True) - scores * along) / deviation
    return (
        alpha * hard + (1 - alpha) * soft,
        alpha * hard_gradient + (1 - alpha) * slope,
    )


def dkd(y, z, t, alpha=1.0, beta=8.0, temperature=4.0):
    """`L + T² (α TCKD + β NCKD)` (Zhao et al., 2022, Equation 7, Algorithm 1).

    TCKD and NCKD are divergences: of the probabilities of the true class and
    of all others (Equations 5 and 6), and among the others.
    """
    z, t = np.asarray(z, "float64"), np.asarray(t, "float64")
    is_true = np.eye(z.shape[-1])[np.argmax(y, -1)] == 1
    odds, log_q = _decoupled(z / temperature, is_true)
    target_odds, log_p = _decoupled(t / temperature, is_true)
    pairs = [_sigmoids(target_odds), _sigmoids(odds)]
    tckd = sum(np.exp(p) * (p - q) for p, q in zip(*pairs, strict=True))
    nckd = (np.exp(log_p) * (log_p - log_q)).sum(-1)
    hard, hard_gradient = labels(y, z)
    pull = np.exp(pairs[1][0]) - np.exp(pairs[0][0])
    slope = np.empty_like(z)
    slope[is_true] = alpha * pull
    others = -alpha * pull[:, None] * np.exp(log_q)
    others += beta * (np.exp(log_q) - np.exp(log_p))
    slope[~is_true] = others.ravel()
    return (
        hard + temperature**2 * (alpha * tckd + beta * nckd),
        hard_gradient + temperature * slope / len(z),
    )


def _decoupled(z, is_true):
    """`log(q_y / (1 - q_y))`, and log-probabilities among the others."""
    others = z[~is_true].reshape(len(z), -1)
    return z[is_true] - np.logaddexp.reduce(others, -1), log_softmax(others)


def _sigmoids(z):
    return -np.logaddexp(0, -z), -np.logaddexp(0, z)


def correlation(log_q, log_p, axis):
    """Pearson's correlation of `q` and `p`, and its slope by `log q`.

    Source: Huang et al., 2022, Equation 7.
    """
    q, p = (
        np.exp(x - x.max(axis, keepdims=True, initial=-1e30))
        for x in (log_q, log_p)
    )
    u, v = (x - x.mean(axis, keepdims=True) for x in (q, p))
    sizes = [np.sqrt((x**2).sum(axis, keepdims=True)) for x in (u, v)]
    is_flat = (sizes[0] == 0) | (sizes[1] == 0)
    u, v = (
        np.where(is_flat, 0, x / np.where(is_flat, 1, size))
        for x, size in zip((u, v), sizes, strict=True)
    )
    rho = (u * v).sum(axis, keepdims=True)
    return rho.squeeze(axis), q * (v - rho * u) / np.where(is_flat, 1, sizes[0])


def dist(y, z, t, beta=1.0, gamma=1.0, temperature=1.0):
    """`L + β (1 - ρ of the sample) + γ (1 - mean ρ of the classes)`.

    Source: Huang et al., 2022, Equations 6 to 9.
    """
    z, t = np.asarray(z, "float64"), np.asarray(t, "float64")
    log_q, log_p = log_softmax(z / temperature), log_softmax(t / temperature)
    rows, row_slope = correlation(log_q, log_p, -1)
    columns, column_slope = correlation(log_q, log_p, 0)
    hard, hard_gradient = labels(y, z)
    slope = beta * row_slope / len(z) + gamma * column_slope / z.shape[-1]
    slope = slope - np.exp(log_q) * slope.sum(-1, keepdims=True)
    return (
        hard + beta * (1 - rows) + gamma * (1 - columns.mean()),
        hard_gradient - slope / temperature,
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
    "dkd": dkd,
    "dist": dist,
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
