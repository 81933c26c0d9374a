"""Replies in which a judge declines to judge: asked of each reply without scores, so none becomes one."""

import re

ACTS = (
    r"(?:help|assist|comply|evaluate|assess|rate|judge|score|grade|provide|process|view|analy[sz]e|fulfil|"
    r"continue|answer|respond|complete|do\ that|engage|discuss|support|perform|generate|review|proceed|give)"
)

REFUSAL = re.compile(
    rf"""
    \b(?:i|we)\ +(?:can(?:no|\ no)t|can't|could\ ?n[o']t|won't|will\ not|must\ decline\ to|decline\ to)
        \ +(?:\w+\ +){{0,3}}{ACTS}
    | \b(?:unable|not\ able)\ +to\ +(?:\w+\ +){{0,3}}{ACTS}
    | \b(?:i\ ?(?:am|'m)|we(?:\ are|'re))\ +(?:(?:really|very|so|truly)\ +)?sorry\b
    | \b(?:as\ an?|i'm\ an?|i\ am\ an?)\ +(?:ai|large)\ +(?:language\ )?(?:model|assistant)\b
    | \b(?:violat|against)\w*\ [\w\ ]{{0,30}}(?:polic|guideline)
    | \bcontent\ (?:policy|filter)
    | 抱歉 | 对不起 | (?:无法|不能)(?:协助|提供|评估|完成|处理|满足|回答|帮助)
    """,
    re.IGNORECASE | re.VERBOSE,
)

OPENING = 300
"""Characters in which a refusal stands; later, the same words are part of a judgement."""


def is_refusal(reply: str) -> bool:
    """Returns whether the reply opens like a refusal.

    A judge may apologise and judge all the same, so ask this only of a reply that holds no valid scores.
    """
    return REFUSAL.search(reply[:OPENING].replace("’", "'")) is not None
