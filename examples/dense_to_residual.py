"""A DenseNet teaches residual networks, and a residual network a DenseNet.

The students of the DenseNet match its shapes after each transition, and share
its first convolution and its last layer, frozen (Furlanello et al., 2018,
Table 5). Beside each student stands the same network trained on the labels.

    python examples/dense_to_residual.py --quick

takes a minute on scikit-learn's digits. Without it: DenseNet-90-60 and
CIFAR-100, for a GPU.
"""

import os

# Keeps down what TensorFlow says when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import argparse
import dataclasses

import keras

import keras_ban
from keras_ban import models
from keras_ban import recipes
from keras_ban.data import vision

FULL = {
    "dataset": "cifar100",
    "dense": "densenet_90_60",
    "residual": "wide_resnet_28_2",
    "units": 4,
}
QUICK = {
    "dataset": "digits",
    "dense": "densenet_16_8",
    "residual": "wide_resnet_10_1",
    "units": 1,
    "epochs": 8,
}


def main():
    arguments = parse()
    lesson = Lesson(arguments)
    dense, residual = arguments.dense, arguments.residual

    teacher, error = lesson.alone(lambda: lesson.network(dense))
    rows = [(dense, "the labels", error)]
    for family in ("ban_wide_resnet", "ban_pre_resnet"):
        name = f"{family}_{arguments.units}_1"

        def shared(teacher, name=name):
            return lesson.network(name, teacher=teacher)

        def unshared(name=name):
            return lesson.network(name, teacher=teacher, share=False)

        student, error = lesson.taught(shared, teacher)
        check(student, teacher)
        rows.append((name, dense, error))
        rows.append((name, "the labels", lesson.alone(unshared)[1]))

    teacher, error = lesson.alone(lambda: lesson.network(residual))
    rows.append((residual, "the labels", error))
    error = lesson.taught(lambda: lesson.network(dense), teacher)[1]
    rows.append((dense, residual, error))

    print(f"\n{'network':<24}{'learned from':<24}test error, %")
    for name, source, error in rows:
        print(f"{name:<24}{source:<24}{error:>13.2f}")
    print("One seed is one draw: repeat with --seed before you conclude.")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK}")
    parser.add_argument("--dataset", help="default cifar100")
    parser.add_argument("--dense", help="default densenet_90_60")
    parser.add_argument("--residual", help="default wide_resnet_28_2")
    parser.add_argument("--units", type=int, help="in a stage of the students")
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", help="where data sets are prepared")
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    for name, value in (QUICK if arguments.quick else FULL).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


class Lesson:
    """Networks that learn from one data set by one recipe."""

    def __init__(self, arguments):
        self.data = vision.load(
            arguments.dataset,
            validation=0,
            data_dir=arguments.data_dir,
            download=arguments.download,
        )
        recipe = recipes.BY_DATA.get(arguments.dataset, recipes.CIFAR)
        if arguments.epochs is not None:
            recipe = dataclasses.replace(recipe, epochs=arguments.epochs)
        self.recipe, self.seed = recipe, arguments.seed
        self.fit = {
            "epochs": recipe.epochs,
            "batch_size": recipe.batch_size,
            "augment": vision.augmentation(recipe.augmentation, self.data),
            "verbose": 0,
        }

    def network(self, name, **options):
        """A fresh network, compiled."""
        model = models.get(
            name,
            num_classes=len(self.data.class_names),
            input_shape=self.data.shape,
            weight_decay=self.recipe.weight_decay,
            dropout=self.recipe.dropout,
            **options,
        )
        return self.recipe.compile(model, len(self.data.train[0]))

    def alone(self, model_fn):
        """A network that learned from the labels, and its test error in %."""
        keras.utils.set_random_seed(self.seed)
        model = model_fn()
        print(f"{model.name} learns from the labels ...", flush=True)
        distiller = keras_ban.Distiller(model, None, "labels")
        distiller.fit(*self.data.train, **self.fit)
        return model, self._error(model)

    def taught(self, model_fn, teacher):
        """A student of a teacher's outputs alone, and its test error in %."""
        print(f"{teacher.name} teaches ...", flush=True)
        ban = keras_ban.BornAgain(model_fn, "ban", seed=self.seed)
        lineage = ban.fit(
            *self.data.train, teacher=teacher, generations=1, **self.fit
        )
        return lineage[1].model, self._error(lineage[1].model)

    def _error(self, model):
        found = model.evaluate(*self.data.test, verbose=0, return_dict=True)
        return 100 * (1 - found["accuracy"])


def check(student, teacher):
    """Says what the student and its teacher have in common."""
    shapes = models.hidden_shapes(teacher)
    assert models.hidden_shapes(student) == shapes
    shared = [layer.name for layer in student.layers if not layer.trainable]
    print(f"  shapes of both: {shapes}; shared and frozen: {shared}")


if __name__ == "__main__":
    main()
