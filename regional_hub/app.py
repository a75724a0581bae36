"""The hub put together: settings, key, database, and what it trusts."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from sqlalchemy import select
from sqlalchemy.orm import Session

from regional_hub import alarms, charges, cosigning, deliveries, heads, hub_keys, log, members, recovery, witness
from regional_hub.errors import HubError
from regional_hub.feed import Publisher
from regional_hub.follow import Follower
from regional_hub.hub_keys import OwnKeys
from regional_hub.orm import SourceRow
from regional_hub.relay import Desk
from regional_hub.sealed_helping import Helping
from regional_hub.sealed_leading import Leading
from regional_hub.sequencer import Sequencer
from regional_hub.settings import HubSettings, load_settings
from regional_hub.static_files import FsyncError, Published, StaticFiles
from regional_hub.trends import Publishing
from regional_hub.webhook import Webhook
from shared_schema.checkpoint import NoteVerifier, verify_checkpoint
from shared_schema.cosignature import cosigner
from shared_schema.errors import ContractError
from shared_schema.head_times import HeadPolicy, make_policy
from shared_schema.keys import SigningKey
from shared_schema.period import Area
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.recovery import ShownHead, read_own_checkpoint
from shared_schema.service.certificate import CertificateSeen
from shared_schema.service.control import VerbError
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi
from shared_schema.service.key_file import (
    COSIGNER_FILE,
    KEY_FILE,
    NEXT_KEY_FILE,
    find_next_key,
    load_key,
    load_or_make_key,
    promote_next_key,
)
from shared_schema.service.limits import BODY_SECONDS
from shared_schema.service.logging import get_logger
from shared_schema.service.mail import MailServer, mail_server_of

DATABASE_FILE = "hub.db"
MIGRATIONS = "regional_hub.migrations"
FILES_ALARM = "static files"


def utc_now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """One hub: everything that its web application, its verbs and its background work share."""

    def __init__(
        self,
        data_dir: Path,
        settings: HubSettings,
        key: SigningKey,
        clock: Callable[[], datetime] = utc_now,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.settings = settings
        self._key_at_start = key
        self.clock = clock
        self._transport = transport
        self.head_policy = _head_policy(settings)
        self.cosigner_key = load_or_make_key(data_dir, COSIGNER_FILE)
        self.body_seconds: float = BODY_SECONDS
        self.files: StaticFiles | None = None
        self._files_alarm = True
        """Whether there may be an alarm about them; at the start, one of an earlier run."""
        self.certificate: CertificateSeen | None = None
        """What the last look at the certificate of `public_url` has found, in this run."""
        self.tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
        """Whose certificates are believed."""
        self.is_ending = threading.Event()
        self.end_process: Callable[[], None] = lambda: None
        """What ends the program when the disk cannot be trusted any more; `serve` sets it."""
        self.area = Area(scheme=_scheme(settings), version=settings.area_version, code=settings.area_code)
        self.database = Database(settings.database_url or f"sqlite:///{data_dir.resolve() / DATABASE_FILE}")
        self.database.info[deliveries.CHANNELS] = self.alarm_channels
        try:
            self.database.migrate(MIGRATIONS)
            with self.database.write() as session:
                log.start_log(session, settings.name, key)
                self.own_keys = self._load_keys(session)
                _check_own_log(log.latest_checkpoint(session), self.verifier)
                recovery.check_place(session, recovery.place_of(session), clock())
                charges.fill_missing(session, settings.name)
                witness.add_followed(session)
            self._open_files()
        except BaseException:
            self.database.close()
            raise
        self._finish_retiring()
        self.sequencer = Sequencer(self.database, settings.name, lambda: self.key, clock)
        self._trust: members.Trust | None = None
        self._asked = False

    def _open_files(self) -> None:
        """Bring the folder of static files up to date, if there is one; from now on it follows every commit."""
        if self.settings.static_dir is None:
            return
        self.files = StaticFiles(self.database, self.name, self.data_dir / self.settings.static_dir)
        self._look_at_shown_head(self.files)
        self.database.after_write = self._follow_commit
        try:
            self.publish_files(clean=True)
        except FsyncError as error:
            raise VerbError(error.code.value, error.message) from None
        except HubError:  # the log is stopped, and the hub can still be looked at
            get_logger().error("static-files-not-published")

    def _look_at_shown_head(self, files: StaticFiles) -> None:
        """The folder remembers what was signed last: a database behind it is an old copy, and others can heal it."""
        note = files.read_note()
        if note is not None and read_own_checkpoint(note, self.own_pin) is not None:
            with self.database.write() as session:
                recovery.take_head(session, ShownHead(note=note), self.own_pin, self.clock())

    def _waits_for_entries(self) -> bool:
        with self.database.read() as session:
            return log.get_head(session).held in (recovery.RESTORED, recovery.BEHIND)

    def _follow_commit(self, info: dict[str, Any]) -> None:
        if info.get(log.GREW):
            self._vouch()  # first, so that the files are those that the hub serves
            self.publish_files()

    def publish_files(self, *, clean: bool = False, thorough: bool = False) -> Published | None:
        """Bring the static files to the head of the log; None when there are none, or when they lag behind for now.

        Raises HubError and stops the log when the folder shows that nothing more may be signed, or when the disk did
        not confirm a write: then the process ends as well, and nobody gets an answer that says success.
        """
        if self.files is None or self._waits_for_entries():
            # The folder may be ahead of a log that was restored: it is right, and waits for the log.
            return None
        try:
            published = self.files.publish(clean=clean, thorough=thorough)
        except HubError as error:
            self.stop_log(error.message)
            if isinstance(error, FsyncError):
                self.end_process()
            raise
        except OSError as error:  # no space, say: what is committed is safe, and the next commit writes it
            get_logger().error("static-files-behind", error_type=type(error).__name__, errno=error.errno)
            self._raise_alarm(
                ProblemCode.STORAGE_FULL, "expected to be able to write the static files; they lag behind"
            )
            return None
        with self.database.write() as session:
            alarms.resolve_alarms(session, FILES_ALARM, self.clock())
        return published

    def stop_log(self, reason: str) -> None:
        """Append nothing more in this process, and say so; reading goes on."""
        self.database.info[log.STOPPED] = reason
        get_logger().error("log-stopped", reason=reason)
        self._raise_alarm(ProblemCode.LOG_DAMAGED, reason)

    def _raise_alarm(self, code: ProblemCode, message: str) -> None:
        self._files_alarm = True
        with self.database.write() as session:
            alarms.raise_alarm(session, FILES_ALARM, code, message, self.clock())

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def key(self) -> SigningKey:
        """What this hub signs with: statements with this key, checkpoints also with those beside it."""
        return self.own_keys.key

    @property
    def verifier(self) -> NoteVerifier:
        """The key that a new reader pins: the newest one, which signs every checkpoint since its announcement."""
        return NoteVerifier(self.name, self.own_keys.newest)

    @property
    def own_pin(self) -> Pin:
        """All keys that this hub's log has had, the newest last."""
        return self.own_keys.pin(self.name)

    def keyids_at_hand(self) -> frozenset[str]:
        """The keys that this hub could sign with, now that it looks."""
        return frozenset(self._keys_at_hand())

    def _keys_at_hand(self) -> dict[str, SigningKey]:
        keys = (self._key_at_start, find_next_key(self.data_dir))
        return {key.public.keyid: key for key in keys if key is not None}

    def reload_keys(self) -> None:
        """Take up what this or another process of the hub has announced. Raises LogError when a key is not here."""
        with self.database.read() as session:
            self.own_keys = self._load_keys(session)

    def _load_keys(self, session: Session) -> OwnKeys:
        keys = hub_keys.load_own_keys(session, self.name, self._keys_at_hand(), self._key_at_start)
        self._key_at_start = SigningKey(keys.key.private) if keys.state == "settled" else self._key_at_start
        return keys

    def _finish_retiring(self) -> None:
        """A crash may have come between the log's word that the old key is retired and its end on the disk."""
        next_key = find_next_key(self.data_dir)
        if self.own_keys.state == "settled" and next_key is not None and next_key.public == self.key.public:
            promote_next_key(self.data_dir)

    @property
    def cosigner(self) -> NoteVerifier:
        """Who vouches with a time for this hub's heads, and for those of other logs."""
        return cosigner(self.name, self.cosigner_key)

    def keep_fresh(self) -> None:
        """Vouch for the newest head again, when the last time is an hour ago; the static files say it as well."""
        if self._vouch():
            with contextlib.suppress(HubError):  # then the log is stopped, and is still read
                self.publish_files()

    def _vouch(self) -> bool:
        """Cosign the newest head when that is due; whether it was.

        Not for a log that is stopped: it is shown, but nobody says that it is as it should be.
        """
        if log.STOPPED in self.database.info:
            return False
        with self.database.read() as session:
            is_due = cosigning.is_due(session, self.cosigner, self.clock())
        if is_due:
            with self.database.write() as session:
                cosigning.renew(session, self.name, self.cosigner_key, self.clock())
        return is_due

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.name, self.settings.level)

    @property
    def follower(self) -> Follower:
        return Follower(self.name, self.key, self.settings.level)

    @property
    def publishing(self) -> Publishing:
        return Publishing(self.name, self.key, self.settings.level, self.area)

    @property
    def desk(self) -> Desk:
        window = timedelta(hours=self.settings.relay_window_hours)
        return Desk(self.name, self.key, self.settings.level, self.area, window)

    @property
    def trust(self) -> members.Trust:
        """The directory and policy as they were last read; `reload_trust` after every change."""
        return self._trust or self.reload_trust()

    def reload_trust(self) -> members.Trust:
        """Fold what has come to the log since, and look at the policies again."""
        return self._fold(self._trust)

    def fold_trust_again(self) -> members.Trust:
        """Fold the whole log: contents that a recovery brings back may stand anywhere in it."""
        return self._fold(None)

    def refresh_trust(self) -> members.Trust:
        """As `trust`, after a look whether another process of this hub has changed it."""
        with self.database.read() as session:
            newest = members.last_governance(session)
        return self.trust if self.trust.as_of == newest else self._fold(self._trust)

    def _fold(self, base: members.Trust | None) -> members.Trust:
        with self.database.read() as session:
            self._trust = members.load_trust(session, self.name, self.key.public, base)
        return self._trust

    @property
    def helping(self) -> Helping:
        """This hub as the second one of sealed totals, now."""
        return Helping(
            self.database, self.name, self.settings.level, self.settings.operator, self.key, self.refresh_trust(),
            self.clock(),
        )  # fmt: skip

    @contextlib.contextmanager
    def leading(self) -> Iterator[Leading]:
        """This hub as the leader of sealed totals, now; one connection to each second hub for all that it asks."""
        with contextlib.ExitStack() as stack:
            lines: dict[str, HubApi] = {}

            def ask(helper: str, step: str, batch: str | None, body: bytes) -> bytes:
                if helper not in lines:
                    lines[helper] = stack.enter_context(self.api(self._url_of(helper)))
                return lines[helper].ask_helper(step, batch, body)

            yield Leading(
                self.database, self.name, self.settings.level, self.settings.operator, self.key, self.refresh_trust(),
                self.clock(), ask,
            )  # fmt: skip

    def _url_of(self, source: str) -> str:
        """Raises HubError (`not-found`) for a hub that this one does not follow."""
        with self.database.read() as session:
            url = session.scalar(select(SourceRow.url).where(SourceRow.name == source))
        if url is None:
            raise HubError("expected the second hub among those that this one follows", code=ProblemCode.NOT_FOUND)
        return url

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the hub."""
        return ZoneInfo(self.settings.time_zone)

    @property
    def alarm_channels(self) -> tuple[str, ...]:
        """Through which channels the operator wants to be told of alarms."""
        wanted = {deliveries.WEBHOOK: self.settings.alarm_webhook, deliveries.EMAIL: self.settings.alarm_email}
        return tuple(channel for channel, address in wanted.items() if address is not None)

    @property
    def webhook(self) -> Webhook | None:
        """The webhook for alarms, as the settings say; None when they name none."""
        if self.settings.alarm_webhook is None:
            return None
        return Webhook(self.settings.alarm_webhook, self.data_dir / self.settings.alarm_webhook_secret_file)

    @property
    def mail_server(self) -> MailServer | None:
        """The mail server, as the settings say; None when they name none."""
        settings, password = self.settings, self.settings.smtp_password_file
        return mail_server_of(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_sender,
            settings.smtp_encryption,
            settings.smtp_user,
            None if password is None else self.data_dir / password,
        )

    def api(self, url: str) -> HubApi:
        """A client for another hub's API, signing as this hub."""
        return HubApi(url, self.key, self.clock, self._transport)

    def ask_first(self) -> None:
        """Once after every start, before anything is signed: has anybody seen more of this log than there is here?"""
        if not self._asked:
            self._asked = True
            heads.ask_followers(self)
            heads.ask_witnesses(self)

    def close(self) -> None:
        self.database.close()


