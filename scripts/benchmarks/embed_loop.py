"""What a team writes first: encode a batch, upsert it, next batch; all of it again when something changed.

Run as a process of its own: `python -m … RELEASE TEXTS FOLDER` prints the seconds of a first and of a
second pass over the texts, a JSON list; a hundredth of them differs in the second pass.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

BATCH = 256
CHANGED = 100
"""Every so many texts, one is another in the second pass."""


def main(release: str, texts: str, folder: str) -> None:
    """Print the seconds of both passes."""
    import chromadb  # noqa: PLC0415 - only this process needs it
    from chromadb.config import Settings  # noqa: PLC0415 - as above
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - as above

    model = SentenceTransformer(release, device="cpu")
    known: list[str] = json.loads(Path(texts).read_text())
    model.encode(known[:BATCH])  # not counted: whatever the first call sets up
    client = chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False))
    collection = client.get_or_create_collection("chunks", embedding_function=None)
    first = _pass(model, collection, known)
    later = [f"{text} Corrected." if n % CHANGED == 0 else text for n, text in enumerate(known)]
    print(json.dumps([first, _pass(model, collection, later)]))


def _pass(model: Any, collection: Any, texts: Sequence[str]) -> float:
    begun = time.monotonic()
    for start in range(0, len(texts), BATCH):
        batch = list(texts[start : start + BATCH])
        ids = [str(start + place) for place in range(len(batch))]
        collection.upsert(ids=ids, embeddings=model.encode(batch), documents=batch)
    return time.monotonic() - begun


if __name__ == "__main__":
    main(*sys.argv[1:])
