"""The methods and studies of `evidence.py`."""

from evidence_sets import Setting

from keras_ban import Method
from keras_ban import views
from keras_ban.objectives import DIST
from keras_ban.objectives import DKD
from keras_ban.objectives import KD

# From the teachers to the labels, where the strong views mix examples: the
# student's views keep the label.
ANNEALED = KD(alpha=(0.0, 1.0), temperature=2.0)

LONG = "labels, 6x as long"


def labels(task):
    """Trainings on the labels alone: what every method has to beat."""
    return [
        Method("labels", name="labels"),
        Method("labels", task.mild, name="labels, mild views"),
        *_if_other(task, "labels", "labels, strong views"),
    ]


def _if_other(task, objective, name, **options):
    """A method on the strong views, if these are not the mild ones."""
    if task.strong is not task.mild:
        yield Method(objective, task.strong, name=name, **options)


def best(task, teachers=5, objective=None, name="one from five", **options):
    """One network from several: the method that is looked into.

    It learns from labels and teachers by half, at a temperature of 2. It was
    chosen in the study "choice", with the seeds 0 and 1.
    """
    return Method(
        KD(0.5, 2.0) if objective is None else objective,
        task.mild,
        teachers,
        teacher_augment=task.strong,
        name=name,
        **options,
    )


def candidates(task):
    """What the method was chosen from."""
    return [
        *methods(task),
        Method("ban+l", name="ban+l"),
        Method("ban+l", task.strong, name="ban+l, strong views"),
        *_if_other(task, ANNEALED, "five: annealed, strong views", teachers=5),
        best(task, objective=KD(standardize=True), name="five: standardised"),
        best(task, objective=DKD(1.0, 2.0, 2.0), name="five: dkd"),
        best(task, objective=DIST(), name="five: dist"),
    ]


def methods(task):
    """Those that every set and network is trained with."""
    return [
        *labels(task),
        Method("ban", name="ban"),
        Method("ban", task.strong, 5, name="five: ban, strong views"),
        best(task),
        best(task, objective=ANNEALED, name="five: annealed"),
        best(task, 1, objective=ANNEALED, name="one: annealed"),
    ]


def _few(task):
    """The methods of the studies that vary a setting."""
    return [
        *labels(task),
        Method("ban", name="ban"),
        best(task),
        best(task, 1, name="one from one"),
    ]


def _of_teachers(task):
    counts = (1, 2, 3, 5, 10)
    return [
        *labels(task),
        *(best(task, n, name=f"one from {n}") for n in counts),
    ]


def _of_generations(task):
    return [
        *labels(task),
        Method("ban", generations=10, name="ban"),
        best(task, 1, generations=10, name="from one, mild views"),
    ]


def _long(task):
    """The labels alone for as long as five teachers and a student train."""
    return [Method("labels", task.strong, epochs="6x", name=LONG)]


def _of_views(task):
    """Each kind of views, for teachers, student and twin."""
    for name, view in task.views.items():
        yield Method("labels", view, name=f"labels, {name}")
        yield Method(KD(0.5, 2.0), view, 5, name=f"five: kd, {name}")


def _blind(task):
    """Views that need no knowledge of the data: mixed examples, or none."""
    slightly = views.mixup(0.3)
    named = {"mixed": "mixup", "slightly mixed": slightly}
    yield Method("labels", name="labels")
    for name, view in named.items():
        yield Method("labels", view, name=f"labels, {name}")
        yield Method("ban", view, 5, name=f"five: ban, {name}")
        yield Method("kd", view, 5, name=f"five: kd, {name}")
        yield Method(
            "kd", None, 5, teacher_augment=view, name=f"five {name}: kd"
        )


def _of_tables(task):
    """What the views of tables were chosen from, with the seeds 0 and 1."""
    yield Method("labels", name="labels")
    for name in ("smeared", "mixed", "smeared, mixed"):
        yield Method("labels", task.views[name], name=f"labels, {name}")
    for teachers, student in (
        ("mixed", None),
        ("mixed", "smeared"),
        ("mixed", "mixed"),
        ("smeared, mixed", "smeared"),
    ):
        yield Method(
            KD(0.5, 2.0),
            task.views.get(student),
            5,
            teacher_augment=task.views[teachers],
            name=f"five {teachers}: {student or 'plain'}",
        )


def _of_temperatures(task):
    return [
        *labels(task),
        *(
            best(task, objective=KD(alpha, t), name=f"alpha {alpha:g}, T {t:g}")
            for alpha in (0.0, 0.5, 0.8)
            for t in (1.0, 2.0, 4.0)
        ),
    ]


STUDIES = {
    "choice": (candidates, [Setting()]),
    "methods": (methods, [Setting()]),
    "examples": (_few, [Setting(rows=r) for r in (0.25, 0.5, 2.0)]),
    "noise": (_few, [Setting(noise=n) for n in (0.2, 0.4)]),
    "length": (_few, [Setting(epochs=n) for n in (0.25, 0.5, 2.0, 4.0)]),
    "dropout": (_few, [Setting(dropout=d) for d in (0.2, 0.5)]),
    "average": (_few, [Setting(average=True)]),
    "teachers": (_of_teachers, [Setting()]),
    "generations": (_of_generations, [Setting()]),
    "temperature": (_of_temperatures, [Setting()]),
    "views": (_of_views, [Setting()]),
    "blind": (_blind, [Setting()]),
    "cost": (_long, [Setting()]),
    "tables": (_of_tables, [Setting()]),
}
