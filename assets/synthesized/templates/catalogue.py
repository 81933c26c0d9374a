"""The catalogue of templates by name, in the order of their categories."""

from collections.abc import Mapping, Sequence

from assets.synthesized.templates import add, adjust, color, compose, lowlevel, text
from assets.synthesized.templates.template import Template, Wordings

MODULES = (lowlevel, color, adjust, text, add, compose)
TEMPLATES: Mapping[str, Template] = {
    template.name: template for module in MODULES for template in module.TEMPLATES
}
WORDINGS: Mapping[str, Wordings] = {
    name: wordings for module in MODULES for name, wordings in module.WORDINGS.items()
}
"""The wordings of every template and every inverse, by name."""

INVERSE = ":inverse"


def inverse_name(template: str) -> str:
    """Returns the name of the inverse edit: `mirror:inverse` for `mirror`, and the other way round."""
    return template.removesuffix(INVERSE) if template.endswith(INVERSE) else template + INVERSE


def templates_by_category(templates: Sequence[str]) -> dict[str, list[str]]:
    """Returns the names of the templates that make samples of each category, directly or by inversion."""
    names: dict[str, list[str]] = {}
    for template in (TEMPLATES[name] for name in templates):
        kinds = [template.kind] if template.inverse is None else [template.kind, template.inverse]
        for category in sorted({kind.subcategory for kind in kinds}):
            names.setdefault(category, []).append(template.name)
    return names
