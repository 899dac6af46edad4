"""What fills a slot: names from lists, companies from pytickersymbols, figures and dates made up.

Every choice is drawn from the generator that is passed in, so a seed gives the same sentences.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from random import Random

from pytickersymbols import PyTickerSymbols

POOLS = Path(__file__).with_name("pools.txt")
LEGAL_FORM = re.compile(
    r",? (Inc|Corp|Corporation|Company|plc|Ltd|Limited|AG|SE|Group|Holdings?)\.?$"
)
MANAGER = re.compile(r"([A-Z][^\W\d_]+(?: [A-Z]\.)?(?: [A-Z][^\W\d_]+){1,2}) ?\(")


@cache
def pools() -> Mapping[str, list[str]]:
    """Read the word lists, by section."""
    found: dict[str, list[str]] = {}
    for section in POOLS.read_text(encoding="utf-8").split("\n[")[1:]:
        name, body = section.split("]\n", 1)
        separator = ";" if ";" in body else ", "
        found[name] = [
            item.strip()
            for line in body.splitlines()
            for item in line.split(separator)
            if item.strip()
        ]
    stocks = PyTickerSymbols().get_all_stocks()
    found["company"] = [re.sub(r" ?\(.*\)", "", stock["name"]).strip() for stock in stocks]
    facts = (stock.get("metadata") or {} for stock in stocks)
    people = (fact.get("key_people") or "" for fact in facts)
    found["manager"] = [name for text in people for name in MANAGER.findall(text)]
    return found


def pick(rng: Random, pool: str) -> str:
    """Draw one word of a list."""
    return rng.choice(pools()[pool])


def person(rng: Random) -> str:
    """Draw a full name, now and then with an initial, a family name alone or a real manager."""
    kind = rng.random()
    if kind < 0.15:
        return pick(rng, "last")
    if kind < 0.3:
        return pick(rng, "manager")
    if kind < 0.36:
        return f"{pick(rng, 'last')} {pick(rng, 'first')}"
    initial = rng.choice(["", "", "", "", "", f"{rng.choice('ABCDEFGHJKLMNPRST')}. "])
    return f"{pick(rng, 'first')} {initial}{pick(rng, 'last')}"


def organisation(rng: Random) -> str:
    """Draw a listed company (its legal form often left out), another body, or an invented firm."""
    kind = rng.random()
    if kind < 0.5:
        name = pick(rng, "company")
        return LEGAL_FORM.sub("", name) if rng.random() < 0.7 else name
    if kind < 0.75:
        return pick(rng, "organisation")
    return _invented_firm(rng)


def _invented_firm(rng: Random) -> str:
    owner = pick(rng, rng.choice(["surname_co", "surname_co", "last"]))
    if rng.random() < 0.25:
        owner = pick(rng, "brandpart").title() + pick(rng, "brandend")
    name = rng.choice([owner, f"{owner} {pick(rng, 'kind_co')}", f"{owner} {pick(rng, 'kind_co')}"])
    return f"{name} {pick(rng, 'legal')}" if rng.random() < 0.25 else name


def product(rng: Random) -> str:
    """Draw a known product, or invent a brand or a model number."""
    kind = rng.random()
    if kind < 0.6:
        return pick(rng, "product")
    brand = pick(rng, "brandpart") + pick(rng, "brandend")
    if kind < 0.75:
        return brand.title()
    if kind < 0.9:
        return f"{brand.title()} {pick(rng, 'suffix')}"
    letters = "".join(rng.choices("ABCDEFGHKLMNPQRSTVXZ", k=rng.randint(1, 3)))
    return (
        f"{letters}{rng.choice(['', '-', ' '])}{rng.choice([3, 5, 7, 20, 45, 100, 250, 700, 900])}"
    )


def amount(rng: Random) -> str:
    """Draw a figure as people write it."""
    return rng.choice(
        [
            f"{rng.randint(1, 99)}",
            f"{rng.randint(1, 99)}.{rng.randint(1, 9)}",
            f"{rng.randint(1, 9)}.{rng.randint(10, 99)}",
            f"{rng.randint(1, 99)},{rng.randint(100, 999)}",
            f"{rng.randint(100, 999)}",
        ]
    )


def money(rng: Random) -> str:
    """Draw an amount of money: the sign in front, or the word behind."""
    if rng.random() < 0.2:
        scale = rng.choice(["", " million", " billion", ""])
        return f"{amount(rng)}{scale} {pick(rng, 'currencyword')}"
    sign = pick(rng, "currency")
    space = " " if sign.isalpha() else rng.choice(["", "", "", " "])
    scale = rng.choice(["", " ", " ", ""]) + pick(rng, "scale") if rng.random() < 0.65 else ""
    return f"{sign}{space}{amount(rng)}{scale}"


def percent(rng: Random) -> str:
    """Draw a percentage, by sign or by word."""
    words = ["two", "five", "ten", "fifteen", "twenty", "thirty", "ninety"]
    low = [f"{rng.randint(0, 99)}", f"{rng.randint(0, 99)}.{rng.randint(0, 9)}"]
    unit = rng.choice(["%", "%", " %", " percent", " per cent"])
    figure = rng.choice([*low, *low, rng.choice(words)] if unit.endswith("cent") else low)
    return f"{figure}{unit}"


def date(rng: Random) -> str:
    """Draw a calendar date or period; never a relative one."""
    year = str(rng.randint(2010, 2035) if rng.random() < 0.9 else rng.randint(1950, 2009))
    month, day = pick(rng, "month"), rng.randint(1, 30)
    quarter, half = (
        rng.choice(["first", "second", "third", "fourth"]),
        rng.choice(["first", "second"]),
    )
    return rng.choice(
        [
            *[year, f"{month} {year}", year, f"{day} {month} {year}", f"{month} {day}, {year}"],
            *[f"Q{rng.randint(1, 4)} {year}", f"Q{rng.randint(1, 4)}", f"the {quarter} quarter"],
            *[f"the {quarter} quarter of {year}", f"the {half} half of {year}", f"H1 {year}"],
            *[f"{rng.choice(['fiscal', 'fiscal year', 'FY'])} {year}", f"{day} {month}"],
            *[f"{month} {day}", month, pick(rng, "day"), f"{pick(rng, 'season')} {year}"],
            *[
                f"the {rng.choice(['three', 'six', 'nine'])} months to {month}",
                f"{year}-05-{day:02}",
            ],
            *[
                f"{pick(rng, 'season')} of {year}",
                f"{year}/{int(year[2:]) + 1:02}",
                f"the {year[:3]}0s",
            ],
        ]
    )


SLOTS: Mapping[str, tuple[str, Callable[[Random], str]]] = {
    "PER": ("PER", person),
    "ORG": ("ORG", organisation),
    "AUTHORITY": ("ORG", lambda rng: pick(rng, "authority")),
    "LOC": ("LOC", lambda rng: pick(rng, "place")),
    "PRODUCT": ("PRODUCT", product),
    "MONEY": ("MONEY", money),
    "PERCENT": ("PERCENT", percent),
    "DATE": ("DATE", date),
}
