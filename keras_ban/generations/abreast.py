"""Several small trainings side by side, each as if it were alone."""

import contextlib
from typing import NamedTuple

import keras

from keras_ban.generations.fitting import Fitting
from keras_ban.generations.hindrances import hindrance
from keras_ban.generations.joint import Joint
from keras_ban.generations.training import Trainer
from keras_ban.generations.turns import Turn
from keras_ban.generations.turns import Turns
from keras_ban.lineage import Lineage
from keras_ban.state import seeds

# So many groups of networks stay compiled.
_GROUPS = 4
# What callbacks see single batches by.
_HOOKS = {
    "train_step": (
        "on_batch_begin",
        "on_batch_end",
        "on_train_batch_begin",
        "on_train_batch_end",
    ),
    "test_step": ("on_test_batch_begin", "on_test_batch_end"),
}


class Part(NamedTuple):
    """One of the trainings that go on at the same time.

    Attributes:
        trainer: The `Trainer`.
        number: The number of the generation.
        lineage: The `Lineage` of those before.
        run: What keeps the run: an `OpenRun` or `Unkept`.
    """

    trainer: Trainer
    number: int
    lineage: Lineage
    run: object


class Abreast:
    """Trains several generations at the same time.

    Each is trained as by `Trainer.generation`, with the same bits: fresh from
    its seed, with its own data, callbacks, validation and saved state. Their
    steps are done by one compiled function, many in a call where no callback
    sees single batches. What was compiled serves the next ones too.
    """

    def __init__(self):
        self._compiled = {}
        self._known = set()

    def generations(self, parts):
        """Trains, side by side where `hindrance` sees nothing against it.

        If one of them fails or is stopped, all that go on at the same time
        end; what each has saved up to then is in its own folder.

        Args:
            parts: A list of `Part`s, of which no two share a training.

        Yields:
            The `Generation`s in their order, each as soon as it is trained.

        Raises:
            FloatingPointError: If a loss turns NaN or infinite.
        """
        reason, key = hindrance(parts, self._known)
        if reason:
            for p in parts:
                yield p.trainer.generation(p.number, p.lineage, p.run)
            return
        self._known.add(key)
        trainings, turns = [], []
        for part, workshop in zip(parts, _workshops(parts), strict=True):
            # Two bars would write to one line.
            training = part.trainer.prepared(
                part.number,
                part.lineage,
                part.run,
                workshop,
                beside=len(parts),
                is_shown=not trainings,
            )
            trainings.append(training)
            fitting = _fitting(training, part.trainer.feed)
            turns.append(Turn(fitting, seeds.Own()))
        with contextlib.ExitStack() as stack:
            for training in trainings:
                stack.enter_context(training.reading())
            joint = self._joint([t.trained for t in trainings])
            histories = Turns(turns, joint, _single(parts, trainings)).run()
        for part, training, history in zip(
            parts, trainings, histories, strict=True
        ):
            yield part.trainer.finished(training, history)

    def _joint(self, trained):
        """Function from a method's name to the `Joint` of these networks."""
        for one in trained:
            one.make_train_function()
        # One whose function was made anew has changed.
        group = [*trained, *(one.train_function for one in trained)]
        key = tuple(map(id, group))
        _, joints = self._compiled.pop(key, (group, {}))
        self._compiled[key] = group, joints
        for oldest in list(self._compiled)[:-_GROUPS]:
            del self._compiled[oldest]

        def joint(method):
            if method not in joints:
                joints[method] = Joint(trained, method)
            return joints[method]

        return joint


def _workshops(parts):
    """For each part a `Workshop`, that of its trial for the first of them."""
    taken = []
    for trial in (part.trainer.trial for part in parts):
        is_free = all(trial.workshop is not other for other in taken)
        taken.append(trial.workshop)
        yield trial.workshop if is_free else trial.workshop.beside()


def _fitting(training, feed):
    held_out, arguments = feed.validation, training.arguments
    if held_out is not None:
        arguments = arguments | {"validation_data": held_out.as_dataset()}
    counts = {
        "train_step": feed.train.epoch_steps(),
        "test_step": held_out and held_out.epoch_steps(),
    }
    return Fitting(training.trained, arguments, training.callbacks, counts)


def _single(parts, trainings):
    """Names of the methods of which somebody sees each step."""
    given = [c for training in trainings for c in training.watch.given]
    found = {m for m, hooks in _HOOKS.items() if any(_has(given, hooks))}
    # One that saves after so many steps counts them.
    counts = any(part.run.save_every for part in parts)
    return found | ({"train_step"} if counts else set())


def _has(callbacks, hooks):
    """Yields for each callback and hook whether it is not Keras' empty one."""
    for callback in callbacks:
        for hook in hooks:
            own = getattr(getattr(callback, hook), "__func__", None)
            yield own is not getattr(keras.callbacks.Callback, hook)
