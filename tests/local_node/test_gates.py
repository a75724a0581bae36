"""A type that is a gate is made in one function only; everything behind it can rely on that."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "local_node"
GATES = {
    "FrequencyTable": {"tabulation.tabulate", "tabulation.tabulate_correction"},
    "StoredDraw": {"ledger._stored"},
    "ProtectedTable": {"disclosure.protect"},
    "ScreenedText": {"narrative.screen"},
    "ApprovedRelease": {"review.approve"},
    "sign_statement": {"release.sign_release", "withdrawals.sign_due"},
}


def places_of_calls(name: str) -> set[str]:
    """module.function of everything in the node that calls `name`."""
    places = set()
    for path in sorted(PACKAGE.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and name in (
                        getattr(call.func, "id", ""),
                        getattr(call.func, "attr", ""),
                    ):
                        places.add(f"{path.stem}.{function.name}")
    return places


@pytest.mark.parametrize(("gate", "makers"), GATES.items())
def test_only_its_own_function_makes_a_gate(gate: str, makers: set[str]) -> None:
    assert places_of_calls(gate) == makers
