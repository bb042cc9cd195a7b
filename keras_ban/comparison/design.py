"""Which networks a comparison trains, and which methods share them."""

import dataclasses
from typing import Any

from keras_ban.comparison.methods import Method
from keras_ban.comparison.methods import length_named
from keras_ban.comparison.methods import named
from keras_ban.comparison.methods import told

# Of a name that gets a number too.
_ROOM = 34


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Networks on the labels alone, all trained alike.

    Attributes:
        augment: The views, or `None`.
        epochs: How long each is trained.
        count: How many there are for each seed.
        name: The first method that measures one of them.
        title: What they are, another text for each recipe.
    """

    augment: Any
    epochs: int
    count: int
    name: str
    title: str

    def makes(self, augment, epochs):
        """Whether networks of these views and this length are its own."""
        return self.epochs == epochs and told(self.augment) == told(augment)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a row of the table is about: a method, or an ensemble.

    Attributes:
        name: Its name.
        kind: "labels", "teachers", or "ensemble" of networks on the labels.
        method: The `Method`; `None` of an ensemble.
        twin: The name of its twin, or of the one network an ensemble is
            compared with; `None` of a method on the labels.
        recipe: The `Recipe` of its networks on the labels.
        epochs: How long each generation is trained, a tuple.
        training: What it costs to train, in networks of the comparison's
            number of epochs.
        prediction: What it costs to run, in networks.
    """

    name: str
    kind: str
    method: Method | None
    twin: str | None
    recipe: Recipe
    epochs: tuple
    training: float
    prediction: int


class Design:
    """The methods of a comparison, their twins, and what they share.

    Args:
        methods: The `Method`s that were chosen, of different names.
        epochs: The comparison's number of epochs.

    Attributes:
        epochs: As given.
        methods: The methods, and those on the labels that they need as twins
            or teachers, each before the first that needs it.
        recipes: The `Recipe`s.
        entries: The `Entry`s, in the order of the table.
    """

    def __init__(self, methods, epochs):
        self.epochs = epochs
        self.methods = _completed(methods, epochs)
        self.recipes = []
        for method in self._on_labels():
            augment, length = method.augment, method.lengths(epochs)[0]
            if self.recipe(augment, length) is None:
                count = self._needed(augment, length)
                title = _title(augment, length, self.recipes)
                recipe = Recipe(augment, length, count, method.name, title)
                self.recipes.append(recipe)
        self.entries = []
        for method in self.methods:
            self.entries += self._entries(method)

    def recipe(self, augment, epochs):
        """The `Recipe` of these views and this length, or `None`."""
        found = (r for r in self.recipes if r.makes(augment, epochs))
        return next(found, None)

    def entry(self, name):
        """The `Entry` of a name."""
        return next(e for e in self.entries if e.name == name)

    @property
    def network_epochs(self):
        """How long all networks of a seed are trained, in epochs."""
        shared = sum(r.count * r.epochs for r in self.recipes)
        entries = [e for e in self.entries if e.kind == "teachers"]
        return shared + sum(sum(e.epochs[1:]) for e in entries)

    @property
    def networks(self):
        """How many networks are trained for each seed."""
        shared = sum(r.count for r in self.recipes)
        taught = [m.generations for m in self.methods if m.has_teachers]
        return shared + sum(taught)

    def _on_labels(self):
        return [m for m in self.methods if not m.has_teachers]

    def _needed(self, augment, epochs):
        """How many networks on the labels a seed needs of this kind."""
        counts = [
            m.teachers
            for m in self.methods
            if m.has_teachers
            and told(m.teacher_views) == told(augment)
            and m.lengths(self.epochs)[0] == epochs
        ]
        return max([1, *counts])

    def _entries(self, method):
        lengths = method.lengths(self.epochs)
        recipe = self.recipe(method.teacher_views, lengths[0])
        if method.has_teachers:
            total = method.teachers * lengths[0] + sum(lengths[1:])
            yield Entry(
                method.name,
                "teachers",
                method,
                self.recipe(method.augment, lengths[-1]).name,
                recipe,
                lengths,
                total / self.epochs,
                1,
            )
            return
        cost = recipe.epochs / self.epochs
        yield Entry(
            method.name, "labels", method, None, recipe, lengths, cost, 1
        )
        if recipe.name == method.name and recipe.count > 1:
            yield Entry(
                self._unused(f"{recipe.count} of {method.name}"),
                "ensemble",
                None,
                method.name,
                recipe,
                lengths,
                recipe.count * cost,
                recipe.count,
            )

    def _unused(self, name):
        return _unused(name, {method.name for method in self.methods})


def _title(augment, epochs, recipes):
    """What networks on the labels are, whatever methods measure them."""
    views = "" if augment is None else f"+{named(augment)}"
    titles = {recipe.title for recipe in recipes}
    return _unused(f"labels{views} {length_named(epochs)}", titles)


def _completed(methods, epochs):
    """The methods, with those on the labels that they need."""
    recipes = [
        (told(method.augment), method.lengths(epochs)[0])
        for method in methods
        if not method.has_teachers
    ]
    names = {method.name for method in methods}
    found = []
    for method in methods:
        lengths = method.lengths(epochs)
        teachers = method.teacher_views, lengths[0]
        for augment, length in (teachers, (method.augment, lengths[-1])):
            recipe = told(augment), length
            if recipe not in recipes:
                recipes.append(recipe)
                added = Method(
                    "labels",
                    augment,
                    epochs=None if length == epochs else length,
                )
                name = added.name
                if name in names:
                    name = _unused(name[:_ROOM], names)
                names.add(name)
                found.append(dataclasses.replace(added, name=name))
        found.append(method)
    return found


def _unused(name, names):
    """The name, or the first with a number that is not among `names`."""
    number, found = 1, name
    while found in names:
        number += 1
        found = f"{name} ({number})"
    return found
