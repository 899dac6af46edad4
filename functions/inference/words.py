"""Text → the words, names and places that a question and a sentence are compared by. Pure.

Words are compared without the endings of number and time, names by their beginnings, and a country by
any word for it or its people: a question about the Dutch is answered by a sentence on the Netherlands.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<=\s)[^\W\d_][\w-]*")
_ASKS = re.compile(r"\s*(?:from )?(?:who|which|whose|where)\b", re.IGNORECASE)
_YEAR = re.compile(r"(?<![\d.,])(?:19|20)\d\d(?![\d.,]*\d)")
_DOUBLED = re.compile(r"([b-df-hj-np-tv-z])\1$")
_HISSES = ("ses", "xes", "zes", "ches", "shes")
_BEGINNING = 5
_STOP = frozenset(
    word
    for line in (
        "a about an and any are as at be been by can could did do does for from had has have how",
        "i in is it its many me much my of on or our out please tell than that the their them there",
        "they this to was we were what when where which who whom whose why will with would you your",
    )
    for word in line.split()
)
_PLACES = tuple(
    tuple(line.split())
    for line in (
        "africa african", "america american usa", "argentina argentine", "asia asian", "australia",
        "austria", "belgium belgian", "brazil", "britain british briton kingdom", "bulgaria", "canada canadian",
        "chile", "china chinese", "colombia", "croatia croat", "czechia czech", "denmark danish danes",
        "egypt", "england english", "estonia", "europe european", "finland finnish finns",
        "france french", "germany german", "greece greek", "hungary hungarian", "iceland",
        "india indian", "indonesia", "ireland irish", "israel", "italy italian", "japan", "kenya",
        "korea", "latvia", "lithuania", "luxembourg", "malaysia", "mexico mexican", "morocco moroccan",
        "netherlands dutch holland", "nigeria", "norway norwegian", "pakistan", "peru", "philippines filipino",
        "poland polish poles", "portugal", "romania", "russia", "scotland scottish scots", "serbia serbs",
        "slovakia slovak", "slovenia", "spain spanish spaniard", "sweden swedish swede",
        "switzerland swiss", "taiwan", "thailand thai", "turkey turkish turks", "ukraine", "vietnam",
        "wales welsh",
    )
)  # fmt: skip


def words(text: str) -> frozenset[str]:
    """Return the words that carry meaning, lower-cased, without endings of number and time."""
    found = (match.group().lower() for match in _WORD.finditer(text))
    return frozenset(stem(word) for word in found if word not in _STOP)


def names(question: str) -> frozenset[str]:
    """Return the capitalised words after the first, by their beginnings; abbreviations are not."""
    chosen = (name for name in _capitalised(question) if not name.isupper())
    return frozenset(name.lower()[:_BEGINNING] for name in chosen)


def years(text: str) -> frozenset[str]:
    """Return the years that a text names; figures that look like one are among them."""
    return frozenset(_YEAR.findall(text))


def asks_for_a_name(question: str) -> bool:
    """Tell whether somebody, some thing or some place is asked for by name."""
    return _ASKS.match(question) is not None


def says_a_name(text: str, question: str) -> bool:
    """Tell whether a text holds a capitalised word after the first that the question does not."""
    said, asked = (frozenset(_capitalised(text)), names(question) | words(question))
    return any({name.lower()[:_BEGINNING], stem(name.lower())}.isdisjoint(asked) for name in said)


def beginnings(text: str) -> frozenset[str]:
    """Return how the words of a text begin, to find names among them."""
    return frozenset(match.group()[:_BEGINNING] for match in _WORD.finditer(text.lower()))


def places(near: frozenset[str]) -> frozenset[str]:
    """Return those of the beginnings that are of words for a place."""
    return near & _KIN.keys()


def stands(name: str, near: frozenset[str]) -> bool:
    """Tell whether a name is among these beginnings, or another word for the same place."""
    return name in near or not near.isdisjoint(_KIN.get(name, frozenset()))


@lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """Return a word as it is compared: `companies` and `company`, `prices` and `priced` are one."""
    bare = _without_time(_without_number(word))
    bare = _DOUBLED.sub(r"\1", bare)
    if len(bare) > 3 and bare.endswith("e"):  # noqa: PLR2004 - `price`, not `bee`
        bare = bare[:-1]
    return f"{bare[:-1]}i" if len(bare) > 3 and bare.endswith("y") else bare  # noqa: PLR2004 - not `buy`


def _capitalised(text: str) -> Iterator[str]:
    return (match.group() for match in _NAME.finditer(text) if match.group()[0].isupper())


def _without_number(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:  # noqa: PLR2004 - `ties` is no `ty`
        return f"{word[:-3]}y"
    if word.endswith(_HISSES) and len(word) > 4:  # noqa: PLR2004 - `uses` is of `use`
        return word[:-2]
    plural = word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural and len(word) > 3 else word  # noqa: PLR2004 - `gas` is no plural


def _without_time(word: str) -> str:
    for ending in ("ing", "ied", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:  # noqa: PLR2004 - `ship`, not `red`
            return word[: -len(ending)] + ("y" if ending == "ied" else "")
    return word


def _kin() -> dict[str, frozenset[str]]:
    """Map each beginning of a word for a place to those of the others."""
    groups = [frozenset(word[:_BEGINNING] for word in place) for place in _PLACES]
    return {word: group for group in groups for word in group}


_KIN = _kin()
