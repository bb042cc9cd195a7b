"""The update that one device would do with the global gradient.

What a step sums over the replicas before it travels together, in `summed`.
"""

import functools

import tensorflow as tf

from keras_ban.distribution import statistics
from keras_ban.distribution.replicas import replicas
from keras_ban.distribution.replicas import total


def summed(gradients, values, model, rows):
    """The global gradients and values; makes moving averages global, too.

    Keras sums the replicas' gradients when they are scaled back, found finite,
    clipped and accumulated. Here that comes first, so that all of it is done
    to the sum. All of them are summed in one operation.

    Args:
        gradients: Gradients of a replica's summand of the loss, or `None`
            where there is none.
        values: A list of scalars, a replica's summands of each.
        model: The `keras.Model` that was run.
        rows: On how many rows, an integer tensor.

    Returns:
        Both, summed over the replicas.
    """
    if replicas() == 1:
        return gradients, values
    known = [g for g in gradients if g is not None]
    averages = statistics.averages(model)
    found = total([*known, *values, *statistics.summands(averages, rows)])
    statistics.assign(averages, found[len(known) + len(values) :])
    rest = iter(found)
    gradients = [g if g is None else next(rest) for g in gradients]
    return gradients, found[len(known) : len(known) + len(values)]


def apply(optimizer, gradients, variables):
    """Updates variables as one device would with the global gradient.

    Args:
        optimizer: A Keras optimizer.
        gradients: What `summed` gives.
        variables: The variables to update.
    """
    if replicas() > 1:
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        # Keras has no public way to leave the summing out.
        inner._all_reduce_sum_gradients = list
        if inner.gradient_accumulation_steps:
            inner._backend_apply_gradients = functools.partial(
                _accumulate, inner
            )
    optimizer.apply_gradients(zip(gradients, variables, strict=True))


def _accumulate(optimizer, gradients, variables):
    """Keras' own accumulation, its condition outside of the replicas.

    Inside of them, TensorFlow cannot update variables under a condition.
    """
    steps = optimizer.gradient_accumulation_steps
    held = [
        optimizer._accumulated_gradients[optimizer._get_variable_index(v)]
        for v in variables
    ]

    def update(gradients):
        gradients = [
            (g + h) / steps for g, h in zip(gradients, held, strict=True)
        ]
        gradients = optimizer._clip_gradients(gradients)
        optimizer._apply_weight_decay(variables)
        optimizer._backend_update_step(
            gradients, variables, optimizer.learning_rate
        )
        optimizer._backend_reset_gradient_accumulators()

    def keep(gradients):
        optimizer._backend_increment_gradient_accumulators(gradients, held)

    def choose(strategy, gradients):
        def run(function):
            # Without a value, as those of the branches would differ.
            strategy.extended.call_for_each_replica(
                lambda *g: function(g), args=tuple(gradients)
            )

        due = (optimizer._iterations + 1) % steps == 0
        tf.cond(due, lambda: run(update), lambda: run(keep))

    context = tf.distribute.get_replica_context()
    context.merge_call(choose, args=(gradients,))
    if optimizer.use_ema:
        optimizer._update_model_variables_moving_average(variables)
