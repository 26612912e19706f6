"""The frame of every report: one HTML file with contents, sections, data and scripts that needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from joulewright.errors import DataError
from joulewright.io.atomic import write_file
from joulewright.report.figure import Figures, radio_buttons
from joulewright.report.markup import Markup, element
from joulewright.report.palette import theme_css

_THEMES = (("system", "System"), ("light", "Light"), ("dark", "Dark"))


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page with an entry in its contents; ``badge`` is a warning beside the title."""

    name: str
    title: str
    content: Sequence[Markup]
    lead: str = ""
    badge: str = ""


@dataclass(frozen=True, kw_only=True)
class Masthead:
    """Top of the page.

    Attributes
    ----------
    kind : str
        What kind of report it is.
    name : str
        What it is about.
    facts : sequence of str
        One line each.
    badges : sequence of Markup
        From :func:`badge`.
    """

    kind: str
    name: str
    facts: Sequence[str]
    badges: Sequence[Markup]


def badge(text: str, mood: str) -> Markup:
    """A word with the colour of its mood: ``good``, ``warn`` or ``bad``."""
    return element("span", text, class_=f"badge {mood}")


def render_document(masthead: Masthead, sections: Sequence[Section], figures: Figures) -> str:
    """The page as text; sections without content are left out."""
    shown = [section for section in sections if section.content]
    spec = {"charts": figures.specs, "arrays": figures.blobs.index()}
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{masthead.name}: {masthead.kind}"),
        element("link", rel="icon", href="data:,"),
        element("style", Markup(theme_css() + _asset("report.css"))),
    )
    entries = [element("li", element("a", section.title, href=f"#{section.name}")) for section in shown]
    contents = element("nav", element("ol", entries), class_="contents", aria_label="Contents")
    body = element(
        "body",
        element("a", "Skip to the report", href=f"#{shown[0].name}" if shown else "#", class_="skip"),
        element(
            "div",
            _masthead(masthead),
            element("noscript", element("p", "Charts need JavaScript; every chart has a table that does not.")),
            element("div", contents, element("main", [_section(section) for section in shown]), class_="layout"),
            class_="page",
        ),
        element("script", _json(spec), type="application/json", id="jw-spec"),
        element("script", Markup(figures.blobs.payload()), type="text/plain", id="jw-data"),
        *(element("script", Markup(_asset(name))) for name in ("echarts.min.js", "page.js", "charts.js")),
        element("script", Markup("jw.start();")),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def write_document(path: Path | str, text: str) -> Path:
    """Write a page aside and put it in place as a whole; the path.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier one is then unchanged.
    """
    target = Path(path)
    try:
        write_file(target, text.encode("utf-8"))
    except DataError as error:
        raise DataError(f"cannot write the report {str(target)!r}: {error}") from error
    return target


def licences() -> str:
    """Notices of the software that every page carries."""
    return resources.files("joulewright.report").joinpath("assets/LICENSE-echarts.txt").read_text("utf-8")


def _section(section: Section) -> Markup:
    mark = [" ", badge(section.badge, "warn")] if section.badge else None
    lead = element("p", section.lead, class_="lead") if section.lead else None
    title = element("h2", section.title, mark)
    attributes = {"id": section.name, "class_": section.name, "aria_label": section.title}
    return element("section", title, lead, section.content, **attributes)


def _masthead(masthead: Masthead) -> Markup:
    return element(
        "header",
        element(
            "div",
            element("p", f"joulewright · {masthead.kind}", class_="eyebrow"),
            element("h1", masthead.name),
            *(element("p", fact, class_="meta") for fact in masthead.facts),
            element("ul", [element("li", mark) for mark in masthead.badges], class_="badges"),
        ),
        element("div", radio_buttons("theme", "Theme", _THEMES, data_theme=True), class_="theme"),
        class_="masthead",
    )


def _asset(name: str) -> str:
    """A text file that ships with the package, safe inside a script or style element."""
    text = resources.files("joulewright.report").joinpath(f"assets/{name}").read_text("utf-8")
    return text.replace("</script", "<\\/script")


def _json(value: object) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
