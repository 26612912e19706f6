"""HTML as nested function calls: every string is escaped unless it already is markup."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | Iterable[Child] | None"
Attribute: TypeAlias = str | int | float | bool | None


def escape(text: object) -> Markup:
    """Text made safe for element content and quoted attributes.

    Examples
    --------
    >>> escape('<b a="1">')
    '&lt;b a=&quot;1&quot;&gt;'
    """
    return text if isinstance(text, Markup) else Markup(html.escape(str(text), quote=True))


def join(children: Child) -> Markup:
    """Escaped concatenation of nested children; None adds nothing."""
    if children is None:
        return Markup("")
    if isinstance(children, str | int | float):
        return escape(children)
    return Markup("".join(join(child) for child in children))


def element(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """One HTML element.

    Parameters
    ----------
    tag : str
        Element name.
    *children : Child
        Text (escaped), markup, None or nested sequences of them.
    **attributes : str, int, float, bool or None
        ``class_`` becomes ``class`` and ``aria_label`` becomes ``aria-label``; True writes the bare name, None and
        False leave the attribute out.

    Examples
    --------
    >>> element("p", "5 < 6 ", element("b", "MW"), class_="note", hidden=True, id=None)
    '<p class="note" hidden>5 &lt; 6 <b>MW</b></p>'
    """
    parts = [tag]
    for name, value in attributes.items():
        key = name.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(key)
        elif value is not None and value is not False:
            parts.append(f'{key}="{escape(value)}"')
    opening = f"<{' '.join(parts)}>"
    return Markup(opening if tag in _VOID else f"{opening}{join(children)}</{tag}>")


def table(
    caption: str,
    header: Sequence[Child],
    rows: Iterable[Sequence[Child]],
    *,
    text: Collection[int] = (0,),
    foot: Sequence[Child] | None = None,
) -> Markup:
    """Table in a scrollable, keyboard-reachable box.

    Parameters
    ----------
    caption : str
        What the table shows, with units.
    header : sequence of Child
        Column titles.
    rows : iterable of sequences of Child
        Cells; the first of each row is its header.
    text : collection of int
        Columns that hold text and are aligned left; the rest are numbers.
    foot : sequence of Child or None
        Last row, set apart.
    """

    def cells(row: Sequence[Child]) -> Markup:
        return join(
            element("th" if column == 0 else "td", cell, scope="row" if column == 0 else None, class_=align(column))
            for column, cell in enumerate(row)
        )

    def align(column: int) -> str | None:
        return None if column in text else "n"

    head = join(element("th", cell, scope="col", class_=align(column)) for column, cell in enumerate(header))
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", head)),
            element("tbody", [element("tr", cells(row)) for row in rows]),
            None if foot is None else element("tfoot", element("tr", cells(foot))),
        ),
        class_="table",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def details(summary: Child, *children: Child, open_: bool = False) -> Markup:
    """A part that opens on demand."""
    return element("details", element("summary", summary), *children, open=open_)
