"""Whom the system talks to: models' providers, and channels to people."""

from shared import config
from shared.adapters.notifier_log import LogNotifier
from shared.adapters.secret_vault import SecretVault
from shared.domain.models import Catalogue, ModelKey, Price
from shared.ports import Clock, CompletionProvider, Notifier


def catalogue(chosen: config.Settings) -> Catalogue:
    """Returns every model that may be chosen, with its price."""
    return Catalogue(
        {
            ModelKey(provider.name, one.model): Price(one.usd_per_m_input, one.usd_per_m_output)
            for provider in chosen.providers
            for one in provider.models
        }
    )


def providers(chosen: config.Settings, vault: SecretVault) -> dict[str, CompletionProvider]:
    """Returns the providers by name."""
    if not chosen.providers:
        return {}
    from shared.adapters.provider_openai import OpenAIProvider

    return {
        one.name: OpenAIProvider(one.name, one.base_url, vault.secret(one.api_key()))
        for one in chosen.providers
    }


def notifiers(
    chosen: config.NotifySettings, clock: Clock, vault: SecretVault
) -> tuple[Notifier, ...]:
    """Returns the channels that have an address, and the log."""
    found: list[Notifier] = [LogNotifier()]
    if chosen.smtp_host and chosen.mail_to:
        found.append(_mail(chosen.smtp_host, chosen, vault))
    if chosen.slack_webhook_url is not None:
        from shared.adapters.notifier_slack import SlackNotifier

        found.append(SlackNotifier(vault.secret(chosen.slack_webhook_url.get_secret_value())))
    if chosen.webhook_url is not None and chosen.webhook_secret is not None:
        from shared.adapters.notifier_webhook import WebhookNotifier

        url = vault.secret(chosen.webhook_url.get_secret_value())
        secret = vault.secret(chosen.webhook_secret.get_secret_value())
        found.append(WebhookNotifier(url, secret, clock))
    return tuple(found)


def _mail(host: str, chosen: config.NotifySettings, vault: SecretVault) -> Notifier:
    from shared.adapters.notifier_smtp import SmtpNotifier

    return SmtpNotifier(
        host,
        chosen.smtp_port,
        chosen.mail_from,
        chosen.mail_to,
        security="starttls" if chosen.smtp_starttls else "none",
        username=chosen.smtp_user,
        password=vault.secret(chosen.smtp_password.get_secret_value())
        if chosen.smtp_password
        else "",
    )
