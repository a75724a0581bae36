"""What can be told by its form: addresses, numbers, dates, ages, links; in English, German, French, Dutch and Danish.

All patterns run on every text, whatever its language; only Danish has numbers that are other words elsewhere (`to`).
They are wide on purpose: a number that looks like one of a telephone or a card is found also when a digit is wrong, so
no check digit is asked for.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class FindingKind(StrEnum):
    """What a finding is about."""

    EMAIL = "email"
    URL = "url"
    NETWORK = "network"
    HANDLE = "handle"
    ACCOUNT = "account"
    DATE = "date"
    AGE = "age"
    PHONE = "phone"
    ADDRESS = "address"
    NAME = "name"
    LOCAL = "local"
    COMBINATION = "combination"
    SMALL_NUMBER = "small-number"


def find_patterns(text: str, language: str) -> Iterator[tuple[int, int, FindingKind]]:
    """(start, end, kind) of everything that a pattern matches; they may overlap."""
    extra = ((FindingKind.SMALL_NUMBER, _SMALL_NUMBER_DA),) if language == "da" else ()
    for kind, pattern in (*PATTERNS.items(), *extra):
        for match in pattern.finditer(text):
            yield match.start(), match.end(), kind


# --- words ---------------------------------------------------------------------------------------------------------

_MONTHS = (
    "Jan(?:uary|uar|vier|uari)?|Feb(?:ruary|ruar|ruari)?|février|fevrier|March|März|Mar|mars|maart|marts|Apr(?:il)?|"
    "avril|May|Mai|mei|maj|June?|Juni|juin|July?|Juli|juillet|Aug(?:ust|ustus)?|août|aout|Sept?(?:ember|embre)?|"
    "O[ck]t(?:ober|obre)?|Nov(?:ember|embre)?|De[cz](?:ember)?|décembre|decembre"
)
_NUMBERS_EN = "two|three|four|five|six|seven|eight|nine|ten"
_NUMBERS_DE = "zwei|zwo|drei|vier|fünf|sechs|sieben|acht|neun|zehn"
_NUMBERS_FR = "deux|trois|quatre|cinq|sept|huit|neuf|dix"
_NUMBERS_NL = "twee|drie|vier|vijf|zes|zeven|acht|negen|tien"
_NUMBERS_DA = "to|tre|fire|fem|seks|syv|otte|ni|ti"
_SMALL_NUMBERS = f"{_NUMBERS_EN}|{_NUMBERS_DE}|{_NUMBERS_FR}|{_NUMBERS_NL}"
_TEENS_EN = (
    "eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty(?:-\\w+)?|thirty(?:-\\w+)?"
)
_TEENS_DE = "elf|zwölf|dreizehn|vierzehn|fünfzehn|sechzehn|siebzehn|achtzehn|neunzehn|\\w*(?:zwanzig|dreißig|vierzig)"
_TEENS_FR = "onze|douze|treize|quatorze|quinze|seize|dix-sept|dix-huit|dix-neuf|vingt(?:-\\w+)?"
_TEENS_NL = "twaalf|dertien|veertien|vijftien|zestien|zeventien|achttien|negentien|\\w*twintig"
_TEENS_DA = "elleve|tolv|tretten|fjorten|femten|seksten|sytten|atten|nitten|\\w*tyve"
_AGE_NUMBER = rf"(?:\d{{1,2}}|{_SMALL_NUMBERS}|{_TEENS_EN}|{_TEENS_DE}|{_TEENS_FR}|{_TEENS_NL}|{_TEENS_DA})"
_TITLES = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor(?:in)?|Herrn?|Frau|Fräulein|Familie|Imam|Scheich|Sheikh|Pastor(?:in)?|"
    r"Pfarrer(?:in)?|Rabbi(?:ner)?|M|MM|Me|Mgr|Mme|Mlle|Monsieur|Madame|Mademoiselle|[Dd]hr|[Mm]evr|[Mm]evrouw|"
    r"[Mm]eneer|[Dd]e heer|[Dd]en heer|[Ff]ru|[Hh]r)"
)
_CAPITALISED = r"[^\W\d_a-zäöüßéèàçøæå][\w'’-]+"
_ONE = (
    r"boy|girl|man|woman|child|teenager|youngster|youth|adolescent|pupil|student|person|participant|client|inmate|"
    r"prisoner|detainee|returnee|refugee|migrant|convert|offender|suspect|victim|brother|sister|mother|father|son|"
    r"daughter|parent|family|couple|"
    r"Junge|Mädchen|Mann|Frau|Kind|Jugendlicher?|Schüler(?:in)?|Person|Teilnehmer(?:in)?|Klient(?:in)?|Häftling|"
    r"Rückkehrer(?:in)?|Flüchtling|Bruder|Schwester|Mutter|Vater|Sohn|Tochter|Familie|Täter(?:in)?|"
    r"garçon|fille|homme|femme|enfant|adolescente?|élève|étudiante?|personne|participante?|détenue?|réfugiée?|famille|"
    r"jongen|meisje|vrouw|kind|jongere|leerling|persoon|deelnemer|gezin|dreng|pige|mand|kvinde|barn|elev|familie"
)
_SEVERAL = (
    r"boys|girls|men|women|children|kids|teenagers|youngsters|youths|adolescents|pupils|students|persons|people|"
    r"participants|clients|inmates|prisoners|detainees|returnees|refugees|migrants|converts|offenders|suspects|victims|"
    r"brothers|sisters|mothers|fathers|sons|daughters|parents|families|couples|individuals|"
    r"Jungen?|Jungs|Mädchen|Männern?|Frauen|Kindern?|Jugendlichen?|Schüler(?:n|innen)?|Personen|Menschen|"
    r"Teilnehmer(?:n|innen)?|Teilnehmenden?|Klient(?:en|innen)|Häftlingen?|Inhaftierten?|Rückkehrer(?:n|innen)?|"
    r"Geflüchteten?|Flüchtlingen?|Brüdern?|Schwestern|Müttern?|Vätern?|Söhnen?|Töchtern?|Eltern|Familien|"
    r"Täter(?:n|innen)?|"
    r"garçons|filles|hommes|femmes|enfants|adolescente?s|jeunes|élèves|étudiante?s|personnes|participante?s|détenue?s|"
    r"réfugiée?s|familles|frères|sœurs|parents|"
    r"jongens|meisjes|mannen|vrouwen|kinderen|jongeren|leerlingen|personen|mensen|deelnemers|gezinnen|gevangenen|"
    r"drenge|piger|mænd|kvinder|børn|unge|elever|personer|mennesker|deltagere|familier|indsatte"
)
# One or two words may stand between, as in "three young men" or "two of the boys", but no other thing that is counted.
_BETWEEN = (
    r"(?:(?!(?:years?|months?|weeks?|days?|hours?|minutes?|evenings?|meetings?|times|schools?|Jahren?|Monaten?|Wochen|"
    r"Tagen?|Stunden|Minuten|Abenden?|Treffen|Schulen|ans?|années|mois|semaines|jours|heures|soirées|jaar|maanden|"
    r"weken|dagen|uur|avonden|scholen|år|måneder|uger|dage|timer|aftener|skoler|and|or|und|oder|et|ou|og|eller|"
    r"to|bis)\b)[\w-]+\s+){0,2}"
)
_STREET_END = (
    r"(?:-?Stra(?:ß|ss)e|straße|strasse|str\.|weg|gasse|allee|platz|ufer|damm|ring|straat|laan|plein|gracht|kade|dreef|singel|vej|gade|"
    r"allé|stræde|torv|katu|tie|gata|gatan|vägen|veien|utca|tér)"
)
_STREET_WORD = (
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Crescent|Close|Terrace|Boulevard|Blvd|Way|Square)"
)
_STREET_BEFORE = (
    r"(?:rue|avenue|boulevard|bd|chemin|allée|impasse|quai|route|cours|via|viale|piazza|rua|calle|avenida|ulica|ul\.)"
)
_NAMED = r"[^\W\d_a-zäöüßéèàçøæå][\w'’.-]*"
_PART = r"[^\W\d_][\w.'’-]*"

PATTERNS: Final[Mapping[FindingKind, re.Pattern[str]]] = MappingProxyType(
    {
        FindingKind.EMAIL: re.compile(
            r"[\w.+-]{1,64}\s?(?:@|[\[({]\s?at\s?[\])}])\s?[\w-]{1,63}(?:\s?(?:\.|[\[({]\s?dot\s?[\])}])\s?[\w-]{1,63})+"
            r"|[\w.+-]{1,64}\s+at\s+[\w-]{1,63}(?:(?:\s+dot\s+|\.)[\w-]{2,63})+",
            re.I,
        ),
        FindingKind.URL: re.compile(
            r"\b(?:https?://|www\.)\S+"
            r"|\b[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.(?:de|com|org|net|eu|info|at|ch|nl|fr|be|dk|io|me|tv|uk)\b(?:/\S*)?",
            re.I,
        ),
        FindingKind.NETWORK: re.compile(
            r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])|\b(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b", re.I
        ),
        FindingKind.HANDLE: re.compile(r"(?<!\w)@\w{2,}"),
        FindingKind.ACCOUNT: re.compile(
            r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,3})?\b"
            r"|\b[A-ZÄÖÜ]{1,3}-[A-Z]{1,2}\s?\d{1,4}\b"
            r"|\b(?=[A-Z0-9]{0,24}[A-Z])(?=(?:[A-Z]{0,24}\d){4})[A-Z0-9]{7,24}\b",
            re.I,
        ),
        FindingKind.DATE: re.compile(
            r"\b\d{4}-\d{1,2}-\d{1,2}\b"
            r"|\b(?:[12]\d|3[01]|0?[1-9])\.\s?(?:1[0-2]|0?[1-9])\.(?:\s?\d{2,4}\b)?"
            r"|\b\d{1,2}[/-]\d{1,2}[/-]\d{2,4}\b"
            rf"|\b(?:\d{{1,2}}(?:st|nd|rd|th|er|\.)?)[\s-]+(?:of\s+)?(?:{_MONTHS})\b(?:[\s-]+\d{{4}}\b)?"
            rf"|\b(?:{_MONTHS})\.?\s+(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?\b(?![:.]?\d)(?:,?\s+\d{{4}}\b)?",
            re.I,
        ),
        FindingKind.AGE: re.compile(
            rf"\b{_AGE_NUMBER}[-\s]?years?[-\s]?olds?\b"
            rf"|\b(?:aged|(?:at\s+)?(?:the\s+)?age\s+of|im\s+Alter\s+von|à\s+l['’]âge\s+de|âgée?s?\s+de|op\s+\w+-jarige)"
            rf"\s+{_AGE_NUMBER}(?:\s+ans)?\b"
            rf"|\b(?:{_ONE})\s*(?:,|\(|\s+of)\s*\d{{1,2}}\b(?!\s*(?:%|percent|years?\s+ago))"
            rf"|\bage[d:]?\s+{_AGE_NUMBER}\b|\b{_AGE_NUMBER}\s+(?:years?|yrs?)\s+old\b"
            rf"|\b(?:he|she)\s+(?:is|was)\s+(?:{_TEENS_EN})\b|\b{_AGE_NUMBER}\s+Jahre\s+alte[rsnm]?\b"
            r"|\b(?:born|geboren|geboren\s+im\s+Jahr|née?|født)\s+(?:in|en|im|i)?\s*(?:19|20)\d\d\b"
            rf"|\b{_AGE_NUMBER}[-\s]?(?:jährig|jarige?|årig)\w*"
            rf"|\b{_AGE_NUMBER}\s+(?:Jahre\s+alt|jaar\s+oud|år\s+gammel)\b"
            rf"|\b(?:{_ONE}|il|elle)\s+(?:de|a|avait)\s+{_AGE_NUMBER}\s+ans\b"
            r"|\b(?:he|she|they|er|sie|il|elle|hij|zij|han|hun)\s+(?:was|is|were|are|war|ist|var|er|avait|a)\s+"
            r"(?:only\s+|erst\s+|pas\s+|slechts\s+|kun\s+)?\d{1,2}\b"
            r"|\b(?:just\s+)?turn(?:ed|s)?\s+\d{1,2}\b|\b\d{1,2}\s?y/?o\b",
            re.I,
        ),
        FindingKind.PHONE: re.compile(
            r"(?<!\w)(?<!\d[.,])(?!(?:19|20)\d\d\s?[-–/]\s?(?:19|20)\d\d\b)\(?\+?\(?\d(?:[\s()/.·_-]{0,5}\d){6,}"
            r"(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?!\w)",
            re.I,
        ),
        FindingKind.ADDRESS: re.compile(
            rf"\b(?:\d{{1,6}}\s+)?[\w-]{{2,40}}{_STREET_END}\s+\d{{1,4}}(?:\s?[a-h])?\b"
            rf"|\b(?!(?:19|20)\d\d\b)\d{{1,6}}[ \t]+{_NAMED}(?:[ \t]+{_PART}){{0,4}}[ \t]+\d{{1,5}}\b"
            r"|\b(?:Am|Im|Zum|Zur|An\s+de[rnm]|In\s+de[rnm]|Auf\s+de[rnm]|Unter\s+de[rnm])\s+"
            rf"(?:{_NAMED}[ \t]+){{0,2}}{_NAMED}[ \t]+\d{{1,3}}(?:\s?[a-h])?\b(?!\.?\d)"
            rf"|\b{_NAMED}\s+(?!(?:19|20)\d\d\b)\d{{5}}\b(?![\d.,]|\s*[a-zäöü])"
            rf"|\b\d{{1,5}}\s?[a-h]?,?\s+{_STREET_BEFORE}\s+(?:(?:de|du|des|la|le|les|di|do|da|delle?)\s+){{0,2}}"
            rf"(?:l['’]|d['’])?{_NAMED}(?:[ \t]+{_NAMED}){{0,2}}(?:\s+\d{{1,5}}\b)?"
            rf"|\b{_STREET_BEFORE}\s+(?:de\s+(?:la\s+)?|du\s+|des\s+|delle?\s+|di\s+)?{_CAPITALISED}"
            rf"(?:\s+{_CAPITALISED})?\s*,?\s+\d{{1,5}}\b"
            rf"|\b(?:\d{{1,6}}\s+)?\d{{1,6}}\s+(?:{_CAPITALISED}\s+){{1,4}}{_STREET_WORD}\b\.?"
            rf"|\b(?:\d{{3,6}}\s+)?{_CAPITALISED}(?:\s+{_CAPITALISED}){{0,2}}{_STREET_END}\s+\d{{1,4}}\b"
            r"|\b(?i:Suite|Apt\.?|Apartment|Flat|P\.?\s?O\.?\s?Box|Box|Postfach|Postbus|Unit)\s+\d{1,6}\b"
            rf"|\b(?i:PSC|FPO|APO)\s+[\w ,]{{2,40}}\d{{4,6}}\b"
            rf"|\b(?:D|A|CH|F|NL|DK|B)-\d{{4,5}}\s+{_CAPITALISED}"
            rf"|\b\d{{4}}\s?[A-Z]{{2}}\s+{_CAPITALISED}"
            r"|\b[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}\b|\b[A-Z]\d[A-Z]\s?\d[A-Z]\d\b"
        ),
        FindingKind.NAME: re.compile(
            rf"\b{_TITLES}\b\.?\s+(?:(?:Dr|Prof|von|van|de|al|der|den)\b\.?\s+)*(?:[A-Z]\.?\s){{0,2}}{_CAPITALISED}"
            rf"|\b(?:named|namens|nommée?|genaamd|ved navn)\s+{_CAPITALISED}"
            rf"|\b{_CAPITALISED}\s+[A-ZÄÖÜ]\.(?=[\s,;)]|$)"
        ),
        FindingKind.SMALL_NUMBER: re.compile(
            rf"(?<![\w.,])(?:(?:1|one|(?:eine?[nmrs]?\s+)?einzige[nmrs]?|une?\s+seule?|enige|eneste)\s+{_BETWEEN}(?:{_ONE})"
            rf"|(?:[2-9]|10|{_SMALL_NUMBERS}|both|beiden?|beide|begge)\s+{_BETWEEN}(?:{_SEVERAL}))\b",
            re.I,
        ),
    }
)
"""Kind → its pattern."""

_SMALL_NUMBER_DA: Final = re.compile(rf"\b(?:{_NUMBERS_DA})\s+{_BETWEEN}(?:{_SEVERAL})\b", re.I)
