"""What we import from transformers, for pyright alone.

The package's own `__init__` names two thousand classes. Reading all their modules takes a fifth of pyright's
time: 175 s of CPU time against 135 s. Add a line here for each class that is imported from `transformers`.
"""

from transformers.models.auto.configuration_auto import AutoConfig as AutoConfig
from transformers.models.auto.modeling_auto import AutoModelForImageTextToText as AutoModelForImageTextToText
from transformers.models.auto.tokenization_auto import AutoTokenizer as AutoTokenizer
from transformers.models.bert.modeling_bert import BertModel as BertModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
    Qwen2VLImageProcessorPil as Qwen2VLImageProcessorPil,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase as PreTrainedTokenizerBase
