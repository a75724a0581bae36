"""Polynomials by their values at the roots of unity: Lagrange basis (draft-irtf-cfrg-vdaf-20 section 6.1.3.2).

A polynomial of degree below n, n a power of two, is the list of its values at w^0 .. w^(n-1), w the n-th root of unity.
The formulas are those of Faz-Hernandez 2025 (https://ia.cr/2025/1727) in another order: what depends on the points
alone is worked out once, and applied to every polynomial as a sum of products.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from shared_schema.vdaf.field128 import MODULUS, Vector, dot, inverse, nth_root_powers


def next_power_of_2(n: int) -> int:
    """The smallest power of two that is at least n, for n >= 1 (section 2)."""
    return 1 << (n - 1).bit_length()


def odd_evaluations(values: Sequence[int]) -> Vector:
    """The values half way between: at the odd powers of the 2n-th root of unity (`double_evaluations`), not reduced.

    n is the next power of two; what is missing there in `values` is zero. The draft goes to the coefficients and back;
    for the few points here, one sum of products for each is ten times faster.
    """
    n = next_power_of_2(len(values))
    weights = _weights_half_way(n)
    return [dot(weights[n - i : 2 * n - i], values) for i in range(n)]


def last_evaluation(values: Sequence[int]) -> int:
    """The value at w^(n-1) of a polynomial of degree n - 2 at most, from those at the n - 1 points before it.

    (`extend_values_to_power_of_2` for the one value that is missing here.) The highest coefficient, which is zero, is
    the sum of all values times w^k, divided by n.
    """
    powers = nth_root_powers(len(values) + 1)
    return -dot(powers, values) * powers[1] % MODULUS  # w^(n-1) times w is 1


def weights_at(n: int, point: int) -> Vector:
    """With these weights, the sum of a polynomial's n values is its value at `point` (`poly_eval_batched`).

    The k-th is w^k / n times the product of all (point - w^j) but the k-th.
    """
    nodes = nth_root_powers(n)
    differences = [point - node for node in nodes]
    before = accumulate(differences[:-1], _product, initial=inverse(n))
    after = list(accumulate(reversed(differences[1:]), _product, initial=1))
    return [node * a % MODULUS * b % MODULUS for node, a, b in zip(nodes, before, reversed(after), strict=True)]


@lru_cache(maxsize=16)
def _weights_half_way(n: int) -> tuple[int, ...]:
    """The weights at s, the 2n-th root of unity, twice over: those at s w^i are the same, moved on by i places."""
    return tuple(2 * weights_at(n, nth_root_powers(2 * n)[1]))


def _product(left: int, right: int) -> int:
    return left * right % MODULUS
