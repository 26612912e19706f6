"""Tables of the scenario file checked against their fields: unknown, missing and wrong keys are all collected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from joulewright.errors import UnitError
from joulewright.io.scenario_file.document import Document, FieldError, Path, ReportedError
from joulewright.io.scenario_file.fields import Field, did_you_mean, tables
from joulewright.io.scenario_file.names import item_names
from joulewright.io.scenario_file.values import PLAIN_TYPES, Spelling, convert, quantity
from joulewright.units import DIMENSIONS, parse_quantity, suffix_unit

_NUMBER_START = frozenset("+-.0123456789")
_SHARED_REFERENCE_KEYS = ("file", "time", "time_zone", "ambiguous", "label", "step", "max_gap")


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A value for every step: a constant, a column of a file, or (export prices) relative to another signal.

    Attributes
    ----------
    field : Field
        What it is, with dimension and range.
    path : Path
        Where it stands in the scenario file.
    constant : float or None
        Value in internal units.
    reference : mapping or None
        Checked keys of the file reference.
    relative : bool
        True for a signal that is ``factor x other + offset``.
    factor, offset : float
        Applied to the values of the file or of the other signal.
    """

    field: Field
    path: Path
    constant: float | None = None
    reference: Mapping[str, Any] | None = None
    relative: bool = False
    factor: float = 1.0
    offset: float = 0.0


@dataclass(kw_only=True)
class Table:
    """A checked table: values in internal units by key; keys that are absent or wrong give None.

    Attributes
    ----------
    kind : str
        Table name in ``fields.csv``.
    path : Path
        Where it stands.
    values : dict
        Converted values and defaults.
    given : dict
        Key -> key as spelled in the file, for every key that was given.
    wrong : set of str
        Keys whose value was refused, and keys that an unknown key was probably meant to be.
    alias : Path or None
        Where the value of a shorthand stands, which then is the place of every key.
    """

    kind: str
    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    alias: Path | None = None

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key)

    @property
    def name(self) -> str:
        """Effective name."""
        return str(self.values.get("name", self.kind))

    def at(self, key: str) -> Path:
        """Path of a key, or of the table when the key was not given."""
        return self.place(self.given[key]) if key in self.given else self.path

    def place(self, spelled: str) -> Path:
        """Path of a key as spelled in the file."""
        return self.alias or (*self.path, spelled)

    def items(self, key: str) -> list[Table]:
        """Tables of a list that may be absent."""
        return list(self.values.get(key) or ())


