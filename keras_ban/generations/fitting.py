"""Keras' `fit`, of which somebody else does the steps."""

import contextlib

import keras


class Fitting:
    """One of several trainings that go on at the same time.

    It calls the same callbacks in the same order as `keras.Model.fit`, resets
    the same metrics and gives the same history; `steps` says what to do.

    Args:
        trained: The compiled model or `Distiller`.
        arguments: The arguments of `keras.Model.fit`, a dict: `x` is a
            `tf.data.Dataset`, and `validation_data` is one or `None`.
        callbacks: A list of callbacks, or a `keras.callbacks.CallbackList`.
        counts: The steps of an epoch in training and in validation, a dict.

    Attributes:
        trained: As given.
        left: How many steps of the epoch are left to do.
    """

    def __init__(self, trained, arguments, callbacks, counts):
        self.trained = trained
        self.left = 0
        self._arguments = arguments
        self._callbacks = callbacks
        self._counts = counts
        self._data = {
            "train_step": arguments["x"],
            "test_step": arguments.get("validation_data"),
        }
        self._iterators = {}
        self._seen = 0

    def iterator(self, method):
        """The iterator over the batches of an epoch, begun if there is none.

        Args:
            method: "train_step" or "test_step".
        """
        if method not in self._iterators:
            self._iterators[method] = iter(self._data[method])
        return self._iterators[method]

    def steps(self):
        """Trains; a generator.

        Yields the name of the method, "train_step" or "test_step", of which
        steps are to be done, `left` at most. It is sent how many were done,
        and the logs of the last one.

        Returns:
            The `keras.callbacks.History`.
        """
        model, arguments = self.trained, self._arguments
        epochs, logs = arguments.get("epochs", 1), {}
        callbacks = self._callbacks = self._listed(epochs)
        model.stop_training = False
        model.make_train_function()
        compiled = model.train_function
        callbacks.on_train_begin()
        epoch_logs = None
        for epoch in range(arguments.get("initial_epoch", 0), epochs):
            model.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            logs = yield from self._trained(compiled, logs)
            epoch_logs = dict(_results(model, logs))
            if self._validates(epoch):
                found = yield from self._validated()
                epoch_logs |= {f"val_{k}": v for k, v in found.items()}
            callbacks.on_epoch_end(epoch, epoch_logs)
            if model.stop_training:
                break
        if epochs > 0:
            model.optimizer.finalize_variable_values(model.trainable_weights)
        callbacks.on_train_end(logs=epoch_logs)
        return model.history

    def _listed(self, epochs):
        if isinstance(self._callbacks, keras.callbacks.CallbackList):
            return self._callbacks
        verbose = self._arguments.get("verbose", "auto")
        return keras.callbacks.CallbackList(
            self._callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=self._counts["train_step"],
            model=self.trained,
        )

    def _trained(self, compiled, logs):
        """An epoch's steps; returns the logs of the last one."""
        model, callbacks = self.trained, self._callbacks
        count = self._counts["train_step"]
        self._begin_reading(count)
        step = 0
        while step < count:
            callbacks.on_train_batch_begin(step)
            if model.train_function is compiled:
                self.left = count - step
                done, logs = yield "train_step"
            else:
                # What resumes reads on; what callbacks changed steps alone.
                iterator = self.iterator("train_step")
                done, logs = 1, model.train_function(iterator)
            step += done
            callbacks.on_train_batch_end(step - 1, logs)
            if model.stop_training:
                break
        return logs

    def _begin_reading(self, count):
        """Begins a pass over the data, where Keras would."""
        size = int(self._data["train_step"].cardinality())
        ended = 0 < size <= self._seen
        if ended or not self._arguments.get("steps_per_epoch"):
            self._iterators.pop("train_step", None)
            self._seen = 0
        self._seen += count

    def _validates(self, epoch):
        if self._data["test_step"] is None:
            return False
        when, number = self._arguments.get("validation_freq", 1), epoch + 1
        return number in when if type(when) is list else number % when == 0

    def _validated(self):
        """Keras' `evaluate`; returns its logs."""
        model, callbacks = self.trained, self._callbacks
        self._iterators.pop("test_step", None)
        with getattr(model, "evaluating", contextlib.nullcontext)():
            model.make_test_function()
            model.stop_evaluating = False
            callbacks.on_test_begin()
            model.reset_metrics()
            step, count, logs = 0, self._counts["test_step"], {}
            while step < count:
                callbacks.on_test_batch_begin(step)
                self.left = count - step
                done, logs = yield "test_step"
                step += done
                callbacks.on_test_batch_end(step - 1, logs)
                if model.stop_evaluating:
                    break
            logs = _results(model, logs)
            callbacks.on_test_end(logs)
        return logs


def _results(model, logs):
    """The values of a model's metrics, or the logs if it has others."""
    found = model.get_metrics_result()
    is_same = isinstance(logs, dict) and set(found) == set(logs)
    return found if is_same else logs
