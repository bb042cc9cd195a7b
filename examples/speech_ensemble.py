"""Ten acoustic models distilled into one, as Hinton et al. did it in 2015.

Ten networks learn from the labels which state of a spoken digit each frame is
in. Their mean is better than one of them; one network, taught by the ten on
masked spectrograms and by the labels, keeps most of that. Beside them stand
the twin, the same training on the labels alone, a born-again sequence, and
networks that have 3 % of the recordings, with hard and with soft targets.

```bash
python examples/speech_ensemble.py --quick
python examples/speech_ensemble.py --folder fsdd.zip
python examples/speech_ensemble.py --folder fsdd.zip --leave-out theo
```

`--quick` takes sounds that are made here, like digits, and two minutes on two
cores. `--folder` is the Free Spoken Digit Dataset, as a folder, as an archive
or as "spoken_digit", the set of TensorFlow Datasets. It needs jiwer: `pip
install ".[speech]"`.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural
Network", 2015, Tables 1 and 5.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
from typing import NamedTuple

import keras
import numpy as np
import sounds
import spoken
from speech_tables import BASELINE
from speech_tables import HARD
from speech_tables import SOFT
from speech_tables import TWIN
from speech_tables import distilled
from speech_tables import ensemble
from speech_tables import table

import keras_ban
from keras_ban import models
from keras_ban import views
from keras_ban.data import speech
from keras_ban.objectives import KD

# Of an execution.
STEPS = 20
# Hinton's weight of the hard targets, and his share of the data.
WEIGHT, SHARE = 0.5, 0.03


class Settings(NamedTuple):
    """What is trained, and for how long.

    Attributes:
        layers: Hidden layers of each network.
        units: Units of each.
        epochs: How long networks on the labels are trained.
        longer: How many times as long their students and twins are.
        teachers: How many networks teach together.
        temperatures: Those that are tried.
        generations: Students of the born-again sequence; 0 for none.
        batch: Examples of a step.
        every: Which frames are trained on: each n-th.
        states: States of each digit.
        share: The small share of the data.
    """

    layers: int = 2
    units: int = 128
    epochs: int = 6
    longer: int = 2
    teachers: int = 10
    temperatures: tuple = (1.0, 2.0, 5.0, 10.0)
    generations: int = 2
    batch: int = 128
    every: int = 6
    states: int = 5
    share: float = SHARE


QUICK = Settings(
    units=64,
    epochs=4,
    longer=2,
    temperatures=(2.0, 5.0),
    generations=1,
    batch=64,
    every=2,
    share=0.1,
)


def masked():
    """A view of a window: a rectangle of time and frequency is hidden.

    Park et al. (SpecAugment, 2019) hide bands and moments; here it is a layer
    of Keras, that of Zhong et al. (Random Erasing, 2020).
    """
    return views.layer(
        keras.layers.RandomErasing(
            scale=(0.0, 0.5), fill_value=0.0, value_range=(-20, 20)
        )
    )


class Study:
    """All networks of a task, for several seeds.

    Args:
        task: The `spoken.Task`.
        settings: The `Settings`.
        directory: Where runs are kept, to go on after an interruption.
            Defaults to `None`: nowhere.
    """

    def __init__(self, task, settings, directory=None):
        self.task, self.settings = task, settings
        self._directory = directory

    def lines(self, seeds):
        """Trains; returns a dict for each network and seed.

        Args:
            seeds: Two different integers or more, a list.
        """
        study = keras_ban.compare(
            model_fn_of(self.settings, len(self.task.x)),
            self.task.x,
            self.task.y,
            self.methods(),
            seeds=seeds,
            epochs=self.settings.epochs,
            batch_size=self.settings.batch,
            directory=self._directory,
        )
        found = []
        for number, seed in enumerate(seeds):
            for name, members in self._networks(study, number, seed):
                digits, strings = self.task.word_errors(members)
                found.append(
                    {
                        "name": name,
                        "seed": seed,
                        "validation": self.task.accuracy(members, "validation"),
                        "frames": self.task.accuracy(members),
                        "digits": digits,
                        "strings": strings,
                    }
                )
        return found

    def methods(self):
        """What `keras_ban.compare` trains.

        Teachers are trained on the spectrograms as they are, and see the mask
        that their student sees while they teach.
        """
        settings, view = self.settings, masked()

        def epochs(generation):
            return settings.epochs * (settings.longer if generation else 1)

        def taught(name, temperature, **options):
            return keras_ban.Method(
                KD(WEIGHT, temperature),
                view,
                epochs=epochs,
                teacher_augment=None,
                name=name,
                **options,
            )

        found = [
            keras_ban.Method("labels", name=BASELINE),
            keras_ban.Method(
                "labels", view, epochs=f"{settings.longer}x", name=TWIN
            ),
        ]
        for temperature in settings.temperatures:
            name = distilled(temperature)
            found.append(taught(name, temperature, teachers=settings.teachers))
        if settings.generations:
            name = f"born again, BAN-{settings.generations}"
            found.append(taught(name, 2.0, generations=settings.generations))
        return found

    def few(self, teacher, seed):
        """Networks that have a small share of the recordings.

        They make as many steps as those of all. The one with hard targets
        takes the weights of its best epoch on the validation data, as it
        overfits; that with soft ones, of a network that had all, needs no
        such help.

        Returns:
            Two models: of hard targets, and of soft ones.
        """
        x, y = self.task.few(self.settings.share)
        # An epoch of a few steps takes longer than its steps do.
        times = max(1, STEPS * self.settings.batch // len(x))
        x, y = np.repeat(x, times, axis=0), np.repeat(y, times)
        epochs = round(self.settings.epochs * len(self.task.x) / len(x))
        model_fn = model_fn_of(self.settings, len(x))
        options = {
            "epochs": epochs,
            "batch_size": self.settings.batch,
            "verbose": 0,
        }
        stop = keras.callbacks.EarlyStopping(
            "val_accuracy", patience=10, restore_best_weights=True
        )
        hard = keras_ban.BornAgain(
            lambda: model_fn(epochs), "labels", seed=seed
        )
        hard = hard.fit(
            x,
            y,
            generations=0,
            validation_data=spoken.examples(
                self.task.single["validation"], self.settings.every
            ),
            callbacks=[stop],
            **options,
        )
        soft = keras_ban.BornAgain(
            lambda: model_fn(epochs), KD(0.0, 2.0), seed=seed
        )
        soft = soft.fit(
            x, y, generations=1, teacher=teacher, augment=masked(), **options
        )
        return hard[0].model, soft[-1].model

    def _networks(self, study, number, seed):
        """Yields what is measured: names, and networks whose mean it is."""
        on_labels = [g.model for g in study.lineages[BASELINE][number]]
        yield BASELINE, on_labels[:1]
        yield ensemble(self.settings.teachers), on_labels
        for method in study.methods:
            if method.name != BASELINE:
                last = study.lineages[method.name][number][-1]
                yield method.name, [last.model]
        hard, soft = self.few(on_labels[0], seed)
        yield HARD, [hard]
        yield SOFT, [soft]


def model_fn_of(settings, rows):
    """The function that `compare` takes: a network, compiled for its length."""

    def model_fn(epochs):
        model = models.acoustic(
            spoken.WINDOW,
            settings.layers,
            settings.units,
            10 * settings.states,
        )
        steps = epochs * -(-rows // settings.batch)
        rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
        model.compile(
            keras.optimizers.AdamW(rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            steps_per_execution=STEPS,
        )
        return model

    return model_fn


def task_of(train, validation, test, settings):
    """The `spoken.Task`, aligned by networks of the same kind."""

    def fit_fn(x, y):
        keras.utils.set_random_seed(0)
        model = model_fn_of(settings, len(x))(settings.epochs)
        model.fit(x, y, settings.batch, settings.epochs, verbose=0)
        return model

    return spoken.Task(
        train,
        validation,
        test,
        fit_fn,
        states=settings.states,
        every=settings.every,
    )


def splits(recordings, leave_out=None):
    """Yields names, and recordings to train on, to validate and to test.

    Args:
        recordings: List of `speech.Recording`.
        leave_out: `None`: the customary split, whose speakers are in all
            parts; what was its test is, the next five takes of each digit
            validate. "all": each speaker in turn is the test. Or the name of
            one.
    """
    if leave_out is None:
        rest, test = speech.customary_split(recordings)
        # As many takes of each speaker and digit validate as test.
        later = sorted({r.index for r in rest})
        count = len({r.index for r in test})
        validation = [r for r in rest if r.index in later[:count]]
        train = [r for r in rest if r.index in later[count:]]
        yield "customary", (train, validation, test)
        return
    speakers = speech.speakers_left_out(recordings)
    known = [speaker for speaker, _, _ in speakers]
    if leave_out not in ("all", *known):
        raise ValueError(
            f"Nobody of that name speaks. Expected 'all' or one of {known}. "
            f"Received: {leave_out!r}"
        )
    for speaker, rest, test in speakers:
        if leave_out in ("all", speaker):
            train, validation = speech.customary_split(rest)
            yield f"without {speaker}", (train, validation, test)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", help="recordings, or their archive")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--leave-out", metavar="SPEAKER", help='or "all"')
    parser.add_argument("--seeds", type=int, default=3, help="two or more")
    parser.add_argument("--teachers", type=int, help="default 10")
    parser.add_argument("--epochs", type=int, help="of a network on labels")
    parser.add_argument("--directory", help="keep the runs here, and resume")
    arguments = parser.parse_args()
    if bool(arguments.folder) == arguments.quick:
        parser.error("choose one: --quick, or --folder with recordings")
    settings = QUICK if arguments.quick else Settings()
    for name in ("teachers", "epochs"):
        if getattr(arguments, name) is not None:
            settings = settings._replace(**{name: getattr(arguments, name)})
    recordings = (
        sounds.recordings()
        if arguments.quick
        else speech.load(arguments.folder)
    )
    for name, parts in splits(recordings, arguments.leave_out):
        task = task_of(*parts, settings)
        directory = arguments.directory and f"{arguments.directory}/{name}"
        lines = Study(task, settings, directory).lines(
            list(range(arguments.seeds))
        )
        print(table(lines, name))


if __name__ == "__main__":
    main()
