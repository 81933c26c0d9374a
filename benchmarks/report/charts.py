"""Charts as inline SVG: nothing to load, and the same figures stand in a table beside them."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

BAR, GAP, GROUP_GAP = 9, 1, 10
LEFT, RIGHT, TOP = 130, 46, 18
WIDTH = 640
INKS = 6
"""Distinct colours and patterns; more models share them in turn, which the legend shows."""


def grouped_bars(
    title: str, tasks: Mapping[str, Mapping[str, float]], models: Sequence[str], *, low: float, high: float
) -> Markup:
    """Returns horizontal bars, one group a task and one bar a model, as an SVG element.

    Args:
        title: read out in place of the image.
        tasks: task to model to value.
        models: in reading order, which is the order of bars and colours.
        low: where the axis begins.
        high: where it ends.
    """
    step = len(models) * (BAR + GAP) + GROUP_GAP
    height = TOP + len(tasks) * step
    parts = [_axis(low, high, height)]
    for number, (task, values) in enumerate(tasks.items()):
        top = TOP + number * step
        middle = top + len(models) * (BAR + GAP) / 2 + 4
        parts.append(Markup('<text class="name" x="{}" y="{:.0f}">{}</text>').format(LEFT - 8, middle, task))
        for place, model in enumerate(models):
            if model in values:
                parts.append(_bar(values[model], top + place * (BAR + GAP), place, low=low, high=high))
    return Markup('<svg class="bars" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, title, Markup("").join(parts)
    )


def legend(models: Sequence[str]) -> Markup:
    """Returns a list of models with their colours."""
    items = [
        Markup('<li><span class="ink{}" aria-hidden="true"></span>{}</li>').format(
            place % INKS, escape(model)
        )
        for place, model in enumerate(models)
    ]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def _bar(value: float, top: float, place: int, *, low: float, high: float) -> Markup:
    length = _across(value, low, high) - LEFT
    return Markup(
        '<rect class="ink{}" x="{}" y="{}" width="{:.1f}" height="{}"/>'
        '<text class="value" x="{:.1f}" y="{}">{:.2f}</text>'
    ).format(
        place % INKS, LEFT, top, max(length, 0.5), BAR, LEFT + max(length, 0.5) + 4, top + BAR - 1, value
    )


def _axis(low: float, high: float, height: int) -> Markup:
    lines = []
    for number in range(5):
        value = low + (high - low) * number / 4
        x = _across(value, low, high)
        lines.append(
            Markup(
                '<path class="grid" d="M{0:.1f} {1}V{2}"/>'
                '<text class="tick" x="{0:.1f}" y="10">{3:.3g}</text>'
            ).format(x, TOP - 4, height, value)
        )
    return Markup("").join(lines)


def _across(value: float, low: float, high: float) -> float:
    share = (value - low) / (high - low) if high > low else 0.0
    return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)
