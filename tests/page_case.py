"""A page in a real browser: how much its charts draw, what sticks out, and what it complains about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]
READY_MS = 30_000

# Share of the canvas pixels that have a colour (axes and labels are grey), by chart.
INK = """() => Object.fromEntries([...document.querySelectorAll('[data-chart]')].map((holder) => {
  let drawn = 0, all = 1;
  for (const canvas of holder.querySelectorAll('canvas')) {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    all = Math.max(all, data.length / 4);
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = [data[i], data[i + 1], data[i + 2], data[i + 3]];
      if (a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 40) drawn++;
    }
  }
  return [holder.dataset.chart, drawn / all];
}))"""

# Elements that stick out of the window and are not inside a box that scrolls.
OUTSIDE = """() => [...document.querySelectorAll('body *')].filter((e) => {
  const box = e.getBoundingClientRect();
  const scrolls = e.closest('.table') || e.closest('.skip') || e.closest('.visually-hidden') || e.closest('.contents');
  return box.width > 0 && !scrolls && (box.right > innerWidth + 1 || box.left < -1);
}).map((e) => e.tagName + '.' + e.className)"""


class Look:
    """An open page with everything it complained about or asked for."""

    def __init__(self, browser: Any, path: Path, *, width: int = 1440, theme: str = "light", script: str = "") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda r: self.requests.append(r.url))
        if script:
            self.page.add_init_script(script)
        self.page.goto(path.as_uri())
        self.settle()

    def settle(self) -> None:
        """Wait until every chart has reported that it is drawn."""
        self.page.wait_for_selector("html[data-ready=true]", timeout=READY_MS)
        drawn = "[...document.querySelectorAll('[data-chart]')].every((e) => e.dataset.drawn === 'true')"
        self.page.wait_for_function(drawn, timeout=READY_MS)

    def ink(self) -> dict[str, float]:
        found: dict[str, float] = self.page.evaluate(INK)
        return found

    def outside(self) -> list[str]:
        """Elements that stick out of the window."""
        found: list[str] = self.page.evaluate(OUTSIDE)
        return found

    def overflow(self) -> float:
        """How far the page can be scrolled sideways [px]."""
        return float(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def close(self) -> None:
        self.context.close()


@contextmanager
def open_browser() -> Iterator[Any]:
    """A running Chromium; skips the test where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; install the test extra")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed; the report is not looked at in a browser")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--lang=en-US"])
        yield chromium
        chromium.close()
