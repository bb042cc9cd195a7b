"""Spoken digits as an acoustic model reads them: what the example measures.

Recordings become frames, each with the state of a hidden Markov model that it
is in; these come from forced alignments, the first one uniform, the others by
a network that was trained on the one before. Digits are recognised by Viterbi's
algorithm, alone and in strings of several recordings of a speaker.
"""

from typing import NamedTuple

import keras
import numpy as np

from keras_ban.data import speech

COEFFICIENTS = 40
FRAMES = 26
# As images have them: height, width and channels.
WINDOW = FRAMES, COEFFICIENTS, 1
# In nats; the one that errs least on the validation strings is taken.
PENALTIES = 0.0, 5.0, 10.0, 20.0, 40.0, 80.0


class Utterance(NamedTuple):
    """One recording, or several joined.

    Attributes:
        speaker: Who speaks.
        digits: What is said, a tuple.
        frames: Log-mel coefficients, of shape `(frames, 40)`.
        states: The state of each frame, of shape `(frames,)`.
    """

    speaker: str
    digits: tuple
    frames: np.ndarray
    states: np.ndarray


def utterances(recordings, hmms):
    """Recordings with their first alignment, one `Utterance` for each."""
    features = speech.standardize(
        [
            speech.log_mel(r.samples, r.sample_rate, COEFFICIENTS)
            for r in recordings
        ],
        [r.speaker for r in recordings],
    )
    return [
        Utterance(
            r.speaker,
            (r.digit,),
            frames,
            hmms.cut_uniformly(len(frames), r.digit),
        )
        for r, frames in zip(recordings, features, strict=True)
    ]


def joined(spoken, most, seed=0):
    """Strings of 1 to `most` utterances of a speaker, each used once."""
    rng = np.random.default_rng(seed)
    found = []
    for speaker in sorted({u.speaker for u in spoken}):
        own = [u for u in spoken if u.speaker == speaker]
        own = [own[k] for k in rng.permutation(len(own))]
        while own:
            count = rng.integers(1, most + 1)
            parts, own = own[:count], own[count:]
            found.append(
                Utterance(
                    speaker,
                    tuple(d for u in parts for d in u.digits),
                    np.concatenate([u.frames for u in parts]),
                    np.concatenate([u.states for u in parts]),
                )
            )
    return found


def examples(spoken, every=1):
    """Windows of shape `(examples, 26, 40, 1)` and states, of each n-th frame.

    Neighbours are nearly the same 10 ms later, so that a third of them, say,
    teaches nearly as much.
    """
    # Not each from its first frame, which is always in a first state.
    x = [
        speech.windows(u.frames)[k % every :: every]
        for k, u in enumerate(spoken)
    ]
    y = [u.states[k % every :: every] for k, u in enumerate(spoken)]
    return np.concatenate(x)[..., None], np.concatenate(y)


def posteriors(models, spoken):
    """The models' mean probabilities of states, for each utterance."""
    x, _ = examples(spoken)
    p = np.mean([keras.ops.softmax(m(x, training=False)) for m in models], 0)
    return np.split(p, np.cumsum([len(u.states) for u in spoken])[:-1])


class Task:
    """Recordings to train on, to choose by and to test on.

    Args:
        train: List of `speech.Recording`.
        validation: The same.
        test: The same.
        fit_fn: Function from examples and labels to a network, trained for an
            alignment.
        states: States of each digit. Defaults to `5`.
        alignments: How often the trained network aligns. Defaults to `2`.
        every: Which frames are trained on: each n-th. Defaults to `4`.
        most: The longest strings, in digits. Defaults to `5`.

    Attributes:
        x: Windows to train on, of strings.
        y: Their states.
        moved: Share of the frames that each alignment gave another state.
    """

    def __init__(
        self,
        train,
        validation,
        test,
        fit_fn,
        states=5,
        alignments=2,
        every=4,
        most=5,
    ):
        self.hmms = speech.DigitHMMs(10, states)
        self.every, self.most, self.moved = every, most, []
        # Together, so that a speaker has one mean and one variance.
        spoken = utterances([*train, *validation, *test], self.hmms)
        ends = len(train), len(train) + len(validation)
        for _ in range(alignments):
            model = fit_fn(*self._training(spoken[: ends[0]]))
            priors = self._priors(spoken[: ends[0]])
            spoken = self._aligned(model, priors, spoken)
        self.train = spoken[: ends[0]]
        self.single = {
            "validation": spoken[ends[0] : ends[1]],
            "test": spoken[ends[1] :],
        }
        self.strings = {k: joined(v, most) for k, v in self.single.items()}
        self.priors = self._priors(self.train)
        self.x, self.y = self._training(self.train)
        self.penalty = self._chosen_penalty(model)

    def few(self, share):
        """Windows and states of a share of the utterances, drawn once."""
        rng = np.random.default_rng(0)
        count = max(1, round(share * len(self.train)))
        chosen = rng.permutation(len(self.train))[:count]
        return self._training([self.train[k] for k in chosen])

    def accuracy(self, models, part="test"):
        """How many frames of single digits the mean of models gets right.

        Args:
            models: Networks that give logits.
            part: "test" or "validation". Defaults to `"test"`.

        Returns:
            Percent.
        """
        single = self.single[part]
        p = np.concatenate(posteriors(models, single))
        states = np.concatenate([u.states for u in single])
        return 100 * float(np.mean(p.argmax(axis=1) == states))

    def word_errors(self, models, part="test"):
        """Word error rates of single digits, and of strings.

        Args:
            models: Networks that give logits.
            part: "test" or "validation". Defaults to `"test"`.

        Returns:
            Two numbers, in percent.
        """
        single, strings = self.single[part], self.strings[part]
        alone = [
            [speech.recognise(self.hmms, self._likelihoods(p))]
            for p in posteriors(models, single)
        ]
        together = self._heard(posteriors(models, strings), self.penalty)
        return (
            100 * _word_errors(single, alone),
            100 * _word_errors(strings, together),
        )

    def _training(self, spoken):
        return examples(joined(spoken, self.most), self.every)

    def _priors(self, spoken):
        return speech.state_priors([u.states for u in spoken], self.hmms.count)

    def _aligned(self, model, priors, spoken):
        found = [
            u._replace(
                states=self.hmms.align(
                    speech.scaled_log_likelihoods(p, priors), u.digits[0]
                )
            )
            for u, p in zip(spoken, posteriors([model], spoken), strict=True)
        ]
        moved = [
            a.states != b.states for a, b in zip(spoken, found, strict=True)
        ]
        self.moved.append(float(np.concatenate(moved).mean()))
        return found

    def _likelihoods(self, p):
        return speech.scaled_log_likelihoods(p, self.priors)

    def _heard(self, found, penalty):
        return [
            speech.recognise_string(self.hmms, self._likelihoods(p), penalty)
            for p in found
        ]

    def _chosen_penalty(self, model):
        strings = self.strings["validation"]
        found = posteriors([model], strings)
        return min(
            PENALTIES,
            key=lambda p: _word_errors(strings, self._heard(found, p)),
        )


def _word_errors(spoken, heard):
    return speech.word_error_rate([u.digits for u in spoken], heard)
