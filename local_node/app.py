"""The node put together: settings, key, database, rounds of sync, and the web application around them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from local_node import library, outbox, own_keys, sums
from local_node.head_cosigning import HeadCosigner
from local_node.key_ring import KeyRing
from local_node.local_words import read_local_lists
from local_node.narrative import LocalLists
from local_node.protection import Protection
from local_node.rounds import Rounds
from local_node.sealed_rules import SealedRules
from local_node.settings import NodeSettings, load_settings
from local_node.web.application import make_web
from local_node.web.single_sign_on import BACK_PATH
from local_node.web.site import API_PREFIX, City, Site
from shared_schema.content import Surroundings
from shared_schema.errors import ContractError, ProgramError
from shared_schema.head_times import HeadPolicy, make_policy
from shared_schema.keys import SigningKey
from shared_schema.period import Area
from shared_schema.service.browser import (
    WITH_OWN_SCRIPTS,
    KnownHosts,
    SameOriginWrites,
    SecurityHeaders,
    hosts_of,
    origins_of,
)
from shared_schema.service.control import VerbError, control_server
from shared_schema.service.database import Database
from shared_schema.service.key_file import COSIGNER_FILE, load_key, load_or_make_key
from shared_schema.service.logging import get_logger
from shared_schema.service.mail import MailServer, mail_server_of

if TYPE_CHECKING:  # its library is an optional extra
    from local_node.sign_on_client import SignOnService

DATABASE_FILE = "node.db"
MIGRATIONS = "local_node.migrations"
MAIL_OFF_PREFIX = "/mail/off/"
"""A mail program's button ends the e-mails from outside (RFC 8058): by the secret in the address, and no cookie."""
MAIL_SECONDS = 600
"""How often the node looks whose e-mail is due; when it is, says each subscription."""

JsonObject = dict[str, Any]


def utc_now() -> datetime:
    """The node's clock; tests bring their own."""
    return datetime.now(UTC)


