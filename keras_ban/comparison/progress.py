"""What is trained, and how long the rest will take."""

from keras_ban.reporting import printed


class Progress:
    """Prints a line for each training.

    The time that is left follows from the seconds of an epoch of a network so
    far, those of trainings that were finished before too.

    Args:
        design: The `Design`.
        seeds: The seeds.
        is_shown: Whether anything is printed.
        is_validated: Whether there is validation data.
    """

    def __init__(self, design, seeds, is_shown, is_validated):
        self._seeds = seeds
        self._left = len(seeds) * design.network_epochs
        self._done = 0
        self._seconds = 0.0
        self._is_shown = is_shown
        self._say(
            f"{len(design.methods)} methods, {len(seeds)} seeds: "
            f"{len(seeds) * design.networks} networks, {self._left:,} epochs "
            "of a network"
        )
        if not is_validated:
            self._say(
                "no validation data: nothing is measured before "
                "`evaluate(x_test, y_test)`, and there will be no `best`"
            )

    def trained(self, seed, name, generations, epochs):
        """Says that networks were trained.

        Args:
            seed: Their seed.
            name: What was trained.
            generations: The `Generation`s of these networks.
            epochs: How many epochs they were trained in all.
        """
        seconds = sum(generation.seconds for generation in generations)
        self._left -= epochs
        self._done += epochs
        self._seconds += seconds
        left = self._seconds / self._done * self._left
        self._say(
            f"seed {seed} ({self._seeds.index(seed) + 1} of "
            f"{len(self._seeds)}), {name}: {len(generations)} "
            f"network{'s' if len(generations) > 1 else ''} in "
            f"{printed.duration(seconds)}"
            + (f"; {printed.duration(left)} to go" if self._left else "; done")
        )

    def _say(self, text):
        if self._is_shown:
            printed.say(text)
