from collections import defaultdict

import pytest

from assets.corpora.language import text_language
from assets.synthesized.instructions import WORDINGS

ENGLISH = (
    "red car",
    "a cat",
    "blur it",
    "add a hat",
    "portrait",
    "a man",
    "remove the text",
    "turn it into winter",
    "Make the sky bluer",
    "a dog sitting on a bench in the park, sunlight",
    "café at night",
    "Aerial view of Paris",
    "masterpiece, best quality, 1girl, solo",
    "replace 'SALE' with '开业'",
    'Change the text "красная машина" to "une voiture rouge"',
)
CHINESE = (
    "红色的车",
    "一个女孩",
    "把天空变蓝",
    "東京鐵塔夜景",
    "將背景換成雪山",
    "把文字 SALE 改成 OPEN",
    "写上“Grand Opening”",
)
OTHER = (
    "красная машина",
    "赤い車",
    "猫がいる",
    "빨간 자동차",
    "Une voiture rouge garée dans la rue",
    "un chat noir sur la table",
    "ein rotes Auto",
    "una mujer con sombrero",
    "um carro vermelho",
    "una macchina rossa",
    "en röd bil",
    "een rode auto",
    "czerwony samochód",
    "kırmızı araba",
    "xe hơi màu đỏ",
    "รถสีแดง",
    "سيارة حمراء",
    "מכונית אדומה",
    "लाल कार",
    "κόκκινο αυτοκίνητο",
    '女の子が"Hello"と言う',
    "",
    "1234",
    "!?",
    "🙂",
)


@pytest.mark.parametrize(
    ("text", "language"),
    [(text, "en") for text in ENGLISH]
    + [(text, "zh") for text in CHINESE]
    + [(text, "other") for text in OTHER],
)
def test_the_language_of_short_captions_and_instructions(text, language):
    assert text_language(text) == language


def test_the_commands_of_all_templates_are_in_their_language():
    commands = [
        (command.format_map(defaultdict(lambda: "red")), language)
        for wordings in WORDINGS.values()
        for language, wording in (("en", wordings.en), ("zh", wordings.zh))
        for command in wording.commands
    ]
    wrong = [command for command, language in commands if text_language(command) != language]
    assert len(commands) > 100
    assert wrong == []
