"""Tag scores become entities: words are judged whole, offsets are the sender's characters."""

import numpy as np

from functions.ner.decode import Entity, Pieces, Tags, entities

TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG")


def decode(text: str, words: list[str], tags: list[str]) -> list[Entity]:
    """One tag a word; a word is written `an|na` where its pieces part."""
    ids, offsets, numbers, rows = [], [], [], []
    position = 0
    for number, (word, tag) in enumerate(zip(words, tags, strict=True)):
        for piece in word.split("|"):
            start = text.index(piece, position)
            position = start + len(piece)
            ids.append(9)
            offsets.append((start, position))
            numbers.append(number)
            rows.append([8.0 if tag == name else 0.0 for name in TAGS])
            tag = tag.replace("B-", "I-")  # noqa: PLW2901 - the pieces behind the first
    return entities(text, Pieces(ids, offsets, numbers), np.array(rows, np.float32), Tags(TAGS))


def found(text: str, words: list[str], tags: list[str]) -> list[tuple[str, str]]:
    return [(one.text, one.label) for one in decode(text, words, tags)]


def test_an_entity_reaches_from_its_first_word_to_its_last() -> None:
    text = "Then Anna Berg left."
    words = ["Then", "An|na", "Berg", "left", "."]
    assert found(text, words, ["O", "B-PER", "I-PER", "O", "O"]) == [("Anna Berg", "PER")]


def test_two_that_touch_stay_two() -> None:
    tags = ["B-PER", "B-PER", "B-ORG"]
    assert found("Anna Bert Bosch", ["Anna", "Bert", "Bosch"], tags) == [
        ("Anna", "PER"),
        ("Bert", "PER"),
        ("Bosch", "ORG"),
    ]


def test_an_inside_without_a_beginning_begins() -> None:
    assert found("of Bosch AG", ["of", "Bosch", "AG"], ["O", "I-ORG", "I-ORG"]) == [
        ("Bosch AG", "ORG")
    ]


def test_a_word_is_judged_by_all_of_its_pieces() -> None:
    logits = np.zeros((3, 5), np.float32)
    logits[0, 0], logits[1, 4], logits[2, 4] = 1, 8, 8  # the first piece alone would say O
    pieces = Pieces([1, 2, 3], [(0, 2), (2, 4), (4, 6)], [0, 0, 0])
    assert [one.text for one in entities("abcdef", pieces, logits, Tags(TAGS))] == ["abcdef"]


def test_combining_marks_belong_to_the_character_before() -> None:
    text = "Nestle\u0301 grew"
    (entity,) = decode(text, ["Nestle", "grew"], ["B-ORG", "O"])
    assert (entity.start, entity.end, entity.text) == (0, 7, "Nestle\u0301")


def test_a_score_is_a_probability() -> None:
    (entity,) = decode("Anna", ["Anna"], ["B-PER"])
    assert 0.9 < entity.score <= 1


def test_nothing_in_nothing_out() -> None:
    assert entities("", Pieces([], [], []), np.zeros((0, 5), np.float32), Tags(TAGS)) == []
