import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_sheet import Sheet, at, leaves

from orchestration.profile import PROFILES, load_profile, parse_profile, profile_path, with_images
from orchestration.profile_errors import ProfileError, dotted

DEMO = yaml.safe_load((PROFILES / "demo.yaml").read_text())
LEAVES = sorted(leaves(DEMO), key=str)
FIELDS = [path for path in LEAVES if isinstance(path[-1], str)]
BOMB = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
"""Nine levels of lists that each hold the one before nine times."""

OPTIONAL = {"value", "quantile", "per", "unless_category"}
"""Fields of a rule that may be left out."""

FAULT = re.compile(r"mine\.yaml:(\d+) ([\w.-]+): (.{5,})", re.DOTALL)


def faults(sheet: Sheet) -> list[tuple[int, str, str]]:
    """The line, field and complaint of every fault that a profile has; none where it is valid."""
    said = complaint(sheet.text)
    found = [FAULT.fullmatch(line) for line in said.splitlines()]
    assert all(found), f"not of the form file:line field: complaint:\n{said}"
    return [(int(match[1]), match[2], match[3]) for match in found if match]


def complaint(text: str) -> str:
    """What is said of a profile, nothing where it is valid; an error of another kind goes on."""
    try:
        parse_profile(text, "mine.yaml")
    except ProfileError as error:
        return str(error)
    return ""


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    profile = copy.deepcopy(DEMO)
    at(profile, path[:-1])[path[-1]] = value
    return profile


def assert_blamed(sheet: Sheet, path: tuple[str | int, ...], found: list[tuple[int, str, str]]) -> None:
    """Some fault names the field, a section around it, or a field that does not go with it, and its line."""
    lines = {dotted(known): line for known, line in sheet.lines.items()} | {"profile": 1}
    for line, field, _ in found:
        there = max((name for name in lines if f"{field}.".startswith(f"{name}.")), key=len, default="")
        assert line == lines[there], f"{field} stands on another line: {found}"
    around = {dotted(path[:length]) or "profile" for length in range(len(path) + 1)}
    named = any(field in around or field.startswith(f"{dotted(path)}.") for _, field, _ in found)
    assert named or any(f"{path[-1]} " in said for _, _, said in found), f"{path}: {found}"


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_of_the_repository_is_valid(path):
    profile = load_profile(path.stem)
    assert profile.name == path.stem
    assert profile == load_profile(str(path))


def test_a_missing_field_is_named_on_the_line_of_its_section():
    for path in FIELDS:
        profile = copy.deepcopy(DEMO)
        del at(profile, path[:-1])[path[-1]]
        sheet = Sheet(profile)
        found = faults(sheet)
        if path[-1] in OPTIONAL and not found:
            continue
        assert_blamed(sheet, path, found)
        if path[-1] not in OPTIONAL:
            assert (sheet.line_of(path), dotted(path)) in [(line, field) for line, field, _ in found], path
            assert any(said.startswith("is missing. Add it") for _, _, said in found)


def test_a_misspelt_field_is_named_with_the_one_that_was_meant():
    for path in FIELDS:
        profile = copy.deepcopy(DEMO)
        section = at(profile, path[:-1])
        misspelt = f"{path[-1]}x"
        section[misspelt] = section.pop(path[-1])
        sheet = Sheet(profile)
        wrong = (*path[:-1], misspelt)
        found = faults(sheet)
        said = next(
            (said for line, field, said in found if (line, field) == (sheet.lines[wrong], dotted(wrong))), ""
        )
        assert said == f"is not a field. Did you mean {path[-1]}?", (path, found)


def test_an_unknown_field_is_named_with_those_that_are_known():
    sections = sorted({path[:-1] for path in FIELDS} | {()}, key=str)
    for section in sections:
        profile = copy.deepcopy(DEMO)
        at(profile, section)["qqqq"] = 1
        sheet = Sheet(profile)
        found = faults(sheet)
        assert_blamed(sheet, (*section, "qqqq"), found)


