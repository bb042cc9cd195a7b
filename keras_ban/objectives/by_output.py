"""An objective for each output of a model."""

import keras

from keras_ban.objectives.base import Labels
from keras_ban.objectives.base import Objective


@keras.saving.register_keras_serializable(package="keras_ban")
class ByOutput(Objective):
    """An objective for each of several outputs, by its name.

    What `objective={"digit": "kd", "parity": None}` stands for. The loss is
    the sum over the outputs, each times its weight in the model's
    `loss_weights`.

    Args:
        objectives: A dict from the name of each output to an `Objective`, or
            to `None` for one that learns from its labels alone.

    Raises:
        ValueError: `fit` raises it where the names are not those of the
            student's outputs.
    """

    def __init__(self, objectives, name=None, reduction="sum_over_batch_size"):
        self.objectives = {
            key: Labels() if one is None else one
            for key, one in objectives.items()
        }
        held = self.objectives.values()
        kinds = list(dict.fromkeys(one.name for one in held))
        super().__init__(name=name or ", ".join(kinds), reduction=reduction)

    @property
    def needs_labels(self):
        return any(one.needs_labels for one in self.objectives.values())

    @property
    def needs_teacher(self):
        return any(one.needs_teacher for one in self.objectives.values())

    @property
    def copies(self):
        return self.objectives

    def for_output(self, name=None):
        return self.objectives[name]

    def check_outputs(self, names, taught=None):
        if set(names) != set(self.objectives):
            raise ValueError(
                "`objective` names other outputs than the model has. Expected "
                f"{', '.join(map(repr, names))}. Received: "
                f"{', '.join(map(repr, self.objectives))}. Name each output, "
                "`None` for one that learns from its labels alone."
            )
        for name, one in self.objectives.items():
            if taught is not None and one.needs_teacher and name not in taught:
                raise ValueError(
                    f"The objective {one.name!r} of the output {name!r} needs "
                    f"a teacher that has it. Received: a teacher with the "
                    f"outputs {', '.join(map(repr, taught))}. Give `None` in "
                    "place of the objective, or name the outputs alike."
                )

    def check_unlabelled(self):
        learning = [o for o in self.objectives.values() if o.needs_teacher]
        for one in learning or self.objectives.values():
            one.check_unlabelled()

    def check_task(self, task, columns):
        raise ValueError(
            "`objective` is a dict, for several outputs. Received: a model "
            "with one output. Give one objective."
        )

    def begin_epoch(self, epoch, epochs):
        for one in self.objectives.values():
            one.begin_epoch(epoch, epochs)

    def fresh(self):
        new = super().fresh()
        new.objectives = {k: v.fresh() for k, v in self.objectives.items()}
        return new

    def get_config(self):
        held = {
            k: keras.saving.serialize_keras_object(v)
            for k, v in self.objectives.items()
        }
        return {**super().get_config(), "objectives": held}

    @classmethod
    def from_config(cls, config):
        held = {
            k: keras.saving.deserialize_keras_object(v)
            for k, v in config["objectives"].items()
        }
        return cls(**{**config, "objectives": held})
