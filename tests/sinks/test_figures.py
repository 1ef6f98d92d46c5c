"""Pictures of a card: well-formed, safe, the same for the same numbers."""

from __future__ import annotations

from xml.etree import ElementTree

from curate.sinks.figures import Bar, bars, histogram
from tests.sinks.test_card import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_numbers() -> None:
    root = ElementTree.fromstring(bars("Left", [Bar("all", 1_200), Bar("half", 600), Bar("no", 0)]))
    long, short, none = (float(rect.get("width") or 0) for rect in root.iter(f"{SVG}rect"))
    assert abs(long - 2 * short) <= 0.1 and none == 1
    assert [t.text for t in root.iter(f"{SVG}text")][2::2] == ["1,200", "600", "0"]


def test_a_histogram_names_its_ends_and_says_each_number() -> None:
    root = ElementTree.fromstring(histogram("Tokens", [Bar("1 to 5", 3), Bar("6 to 10", 6)]))
    heights = [float(rect.get("height") or 0) for rect in root.iter(f"{SVG}rect")]
    assert abs(2 * heights[0] - heights[1]) <= 0.1
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles == ["Tokens", "1 to 5: 3", "6 to 10: 6"]


def test_no_text_breaks_a_picture() -> None:
    for draw in (bars, histogram):
        picture = draw(HOSTILE, [Bar(HOSTILE, 1)])
        ElementTree.fromstring(picture)
        assert "<script" not in picture and "\u202e" not in picture
        assert picture == draw(HOSTILE, [Bar(HOSTILE, 1)])
