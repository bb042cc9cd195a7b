"""How docstrings are read for the site."""

import re
import textwrap

import griffe

# Keras' own form: what stands under "Example:" is not indented.
EXAMPLE = re.compile(r"(?ms)^Examples?:\n+((?:>>>|\.\.\. |```).*?)(?=\n\n|\Z)")
# A text, no list of types.
RETURNS = re.compile(r"(?m)^(Returns|Yields):\n((?:^ {4}.*\n?|^\n(?= {4}))+)")


class KerasStyle(griffe.Extension):
    """Turns the forms that Griffe does not know into those that it does."""

    def on_object(self, *, obj, **kwargs):
        """Changes the docstring of an object, once it is loaded."""
        if obj.docstring:
            text = EXAMPLE.sub(_indented, obj.docstring.value)
            obj.docstring.value = RETURNS.sub(_paragraph, text)


def _indented(found):
    return f"Examples:\n{textwrap.indent(found[1], ' ' * 4)}"


def _paragraph(found):
    return f"**{found[1]}:**\n\n{textwrap.dedent(found[2])}"