def _head_policy(settings: HubSettings) -> HeadPolicy:
    try:
        return make_policy(
            hours=settings.freshness_hours,
            witnesses=tuple(settings.witnesses),
            needed=settings.witnesses_needed,
            strict=settings.witnesses_strict,
        )
    except ContractError as error:
        raise VerbError("bad-settings", f"witnesses: {error.message}") from None


def _scheme(settings: HubSettings) -> Any:
    if settings.area_scheme not in ("LAU", "NUTS", "ISO3166"):
        raise VerbError("bad-settings", "expected area_scheme to be LAU, NUTS or ISO3166")
    return settings.area_scheme


def _check_own_log(note: str, verifier: NoteVerifier) -> None:
    """A hub that signed on in the log of another name or key would fork it."""
    try:
        verify_checkpoint(note, verifier)
    except ContractError:
        raise VerbError(
            "wrong-database",
            "expected a database whose log this hub's name and key have signed; of a copy from before a change of the "
            f"key: {KEY_FILE} as it was then, and the later key as {NEXT_KEY_FILE}",
        ) from None


def open_hub(data_dir: Path, clock: Callable[[], datetime] = utc_now) -> Hub:
    """The hub of a data directory. Raises VerbError with what is missing.

    A hub whose database is gone must not begin a second log under the same key: only `init` begins one.
    """
    hub = Hub(data_dir, load_settings(data_dir), load_key(data_dir), clock)
    with hub.database.read() as session:
        size = log.get_head(session).size
    if size == 0:
        hub.close()
        raise VerbError("no-log", "expected a database with this hub's log; restore a backup into an empty directory")
    return hub
