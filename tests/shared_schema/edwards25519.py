"""Edwards25519 in plain Python, slow and only for tests: enough to find the points of small order ourselves.

RFC 8032 section 5.1: -x^2 + y^2 = 1 + d x^2 y^2 over the integers modulo 2^255 - 19.
"""

from collections.abc import Iterator

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
"""The order of the large subgroup; the whole curve has 8 L points."""

Point = tuple[int, int]
NEUTRAL: Point = (0, 1)


def add(one: Point, other: Point) -> Point:
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P
    return x, y


def multiply(factor: int, point: Point) -> Point:
    result = NEUTRAL
    while factor:
        if factor & 1:
            result = add(result, point)
        point, factor = add(point, point), factor >> 1
    return result


def points_with(y: int) -> list[Point]:
    """The points with this y: none, one or two (RFC 8032 section 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return []
    return [(root, y % P) for root in sorted({x, -x % P})]


def torsion_points() -> set[Point]:
    """All points whose order divides 8: the multiples of one of order 8, which L times almost any point is."""
    for y in range(2, 100):
        for point in points_with(y):
            candidate = multiply(L, point)
            if multiply(4, candidate) != NEUTRAL:
                return {multiply(factor, candidate) for factor in range(8)}
    raise AssertionError("expected a point of order 8 among the first hundred")


def encodings(point: Point) -> Iterator[bytes]:
    """Every 32 bytes that a reader may take for this point or its negative: y or y + p, with either sign bit."""
    for y in (point[1], point[1] + P):
        if y < 2**255:
            yield y.to_bytes(32, "little")
            yield (y | 1 << 255).to_bytes(32, "little")
