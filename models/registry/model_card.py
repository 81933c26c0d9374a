"""The model card of a registered version, as Markdown."""

from collections.abc import Mapping

TEMPLATE = """\
# {name}, stage {stage}

Edits an image by an instruction. A diffusion transformer (`QwenImageTransformer2DModel`, {parameters:,}
parameters) trained at {sample_size} x {sample_size} pixels.

```python
import mlflow, pandas as pd
editor = mlflow.pyfunc.load_model("models:/{name}@champion")
row = {{"image": open("picture.jpg", "rb").read(), "instruction": "Make the picture brighter."}}
png = editor.predict(pd.DataFrame([row]), params={{"num_inference_steps": 8, "seed": 0}})["image"][0]
```

The files are a diffusers folder as well: `DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)`
takes any number of reference images, and batches.

## Training

{training}

## Data

{data}

## Limits

{limits}
"""

LIMITS = (
    "An image is edited in its own shape at about {sample_size} x {sample_size} pixels, and the edit is "
    "scaled back to the size of the image: detail finer than that is lost.",
    "Instructions in languages other than {languages} are refused, since the text encoder cannot read them.",
    "Kinds of edits that the model was not trained on have not been evaluated.",
    "Loading a version runs the Python files in it. Register and load only versions that you trust.",
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
        name: name of the registered model.
        stage: pretrain, ct, sft, dpo or nft.
        parameters: number of parameters of the transformer.
        sample_size: side in pixels of the training images.
        languages: languages of its text encoder.
        training: facts in display order: starting checkpoint, steps, losses, commit.
        data: facts in display order: digest of the mixture, samples, held-out groups, licences.
    """
    return TEMPLATE.format(
        name=name,
        stage=stage,
        parameters=parameters,
        sample_size=sample_size,
        training=_table(training),
        data=_table(data),
        limits="\n".join(
            f"- {limit.format(languages=', '.join(languages), sample_size=sample_size)}" for limit in LIMITS
        ),
    )


def _table(facts: Mapping[str, object]) -> str:
    rows = [f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in facts.items()]
    return "\n".join(["| | |", "|---|---|", *rows])
