"""Digits as hidden Markov models, and which state each frame is in."""

import numpy as np

from keras_ban import checks

_TINY = np.finfo("float32").tiny


class DigitHMMs:
    """One hidden Markov model a digit, from left to right.

    A digit begins in its first state, stays in a state or goes on to the next,
    and ends from its last (Rabiner, 1989, section IV B). State `s` of digit
    `d` has the number `d * states + s`, which is a frame's class number.

    Args:
        digits: How many digits. Defaults to `10`.
        states: How many states each has, at least two: by one, a digit said
            twice could not be told from one that lasts. Defaults to `3`.
        stay: Probability that a state lasts another frame: a number, or one
            for each state, of shape `(digits, states)`. Defaults to `0.5`.

    Attributes:
        count: The number of all states.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, digits=10, states=3, stay=0.5):
        self.digits = checks.integer("digits", digits, 1)
        self.states = checks.integer("states", states, 2)
        self.count = self.digits * self.states
        shape = self.digits, self.states
        stay = np.asarray(stay, "float64")
        fits = stay.ndim == 0 or stay.shape == shape
        if not fits or not ((stay > 0) & (stay < 1)).all():
            raise ValueError(
                "Invalid value for argument `stay`. Expected probabilities "
                f"above 0 and below 1, one or an array of shape {shape}. "
                f"Received: {stay.tolist()}"
            )
        stay = np.broadcast_to(stay, shape).ravel()
        self.log_stay, self.log_leave = np.log(stay), np.log1p(-stay)

    @property
    def first(self):
        """Numbers of the digits' first states, of shape `(digits,)`."""
        return np.arange(self.digits) * self.states

    @property
    def last(self):
        """Numbers of the digits' last states, of shape `(digits,)`."""
        return self.first + self.states - 1

    def transitions(self):
        """Log-probabilities within digits, of shape `(count, count)`.

        From the row's state to the column's; `-inf` where there is no way.
        """
        found = np.full((self.count, self.count), -np.inf)
        number = np.arange(self.count)
        found[number, number] = self.log_stay
        inner = np.setdiff1d(number, self.last)
        found[inner, inner + 1] = self.log_leave[inner]
        return found

    def cut_uniformly(self, frames, digit):
        """The first alignment: each state as long as the others.

        Args:
            frames: How many frames the recording has.
            digit: What is said in it.

        Returns:
            The state of each frame, int64 of shape `(frames,)`.

        Raises:
            ValueError: If there are fewer frames than states.
        """
        self._check_digit(digit)
        self._check_frames(frames)
        return digit * self.states + np.arange(frames) * self.states // frames

    def align(self, scores, digit):
        """The most probable state of each frame, where the digit is known.

        Args:
            scores: Log-likelihoods of all states, of shape `(frames, count)`,
                as `scaled_log_likelihoods` gives them.
            digit: What is said.

        Returns:
            The state of each frame, int64 of shape `(frames,)`: from the first
            to the last of the digit's, none left out. Of paths that are
            equally probable, the one that stays longest in earlier states.

        Raises:
            ValueError: If there are fewer frames than states, or `scores` are
                of another shape, NaN or infinite.
        """
        self._check_digit(digit)
        scores = self.checked_scores(scores)
        mine = slice(digit * self.states, (digit + 1) * self.states)
        outside = np.full(self.states - 1, -np.inf)
        path, _ = viterbi(
            scores[:, mine],
            self.transitions()[mine, mine],
            start=np.append(0.0, outside),
            end=np.append(outside, self.log_leave[mine][-1]),
        )
        return path + mine.start

    def checked_scores(self, scores):
        """Scores as float64.

        Raises:
            ValueError: If they are of another shape than `(frames, count)`,
                NaN or infinite, or fewer than a digit has states.
        """
        scores = np.asarray(scores, "float64")
        if scores.ndim != 2 or scores.shape[1] != self.count:
            raise ValueError(
                "Invalid value for argument `scores`. Expected the shape "
                f"(frames, {self.count}), of {self.digits} digits with "
                f"{self.states} states. Received shape: {scores.shape}"
            )
        self._check_frames(len(scores))
        if not np.isfinite(scores).all():
            raise ValueError(
                "Invalid value for argument `scores`. Expected finite numbers, "
                "as `scaled_log_likelihoods` gives. Received: NaN or infinity"
            )
        return scores

    def _check_digit(self, digit):
        checks.integer("digit", digit, 0, self.digits - 1)

    def _check_frames(self, frames):
        if frames < self.states:
            raise ValueError(
                "A recording is too short for its states. Expected at least "
                f"{self.states} frames. Received: {frames}. Take it away, or "
                "choose fewer `states`."
            )


