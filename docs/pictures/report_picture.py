"""Make docs/pictures/report.png from a report: python docs/pictures/report_picture.py REPORT.html

The picture in the README is of the demo, after `okr-sync demo` and, in its sandbox,
`okr-sync sync --backfill 2026-10-01..2026-11-15`. Needs the system's Chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
    )
    page = browser.new_page(viewport={"width": 1160, "height": 820})
    page.goto(Path(sys.argv[1]).absolute().as_uri())
    page.evaluate("document.getElementById('team-revenue-marketing').scrollIntoView()")
    page.screenshot(path=Path(__file__).with_name("report.png"))
    browser.close()
