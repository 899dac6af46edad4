"""What the routes share: reading a body, and counting what came of a question."""

from starlette.requests import Request

from functions.inference.research import Draft, Research
from functions.inference.schema import ResearchRequest
from functions.runtime.errors import UnsupportedMediaType
from functions.runtime.model_metrics import INFERENCE_REQUESTS

MEDIA_TYPES = ("application/json", "application/x-www-form-urlencoded")
"""The second is what `curl -d` says of whatever it is given; the body is JSON all the same."""
ASKED = "research"
"""The `model` label of a question: what answers it is a chain, and named in the answer."""


async def json_body(request: Request) -> bytes:
    """Read a body that is announced as JSON."""
    media = request.headers.get("content-type", MEDIA_TYPES[0]).partition(";")[0].strip()
    if media.lower() not in MEDIA_TYPES:
        raise UnsupportedMediaType("send the question as application/json")
    return await request.body()


async def counted(research: Research, asked: ResearchRequest) -> Draft:
    """Draft an answer, and count it by its outcome."""
    draft = await research.draft(asked)
    result = "answered" if draft.answer.supported else "unsupported"
    INFERENCE_REQUESTS.labels(model=ASKED, result=result).inc()
    return draft
