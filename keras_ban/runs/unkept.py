"""A run that is kept nowhere: nothing is read, written or resumed."""

import contextlib


class Unkept:
    """What `RunDirectory` and `OpenRun` are, where there is no directory."""

    save_every = None
    way_on = (
        "What was being trained is lost; with `directory=` a run goes on "
        "where it was stopped."
    )

    def told(self):
        """How it is kept, a dict."""
        return {"directory": None}

    def check_model(self, model, x):
        """Any model will do."""

    def describe(self, model):
        """Nothing is compared."""

    def check(self, feed, callbacks, needs_all=False):
        """Any run will do."""

    def within(self, name):
        """Itself: what belongs to the run is kept nowhere either."""
        return self

    @contextlib.contextmanager
    def open(self, describe, feed):
        """Yields itself."""
        yield self

    def finished(self, teacher):
        """No generation."""
        return []

    def remind(self, states):
        """There is no generation before."""

    def resumption(self, saved, states):
        """Nothing is resumed."""

    def saved(self, number):
        """Nothing is saved."""

    def callbacks(self, given, *args, **params):
        """The callbacks alone."""
        return given

    def record(self, generation, states):
        """Nothing is written."""

    def keeps(self, number):
        """All models stay."""
        return True

    def stop_now_if_asked(self):
        """Signals end the process as ever."""

    def stop_if_asked(self):
        """Signals end the process as ever."""
