"""What a run keeps a note of: clipped decisions, and things that happened for some steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from joulewright.model import Clip, Happening


@dataclass
class _Spell:
    """A thing that goes on in consecutive steps."""

    first: int
    stop: int
    peak: float
    total: float


class Journal:
    """Clips are counted by component and quantity; consecutive steps of one thing are one happening.

    Parameters
    ----------
    step_h : float
        Length of a step [h].

    Examples
    --------
    >>> journal = Journal(0.5)
    >>> for step in (3, 4):
    ...     journal.step = step
    ...     journal.clip("a/store", "charge_mw", 5.0, 2.0)
    ...     journal.happen("shed-load", "a", 2.0)
    >>> journal.clips()[0].count, journal.happenings()[0].end_h, journal.happenings()[0].detail
    (2, 2.5, 'at most 2 MW, 2 MWh')
    """

    def __init__(self, step_h: float) -> None:
        self.step = 0
        self._step_h = step_h
        self._clips: dict[tuple[str, str], Clip] = {}
        self._open: dict[tuple[str, str], _Spell] = {}
        self._closed: list[Happening] = []

    def clip(self, component: str, quantity: str, asked: float, allowed: float) -> None:
        """Count a decision that was cut; the first one is kept with its two values."""
        key = (component, quantity)
        known = self._clips.get(key)
        if known is None:
            self._clips[key] = Clip(
                step=self.step, component=component, quantity=quantity, asked=asked, allowed=allowed
            )
        else:
            self._clips[key] = replace(known, count=known.count + 1)

    def happen(self, kind: str, where: str, power_mw: float) -> None:
        """Something of this power [MW] goes on in the present step."""
        spell = self._open.get((kind, where))
        if spell is not None and spell.stop >= self.step:
            spell.stop, spell.peak = self.step + 1, max(spell.peak, power_mw)
            spell.total += power_mw
            return
        if spell is not None:
            self._closed.append(self._happening(kind, where, spell))
        self._open[kind, where] = _Spell(self.step, self.step + 1, power_mw, power_mw)

    def clips(self) -> tuple[Clip, ...]:
        """One entry for every component and quantity that was ever clipped, by first step."""
        return tuple(sorted(self._clips.values(), key=lambda clip: clip.step))

    def happenings(self) -> tuple[Happening, ...]:
        """Everything that happened, by start."""
        going_on = [self._happening(*key, spell) for key, spell in self._open.items()]
        return tuple(sorted([*self._closed, *going_on], key=lambda item: item.start_h))

    def _happening(self, kind: str, where: str, spell: _Spell) -> Happening:
        return Happening(
            start_h=spell.first * self._step_h,
            end_h=spell.stop * self._step_h,
            kind=kind,
            where=where,
            detail=f"at most {spell.peak:.6g} MW, {spell.total * self._step_h:.6g} MWh",
        )
