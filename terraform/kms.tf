# The key that encrypts data at rest, where cmek asks for one of our own. One key, rotated each quarter; older versions
# stay, to read what they have encrypted.

locals {
  key  = var.cmek ? google_kms_crypto_key.data[0].id : null
  keys = var.cmek ? [google_kms_crypto_key.data[0].id] : []

  # Google's accounts that encrypt and decrypt for us.
  key_users = var.cmek ? merge(
    { for service, one in google_project_service_identity.this : service => "serviceAccount:${one.email}" if service != "iap.googleapis.com" },
    { "storage.googleapis.com" = "serviceAccount:${data.google_storage_project_service_account.this.email_address}" },
    local.bigquery ? { "bigquery.googleapis.com" = "serviceAccount:${data.google_bigquery_default_service_account.this[0].email}" } : {},
  ) : {}
}

data "google_storage_project_service_account" "this" {
  project = var.project_id

  depends_on = [google_project_service.this]
}

data "google_bigquery_default_service_account" "this" {
  count   = local.bigquery ? 1 : 0
  project = var.project_id

  depends_on = [google_project_service.this]
}

resource "google_kms_key_ring" "this" {
  count = var.cmek ? 1 : 0

  name     = var.name
  location = var.region

  depends_on = [google_project_service.this]
}

resource "google_kms_crypto_key" "data" {
  count = var.cmek ? 1 : 0

  name                       = "data"
  key_ring                   = google_kms_key_ring.this[0].id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "2592000s" # 30 days in which a version that was destroyed by mistake comes back
  labels                     = local.labels

  # Without the key everything that it encrypted is lost. Even where deletion_protection is off.
  deletion_policy = "PREVENT"
}

resource "google_kms_crypto_key_iam_member" "agent" {
  for_each = local.key_users

  crypto_key_id = google_kms_crypto_key.data[0].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}
