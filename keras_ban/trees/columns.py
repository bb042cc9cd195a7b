"""Columns of a data frame that are no numbers, as numbers for a tree."""

import numpy as np
from sklearn.preprocessing import OrdinalEncoder


class Columns:
    """Gives each category of a column its place in their sorted order.

    Dates become numbers. What is missing stays missing, and a category that
    was never seen becomes so. Arrays, and numbers, stay what they are.

    Args:
        X: Real rows, an array or a pandas `DataFrame`.

    Attributes:
        categories: Dict of the names of such columns to their categories.
    """

    def __init__(self, X):
        self.categories, self._places, self._dates = {}, [], []
        if not hasattr(X, "iloc"):
            return
        self._names = list(X.columns)
        types = X.infer_objects().dtypes
        kinds = [*enumerate(getattr(dtype, "kind", "O") for dtype in types)]
        self._places = [place for place, kind in kinds if kind not in "biufmM"]
        self._dates = [place for place, kind in kinds if kind in "mM"]
        if self._places:
            part = X.iloc[:, self._places]
            self._encoder = OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=np.nan
            ).fit(part)
            self.categories = dict(
                zip(part.columns, self._encoder.categories_, strict=True)
            )

    def numbers(self, X):
        """Rows of numbers: an array or a frame, as `X` is.

        Raises:
            ValueError: If columns that are no numbers cannot be told, as the
                columns are others than those of the rows seen first.
        """
        if self._places or self._dates:
            self._check_names(list(getattr(X, "columns", ())))
        if not hasattr(X, "iloc"):
            return X
        X, given = X.infer_objects(), X
        for place in self._dates:
            column = given.iloc[:, place]
            numbers = column.astype("int64").astype("float64")
            X.isetitem(place, numbers.where(column.notna()))
        if self._places:
            codes = self._encoder.transform(given.iloc[:, self._places])
            for place, column in zip(self._places, codes.T, strict=True):
                X.isetitem(place, column)
        return X

    def _check_names(self, given):
        if given == self._names:
            return
        missing = [name for name in self._names if name not in given]
        received = f"{given}" if given else "an array, without names"
        raise ValueError(
            "The columns are not those that the tree was fitted on. Expected "
            f"a data frame with the columns {self._names}, in this order. "
            f"Received: {received}"
            + (f", without {missing}" if missing and given else "")
            + ". Give `frame[columns]` with all of them."
        )
