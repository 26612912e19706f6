"""Colours of the page and of every quantity, light and dark, and the CSS that carries them.

The quantities use the Okabe-Ito palette (safe for the common colour-vision deficiencies), the sites the muted palette
of Paul Tol. A quantity has the same colour in every chart.
"""

from __future__ import annotations

_CHROME = {
    "page": ("#f4f6f8", "#0e1318"),
    "surface": ("#ffffff", "#161d24"),
    "raised": ("#f0f3f6", "#1e2730"),
    "ink": ("#17212b", "#e6ecf1"),
    "muted": ("#55636f", "#9fb0bd"),
    "line": ("#d9e0e6", "#2c3843"),
    "grid": ("#e6ebef", "#26313b"),
    "accent": ("#00618f", "#66b8e8"),
    "accent-soft": ("#e3f0f7", "#12303f"),
    "good": ("#00704f", "#4fcfa3"),
    "good-soft": ("#e2f4ed", "#12332a"),
    "warn": ("#8a5200", "#f2b63d"),
    "warn-soft": ("#fdf0d5", "#3a2c10"),
    "bad": ("#a83200", "#ff9466"),
    "bad-soft": ("#fce6dc", "#43200f"),
}

QUANTITIES = {
    "import": ("#4f5f6e", "#9aabbb"),
    "export": ("#91a1af", "#66788a"),
    "solar": ("#e69f00", "#f0b030"),
    "wind": ("#56b4e9", "#6cc2f2"),
    "generator": ("#d55e00", "#ee7a33"),
    "battery": ("#cc79a7", "#d98cb6"),
    "unserved": ("#000000", "#ffffff"),
    "training": ("#0072b2", "#3f9bd8"),
    "inference": ("#009e73", "#2dbb91"),
    "idle": ("#dde3e8", "#46525d"),
    "cooling": ("#c8b27c", "#9c8954"),
    "fixed": ("#7a6a58", "#a3917d"),
    "load": ("#17212b", "#e6ecf1"),
    "price": ("#5e3c99", "#ad94e6"),
    "carbon": ("#8c510a", "#d9a45f"),
    "work": ("#8ea0b2", "#71828f"),
    "energy": ("#009e73", "#2dbb91"),
}

_SCALES = {
    "price": ("#f4f0fa #cdbde6 #9d80cc #6d47a8 #3b1f73", "#251d38 #4a3878 #7358b5 #a58be0 #e3d8fb"),
    "carbon": ("#fdf5e6 #f6d59a #dd9a3f #a8611a #5e3206", "#2b2113 #5c3f17 #99661f #d99a45 #fbe3bb"),
    "net": ("#eff5f7 #b5d5df #6faabf #2c7793 #0c4459", "#172a33 #1f5368 #2f87a5 #62b8d6 #cdeefa"),
    "below": ("#f7d9c8 #e79b72 #b8480f", "#4d2a18 #a3572e #f29b6c"),
}
"""Stops of the colour scales from low to high; ``below`` continues a scale under zero, away from it."""

_SITES = (
    ("#332288", "#9a8fe6"),
    ("#44aa99", "#5cc4b3"),
    ("#cc6677", "#e08593"),
    ("#999933", "#c2c25c"),
    ("#88ccee", "#88ccee"),
    ("#882255", "#d1699f"),
    ("#117733", "#55b877"),
    ("#ddcc77", "#ddcc77"),
    ("#aa4499", "#d27cc4"),
)


SITE_KEYS = tuple(f"site{position}" for position in range(len(_SITES)))
"""Colour keys of sites, and of anything else that is one of many."""


def site_key(position: int) -> str:
    """Colour key of the site at ``position``; keys repeat after nine sites."""
    return f"site{position % len(_SITES)}"


def theme_css() -> str:
    """Custom properties for the light theme, the dark theme and the reader's system preference."""
    colours = {**_CHROME, **{f"q-{name}": pair for name, pair in QUANTITIES.items()}}
    colours |= {f"q-{site_key(position)}": pair for position, pair in enumerate(_SITES)}
    for name, scales in _SCALES.items():
        pairs = zip(*(scale.split() for scale in scales), strict=True)
        colours |= {f"s-{name}-{position}": pair for position, pair in enumerate(pairs)}
    light, dark = (";".join(f"--{name}:{pair[theme]}" for name, pair in colours.items()) for theme in (0, 1))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
    )
