"""Where each algorithm was published, as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from joulewright.errors import PolicyError


def _entry(key: str, kind: str, **fields: str) -> str:
    body = "".join(f",\n  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key}{body}\n}}"


_ENTRIES = {
    key: _entry(key, kind, **fields)
    for key, kind, fields in (
        (
            "elyaniv2001",
            "article",
            {
                "author": "El-Yaniv, R. and Fiat, A. and Karp, R. M. and Turpin, G.",
                "title": "Optimal Search and One-Way Trading Online Algorithms",
                "journal": "Algorithmica",
                "volume": "30",
                "pages": "101--139",
                "year": "2001",
                "doi": "10.1007/s00453-001-0003-0",
            },
        ),
        (
            "lorenz2009",
            "article",
            {
                "author": "Lorenz, J. and Panagiotou, K. and Steger, A.",
                "title": "Optimal Algorithms for k-Search with Application in Option Pricing",
                "journal": "Algorithmica",
                "volume": "55",
                "pages": "311--328",
                "year": "2009",
                "doi": "10.1007/s00453-008-9217-8",
            },
        ),
        (
            "lechowicz2023",
            "article",
            {
                "author": "Lechowicz, A. and others",
                "title": "The Online Pause and Resume Problem: Optimal Algorithms and An Application to "
                "Carbon-Aware Load Shifting",
                "year": "2023",
                "eprint": "2303.17551",
                "archivePrefix": "arXiv",
            },
        ),
        (
            "lechowicz2023conversion",
            "article",
            {
                "author": "Lechowicz, A. and others",
                "title": "Online Conversion with Switching Costs: Robust and Learning-Augmented Algorithms",
                "year": "2023",
                "eprint": "2310.20598",
                "archivePrefix": "arXiv",
            },
        ),
        (
            "bostandoost2024",
            "article",
            {
                "author": "Bostandoost, R. and others",
                "title": "LACS: Learning-Augmented Algorithms for Carbon-Aware Resource Scaling with Uncertain Demand",
                "year": "2024",
                "eprint": "2404.15211",
                "archivePrefix": "arXiv",
            },
        ),
        (
            "lechowicz2024clip",
            "article",
            {
                "author": "Lechowicz, A. and others",
                "title": "Chasing Convex Functions with Long-term Constraints",
                "year": "2024",
                "eprint": "2402.14012",
                "archivePrefix": "arXiv",
            },
        ),
        (
            "lechowicz2024soad",
            "article",
            {
                "author": "Lechowicz, A. and others",
                "title": "Learning-Augmented Competitive Algorithms for Spatiotemporal Online Allocation with "
                "Deadline Constraints",
                "year": "2024",
                "eprint": "2408.07831",
                "archivePrefix": "arXiv",
            },
        ),
        (
            "wiesner2021",
            "inproceedings",
            {
                "author": "Wiesner, P. and Behnke, I. and Scheinert, D. and Gontarska, K. and Thamsen, L.",
                "title": "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon Emissions in the Cloud",
                "booktitle": "Middleware",
                "year": "2021",
                "doi": "10.1145/3464298.3493399",
            },
        ),
        (
            "souza2023",
            "inproceedings",
            {
                "author": "Souza, A. and others",
                "title": "Ecovisor: A Virtual Energy System for Carbon-Efficient Applications",
                "booktitle": "ASPLOS",
                "year": "2023",
                "doi": "10.1145/3575693.3575709",
            },
        ),
        (
            "hanafy2023",
            "article",
            {
                "author": "Hanafy, W. A. and Liang, Q. and Bashir, N. and Irwin, D. and Shenoy, P.",
                "title": "CarbonScaler: Leveraging Cloud Workload Elasticity for Optimizing Carbon-Efficiency",
                "journal": "Proceedings of the ACM on Measurement and Analysis of Computing Systems",
                "year": "2023",
                "doi": "10.1145/3626788",
            },
        ),
        (
            "hanafy2024",
            "inproceedings",
            {
                "author": "Hanafy, W. A. and others",
                "title": "Going Green for Less Green: Optimizing the Cost of Reducing Cloud Carbon Emissions",
                "booktitle": "ASPLOS",
                "year": "2024",
                "doi": "10.1145/3620666.3651374",
            },
        ),
        (
            "radovanovic2021",
            "article",
            {
                "author": "Radovanovic, A. and others",
                "title": "Carbon-Aware Computing for Datacenters",
                "year": "2021",
                "eprint": "2106.11750",
                "archivePrefix": "arXiv",
            },
        ),
        (
            "auer2002",
            "article",
            {
                "author": "Auer, P. and Cesa-Bianchi, N. and Freund, Y. and Schapire, R. E.",
                "title": "The Nonstochastic Multiarmed Bandit Problem",
                "journal": "SIAM Journal on Computing",
                "volume": "32",
                "pages": "48--77",
                "year": "2002",
                "doi": "10.1137/S0097539701398375",
            },
        ),
        (
            "bubeck2012",
            "article",
            {
                "author": "Bubeck, S. and Cesa-Bianchi, N.",
                "title": "Regret Analysis of Stochastic and Nonstochastic Multi-armed Bandit Problems",
                "journal": "Foundations and Trends in Machine Learning",
                "volume": "5",
                "pages": "1--122",
                "year": "2012",
                "doi": "10.1561/2200000024",
            },
        ),
        (
            "balseiro2020",
            "article",
            {
                "author": "Balseiro, S. and Lu, H. and Mirrokni, V.",
                "title": "The Best of Many Worlds: Dual Mirror Descent for Online Allocation Problems",
                "year": "2020",
                "eprint": "2011.10124",
                "archivePrefix": "arXiv",
            },
        ),
    )
}

#: BibTeX entries by key.
REFERENCES: Mapping[str, str] = MappingProxyType(_ENTRIES)


def cite(*used: object) -> str:
    """BibTeX of everything that the given algorithms build on, each entry once, in the order first used.

    Parameters
    ----------
    *used : object
        Algorithms (classes or instances with a ``sources`` attribute) or keys of :data:`REFERENCES`.

    Raises
    ------
    PolicyError
        If something has no ``sources`` or names an unknown key.

    Examples
    --------
    >>> print(cite("lorenz2009").splitlines()[0])
    @article{lorenz2009,
    """
    keys: dict[str, None] = {}
    for item in used:
        sources = (item,) if isinstance(item, str) else getattr(item, "sources", None)
        if sources is None:
            raise PolicyError(f"{item!r} names no sources; give an online algorithm or one of {', '.join(REFERENCES)}")
        keys |= dict.fromkeys(sources)
    unknown = [key for key in keys if key not in REFERENCES]
    if unknown:
        raise PolicyError(f"unknown reference {unknown[0]!r}; known are {', '.join(REFERENCES)}")
    return "\n\n".join(REFERENCES[key] for key in keys)
