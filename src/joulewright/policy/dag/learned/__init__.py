"""A scheduler that was learned: a small graph network scores stages and limits, trained by simulated experience."""

from joulewright.policy.dag.learned.network import Network
from joulewright.policy.dag.learned.scheduler import Learned, Thinker
from joulewright.policy.dag.learned.weights import about_network, load_network, save_network

__all__ = ["Learned", "Network", "Thinker", "about_network", "load_network", "save_network"]
