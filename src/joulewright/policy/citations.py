"""Where each algorithm was published, as BibTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from joulewright.errors import PolicyError


def _entry(key: str, kind: str, **fields: str) -> str:
    body = "".join(f",\n  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key}{body}\n}}"


_PUBLISHED: dict[str, tuple[str, dict[str, str]]] = {
    key: (kind, fields)
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
        (
            "lechowicz2025",
            "inproceedings",
            {
                "author": "Lechowicz, A. and others",
                "title": "Carbon- and Precedence-Aware Scheduling for Data Processing Clusters",
                "booktitle": "SIGCOMM",
                "year": "2025",
                "eprint": "2502.09717",
                "archivePrefix": "arXiv",
            },
        ),
        (
            "goiri2012",
            "inproceedings",
            {
                "author": "Goiri, I. and others",
                "title": "GreenHadoop: Leveraging Green Energy in Data-Processing Frameworks",
                "booktitle": "EuroSys",
                "year": "2012",
                "doi": "10.1145/2168836.2168843",
            },
        ),
        (
            "mao2019",
            "inproceedings",
            {
                "author": "Mao, H. and Schwarzkopf, M. and Venkatakrishnan, S. B. and Meng, Z. and Alizadeh, M.",
                "title": "Learning Scheduling Algorithms for Data Processing Clusters",
                "booktitle": "SIGCOMM",
                "year": "2019",
                "doi": "10.1145/3341302.3342080",
            },
        ),
        (
            "schrage1968",
            "article",
            {
                "author": "Schrage, L.",
                "title": "A Proof of the Optimality of the Shortest Remaining Processing Time Discipline",
                "journal": "Operations Research",
                "volume": "16",
                "pages": "687--690",
                "year": "1968",
                "doi": "10.1287/opre.16.3.687",
            },
        ),
        (
            "graham1966",
            "article",
            {
                "author": "Graham, R. L.",
                "title": "Bounds for Certain Multiprocessing Anomalies",
                "journal": "Bell System Technical Journal",
                "volume": "45",
                "pages": "1563--1581",
                "year": "1966",
                "doi": "10.1002/j.1538-7305.1966.tb01709.x",
            },
        ),
        (
            "graham1969",
            "article",
            {
                "author": "Graham, R. L.",
                "title": "Bounds on Multiprocessing Timing Anomalies",
                "journal": "SIAM Journal on Applied Mathematics",
                "volume": "17",
                "pages": "416--429",
                "year": "1969",
                "doi": "10.1137/0117039",
            },
        ),
    )
}

#: BibTeX entries by key.
REFERENCES: Mapping[str, str] = MappingProxyType(
    {key: _entry(key, kind, **fields) for key, (kind, fields) in _PUBLISHED.items()}
)


def sources_of(*used: object) -> tuple[str, ...]:
    """Keys of everything that the given algorithms and what they wrap build on, each once, in the order first used.

    Raises
    ------
    PolicyError
        If something has no ``sources``.

    Examples
    --------
    >>> from joulewright.policy.dag import make_dag_scheduler
    >>> sources_of(make_dag_scheduler("sap+shortest-work"))
    ('lechowicz2025', 'lorenz2009', 'schrage1968')
    """
    keys: dict[str, None] = {}
    for item in used:
        sources = (item,) if isinstance(item, str) else getattr(item, "sources", None)
        if sources is None:
            raise PolicyError(f"{item!r} names no sources; give an algorithm, a run or one of {', '.join(REFERENCES)}")
        base = getattr(item, "base", None)
        wrapped = sources_of(base) if hasattr(base, "sources") else ()
        keys |= dict.fromkeys((*sources, *wrapped))
    return tuple(keys)


def described(key: str) -> str:
    """A reference in one line, for people.

    Examples
    --------
    >>> described("schrage1968").split(", Operations")[1]
    ' Research (1968), doi 10.1287/opre.16.3.687'
    """
    _, fields = _PUBLISHED[key]
    where = fields.get("journal") or fields.get("booktitle")
    names = fields["author"].replace(" and others", " et al.").split(" and ")
    at = f"doi {fields['doi']}" if "doi" in fields else f"arXiv {fields['eprint']}"
    parts = [", ".join(names), fields["title"], *([where] if where else [])]
    return f"{', '.join(parts)} ({fields['year']}), {at}"


def reference_list(keys: Iterable[str]) -> list[dict[str, str]]:
    """References for documents and reports: key, one line for people, and BibTeX."""
    return [{"key": key, "text": described(key), "bibtex": REFERENCES[key]} for key in keys]


def cite(*used: object) -> str:
    """BibTeX of everything that the given algorithms build on, each entry once, in the order first used.

    Parameters
    ----------
    *used : object
        Algorithms and runs (whatever has ``sources``), or keys of :data:`REFERENCES`.

    Raises
    ------
    PolicyError
        If something has no ``sources`` or names an unknown key.

    Examples
    --------
    >>> print(cite("lorenz2009").splitlines()[0])
    @article{lorenz2009,
    """
    keys = sources_of(*used)
    unknown = [key for key in keys if key not in REFERENCES]
    if unknown:
        raise PolicyError(f"unknown reference {unknown[0]!r}; known are {', '.join(REFERENCES)}")
    return "\n\n".join(REFERENCES[key] for key in keys)
