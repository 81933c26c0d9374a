"""Profiles: the only place where sizes, paths, thresholds and backends are set, and their validation."""

import json
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from assets.cached.config import EncodeConfig, MixturesConfig
from assets.captioned.config import CaptionedConfig
from assets.corpora.config import CorporaConfig, DemoCorpusConfig
from assets.dedup.config import DedupConfig, PairsConfig
from assets.filtered.config import FilteredConfig
from assets.filtered.decide import check_rules
from assets.lake.schemas import CATEGORIES
from assets.longtail.config import LongtailConfig
from assets.measured.registry import IMAGE_MEASURES
from assets.postfiltered.config import PostfilteredConfig
from assets.synthesized.config import SynthesizedConfig
from assets.synthesized.templates.catalogue import TEMPLATES, inverse_name
from assets.training.config import TrainingConfig
from benchmarks.config import BenchConfig
from models.backends import BackendsConfig
from models.common.checks import did_you_mean, http_address
from models.common.fields import Identity, Operational
from models.editor.geometry import PATCH
from orchestration.profile_errors import ProfileError, describe
from orchestration.profile_text import read_profile_text
from trainers.small.config import DescriptorTrainingConfig, EvaluatorTrainingConfig
from trainers.stages.registry import STAGE_NAMES

TEXT_DIMENSION = 384
"""Channels of a token state of all-MiniLM-L6-v2, the only text encoder with a backend."""

PROFILES = Path(__file__).parents[1] / "profiles"

TEXT_LANGUAGES = ("en",)
"""What all-MiniLM-L6-v2 was trained to read."""

TRACKING_URI = re.compile(r"https?://.+|sqlite:///.+|(postgresql|mysql|mssql)(\+\w+)?://.+|databricks")
"""Matches the stores of MLflow that hold a model registry."""

MAX_BYTES = 1_000_000
"""Larger files are refused without reading them: a profile is never this large."""


class EngineConfig(BaseModel, frozen=True, extra="forbid"):
    """Where the work on shards runs. It affects the speed, never the result."""

    kind: Operational[Literal["pool"]] = Field(description="pool: worker processes on this machine")
    workers: Operational[int] = Field(ge=1, le=1024, description="worker processes with one thread each")


class TrackingServerConfig(BaseModel, frozen=True, extra="forbid"):
    """Where MLflow stores runs and registered models."""

    uri: Operational[str | None] = Field(
        description="MLflow tracking URI; null keeps everything in the home, in SQLite"
    )
    experiment: Operational[str] = Field(
        pattern=r"^\S(.*\S)?$", description="MLflow experiment that groups the runs of the training stages"
    )
    model: Operational[str] = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="name under which the stages are registered, as in models:/<name>@champion",
    )

    @field_validator("uri")
    @classmethod
    def _is_known_to_mlflow(cls, uri: str | None) -> str | None:
        if uri is not None and not TRACKING_URI.fullmatch(uri):
            raise ValueError(
                "MLflow takes addresses such as http://localhost:5000 or sqlite:////folder/mlflow.db. Write "
                "one like these."
            )
        return http_address(uri) if uri is not None and uri.startswith("http") else uri