@dataclass(frozen=True, kw_only=True)
class Checker:
    """Checks tables of one document in one currency."""

    document: Document
    currency: str

    def table(self, kind: str, raw: Any, path: Path, *, alias: Path | None = None) -> Table:
        """Check one table; problems go to the document.

        Raises
        ------
        FieldError
            If it is no table at all.
        """
        found = Table(kind=kind, path=path, alias=alias)
        if not isinstance(raw, dict):
            raise FieldError("S004", f"found {raw!r}; expected a table", help=f"write {{ key = value }} or [{kind}]")
        fields = tables()[kind]
        for key, value in raw.items():
            self._key(found, fields, key, value)
        for name, spec in fields.items():
            if name not in found.given:
                self._absent(found, spec)
        return found

    def items(self, kind: str, raw: Any, path: Path, shorthand: str = "") -> list[Table]:
        """Check a list of tables, or a single one, or the shorthand for its main key.

        Raises
        ------
        ReportedError
            If an item is no table.
        """
        if shorthand and not isinstance(raw, (list, dict)):
            found = self.table(kind, {shorthand: raw}, path, alias=path)
            found.values["name"] = item_names(kind, [{}])[0]
            return [found]
        single = isinstance(raw, dict)
        rows = [raw] if single else raw
        if not isinstance(rows, list):
            self.document.add(
                "S004", path, f"found {raw!r}; expected tables", help=f"write [[{kind}]] and its keys below"
            )
            return []
        checked: dict[int, Table] = {}
        for index, row in enumerate(rows):
            place = path if single else (*path, index)
            with self.document.collect(place):
                checked[index] = self.table(kind, row, place)
        self._name_all(kind, rows, checked)
        if len(checked) < len(rows):
            raise ReportedError
        return list(checked.values())

    def _name_all(self, kind: str, rows: list[Any], checked: Mapping[int, Table]) -> None:
        names = item_names(kind, rows)
        seen: set[str] = set()
        for index, item in checked.items():
            name = names[index]
            if "name" in tables()[kind]:
                item.values["name"] = name
            if name in seen:
                self.document.ambiguous.add(kind)
                key = "name" if "name" in item.given else next(iter(item.given), "name")
                self.document.add(
                    "S007", item.at(key), f"{kind} {name!r} appears twice", help=f"give every {kind} its own name"
                )
            seen.add(name)

    def _key(self, found: Table, fields: Mapping[str, Field], key: str, value: Any) -> None:
        path = found.place(key)
        match = match_key(key, fields, self.currency)
        if match is None:
            help = did_you_mean(key, list(fields))
            found.wrong.update(name for name in fields if help == f"did you mean {name!r}?")
            self.document.add("S002", path, f"unknown key {key!r} in {found.kind}", help=help, at_key=True)
            return
        spec, unit = match
        if spec.name in found.given:
            other = found.given[spec.name]
            self.document.add("S009", path, f"{key!r} and {other!r} both give {spec.name}", help="keep one of them")
            return
        found.given[spec.name] = key
        try:
            found.values[spec.name] = self._value(
                spec, value, path, Spelling(key=key, unit=unit, currency=self.currency)
            )
        except (FieldError, UnitError) as error:
            found.wrong.add(spec.name)
            self.document.keep(self._sibling_hint(error, fields, value, found), path)

    def _absent(self, found: Table, spec: Field) -> None:
        if spec.name in found.wrong:
            return
        if spec.required:
            example = _example(spec, self.currency)
            message = f"{found.kind} {found.values['name']!r}" if "name" in found.given else found.kind
            code = spec.code if spec.type == "choice" and spec.code else "S003"
            self.document.add(code, found.path, f"{message} has no {spec.name}", help=f"add {spec.name} = {example}")
            found.wrong.add(spec.name)
        elif spec.default:
            text = spec.default.replace("XXX", self.currency)
            found.values[spec.name] = self._value(
                spec, text, (*found.path, spec.name), Spelling(key=spec.name, currency=self.currency)
            )

    def _value(self, spec: Field, raw: Any, path: Path, spelling: Spelling) -> Any:
        """Value of a field of any type.

        Raises
        ------
        FieldError, UnitError
            If a plain value is wrong; problems inside tables go to the document.
        """
        if spec.type in PLAIN_TYPES:
            return convert(spec, raw, spelling)
        if spec.type in ("signal", "relative", "column"):
            return self.signal(spec, raw, path, spelling)
        if spec.type == "table":
            return self.table(spec.argument, raw, path)
        if spec.type in ("tables", "rows"):
            kind, _, shorthand = spec.argument.partition(":")
            return self.items(kind, raw, path, shorthand)
        if not isinstance(raw, dict) or not raw:
            owner = _KEYS_OF[spec.name]
            message = f"found {raw!r}; expected a table with one key for each {owner}"
            raise FieldError("S004", message, help=f"write {spec.name} = {{ {owner} = ... }}")
        if spec.type == "demand" and "columns" in raw:
            return self._demand_columns(spec, raw, path)
        return dict(self._map(spec, raw, path, spelling))

    def signal(self, spec: Field, raw: Any, path: Path, spelling: Spelling) -> Signal:
        """A constant, a file reference or (where allowed) a relative signal.

        Raises
        ------
        FieldError, UnitError
            If a constant is wrong or a reference lacks file or column.
        """
        if spec.type == "column" and isinstance(raw, str) and raw[:1] not in _NUMBER_START:
            return Signal(field=spec, path=path, reference={"column": raw})
        if not isinstance(raw, dict):
            return Signal(field=spec, path=path, constant=float(quantity(spec, raw, spelling)))  # type: ignore[arg-type]
        checked = self._reference(spec, raw, path)
        scaling = _scaling(checked)
        if spec.type == "relative" and not {"file", "column"} & set(checked.given):
            return Signal(field=spec, path=path, relative=True, **scaling)
        for key in ("column",) if spec.type == "column" else ("file", "column"):
            if key in checked.wrong:
                raise ReportedError
            if key not in checked.given:
                raise FieldError("S003", f"the reference has no {key}", help=f'add {key} = "..." to {{ file, column }}')
        return Signal(field=spec, path=path, reference=checked.values, **scaling)

    def _reference(self, spec: Field, raw: Mapping[str, Any], path: Path) -> Table:
        """Check a file reference whose ``offset`` has the dimension of ``spec``."""
        rest = {key: value for key, value in raw.items() if key != "offset"}
        checked = self.table("reference", rest, path)
        if "offset" in raw:
            offset = replace(tables()["reference"]["offset"], dimensions=spec.dimensions)
            with self.document.collect((*path, "offset")):
                checked.values["offset"] = quantity(
                    offset, raw["offset"], Spelling(key="offset", currency=self.currency)
                )
        return checked

    def _demand_columns(self, spec: Field, raw: Mapping[str, Any], path: Path) -> dict[str, Signal]:
        checked = self.table("demand", raw, path)
        if "file" not in checked.given:
            raise FieldError("S003", "demand has no file", help='add file = "demand.csv"')
        if "column" in checked.given:
            raise FieldError("S009", "demand gives both column and columns", help="keep columns = { region = column }")
        scaling, columns = _scaling(checked), checked["columns"] or {}
        return {
            region: Signal(
                field=spec, path=(*path, "columns", region), reference={**checked.values, "column": column}, **scaling
            )
            for region, column in columns.items()
        }

    def _map(self, spec: Field, raw: Mapping[str, Any], path: Path, whole: Spelling) -> Iterator[tuple[str, Any]]:
        for key, value in raw.items():
            spelling = replace(whole, key=key, suffixes=False)
            with self.document.collect((*path, key)):
                if spec.type == "demand":
                    yield key, self.signal(replace(spec, type="signal"), value, (*path, key), spelling)
                elif spec.argument in tables():
                    yield key, self.table(spec.argument, value, (*path, key))
                elif spec.argument == "text":
                    yield key, convert(replace(spec, type="text"), value, spelling)
                else:
                    yield key, quantity(spec, value, spelling)

    def _sibling_hint(
        self, error: FieldError | UnitError, fields: Mapping[str, Field], value: Any, found: Table
    ) -> FieldError | UnitError:
        """Point at another key of the table that takes a quantity of this dimension."""
        if error.code != "U003" or not isinstance(value, str):
            return error
        for name, spec in fields.items():
            if name in found.given or spec.type != "quantity":
                continue
            try:
                parse_quantity(value, spec.dimensions[0], currency=self.currency)
            except UnitError:
                continue
            return UnitError(str(error), code=error.code, help=f'did you mean {found.kind}.{name} = "{value}"?')
        return error


