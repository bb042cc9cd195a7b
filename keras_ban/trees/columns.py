"""Columns of a data frame that are no numbers, as numbers for a tree."""

import numpy as np
from sklearn.preprocessing import OrdinalEncoder


class Columns:
    """Gives each category of a column its place in their sorted order.

    What is missing stays missing, and what was never seen becomes so. Arrays,
    and frames of numbers alone, stay what they are.

    Args:
        X: Real rows, an array or a pandas `DataFrame`.

    Attributes:
        categories: Dict of the names of such columns to their categories.
    """

    def __init__(self, X):
        self._places = (
            [
                place
                for place, dtype in enumerate(getattr(X, "dtypes", []))
                if getattr(dtype, "kind", "O") not in "biuf"
            ]
            if hasattr(X, "iloc")
            else []
        )
        self.categories = {}
        if self._places:
            part = X.iloc[:, self._places]
            self._encoder = OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=np.nan
            ).fit(part)
            self.categories = dict(
                zip(part.columns, self._encoder.categories_, strict=True)
            )

    def numbers(self, X):
        """Rows of numbers: an array or a frame, as `X` is."""
        if not self._places or not hasattr(X, "iloc"):
            return X
        codes = self._encoder.transform(X.iloc[:, self._places])
        X = X.copy(deep=False)
        for place, column in zip(self._places, codes.T, strict=True):
            X.isetitem(place, column)
        return X
