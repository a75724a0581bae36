"""Find descriptions that fit one person only, though each word is harmless: "the only Chechen girl of the school".

A description is one person (`a pupil`, `der Junge`) with two or more traits of different sorts close by: an age, an
origin or religion, being the only or first one, a status that few have, a school, mosque or club, being somebody's
relative. Source: Sweeney 2000, "Simple Demographics Often Identify People Uniquely".
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from local_node.name_lists import is_of_a_place

REACH: Final = 70
"""Characters before and after the person that its traits may stand in."""
FEWEST_TRAITS: Final = 2

_PERSON: Final = re.compile(
    r"\b(?:an?|the|one|this|his|her|their|our|ein(?:e[mnrs]?)?|de[rmns]|die|das|diese[rmns]?|une?|la|le|cet(?:te)?|een|het|"
    r"et|den|det)\s+(?:[\w-]+\s+){0,3}?"
    r"(?P<who>boy|girl|man|woman|child|teenager|youth|adolescent|pupil|student|participant|client|inmate|prisoner|detainee|"
    r"convert|returnee|refugee|migrant|brother|sister|mother|father|son|daughter|wife|husband|trainer|teacher|imam|"
    r"Junge|Jungen|Mädchen|Mann|Mannes|Frau|Kind|Kindes|Jugendliche[rn]?|Schüler(?:in|s)?|Teilnehmer(?:in|s)?|"
    r"Klient(?:in|en)?|Häftling|Rückkehrer(?:in)?|Konvertit(?:in|en)?|Bruder|Schwester|Mutter|Vater|Sohn|Tochter|Lehrer(?:in)?|"
    r"garçon|fille|homme|femme|enfant|adolescente?|élève|étudiante?|participante?|détenue?|frère|sœur|mère|père|fils|"
    r"jongen|meisje|vrouw|kind|jongere|leerling|deelnemer|gevangene|broer|zus|moeder|vader|zoon|dochter|"
    r"dreng|pige|mand|kvinde|barn|elev|deltager|bror|søster|mor|far|søn|datter)\b",
    re.IGNORECASE,
)
_TRAITS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "age": re.compile(
            r"\b\w{1,14}[-\s]?(?:years?[-\s]?old|jährig\w*|jarige?|årig\w*)\b|\bde\s\w{1,12}\sans\b|\baged\s\w+",
            re.IGNORECASE,
        ),
        "only one": re.compile(
            r"\b(?:only|first|single|youngest|oldest|sole|einzige\w*|erste[rnms]?|jüngste\w*|älteste\w*|seule?|premi(?:er|ère)|"
            r"enige|eerste|jongste|oudste|eneste|første|yngste|ældste)\b",
            re.IGNORECASE,
        ),
        "religion": re.compile(
            r"\b(?:muslim\w*|jewish|jüdisch\w*|yezidi\w*|jesidisch\w*|alevi\w*|alevitisch\w*|salafi\w*|sikh|hindu|kurdish|"
            r"kurdisch\w*|kurde|roma|sinti|musulmane?|juive?|islamitisch\w*|joodse?|koerdisch\w*|jødisk\w*|kurdisk\w*)\b",
            re.IGNORECASE,
        ),
        "status": re.compile(
            r"\b(?:convert(?:ed)?|returnee|wheelchair|pregnant|deaf|blind|adopted|twins?|orphan|widow\w*|autistic|transgender|"
            r"konvertiert\w*|Konvertit\w*|Rückkehrer\w*|Rollstuhl\w*|schwanger\w*|gehörlos\w*|adoptiert\w*|Zwilling\w*|Waise|"
            r"convertie?|enceinte|sourde?|aveugle|adoptée?|jumeaux|orpheline?|bekeerde?|zwangere?|dove|tweeling|"
            r"konverteret|gravid|døv|tvilling)\b",
            re.IGNORECASE,
        ),
        "belonging": re.compile(
            r"\b(?:of|at|from|in|der|des|von|vom|aus|am|an|de|du|van|op|uit|fra|på)\s+(?:(?:the|der|dem|la|le|de|het|den)\s+|l['’])?"
            r"(?:[\w-]+\s+){0,2}[\w-]*(?:school|mosque|church|club|team|gym|schule|gymnasium|moschee|kirche|verein|"
            r"école|lycée|collège|mosquée|église|moskee|kerk|vereniging|skole|moské|kirke|forening)\b",
            re.IGNORECASE,
        ),
        "relative": re.compile(
            r"\b(?:son|daughter|brother|sister|wife|husband|mother|father)\s+of\b|['’]s\s+(?:son|daughter|brother|sister|wife)\b|"
            r"\b(?:Sohn|Tochter|Bruder|Schwester|Frau)\s+(?:des|der|von)\b|\b(?:fils|fille|frère|sœur|femme)\s+d[eu]\b|"
            r"\b(?:zoon|dochter|broer|zus|vrouw)\s+van\b",
            re.IGNORECASE,
        ),
    }
)
_WORD: Final = re.compile(r"[^\W\d_]{5,}")
_SENTENCE_END: Final = re.compile(r"[.!?]\s|\n")


def find_combinations(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every description, from its first trait to its last one."""
    for match in _PERSON.finditer(text):
        low, high = _window(text, match.start(), match.end())
        places = [found.span() for pattern in _TRAITS.values() if (found := pattern.search(text, low, high))]
        if origin := _find_origin(text, low, high):
            places.append(origin)
        if len(places) >= FEWEST_TRAITS:
            yield min(match.start(), *(start for start, _ in places)), max(match.end(), *(end for _, end in places))


def _window(text: str, start: int, end: int) -> tuple[int, int]:
    """The part of the sentence around a person that its traits stand in."""
    low, high = max(0, start - REACH), min(len(text), end + REACH)
    for stop in _SENTENCE_END.finditer(text, low, start):
        low = stop.end()
    stop_after = _SENTENCE_END.search(text, end, high)
    return low, stop_after.start() if stop_after else high


def _find_origin(text: str, low: int, high: int) -> tuple[int, int] | None:
    for word in _WORD.finditer(text, low, high):
        if is_of_a_place(word[0]) and (
            word[0][0].isupper() or word[0].lower().endswith(("ische", "ischer", "isches", "ischen"))
        ):
            return word.span()
    return None