_KEYS_OF = {"latency": "site", "accelerator_speed": "accelerator", "serving": "accelerator", "columns": "region"}
_KEYS_OF |= {"demand": "region"}


def with_shared_reference(signal: Signal | None, shared: Table) -> Signal | None:
    """A weather signal whose file and time keys come from the weather table where it has none of its own."""
    if signal is None or signal.reference is None:
        return signal
    common = {key: shared[key] for key in _SHARED_REFERENCE_KEYS if shared[key] is not None}
    own = {key: value for key, value in signal.reference.items() if value is not None}
    return replace(signal, reference={**common, **own})


def _scaling(reference: Table) -> dict[str, Any]:
    """Factor and offset of a checked reference, for a :class:`Signal`."""
    factor, offset = reference["factor"], reference["offset"]
    return {"factor": 1.0 if factor is None else factor, "offset": 0.0 if offset is None else offset}


def reference_signal(table: Table, spec: Field) -> Signal:
    """The signal of a table that itself holds a file reference, such as a carbon intensity."""
    return Signal(field=spec, path=table.path, reference=table.values, **_scaling(table))


def match_key(key: str, fields: Mapping[str, Field], currency: str) -> tuple[Field, str | None] | None:
    """Field of a key, and the unit when the key is a field name followed by one."""
    if key in fields:
        return fields[key], None
    head, _, _ = key.partition("_")
    for name in sorted((name for name in fields if name.startswith(head)), key=len, reverse=True):
        if key.startswith(name + "_") and fields[name].dimensions and fields[name].dimensions[0] in DIMENSIONS:
            rest = key[len(name) + 1 :]
            unit = suffix_unit(rest)
            if unit is None and rest.startswith("per_") and "XXX" in DIMENSIONS[fields[name].dimensions[0]]:
                unit = suffix_unit(f"{currency}_{rest}")
            if unit is not None:
                return fields[name], unit
    return None


def _example(spec: Field, currency: str) -> str:
    """A value that could stand in a file, for help texts."""
    if spec.dimensions:
        unit = DIMENSIONS[spec.dimensions[0]].replace("XXX", currency)
        return '"10 %"' if unit == "1" else f'"10 {unit}"'
    examples = {"integer": "1", "instant": "2022-07-04T00:00:00Z", "names": '["...", "..."]', "table": "{ ... }"}
    if spec.type == "choice":
        return f'"{spec.argument.partition("|")[0]}"'
    return examples.get(spec.type, "[{ ... }]" if spec.type == "tables" else '"..."')
