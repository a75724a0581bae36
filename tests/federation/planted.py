"""Identifiers planted in texts, taken through the real release path: what of them is outside the node afterwards?

Every text has five identifiers of different sorts, in one of five languages. A scripted second person masks everything
that was found and approves; what was found nowhere goes out as it was written, and is then seen in the traffic.
"""

import base64
import json
import random
import re
import socket
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Final

from deploy.demo.federation import Program
from tests.federation.conftest import Processes
from tests.federation.recording_proxy import RecordingProxy

PLANTS_A_TEXT: Final = 5
FIRST: Final = tuple(
    "Rubija Krisztián Aleyna Oluwaseun Fatoumata Thijs Rasmus Małgorzata Dragan Yusuf Chukwuemeka Ingeborg Siobhán "
    "Mehmet Nguyen Tendai Zeynep Björk Iker Sanna Ruslan Amadou Noor Jelena Dilnoza Kaveh Ottoline Wiebke Loïc "
    "Freja".split()
)
LAST: Final = tuple(
    "Özdemir Kowalczyk Adeyemi Vandenberghe Szöllösy Mbeki Thorvaldsen Petrovic Al-Masri Nwosu Schmalstieg Quenneville "
    "Iyer Haverkamp Lindqvist Yılmaz Okonkwo Dziedzic Farrokhzad Bouvier Castellanos Hadžić Kjeldsen Traoré".split()
)
TEMPLATES: Final = {
    "en": (
        "We met {name} at {address}. Later {first} wrote from {email} and called {phone}. It began on {date}.",
        "The leader {name} can be reached under {phone} or at {email}. Since {date} the office is in {address}.",
    ),
    "de": (
        "Wir trafen {name} in der {address}. Danach schrieb {first} von {email} und rief {phone}. Es begann am {date}.",
        "Die Leitung hat {name}, zu erreichen unter {phone} oder {email}. Das Büro ist seit {date} in der {address}.",
    ),
    "fr": (
        "Nous avons vu {name} au {address}. Ensuite {first} a écrit de {email} ou du {phone}. C'était le {date}.",
        "La responsable est {name}, au {phone} ou à {email}. Le bureau est au {address} depuis le {date}.",
    ),
    "nl": (
        "Wij spraken {name} in de {address}. Daarna schreef {first} vanaf {email} of {phone}. Het begon op {date}.",
        "De leiding heeft {name}, te bereiken op {phone} of {email}. Het kantoor is sinds {date} in de {address}.",
    ),
    "da": (
        "Vi mødte {name} på {address}. Så skrev {first} fra {email} og ringede fra {phone}. Det begyndte den {date}.",
        "Lederen er {name}, som kan nås på {phone} eller {email}. Kontoret er siden {date} på {address}.",
    ),
}
ADDRESSES: Final = {
    "en": "{number} Clarke Avenue",
    "de": "Lindenstraße {number}",
    "fr": "{number} rue de la République",
    "nl": "Kerkstraat {number}",
    "da": "Nørregade {number}",
}


@dataclass(frozen=True)
class PlantedText:
    """A text, its language, and what was planted in it."""

    language: str
    text: str
    plants: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of the plants: (plant, place) of all that were seen outside, and what was found before."""

    planted: int
    findings: int
    seen: tuple[tuple[str, str], ...]


def plant(count: int, chance: random.Random) -> list[PlantedText]:
    """So many texts with five identifiers each; no two texts share one."""
    return [_plant(number, chance) for number in range(count)]


def _plant(number: int, chance: random.Random) -> PlantedText:
    language = list(TEMPLATES)[number % len(TEMPLATES)]
    first = chance.choice(FIRST)
    last = chance.choice(LAST) + ascii_lowercase[number % 26] + "aeiou"[number // 26 % 5]  # so that no two are alike
    values = {
        "name": f"{first} {last}",
        "address": ADDRESSES[language].format(number=100 + number),
        "email": f"{first}.{number}@example.org".lower(),
        "phone": f"+49 421 {1_000_000 + number * 7919}",
        "date": f"{1 + number % 28}.{1 + number % 12}.{1950 + number % 60}",
    }
    template = TEMPLATES[language][number // len(TEMPLATES) % 2]
    plants = (last, values["address"], values["email"], values["phone"], values["date"])
    return PlantedText(language, template.format(first=first, **values), plants)


def play(processes: Processes, directory: Path, texts: Sequence[PlantedText]) -> Outcome:
    """Release every text through a node of its own process, and look at all that is outside of it."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    hub, node = processes.make_all(
        lambda made: made.make_hub("sachsen.de", public_url=address),
        lambda made: made.make_node("leipzig.sn.de"),
    )
    findings = 0
    with RecordingProxy(listening, hub.port) as proxy:
        _enrol(hub, node, address)
        for text in texts:
            findings += _release(node, directory, text)
        report = node.ask("sync")
        assert (report["signed"], report["pushed"], report["refused"]) == (len(texts), len(texts), 0)
        node.ask("sync")
        recorded = proxy.recorded
        backup = _copy_of(hub.data / "hub.db", directory / "backup.db")
        node.stop()
        hub.stop()
    places = {
        "traffic": _readable(recorded),
        "hub": _readable(_everything_in(hub.data)) + _readable(_rows_of(hub.data / "hub.db")),
        "backup of the hub": _readable(_rows_of(backup)),
        "log of the node": b"\n".join(path.read_bytes() for path in sorted(node.data.rglob("*.log"))),
    }
    plants = [plant for text in texts for plant in text.plants]
    seen = [(plant, place) for plant in plants for place, bytes_ in places.items() if plant.encode() in bytes_]
    return Outcome(len(plants), findings, tuple(seen))


def _enrol(hub: Program, node: Program, address: str) -> None:
    code = hub.ask("enrol.code", name=node.name)["code"]
    node.ask("hub.add", url=address, fingerprint=hub.ask("status")["fingerprint"])
    node.ask("hub.enrol", hub=hub.name, code=code)
    hub.ask("enrol.approve", name=node.name, fingerprint=node.ask("status")["fingerprint"])
    node.ask("sync")


def _release(node: Program, directory: Path, text: PlantedText) -> int:
    """Ask, mask everything that was found until nothing is, approve; the number of findings."""
    draft = directory / "draft.json"
    draft.write_text(
        json.dumps({"title": "A question", "text": text.text, "phenomenon": ["_U"], "language": text.language})
    )
    shown = node.ask("release.words", kind="question", file=str(draft), by="anna")
    count = len(shown["findings"])
    while shown["findings"]:
        numbers = [finding["number"] for finding in shown["findings"]]
        shown = node.ask("release.resolve", request=shown["request"], by="ben", mask=numbers)
    node.ask("release.approve", request=shown["request"], by="ben", accept={})
    return count


def _copy_of(database: Path, target: Path) -> Path:
    with sqlite3.connect(database) as source, sqlite3.connect(target) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    return target


def _everything_in(directory: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def _rows_of(database: Path) -> bytes:
    """A database as SQL, so that no value is cut in two by the end of a page."""
    with sqlite3.connect(database) as connection:
        rows = "\n".join(connection.iterdump())
    connection.close()
    blobs = (bytes.fromhex(blob) for blob in re.findall(r"X'([0-9A-F]+)'", rows))
    return rows.encode() + b"\n".join(blobs)


def _readable(data: bytes) -> bytes:
    """The same with every signed payload decoded: on the way and in the log it is in base64."""
    return data + b"\n".join(base64.b64decode(each) for each in re.findall(rb'"payload":\s*"([A-Za-z0-9+/=]+)"', data))
