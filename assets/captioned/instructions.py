"""Instruction captions (report 2.5.2): each edit in detailed, concise and user-like words, two languages."""

from collections.abc import Mapping
from typing import NamedTuple

from assets.captioned import phrases_en, phrases_zh
from assets.captioned.phrases_en import Phrases
from assets.synthesized.templates.catalogue import inverse_name
from models.seeding import numpy_generator

PROMPT_VERSION = 1
"""Raised when a form or a phrase changes: texts of two versions may stand side by side."""

FORMS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("detailed", "en"): (
        "{Command}. {detail} Keep everything else unchanged.",
        "Edit the given image as follows: {command}. {detail}",
        "{detail} In other words, {command}, and change nothing else.",
    ),
    ("concise", "en"): (
        "Just {command}.",
        "{Result}.",
        "{Result}, nothing more.",
        "What I need: {command}.",
    ),
    ("user_like", "en"): (
        "Can you {command} for me?",
        "Hi! Could you please {command}? Thank you!",
        "I would love to have {result}, can you help me with that?",
        "Hmm, I think {result} would look nicer... could you do that?",
        "I'm no good with photo editors, so please {command}.",
    ),
    ("detailed", "zh"): (
        "{command}。{detail}其他内容保持不变。",
        "请按以下要求编辑这张图片：{command}。{detail}",
        "{detail}也就是说，{command}，其余部分不要改动。",
    ),
    ("concise", "zh"): ("只需{command}。", "{result}。", "要{result}，别的不动。", "{command}即可。"),
    ("user_like", "zh"): (
        "能帮我{command}吗？",
        "你好，麻烦{command}，谢谢啦！",
        "我想要{result}，可以帮我弄一下吗？",
        "感觉{result}会更好看，帮帮我吧～",
        "我不太会修图，请{command}。",
    ),
}
"""Syntactic forms: imperatives, noun phrases without a verb, questions, requests for help."""


class Instruction(NamedTuple):
    """One wording of an edit: kind and language as in the text table."""

    kind: str
    lang: str
    text: str


def write_instructions(
    template: str, parameters: Mapping[str, str], *, inverse: bool, seed: int
) -> list[Instruction]:
    """Returns the texts of one sample: `original`, then detailed, concise and user-like in both languages.

    Args:
        template: its name in the catalogue.
        parameters: the values that the edit used; each of them is said.
        inverse: whether the sample shows the edit undone.
        seed: of the choice among phrases and forms.

    Raises:
        KeyError: the template, or its inverse, has no phrases.
    """
    forms = instruction_forms(template, parameters, inverse=inverse)
    texts = []
    for (kind, lang), choices in forms.items():
        generator = numpy_generator(seed, "instruction", kind, lang)
        texts.append(Instruction(kind, lang, choices[int(generator.integers(len(choices)))]))
    return texts


def instruction_forms(
    template: str, parameters: Mapping[str, str], *, inverse: bool
) -> dict[tuple[str, str], list[str]]:
    """Returns every text that an edit may be given, by (kind, language).

    No text stands under two kinds, two templates or two sets of parameters, so a text tells what to do.
    """
    name = inverse_name(template) if inverse else template
    named = {key: phrases_zh.PARAMETERS.get(value, value) for key, value in parameters.items()}
    phrases = {
        "en": _filled(phrases_en.PHRASES[name], parameters),
        "zh": _filled(phrases_zh.PHRASES[name], named),
    }
    texts = {("original", "en"): [f"{_capital(phrases['en'].commands[0])}."]}
    for (kind, lang), forms in FORMS.items():
        found = [_say(form, phrases[lang], command) for form in forms for command in phrases[lang].commands]
        texts[kind, lang] = list(dict.fromkeys(found))
    return texts


def _filled(phrases: Phrases, parameters: Mapping[str, str]) -> Phrases:
    return Phrases(
        tuple(command.format(**parameters) for command in phrases.commands),
        phrases.result.format(**parameters),
        phrases.detail.format(**parameters),
    )


def _say(form: str, phrases: Phrases, command: str) -> str:
    return form.format(
        command=command,
        Command=_capital(command),
        result=phrases.result,
        Result=_capital(phrases.result),
        detail=phrases.detail,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
