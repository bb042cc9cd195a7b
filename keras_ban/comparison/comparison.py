"""What `compare` returns: methods beside their twins, measured."""

import dataclasses

from keras_ban.comparison import measures
from keras_ban.comparison import plot
from keras_ban.comparison.results import Results
from keras_ban.comparison.statistics import LEVEL
from keras_ban.comparison.table import Rows
from keras_ban.comparison.table import scores_among
from keras_ban.comparison.verdict import verdict
from keras_ban.feeding.door import given
from keras_ban.feeding.examples import Reading
from keras_ban.networks.predictor import Predictor
from keras_ban.reporting import evaluation
from keras_ban.reporting import printed
from keras_ban.tasks import kinds


class Comparison:
    """Methods and their twins, trained for several seeds.

    A twin is the same recipe, length and views on the labels alone. The
    network of a method that is measured is its last; of a twin, the first of
    its seed. `print` shows what was measured last: a table, and a verdict in
    words.

    Args:
        design: The `Design`.
        seeds: The seeds, a list.
        lineages: For each method's name the `Lineage` of each seed, a list.
        said: What the owner of the models says of them. Defaults to nothing.
        select: As `compare` takes it. Defaults to `None`.

    Attributes:
        seeds: As given.
        lineages: As given, in the order of the seeds. That of a method on the
            labels has all networks of its recipe, of which the first is
            measured.
        methods: The `Method`s, with the twins that were added.
    """

    def __init__(self, design, seeds, lineages, said=kinds.UNSAID, select=None):
        self.seeds = list(seeds)
        self.lineages = lineages
        self.methods = list(design.methods)
        self._design = design
        self._said = said
        self._select = select
        self._predictor = Predictor()
        self._validated = None
        self._shown = None

    @property
    def rows(self):
        """What was measured last, a dict for each method and ensemble.

        The dicts have `name`, `kind` ("labels", "teachers", "ensemble"),
        `objective`, `augment`, `teacher_augment`, `teachers`, `generations`,
        `epochs` of each generation, `twin`, `training_cost` in networks of the
        comparison's `epochs`, `prediction_cost` in networks; and for each
        measure, `error` and `ece` (fractions) and `nll` (nats), of values
        `rmse` and `mae` (in the unit of the labels): its mean over
        the seeds as `error`, the 95 % interval as `error_interval`, the values
        by seed as `errors`, the mean difference to the twin as
        `error_difference` and its interval, paired by seed, as
        `error_difference_interval`. Those of
        methods with several teachers have `kept`, the share of the ensemble's
        gain in error that the one network keeps, and `nll_kept`, that in NLL:
        of the means over the seeds, (twin - network) / (twin - ensemble), with
        the 95 % intervals `kept_interval` and `nll_kept_interval` (Fieller,
        "Some Problems in Interval Estimation", 1954). They are `None` where
        the ensemble's gain over that twin cannot be told from 0.

        Raises:
            ValueError: If nothing was measured yet.
        """
        return self._rows(self._measured())

    @property
    def verdict(self):
        """What can be told of what was measured last, in words.

        Raises:
            ValueError: If nothing was measured yet.
        """
        return "\n".join(verdict(self._measured()))

    @property
    def best(self):
        """The `Method` to take: chosen on validation data, never on others.

        It costs least, to run and then to train, among those whose error, or
        NLL, as `select` says, is within one standard error of the lowest,
        that of the difference paired by seed.

        Raises:
            ValueError: If there was no validation data.
        """
        if self._validated is None:
            raise ValueError(
                "`best` is chosen on validation data. Expected a comparison "
                "with `validation_data=` or `validation_split=`. Received: "
                "none. Run `compare` with validation data: with a directory, "
                "no network is trained again for a seed that is there."
            )
        return self._validated.best(self._select)

    def evaluate(
        self,
        x,
        y=None,
        sample_weight=None,
        batch_size=None,
        steps=None,
        title="evaluation",
    ):
        """Measures all methods, twins and ensembles on one data set.

        The data is read once. What it says selects nothing: `best` stays.

        Args:
            x: As `Lineage.evaluate` takes it.
            y: As `Lineage.evaluate` takes it. Defaults to `None`.
            sample_weight: As `Lineage.evaluate` takes it. Defaults to `None`.
            batch_size: As `Lineage.evaluate` takes it. Defaults to `None`.
            steps: As `Lineage.evaluate` takes it. Defaults to `None`.
            title: What the data is. Defaults to `"evaluation"`.

        Returns:
            The `rows`, a list of dicts that prints as the table and the
            verdict.

        Raises:
            ValueError: If there is no data, or if its labels are missing or
                do not fit the models.
        """
        how = Reading(batch_size=batch_size, steps=steps)
        examples = given(x, y, sample_weight, how, once=True)
        self._shown = self._measure(examples, title)
        return self._rows(self._shown)

    def validate(self, examples):
        """Measures all on the validation data, which `best` is chosen by.

        Args:
            examples: Its `Examples`.
        """
        self._validated = self._measure(examples, "validation data")
        self._shown = self._validated

    def plot(self, path=None, measure=None):
        """Draws what was measured last.

        A dot a seed, means and intervals, the twins beside them, and the
        differences to the twins beside a line at 0.

        Args:
            path: The image file to write, as "comparison.png". Defaults to
                `None`: none is written.
            measure: What to draw, "error" or "nll", of values "rmse" or
                "mae". Defaults to `None`, the first of these.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ValueError: If nothing was measured yet, or if `measure` is
                another.
            ImportError: If matplotlib, of the extra `plots`, is missing.
            OSError: If `path` is a folder or a pipe, or cannot be written.
        """
        found = self._measured()
        measure = measures.measure("measure", measure, found.judged)
        return plot.draw(found, path, measure)

    def to_markdown(self, lineage=None):
        """What was measured last, the seeds and the verdict, in Markdown.

        Args:
            lineage: One of `lineages`, of which it says which it is. Defaults
                to `None`.

        Raises:
            ValueError: If nothing was measured yet.
        """
        rows = self.rows
        parts = [f"Seeds: {', '.join(map(str, self.seeds))}."]
        for row in rows:
            for seed in self._seeds_of(row["name"], lineage):
                parts.append(f"This run is {row['name']!r} of seed {seed}.")
                if row["twin"]:
                    parts.append(f"Its twin is {row['twin']!r}.")
        return f"{rows.to_markdown()}\n\n{' '.join(parts)}"

    def _seeds_of(self, name, lineage):
        """The seeds of which a method's run is this lineage: one, or none."""
        runs = self.lineages.get(name, [])
        pairs = zip(self.seeds, runs, strict=bool(runs))
        return [seed for seed, run in pairs if run is lineage]

    def _measured(self):
        if self._shown is None:
            raise ValueError(
                "Nothing was measured yet. Expected validation data in "
                "`compare`, or a call of `evaluate(x_test, y_test)`. Received: "
                "neither."
            )
        return self._shown

    def _rows(self, results):
        title = (
            f"{results.title}, {len(self.seeds)} seeds: mean +- half of the "
            f"{100 * LEVEL:.0f} % interval"
        )
        notes = (
            f"to twin: {results.judged[0].difference_unit} beside the same "
            "recipe on the labels "
            "alone, paired by seed (of an ensemble: beside one of its "
            f"networks). train: in networks of {self._design.epochs} epochs; "
            "run: in networks."
        )
        return Rows(results.rows(), title, notes, verdict(results))

    def _measure(self, examples, title):
        networks, ensembles, places = {}, {}, {}
        for number in range(len(self.seeds)):
            for entry in self._design.entries:
                names = self._networks(entry, number, networks)
                places[entry.name, number] = names[-1]
                if entry.kind == "ensemble":
                    name = f"{number} {entry.name}"
                    ensembles[name] = [networks[n] for n in names]
                    places[entry.name, number] = name
        with evaluation.quiet_retracing():
            table = evaluation.evaluate(
                list(networks.values()),
                examples.labelled(),
                title,
                self._predictor,
                self._said,
                ensembles,
            )
        found = {row["name"]: row for row in table}
        shown = scores_among([*table.judged, *table.kept])
        scores = {
            entry.name: {
                measure: [
                    found[places[entry.name, number]][measure]
                    for number in range(len(self.seeds))
                ]
                for measure in shown
            }
            for entry in self._design.entries
        }
        return Results(self._design, self.seeds, scores, title)

    def _networks(self, entry, number, networks):
        """The names of an entry's networks, which are added to `networks`."""
        if entry.kind == "teachers":
            lineage = self.lineages[entry.name][number]
            members = {f"{number} {entry.name}": lineage[-1]}
        else:
            recipe = entry.recipe
            lineage = self.lineages[recipe.name][number]
            members = {
                f"{number} {recipe.name} {k}": lineage[k]
                for k in range(entry.prediction)
            }
        for name, generation in members.items():
            if name not in networks:
                networks[name] = dataclasses.replace(
                    generation, name=name, teacher=None
                )
        return list(members)

    def __str__(self):
        if self._shown is None:
            names = ", ".join(method.name for method in self.methods)
            text = f"{len(self.seeds)} seeds of {names}: nothing measured yet"
            return printed.ascii(text)
        return str(self.rows)

    def __repr__(self):
        names = ", ".join(method.name for method in self.methods)
        return f"<Comparison of {names}, {len(self.seeds)} seeds>"

    def _repr_html_(self):
        if self._shown is None:
            return None
        return self.rows._repr_html_()
