"""Make the picture of a report that the README shows.

``python scripts/report_picture.py RUN/report.html [TARGET.png]``.

It photographs four sections of the report in a browser and puts them side by side. Needs playwright and Chromium
(``CHROMIUM`` names the program, default ``chromium``).
"""

from __future__ import annotations

import base64
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

COLUMNS = (("decision", "jobs"), ("balance", "heat"))
TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "report.png"


def photograph(page: Page, section: str) -> str:
    """A section as a data address."""
    element = page.locator(f"#{section}")
    element.scroll_into_view_if_needed()
    page.wait_for_timeout(700)
    return "data:image/png;base64," + base64.b64encode(element.screenshot()).decode()


def main(report: Path, target: Path) -> int:
    """Write the picture."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", "--lang=en-US"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.wait_for_timeout(1500)
        columns = [
            "<div>" + "".join(f'<img src="{photograph(page, name)}">' for name in column) + "</div>"
            for column in COLUMNS
        ]
        sheet = browser.new_page(viewport={"width": 1600, "height": 900})
        style = (
            "body{margin:0;padding:12px;background:#eef1f5;display:grid;grid-template-columns:1fr 1fr;gap:12px}"
            "img{width:100%;display:block;margin-bottom:12px}"
        )
        sheet.set_content(f"<style>{style}</style>{''.join(columns)}")
        sheet.wait_for_timeout(300)
        sheet.screenshot(path=target, full_page=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else TARGET))