class Node:
    """One node: everything that its web application, its verbs and its background work share."""

    def __init__(
        self,
        data_dir: Path,
        settings: NodeSettings,
        key: SigningKey,
        clock: Callable[[], datetime] = utc_now,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self.ring = KeyRing(data_dir, key)
        self.clock = clock
        self.transport = transport
        self.sign_on_transport: httpx.BaseTransport | None = None
        """How the city's own sign-on service is reached, when not by the network."""
        policy = _head_policy(settings)
        self.area = Area(scheme="LAU", version=settings.area_version, code=settings.area_code)
        self.database = Database(f"sqlite:///{data_dir.resolve() / DATABASE_FILE}")
        try:
            self.database.migrate(MIGRATIONS)
            with self.database.write() as session:
                outbox.take_up_again(session)
                own_keys.finish_after_crash(session, self.ring)
                library.catch_up(session)  # a node of an older release has items that its indexes do not know
                sums.catch_up(session)
        except SQLAlchemyError as error:
            self.database.close()
            raise VerbError("database", database_trouble(data_dir, error)) from None
        self.head_cosigner = (
            HeadCosigner(settings.name, load_or_make_key(data_dir, COSIGNER_FILE)) if settings.cosign_heads else None
        )
        self.rounds = Rounds(
            self.database, settings.name, self.ring, clock, transport, policy, self.head_cosigner, self.sealed_rules
        )

    @property
    def key(self) -> SigningKey:
        """The key in use."""
        return self.ring.current

    @property
    def name(self) -> str:
        """The node's name in every statement."""
        return self.settings.name

    @property
    def sealed_rules(self) -> SealedRules:
        """This city's own limits for sealed totals, as the settings say."""
        settings = self.settings
        return SealedRules(
            settings.name,
            Protection(settings.protection, settings.threshold, settings.privacy_profile),
            settings.sealed_least_cities,
            settings.sealed_most_epsilon_milli,
            frozenset(settings.sealed_declined),
        )

    @property
    def surroundings(self) -> Surroundings | None:
        """What the city is like, as the settings say; None when they say nothing."""
        size, urbanisation = self.settings.city_size, self.settings.urbanisation
        return Surroundings(size=size, urbanisation=urbanisation) if size or urbanisation else None

    @property
    def public_url(self) -> str:
        """How browsers reach the pages."""
        return self.settings.public_url or f"http://127.0.0.1:{self.settings.port}"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the city."""
        return ZoneInfo(self.settings.time_zone)

    @property
    def mail_server(self) -> MailServer | None:
        """The city's mail server, as the settings say; None when they name none."""
        settings = self.settings
        return mail_server_of(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_sender,
            settings.smtp_encryption,
            settings.smtp_user,
            settings.smtp_password_file,
        )

    def local_lists(self) -> LocalLists:
        """The city's own words, as the file says now. Raises WordsError."""
        return read_local_lists(self.data_dir, self.settings.display_name)

    def close(self) -> None:
        """Close the database; the node is not used after that."""
        self.database.close()


def _head_policy(settings: NodeSettings) -> HeadPolicy:
    try:
        return make_policy(
            hours=settings.freshness_hours,
            witnesses=tuple(settings.witnesses),
            needed=settings.witnesses_needed,
            strict=settings.witnesses_strict,
        )
    except ContractError as error:
        raise VerbError("bad-settings", f"witnesses: {error.message}") from None


def open_node(data_dir: Path, clock: Callable[[], datetime] = utc_now, **changes: Any) -> Node:
    """The node of a data directory, whose lock the caller holds; `changes` are options of the command line.

    Raises VerbError with what is missing.
    """
    return Node(data_dir, load_settings(data_dir, **changes), load_key(data_dir), clock)


def database_trouble(data_dir: Path, error: SQLAlchemyError) -> str:
    """What a person can do about it: the database's own words, which hold no record, and where it lies."""
    cause = str(getattr(error, "orig", None) or type(error).__name__)
    return f"expected a database that can be read and written at {data_dir / DATABASE_FILE}: {cause}"


def create_app(node: Node, handle_verb: Callable[[str, JsonObject], JsonObject]) -> FastAPI:
    """The web application. Its lifespan runs the control socket and the background sync.

    A verb runs in a thread of its own. The database lets one transaction write at a time, and a round of sync keeps
    none open while it waits for the network, so a dead hub holds nobody up.
    """

    async def handle(verb: str, params: JsonObject) -> JsonObject:
        try:
            return await asyncio.to_thread(handle_verb, verb, params)
        except VerbError:
            raise
        except Exception as error:  # a trace could show what a record holds
            get_logger().error("verb-failed", verb=verb, error_type=type(error).__name__)
            message = f"expected no {type(error).__name__}; this is a mistake in the program, report it"
            raise VerbError("internal", message) from None

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        workers = [asyncio.create_task(sync_forever(node.settings.sync_interval_seconds, handle))]
        if node.mail_server is not None:
            workers.append(asyncio.create_task(mail_forever(MAIL_SECONDS, handle)))
        try:
            async with control_server(node.data_dir, handle):
                yield
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    settings = node.settings
    site = Site(node.database, city_of(node), node.clock, handle_verb)
    public_url = site.public_url = node.public_url
    site.sign_on = _sign_on_service(node)
    app = make_web(site, lifespan)
    exempt = (API_PREFIX, MAIL_OFF_PREFIX)
    app.add_middleware(SameOriginWrites, origins=origins_of(public_url, settings.port), exempt=exempt)
    app.add_middleware(KnownHosts, hosts=hosts_of(public_url, settings.port))
    app.add_middleware(SecurityHeaders, policy=WITH_OWN_SCRIPTS)
    return app


def city_of(node: Node) -> City:
    """What the pages say of whose node this is."""
    settings = node.settings
    return City(
        settings.name,
        settings.display_name,
        lambda: node.key.public.fingerprint,
        node.zone,
        timedelta(seconds=settings.sync_interval_seconds),
        node.surroundings,
        node.mail_server is not None,
        frozenset(settings.sealed_declined),
    )


def _sign_on_service(node: Node) -> "SignOnService | None":
    """The city's own sign-on service, when the settings name one. Raises VerbError: no secret, or no authlib."""
    settings = node.settings
    if settings.oidc_issuer is None or settings.oidc_client_id is None or settings.oidc_secret_file is None:
        return None
    try:
        from local_node.sign_on_client import SignOnService
    except ImportError:
        raise VerbError(
            "bad-settings", "expected authlib for oidc_issuer: pip install prevention-exchange[oidc]"
        ) from None
    try:
        secret = (node.data_dir / settings.oidc_secret_file).read_text(encoding="utf-8").strip()
        if not secret:
            raise VerbError("bad-settings", f"expected a secret in {settings.oidc_secret_file}")
        back = f"{node.public_url}{BACK_PATH}"
        return SignOnService(
            settings.oidc_issuer, settings.oidc_client_id, secret, back, node.clock, node.sign_on_transport
        )
    except (OSError, UnicodeDecodeError):
        raise VerbError("bad-settings", f"expected a file that can be read at {settings.oidc_secret_file}") from None
    except ProgramError as error:
        raise VerbError("bad-settings", f"oidc_issuer: {error.message}") from None


async def sync_forever(interval: float, handle: Callable[[str, JsonObject], Any]) -> None:
    """Sync at the interval of the settings. A failure is logged and tried again next time."""
    while interval:
        await asyncio.sleep(interval)
        try:
            await handle("sync", {"patient": True})
        except VerbError as error:
            get_logger().warning("background-sync-failed", code=error.code)
        except Exception as error:
            get_logger().error("background-sync-failed", error_type=type(error).__name__)


async def mail_forever(interval: float, handle: Callable[[str, JsonObject], Any]) -> None:
    """Send the e-mails that are due, each once at most. A failure is logged and tried again next time."""
    while True:
        await asyncio.sleep(interval)
        try:
            await handle("digest.send", {})
        except VerbError as error:
            get_logger().warning("background-mail-failed", code=error.code)
        except Exception as error:
            get_logger().error("background-mail-failed", error_type=type(error).__name__)
