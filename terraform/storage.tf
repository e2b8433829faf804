# Buckets: objects and the saved index, bundles, backups, and the trail of who did what in the project.

locals {
  bucket_names = {
    for kind in ["objects", "bundles", "backups", "audit"] : kind => "${var.project_id}-${var.name}-${kind}"
  }

  # Days. `versions_kept`: how long a version that was replaced or deleted can be brought back. `ends_after`: when an
  # object itself is deleted. `retained`: how long nobody can delete or replace it.
  buckets = {
    objects = { versions_kept = 30, ends_after = 0, retained = 0, locked = false }
    bundles = { versions_kept = 30, ends_after = 0, retained = 0, locked = false }
    backups = { versions_kept = 7, ends_after = var.backup_days + 7, retained = 0, locked = false }
    audit   = { versions_kept = 0, ends_after = var.audit_days + 30, retained = var.audit_days, locked = var.audit_locked }
  }
}

resource "google_storage_bucket" "this" {
  #checkov:skip=CKV_GCP_62:usage logs are for public buckets; who writes and deletes here is in Google's audit logs (iam.tf), which go to the audit bucket
  for_each = local.buckets

  name                        = local.bucket_names[each.key]
  location                    = upper(var.region)
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection
  deletion_policy             = var.deletion_protection ? "PREVENT" : "DELETE"
  labels                      = local.labels

  # Retention and versions exclude each other: what cannot be replaced has one version.
  dynamic "versioning" {
    for_each = each.value.retained == 0 ? [true] : []
    content {
      enabled = true
    }
  }

  dynamic "retention_policy" {
    for_each = each.value.retained > 0 ? [each.value] : []
    content {
      retention_period = tostring(retention_policy.value.retained * 86400)
      is_locked        = retention_policy.value.locked
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.versions_kept > 0 ? [each.value.versions_kept] : []
    content {
      action {
        type = "Delete"
      }
      condition {
        days_since_noncurrent_time = lifecycle_rule.value
        with_state                 = "ARCHIVED"
      }
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.ends_after > 0 ? [each.value.ends_after] : []
    content {
      action {
        type = "Delete"
      }
      condition {
        age        = lifecycle_rule.value
        with_state = "LIVE"
      }
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  soft_delete_policy {
    retention_duration_seconds = 604800
  }

  dynamic "encryption" {
    for_each = local.keys
    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}

# --- the trail --------------------------------------------------------------------------------

resource "google_logging_project_sink" "audit" {
  #checkov:skip=CKV2_GCP_4:the bucket has a retention; locking it cannot be undone, so it is asked for by audit_locked, as prod does
  name                   = "${var.name}-audit"
  description            = "Google's audit logs of this project, kept where nobody can delete them"
  destination            = "storage.googleapis.com/${google_storage_bucket.this["audit"].name}"
  filter                 = "log_id(\"cloudaudit.googleapis.com/activity\") OR log_id(\"cloudaudit.googleapis.com/data_access\") OR log_id(\"cloudaudit.googleapis.com/policy\")"
  unique_writer_identity = true
}

resource "google_storage_bucket_iam_member" "audit" {
  bucket = google_storage_bucket.this["audit"].name
  role   = "roles/storage.objectCreator"
  member = google_logging_project_sink.audit.writer_identity
}
