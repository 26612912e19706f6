"""Everything that can be wrong with a scenario: code, place, the value found and the way out."""

from __future__ import annotations

import pytest

from joulewright.errors import Diagnostic

Edit = tuple[str, str]
ONE = '{ value = "1 kg/MWh", kind = "average", scope = "direct" }'
SITE_A_FLEET = 'name = "pod"\naccelerator = "H100-SXM"\ncount = 4096'
TURBINE = 'fuel_cost = "60 USD/MWh"'
PACK = 'power = "4 MW"\nround_trip_efficiency = "81 %"'
TUNE = 'value = "50_000 USD"'
EVENT = '[[event]]\nsite = "a"\nstart = 2022-07-04T06:00:00Z\nend = 2022-07-04T08:00:00Z\n'

#: Name, edits, code, words of the message, words of the help, key.
CASES: list[tuple[str, list[Edit], str, list[str], list[str], str]] = [
    # Schema
    (
        "unknown key",
        [('import_limit = "', 'imprt_limit = "')],
        "S002",
        ["'imprt_limit'", "grid"],
        ["'import_limit'"],
        "site.a.grid.imprt_limit",
    ),
    ("unknown key at the top", [('name = "tiny"', 'nmae = "tiny"')], "S002", ["'nmae'"], ["'name'"], "nmae"),
    (
        "key without kin",
        [('name = "tiny"', "frobnicate = 1")],
        "S002",
        ["'frobnicate'"],
        ["known are schema"],
        "frobnicate",
    ),
    (
        "unknown key of a reference",
        [('price = "50 USD/MWh"', 'price = { file = "f.csv", colum = "x" }')],
        "S002",
        ["'colum'"],
        ["'column'"],
        "site.a.grid.price.colum",
    ),
    ("missing key", [('energy = "8 MWh"\n', "")], "S003", ["no energy"], ['energy = "10 MWh"'], "site.a.battery"),
    ("missing name", [('name = "tune"\n', "")], "S003", ["training has no name"], ["name ="], "training"),
    ("no price", [('price = "50 USD/MWh"\n', "")], "S003", ["no price"], ["USD/MWh"], "site.a.grid"),
    ("no import limit", [('import_limit = "20 MW"\n', "")], "S003", ["no import_limit"], ['"60 MW"'], "site.a.grid"),
    (
        "text for a table",
        [("location = {", "weather = 3\nlocation = {")],
        "S004",
        ["found 3"],
        ["weather"],
        "site.a.weather",
    ),
    ("number for text", [('name = "tiny"', "name = 5")], "S004", ["found 5"], ["text"], "name"),
    (
        "number for a list",
        [('sites = ["a"]', "sites = 3")],
        "S004",
        ["found 3"],
        ["list of names"],
        "training.tune.sites",
    ),
    ("empty list", [('sites = ["a"]', "sites = []")], "S004", ["[]"], ["list of names"], "training.tune.sites"),
    (
        "fraction for a count",
        [("gpus = 1024", "gpus = 10.5")],
        "S004",
        ["10.5"],
        ["whole number"],
        "training.tune.gpus",
    ),
    (
        "text for a flag",
        [("[carbon]", '[carbon]\ncredit_export = "maybe"')],
        "S004",
        ["'maybe'"],
        ["true or false"],
        "carbon.credit_export",
    ),
    (
        "flag for a quantity",
        [('import_limit = "20 MW"', "import_limit = true")],
        "S004",
        ["true"],
        ["60 MW"],
        "site.a.grid.import_limit",
    ),
    (
        "string under a key with a unit",
        [("import_limit_mw = 10", 'import_limit_mw = "10 MW"')],
        "S004",
        ["'10 MW'"],
        ["number such as 60"],
        "site.b.grid.import_limit_mw",
    ),
    (
        "scalar for tables",
        [("[[link]]", "[[link]]\n[[link]]"), ('between = ["a", "b"]', "between = 4")],
        "S004",
        ["found 4"],
        [],
        "link",
    ),
    (
        "list for the sites table",
        [('latency = { a = "9 ms", b = "41 ms" }', 'latency = "9 ms"')],
        "S004",
        ["'9 ms'"],
        [],
        "region.west.latency",
    ),
    (
        "other schema version",
        [("scenario/1", "scenario/7")],
        "S005",
        ["'joulewright/scenario/7'", "scenario/1"],
        ["install"],
        "schema",
    ),
    ("other schema", [("joulewright/scenario/1", "pypsa/1")], "S005", ["'pypsa/1'"], [], "schema"),
    (
        "no schema",
        [('schema = "joulewright/scenario/1"\n', "")],
        "S005",
        ["does not state"],
        ['schema = "joulewright/scenario/1"'],
        "",
    ),
    (
        "not a choice",
        [('kind = "rigid"', 'kind = "rigit"')],
        "S006",
        ["'rigit'", "rigid, pausable, elastic"],
        ["'rigid'"],
        "training.tune.kind",
    ),
    ("not a currency", [('currency = "USD"', 'currency = "dollar"')], "S006", ["'dollar'"], ["ISO 4217"], "currency"),
    (
        "duplicate sites",
        [('name = "b"', 'name = "a"'), ('between = ["a", "b"]', 'between = ["a", "c"]')],
        "S007",
        ["site 'a' appears twice"],
        ["own name"],
        "site.a.name",
    ),
    (
        "duplicate fleets",
        [(SITE_A_FLEET, SITE_A_FLEET + "\n[[site.fleet]]\n" + SITE_A_FLEET)],
        "S007",
        ["fleet 'pod'"],
        [],
        "site.a.fleet.pod.name",
    ),
    (
        "wind named like solar",
        [('profile = "25 %"', 'profile = "25 %"\n[[site.wind]]\nname = "solar"\ncapacity = "1 MW"\nprofile = "10 %"')],
        "S007",
        ["'solar'"],
        [],
        "site.a.wind.solar.name",
    ),
    (
        "unknown site in a link",
        [('between = ["a", "b"]', 'between = ["a", "x"]')],
        "S008",
        ["'x'"],
        ["a, b"],
        "link.a-x.between",
    ),
    (
        "unknown site of a job",
        [('sites = ["a"]', 'sites = ["a", "c"]')],
        "S008",
        ["'tune'", "'c'"],
        [],
        "training.tune.sites",
    ),
    ("unknown pinned site", [('sites = ["a"]', 'site = "c"')], "S008", ["'c'"], [], "training.tune.site"),
    (
        "unknown site in a region",
        [('b = "41 ms"', 'bb = "41 ms"')],
        "S008",
        ["'bb'"],
        ["'b'"],
        "region.west.latency.bb",
    ),
    (
        "unknown site of residency",
        [('name = "west"', 'name = "west"\nresidency = ["q"]')],
        "S008",
        ["'q'"],
        [],
        "region.west.residency",
    ),
    (
        "unknown site of a service",
        [('latency_limit = "60 ms"', 'latency_limit = "60 ms"\nsites = ["aa"]')],
        "S008",
        ["'aa'"],
        ["'a'"],
        "inference.chat.sites",
    ),
    (
        "unknown region",
        [("demand = { west =", "demand = { wset =")],
        "S008",
        ["'wset'"],
        ["'west'"],
        "inference.chat.demand.wset",
    ),
    ("unknown accelerator", [("A100-SXM", "A100-SMX")], "S008", ["'A100-SMX'"], [], "site.b.fleet.pod.accelerator"),
    (
        "two spellings",
        [('import_limit = "20 MW"', 'import_limit = "20 MW"\nimport_limit_mw = 3')],
        "S009",
        ["import_limit_mw"],
        ["keep one"],
        "site.a.grid.import_limit_mw",
    ),
    (
        "two ways to state losses",
        [(PACK, PACK + '\ncharge_efficiency = "90 %"')],
        "S009",
        ["round_trip_efficiency"],
        [],
        "site.a.battery.charge_efficiency",
    ),
    (
        "one efficiency only",
        [('round_trip_efficiency = "81 %"', 'charge_efficiency = "90 %"')],
        "S003",
        ["discharge_efficiency"],
        [],
        "site.a.battery",
    ),
    (
        "no efficiency",
        [('round_trip_efficiency = "81 %"\n', "")],
        "S003",
        ["round_trip_efficiency"],
        [],
        "site.a.battery",
    ),
    (
        "power twice",
        [(PACK, PACK + '\ncharge_power = "1 MW"')],
        "S009",
        ["charge_power"],
        [],
        "site.a.battery.charge_power",
    ),
    ("no power", [('power = "4 MW"\n', "")], "S003", ["no power"], [], "site.a.battery"),
    (
        "one power only",
        [('power = "4 MW"\n', 'charge_power = "4 MW"\n')],
        "S003",
        ["discharge_power"],
        [],
        "site.a.battery",
    ),
    (
        "pue twice",
        [('cooling = { model = "constant", pue = 1.25 }', 'cooling = { model = "constant", pue = 1.25 }\npue = 1.2')],
        "S009",
        ["pue and cooling"],
        [],
        "site.a.pue",
    ),
    (
        "both kinds of limit",
        [('import_limit = "20 MW"', 'import_limit = "20 MW"\nfirm_limit = "5 MW"')],
        "S009",
        ["firm_limit"],
        [],
        "site.a.grid.firm_limit",
    ),
    (
        "firm without flexible",
        [('import_limit = "20 MW"', 'firm_limit = "5 MW"')],
        "S003",
        ["flexible_limit"],
        [],
        "site.a.grid",
    ),
    (
        "carbon by value and file",
        [('{ value = "400 kg/MWh",', '{ value = "400 kg/MWh", file = "f.csv",')],
        "S009",
        ["file and value"],
        [],
        "site.a.grid.carbon_intensity",
    ),
    (
        "carbon without values",
        [('{ value = "400 kg/MWh", kind', "{ kind")],
        "S003",
        ["no values"],
        ["file and column"],
        "site.a.grid.carbon_intensity",
    ),
    (
        "profile of a service",
        [
            (
                'throughput = "2400 token/s"\nactive_power = "640 W"',
                'profile = "lama-3-8b"\ninput_tokens = 9\noutput_tokens = 9',
            )
        ],
        "S016",
        ["lama-3-8b", "Llama-3-8B"],
        ["catalogue"],
        "inference.chat.profile",
    ),
    (
        "no throughput",
        [('throughput = "2400 token/s"\n', "")],
        "S003",
        ["no throughput"],
        ["token/s"],
        "inference.chat",
    ),
    (
        "size of a rigid job",
        [("gpus = 1024", "gpus = 1024\nmin_gpus = 8")],
        "S014",
        ["min_gpus", "rigid"],
        ["elastic"],
        "training.tune.min_gpus",
    ),
    (
        "migratable rigid job",
        [("gpus = 1024", "gpus = 1024\nmigratable = true")],
        "S014",
        ["migratable"],
        [],
        "training.tune.migratable",
    ),
    (
        "points of a constant",
        [("pue = 1.25 }", "pue = 1.25, points = [[1, 1.2], [2, 1.3]] }")],
        "S014",
        ["points"],
        [],
        "site.a.cooling.points",
    ),
    # Units
    (
        "bare number",
        [('import_limit = "20 MW"', "import_limit = 20")],
        "U001",
        ["20 has no unit", "power (MW)"],
        ['import_limit = "20 MW"', "import_limit_mw = 20"],
        "site.a.grid.import_limit",
    ),
    (
        "text without unit",
        [('import_limit = "20 MW"', 'import_limit = "20"')],
        "U001",
        ["20 has no unit"],
        ["import_limit_mw = 20"],
        "site.a.grid.import_limit",
    ),
    (
        "bare latency",
        [('b = "41 ms"', "b = 41")],
        "U001",
        ["latency (ms)"],
        ['write b = "41 ms"'],
        "region.west.latency.b",
    ),
    ("unknown unit", [('"4 MW"', '"4 mw"')], "U002", ["'mw'", "'4 mw'"], ["'MW'"], "site.a.battery.power"),
    ("wrong unit", [('"4 MW"', '"4 MWh"')], "U003", ["power (MW)", "energy", "'4 MWh'"], [], "site.a.battery.power"),
    (
        "value of a sibling key",
        [('"8 MWh"', '"8 MW"')],
        "U003",
        ["energy (MWh)"],
        ['battery.power = "8 MW"'],
        "site.a.battery.energy",
    ),
    (
        "wrong unit of a key",
        [("import_limit_mw = 10", "import_limit_mwh = 10")],
        "U003",
        ["energy"],
        [],
        "site.b.grid.import_limit_mwh",
    ),
    (
        "other currency",
        [('"50_000 USD"', '"50_000 EUR"')],
        "U003",
        ["USD", "EUR"],
        ["never converted"],
        "training.tune.value",
    ),
    ("malformed", [('"4 MW"', '"four MW"')], "U004", ["'four MW'"], ["1000 MW"], "site.a.battery.power"),
    # Time
    (
        "no offset",
        [("start = 2022-07-04T00:00:00Z", "start = 2022-07-04T00:00:00")],
        "T021",
        ["no UTC offset"],
        ["2022-07-04T00:00:00Z"],
        "time.start",
    ),
    (
        "date only",
        [("end = 2022-07-05T00:00:00Z", "end = 2022-07-05")],
        "T021",
        ["2022-07-05"],
        ["T00:00:00Z"],
        "time.end",
    ),
    ("not an instant", [("end = 2022-07-05T00:00:00Z", 'end = "tomorrow"')], "S004", ["'tomorrow'"], [], "time.end"),
    (
        "end before start",
        [("end = 2022-07-05", "end = 2022-07-03")],
        "T022",
        ["2022-07-03T00:00:00Z", "2022-07-04T00:00:00Z"],
        [],
        "time.end",
    ),
    ("two-day step", [('step = "1 h"', 'step = "2 days"')], "T023", ["172800 s", "1 day"], ["15 min"], "time.step"),
    ("fraction of a second", [('step = "1 h"', 'step = "1.5 s"')], "T023", ["1.5 s"], [], "time.step"),
    ("no step", [('step = "1 h"', 'step = "0 h"')], "T023", ["'0 h'"], [], "time.step"),
    (
        "steps do not fill the horizon",
        [('step = "1 h"', 'step = "7 h"')],
        "T024",
        ["24 h", "7 h"],
        ["2022-07-04T21:00:00Z"],
        "time.end",
    ),
    (
        "too many steps",
        [('step = "1 h"', 'step = "1 s"'), ("end = 2022-07-05", "end = 2042-07-05")],
        "T025",
        ["10000000"],
        [],
        "time.end",
    ),
    (
        "unknown time zone",
        [("America/Los_Angeles", "America/Los_Angels")],
        "T004",
        ["Los_Angels"],
        ["IANA"],
        "site.a.location.time_zone",
    ),
    (
        "deadline before release",
        [("deadline = 2022-07-04T20", "deadline = 2022-07-04T01")],
        "T031",
        ["2022-07-04T01:00Z", "2022-07-04T02:00Z"],
        [],
        "training.tune.deadline",
    ),
    (
        "longer than its window",
        [('duration = "6 h"', 'duration = "19 h"')],
        "T032",
        ["'tune' needs 19 h", "18 h"],
        ["deadline"],
        "training.tune.duration",
    ),
    (
        "longer than the horizon",
        [('duration = "6 h"', 'duration = "30 h"'), ("deadline = 2022-07-04T20", "deadline = 2022-07-08T20")],
        "T032",
        ["30 h", "22 h", "ends with the horizon"],
        ["beyond = true"],
        "training.tune.duration",
    ),
    (
        "longer than what is left after its pinned start",
        [(TUNE, TUNE + "\nstart = 2022-07-04T18:00:00Z")],
        "T032",
        ["6 h", "2 h"],
        [],
        "training.tune.duration",
    ),
    (
        "pinned start outside",
        [(TUNE, TUNE + "\nstart = 2022-07-04T01:00:00Z")],
        "T033",
        ["2022-07-04T01:00Z"],
        [],
        "training.tune.start",
    ),
    (
        "outside the horizon",
        [
            ("release = 2022-07-04T02", "release = 2022-07-06T02"),
            ("deadline = 2022-07-04T20", "deadline = 2022-07-07T20"),
        ],
        "T034",
        ["2022-07-06T02:00Z"],
        [],
        "training.tune.release",
    ),
    (
        "running since later",
        [('sites = ["a"]', 'site = "a"\nrunning_since = 2022-07-04T03:00:00Z')],
        "T037",
        ["2022-07-04T03:00Z"],
        ["start"],
        "training.tune.running_since",
    ),
    (
        "running nowhere",
        [('sites = ["a"]', "running_since = 2022-07-03T23:00:00Z")],
        "S003",
        ["no site"],
        [],
        "training.tune.running_since",
    ),
    (
        "event ends before it starts",
        [("[[link]]", EVENT.replace("T08", "T05") + 'kind = "grid-outage"\n[[link]]')],
        "T035",
        ["2022-07-04T05"],
        [],
        "event.grid-outage.end",
    ),
    # Physics
    ("negative capacity", [('"8 MWh"', '"-8 MWh"')], "P001", ["'-8 MWh'", ">= 0 MWh"], [], "site.a.battery.energy"),
    ("negative count", [("count = 2048", "count = -1")], "P001", ["-1", ">= 0"], [], "site.b.fleet.pod.count"),
    (
        "not finite",
        [("import_limit_mw = 10", "import_limit_mw = inf")],
        "P001",
        ["inf"],
        [],
        "site.b.grid.import_limit_mw",
    ),
    ("zero bandwidth", [('"100 Gbit/s"', '"0 Gbit/s"')], "P001", ["> 0 Gbit/s"], [], "link.a-b.bandwidth"),
    (
        "efficiency in percent",
        [('round_trip_efficiency = "81 %"', "round_trip_efficiency = 88")],
        "P002",
        ["88 is not a fraction", "above 0 to 1"],
        ['"88 %"', "0.88"],
        "site.a.battery.round_trip_efficiency",
    ),
    (
        "share in percent",
        [(TURBINE, TURBINE + "\navailability = 95")],
        "P002",
        ["95"],
        ['"95 %"'],
        "site.a.generator.turbine.availability",
    ),
    (
        "initial energy without unit",
        [('"8 MWh"', '"8 MWh"\ninitial = 4')],
        "P002",
        ["4"],
        ['"50 %"', '"10 MWh"'],
        "site.a.battery.initial",
    ),
    ("fraction too large", [('"81 %"', '"181 %"')], "P003", ["'181 %'"], [], "site.a.battery.round_trip_efficiency"),
    (
        "efficiency of zero",
        [('"81 %"', '"0 %"')],
        "P001",
        ["'0 %'", "above 0"],
        [],
        "site.a.battery.round_trip_efficiency",
    ),
    (
        "latitude",
        [("latitude = 37.4", "latitude = 137.4")],
        "P003",
        ["137.4", "-90 to 90 deg"],
        [],
        "site.a.location.latitude",
    ),
    ("pue below 1", [("pue = 1.1", "pue = 0.9")], "P004", ["0.9", "1 to 5"], [], "site.b.pue"),
    ("pue of the cooling below 1", [("pue = 1.25", "pue = 0.25")], "P004", ["0.25"], [], "site.a.cooling.pue"),
    (
        "larger than every fleet",
        [("gpus = 1024", "gpus = 9000")],
        "P005",
        ["'tune' needs 9000", "pod at a with 4096"],
        [],
        "training.tune.gpus",
    ),
    (
        "larger than the fleets it may use",
        [("gpus = 1024", "gpus = 3000"), ('sites = ["a"]', 'sites = ["b"]')],
        "P005",
        ["3000", "2048"],
        [],
        "training.tune.gpus",
    ),
    (
        "smallest above largest",
        [('kind = "rigid"', 'kind = "elastic"\nmin_gpus = 512\nmax_gpus = 256')],
        "P006",
        ["512", "256"],
        [],
        "training.tune.min_gpus",
    ),
    (
        "convex speed",
        [
            (
                'kind = "rigid"',
                'kind = "elastic"\nmin_gpus = 512\nmax_gpus = 2048\nspeed = [[512, 0.5], [1024, 1], [2048, 3]]',
            )
        ],
        "P007",
        ["not concave", "1024"],
        [],
        "training.tune.speed",
    ),
    (
        "speed for other sizes",
        [('kind = "rigid"', 'kind = "elastic"\nmin_gpus = 256\nspeed = [[512, 0.5], [1024, 1]]')],
        "P007",
        ["512 to 1024", "256 to 1024"],
        [],
        "training.tune.speed",
    ),
    (
        "repeated sizes",
        [('kind = "rigid"', 'kind = "elastic"\nspeed = [[512, 0.5], [512, 1]]')],
        "P007",
        ["distinct"],
        [],
        "training.tune.speed",
    ),
    (
        "initial above capacity",
        [('"8 MWh"', '"8 MWh"\ninitial = "9 MWh"')],
        "P008",
        ["9 MWh", "0 to 8 MWh"],
        [],
        "site.a.battery.initial",
    ),
    (
        "initial below the floor",
        [('"8 MWh"', '"8 MWh"\nmin_energy = "75 %"')],
        "P008",
        ["4 MWh", "6 to 8 MWh"],
        [],
        "site.a.battery",
    ),
    (
        "floor above capacity",
        [('"8 MWh"', '"8 MWh"\nmin_energy = "9 MWh"')],
        "P008",
        ["9 MWh"],
        [],
        "site.a.battery.min_energy",
    ),
    (
        "min load above capacity",
        [('min_load = "40 %"', 'min_load = "4 MW"')],
        "P009",
        ["4 MW", "3 MW"],
        ["40 %"],
        "site.a.generator.turbine.min_load",
    ),
    (
        "min load in percent",
        [('min_load = "40 %"', "min_load = 40")],
        "P002",
        ["40"],
        [],
        "site.a.generator.turbine.min_load",
    ),
    (
        "running below its least load",
        [(TURBINE, TURBINE + '\ninitially_on = true\ninitial_output = "1 MW"')],
        "P013",
        ["1 MW", "1.2 to 3 MW"],
        [],
        "site.a.generator.turbine.initial_output",
    ),
    (
        "output of a unit that is off",
        [(TURBINE, TURBINE + '\ninitial_output = "1 MW"')],
        "P013",
        ["1 MW"],
        ["initially_on"],
        "site.a.generator.turbine.initial_output",
    ),
    (
        "idle above active",
        [("count = 2048", 'count = 2048\nidle_power = "500 W"')],
        "P014",
        ["625 W", "590 W"],
        [],
        "site.b.fleet.pod.idle_power",
    ),
    (
        "nobody can serve",
        [('latency_limit = "60 ms"', 'latency_limit = "5 ms"'), ('unserved_penalty = "4 USD/Mtoken"\n', "")],
        "P011",
        ["'west'", "5 ms"],
        ["unserved_penalty"],
        "inference.chat.latency_limit",
    ),
    (
        "cooling without weather",
        [('{ model = "constant", pue = 1.25 }', '{ model = "chiller" }')],
        "P012",
        ["weather.temperature"],
        [],
        "site.a.cooling",
    ),
    ("constant cooling without pue", [(", pue = 1.25 }", " }")], "S003", ["no pue"], [], "site.a.cooling"),
    (
        "solar without weather",
        [('profile = "25 %"\n', "")],
        "P012",
        ["weather.cloud_cover"],
        ["profile"],
        "site.a.solar",
    ),
    (
        "wind without weather",
        [("[[site.solar]]", "[[site.wind]]"), ('profile = "25 %"\n', "")],
        "P012",
        ["weather.wind_speed"],
        [],
        "site.a.wind",
    ),
    (
        "link to itself",
        [('between = ["a", "b"]', 'between = ["a", "a"]')],
        "P016",
        ["['a', 'a']"],
        [],
        "link.a-a.between",
    ),
    # Carbon
    ("negative budget", [('"500 t"', '"-500 t"')], "C001", ["'-500 t'", ">= 0 kg"], [], "carbon.budget"),
    (
        "negative site budget",
        [("pue = 1.1", 'pue = 1.1\ncarbon_budget = "-1 t"')],
        "C001",
        ["'-1 t'"],
        [],
        "site.b.carbon_budget",
    ),
    (
        "negative intensity",
        [('"400 kg/MWh"', '"-4 kg/MWh"')],
        "C002",
        ["'-4 kg/MWh'"],
        [],
        "site.a.grid.carbon_intensity.value",
    ),
    (
        "negative emission",
        [('"490 kg/MWh"', '"-490 kg/MWh"')],
        "C002",
        ["'-490 kg/MWh'"],
        [],
        "site.a.generator.turbine.emission",
    ),
    (
        "deciding series missing",
        [('kind = "average", scope = "direct" }\nprice = "10', 'kind = "marginal", scope = "direct" }\nprice = "10')],
        "C003",
        ["marginal direct"],
        ["decides"],
        "site.a.grid",
    ),
    (
        "carbon without kind",
        [('"400 kg/MWh", kind = "average",', '"400 kg/MWh",')],
        "C011",
        ["no kind"],
        ['"average"'],
        "site.a.grid.carbon_intensity",
    ),
    (
        "carbon without scope",
        [('kind = "average", scope = "direct" }\n[[site.solar]]', 'kind = "average" }\n[[site.solar]]')],
        "C011",
        ["no scope"],
        ['"direct"'],
        "site.a.grid.carbon_intensity",
    ),
    (
        "carbon twice",
        [
            (
                'carbon_intensity = { value = "400 kg/MWh", kind = "average", scope = "direct" }',
                "carbon_intensity = [" + ONE + ", " + ONE + "]",
            )
        ],
        "C012",
        ["average direct"],
        [],
        "site.a.grid.carbon_intensity.average-direct-2",
    ),
    # Files
    (
        "missing file",
        [('price = "50 USD/MWh"', 'price = { file = "nix.csv", column = "price_usd_mwh" }')],
        "D001",
        ["nix.csv"],
        [],
        "site.a.grid.price",
    ),
    (
        "reference without column",
        [('price = "50 USD/MWh"', 'price = { file = "nix.csv" }')],
        "S003",
        ["no column"],
        [],
        "site.a.grid.price",
    ),
    (
        "reference without file",
        [('price = "50 USD/MWh"', 'price = { column = "x_usd_mwh" }')],
        "S003",
        ["no file"],
        [],
        "site.a.grid.price",
    ),
    (
        "missing table file",
        [("[[link]]", "training_file = 1\n[[link]]")],
        "S002",
        ["training_file"],
        [],
        "site.b.fleet.pod.training_file",
    ),
    # Events
    (
        "event at an unknown site",
        [("[[link]]", EVENT.replace('"a"', '"q"') + 'kind = "grid-outage"\n[[link]]')],
        "S008",
        ["'q'"],
        [],
        "event.grid-outage.site",
    ),
    (
        "call without limit",
        [("[[link]]", EVENT + 'kind = "demand-response"\n[[link]]')],
        "S003",
        ["no limit"],
        [],
        "event.demand-response",
    ),
    (
        "failure of nothing",
        [("[[link]]", EVENT + 'kind = "generator-failure"\n[[link]]')],
        "S003",
        ["no component"],
        [],
        "event.generator-failure",
    ),
    (
        "failure of an unknown unit",
        [("[[link]]", EVENT + 'kind = "generator-failure"\ncomponent = "turbin"\n[[link]]')],
        "S008",
        ["'turbin'"],
        ["'turbine'"],
        "event.generator-failure.component",
    ),
    (
        "spike without price",
        [("[[link]]", EVENT + 'kind = "price-spike"\n[[link]]')],
        "S003",
        ["no price"],
        [],
        "event.price-spike",
    ),
    (
        "price of an outage",
        [("[[link]]", EVENT + 'kind = "grid-outage"\nprice = "1 USD/MWh"\n[[link]]')],
        "S014",
        ["price", "grid-outage"],
        ["price-spike"],
        "event.grid-outage.price",
    ),
    (
        "unknown event",
        [("[[link]]", EVENT + 'kind = "blackout"\n[[link]]')],
        "S006",
        ["'blackout'", "grid-outage"],
        [],
        "event.blackout.kind",
    ),
    # Demand charges
    (
        "demand charge without location",
        [("[site.grid]\nimport_limit_mw = 10", '[site.grid]\ndemand_charge = "12 USD/kW/month"\nimport_limit_mw = 10')],
        "S003",
        ["no location"],
        ["time_zone"],
        "site.b.grid.demand_charge",
    ),
    (
        "demand charge of another dimension",
        [('price = "50 USD/MWh"', 'price = "50 USD/MWh"\ndemand_charge = "12 USD/kW"')],
        "U003",
        ["demand rate"],
        [],
        "site.a.grid.demand_charge",
    ),
    (
        "unknown weekday",
        [
            (
                'price = "50 USD/MWh"',
                'price = "50 USD/MWh"\ndemand_charge = [{ rate = "1 USD/kW/month", weekdays = ["monday"] }]',
            )
        ],
        "S006",
        ["'monday'", "mon, tue"],
        [],
        "site.a.grid.demand_charge.demand.weekdays",
    ),
    (
        "unknown month",
        [
            (
                'price = "50 USD/MWh"',
                'price = "50 USD/MWh"\ndemand_charge = [{ rate = "1 USD/kW/month", months = [13] }]',
            )
        ],
        "S004",
        ["[13]"],
        ["1 to 12"],
        "site.a.grid.demand_charge.demand.months",
    ),
    (
        "hours of no length",
        [
            (
                'price = "50 USD/MWh"',
                'price = "50 USD/MWh"\ndemand_charge = [{ rate = "1 USD/kW/month", hours = [8, 8] }]',
            )
        ],
        "S004",
        ["[8, 8]"],
        ["0 to 24"],
        "site.a.grid.demand_charge.demand.hours",
    ),
]