class Profile(BaseModel, frozen=True, extra="forbid"):
    """All settings of one system, stage by stage in the order of the lineage."""

    name: Operational[str] = Field(
        pattern=r"^[a-z0-9][a-z0-9-]*$", description="name of the profile and of its home folder"
    )
    description: Operational[str] = Field(description="one line that says what the profile is for")
    engine: EngineConfig
    backends: BackendsConfig
    demo: Identity[DemoCorpusConfig | None] = Field(description="the demo's corpus; null without one")
    corpora: CorporaConfig
    descriptor: DescriptorTrainingConfig
    dedup: DedupConfig
    filtered: FilteredConfig
    captioned: CaptionedConfig
    synthesized: SynthesizedConfig
    longtail: LongtailConfig
    pairs: PairsConfig
    evaluator_training: EvaluatorTrainingConfig
    postfiltered: PostfilteredConfig
    mixtures: MixturesConfig
    encode: EncodeConfig
    training: TrainingConfig
    bench: BenchConfig
    tracking: TrackingServerConfig

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        missing = [stage for stage in STAGE_NAMES if stage not in self.mixtures.stages]
        if missing:
            raise ValueError(f"mixtures.stages has no {missing[0]}. Add the mixture of this stage.")
        editor = self.training.trainer.editor
        channels = self.encode.codec_channels
        if editor.latent_channels != channels:
            raise ValueError(
                f"training.trainer.editor.latent_channels is {editor.latent_channels}, but "
                f"encode.codec_channels is {channels}. Write the same number for both."
            )
        largest = 3 * self.encode.codec_patch**2
        if channels > largest:
            raise ValueError(
                f"encode.codec_patch is {self.encode.codec_patch}, so a patch has {largest} values, but "
                f"encode.codec_channels is {channels}. Write a larger patch or fewer channels."
            )
        token = PATCH * self.encode.codec_patch
        for stage, mixture in self.mixtures.stages.items():
            if mixture.side % token:
                raise ValueError(
                    f"mixtures.stages.{stage}.side is {mixture.side}, but a token covers {token} pixels "
                    f"(encode.codec_patch times {PATCH}). Write a multiple of {token}."
                )
        if editor.text_dim != TEXT_DIMENSION:
            raise ValueError(
                f"training.trainer.editor.text_dim is {editor.text_dim}, but all-MiniLM-L6-v2 gives "
                f"{TEXT_DIMENSION} channels. Write {TEXT_DIMENSION}."
            )
        unread = [language for language in self.mixtures.languages if language not in TEXT_LANGUAGES]
        if unread:
            raise ValueError(
                f"mixtures.languages has {unread[0]}, but all-MiniLM-L6-v2 reads "
                f"{', '.join(TEXT_LANGUAGES)}. Write [{', '.join(TEXT_LANGUAGES)}]."
            )
        return self

    @model_validator(mode="after")
    def _rules_name_measures(self) -> Self:
        check_rules(self.filtered.rules, IMAGE_MEASURES)
        return self

    @model_validator(mode="after")
    def _exempted_names_exist(self) -> Self:
        categories = list(dict.fromkeys(name for one in CATEGORIES.items() for name in (one[0], *one[1])))
        edits = [*TEMPLATES, *map(inverse_name, TEMPLATES)]
        named = {
            f"filtered.rules.{name}.unless_category": (rule.unless_category, categories)
            for name, rule in self.filtered.rules.items()
        } | {
            "pairs.unrelated_exempt": (self.pairs.unrelated_exempt, [*categories, *edits]),
            "postfiltered.alignment_exempt": (self.postfiltered.alignment_exempt, [*categories, *edits]),
        }
        for field, (names, known) in named.items():
            for name in names:
                if name not in known:
                    raise ValueError(f"{field}: nothing is called {name}. {did_you_mean(name, known)}")
        return self

    @model_validator(mode="after")
    def _demo_corpus_is_read(self) -> Self:
        if self.demo is not None and self.demo.corpus not in {c.name for c in self.corpora.corpora}:
            raise ValueError(
                f"demo.corpus is {self.demo.corpus}, but no corpus under corpora.corpora has this name. "
                f"Add one with path inbox/{self.demo.corpus}, or set demo to null."
            )
        for index, corpus in enumerate(self.corpora.corpora):
            path = f"inbox/{corpus.name}"
            if self.demo is not None and corpus.name == self.demo.corpus and corpus.path.rstrip("/") != path:
                raise ValueError(
                    f"corpora.corpora.{index}.path is {corpus.path}, but the demo's images are written to "
                    f"{path}. Write this path, or set demo to null."
                )
        return self


def profile_path(name: str) -> Path:
    """Returns the file of a profile.

    Args:
        name: path of a YAML file, or name of a profile in `profiles/`.

    Raises:
        ProfileError: the file does not exist; the message lists the profiles in `profiles/`.
    """
    for candidate in (Path(name), PROFILES / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    if Path(name).is_dir():
        raise ProfileError(f"{name} is a folder. Give the path of a YAML file, or the name of a profile.")
    known = ", ".join(sorted(path.stem for path in PROFILES.glob("*.yaml")))
    raise ProfileError(f"No profile {name}. Give the path of a YAML file, or one of these names: {known}.")


def load_profile(name: str) -> Profile:
    """Returns the profile with a name or path.

    Raises:
        ProfileError: the profile is invalid; one line for each error, with file, line, field and fix.
    """
    path = profile_path(name)
    if path.stat().st_size > MAX_BYTES:
        raise ProfileError(
            f"{path} is larger than {MAX_BYTES:,} bytes, so it is not a profile. Give a YAML file."
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        reason = f"{path}: byte {error.start} is not UTF-8. Save the profile as UTF-8 text."
        raise ProfileError(reason) from error
    return parse_profile(text, str(path))


def parse_profile(text: str, file: str) -> Profile:
    """Returns the profile in a YAML text.

    Args:
        text: content of the file.
        file: name of the file in error messages.

    Raises:
        ProfileError: the profile is invalid; one line for each error, with file, line, field and fix.
    """
    content = read_profile_text(text, file)
    try:
        # As JSON, because there a list is a tuple and a text is a path while all other types stay strict.
        return Profile.model_validate_json(json.dumps(content.value), strict=True)
    except ValidationError as error:
        raise ProfileError(describe(error, content.lines, file, Profile)) from error


def with_images(profile: Profile, folder: Path) -> Profile:
    """Returns the profile with a folder of images instead of the demo's built-in photographs.

    Raises:
        ProfileError: the profile has no demo corpus.
    """
    if profile.demo is None:
        raise ProfileError(
            f"Profile {profile.name} has no demo corpus, which --images would replace. "
            "List your folder under corpora.corpora instead."
        )
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "images"
    demo = profile.demo.model_copy(update={"images": folder.resolve()})
    return profile.model_copy(update={"demo": demo, "name": f"{profile.name}-{name}"})


def default_home(profile: Profile) -> Path:
    """Returns the default home of a profile, `./.emberline/<profile>`."""
    return Path.cwd() / ".emberline" / profile.name
