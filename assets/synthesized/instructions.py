"""Instructions (report 2.5.2): detailed, concise and user-like texts of each edit in two languages."""

from collections.abc import Mapping
from typing import NamedTuple

from assets.synthesized.templates.catalogue import WORDINGS, inverse_name
from assets.synthesized.templates.template import Wording
from models.common.seeding import numpy_generator

PROMPT_VERSION = 1
"""Incremented when a form or phrase changes; texts of several versions can be in one table."""

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
"""Syntactic forms: imperatives, noun phrases, questions and requests for help."""


CHINESE_PARAMETERS: Mapping[str, str] = {
    "red": "红色",
    "green": "绿色",
    "blue": "蓝色",
    "yellow": "黄色",
    "white": "白色",
    "top left": "左上角",
    "top right": "右上角",
    "bottom left": "左下角",
    "bottom right": "右下角",
}
"""Chinese names of parameter values; a word drawn into the image is not translated."""


class Instruction(NamedTuple):
    """One text of an edit; `kind` and `lang` are the columns of TEXTS."""

    kind: str
    lang: str
    text: str


def write_instructions(
    template: str, parameters: Mapping[str, str], *, inverse: bool, seed: int
) -> list[Instruction]:
    """Returns the texts of one sample: `original`, then detailed, concise and user-like in both languages.

    Args:
        template: its name in the catalogue.
        parameters: the parameters of the edit; each text mentions all of them.
        inverse: whether the sample is the inversion of the edit.
        seed: seed of the choice of phrases and forms.

    Raises:
        KeyError: there is no wording for the template or its inverse.
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
    """Returns all possible texts of an edit by (kind, language).

    No text occurs for two kinds, templates or sets of parameters, so a text identifies the edit.
    """
    name = inverse_name(template) if inverse else template
    chinese = {key: CHINESE_PARAMETERS.get(value, value) for key, value in parameters.items()}
    wordings = WORDINGS[name]
    phrases = {"en": _fill(wordings.en, parameters), "zh": _fill(wordings.zh, chinese)}
    texts = {("original", "en"): [f"{_capitalize(phrases['en'].commands[0])}."]}
    for (kind, lang), forms in FORMS.items():
        filled = [
            _apply_form(form, phrases[lang], command) for form in forms for command in phrases[lang].commands
        ]
        texts[kind, lang] = list(dict.fromkeys(filled))
    return texts


def _fill(wording: Wording, parameters: Mapping[str, str]) -> Wording:
    return Wording(
        tuple(command.format(**parameters) for command in wording.commands),
        wording.result.format(**parameters),
        wording.detail.format(**parameters),
    )


def _apply_form(form: str, wording: Wording, command: str) -> str:
    return form.format(
        command=command,
        Command=_capitalize(command),
        result=wording.result,
        Result=_capitalize(wording.result),
        detail=wording.detail,
    )


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
