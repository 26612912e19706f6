"""Several services on slices of accelerators of one type, each slice within the objectives of its service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from joulewright.errors import InfeasibleError, ScenarioError
from joulewright.physics.accelerator import Accelerator
from joulewright.physics.inference.deployment import Deployment
from joulewright.physics.inference.mig import SliceProfile, slice_layout
from joulewright.plan.slice_packing import Packing, SliceOption, SliceWorkload, fewest_devices, pack_slices
from joulewright.study.configuration.day import Operation
from joulewright.study.configuration.evaluate import with_capacity
from joulewright.study.configuration.need import ServiceNeed
from joulewright.study.configuration.prospect import Prospect, mean_shape, prospect
from joulewright.study.configuration.result import Refusal
from joulewright.study.configuration.space import ConfigurationSpace
from joulewright.study.configuration.trial import Trial, Trials, Verification

Minimise = Literal["accelerators", "power", "carbon"]
_BACK_OFF, _LEAST_SHARE = 0.95, 0.01
"""Rate of slices that prove too slow, over the one before; below a hundredth of the first they are given up."""


class SliceShare(NamedTuple):
    """Slices of a profile for a service: how many, the requests that each gets and those that it can serve [1/s], how
    it fared, and the replica on it."""

    profile: str
    slices: int
    rate_per_s: float
    capacity_per_s: float
    trial: Trial
    deployment: Deployment

    @property
    def above_idle_w(self) -> float:
        """Power of a slice above its part of the idle power of the accelerator [W]."""
        return _above_idle_w(self.deployment, self.trial.power_w)


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicedServices:
    """Outcome of :func:`configure_slices`.

    Attributes
    ----------
    packing : Packing
        Accelerators as they are cut, and their cost [number, W or kg CO2e per h].
    shares : mapping of str to tuple of SliceShare
        Slices of each service.
    refused : tuple of Refusal
        Services on slices that cannot serve them, and why.
    embodied_kg_per_h : float or None
        Embodied carbon of all accelerators in use [kg CO2e per h]; None if that of the type is unknown.
    """

    packing: Packing
    shares: Mapping[str, tuple[SliceShare, ...]]
    refused: tuple[Refusal, ...]
    embodied_kg_per_h: float | None


class _Option(NamedTuple):
    found: Prospect
    trials: Trials
    first_per_s: float

    @property
    def capacity_per_s(self) -> float:
        """Requests that a slice serves in time [1/s]."""
        return self.found.most_per_s

    @property
    def power_w(self) -> float:
        """Power of a slice at its capacity [W]."""
        return self.found.curve(1.0).power_mw[-1] * 1e6


def configure_slices(
    needs: Sequence[ServiceNeed],
    accelerator: Accelerator | str,
    *,
    minimise: Minimise = "accelerators",
    intensity_g_per_kwh: float | None = None,
    space: ConfigurationSpace | None = None,
    operation: Operation | None = None,
    verification: Verification | None = None,
    seed: int = 0,
) -> SlicedServices:
    """Cut accelerators of one type for several services at their busiest hours.

    Parameters
    ----------
    needs : sequence of ServiceNeed
        Services of different names.
    accelerator : Accelerator or str
        The type, or its name.
    minimise : {"accelerators", "power", "carbon"}
        Number of accelerators, their power at these rates [W], or its carbon with the embodied carbon of
        accelerators in use [kg CO2e per h].
    intensity_g_per_kwh : float, optional
        Needed for carbon.
    space : ConfigurationSpace, optional
        Its formats, limits, caps, clocks and available accelerators are used; of several values the one with the
        highest capacity.
    operation, verification : Operation, Verification, optional
        As for :func:`~joulewright.study.configuration.search.configure`.
    seed : int
        Equal seeds give equal results.

    Returns
    -------
    SlicedServices
        The packing, in which every slice was simulated at its share of the rate.

    Raises
    ------
    ScenarioError
        If two services have one name, or the accelerator cannot be sliced.
    InfeasibleError
        If a service fits no slice in time, or there are too few accelerators.

    Notes
    -----
    What a slice serves is found by simulation; the packing is an optimum for these capacities. Slices of a service
    get requests in proportion to what they can serve. Interference between slices is left out: memory and
    multiprocessors are their own.

    References
    ----------
    See :func:`joulewright.plan.slice_packing.pack_slices`.
    """
    if len({need.name for need in needs}) < len(needs):
        raise ScenarioError(
            f"services are called {', '.join(need.name for need in needs)}; names must be unique, give each its own"
        )
    if minimise not in ("accelerators", "power", "carbon"):
        raise ScenarioError(f"minimise is {minimise!r}; use accelerators, power or carbon")
    if minimise == "carbon" and not (intensity_g_per_kwh is not None and intensity_g_per_kwh >= 0.0):
        raise ScenarioError(f"intensity_g_per_kwh is {intensity_g_per_kwh}; give at least 0 g/kWh to minimise carbon")
    chosen = _slice_space(accelerator, space)
    device, how = chosen.devices[0], operation or Operation()
    refused: list[Refusal] = []
    options = {
        need.name: _options(Trials(need, verification or Verification(), seed), chosen, how, refused) for need in needs
    }
    _check(needs, options, refused)
    price = _price(device, how, minimise, intensity_g_per_kwh)
    while True:
        packing = _pack(needs, device, options, price, devices=chosen.available(device))
        shares = {need.name: _shares(need, options[need.name], packing) for need in needs}
        late = [(name, share.profile) for name, found in shares.items() for share in found if not share.trial.met]
        if not late:
            unknown = None in (device.embodied_low_kg, device.embodied_mid_kg, device.embodied_high_kg)
            embodied = None if unknown else len(packing.devices) * _embodied_kg_per_h(device, how)
            return SlicedServices(packing=packing, shares=shares, refused=tuple(refused), embodied_kg_per_h=embodied)
        _back_off(options, late, refused)
        _check(needs, options, refused)


def _back_off(
    options: Mapping[str, dict[str, _Option]], late: Sequence[tuple[str, str]], refused: list[Refusal]
) -> None:
    """Give slices that proved too slow less to do; those that are too slow with next to nothing are given up."""
    for name, profile in late:
        option = options[name][profile]
        lower = replace(option.found, most_per_s=_BACK_OFF * option.capacity_per_s)
        if lower.most_per_s > _LEAST_SHARE * option.first_per_s:
            options[name][profile] = option._replace(found=lower)
            continue
        reason = "with other requests than those its rate was found with, it is too slow at any rate"
        refused.append(Refusal(f"{name} on {option.found.candidate.label}", reason))
        del options[name][profile]


def _slice_space(accelerator: Accelerator | str, space: ConfigurationSpace | None) -> ConfigurationSpace:
    """The space of all slices of the accelerator."""
    given = space or ConfigurationSpace(accelerators=(accelerator,))
    device = ConfigurationSpace(accelerators=(accelerator,)).devices[0]
    return ConfigurationSpace(
        accelerators=(device,),
        tensor_parallel=(1,),
        precisions=given.precisions,
        max_sequences=given.max_sequences,
        token_budgets=given.token_budgets,
        power_caps_fraction=given.power_caps_fraction,
        clock_fractions=given.clock_fractions,
        slices=_profiles(device),
        gpus_available=given.gpus_available,
        constants=given.constants,
    )


def _profiles(device: Accelerator) -> tuple[str, ...]:
    if device.mig_layout is None:
        raise ScenarioError(
            f"{device.name} cannot be cut into slices; choose an accelerator that can, such as H100-SXM, or serve each "
            "service on whole ones (configure)"
        )
    return tuple(slice_layout(device).profiles)


def _options(
    trials: Trials, space: ConfigurationSpace, operation: Operation, refused: list[Refusal]
) -> dict[str, _Option]:
    """The way to use each profile that serves most."""
    best: dict[str, _Option] = {}
    for candidate in space.candidates():
        try:
            ready = with_capacity(prospect(candidate, trials, operation, None), trials)
        except ScenarioError as error:
            refused.append(Refusal(f"{trials.need.name} on {candidate.label}", str(error)))
            continue
        option, profile = _Option(ready, trials, ready.most_per_s), str(candidate.slice)
        if profile not in best or option.capacity_per_s > best[profile].capacity_per_s:
            best[profile] = option
    return best


def _check(needs: Sequence[ServiceNeed], options: Mapping[str, Mapping[str, _Option]], refused: list[Refusal]) -> None:
    without = [need.name for need in needs if not options[need.name]]
    if without:
        reasons = [f"{item.label}: {item.reason}" for item in refused if item.label.split(" on ")[0] in without]
        lead = f"no slice can serve {', '.join(without)}; use whole accelerators"
        raise InfeasibleError("\n".join([lead, *reasons]))


class _Price(NamedTuple):
    """Cost of an accelerator in use, with the idle power that slices do not pay again, and of a watt; only accelerators
    count where neither a watt nor the embodied carbon does."""

    device: float
    watt: float
    only_number: bool = False


def _price(device: Accelerator, operation: Operation, minimise: Minimise, intensity: float | None) -> _Price:
    idle_w = device.idle_power_w + device.host_idle_power_w
    if minimise == "accelerators":
        return _Price(1.0, 0.0, only_number=True)
    if minimise == "power":
        return _Price(idle_w, 1.0)
    watt = (intensity or 0.0) * 1e-6
    return _Price(_embodied_kg_per_h(device, operation) + idle_w * watt, watt)


def _embodied_kg_per_h(device: Accelerator, operation: Operation) -> float:
    return device.embodied_kg_per_h(operation.lifetime_h)[1] / operation.utilisation_fraction


def _pack(
    needs: Sequence[ServiceNeed],
    device: Accelerator,
    options: Mapping[str, Mapping[str, _Option]],
    price: _Price,
    *,
    devices: int | None,
) -> Packing:
    """Cut accelerators for the busiest hours, with rates as tokens of output; of cuts of equal number, that of the
    smallest slices."""
    work, layout = [], slice_layout(device)
    for need in needs:
        slices = {
            profile: SliceOption(
                rate_token_s=option.capacity_per_s * _output(option),
                cost=_size(layout.profile(profile))
                if price.only_number
                else price.watt * _above_idle_w(option.found.deployment, option.power_w),
            )
            for profile, option in options[need.name].items()
        }
        output = _output(next(iter(options[need.name].values())))
        work.append(SliceWorkload(name=need.name, rate_token_s=float(need.rate_per_s.max()) * output, options=slices))
    try:
        if not price.only_number:
            return pack_slices(layout, work, device_cost=price.device, devices=devices)
        fewest = fewest_devices(layout, work)
        found = pack_slices(layout, work, device_cost=0.0, devices=fewest if devices is None else min(fewest, devices))
        return replace(found, cost=float(len(found.devices)))
    except InfeasibleError as error:
        raise InfeasibleError(f"{device.name}: {error}") from error


def _size(profile: SliceProfile) -> float:
    """Parts of memory and multiprocessors that a slice takes [-]."""
    return profile.memory_fraction + profile.compute_fraction


def _output(option: _Option) -> float:
    return mean_shape(option.trials).output_tokens


def _above_idle_w(deployment: Deployment, power_w: float) -> float:
    device = deployment.device
    return max(0.0, power_w - device.idle_power_w - device.host_idle_power_w)


def _shares(need: ServiceNeed, options: Mapping[str, _Option], packing: Packing) -> tuple[SliceShare, ...]:
    """Slices of a service and a simulation of one of each profile at its rate, with fresh requests."""
    counts: dict[str, int] = {}
    for device in packing.devices:
        for item, owner in zip(device.slices, device.workloads, strict=True):
            if owner == need.name:
                counts[item.profile] = counts.get(item.profile, 0) + 1
    total = sum(count * options[profile].capacity_per_s for profile, count in counts.items())
    shares = []
    for profile, count in sorted(counts.items()):
        option = options[profile]
        rate = float(need.rate_per_s.max()) * option.capacity_per_s / total
        found = option.found
        trial = (
            option.trials.run(found.engine, found.options, replicas=1, rate_per_s=rate, fresh=1)
            if rate > 0.0
            else Trial(0.0, 0.0, found.costs.standby_w, True)
        )
        shares.append(SliceShare(profile, count, rate, option.capacity_per_s, trial, found.deployment))
    return tuple(shares)
