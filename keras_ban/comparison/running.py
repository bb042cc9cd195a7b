"""The comparison: every method and its twin, for every seed."""

import contextlib
import functools

from keras_ban import checks
from keras_ban import files
from keras_ban.born_again import BornAgain
from keras_ban.comparison import arguments
from keras_ban.comparison import methods as ladder
from keras_ban.comparison import record
from keras_ban.comparison.comparison import Comparison
from keras_ban.comparison.design import Design
from keras_ban.comparison.measures import judged
from keras_ban.comparison.measures import measure
from keras_ban.comparison.progress import Progress
from keras_ban.distribution import strategies
from keras_ban.distribution.cluster import Cluster
from keras_ban.generations.wanted import wanted
from keras_ban.tasks import kinds


def compare(
    model_fn,
    x,
    y=None,
    methods=None,
    seeds=5,
    validation_data=None,
    directory=None,
    from_logits=None,
    verbose="auto",
    augment=ladder.VIEWS,
    select=None,
    task="auto",
    **fit_arguments,
):
    """Trains methods and their twins, and says what can be told of them.

    The twin of a method is the same recipe, length and views on the labels
    alone, from the same seed. It is trained too where `methods` has none.
    What several methods need is trained once: twins are the teachers of
    methods of their length, and the first of five teachers is a twin.

    Seed by seed is finished, so what is interrupted has whole seeds. With
    `directory=`, the same script goes on where it stood, with the same
    networks; seeds and methods may be added there.

    Args:
        model_fn: As `BornAgain` takes it: one function without arguments, or
            a model to clone. If it has an argument `epochs`, it is given how
            long the network will be trained, as a schedule of the learning
            rate needs it.
        x: As `BornAgain.fit` takes it, with labels.
        y: As `BornAgain.fit` takes it. Defaults to `None`.
        methods: What is compared: names out of the ladder below, objectives
            and `Method`s, a list, or a dict of these by the names that tables
            have. Defaults to `None`: the ladder. "labels", "labels+views",
            "labels+views long" (five times as long, as all teachers of "one
            from five" together), "ban", "ban+l", "ban+views", "ban+l+views",
            and "one from five" (one network, taught by the mean of five, with
            views).
        seeds: How many, from 0 on, at least two, or a list of different
            integers. Defaults to `5`.
        validation_data: As in Keras. `best` is chosen by it. Defaults to
            `None`.
        directory: A folder in which all runs are kept. Defaults to `None`:
            nothing is written.
        from_logits: As `BornAgain` takes it. Defaults to `None`.
        verbose: 0 prints nothing but where a run resumes; 2 also a line
            for each network, with its metrics. Defaults to `"auto"`: a line for
            each training, with the time that the rest will take.
        augment: The views of the ladder, as `BornAgain.fit` takes them.
            Defaults to `views.mixup(0.3)`.
        select: What `best` looks at on the validation data, "error" or "nll",
            of values "rmse" or "mae". It changes nothing that is trained.
            Defaults to `None`, the first of these.
        task: As `BornAgain` takes it. Defaults to `"auto"`.
        **fit_arguments: Any other argument of `BornAgain.fit`, as `epochs`
            (a number), `batch_size`, `views` or `teacher_outputs`. A callback
            that is not of Keras needs a function of the generation's number
            that makes it, so that each network has its own.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: Before training, if an argument, the data, a method or the
            models do not fit each other, or if the directory holds another
            comparison.
        BlockingIOError: If another process trains in the directory.
        OSError: If the directory cannot be written.
        FloatingPointError: If a loss turns NaN or infinite.

    Example:
    >>> study = keras_ban.compare(
    ...     model_fn, x, y, ["ban", "one from five"], seeds=5,
    ...     validation_data=(x_val, y_val), epochs=30)
    >>> print(study)
    >>> study.best
    """
    seeds = arguments.seeds(seeds)
    arguments.check_model_fn(model_fn)
    said = kinds.Said(task, from_logits).checked()
    fit_arguments = arguments.checked(fit_arguments)
    epochs = checks.integer("epochs", fit_arguments.pop("epochs", 1), 1)
    design = Design(ladder.chosen(methods, augment), epochs)
    fit_arguments |= {
        "x": x,
        "y": y,
        "validation_data": validation_data,
        "verbose": 2 if verbose == 2 else 0,
    }
    if directory is not None:
        directory = checks.folder("directory", directory)
    runs = Runs(model_fn, design, directory, said, fit_arguments)
    validation, task = runs.check(seeds[0])
    known = judged(task.measuring().judged)
    select = measure("select", select, known).name
    cluster = Cluster(strategies.get("auto"))
    with contextlib.ExitStack() as stack:
        if directory is not None:
            cluster.on_chief(lambda: runs.open(stack))
        is_shown = verbose != 0 and cluster.number == 0
        progress = Progress(design, seeds, is_shown, validation is not None)
        found = [runs.trained(seed, progress) for seed in seeds]
    lineages = {
        method.name: [of_seed[method.name] for of_seed in found]
        for method in design.methods
    }
    study = Comparison(design, seeds, lineages, said, select)
    if validation is not None:
        study.validate(validation)
    return study


