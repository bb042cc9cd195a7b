"""What a born-again run produced: generations, one after the other."""

import collections.abc
import dataclasses
import functools

from keras_ban import checks
from keras_ban.feeding.door import given
from keras_ban.feeding.examples import Reading
from keras_ban.networks.ensembles import joined
from keras_ban.networks.predictor import Predictor
from keras_ban.reporting import evaluation
from keras_ban.reporting import plot
from keras_ban.reporting.generation import overview
from keras_ban.shipping import card
from keras_ban.shipping import export
from keras_ban.shipping import leaving
from keras_ban.tasks import kinds
from keras_ban.tasks.scores import judged


class Lineage(collections.abc.Sequence):
    """The generations of a run, `lineage[0]` the teacher.

    Args:
        generations: The `Generation`s. Defaults to none.
        from_logits: Says what the models give that do not say it themselves.
            Defaults to `None`.
        task: What kind of task they have, as `BornAgain` takes it. Defaults
            to `"auto"`.
        teachers: The `Lineage` of those networks whose mean is generation 0,
            or a function without arguments that loads it. Defaults to `None`:
            generation 0 is one network.
        recipe: What the run was told and of its data is known, a dict.
            Defaults to `None`: nothing is known.
    """

    def __init__(
        self,
        generations=(),
        from_logits=None,
        teachers=None,
        task="auto",
        recipe=None,
    ):
        self._generations = list(generations)
        self._said = kinds.Said(task, from_logits).checked()
        self._teachers = teachers
        self._recipe = recipe
        self._table = None
        self._predictor = Predictor()

    def __len__(self):
        return len(self._generations)

    def __getitem__(self, index):
        """A `Generation` by its place or name; a slice is a `Lineage`.

        Raises:
            IndexError: If there are not as many.
            KeyError: If none has this name.
        """
        if isinstance(index, slice):
            found = self._generations[index]
            same = found[:1] == self._generations[:1]
            teachers = self._teachers if same else None
            from_logits, task = self._said.from_logits, self._said.task
            return Lineage(found, from_logits, teachers, task, self._recipe)
        if isinstance(index, str):
            for generation in self:
                if generation.name == index:
                    return generation
            raise KeyError(f"No generation is called {index!r}: {self!r}")
        try:
            return self._generations[index]
        except IndexError:
            raise IndexError(f"No generation {index}: {self!r}") from None

    def __getstate__(self):
        """All but what is compiled, to be pickled or copied."""
        kept = {"_predictor": None, "_teachers": self.teachers}
        return {**self.__dict__, **kept}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._predictor = Predictor()

    @property
    def teachers(self):
        """The networks that `fit(..., teachers=N)` trained, a `Lineage`.

        `None` if generation 0 is one network, or was given.
        """
        if not isinstance(self._teachers, (Lineage, type(None))):
            self._teachers = self._teachers()
        return self._teachers

    def append(self, generation):
        """Adds a finished generation."""
        self._generations.append(generation)

    def keep(self, numbers):
        """Lets go of the models of all generations but these.

        Args:
            numbers: Numbers of generations.
        """
        self._generations = [
            g if g.number in numbers else dataclasses.replace(g, model=None)
            for g in self
        ]

    @property
    def best(self):
        """The `Generation` that does best on the validation data.

        The most accurate, among equally accurate ones that of the lowest NLL;
        of values, that of the lowest RMSE. What `evaluate`
        measured plays no part, so a test set selects nothing; nor does a
        teacher that is no Keras model.

        Raises:
            ValueError: If the run had no validation data.
        """
        measured = [g for g in self if g.metrics and g.given is None]
        if not measured:
            raise ValueError(
                "`lineage.best` is chosen on validation data. Expected a run "
                "with `validation_data=` or `validation_split=`. Received: "
                "none. Choose by a generation's number, as `lineage[-1]`, or "
                "run `fit` with validation data."
            )
        # A teacher that was given may lack an output.
        names = judged(measured[-1].metrics)
        whole = [g for g in measured if g.metrics.keys() >= set(names)]
        return min(whole, key=lambda g: [g.metrics[k] for k in names])

    def predict(self, *args, **kwargs):
        """What `best` predicts, as `keras.Model.predict` does.

        Args:
            *args: As `keras.Model.predict` takes them.
            **kwargs: As `keras.Model.predict` takes them.

        Returns:
            What the model gives, logits or probabilities.

        Raises:
            ValueError: If the run had no validation data.
        """
        return self.best.model.predict(*args, **kwargs)

    def to_frame(self):
        """What the table shows, as a `pandas.DataFrame`.

        Raises:
            ImportError: If pandas is not installed.
        """
        return self._shown().to_frame()

    def to_markdown(self):
        """What the table shows, in Markdown."""
        return self._shown().to_markdown()

    def ensemble(self, last=None, weights=None):
        """Returns BANE, the mean prediction of the last generations.

        Source: Furlanello et al., 2018, Table 2, Ens*2 and Ens*3.

        Args:
            last: How many of the last generations, a positive integer.
                Defaults to `None`, all of them, the teacher included if it is
                a Keras model.
            weights: Optional weight of each member. Defaults to `None`.

        Returns:
            A functional `keras.Model`, as `keras_ban.ensemble` builds it.

        Raises:
            ValueError: If there are not as many generations.
        """
        networks = [g for g in self if g.given is None]
        if last is None:
            last = len(networks)
        last = checks.integer("last", last, 1, len(networks))
        models = [g.model for g in networks[-last:]]
        if None in models:
            missing = [g.name for g in networks[-last:] if g.model is None]
            raise ValueError(
                f"The models of {', '.join(missing)} were not kept. Expected "
                "an ensemble of models that are there. Choose a smaller "
                "`last`, or train with `keep='all'`."
            )
        return joined(models, weights, self._said)[0]

    def evaluate(
        self,
        x,
        y=None,
        sample_weight=None,
        batch_size=None,
        steps=None,
        title="evaluation",
    ):
        """Measures every generation and the ensembles on one data set.

        The data is read once. `print(lineage)` and `lineage.plot` show the
        table that was measured last.

        Args:
            x: Inputs, or a `tf.data.Dataset` or `keras.utils.PyDataset` of
                `(inputs, labels)`.
            y: Labels, if `x` is arrays. Defaults to `None`.
            sample_weight: Weights, if `x` is arrays. Defaults to `None`.
            batch_size: Size of a batch of arrays. Defaults to 32.
            steps: Number of batches to read. Defaults to `None`, all.
            title: Heading of the table. Defaults to `"evaluation"`.

        Returns:
            A `Table`: a list of dicts that prints as a table, with
            `accuracy`, `error`, `ece` (15 equal-width bins) and `agreement`
            with the teacher as fractions, `nll` in nats, `perplexity` where
            there are several positions, `parameters`, `seconds` of training;
            of other tasks, what `tasks` says.

        Raises:
            ValueError: If there is no data, or if its labels are missing or
                do not fit the models.
        """
        how = Reading(batch_size=batch_size, steps=steps)
        examples = given(x, y, sample_weight, how, once=True)
        self._table = self._measure(self._generations, examples, title)
        return self._table

    def measure(
        self,
        generation,
        x,
        y=None,
        sample_weight=None,
        batch_size=None,
        steps=None,
        watch=lambda: None,
        asked=None,
    ):
        """Measures a generation that need not be part of the lineage.

        Args:
            generation: A `Generation` with a model.
            x: As `evaluate` takes it.
            y: As `evaluate` takes it. Defaults to `None`.
            sample_weight: As `evaluate` takes it. Defaults to `None`.
            batch_size: As `evaluate` takes it. Defaults to `None`.
            steps: As `evaluate` takes it. Defaults to `None`.
            watch: Called before each batch; what it raises ends it. Defaults
                to a function that does nothing.
            asked: The `evaluation.Asked` of what the labels are. Defaults to
                `None`: they are those of the generation.

        Returns:
            A dict of `accuracy`, `error`, `nll` and `ece`, or what its task
            has in their place.
        """
        how = Reading(batch_size=batch_size, steps=steps)
        examples = given(x, y, sample_weight, how, once=True)
        table = self._measure([generation], examples, "", watch, asked)
        return {k: table[0][k] for k in table.kept if k in table[0]}

    def _measure(
        self, generations, examples, title, watch=lambda: None, asked=None
    ):
        def watched():
            for batch in examples.labelled():
                watch()
                yield batch

        given = generations, watched(), title, self._predictor, self._said
        with evaluation.quiet_retracing():
            return evaluation.evaluate(*given, asked=asked)

    def plot(self, path=None, control=None):
        """Draws the last evaluation: error, NLL and calibration.

        Args:
            path: The image file to write, as "lineage.png". Defaults to
                `None`: none is written.
            control: A `Lineage` of the objective "labels", evaluated on the
                same data, to be drawn beside it. Defaults to `None`.

        Returns:
            A `matplotlib.figure.Figure`, which a notebook shows.

        Raises:
            ValueError: If nothing was evaluated yet, or the control on other
                data.
            ImportError: If matplotlib, of the extra `plots`, is missing.
            OSError: If `path` is a folder or a pipe, or cannot be written.
        """
        table = self._evaluated()
        return plot.draw(table, path, self._beside(control))

    def _beside(self, control):
        """The table of a control, which was measured on the same data."""
        if control is None:
            return None
        return evaluation.beside(self._evaluated(), control._evaluated())

    def export(
        self,
        path,
        format="keras",
        model="best",
        x=None,
        control=None,
        overwrite=False,
        comparison=None,
    ):
        """Writes a model to be used elsewhere, and a card that describes it.

        What is written is loaded again and compared with the model in memory,
        on several rows and on one, before it takes its place: 1e-5 at most,
        1e-3 if the model computes in float16, 1e-2 in bfloat16. "onnx" and
        "litert" compute in float32 whatever the model does.

        Args:
            path: Where to write it: a file that ends in ".keras", ".onnx" or
                ".tflite", or of a SavedModel a folder. The card is beside it,
                its name with ".md" behind it.
            format: "keras", "saved_model", "onnx" or "litert". Defaults to
                `"keras"`.
            model: "best" (by validation data), "ensemble" (of all), or the
                number or the name of a generation. Defaults to `"best"`.
            x: Inputs whose first rows they are compared on. Defaults to
                `None`: rows are made up.
            control: A `Lineage` of the objective "labels", evaluated on the
                same data, for the card. Defaults to `None`.
            overwrite: Whether they take the place of what is there. Defaults
                to `False`.
            comparison: What `compare` returned, for the card: the methods
                beside their twins as measured last. Defaults to `None`.

        Returns:
            An `Exported`: `path` and `card`, `difference` and `tolerance`,
            and the number of `rows`.

        Raises:
            ValueError: If an argument is not of its kind, or the model has a
                state or a layer that the format has not, or what was written
                gives something else. Then nothing is left of it.
            FileExistsError: If there is something at the path.
            ImportError: If something that the format needs is not installed.
            OSError: If it cannot be written.

        Example:
        >>> lineage = ban.fit(x, y, validation_data=(x_val, y_val))
        >>> lineage.export("student.keras", x=x_test)
        """
        measured = (
            self._shown(),
            self._beside(control),
            leaving.compared(self, comparison),
        )
        known = card.Known(
            *leaving.chosen(self, model), self._recipe, self._said, *measured
        )
        write = functools.partial(card.card, known, format)
        return export.export(known.model, path, format, x, overwrite, write)

    def _evaluated(self):
        if self._table is None:
            raise ValueError(
                "Nothing to plot. Expected an evaluated lineage. Call "
                "`lineage.evaluate(test_data)` first, or run `fit` with "
                "validation data."
            )
        return self._table

    def _shown(self):
        """The table that was measured last, or one of what is known."""
        table = self._table
        measured = {row["name"] for row in table or ()}
        # Later generations are no part of an older table.
        if table and measured.issuperset(g.name for g in self):
            return table
        plural = "" if len(self) == 1 else "s"
        return overview(self, f"{len(self)} generation{plural}")

    def __str__(self):
        return str(self._shown())

    def _repr_html_(self):
        """The table, for notebooks."""
        return self._shown()._repr_html_()

    def __iter__(self):
        return iter(self._generations)

    def __repr__(self):
        names = [g.name for g in self]
        return f"<Lineage of {', '.join(names) or 'nothing'}>"
