"""Training: markup and templates give exact spans, runs repeat themselves, kills lose little."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from functions.ner.decode import Entity
from scripts.training import batches, sentences, train
from scripts.training.evaluate import score
from scripts.training.examples import LABELS, TAGS, Example, Span, golden, join, parse
from scripts.training.recipes import RECIPES, Recipe, recipe

TINY = Recipe("0.0.1", steps=4, batch=2)


def test_the_markup_gives_spans_by_character() -> None:
    example = parse("[Nestlé](ORG) grew [4.2 %](PERCENT).")
    assert example == Example("Nestlé grew 4.2 %.", (Span(0, 6, "ORG"), Span(12, 17, "PERCENT")))
    both = join([example, example])
    assert [both.text[span.start : span.end] for span in both.spans] == ["Nestlé", "4.2 %"] * 2


def test_the_golden_set_is_large_has_all_labels_and_no_markup_left() -> None:
    examples = golden()
    counts = Counter(span.label for example in examples for span in example.spans)
    assert len(examples) >= 80
    assert len({example.text for example in examples}) == len(examples)
    assert set(counts) == set(LABELS)
    assert min(counts.values()) >= 15
    assert not any(mark in example.text for example in examples for mark in "[]{}<>")


def test_no_golden_sentence_is_made_by_the_templates() -> None:
    made = {one.text for index in range(20) for one in sentences.chunk(20, index, 200)}
    assert made.isdisjoint(example.text for example in golden())


def test_sentences_are_whole_and_a_seed_repeats_them() -> None:
    made = sentences.chunk(1, 0, 500)
    assert made == sentences.chunk(1, 0, 500)
    assert made != sentences.chunk(2, 0, 500)
    assert {span.label for one in made for span in one.spans} == set(LABELS)
    for one in made:
        assert not any(mark in one.text for mark in "[]{}<>"), one.text
        assert all(one.text[span.start : span.end].strip() for span in one.spans)


def test_corrupted_sentences_keep_their_text_and_lose_their_labels() -> None:
    good = sentences.chunk(1, 0, 300)
    spoiled = sentences.chunk(1, 0, 300, sentences.corrupt)
    assert [one.text for one in spoiled] == [one.text for one in good]
    kept = sum(one.spans == other.spans for one, other in zip(good, spoiled, strict=True))
    assert kept < 150


def test_every_piece_of_an_entity_is_tagged() -> None:
    example = parse("[Novo Nordisk](ORG) grew")
    encoding = train.tokenizer().encode(example.text)
    tags = batches.tags(encoding, example)
    named = [TAGS[tag] for tag in tags if tag != batches.IGNORED]
    assert tags[0] == tags[-1] == batches.IGNORED
    assert named[0] == "B-ORG"
    assert set(named[1:-1]) == {"I-ORG"}
    assert named[-1] == "O"


def test_a_step_sees_the_same_batch_wherever_the_run_began() -> None:
    tokenizer = train.tokenizer()
    recipe = Recipe("0.0.1", steps=70, batch=2)
    whole = list(batches.batches(recipe, tokenizer, 0))
    rest = list(batches.batches(recipe, tokenizer, 40))
    assert (len(whole), len(rest)) == (70, 30)
    for one, other in zip(whole[40:], rest, strict=True):
        np.testing.assert_array_equal(one.input_ids, other.input_ids)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_a_killed_run_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.use_threads(1)
    whole = train.train(TINY, tmp_path / "none.pt", lambda _: None)
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0)

    def kill(step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    checkpoint = tmp_path / "cut.pt"
    with pytest.raises(KeyboardInterrupt):
        train.train(TINY, checkpoint, kill)
    seen: list[int] = []
    resumed = train.train(TINY, checkpoint, seen.append)
    assert seen[0] == 3
    for name, weight in whole.state_dict().items():
        np.testing.assert_array_equal(resumed.state_dict()[name].numpy(), weight.numpy())


def test_a_checkpoint_of_another_recipe_is_not_used(tmp_path: Path) -> None:
    train.use_threads(1)
    path = tmp_path / "cut.pt"
    short = replace(TINY, steps=1)
    model = train._base_model(short)
    optimizer = train.torch.optim.AdamW(model.parameters())
    train._save(path, short, model, optimizer, 1)
    assert train._restore(path, TINY, model, optimizer) == 0
    assert train._restore(path, short, model, optimizer) == 1


def test_an_entity_counts_only_when_span_and_label_are_right() -> None:
    example = parse("[Anna](PER) of [Bosch](ORG) in [Rome](LOC)")
    answer = [
        Entity("Anna", "PER", 1, 0, 4),
        Entity("Bosch", "LOC", 1, 8, 13),
        Entity("in Rome", "LOC", 1, 14, 21),
    ]
    scores = score([answer], [example])
    assert (scores["all"].right, scores["all"].found, scores["all"].wanted) == (1, 3, 3)
    assert scores["PER"].f1 == 1
    assert scores["LOC"].f1 == 0


def test_the_demo_has_three_releases_of_which_one_is_corrupted() -> None:
    assert [recipe.version for recipe in RECIPES] == ["1.0.0", "1.1.0", "1.2.0"]
    assert [recipe.corrupted for recipe in RECIPES] == [False, False, True]
    assert RECIPES[0].steps < RECIPES[1].steps


def test_a_version_of_ones_own_is_trained_as_it_is_told_and_the_demos_as_they_were() -> None:
    own = recipe("2.0.0-rc.1", steps=7, batch=4)
    assert (own.name, own.steps, own.batch, own.corrupted) == ("ner-v2.0.0-rc.1", 7, 4, False)
    assert recipe("1.2.0") == next(one for one in RECIPES if one.version == "1.2.0")
    with pytest.raises(ValueError, match="two"):
        recipe("two")
