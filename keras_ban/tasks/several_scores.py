"""What is reported of several outputs."""


class SeveralScores:
    """Collects the predictions of several outputs, then sums them up.

    Attributes:
        kept: The scores that are recorded of each generation: those of each
            output, `<output>_<score>`, and `loss`.
        judged: The scores that networks are judged by, the first most.
    """

    def __init__(self, scores, weights, split):
        self._scores = scores
        self._weights = weights
        self._split = split
        names = [f"{k}_{s}" for k, one in scores.items() for s in one.kept]
        first, one = next(iter(scores.items()))
        main = f"{first}_{one.judged[0]}"
        names.remove(main)
        self.kept = "loss", main, *names
        self.judged = "loss", main

    def update(self, y_true, predictions, sample_weight=None, reference=None):
        """Adds a batch.

        Args:
            y_true: Labels, as `Several.split` takes them.
            predictions: A dict by name, as each score takes them.
            sample_weight: A dict by name, or `None`. Defaults to `None`.
            reference: Predictions of another model, a dict. Defaults to
                `None`.
        """
        labels = self._split(y_true)
        for name, score in self._scores.items():
            if labels[name] is not None:
                score.update(
                    labels[name],
                    predictions[name],
                    sample_weight and sample_weight[name],
                    reference and reference.get(name),
                )

    def result(self):
        """Returns a dict of floats.

        The scores of each output, `<output>_<score>`; and `loss`, the sum
        over the outputs of the NLL, of values without one of the mean squared
        error, times the weights that the model's `loss_weights` have.

        Raises:
            ValueError: If nothing was added, or nothing of any weight.
        """
        found, loss = {}, 0.0
        for name, score in self._scores.items():
            one = score.result()
            term = one["nll"] if "nll" in one else one["rmse"] ** 2
            weight = self._weights.get(name)
            loss += term if weight is None else weight * term
            found |= {f"{name}_{key}": value for key, value in one.items()}
        return {"loss": loss} | found

    def intervals(self):
        """Those of each output's scores, a dict of pairs."""
        return {
            f"{name}_{key}": pair
            for name, score in self._scores.items()
            for key, pair in score.intervals().items()
        }

    def reliability(self):
        """Several outputs have no one confidence: `None`."""
        return None
