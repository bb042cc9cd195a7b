"""What is reported of several outputs."""


class SeveralScores:
    """Collects the predictions of several outputs, then sums them up.

    An output is measured where there are labels of it, and a model that has it.
    """

    def __init__(self, scores, weights, split):
        self._scores = scores
        self._weights = weights
        self._split = split
        self._measured = set()

    @property
    def kept(self):
        """The scores that are recorded of each generation.

        Those of each output, `<output>_<score>`, and `loss`.
        """
        found = {k: self._scores[k].kept for k in self._known}
        names = [f"{k}_{s}" for k, kept in found.items() for s in kept]
        _, main = self.judged
        names.remove(main)
        return "loss", main, *names

    @property
    def judged(self):
        """The scores that networks are judged by, the first most."""
        learned = [k for k in self._known if self._weights.get(k) != 0]
        first = (learned or self._known)[0]
        return "loss", f"{first}_{self._scores[first].judged[0]}"

    @property
    def _known(self):
        """The outputs that were measured; before any was, all."""
        return [k for k in self._scores if k in self._measured] or [
            *self._scores
        ]

    def update(self, y_true, predictions, sample_weight=None, reference=None):
        """Adds a batch.

        Args:
            y_true: Labels, as `Several.split` takes them.
            predictions: A dict by name, as each score takes them, of the
                outputs that there are.
            sample_weight: A dict by name, or `None`. Defaults to `None`.
            reference: Predictions of another model, a dict. Defaults to
                `None`.
        """
        labels = self._split(y_true)
        for name, score in self._scores.items():
            if labels[name] is not None and name in predictions:
                self._measured.add(name)
                score.update(
                    labels[name],
                    predictions[name],
                    sample_weight and sample_weight.get(name),
                    reference and reference.get(name),
                )

    def result(self):
        """Returns a dict of floats.

        The scores of each output, `<output>_<score>`; and `loss`, the sum
        over the outputs of the NLL, of values without one of the mean squared
        error, times the weights that the model's `loss_weights` have: 0 where
        it has no loss. It is missing where one of the others was not measured.

        Raises:
            ValueError: If nothing was added, or nothing of any weight.
        """
        found, loss, is_whole = {}, 0.0, True
        for name, score in self._scores.items():
            weight = self._weights.get(name, 1.0)
            if self._measured and name not in self._measured:
                is_whole = is_whole and weight == 0
                continue
            one = score.result()
            term = one["nll"] if "nll" in one else one["rmse"] ** 2
            loss += weight * term
            found |= {f"{name}_{key}": value for key, value in one.items()}
        return {"loss": loss} | found if is_whole else found

    def intervals(self):
        """Those of each output's scores, a dict of pairs."""
        return {
            f"{name}_{key}": pair
            for name in self._known
            for key, pair in self._scores[name].intervals().items()
        }

    def reliability(self):
        """Several outputs have no one confidence: `None`."""
        return None
