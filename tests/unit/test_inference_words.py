"""What a question and a sentence are compared by: words, names, and places by any word for them."""

import pytest

from functions.inference.score import scores
from functions.inference.words import (
    asks_for_a_name,
    beginnings,
    names,
    places,
    says_a_name,
    stands,
    words,
    years,
)
from tests.support.evidence import QUERY, document


@pytest.mark.parametrize(
    "same",
    [
        "company companies", "price prices priced", "ship ships shipped shipping", "buy buys buying",
        "box boxes", "house houses", "cancel cancelled", "recycle recycled", "use uses", "loss losses",
    ],
)  # fmt: skip
def test_forms_of_a_word_are_one(same: str) -> None:
    assert len(words(same)) == 1


@pytest.mark.parametrize("others", ["gas gap", "bus bees", "sell sale", "ring rang", "less lease"])
def test_other_words_stay_apart(others: str) -> None:
    one, other = others.split()
    assert words(one) != words(other)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("English", "Water companies in England"), ("Poles", "Poland had 46,000"),
        ("French", "in France"), ("Spanish", "shops in Spain"), ("Netherlands", "Dutch insurers"),
        ("Britons", "in the United Kingdom"), ("Rupyo", "the app of Rupyo's"),
    ],
)  # fmt: skip
def test_a_people_stands_for_its_country(asked: str, text: str) -> None:
    (name,) = names(f"What do {asked} do?")
    assert stands(name, beginnings(text))
    assert not stands(name, beginnings("Dealers in Germany sold bicycles."))


def test_places_are_told_from_other_names() -> None:
    assert places(beginnings("Velora sells in Italy.")) == {"italy"}


def test_who_which_and_where_ask_for_a_name() -> None:
    asking = ("Who leads?", "Which brand leads?", "From where does it come?")
    assert all(asks_for_a_name(question) for question in asking)
    assert not asks_for_a_name("How many are there, and who buys them?")


def test_a_name_is_said_when_the_question_does_not_hold_it() -> None:
    question = "Which brand leads in Germany?"
    assert says_a_name("The leader is Velora of Bremen.", question)
    assert not says_a_name("Dealers in Germany sold the most.", question)


def score(question: str, text: str, title: str = "A title") -> float:
    (candidate,) = document(text, title=title)
    return scores(question, QUERY, [candidate])[0]


def test_a_sentence_about_another_country_costs() -> None:
    asked = "How many e-bikes were sold in France?"
    here, there = "Dealers sold two million.", "Dealers in Germany sold two million."
    assert score(asked, here, "France and Germany") > score(asked, there, "France and Germany")


def test_a_sentence_without_a_name_costs_where_one_is_asked_for() -> None:
    asked = "Which brand leads the market?"
    named, unnamed = "The market is led by Velora today.", "The market is led by nobody today."
    assert score(asked, named) > score(asked, unnamed)
    assert score("What leads the market?", named) == score("What leads the market?", unnamed)


def test_years_are_told_from_other_figures() -> None:
    assert years("In 2019, from 1998 to 2024.") == {"2019", "1998", "2024"}
    assert not years("2,019 of 20190 pieces at 1.2019 or 2019.5 each, in 1789")


def test_a_question_that_names_a_year_is_answered_only_where_one_of_its_years_stands() -> None:
    asked = "Were two million bicycles sold in 2019?"
    text = "Dealers sold two million bicycles."
    assert score(asked, text) < 0 < score(asked, text, "Sales of 2019")
    (dated,) = document(text, date="2019-05-01")
    assert scores(asked, QUERY, [dated])[0] > 0
    assert score("Were two million sold in 2019 or 2020?", text, "Sales of 2020") > 0
