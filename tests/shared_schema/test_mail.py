"""E-mails go out encrypted or not at all, to one recipient, and what goes wrong says whether trying again can help."""

import socket
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from shared_schema.service.mail import MailError, MailServer, check_address, new_message
from tests.mail_server import HOST, letterbox, make_certificate

SENDER, ANNA = "prevention@leipzig.example", "anna@leipzig.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def letter(subject: str = "New lessons") -> EmailMessage:
    message = new_message()
    message["From"], message["To"], message["Subject"] = SENDER, ANNA, subject
    message.set_content("Ask the young people first.")
    return message


def test_a_long_address_in_a_header_of_a_list_is_one_that_a_mail_program_can_read() -> None:
    message, off = letter(), f"<https://praeventionsaustausch.sachsen.example/mail/off/{'T' * 32}>"
    message["List-Id"], message["List-Unsubscribe"] = f"<watch.{'x' * 60}.example>", off
    lines = message.as_bytes().split(b"\r\n")
    assert f"List-Unsubscribe: {off}".encode() in lines and b"utf-8?q" not in message.as_bytes()
    assert f"List-Id: <watch.{'x' * 60}.example>".encode() in lines


@pytest.mark.parametrize("name", ["List-Id", "List-Unsubscribe", "Subject"])
def test_no_header_takes_a_line_break(name: str) -> None:
    with pytest.raises(ValueError):
        new_message()[name] = "<x>\r\nBcc: otto@elsewhere.example"


def server(port: int, **changes: Any) -> MailServer:
    values: dict[str, Any] = {"host": HOST, "port": port, "sender": SENDER, "encryption": "none"}
    return MailServer(**(values | changes))


def trouble(mail: MailServer) -> tuple[str, bool]:
    with pytest.raises(MailError, match="expected") as error:
        mail.send(letter(), ANNA)
    return error.value.code, error.value.final


@pytest.mark.parametrize("host", ["smtp.leipzig.example", "192.0.2.1", "127.0.0.1.example", "localhost.example", ""])
def test_nothing_goes_unencrypted_to_another_machine(host: str) -> None:
    with pytest.raises(MailError, match="encryption"):
        server(25, host=host)


def test_a_server_that_cannot_encrypt_gets_nothing() -> None:
    with letterbox() as box:
        assert trouble(server(box.port, encryption="starttls")) == ("mail-encryption", False)
        assert box.letters == []


def test_a_certificate_that_nobody_vouches_for_stops_it(certificate: Path) -> None:
    with letterbox(certificate=certificate) as box:
        assert trouble(server(box.port, encryption="starttls")) == ("mail-encryption", False)
        assert box.letters == []


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_with_a_certificate_that_is_believed_it_arrives(certificate: Path, encryption: str) -> None:
    def trusting() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(certificate))

    with letterbox(certificate=certificate, tls_from_the_start=encryption == "tls") as box:
        server(box.port, encryption=encryption, tls=trusting).send(letter(), ANNA)
    ((recipients, message),) = box.letters
    assert (recipients, message["Subject"]) == ([ANNA], "New lessons")


def test_a_password_comes_from_its_file_and_a_wrong_one_is_said(certificate: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    with letterbox(certificate=certificate, password="late trains") as box:
        mail = server(
            box.port,
            encryption="starttls",
            user="node",
            password_file=secret,
            tls=lambda: ssl.create_default_context(cafile=str(certificate)),
        )
        assert trouble(mail) == ("mail-password", False)  # there is no file
        secret.write_text("\n")
        assert trouble(mail) == ("mail-password", False)
        secret.write_text("early trains\n")
        assert trouble(mail) == ("mail-password", False)
        secret.write_text("late trains\n")
        mail.send(letter(), ANNA)
        assert len(box.letters) == 1
    with pytest.raises(MailError, match="a file with the password"):
        server(25, user="node")


def test_a_recipient_refused_for_good_is_final_and_one_refused_for_now_is_not() -> None:
    for answer, final in (("550 no such person", True), ("450 come back later", False)):
        with letterbox(refuse=answer) as box:
            assert trouble(server(box.port)) == ("mail-recipient", final)
            assert box.letters == []


def test_a_clear_no_after_the_text_is_tried_again() -> None:
    with letterbox(at_the_end="452 no room") as box:
        assert trouble(server(box.port)) == ("mail-refused", False)


def test_a_dead_server_is_tried_again() -> None:
    with socket.socket() as unheard:
        unheard.bind((HOST, 0))
        assert trouble(server(unheard.getsockname()[1])) == ("mail-unreachable", False)


def test_silence_after_the_text_is_final_because_it_may_have_arrived() -> None:
    with letterbox(at_the_end="") as box:
        assert trouble(server(box.port)) == ("mail-unsure", True)
        assert len(box.letters) == 1


@pytest.mark.parametrize("value", ["New\r\nBcc: all@leipzig.example", "New\nX: y", "New\rX: y"])
def test_a_header_takes_no_second_line(value: str) -> None:
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        letter(value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "anna",
        "anna@leipzig",
        "anna@leipzig.example,ben@leipzig.example",
        "anna@leipzig.example\r\nRCPT TO:<all@leipzig.example>",
        "Anna <anna@leipzig.example>",
        '"anna"@leipzig.example',
        "änna@leipzig.example",
        f"{'a' * 65}@leipzig.example",
        f"a@{'b' * 250}.example",
        "a@b@leipzig.example",
    ],
)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    with pytest.raises(MailError, match="such as"):
        check_address(address)
    assert check_address(ANNA) == ANNA
