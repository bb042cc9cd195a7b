"""What makes a run this one, and what is known of how it is trained."""

import functools

from keras_ban.runs import fingerprint


class Identity:
    """What a `Trainer` trains, and on what.

    Args:
        trial: The finished `Trial` of its networks.
        feed: The `Feed`.
        plans: The `Plans` of what examples bring along.
        ancestry: The `Ancestry`.
        watches: The `Watch` of each generation.
        function: Function from the number of a generation to what makes its
            network, by number.
    """

    def __init__(self, trial, feed, plans, ancestry, watches, function):
        self._trial = trial
        self._feed = feed
        self._plans = plans
        self._ancestry = ancestry
        self._watches = watches
        self._function = function

    def __call__(self):
        """What makes the run this one, as `fingerprint.run` says it."""
        teacher = self._trial.teacher
        given = int(teacher is not None)
        trained = range(given, len(self._watches))
        common = self._shared(teacher and teacher.fingerprint(self._feed.train))
        return fingerprint.run(
            common,
            [None] * given
            + [self._network(number, common["schedule"]) for number in trained],
            [watch.given for watch in self._watches],
        )

    @functools.cached_property
    def recipe(self):
        """What the run is told and what is known of its data, a dict."""
        return self._shared() | {"samples": self._feed.samples()}

    def _shared(self, teacher=None):
        trial = self._trial
        common = fingerprint.shared(
            trial.seed,
            trial.objective,
            trial.blueprints.said,
            self._feed,
            teacher,
            self._plans.describe(),
        )
        return common | self._ancestry.describe()

    def _network(self, number, schedule):
        found = self._trial.networks[self._function(number)]
        if not self._feed.lengths:
            return found
        epochs = self._feed.for_generation(number).epochs
        return found | {"schedule": schedule | {"epochs": epochs}}