def viterbi(scores, transitions, start, end):
    """The most probable path through a hidden Markov model.

    Viterbi's algorithm (Rabiner, 1989, equations 32 to 35), in logarithms.

    Args:
        scores: Log-likelihood of each frame in each state, of shape
            `(frames, states)`.
        transitions: Log-probability to go from a state (row) to another
            (column), of shape `(states, states)`; `-inf` where there is none.
        start: Log-probability to begin in a state, of shape `(states,)`.
        end: Log-probability to end from a state, of shape `(states,)`.

    Returns:
        The state of each frame, int64 of shape `(frames,)`, and the path's
        log-probability. Of equally probable ways, that by the state with the
        lowest number is taken.
    """
    best = start + scores[0]
    before = np.zeros(scores.shape, "int64")
    for frame in range(1, len(scores)):
        ways = best[:, None] + transitions
        before[frame] = ways.argmax(axis=0)
        best = ways.max(axis=0) + scores[frame]
    best = best + end
    path = np.empty(len(scores), "int64")
    path[-1] = best.argmax()
    for frame in range(len(scores) - 1, 0, -1):
        path[frame - 1] = before[frame, path[frame]]
    return path, float(best.max())


def state_priors(targets, count):
    """How probable each state is, before anything is heard.

    Args:
        targets: List of the states of the frames of each recording, integer
            arrays of shape `(frames,)`.
        count: The number of all states.

    Returns:
        Probabilities, float64 of shape `(count,)`: shares of the frames, with
        one frame more for each state, so that none is impossible.

    Raises:
        ValueError: If a target is none of these states.
    """
    checks.integer("count", count, 1)
    targets = np.concatenate([np.asarray(t) for t in targets])
    if not len(targets) or targets.min() < 0 or targets.max() >= count:
        raise ValueError(
            "Invalid value for argument `targets`. Expected states from 0 to "
            f"{count - 1}. Received: {np.unique(targets).tolist()}"
        )
    counts = np.bincount(targets, minlength=count) + 1
    return counts / counts.sum()


def scaled_log_likelihoods(posteriors, priors):
    """What a frame says of each state, with the states' priors divided out.

    By Bayes' rule p(frame | state) is p(state | frame) / p(state), up to a
    factor that is the same for all states (Bourlard and Morgan, 1994,
    section 7.3).

    Args:
        posteriors: Probabilities of the states, as a network's softmax gives
            them, of shape `(frames, count)`.
        priors: Their priors, of shape `(count,)`, as from `state_priors`.

    Returns:
        Logarithms, float64 of shape `(frames, count)`, all finite.

    Raises:
        ValueError: If either is no distribution, or shapes differ.
    """
    posteriors = np.asarray(posteriors, "float64")
    priors = np.asarray(priors, "float64")
    if posteriors.ndim != 2 or posteriors.shape[1:] != priors.shape:
        raise ValueError(
            "Shapes of `posteriors` and `priors` do not fit. Expected (frames, "
            f"states) and (states,). Received: {posteriors.shape} and "
            f"{priors.shape}"
        )
    _check_distributions("posteriors", posteriors, 0)
    _check_distributions("priors", priors[None], _TINY)
    return np.log(np.maximum(posteriors, _TINY)) - np.log(priors)


def _check_distributions(name, rows, least):
    sums = rows.sum(axis=1)
    # Half precision is that of some networks.
    if not ((rows >= least).all() and np.allclose(sums, 1, atol=1e-2)):
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected probabilities "
            f"that sum to 1. Received: from {rows.min()} to {rows.max()}, with "
            f"sums from {sums.min()} to {sums.max()}. Of a network that gives "
            "logits, take `keras.ops.softmax`."
        )
