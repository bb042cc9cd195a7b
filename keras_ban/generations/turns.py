"""Several trainings that take turns, their steps done together."""

import time

# How long a call may last, in which no callback is called and no signal seen.
_SECONDS = 0.1, 0.4


class Turn:
    """A training, up to the next steps that it waits for.

    Args:
        fitting: The `Fitting`.
        own: Its `seeds.Own`.

    Attributes:
        fitting: As given.
        method: The method that does the steps, or `None` once it has ended.
        history: Its `keras.callbacks.History`, once it has ended.
    """

    def __init__(self, fitting, own):
        self.fitting = fitting
        self.method = None
        self.history = None
        self._own = own
        self._steps = fitting.steps()

    def go_on(self, done=None):
        """Goes on to the next steps, or to the end.

        Args:
            done: How many steps were done, and the logs of the last one; at
                the beginning `None`.

        Returns:
            The error that ended it, or `None`.
        """
        self.method = None
        with self._own.used():
            try:
                self.method = self._steps.send(done)
            except StopIteration as end:
                self.history = end.value
            except BaseException as error:
                return error
        return None

    def end(self):
        """Ends it where it is."""
        with self._own.used():
            self._steps.close()


class Turns:
    """Trains several networks at the same time.

    Args:
        turns: A list of `Turn`s.
        joint: Function from a method's name to the `Joint` of all of them.
        single: Names of the methods whose steps are done one by one, as
            callbacks see each batch.
    """

    def __init__(self, turns, joint, single):
        self._turns = turns
        self._joint = joint
        self._single = single
        self._most = {}

    def run(self):
        """Trains all of them to their ends.

        Where one fails, the others go on to the end of the same steps: what
        a signal stops is saved by each.

        Returns:
            The `keras.callbacks.History` of each, a list.
        """
        try:
            self._go_on({turn: None for turn in self._turns})
            while methods := {turn.method for turn in self._turns} - {None}:
                for method in sorted(methods):
                    self._do(method)
        finally:
            for turn in self._turns:
                turn.end()
        return [turn.history for turn in self._turns]

    def _do(self, method):
        """Does steps of those that wait for this method."""
        waiting = [turn for turn in self._turns if turn.method == method]
        count = min(turn.fitting.left for turn in waiting)
        count = min(count, self._most.setdefault(method, 1))
        start = time.perf_counter()
        logs = self._joint(method)(
            [turn.fitting.iterator(method) for turn in self._turns],
            [count * (turn in waiting) for turn in self._turns],
        )
        self._pace(method, count, time.perf_counter() - start)
        self._go_on(
            {
                turn: (count, found)
                for turn, found in zip(self._turns, logs, strict=True)
                if turn in waiting
            }
        )

    def _pace(self, method, count, seconds):
        """Chooses how many steps the next call may do."""
        shortest, longest = _SECONDS
        if method in self._single:
            return
        if seconds < shortest:
            self._most[method] = max(self._most[method], 2 * count)
        elif seconds > longest:
            self._most[method] = max(1, count // 2)

    def _go_on(self, done):
        errors = [turn.go_on(found) for turn, found in done.items()]
        for error in errors:
            if error is not None:
                raise error