WRONG = ({"a": {"b": 1}}, [[]], "\N{SNOWMAN} not this", None, -1e9, 1e30)


@pytest.mark.parametrize("which", range(len(WRONG)))
def test_a_value_that_cannot_be_is_named_on_its_line(which):
    value, tried = WRONG[which], LEAVES[which % 3 :: 3]
    refused = 0
    for path in tried:
        sheet = Sheet(changed(path, value))
        found = faults(sheet)
        if found:
            refused += 1
            assert_blamed(sheet, path, found)
    assert refused == len(tried) if isinstance(value, (dict, list)) else refused > len(tried) / 3


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf"])
def test_a_number_that_is_none_is_refused_everywhere(text):
    lines = (PROFILES / "demo.yaml").read_text().splitlines()
    numbers = [number for number, line in enumerate(lines) if re.fullmatch(r"\s+\w+: [\d.e+-]+", line)]
    assert len(numbers) > 100
    for number in numbers:
        mutated = list(lines)
        mutated[number] = re.sub(r": .*", f": {text}", lines[number])
        field = lines[number].strip().partition(":")[0]
        with pytest.raises(
            ProfileError, match=rf"^mine\.yaml:{number + 1} \S*\b{field}: .* a finite number\.$"
        ):
            parse_profile("\n".join(mutated), "mine.yaml")


def test_a_field_that_is_defined_twice_is_refused():
    text = (PROFILES / "demo.yaml").read_text().replace("  ranks: 2\n", "  ranks: 2\n    ranks: 4\n")
    with pytest.raises(ProfileError, match=r"training\.trainer\.ranks: is defined twice, first on line \d+"):
        parse_profile(text, "mine.yaml")


def test_sections_may_share_settings_by_an_anchor():
    text = (PROFILES / "demo.yaml").read_text()
    shared = text.replace("  pretrain:\n    stage: pretrain\n", "  pretrain: &shared\n    stage: pretrain\n")
    begin = shared.index("  ct:\n    stage: ct\n")
    end = shared.index("  sft:\n    stage: sft\n")
    merged = "  ct:\n    <<: *shared\n    stage: ct\n    balance_by: [category]\n"
    with pytest.raises(ProfileError, match=r"training\.ct\.initial_exponent: is not a field"):
        parse_profile(shared[:begin] + merged + shared[end:], "mine.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: &a [*a]",
        "- 1",
        "just words",
        "a: 2024-13-45",
        "{[1]: 2}",
        "1: 2",
        "a: !!python/object:os.system {}",
        "\t- a",
        "a: \x07",
        "[" * 3000,
        BOMB,
    ],
    ids=range(12),
)
def test_what_is_no_profile_is_refused_in_a_sentence(text):
    with pytest.raises(ProfileError, match=r"^mine\.yaml:\d+ .{10,}"):
        parse_profile(text, "mine.yaml")


def test_an_empty_profile_lacks_everything():
    with pytest.raises(ProfileError) as caught:
        parse_profile("# nothing\n", "mine.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert all(f" {field}," in message for field in ("name", "training", "bench"))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_text_makes_the_reader_fail(data):
    text = (PROFILES / "demo.yaml").read_text()
    position = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 40))
    words = st.text(st.characters(codec="utf-8"), max_size=20)
    piece = data.draw(words | st.sampled_from(["&a ", "*a", "<<: ", "!!", "]"]))
    said = complaint(text[:position] + piece + text[position + length :])
    assert not said or said.startswith("mine.yaml:")


RULE = next(iter(DEMO["filtered"]["rules"]))


