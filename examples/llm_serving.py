"""How much energy does a language-model service take, and which accelerator and cap serve it best?

Run: ``python examples/llm_serving.py [TRACE]``; without a file, requests are made up.
"""

from __future__ import annotations

import sys

from joulewright.sim.processes.inference import ServingOptions
from joulewright.study.configuration import ConfigurationSpace
from joulewright.study.inference_configuration import study_configuration
from joulewright.study.inference_deployment import DeploymentChoice
from joulewright.study.inference_intensity import read_intensity
from joulewright.study.inference_need import ServiceChoice, Weighing
from joulewright.study.inference_requests import read_trace
from joulewright.study.inference_serving import ServingChoice, study_serving

MODEL = "Llama-3.1-8B"


def main(arguments: list[str]) -> int:
    """Print what requests take on two accelerators, then the configuration of least carbon for a day."""
    requests = read_trace(arguments[0] if arguments else "poisson:rate=8,input=500,output=250,requests=3000,seed=1")
    carbon = read_intensity("350 g/kWh")
    for accelerator in ("H100-SXM", "RTX-PRO-6000"):
        deployment = DeploymentChoice(model=MODEL, accelerator=accelerator).deploy()
        run = study_serving(requests, deployment, ServingChoice(options=ServingOptions()), carbon=carbon)
        ttft, tpot = (run.result.quantile(name, 0.95) for name in ("ttft_s", "tpot_s"))
        total = run.energy.row(-1, named=True)
        print(
            f"{accelerator:13s} {total['per_output_token_j']:.3f} J per output token, {total['carbon_g']:.0f} g CO2e, "
            f"95 % of first tokens within {1e3 * ttft:.0f} ms, of further ones within {1e3 * tpot:.1f} ms"
        )
        print(f"{'':13s} {run.standing.sentence()}")
    service = ServiceChoice(model=MODEL, rate_per_s=(20.0,), lengths="constant", ttft_s=1.0, tpot_s=0.05)
    space = ConfigurationSpace(
        accelerators=("H100-SXM", "RTX-PRO-6000"), tensor_parallel=(1,), power_caps_fraction=(1.0, 0.6)
    )
    weighing = Weighing(minimise="embodied+operational", intensity="350 g/kWh", requests=200)
    found = study_configuration(service, space, weighing).found
    best = found.best
    print(f"best over a day: {best.label}, {best.replicas.min()} to {best.replicas.max()} replicas")
    print(f"{best.carbon_kg:.2f} kg CO2e of operation, {best.embodied_kg:.2f} kg embodied, {best.energy_kwh:.1f} kWh")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
