"""How the examples of a run are shown, generation by generation."""

import dataclasses

from keras_ban.teaching.plan import Plan

SAME = "same"


@dataclasses.dataclass(frozen=True)
class Plans:
    """The plans of a run: generation 0 may see other views than students.

    Attributes:
        first: The `Plan` of generation 0, be it one network or several.
        later: The `Plan` of those after it; the same object where all are
            shown the same.
    """

    first: Plan
    later: Plan

    @classmethod
    def told(
        cls,
        teacher_outputs="online",
        augment=None,
        views=None,
        teacher_augment=SAME,
    ):
        """The plans of a call of `fit`.

        Args:
            teacher_outputs: As `BornAgain.fit` takes it.
            augment: As `BornAgain.fit` takes it.
            views: As `BornAgain.fit` takes it.
            teacher_augment: As `BornAgain.fit` takes it.

        Raises:
            ValueError: As `Plan` does.
        """
        if is_same(teacher_augment):
            plan = Plan(teacher_outputs, augment, views)
            return cls(plan, plan)
        # What has no views has no number of them.
        has_own = teacher_augment is not None
        count = views if has_own else None
        first = Plan("online", teacher_augment, count, "teacher_augment")
        count = None if has_own and augment is None else views
        later = Plan(teacher_outputs, augment, count)
        is_shared = first.shown() == later.shown()
        return cls(later if is_shared else first, later)

    def __bool__(self):
        return bool(self.first or self.later)

    @property
    def mixes(self):
        """Whether labels are mixed in a generation."""
        return self.first.mixes or self.later.mixes

    def for_generation(self, number):
        """The `Plan` of a generation, by its number."""
        return self.later if number else self.first

    def of_teachers(self):
        """The plans of the run of the networks that are generation 0."""
        return Plans(self.first, self.first)

    def taught_by(self, teacher):
        """The plans of a run whose generation 0 may be given.

        Args:
            teacher: The `Teacher` that was given, or `None`.

        Raises:
            ValueError: If generation 0 has views of its own, which is not
                trained, or knows none.
        """
        if teacher is None:
            return self
        if self.first is not self.later:
            raise ValueError(
                "`teacher_augment` says on which views generation 0 is "
                "trained. Received: `teacher=` beside it, which is trained "
                "already. Leave one of them out; `augment=` has the views of "
                "the students."
            )
        plan = self.later.taught_by(teacher)
        return Plans(plan, plan)

    def check(self, feed, *args):
        """Checks each, as `Plan.check` does, on the data of a `Feed`."""
        if self.first is not self.later:
            self.first.check(feed.train, *args)
        self.later.check(feed.taught, *args)

    def describe(self):
        """What of them a run must have in common with another, a dict."""
        found = self.later.describe()
        if self.first is self.later:
            return found
        # Students without views have no number of them, their teachers may.
        views = found["views"] or self.first.describe()["views"]
        # An empty list for none: as `None`, it would be as good as unsaid.
        return found | {"views": views, "teacher_augment": self.first.shown()}


def is_same(teacher_augment):
    """Whether teachers see the views of their students."""
    return isinstance(teacher_augment, str) and teacher_augment == SAME
