"""A DenseNet teaches residual networks, and a residual network a DenseNet.

The students of the DenseNet match its shapes after each transition, and share
its first convolution and its last layer, frozen (Furlanello et al., 2018,
Table 5). Beside each student stands the same network trained on the labels.

    python examples/dense_to_residual.py --quick

takes a minute on scikit-learn's digits. Without it: DenseNet-90-60 and
CIFAR-100, for a GPU.
"""

import argparse
import dataclasses

import keras_ban
from keras_ban import models
from keras_ban import recipes
from keras_ban.data import vision


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--dataset")
    parser.add_argument("--dense", help="default densenet_90_60")
    parser.add_argument("--residual", help="default wide_resnet_28_2")
    parser.add_argument("--units", type=int, help="in a stage of the students")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", help="where data sets are prepared")
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    quick = arguments.quick
    dataset = arguments.dataset or ("digits" if quick else "cifar100")
    dense = arguments.dense or ("densenet_16_8" if quick else "densenet_90_60")
    residual = arguments.residual or (
        "wide_resnet_10_1" if quick else "wide_resnet_28_2"
    )
    units = arguments.units or (1 if quick else 4)

    data = vision.load(
        dataset,
        validation=0,
        data_dir=arguments.data_dir,
        download=arguments.download,
    )
    recipe = recipes.BY_DATA.get(dataset, recipes.CIFAR)
    epochs = arguments.epochs or (8 if quick else recipe.epochs)
    recipe = dataclasses.replace(recipe, epochs=epochs)

    def network(name, **options):
        model = models.get(
            name,
            num_classes=len(data.class_names),
            input_shape=data.shape,
            **options,
        )
        return recipe.compile(model, len(data.train[0]))

    def train(networks, objective, teacher=None):
        """Generations of these networks, one each, and their test errors."""
        ban = keras_ban.BornAgain(networks, objective, seed=arguments.seed)
        lineage = ban.fit(
            *data.train,
            teacher=teacher,
            generations=max(len(networks) - (teacher is None), 1),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            augment=vision.augmentation(recipe.augmentation, data),
            verbose=0,
        )
        table = lineage.evaluate(*data.test)
        return lineage, [100 * row["error"] for row in table]

    print(f"{dense} learns from the labels ...", flush=True)
    lineage, errors = train([lambda: network(dense)] * 2, "labels")
    teacher = lineage[0].model
    rows = [(dense, "the labels", errors[0])]
    for family in ("ban_wide_resnet", "ban_pre_resnet"):
        student = f"{family}_{units}_1"
        print(f"{student} learns from {dense} ...", flush=True)

        def shared(teacher, name=student):
            return network(name, teacher=teacher)

        def alone(name=student):
            return network(name, teacher=teacher, share=False)

        lineage, errors = train([shared], "ban", teacher)
        check(lineage[1].model, teacher)
        rows.append((student, dense, errors[1]))
        rows.append((student, "the labels", train([alone], "labels")[1][0]))

    print(f"{dense} learns from {residual} ...", flush=True)
    both = [lambda: network(residual), lambda: network(dense)]
    errors = train(both, "ban")[1]
    rows.append((residual, "the labels", errors[0]))
    rows.append((dense, residual, errors[1]))

    print(f"\n{'network':<24}{'learned from':<24}test error, %")
    for name, source, error in rows:
        print(f"{name:<24}{source:<24}{error:>13.2f}")
    print("One seed is one draw: repeat with --seed before you conclude.")


def check(student, teacher):
    """Says what the student and its teacher have in common."""
    shapes = models.hidden_shapes(teacher)
    assert models.hidden_shapes(student) == shapes
    shared = [layer.name for layer in student.layers if not layer.trainable]
    print(f"  shapes of both: {shapes}; shared and frozen: {shared}")


if __name__ == "__main__":
    main()
