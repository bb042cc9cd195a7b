"""From what a network hears in each frame to digits, and their errors."""

import numpy as np

from keras_ban import checks
from keras_ban.data.alignment import viterbi


def recognise(hmms, scores):
    """The digit of a recording of one digit.

    Viterbi's algorithm over the digits' models, all digits equally probable:
    the digit of the most probable path.

    Args:
        hmms: The `DigitHMMs`.
        scores: Log-likelihoods of their states, of shape `(frames, count)`,
            as `scaled_log_likelihoods` gives them.

    Returns:
        The digit, an integer.

    Raises:
        ValueError: If there are fewer frames than a digit has states, or
            `scores` are of another shape, NaN or infinite.
    """
    path, _ = viterbi(
        hmms.checked_scores(scores),
        hmms.transitions(),
        _entries(hmms, penalty=0.0),
        _exits(hmms),
    )
    return int(path[-1] // hmms.states)


def recognise_string(hmms, scores, penalty=0.0):
    """The digits of a recording of several, joined.

    Viterbi's algorithm over a loop: whichever digit ends, any may follow, all
    equally probable. The most probable path has the log-probability of its
    frames and transitions, and log(1 / digits) - `penalty` for each digit.

    Args:
        hmms: The `DigitHMMs`.
        scores: As for `recognise`.
        penalty: What each digit costs, in nats: more of it gives fewer digits
            (the insertion penalty). Defaults to `0.0`.

    Returns:
        The digits, a list of integers, at least one.

    Raises:
        ValueError: As `recognise`; if `penalty` is not finite.
    """
    checks.number("penalty", penalty, np.isfinite, "a finite number of nats")
    scores = hmms.checked_scores(scores)
    entries, exits = _entries(hmms, penalty), _exits(hmms)
    transitions = np.maximum(
        hmms.transitions(), exits[:, None] + entries[None, :]
    )
    path, _ = viterbi(scores, transitions, entries, exits)
    begins = np.isin(path, hmms.first)
    begins[1:] &= np.isin(path[:-1], hmms.last)
    return (path[begins] // hmms.states).tolist()


def word_error_rate(references, hypotheses):
    """Substitutions, deletions and insertions per word that was said.

    Over all strings together, as `jiwer.wer` counts them: long strings weigh
    more.

    Args:
        references: What was said: a list of strings of words, or of lists of
            digits.
        hypotheses: What was recognised, in the same order, likewise.

    Returns:
        A float from 0, above 1 where more is inserted than was said.

    Raises:
        ImportError: If jiwer is not installed.
        ValueError: If there are not as many of one as of the other, or a
            reference has no words.

    Example:
    >>> error = speech.word_error_rate([[1, 2, 3]], [[1, 3]])
    >>> round(error, 3)  # one deletion
    0.333
    """
    with checks.needing("jiwer", "speech", "The word error rate"):
        import jiwer

    references = [_words(said) for said in references]
    hypotheses = [_words(heard) for heard in hypotheses]
    if len(references) != len(hypotheses) or not references:
        raise ValueError(
            "Invalid value for argument `hypotheses`. Expected one for each "
            f"reference, and one at least. Received: {len(hypotheses)} for "
            f"{len(references)}"
        )
    for number, said in enumerate(references):
        if not said:
            raise ValueError(
                "Invalid value for argument `references`. Expected a word at "
                f"least in each. Received: none in number {number}."
            )
    return float(jiwer.wer(reference=references, hypothesis=hypotheses))


def _entries(hmms, penalty):
    """What it costs to begin a digit, of shape `(count,)`."""
    found = np.full(hmms.count, -np.inf)
    found[hmms.first] = -np.log(hmms.digits) - penalty
    return found


def _exits(hmms):
    """What it costs to end one, of shape `(count,)`."""
    found = np.full(hmms.count, -np.inf)
    found[hmms.last] = hmms.log_leave[hmms.last]
    return found


def _words(given):
    if isinstance(given, str):
        return " ".join(given.split())
    return " ".join(map(str, given))
