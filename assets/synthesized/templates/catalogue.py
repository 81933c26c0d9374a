"""All templates by name, in the order of the categories."""

from collections.abc import Mapping

from assets.synthesized.templates import add, adjust, color, compose, lowlevel, text
from assets.synthesized.templates.template import Template

MODULES = (lowlevel, color, adjust, text, add, compose)
TEMPLATES: Mapping[str, Template] = {
    template.name: template for module in MODULES for template in module.TEMPLATES
}
INVERSE = ":inverse"


def inverse_name(template: str) -> str:
    """Returns the name under which the swapped pairs of a template go."""
    return template + INVERSE


def kinds_of_edit() -> tuple[str, ...]:
    """Returns every template name and, after it, the name of its inverse where it has one."""
    names = []
    for template in TEMPLATES.values():
        names += [template.name, *([inverse_name(template.name)] if template.invertible else [])]
    return tuple(names)
