# Secrets: their names and who may read them. Their values are filled in by hand and are never known here
# (UNMANAGED.md); the functions' settings name them.

locals {
  channel_secrets = concat(
    length(var.notify.mail_to) > 0 && var.notify.smtp_user != "" ? ["smtp-password"] : [],
    var.notify.slack ? ["slack-webhook-url"] : [],
    var.notify.webhook ? ["webhook-url", "webhook-secret"] : [],
  )
  provider_secrets = [for one in var.model_providers : "provider-${one.name}" if one.needs_key]

  # Each secret with the functions that read it. Every function verifies people's tokens.
  secrets = merge(
    { "jwt-secret" = keys(local.functions) },
    { for secret in local.channel_secrets : secret => ["notify"] },
    { for secret in local.provider_secrets : secret => ["serve"] },
  )
  secret_ids = { for secret in keys(local.secrets) : secret => "${var.name}-${secret}" }

  secret_readers = merge([
    for secret, functions in local.secrets : {
      for function in functions : "${secret}.${function}" => { secret = secret, function = function }
    }
  ]...)
}

resource "google_secret_manager_secret" "this" {
  for_each = local.secrets

  secret_id           = local.secret_ids[each.key]
  deletion_protection = var.deletion_protection
  version_destroy_ttl = "604800s" # a week in which a version that was destroyed by mistake comes back
  labels              = local.labels

  replication {
    user_managed {
      replicas {
        location = var.region

        dynamic "customer_managed_encryption" {
          for_each = local.keys
          content {
            kms_key_name = customer_managed_encryption.value
          }
        }
      }
    }
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}