@pytest.mark.parametrize(("edits", "code", "facts", "ways", "key"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_problem(files, edits: list[Edit], code: str, facts: list[str], ways: list[str], key: str) -> None:
    problems: list[Diagnostic] = files.problems(*edits)
    found = next((p for p in problems if p.code == code and (p.key or "").startswith(key)), None)
    assert found is not None, "\n".join(map(str, problems))
    for fact in facts:
        assert fact in found.message
    for way in ways:
        assert way in found.help
    assert found.file is not None
    assert found.file.endswith("scenario.toml")
    assert found.line is not None or code == "S005"
    assert found.help


ONE_EACH = {
    "duplicate sites": {"S007", "S008"},
    "scalar for tables": {"S003", "S004"},
    "not a currency": {"S006"},
}


@pytest.mark.parametrize(("edits", "code"), [(c[1], c[2]) for c in CASES], ids=[c[0] for c in CASES])
def test_one_mistake_gives_one_code(files, edits: list[Edit], code: str, request: pytest.FixtureRequest) -> None:
    allowed = ONE_EACH.get(request.node.callspec.id, {code})
    assert {problem.code for problem in files.problems(*edits)} <= allowed


def test_all_problems_come_at_once_in_the_order_of_the_file(files) -> None:
    problems = files.problems(
        ('name = "tiny"', 'nmae = "tiny"'),
        ("end = 2022-07-05", "end = 2022-07-03"),
        ('"500 t"', '"-500 t"'),
        ('import_limit = "20 MW"', "import_limit = 20"),
        ('"8 MWh"', '"-8 MWh"'),
        ('power = "4 MW"', 'power = "4 mw"'),
        ("count = 2048", "count = -1"),
        ('between = ["a", "b"]', 'between = ["a", "x"]'),
        ("deadline = 2022-07-04T20", "deadline = 2022-07-04T01"),
        ('sites = ["a"]', 'sites = ["z"]'),
        ('price = "70 USD/MWh"', 'price = { file = "nix.csv", column = "p_usd_mwh" }'),
    )
    codes = [problem.code for problem in problems]
    assert sorted(codes) == sorted(["S002", "T022", "C001", "U001", "P001", "U002", "P001", "S008", "S008", "D001"])
    assert all(problem.line for problem in problems)


def test_the_caret_stands_on_the_value(files) -> None:
    (problem,) = files.problems(('import_limit = "20 MW"', "import_limit = 20"))
    lines = files.path(files.edit(('import_limit = "20 MW"', "import_limit = 20"))).read_text().splitlines()
    assert lines[problem.line - 1] == "import_limit = 20"
    assert lines[problem.line - 1][problem.column - 1 :] == "20"


def test_the_caret_of_an_unknown_key_stands_on_the_key(files) -> None:
    edit = ('cooling = { model = "constant", pue = 1.25 }', 'cooling = { model = "constant", pue = 1.25, cops = 3 }')
    (problem,) = files.problems(edit)
    line = files.path(files.edit(edit)).read_text().splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith("cops")


def test_a_broken_table_hides_no_other_problem(files) -> None:
    problems = files.problems(
        ("location = {", "grid = 3\nlocation = {"), ('[site.grid]\nimport_limit = "20 MW"', "[site.solar]")
    )
    assert problems[0].code == "S001"


WARNINGS = [
    (
        "event outside the horizon",
        [("[[link]]", EVENT.replace("07-04", "08-04") + 'kind = "grid-outage"\n[[link]]')],
        "T036",
        "warning",
    ),
    ("no cooling", [("pue = 1.1\n", "")], "S011", "warning"),
    ("export without price", [('export_price = { factor = 0.5, offset = "-1 USD/MWh" }\n', "")], "S011", "warning"),
    ("worthless job", [('value = "50_000 USD"\n', "")], "P017", "warning"),
    (
        "no carbon series at all",
        [
            ('price = "10 USD/t"\nbudget = "500 t"\n', ""),
            ('carbon_intensity = { value = "400 kg/MWh", kind = "average", scope = "direct" }\n', ""),
            ('carbon_intensity = { value = "300 g/kWh", kind = "average", scope = "direct" }\n', ""),
        ],
        "C003",
        "warning",
    ),
    ("speed on a foreign accelerator", [(TUNE, TUNE + "\naccelerator_speed = { B200 = 2 }")], "S015", "warning"),
    ("currency by default", [('currency = "USD"\n', "")], "S011", "note"),
    ("durations rounded up", [('duration = "6 h"', 'duration = "330 min"')], "T038", "note"),
    ("catalogue assumptions", [], "P015", "note"),
]


@pytest.mark.parametrize(("edits", "code", "severity"), [c[1:] for c in WARNINGS], ids=[c[0] for c in WARNINGS])
def test_warnings_and_notes_stay_with_the_scenario(files, edits: list[Edit], code: str, severity: str) -> None:
    found = [item for item in files.read(*edits).diagnostics if item.code == code]
    assert found
    assert all(item.severity == severity for item in found)


def test_a_sound_scenario_has_no_warnings(files) -> None:
    assert {item.code for item in files.read().diagnostics} == {"P015"}


def test_rounding_says_by_how_much(files) -> None:
    scenario = files.read(('duration = "6 h"', 'duration = "330 min"'))
    (note,) = [item for item in scenario.diagnostics if item.code == "T038"]
    assert "1 training jobs" in note.message
    assert "0.5 h" in note.message


def test_a_scenario_needs_a_site(files) -> None:
    head, _, _ = files.edit().partition("[[site]]")
    (missing,) = files.problems(text=head)
    assert (missing.code, missing.key) == ("S003", None)
    (empty,) = files.problems(text=head.replace('name = "tiny"', 'name = "tiny"\nsite = []'))
    assert (empty.code, empty.key) == ("S003", "site")
    (wrong,) = files.problems(text=head.replace('name = "tiny"', 'name = "tiny"\nsite = [3]'))
    assert (wrong.code, wrong.key) == ("S004", "site[0]")