class Runs:
    """The runs of a comparison.

    Args:
        model_fn: As `compare` takes it.
        design: The `Design`.
        directory: The `pathlib.Path` of the folder in which they are kept, or
            `None`.
        said: What the owner of the models says of them.
        fit_arguments: What all runs share of the arguments of `fit`.
    """

    def __init__(self, model_fn, design, directory, said, fit_arguments):
        self._directory = directory
        self._design = design
        self._said = said
        self._fit = fit_arguments
        self._model_fn = _by_length(model_fn)

    def check(self, seed):
        """Checks all runs of a seed, before anything is trained.

        Returns:
            The `Examples` of the validation data, or `None`, and the `Task`.
        """
        arguments.check_schedule(self._model_fn, self._design)
        for recipe in self._design.recipes:
            run = self._labels(recipe, seed)
            trial, data = self._checked(run, self._labels_fit(recipe))
        for entry in self._taught():
            self._checked(
                self._students(entry, seed), self._students_fit(entry)
            )
        return data.validation, trial.task

    def open(self, stack):
        """Locks the directory, and checks that it is this comparison's.

        Args:
            stack: What holds the lock, a `contextlib.ExitStack`.
        """
        taught = [entry.name for entry in self._taught()]
        titles = [recipe.title for recipe in self._design.recipes]
        record.check_folders([*titles, *taught])
        files.make_folder(self._directory)
        stack.enter_context(files.lock(self._directory / "lock"))
        record.settle(self._directory, self._design)

    def trained(self, seed, progress):
        """Trains what is not finished for a seed.

        Args:
            seed: The seed.
            progress: The `Progress`.

        Returns:
            The `Lineage` of each method, by name.
        """
        found, founders = {}, {}
        for recipe in self._design.recipes:
            run = self._labels(recipe, seed)
            lineage = run.fit(**self._labels_fit(recipe))
            founders[recipe.title] = lineage[: recipe.count]
            spent = recipe.count * recipe.epochs
            progress.trained(seed, recipe.name, lineage, spent)
            for entry in self._design.entries:
                if entry.kind == "labels" and entry.recipe is recipe:
                    found[entry.name] = lineage
        for entry in self._taught():
            lineage = self._students(entry, seed)._fit(
                founders[entry.recipe.title], **self._students_fit(entry)
            )
            found[entry.name] = lineage
            spent = sum(entry.epochs[1:])
            progress.trained(seed, entry.name, lineage[1:], spent)
        return found

    def _checked(self, run, fit_arguments):
        """`Trial` and `Feed` of a run, after what `fit` checks first."""
        return run._prepared(wanted(fit_arguments, self._said))[:2]

    def _taught(self):
        return [e for e in self._design.entries if e.kind == "teachers"]

    def _labels(self, recipe, seed):
        model_fn = self._model_fn(recipe.epochs)
        return self._run(model_fn, "labels", seed, recipe.title)

    def _students(self, entry, seed):
        functions = [self._model_fn(length) for length in entry.epochs]
        return self._run(functions, entry.method.objective, seed, entry.name)

    def _run(self, model_fn, objective, seed, name):
        folder = None
        if self._directory is not None:
            folder = record.folder(self._directory, seed, name)
        return BornAgain(
            model_fn,
            objective,
            directory=folder,
            seed=seed,
            from_logits=self._said.from_logits,
            task=self._said.task,
        )

    def _labels_fit(self, recipe):
        found = self._arguments(recipe.augment)
        for name in ("teacher_outputs", "unlabelled"):
            found.pop(name, None)
        return found | {
            "generations": recipe.count - 1,
            "epochs": recipe.epochs,
        }

    def _students_fit(self, entry):
        method, lengths = entry.method, entry.epochs
        same = len(set(lengths)) == 1
        return self._arguments(method.augment, method.teacher_views) | {
            "generations": method.generations,
            "teachers": method.teachers,
            "learn_from": method.learn_from,
            "teacher_augment": method.teacher_augment,
            "epochs": lengths[0] if same else lengths.__getitem__,
        }

    def _arguments(self, augment, teacher_views=None):
        found = self._fit | {"augment": augment}
        if augment is None and teacher_views is None:
            found.pop("views", None)
        return found


def _by_length(model_fn):
    """A function from a number of epochs to the `model_fn` for it."""
    if not arguments.takes_epochs(model_fn):
        return lambda epochs: model_fn
    # One for each length, by which runs tell their networks apart.
    return functools.cache(
        lambda epochs: functools.partial(model_fn, epochs=epochs)
    )
