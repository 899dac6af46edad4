"""Entities by patterns alone: amounts, percentages, dates, and firms by their legal form.

Answers only while no release is configured and the operator asked for it; the response says so.
Pure.
"""

import re
from collections.abc import Mapping

from functions.ner.decode import Entity

NUMBER = r"\d+(?:[.,]\d+)*"
MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
SCALE = r"(?:\s?(?:trillion|billion|million|thousand|bn|mn|m|k)\b)?"
PATTERNS: Mapping[str, re.Pattern[str]] = {
    "MONEY": re.compile(
        rf"(?:US|A|C|HK|S)?[$€£¥₹]\s?{NUMBER}{SCALE}"
        rf"|\b(?:USD|EUR|GBP|CHF|JPY|SEK|NOK|DKK)\s{NUMBER}{SCALE}"
        rf"|\b{NUMBER}{SCALE}\s(?:dollars|euros|pounds|yen|francs|cents|pence)\b"
    ),
    "PERCENT": re.compile(rf"\b{NUMBER}\s?(?:%|percent\b|per cent\b)"),
    "DATE": re.compile(
        rf"\b(?:\d{{1,2}}\s)?{MONTH}\s(?:\d{{1,2}},\s)?(?:19|20)\d{{2}}\b"
        r"|\b(?:Q[1-4]|H[12])(?:\s(?:19|20)\d{2})?\b|\b(?:19|20)\d{2}\b"
    ),
    "ORG": re.compile(
        r"\b[A-Z][\w&'-]*(?:\s[A-Z&][\w&'-]*){0,4},?\s(?:AG|SE|Inc\.?|Ltd\.?|plc|GmbH|Corp\.?|LLC)(?!\w)"
    ),
}
SCORE = 0.5
"""A pattern is no probability; callers that sort by score put these last."""


def find(text: str) -> list[Entity]:
    """Find what the patterns match; of two that overlap, the one that begins first."""
    found = sorted(
        (match.start(), -match.end(), label)
        for label, pattern in PATTERNS.items()
        for match in pattern.finditer(text)
    )
    entities, reached = list[Entity](), 0
    for start, negative_end, label in found:
        if start >= reached:
            reached = -negative_end
            entities.append(Entity(text[start:reached], label, SCORE, start, reached))
    return entities
