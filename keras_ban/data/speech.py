"""Spoken digits: recordings, features, frame targets, decoding.

```python
from keras_ban.data import speech

recordings = speech.load("fsdd.zip")
features = speech.standardize(
    [speech.log_mel(r.samples, r.sample_rate) for r in recordings],
    [r.speaker for r in recordings],
)
hmms = speech.DigitHMMs(digits=10, states=3)
x = [speech.windows(frames) for frames in features]  # (frames, 26, 40) each
y = [
    hmms.cut_uniformly(len(frames), recording.digit)
    for frames, recording in zip(features, recordings)
]
# Train a network on the frames; then, with its softmax for each recording:
priors = speech.state_priors(y, hmms.count)
scores = speech.scaled_log_likelihoods(probabilities, priors)
hmms.align(scores, digit)  # better targets, to train on anew
speech.recognise(hmms, scores)  # the digit
```
"""

from keras_ban.data.alignment import DigitHMMs
from keras_ban.data.alignment import scaled_log_likelihoods
from keras_ban.data.alignment import state_priors
from keras_ban.data.decoding import recognise
from keras_ban.data.decoding import recognise_string
from keras_ban.data.decoding import word_error_rate
from keras_ban.data.filterbanks import log_mel
from keras_ban.data.filterbanks import standardize
from keras_ban.data.filterbanks import windows
from keras_ban.data.recordings import Recording
from keras_ban.data.recordings import customary_split
from keras_ban.data.recordings import load
from keras_ban.data.recordings import speakers_left_out
from keras_ban.data.wav import read_wav

__all__ = [
    "DigitHMMs",
    "Recording",
    "customary_split",
    "load",
    "log_mel",
    "read_wav",
    "recognise",
    "recognise_string",
    "scaled_log_likelihoods",
    "speakers_left_out",
    "standardize",
    "state_priors",
    "windows",
    "word_error_rate",
]
