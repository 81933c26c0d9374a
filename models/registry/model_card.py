"""What a person should know before using a registered version, as Markdown."""

from collections.abc import Mapping

TEMPLATE = """\
# {name}, stage {stage}

Edits a picture by an instruction. A diffusion transformer (`QwenImageTransformer2DModel`, {parameters:,}
parameters) trained at {sample_size} x {sample_size} pixels.

```python
import mlflow, pandas as pd
editor = mlflow.pyfunc.load_model("models:/{name}@champion")
row = {{"image": open("picture.jpg", "rb").read(), "instruction": "Make the picture brighter."}}
png = editor.predict(pd.DataFrame([row]), params={{"num_inference_steps": 8, "seed": 0}})["image"][0]
```

The files are a diffusers folder as well: `DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)`
takes several reference pictures, none at all, and batches.

## Training

{training}

## Data

{data}

## Limits

{limits}
"""

LIMITS = (
    "Output has the size that the model was trained at; larger pictures are scaled to cover it and cropped.",
    "Instructions in other languages than {languages} are refused: the text encoder cannot read them.",
    "Edits outside the kinds that it was trained on change the picture in ways that nobody has measured.",
    "Loading runs the Python files inside the version: register and load only what you trust.",
)


def model_card(
    *,
    name: str,
    stage: str,
    parameters: int,
    sample_size: int,
    languages: tuple[str, ...],
    training: Mapping[str, object],
    data: Mapping[str, object],
) -> str:
    """Returns the card of one version.

    Args:
        name: of the registered model.
        stage: pretrain, ct, sft, dpo or nft.
        parameters: of the transformer.
        sample_size: side in pixels of the pictures that it was trained on.
        languages: what its text encoder reads.
        training: facts in reading order: starting checkpoint, steps, losses, commit.
        data: facts in reading order: digest of the mixture, samples, groups held out, licences.
    """
    return TEMPLATE.format(
        name=name,
        stage=stage,
        parameters=parameters,
        sample_size=sample_size,
        training=_table(training),
        data=_table(data),
        limits="\n".join(f"- {limit.format(languages=', '.join(languages))}" for limit in LIMITS),
    )


def _table(facts: Mapping[str, object]) -> str:
    rows = [f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in facts.items()]
    return "\n".join(["| | |", "|---|---|", *rows])
