"""Finds dead links of a built site, and what it would load from a network.

python docs/site/check.py build/site
"""

import html.parser
import pathlib
import re
import sys
import urllib.parse

# What a browser loads by itself, and what is followed.
LOADED = {"src", "srcset", "data", "poster"}
FOLLOWED = {"a": "href", "area": "href"}
STYLE = re.compile(r"""(?:@import\s+|url\()\s*["']?([^"')\s;]+)""")


class Page(html.parser.HTMLParser):
    """What a page links to, what it loads, and its anchors."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loads = {""}, [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Takes the addresses of a tag."""
        found = {name: value or "" for name, value in attributes}
        self.anchors |= {found.get("id", ""), found.get("name", "")}
        if tag in FOLLOWED and FOLLOWED[tag] in found:
            self.links.append(found[FOLLOWED[tag]])
        if tag == "link" and found.get("rel") not in ("canonical", "prev"):
            self.loads.append(found.get("href", ""))
        self.loads += [v for name, v in found.items() if name in LOADED]
        self.loads += STYLE.findall(found.get("style", ""))

    handle_startendtag = handle_starttag


def faults(site):
    """Sentences about what is dead or foreign in a built site.

    Args:
        site: The folder of the site, a `pathlib.Path`.
    """
    site = site.resolve()
    texts = {path: path.read_text() for path in site.rglob("*.html")}
    pages = {path: Page(text) for path, text in texts.items()}
    found = [] if pages else [f"no pages in {site}"]
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in page.links + page.loads:
            target, anchor = _place(site, path, address)
            if target is None:
                continue
            if not target.is_file():
                found.append(f"{name}: no file for {address}")
            elif target in pages and anchor not in pages[target].anchors:
                found.append(f"{name}: no anchor for {address}")
        foreign = [a for a in page.loads if _is_foreign(a)]
        found += [f"{name}: loads {address}" for address in foreign]
    for path in site.rglob("*.css"):
        for address in STYLE.findall(path.read_text()):
            if _is_foreign(address):
                found.append(f"{path.relative_to(site)}: loads {address}")
    return found


def _is_foreign(address):
    parts = urllib.parse.urlsplit(address)
    return bool(parts.netloc) or parts.scheme in ("http", "https")


def _place(site, path, address):
    """The file and the anchor that an address of a page means."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme or parts.netloc:
        return None, ""
    target = urllib.parse.unquote(parts.path)
    # The page of errors, which is shown at any place, begins at the root.
    folder = site if target.startswith("/") else path.parent
    place = (folder / target.lstrip("/")).resolve() if target else path
    if place.is_dir():
        place /= "index.html"
    return place, urllib.parse.unquote(parts.fragment)


def main(folder):
    """Prints what is wrong, and returns how much."""
    found = faults(pathlib.Path(folder))
    for fault in found:
        print(fault)
    return len(found)


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1]), 1))
