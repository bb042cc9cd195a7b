"""Data and models of a training, checked before it begins."""

from keras_ban import checks
from keras_ban.distribution.replicas import replicas_of
from keras_ban.networks.layers import augmenting
from keras_ban.networks.layers import carried
from keras_ban.rows import first_rows
from keras_ban.rows import map_arrays
from keras_ban.rows import tensor
from keras_ban.tasks import heads
from keras_ban.tasks import kinds
from keras_ban.tasks.checks import apart
from keras_ban.tasks.checks import counting
from keras_ban.tasks.checks import prediction


def check_training(distiller, data, said):
    """Checks data and models, as far as reading changes no order.

    Args:
        distiller: The `Distiller`.
        data: The `Feed`.
        said: What the owner of the models says of them.

    Raises:
        ValueError: If they do not fit each other.
    """
    teacher = distiller.teacher and distiller.teacher.model
    models = distiller.student, teacher
    check_carried(models, data.train, distiller.student.distribute_strategy)
    # Data that is not read leaves its task to the loss and the outputs.
    kinds.check(distiller.student, said)
    if data.train.reads_once:
        return
    shape = None
    for examples, needs_labels in (
        (data.train, distiller.objective.needs_labels),
        (data.validation, True),
    ):
        if not examples:
            continue
        if needs_labels:
            examples.check_labelled()
        if not examples.reads_freely:
            examples.check_shape(distiller.student)
            if examples is data.train:
                _try_teacher(distiller, examples)
                if data.weighs_classes:
                    data.weigh_classes(
                        *_output(distiller.student, examples, said)
                    )
            continue
        scan = examples.scan()
        x, y, _ = scan.first
        name = examples.how.role.data
        if shape is None:
            shape = distiller.check_models(x, y, name)
        else:
            # The teacher does not run on what is held out.
            student = distiller.student
            shape = heads.shape_of(prediction(student, x, said, y, name))
        scan.check(distiller.task, shape, needs_labels)
        if examples is data.train:
            data.weigh_classes(distiller.task, shape)
            distiller.check_objective(x, y)
        else:
            check_loss(distiller.student, x, y, distiller.task)


def _try_teacher(distiller, examples):
    """Runs a teacher once that does not say what it gives before it is run."""
    teacher = distiller.teacher
    if teacher is not None and teacher.task is None:
        x, y, _ = next(examples.read(1))
        distiller.check_models(x, y, examples.how.role.data)


def _output(student, examples, said):
    """Task and shape of a student's output, read as little as it takes."""
    shape, y = heads.spec(student), None
    if shape is None:
        x, y, _ = next(examples.read(1))
        shape = heads.shape_of(prediction(student, x, said, y))
    return kinds.task_of(student, said, shape, y), shape


def check_pair(distiller, x, y, name, said):
    """Checks on one batch that student, teacher and objective fit together.

    Args:
        distiller: The `Distiller`.
        x: A batch of inputs.
        y: Its labels, or `None`.
        name: What errors call the inputs.
        said: What the owner of the models says of them.

    Returns:
        The shape `(rows, ..., n)` of the student's output.

    Raises:
        ValueError: If they do not.
    """
    student, taught = distiller.student, None
    values = prediction(student, x, said, y, name, trained=True)
    shape = heads.shape_of(values)
    task = distiller.task = kinds.task_of(student, said, shape, y)
    if distiller.teacher is not None:
        teacher = distiller.teacher
        other = teacher.check(x, y, name, task)
        taught = teacher.meet(student, task, other)
        task.check_same(teacher.task)
        task.check_pair(shape, taught)
        if teacher.model is not None:
            apart(student, teacher.model)
        compiles_now = compiles(student, teacher)
        if student.compiled and distiller.jit_compile != compiles_now:
            distiller.jit_compile = compiles_now
        _warn_of_augmentation(student)
    task.check_objective(distiller.objective, shape, taught)
    return shape


