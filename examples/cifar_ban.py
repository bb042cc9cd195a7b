"""Any row of Tables 1 to 5 of Born-Again Neural Networks, by one command.

    python examples/cifar_ban.py --dataset cifar100 --model densenet_90_60 \
        --objective ban --generations 3 --directory runs/densenet --download

    Table 1  --dataset cifar10 --model wide_resnet_28_10 --generations 1
    Table 2  --model densenet_80_80, with --objective ban, ban+l, cwtm or dkpp
    Table 3  --teacher wide_resnet_28_10 --model densenet_90_60
    Table 4  --teacher densenet_90_60 --model ban_densenet_2_1
    Table 5  --teacher densenet_90_60 --model ban_wide_resnet_4_1

The control is `--objective labels`; for a student of Table 5 without its
teacher, `--model ban_wide_resnet_4_1 --objective labels`. With `--quick` it
shows the same code at work in a minute, on data that needs no download.
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

FULL = {"dataset": "cifar100", "model": "densenet_90_60", "generations": 3}
QUICK = {
    "dataset": "digits",
    "model": "wide_resnet_10_1",
    "generations": 2,
    "epochs": 15,
}


def main():
    arguments = parse()
    if arguments.mixed_precision:
        keras.config.set_dtype_policy("mixed_float16")
    recipe = recipes.BY_DATA.get(arguments.dataset, recipes.CIFAR)
    recipe = dataclasses.replace(
        recipe,
        **{
            name: getattr(arguments, name)
            for name in ("epochs", "augmentation")
            if getattr(arguments, name) is not None
        },
    )
    mixed = {"mixup", "cutmix"} & set(recipe.augmentation)
    data = vision.load(
        arguments.dataset,
        validation=arguments.validation,
        one_hot=bool(mixed),
        data_dir=arguments.data_dir,
        download=arguments.download,
        idx_files=arguments.idx_files,
    )
    ban = keras_ban.BornAgain(
        model_fns(arguments, recipe, data),
        arguments.objective,
        directory=arguments.directory,
        seed=arguments.seed,
    )
    lineage = ban.fit(
        *data.train,
        generations=arguments.generations,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        validation_data=data.validation,
        augment=vision.augmentation(recipe.augmentation, data),
        verbose=arguments.verbose,
    )
    title = f"{arguments.dataset}: test images"
    table = lineage.evaluate(*data.test, title=title)
    print(table)
    print(beside_published(table, arguments))


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK}")
    parser.add_argument("--dataset", help="a set of images: default cifar100")
    parser.add_argument("--model", help="the network: default densenet_90_60")
    parser.add_argument("--teacher", help="generation 0: default the model")
    parser.add_argument("--objective", default="ban")
    parser.add_argument("--generations", type=int, help="default 3")
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directory", help="keep the run here, and resume")
    parser.add_argument(
        "--augmentation",
        nargs="+",
        help="as vision.augmentation takes it, or none: default the recipe's",
    )
    parser.add_argument(
        "--validation",
        type=float,
        default=0,
        help="share or number of the training images that are held out; as "
        "published, none",
    )
    parser.add_argument("--data-dir", help="where data sets are prepared")
    parser.add_argument("--download", action="store_true")
    parser.add_argument("--idx-files", help="a folder with MNIST's four files")
    parser.add_argument("--mixed-precision", action="store_true")
    parser.add_argument("--verbose", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.augmentation == ["none"]:
        arguments.augmentation = ()
    for name, value in (QUICK if arguments.quick else FULL).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    return arguments


def model_fns(arguments, recipe, data):
    """A function for the first network, and one for its students."""

    def network(name, **options):
        model = models.get(
            name,
            num_classes=len(data.class_names),
            input_shape=data.shape,
            weight_decay=recipe.weight_decay,
            dropout=recipe.dropout,
            **options,
        )
        one_hot = data.train[1].ndim == 2
        return recipe.compile(model, len(data.train[0]), one_hot)

    def first_fn():
        return network(arguments.teacher or arguments.model)

    def student_fn():
        return network(arguments.model)

    def matched_fn(teacher):
        return network(arguments.model, teacher=teacher)

    if arguments.teacher is None:
        return first_fn
    if models.takes_teacher(arguments.model):
        return [first_fn, matched_fn]
    return [first_fn, student_fn]


def beside_published(table, arguments):
    """The test errors, and the published ones where there are any."""
    first = arguments.teacher or arguments.model
    generations = sum(row["name"].startswith("BAN-") for row in table)
    lines = [f"{'test error, %':<20}{'here':>8}    published"]
    for row in table:
        said = [
            f"{found.error:.2f} (Table {found.table}, {heading(column)})"
            for column in columns(row["name"], arguments.objective, generations)
            for found in recipes.published(
                arguments.dataset,
                first,
                first if column == "teacher" else arguments.model,
                column,
            )
        ]
        error = 100 * row["error"]
        lines.append(f"{row['name']:<20}{error:>8.2f}    {', '.join(said)}")
    return "\n".join(line.rstrip() for line in lines)


def columns(name, objective, generations):
    """The published columns that a row of our table repeats."""
    if name in ("Teacher", "Labels-0"):
        return ["teacher"]
    found = [objective] if name == "BAN-1" else []
    # The published sequences and ensembles are those of one objective.
    if objective.lower() != "ban":
        return found
    if name == "Ens*all" and generations == 2:
        return ["Ens*3 with the teacher"]
    return [name, *found]


def heading(column):
    """A column as the tables head it."""
    objectives = ("ban", "ban+l", "cwtm", "dkpp")
    return column.upper() if column.lower() in objectives else column


if __name__ == "__main__":
    main()