def test_parts_that_do_not_fit_are_named_where_one_of_them_stands():
    for path, value in (
        (("training", "trainer", "editor", "latent_channels"), 8),
        (("training", "trainer", "editor", "text_dim"), 3584),
        (("training", "trainer", "editor", "rope_axes"), [8, 8, 8]),
        (("training", "trainer", "editor", "layers"), 0),
        (("training", "nft", "batch_size"), 33),
        (("training", "nft", "batch_size"), 40),  # whole groups, but not for each of two ranks
        (("training", "ct", "batch_size"), 17),
        (("training", "sft", "warmup_steps"), 5000),
        (("demo", "corpus"), "elsewhere"),
        (("filtered", "rules", RULE, "measure"), "photometric.beauty"),
        (("demo", "crop_side_max"), 40),
        (("encode", "codec_patch"), 2),  # 12 values, fewer than the codec's channels
    ):
        sheet = Sheet(changed(path, value))
        [(line, field, said)] = faults(sheet)
        assert (line, field) == (sheet.lines[path], dotted(path))
        assert "must be" in said or "crop_side_min" in said or str(value) in said
    [(_, field, said)] = faults(Sheet(changed(("encode", "codec_patch"), 12)))
    assert field.startswith("mixtures.stages.")
    assert "Write a multiple of 24" in said
    profile = copy.deepcopy(DEMO)
    del profile["mixtures"]["stages"]["dpo"]
    [(_, field, said)] = faults(Sheet(profile))
    assert (field, "dpo" in said) == ("mixtures.stages", True)


@pytest.mark.parametrize(
    ("stage", "size", "fix"),
    [
        ("pretrain", 1, "is not a multiple of trainer.ranks 2. Write 2."),
        ("dpo", 31, "is not a multiple of trainer.ranks 2. Write 32."),
        ("nft", 264, "is not a multiple of trainer.ranks 2 times samples_per_prompt 8. Write 256."),
    ],
)
def test_every_rank_gets_an_equal_share_of_a_batch(stage, size, fix):
    [(_, field, said)] = faults(Sheet(changed(("training", stage, "batch_size"), size)))
    assert field == f"training.{stage}.batch_size"
    assert said.startswith(f"{size} {fix}")


def test_files_that_hold_no_text_are_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(ProfileError, match="byte 6 is not UTF-8"):
        load_profile(str(path))
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(ProfileError, match="larger than"):
        load_profile(str(path))


def test_a_profile_that_is_not_there_is_answered_with_those_that_are():
    with pytest.raises(ProfileError, match=r"No profile nowhere\. .*\bdemo\b"):
        profile_path("nowhere")


def test_photographs_of_ones_own_have_a_home_of_their_own(tmp_path):
    folder = tmp_path / "My Photographs 2024!"
    folder.mkdir()
    profile = with_images(load_profile("demo"), folder)
    assert profile.name == "demo-my-photographs-2024"
    assert profile.demo is not None
    assert profile.demo.images == Path(folder)
    without = profile.model_copy(update={"demo": None})
    with pytest.raises(ProfileError, match="no demo corpus"):
        with_images(without, folder)


