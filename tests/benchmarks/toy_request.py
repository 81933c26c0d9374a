"""A request about one toy item, for tests of clients and judges."""

import hashlib

from toy_bench import item, prompt
from toy_suite import picture

from benchmarks.judges.judge import JudgeRequest
from models.common.pixels import encode_jpeg, encode_png
from models.vlm.transport import ImagePayload

SOURCE, OUTPUT = encode_png(picture("s", 24, 40)), encode_jpeg(picture("o", 48, 64), 90)
PROMPTS = {"add": prompt("add")}


def request(protocol, one=None, question=0, source=SOURCE, output=OUTPUT) -> JudgeRequest:
    """Returns a request of a protocol about an item, whose images are given as files."""
    files = {"source": source, "output": output}
    digests = {role: hashlib.sha256(data).hexdigest() for role, data in files.items()}
    one = one or item()
    return JudgeRequest(
        suite="s", model="m", sample_id=one.sample_id, lang="en", question=protocol.questions(one)[question],
        attempt=1, repeat=0, payload=ImagePayload(files, digests), upright=False,
    )  # fmt: skip
