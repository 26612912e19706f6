"""Pieces of the boxes at the top of every report: tiles with one figure each, and findings with their mood."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from joulewright.report.markup import Child, Markup, element

Mood = Literal["good", "warn", "bad"]

_MARKS = {"good": "✓", "warn": "!", "bad": "✗"}
_WORDS = {"good": "fine", "warn": "worth a look", "bad": "wrong"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the box; ``mood`` says whether it is fine, worth a look or wrong."""

    mood: Mood
    title: str
    text: str


def finding_list(findings: Iterable[Finding]) -> Markup:
    """Findings side by side, each with its mark."""
    items = [
        element(
            "li",
            element("span", _MARKS[item.mood], class_=f"mark {item.mood}", role="img", aria_label=_WORDS[item.mood]),
            element("div", element("strong", item.title), element("span", item.text)),
        )
        for item in findings
    ]
    return element("ul", items, class_="checks")


def sentence_list(sentences: Iterable[Child]) -> Markup:
    """Sentences as a plain list."""
    return element("ul", [element("li", sentence) for sentence in sentences], class_="plain")


def tile(name: str, figure: str, note: Child = None) -> Markup:
    """One figure with its name above and a note below."""
    values = (element("dd", figure, class_="figure"), element("dd", note, class_="change"))
    return element("div", element("dt", name), values, class_="tile")
