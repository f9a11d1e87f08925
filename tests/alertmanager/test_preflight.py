"""What the preflight refuses of Alertmanager's configuration in production, tried on the two files that are shipped."""

from pathlib import Path

import pytest

from service.alerting import is_nobody
from tests.alertmanager.making import EMAIL, ROOT, SECRETS, WEBHOOKS, Server


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


@pytest.fixture
def mailing(tmp_path: Path) -> Server:
    return Server(tmp_path, EMAIL)


@pytest.mark.parametrize("configuration", [WEBHOOKS, EMAIL], ids=lambda path: path.name)
def test_a_server_with_addresses_of_its_own_passes(tmp_path: Path, configuration: Path) -> None:
    assert Server(tmp_path, configuration).refusals() == []


def test_the_development_secrets_are_refused_all_at_once_and_not_in_development(server: Server) -> None:
    for name in SECRETS:
        server.write(name, (ROOT / "secrets/development" / name).read_text(), 0o644)
    refusals = server.refusals()
    for receiver, name in (("page", "alert_webhook_url"), ("ticket", "alert_webhook_url")):
        assert any(f"'{receiver}'" in line and f"{name} leads to sink" in line for line in refusals)
    assert any("'heartbeat'" in line and "alert_heartbeat_url leads to sink" in line for line in refusals)
    assert sum("readable by everybody" in line for line in refusals) == 2, "of the two files that are in use"
    assert server.refusals("development") == []


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "is empty"),
        ("http://localhost:9095/alerts", "leads to localhost"),
        ("http://127.0.0.7/", "leads to 127.0.0.7"),
        ("http://[::1]:80/", "leads to ::1"),
        ("https://hooks.example.org/x", "leads to hooks.example.org"),
        ("https://pager.invalid", "leads to pager.invalid"),
        ("https:///no-host", "leads to no host"),
        ("http://[::1", "is no http or https address"),
        ("PASTE THE ADDRESS HERE", "is no http or https address"),
    ],
)
def test_an_address_where_nobody_listens_is_refused(server: Server, address: str, reason: str) -> None:
    server.write("alert_heartbeat_url", address + "\n")
    assert f"receiver 'heartbeat', webhook_configs: alert_heartbeat_url {reason}" in server.refusal()


def test_an_address_in_the_configuration_itself_is_judged_too(server: Server) -> None:
    server.change("url_file: /run/secrets/alert_heartbeat_url", "url: http://sink:9095/heartbeat")
    assert "url leads to sink" in server.refusal()


def test_no_message_holds_the_secret_part_of_an_address(server: Server) -> None:
    server.write("alert_webhook_url", "https://sink/secret-part\n")
    server.write("alert_heartbeat_url", "ftp://beats.acme.net/secret-part\n")
    refusals = server.refusals()
    assert len(refusals) == 3
    assert not any("secret-part" in line for line in refusals)


def test_a_missing_secret_file_is_said_once(server: Server) -> None:
    (server.folder / "alert_webhook_url").unlink()
    assert "alert_webhook_url is not there" in server.refusal()


def test_a_secret_file_that_everybody_reads_is_refused(server: Server) -> None:
    server.write("alert_webhook_url", SECRETS["alert_webhook_url"], 0o644)
    assert "alert_webhook_url is readable by everybody" in server.refusal()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("on-call@acme.net", "on-call@example.com", "receiver 'page', email_configs: to is on-call@example.com"),
        ("team@acme.net", "a@acme.net, b@example.net", "receiver 'ticket', email_configs: to is b@example.net"),
        ("smtp_from: alerts@acme.net", "smtp_from: Alerts <alerts@example.com>", "from is Alerts <alerts@example.com>"),
        ("smtp.acme.net:587", "smtp.example.com:587", "smarthost is smtp.example.com:587"),
        ("smtp.acme.net:587", "localhost:25", "smarthost is localhost:25"),
        ("smtp_smarthost", "smtp_hello", "smarthost is not set"),
        ("smtp_require_tls: true", "smtp_require_tls: false", "require_tls is false"),
        ("send_resolved: true", "require_tls: false", "require_tls is false"),
    ],
)
def test_mail_that_reaches_nobody_or_is_open_to_all_is_refused(
    mailing: Server, old: str, new: str, reason: str
) -> None:
    mailing.change(old, new)
    refusals = mailing.refusals()
    assert refusals
    assert all(reason in line or reason.replace("'page'", "'ticket'") in line for line in refusals)


@pytest.mark.parametrize("password", ["dev-smtp", ""])
def test_the_development_password_of_the_mail_server_is_refused(mailing: Server, password: str) -> None:
    mailing.write("alert_smtp_password", password + "\n")
    assert all("alert_smtp_password is empty or holds the well-known" in line for line in mailing.refusals())
    assert len(mailing.refusals()) == 2


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('severity="page"]\n      receiver', 'severity="urgent"]\n      receiver', 'no route takes severity="page"'),
        ('severity="heartbeat"]', 'severity="pulse"]', 'no route takes severity="heartbeat"'),
        ("receiver: heartbeat", "receiver: page", "'page' gets pages and the heartbeat"),
        ("receiver: ticket", "receiver: tickets", "receiver 'tickets' is used by a route and is not there"),
        ("- name: heartbeat\n    webhook_configs:", "- name: heartbeat\n    other:", "'heartbeat' is a placeholder"),
        (
            "- name: heartbeat",
            "- name: heartbeat\n    slack_configs: [{api_url: http://sink}]",
            "api_url leads to sink",
        ),
    ],
)
def test_a_route_to_nowhere_is_refused(server: Server, old: str, new: str, reason: str) -> None:
    server.change(old, new)
    assert reason in server.refusal()


@pytest.mark.parametrize(
    "spelling",
    [
        'matchers: [severity=~"page|critical"]',
        'matchers: [\'{severity="page", job!="x"}\']',
        "match: {severity: page}",
        "match_re: {severity: page|critical}",
    ],
)
def test_every_way_to_ask_for_a_severity_is_understood(server: Server, spelling: str) -> None:
    server.change('matchers: [severity="page"]', spelling)
    assert server.refusals() == []


@pytest.mark.parametrize("text", ["", "route: [", "just text", "{route: {receiver: page}}", "[1, 2]", "\x00"])
def test_what_is_no_configuration_is_one_line(server: Server, text: str) -> None:
    server.configuration = text
    assert server.refusal().startswith("ALERTMANAGER_FILE: used.yml is no configuration of Alertmanager")


def test_hosts_of_somebody_are_left_alone() -> None:
    assert not any(map(is_nobody, ["acme.net", "sink.acme.net", "myexample.com", "10.0.0.9", "2001:db8::1"]))
    assert all(map(is_nobody, ["", "SINK", "Example.COM.", "a.localhost", "[::1]", "x.test", "example"]))
