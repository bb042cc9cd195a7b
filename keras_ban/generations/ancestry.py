"""Who teaches whom, one or many, the parent or all; and for how long."""

import dataclasses

from keras_ban import checks
from keras_ban.networks.ensembles import joined
from keras_ban.reporting.generation import Generation
from keras_ban.tasks import kinds

_SOURCES = ("parent", "all")


class Ancestry:
    """From whom the generations of a run learn.

    Args:
        teachers: The number of networks that generation 0 is.
        learn_from: "parent", or "all": the mean of all generations before.
        said: What the owner of the models says of them. Defaults to nothing.

    Attributes:
        teachers: As given.
        takes_all: Whether the model of every generation is needed.
        takes_means: Whether a mean of several networks teaches.

    Raises:
        ValueError: If an argument is not of its kind.
    """

    def __init__(self, teachers=1, learn_from="parent", said=kinds.UNSAID):
        self.teachers = checks.integer("teachers", teachers, 1)
        if not isinstance(learn_from, str) or learn_from not in _SOURCES:
            raise ValueError(
                "Invalid value for argument `learn_from`. Expected 'parent', "
                "the generation before, or 'all', the mean of all before. "
                f"Received: {learn_from!r}"
            )
        self.takes_all = learn_from == "all"
        self._said = said
        self.takes_means = self.teachers > 1 or self.takes_all

    def check(self, objective, teacher):
        """Checks that the objective has teachers, and these are not given.

        Args:
            objective: The `Objective` of the students.
            teacher: The `Teacher` that was given as generation 0, or `None`.

        Raises:
            ValueError: If not.
        """
        if self.takes_means and not objective.needs_teacher:
            name = "teachers" if self.teachers > 1 else "learn_from"
            raise ValueError(
                f"The objective {objective.name!r} learns from no teacher. "
                f"Received: `{name}=`. Leave it out, or choose another "
                "objective; `generations=` counts networks on the labels "
                "alone."
            )
        if teacher is not None and not objective.needs_teacher:
            raise ValueError(
                f"The objective {objective.name!r} learns from no teacher. "
                "Received: `teacher=`. Leave it out, or choose another "
                "objective."
            )
        if self.teachers > 1 and teacher is not None:
            raise ValueError(
                f"`teachers={self.teachers}` trains that many networks as "
                "generation 0. Received: `teacher=` beside it, which is "
                "generation 0. Leave one of them out; `teacher=` may be a "
                "list of trained models."
            )
        if self.takes_all and teacher is not None and teacher.model is None:
            raise ValueError(
                "learn_from='all' takes the mean of all generations before, "
                "as one network. Expected a Keras model as `teacher`. "
                f"Received: {teacher.words}. Leave `learn_from` out."
            )

    def given(self, teacher, name):
        """Generation 0, as it was given.

        Args:
            teacher: The `Teacher`.
            name: Its name in the lineage.

        Returns:
            A `Generation`.
        """
        own = teacher if teacher.model is None else None
        return Generation(0, name, teacher.model, "given", given=own)

    def check_models(self, models):
        """Checks that models have a mean that can teach.

        Args:
            models: One of each kind that teaches.

        Raises:
            ValueError: If they do not.
        """
        if self.takes_means:
            joined(models, None, self._said)[0]

    def describe(self):
        """What a run must have in common with another, a dict."""
        found = {}
        if self.teachers > 1:
            found["teachers"] = self.teachers
        if self.takes_all:
            found["learn_from"] = "all"
        return found

    def founder(self, members):
        """Generation 0, if it was not trained by itself.

        Args:
            members: The `Generation`s that learned from the labels.

        Returns:
            A `Generation`: the only member, or the mean of all.
        """
        first, *others = members
        if not others:
            return dataclasses.replace(first, number=0, name="Teacher")
        return Generation(
            number=0,
            name="Teacher",
            model=self._mean(members),
            objective="labels",
            seconds=sum(member.seconds for member in members),
        )

    def teacher(self, lineage):
        """The `Generation` that teaches the next one.

        Args:
            lineage: The `Lineage` of those before.
        """
        parent = lineage[-1]
        if not self.takes_all or len(lineage) == 1:
            return parent
        return dataclasses.replace(
            parent,
            name=f"{lineage[0].name} to {parent.name}",
            model=self._mean(lineage),
        )

    def _mean(self, generations):
        models = [g.model for g in generations]
        return joined(models, None, self._said)[0]


def lengths(epochs, generations):
    """The number of epochs of each generation, where each has its own.

    Args:
        epochs: As `fit` got it: a function of the generation's number, or
            what is for all of them.
        generations: How many there are.

    Returns:
        A tuple; empty if there is one number for all.

    Raises:
        ValueError: If the function gives anything but positive integers.
    """
    if not callable(epochs):
        return ()
    return tuple(
        checks.integer(f"epochs({number})", epochs(number), 1)
        for number in range(generations)
    )
