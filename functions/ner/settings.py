"""The settings of ner: read from the environment once, when the function loads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Which release is served, and within which bounds."""

    digest: str
    """`MODEL_DIGEST`: the release to serve, `sha256:<hex>`; a rollout sets it. Default: none."""
    cache: Path
    """`MODEL_CACHE_DIR`: the model cache. Default /models."""
    threads: int
    """`MODEL_THREADS`: threads of one inference; 0 leaves it to the backend. Default 1."""
    device: str
    """`MODEL_DEVICE`: cpu, cuda or cuda:N. Default cpu."""
    int8: bool
    """`MODEL_PRECISION`: `int8` serves the eight-bit form where the release has one (what it loses
    is in the manifest's metrics), `fp32` the full one. Default fp32."""
    bf16: bool
    """`MODEL_PRECISION=bf16`: the full form starts, and once it is steady it computes in bfloat16,
    where the extra `bf16` is installed and the CPU multiplies in it; elsewhere it stays as it is."""
    steady: bool
    """`MODEL_STEADY`: `false` keeps the form that opens quickly: a little slower at every answer,
    weights shared between processes. Default true."""
    max_bytes: int
    """`NER_MAX_BYTES`: bytes of all texts of a request, 413 past it. Default 262144, which one
    core reads within the default time."""
    max_texts: int
    """`NER_MAX_TEXTS`: texts of a request, 422 past it. Default 1024."""
    window: int
    """`NER_WINDOW_TOKENS`: tokens that the model sees at once. Default 126."""
    overlap: int
    """`NER_OVERLAP_TOKENS`: tokens that neighbouring windows share. Default 32."""
    batch_tokens: int
    """`NER_BATCH_TOKENS`: tokens of one batch. Default 448 on a CPU, where larger
    ones are no quicker a token and what arrives meanwhile waits longer; 1024 on a GPU."""
    queue_tokens: int
    """`NER_QUEUE_TOKENS`: tokens that may wait; 429 past it. Default 65536."""
    batch_wait_ms: int
    """`NER_BATCH_WAIT_MS`: how long an idle model waits for company. Default 0."""
    timeout_ms: int
    """`NER_TIMEOUT_MS`: a request's time, 504 past it. Default 30000."""
    class_ids: bool
    """`NER_OIP_OUTPUT`: what an inference request that names no output gets: `entities`, or
    `class-ids` as KServe's Hugging Face runtime answers. Default entities."""
    heuristics: bool
    """`NER_HEURISTICS`: `true` answers by patterns while no release is configured. Default false."""
    shadow_share: float = 0.0
    """`NER_SHADOW_SHARE`: share of requests, 0 to 1, that is remembered in memory, so that a rollout
    may have its candidate answer them too. Default 0: nothing is remembered."""
    shadow_redact: bool = True
    """`NER_SHADOW_REDACT`: `false` logs the texts that a candidate reads otherwise. Default true."""
    service: str = ""
    """`K_SERVICE`: set by Knative; whose tags may be asked in shadow."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read `environ`; a value that is not a number raises ValueError with its name."""
        device = environ.get("MODEL_DEVICE", "cpu")
        precision = _choice(environ, "MODEL_PRECISION", ("fp32", "int8", "bf16"))
        return cls(
            digest=environ.get("MODEL_DIGEST", ""),
            cache=Path(environ.get("MODEL_CACHE_DIR", "/models")),
            threads=_integer(environ, "MODEL_THREADS", 1),
            device=device,
            int8=precision == "int8",
            bf16=precision == "bf16",
            steady=_choice(environ, "MODEL_STEADY", ("true", "false")) == "true",
            max_bytes=_integer(environ, "NER_MAX_BYTES", 1 << 18),
            max_texts=_integer(environ, "NER_MAX_TEXTS", 1024),
            window=_integer(environ, "NER_WINDOW_TOKENS", 126),
            overlap=_integer(environ, "NER_OVERLAP_TOKENS", 32),
            batch_tokens=_integer(environ, "NER_BATCH_TOKENS", 448 if device == "cpu" else 1024),
            queue_tokens=_integer(environ, "NER_QUEUE_TOKENS", 65_536),
            batch_wait_ms=_integer(environ, "NER_BATCH_WAIT_MS", 0),
            timeout_ms=_integer(environ, "NER_TIMEOUT_MS", 30_000),
            class_ids=_choice(environ, "NER_OIP_OUTPUT", ("entities", "class-ids")) == "class-ids",
            heuristics=environ.get("NER_HEURISTICS", "").lower() == "true",
            shadow_share=_share(environ, "NER_SHADOW_SHARE"),
            shadow_redact=_choice(environ, "NER_SHADOW_REDACT", ("true", "false")) == "true",
            service=environ.get("K_SERVICE", ""),
        )


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Read one of `choices`; the first is the default."""
    value = environ.get(name, choices[0]).lower()
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {environ[name]!r}")
    return value


def _share(environ: Mapping[str, str], name: str) -> float:
    try:
        found = float(environ.get(name, 0))
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, not {environ[name]!r}")
    return found


def _integer(environ: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(environ.get(name, default))
    except ValueError as error:
        message = f"{name} must be a whole number, not {environ[name]!r}"
        raise ValueError(message) from error
