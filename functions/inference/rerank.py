"""Chunks → scored sentences → an answer. Sentences of chunks seen lately keep their vectors.

Embedding sixty sentences takes far longer than everything else about a question, and questions
come back to the same documents.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from functions.index.chunks import Chunk
from functions.index.embedder import Embedder
from functions.index.generation import Vectors
from functions.inference.answer import Answer, compose, split
from functions.inference.retrieve import Hit
from functions.inference.score import Sentence, scores

MOST_CHUNKS = 4096
"""Chunks whose sentences are kept: about 40 MB of vectors."""
Cut = tuple[list[Sentence], Vectors]


class Reranker:
    """Scores sentences with the same embedder that found their chunks. Blocking."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._lock = threading.Lock()
        self._seen: OrderedDict[Chunk, Cut] = OrderedDict()

    def answer(self, question: str, query: Vectors, hits: Sequence[Hit]) -> Answer:
        """Answer `question`, whose vector is `query`, from the chunks that were found."""
        cuts = self._cuts([hit.chunk for hit in hits])
        candidates = [sentence for sentences, _ in cuts for sentence in sentences]
        if not candidates:
            return compose([], [], np.empty((0, len(query)), dtype=np.float32))
        by_sentence = np.concatenate([vectors for _, vectors in cuts])
        by_chunk = np.repeat(
            np.stack([hit.vector for hit in hits]), [len(found) for found, _ in cuts], axis=0
        )
        scored = scores(question, candidates, query, (by_sentence, by_chunk))
        return compose(candidates, scored, by_sentence)

    def _cuts(self, chunks: Sequence[Chunk]) -> list[Cut]:
        with self._lock:
            known = {chunk: self._seen[chunk] for chunk in chunks if chunk in self._seen}
        fresh = self._embed([chunk for chunk in chunks if chunk not in known])
        with self._lock:
            for chunk, cut in (known | fresh).items():
                self._seen[chunk] = cut
                self._seen.move_to_end(chunk)
            while len(self._seen) > MOST_CHUNKS:
                self._seen.popitem(last=False)
        return [(known | fresh)[chunk] for chunk in chunks]

    def _embed(self, chunks: Sequence[Chunk]) -> dict[Chunk, Cut]:
        found = [split(chunk) for chunk in chunks]
        vectors = self._embedder.embed([one.text for sentences in found for one in sentences])
        borders = np.cumsum([len(sentences) for sentences in found])[:-1]
        parts = np.split(vectors, borders) if found else []
        return dict(zip(chunks, zip(found, parts, strict=True), strict=True))
