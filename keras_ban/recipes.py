"""How the networks of the published tables are trained, and what came out.

Source: Furlanello et al., "Born-Again Neural Networks", 2018, Section 4 and
Tables 1 to 5; the training is that of Zagoruyko and Komodakis, "Wide Residual
Networks", 2016.
"""

import dataclasses
import re

import keras

from keras_ban import checks


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train: SGD with momentum, at a rate that falls in steps.

    Attributes:
        epochs: Passes over the training images.
        batch_size: Images in a step.
        learning_rate: The first rate.
        falls: Shares of the epochs after which the rate falls.
        factor: What it is multiplied by.
        momentum: Of SGD, with Nesterov's rule.
        weight_decay: Of the networks.
        dropout: Of wide residual networks, in a block.
        augmentation: Names, as `vision.augmentation` takes them.

    Raises:
        ValueError: If there is no epoch, or no image in a step.
    """

    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 0.1
    falls: tuple = (0.3, 0.6, 0.8)
    factor: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    dropout: float = 0.0
    augmentation: tuple = ("crop_and_flip",)

    def __post_init__(self):
        checks.integer("epochs", self.epochs, 1)
        checks.integer("batch_size", self.batch_size, 1)

    def optimizer(self, images):
        """A fresh optimizer, its schedule made for so many training images."""
        steps = -(-images // self.batch_size) * self.epochs
        rates = [
            self.learning_rate * self.factor**k
            for k in range(len(self.falls) + 1)
        ]
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay(
            [round(share * steps) for share in self.falls], rates
        )
        return keras.optimizers.SGD(
            schedule, momentum=self.momentum, nesterov=True
        )

    def compile(self, model, images, one_hot=False):
        """Compiles a model that gives logits.

        Args:
            model: A `keras.Model`.
            images: How many images it is trained on.
            one_hot: Whether labels are rows, or class numbers. Defaults to
                `False`.

        Returns:
            The model.
        """
        losses = keras.losses
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        if one_hot:
            loss = losses.CategoricalCrossentropy(from_logits=True)
        model.compile(self.optimizer(images), loss, metrics=["accuracy"])
        return model


# By data set. Digits and house numbers are not mirrored.
CIFAR = Recipe()
DIGITS = dataclasses.replace(CIFAR, augmentation=("crop",))
BY_DATA = {
    "cifar10": CIFAR,
    "cifar100": CIFAR,
    "fashion_mnist": CIFAR,
    "mnist": DIGITS,
    "digits": dataclasses.replace(DIGITS, batch_size=32),
    # Wide-ResNet's own: Zagoruyko and Komodakis, 2016, Section 3.
    "svhn_cropped": dataclasses.replace(
        CIFAR,
        epochs=160,
        learning_rate=0.01,
        factor=0.1,
        falls=(0.5, 0.75),
        dropout=0.4,
        augmentation=(),
    ),
}


@dataclasses.dataclass(frozen=True)
class Published:
    """A published test error.

    Attributes:
        table: Number of the table.
        dataset: Name of the data set.
        teacher: Name of the first network.
        student: Name of the network that learns from it; equal to the
            teacher's where the network is born again.
        trained: "teacher" for the network on labels alone, a short name of an
            objective, "BAN-k" for generation k, or "Ens*k" for the mean of
            the last k of them; "Ens*3 with the teacher" where it is one of
            the three.
        error: Test error in percent.
    """

    table: int
    dataset: str
    teacher: str
    student: str
    trained: str
    error: float


def _rows(table, dataset, columns, rows):
    """Networks that are born again, in each column another training."""
    return [
        Published(table, dataset, name, name, trained, error)
        for name, *errors in rows
        for trained, error in zip(columns, errors, strict=True)
        if error is not None
    ]


def _students(table, teacher, rows, trained="ban"):
    """Students of another shape than their teacher's."""
    return [
        Published(table, "cifar100", teacher, student, trained, error)
        for student, error in rows
    ]


