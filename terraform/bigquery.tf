# Evidence in BigQuery, where analytics is bigquery: tables whose schemas the code has, filled by Pub/Sub itself.

locals {
  evidence = local.bigquery ? toset(["ratings", "outcomes"]) : toset([])

  # Who asks for sums of the evidence.
  evidence_readers = local.bigquery ? toset(["feedback", "retrain", "monitor"]) : toset([])
}

resource "google_bigquery_dataset" "evidence" {
  count = local.bigquery ? 1 : 0

  dataset_id                 = replace(var.name, "-", "_")
  description                = "Evidence of Whetstone: what it learns from"
  location                   = var.region
  delete_contents_on_destroy = !var.deletion_protection
  labels                     = local.labels

  dynamic "default_encryption_configuration" {
    for_each = local.keys
    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}

resource "google_bigquery_table" "evidence" {
  for_each = local.evidence

  dataset_id          = google_bigquery_dataset.evidence[0].dataset_id
  table_id            = "evidence_${each.key}"
  schema              = file("${path.module}/../shared/adapters/bigquery_tables/evidence_${each.key}.json")
  clustering          = ["workspace", "seq"]
  deletion_protection = var.deletion_protection
  labels              = local.labels

  dynamic "encryption_configuration" {
    for_each = local.keys
    content {
      kms_key_name = encryption_configuration.value
    }
  }
}

resource "google_pubsub_topic" "evidence" {
  for_each = local.evidence

  name         = "${var.name}.evidence.${each.key}"
  kms_key_name = local.key
  labels       = local.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}

# A row that the table does not take. The exporter sends rows that do not arrive again by itself; these say why.
resource "google_pubsub_topic" "evidence_dead" {
  count = local.bigquery ? 1 : 0

  name                       = "${var.name}.dead-letter.evidence"
  kms_key_name               = local.key
  message_retention_duration = local.dead_kept
  labels                     = local.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}

resource "google_pubsub_subscription" "evidence" {
  for_each = local.evidence

  name                       = "${var.name}.evidence.${each.key}.bigquery"
  topic                      = google_pubsub_topic.evidence[each.key].id
  ack_deadline_seconds       = local.ack_deadline_s
  message_retention_duration = local.kept
  labels                     = local.labels

  bigquery_config {
    table               = "${var.project_id}.${google_bigquery_table.evidence[each.key].dataset_id}.${google_bigquery_table.evidence[each.key].table_id}"
    use_table_schema    = true
    drop_unknown_fields = false
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.evidence_dead[0].id
    max_delivery_attempts = var.event_attempts
  }

  expiration_policy {
    ttl = "" # never
  }

  depends_on = [google_bigquery_table_iam_member.pubsub]
}

resource "google_pubsub_subscription" "evidence_dead_kept" {
  count = local.bigquery ? 1 : 0

  name                       = "${var.name}.dead-letter.evidence.kept"
  topic                      = google_pubsub_topic.evidence_dead[0].id
  ack_deadline_seconds       = local.ack_deadline_s
  message_retention_duration = local.kept
  labels                     = local.labels

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  expiration_policy {
    ttl = "" # never
  }
}

resource "google_bigquery_table_iam_member" "pubsub" {
  for_each = local.evidence

  dataset_id = google_bigquery_dataset.evidence[0].dataset_id
  table_id   = google_bigquery_table.evidence[each.key].table_id
  role       = "roles/bigquery.dataEditor"
  member     = local.pubsub_agent
}

resource "google_pubsub_topic_iam_member" "evidence" {
  for_each = local.evidence

  topic  = google_pubsub_topic.evidence[each.key].id
  role   = "roles/pubsub.publisher"
  member = google_service_account.function["monitor"].member
}

resource "google_pubsub_topic_iam_member" "evidence_dead" {
  count = local.bigquery ? 1 : 0

  topic  = google_pubsub_topic.evidence_dead[0].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "evidence_dead" {
  for_each = local.evidence

  subscription = google_pubsub_subscription.evidence[each.key].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_bigquery_dataset_iam_member" "reader" {
  for_each = local.evidence_readers

  dataset_id = google_bigquery_dataset.evidence[0].dataset_id
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.function[each.key].member
}

resource "google_project_iam_member" "bigquery_jobs" {
  for_each = local.evidence_readers

  project = var.project_id
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.function[each.key].member
}
