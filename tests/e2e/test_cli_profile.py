"""``jw check`` and ``jw plan`` with a service whose language model comes from a file."""

from __future__ import annotations

import json
from typing import Any

PLAIN = 'throughput = "2400 token/s"\nactive_power = "640 W"\n'
CONFIG = {
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}


def test_the_configuration_is_found_from_the_folder_of_the_scenario(jw: Any, files: Any) -> None:
    (files.folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    profile = 'profile = "config.json"\ninput_tokens = 500\noutput_tokens = 250\n'
    path = files.path(files.edit((PLAIN, profile)))
    assert jw("check", path).status == 0
    outcome = jw("plan", path, "--strategy", "exact", "--gap", "1 %", "-o", files.folder / "run")
    assert outcome.status == 0, outcome.stderr
    shown = jw("data", "describe", files.folder / "run")
    assert shown.status == 0, shown.stderr


def test_a_file_that_is_not_there_is_told_with_its_place(jw: Any, files: Any) -> None:
    profile = 'profile = "other.json"\ninput_tokens = 500\noutput_tokens = 250\n'
    outcome = jw("check", files.path(files.edit((PLAIN, profile))))
    assert outcome.status == 3
    for words in ("S016", "language model 'other.json' cannot be read: there is no file", "inference.chat.profile"):
        assert words in outcome.stderr + outcome.stdout
