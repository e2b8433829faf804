# Firestore, where store is firestore: the database, its indexes and expiries as firestore.indexes.json lists them
# (which the code writes from its declared queries), and daily backups.

locals {
  index_file = jsondecode(file("${path.module}/../firestore.indexes.json"))

  # Firestore's own, where records are there.
  indexes = {
    for one in local.index_file.indexes :
    join(",", concat([one.collectionGroup], [for field in one.fields : "${field.fieldPath} ${try(field.order, field.arrayConfig)}"])) => one
    if !local.postgres
  }
  fields = { for one in local.index_file.fieldOverrides : "${one.collectionGroup}.${one.fieldPath}" => one if !local.postgres }
}

resource "google_firestore_database" "this" {
  count = local.postgres ? 0 : 1

  name                              = var.firestore_database
  location_id                       = var.region
  type                              = "FIRESTORE_NATIVE"
  concurrency_mode                  = "OPTIMISTIC"
  point_in_time_recovery_enablement = "POINT_IN_TIME_RECOVERY_ENABLED"
  delete_protection_state           = var.deletion_protection ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = var.deletion_protection ? "PREVENT" : "DELETE"

  dynamic "cmek_config" {
    for_each = local.keys
    content {
      kms_key_name = cmek_config.value
    }
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}

resource "google_firestore_index" "this" {
  for_each = local.indexes

  database    = google_firestore_database.this[0].name
  collection  = each.value.collectionGroup
  query_scope = each.value.queryScope

  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path   = fields.value.fieldPath
      order        = try(fields.value.order, null)
      array_config = try(fields.value.arrayConfig, null)
    }
  }
}

resource "google_firestore_field" "this" {
  for_each = local.fields

  database   = google_firestore_database.this[0].name
  collection = each.value.collectionGroup
  field      = each.value.fieldPath

  # An empty block takes the field out of the automatic indexes; without the block it would keep them.
  index_config {
    dynamic "indexes" {
      for_each = each.value.indexes
      content {
        order        = try(indexes.value.order, null)
        array_config = try(indexes.value.arrayConfig, null)
        query_scope  = indexes.value.queryScope
      }
    }
  }

  dynamic "ttl_config" {
    for_each = try(each.value.ttl, false) ? [true] : []
    content {}
  }
}

# Besides the daily backup of our own, which can be restored elsewhere: one from which the database comes back in one
# step.
resource "google_firestore_backup_schedule" "daily" {
  count = local.postgres ? 0 : 1

  database  = google_firestore_database.this[0].name
  retention = "${var.backup_days * 86400}s"

  daily_recurrence {}
}