@pytest.mark.parametrize(
    ("field", "given", "written"),
    [
        ("train_images: 220", "train_images: 0220", "0220"),
        ("train_images: 220", "train_images: 2_20", "2_20"),
        ("train_images: 220", "train_images: 3:40", "3:40"),
        ("train_images: 220", "train_images: 0xdc", "0xdc"),
        ("train_images: 220", "train_images: yes", "yes"),
        ("train_images: 220", "train_images: true", "true"),
        ("train_images: 220", "train_images: '220'", "220"),
        ("workers: 2", "workers: on", "on"),
        ("workers: 2", "workers: 2026-11-28", "2026-11-28"),
        ("betas: [0.9, 0.99]", "betas: [0.9, true]", "true"),
        ("betas: [0.9, 0.99]", "betas: [0.9, 1.5]", "1.5"),
        ("betas: [0.9, 0.99]", "betas: [-0.1, 0.99]", "-0.1"),
        ("uri: null", "uri: localhost:5000", "localhost:5000"),
        ("uri: null", "uri: 'ftp://localhost'", "ftp://localhost"),
        ("model: emberline-edit", "model: 'a/b'", "a/b"),
        ("workers: 2", "workers: 2.0", "2.0"),
        ("zero_cond_t: false", "zero_cond_t: 0", "0"),
        ("zero_stage: 2", "zero_stage: true", "true"),
        ("learning_rate: 3.0e-3", "learning_rate: '3e-3'", "3e-3"),
        ("value: false", "value: 0", "provenance.generated"),
        ("value: 0.012", "value: true", "overlay_text.area"),
        ("value: [-0.72, 0.42]", "value: [0.42, -0.72]", "[0.42, -0.72]"),
        ("unless_category: [text, design]", "unless_category: [txet]", "txet. Did you mean text?"),
        ("unrelated_exempt: [invert]", "unrelated_exempt: [inverted]", "inverted. Did you mean invert?"),
        ("measure: photometric.noise", "measure: photometric.nose", "Did you mean photometric.noise?"),
        ("qdrant_url: null", "qdrant_url: http://", "http://"),
        ("qdrant_url: null", "qdrant_url: http://h:99999", "99999"),
        ("uri: null", "uri: http://h:99999", "99999"),
        ("uri: null", "uri: sqlite://mlflow.db", "sqlite://mlflow.db"),
        ("experiment: emberline", "experiment: '  '", "'  '"),
        ("languages: [en]", "languages: [zh]", "zh"),
        ("rope_axes: [8, 12, 12]", "rope_axes: [-8, 20, 20]", "-8"),
        ("max_tokens: 8192", "max_tokens: 16", "16"),
        ("cells_per_image: 1", "cells_per_image: 3", "3"),
        ("warmup_steps: 20", "warmup_steps: 200", "200"),
        ("seed: 0", "seed: 18446744073709551616", "18446744073709551616"),
        ("seed: 0", "seed: -1", "-1"),
        ("license: unknown", 'license: "a\\0b"', "control character"),
        ("demand: null", "demand: /nowhere/demand.json", "/nowhere/demand.json"),
        ("text_encoder: null", "text_encoder: /nowhere", "/nowhere"),
        ("path: inbox/demo", "path: gs://b/c", "gs://b/c"),
        ("path: inbox/demo", "path: 's3:/x'", "s3:/x"),
        ("path: inbox/demo", "path: 's3://'", "s3://"),
        ("path: inbox/demo", "path: ~/photos", "~/photos"),
        ("path: inbox/demo", "path: inbox/demos", "inbox/demos"),
    ],
)
def test_a_value_that_means_something_else_is_refused_and_quoted(field, given, written):
    text = (PROFILES / "demo.yaml").read_text()
    assert field in text
    with pytest.raises(ProfileError) as raised:
        parse_profile(text.replace(field, given, 1), "mine.yaml")
    line = 1 + text[: text.index(field)].count("\n")
    message = str(raised.value)
    assert message.startswith(f"mine.yaml:{line} ")
    assert written in message
    assert "\n" not in message


def test_1e3_is_a_number_as_in_yaml_1_2():
    text = (PROFILES / "demo.yaml").read_text()
    written = text.replace("learning_rate: 3.0e-3", "learning_rate: 3e-3", 1)
    assert written != text
    assert parse_profile(written, "mine.yaml") == parse_profile(text, "mine.yaml")


def test_one_fault_is_told_once():
    text = (PROFILES / "demo.yaml").read_text()
    for before, after in (
        ("    ct:\n", "    ctt:\n"),
        ("\ntraining:\n", "\ntrainng:\n"),
        ("value: 0.012", "value: abc"),
        ("[blur, pixelate", "[blurr, pixelate"),
    ):
        assert before in text
        [line] = complaint(text.replace(before, after, 1)).splitlines()
        assert "Did you mean" in line or "threshold" in line


@pytest.mark.parametrize(
    "uri", ["http://mlflow:5000", "https://x/y", "sqlite:////a b/mlflow.db", "databricks"]
)
def test_an_address_that_mlflow_takes_is_taken(uri):
    text = (PROFILES / "demo.yaml").read_text().replace("uri: null", f"uri: '{uri}'", 1)
    assert parse_profile(text, "mine.yaml").tracking.uri == uri
