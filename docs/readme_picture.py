"""Draws the picture in README: the first screen of the report of the demo's songs.

    python docs/readme_picture.py

needs Chromium and Playwright (`pip install '.[test]'`).
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent / "static" / "report.png"
WIDTH, HEIGHT, N_COLORS = 1180, 860, 128


def main() -> None:
    """Train, write the report, and photograph its first screen."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("no Chromium on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        for words in (
            ("demo", "--files", "."),
            ("train", "songs.csv", "--labels", "mood_*", "-o", "songs.manyhot", "--quiet"),
            ("report", "songs.manyhot"),
        ):
            subprocess.run([sys.executable, "-m", "manyhot", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            page.goto((Path(folder) / "songs.html").as_uri())
            page.wait_for_selector("html[data-ready]")
            shot = page.screenshot()
            browser.close()
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(N_COLORS).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
