"""All templates by name, in the order of the categories."""

from collections.abc import Mapping

from assets.synthesized.templates import add, adjust, color, compose, lowlevel, text
from assets.synthesized.templates.template import Template, Wordings

MODULES = (lowlevel, color, adjust, text, add, compose)
TEMPLATES: Mapping[str, Template] = {
    template.name: template for module in MODULES for template in module.TEMPLATES
}
WORDINGS: Mapping[str, Wordings] = {
    name: wordings for module in MODULES for name, wordings in module.WORDINGS.items()
}
"""The words for every template and for every inverse, under its name."""

INVERSE = ":inverse"


def inverse_name(template: str) -> str:
    """Returns the name of the edit that undoes this one: `mirror:inverse` of `mirror`, and the other way."""
    return template.removesuffix(INVERSE) if template.endswith(INVERSE) else template + INVERSE