def default_loss(student, data, said):
    """The loss for a student that was compiled without one.

    Args:
        student: The `keras.Model`.
        data: The `Feed`.
        said: What the owner of the models says of them.

    Returns:
        What `compile` takes; `None` if there are no labels.
    """
    x, y, _ = next(data.train.read(1))
    if y is None and data.validation:
        x, y, _ = next(data.validation.read(1))
    if y is None:
        return None
    shape = heads.shape_of(prediction(student, x, said))
    task = kinds.task_of(student, said, shape, y)
    row = heads.each(lambda one: one[1:], shape)
    return task.default_compilation(row, heads.label_shape(y))["loss"]


def meet(distiller, x, y, said):
    """Tells the tasks of a student and of its teacher, which was checked.

    Or of those of which nothing could be read before the first step.

    Args:
        distiller: The `Distiller`.
        x: Inputs that they can be run on.
        y: Labels that may tell the task, or `None`.
        said: What the owner of the models says of them.

    Raises:
        ValueError: If they do not fit each other.
    """
    student, teacher = distiller.student, distiller.teacher
    shape = heads.given(student, x)
    task = distiller.task = kinds.task_of(student, said, shape, y)
    if teacher is not None:
        teacher.look(x, y, task)
        teacher.meet(student, task)
        # One that was never run has none, and says so where it is.
        if teacher.task is not None:
            task.check_same(teacher.task)


def compiles(student, teacher):
    """Whether XLA is to compile the steps of a training.

    Args:
        student: A compiled `keras.Model`.
        teacher: Its `Teacher`, or `None`.
    """
    in_graph = teacher is None or teacher.runs_in_graph
    return student.jit_compile and in_graph


def _warn_of_augmentation(student):
    layer = augmenting(student)
    if layer is not None:
        checks.warn(
            f"The model {student.name!r} augments its inputs itself, by "
            f"{layer.name!r} ({type(layer).__name__}): the student learns "
            "from views that its teacher, in inference mode, does not see. "
            "Give the layer to `fit(..., augment=...)` instead, so that both "
            "see the same."
        )


def check_carried(models, examples, strategy=None):
    """Checks that a state that is carried over is carried to the right rows.

    Args:
        models: The `keras.Model`s that run in training, or `None` for some.
        examples: The `Examples` to train on.
        strategy: The strategy that splits batches, or `None`. Defaults to
            `None`.

    Raises:
        ValueError: If a model carries its state from batch to batch and the
            rows of a batch do not go on where those of the last one ended.
    """
    name = next((m.name for m in models if carried(m)), None)
    if name is None:
        return
    if examples.reorders:
        raise ValueError(
            f"The model {name!r} carries its state from batch to batch, and "
            "the data is shuffled. Expected batches in their order, whose rows "
            "go on where those of the last one ended. Received: rows in "
            "another order. Give `data.text.batches(..., starts=True)`, or "
            "pass `shuffle=False`."
        )
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        raise ValueError(
            f"The model {name!r} carries its state from batch to batch, which "
            "one device can do. Received: a strategy of "
            f"{strategy.num_replicas_in_sync} replicas. Train on one device, "
            "`BornAgain(..., strategy=None)`."
        )


def check_loss(student, x, y, task):
    """Tries the loss on the labels of a few samples, if there are any.

    Args:
        student: A `keras.Model`.
        x: A batch of inputs.
        y: Its labels, or `None`.
        task: The `Task` of the student.

    Raises:
        ValueError: If it cannot be computed.
    """
    if y is None:
        return
    # Tensors: Keras runs no model on NumPy beside sparse inputs.
    x, y = map_arrays(tensor, first_rows((x, y)))
    result = student(x)
    scores = task.scores(result)
    with counting(student, y, heads.shape_of(heads.by_name(student, result))):
        for part in task.learned(student, y, scores):
            part.task.label_losses(part.loss, part.y, part.scores)
        if task.parts and student.loss and replicas_of(student) == 1:
            # It makes a metric for the loss of each output.
            student.compute_loss(x, y, result)
            student.reset_metrics()