PUBLISHED = (
    *_rows(
        1,
        "cifar10",
        ("teacher", "ban"),
        [
            ("wide_resnet_28_1", 6.69, 6.64),
            ("wide_resnet_28_2", 5.06, 4.86),
            ("wide_resnet_28_5", 4.13, 4.03),
            ("wide_resnet_28_10", 3.77, 3.86),
            ("densenet_112_33", 3.84, 3.61),
            ("densenet_90_60", 3.81, 3.5),
            ("densenet_80_80", 3.48, 3.49),
            ("densenet_80_120", 3.37, 3.54),
        ],
    ),
    *_rows(
        2,
        "cifar100",
        (
            *("teacher", "ban", "ban+l", "cwtm", "dkpp"),
            *("BAN-1", "BAN-2", "BAN-3", "Ens*2", "Ens*3"),
        ),
        [
            (
                *("densenet_112_33", 18.25, 16.95, 17.68, 17.84, 17.84),
                *(17.61, 17.22, 16.59, 15.77, 15.68),
            ),
            (
                *("densenet_90_60", 17.69, 16.69, 16.93, 17.42, 17.43),
                *(16.62, 16.44, 16.72, 15.39, 15.74),
            ),
            (
                *("densenet_80_80", 17.16, 16.36, 16.5, 17.16, 16.84),
                *(16.26, 16.30, 15.5, 15.46, 15.14),
            ),
            (
                *("densenet_80_120", 16.87, 16.00, 16.41, 17.12, 16.34),
                *(16.13, 16.13, None, 15.13, None),
            ),
        ],
    ),
    *_rows(
        2,
        "cifar100",
        ("Ens*3 with the teacher",),
        [("densenet_80_120", 14.9)],
    ),
    *_rows(
        3,
        "cifar100",
        ("teacher", "ban"),
        [
            ("wide_resnet_28_1", 30.05, 29.43),
            ("wide_resnet_28_2", 25.32, 24.38),
            ("wide_resnet_28_5", 20.88, 20.93),
            ("wide_resnet_28_10", 19.08, 18.25),
        ],
    ),
    *_students(3, "wide_resnet_28_1", [("densenet_90_60", 24.93)]),
    *_students(3, "wide_resnet_28_2", [("densenet_90_60", 18.49)]),
    *_students(3, "wide_resnet_28_5", [("densenet_90_60", 17.52)]),
    *_students(3, "wide_resnet_28_10", [("densenet_90_60", 16.79)]),
    *_students(
        4,
        "densenet_90_60",
        [
            ("ban_densenet_0.5_1", 16.95),
            ("ban_densenet_2_1", 16.43),
            ("ban_densenet_3_1", 16.64),
            ("ban_densenet_4_1", 16.64),
            ("ban_densenet_1_0.5", 19.83),
            ("ban_densenet_1_0.75", 17.3),
            ("ban_densenet_1_1.5", 18.89),
        ],
    ),
    *_students(
        5,
        "densenet_90_60",
        [
            ("ban_pre_resnet_14_0.5", 18.8),
            ("ban_pre_resnet_14_1", 17.39),
            ("ban_wide_resnet_1_1", 19.12),
            ("ban_wide_resnet_2_1", 17.42),
            ("ban_wide_resnet_4_0.5", 17.13),
            ("ban_wide_resnet_4_1", 17.18),
        ],
    ),
    *_rows(
        5,
        "cifar100",
        ("teacher",),
        [
            ("ban_pre_resnet_14_0.5", 20.28),
            ("ban_pre_resnet_14_1", 18.84),
            ("ban_wide_resnet_1_1", 20.4),
            ("ban_wide_resnet_2_1", 18.83),
            ("ban_wide_resnet_4_0.5", 19.63),
            ("ban_wide_resnet_4_1", 18.77),
        ],
    ),
)


def published(dataset, teacher, student, trained):
    """The published test errors of a network.

    Names may be spelled otherwise than here: "ban_wide_resnet_4_1.0", "BAN".

    Args:
        dataset: Name of the data set.
        teacher: Name of the first network.
        student: Name of the network that learns from it.
        trained: As in `Published`.

    Returns:
        A list of `Published`, empty if there is none.

    Example:
    >>> found = published("cifar100", *["densenet_90_60"] * 2, "ban")
    >>> found[0].error
    16.69
    """
    wanted = tuple(map(_plain, (dataset, teacher, student, trained)))
    return [
        row
        for row in PUBLISHED
        if tuple(map(_plain, dataclasses.astuple(row)[1:5])) == wanted
    ]


def _plain(name):
    """A name in lower case, its numbers without needless zeros."""
    return re.sub(
        r"\d+\.?\d*", lambda found: f"{float(found[0]):g}", name.lower()
    )
