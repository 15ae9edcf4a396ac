"""Any order of verbs, deaths, pauses, broken links and clock jumps: many random examples of the state machine."""

import os

import pytest

from tests.deployments.test_state_machine import run_examples

EXAMPLES = int(os.environ.get("CHAOS_RUNS") or 500)


@pytest.mark.both_databases
def test_r00_whatever_happens_every_deploy_ends_in_a_true_state(transactional_db: None) -> None:
    run_examples(EXAMPLES, same_each_time=False)
