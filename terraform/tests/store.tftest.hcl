mock_provider "google" { source = "./tests/mocks" }
mock_provider "google-beta" {}

variables {
  project_id  = "example-project"
  environment = "dev"
  region      = "europe-west1"
  domain      = "whetstone.example.com"
  runbook_url = "https://example.com/runbook.md"
  bundles_dir = "tests/fixtures/firestore"
}

run "firestore" {
  assert {
    condition     = google_firestore_database.this[0].point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    error_message = "Records cannot be brought back to a point in time."
  }
  assert {
    condition     = google_firestore_database.this[0].delete_protection_state == "DELETE_PROTECTION_ENABLED" && google_firestore_database.this[0].deletion_policy == "PREVENT"
    error_message = "The records can be destroyed."
  }
  assert {
    condition     = length(google_firestore_index.this) == length(local.index_file.indexes) && length(google_firestore_field.this) == length(local.index_file.fieldOverrides)
    error_message = "An index or an override of firestore.indexes.json is missing, or there twice."
  }
  assert {
    condition     = toset([for key, one in google_firestore_field.this : key if length(one.ttl_config) == 1]) == toset([for one in local.index_file.fieldOverrides : "${one.collectionGroup}.${one.fieldPath}" if try(one.ttl, false)])
    error_message = "Something does not expire that should, or the other way round."
  }
  assert {
    condition     = google_firestore_backup_schedule.daily[0].retention == "2592000s" && length(google_firestore_backup_schedule.daily[0].daily_recurrence) == 1
    error_message = "There is no daily backup that is kept for 30 days."
  }
  assert {
    condition     = length(google_sql_database_instance.this) + length(google_compute_network.this) + length(google_sql_user.function) == 0
    error_message = "There is a PostgreSQL beside Firestore."
  }
  assert {
    condition     = output.postgres_roles_sql == "" && output.database.store == "firestore"
    error_message = "The outputs speak of PostgreSQL."
  }
  assert {
    condition     = alltrue([for one in module.function : one.deployed.networks == 0])
    error_message = "A function is in a network that it does not need."
  }

  # --- buckets
  assert {
    condition     = alltrue([for one in google_storage_bucket.this : one.public_access_prevention == "enforced" && one.uniform_bucket_level_access])
    error_message = "A bucket can become public, or has rights on single objects."
  }
  assert {
    condition     = alltrue([for kind, one in google_storage_bucket.this : kind == "audit" || try(one.versioning[0].enabled, false)])
    error_message = "What is replaced in a bucket cannot be brought back."
  }
  assert {
    condition     = google_storage_bucket.this["audit"].retention_policy[0].retention_period == "31536000" && !google_storage_bucket.this["audit"].retention_policy[0].is_locked
    error_message = "The audit trail can be deleted."
  }
  assert {
    condition     = alltrue([for one in google_storage_bucket.this : length(one.lifecycle_rule) >= 2 && !one.force_destroy && one.deletion_policy == "PREVENT"])
    error_message = "A bucket keeps old versions for ever, or can be destroyed with what is in it."
  }
  assert {
    condition     = alltrue([for one in google_storage_bucket.this : length(one.encryption) == 0])
    error_message = "A key is used that nobody asked for."
  }
}

run "a_named_database" {
  command = plan

  variables {
    firestore_database = "whetstone"
  }

  assert {
    condition     = google_firestore_database.this[0].name == "whetstone" && local.environment["WHETSTONE_GCP__FIRESTORE_DATABASE"] == "whetstone"
    error_message = "The functions use another database than the one that is made."
  }
  assert {
    condition     = strcontains(google_project_iam_member.firestore["submit"].condition[0].expression, "databases/whetstone")
    error_message = "The rights are on another database."
  }
}

run "postgres" {
  state_key = "postgres"

  variables {
    store       = "postgres"
    bundles_dir = "tests/fixtures/postgres"
  }

  assert {
    condition     = length(google_firestore_database.this) + length(google_firestore_index.this) + length(google_firestore_field.this) + length(google_project_iam_member.firestore) == 0
    error_message = "There is a Firestore beside PostgreSQL."
  }
  assert {
    condition     = !google_sql_database_instance.this[0].settings[0].ip_configuration[0].ipv4_enabled && google_sql_database_instance.this[0].settings[0].ip_configuration[0].private_network == google_compute_network.this[0].id
    error_message = "The database has a public address."
  }
  assert {
    condition     = google_sql_database_instance.this[0].settings[0].ip_configuration[0].ssl_mode == "TRUSTED_CLIENT_CERTIFICATE_REQUIRED" && google_sql_database_instance.this[0].settings[0].connector_enforcement == "REQUIRED"
    error_message = "The database takes connections that are not encrypted, or without the connector."
  }
  assert {
    condition     = contains([for flag in google_sql_database_instance.this[0].settings[0].database_flags : "${flag.name}=${flag.value}"], "cloudsql.iam_authentication=on") && alltrue([for one in google_sql_user.function : one.type == "CLOUD_IAM_SERVICE_ACCOUNT" && one.password == null])
    error_message = "Somebody logs in with a password."
  }
  assert {
    condition     = toset(keys(google_sql_user.function)) == toset(keys(local.functions))
    error_message = "A function cannot log in."
  }
  assert {
    condition     = google_sql_database_instance.this[0].settings[0].backup_configuration[0].enabled && google_sql_database_instance.this[0].settings[0].backup_configuration[0].point_in_time_recovery_enabled && google_sql_database_instance.this[0].settings[0].backup_configuration[0].backup_retention_settings[0].retained_backups == 30
    error_message = "There are no daily backups for 30 days, or no way back to a point in time."
  }
  assert {
    condition     = google_sql_database_instance.this[0].deletion_protection && google_sql_database_instance.this[0].settings[0].deletion_protection_enabled && google_sql_database.this[0].deletion_policy == "PREVENT"
    error_message = "The records can be destroyed."
  }
  assert {
    condition     = google_sql_database_instance.this[0].settings[0].availability_type == "REGIONAL"
    error_message = "There is no standby in another zone."
  }
  assert {
    condition     = alltrue([for name, one in module.function : one.deployed.environment["WHETSTONE_POSTGRES__USER"] == google_sql_user.function[name].name && one.deployed.environment["WHETSTONE_POSTGRES__INSTANCE"] == google_sql_database_instance.this[0].connection_name && one.deployed.environment["WHETSTONE_POSTGRES__NETWORK"] == "private"])
    error_message = "A function logs in as another, or elsewhere."
  }
  assert {
    condition     = alltrue([for one in module.function : one.deployed.egress == "VPC_EGRESS_PRIVATE_RANGES_ONLY" && one.deployed.networks == 1 && !can(one.deployed.environment["WHETSTONE_GCP__FIRESTORE_DATABASE"])])
    error_message = "A function does not reach the private address, or is told of a Firestore."
  }
  assert {
    condition     = alltrue([for one in concat(values(google_project_iam_member.sql_client), values(google_project_iam_member.sql_login)) : strcontains(one.condition[0].expression, "/instances/whetstone")])
    error_message = "A right on databases is not limited to the one instance."
  }
  assert {
    condition     = alltrue([for name, one in google_sql_user.function : strcontains(output.postgres_roles_sql, "GRANT whetstone_owner TO \"${one.name}\"")])
    error_message = "The roles in the database leave a function out."
  }
  assert {
    condition     = contains(keys(google_project_service.this), "sqladmin.googleapis.com") && !contains(keys(google_project_service.this), "firestore.googleapis.com")
    error_message = "A service is missing, or one too many is on."
  }
  assert {
    condition     = toset(keys(google_monitoring_alert_policy.database)) == toset(["disk", "connections"])
    error_message = "Nobody is told that the database is full."
  }
}

run "one_zone" {
  command   = plan
  state_key = "postgres"

  variables {
    store       = "postgres"
    bundles_dir = "tests/fixtures/postgres"
    sql         = { standby = false, tier = "db-custom-1-3840", disk_gb = 10 }
  }

  assert {
    condition     = google_sql_database_instance.this[0].settings[0].availability_type == "ZONAL" && google_sql_database_instance.this[0].settings[0].tier == "db-custom-1-3840" && google_sql_database_instance.this[0].settings[0].disk_size == 10
    error_message = "The size of the database is not what was asked for."
  }
}

run "too_few_connections_are_refused" {
  command   = plan
  state_key = "few"

  variables {
    store       = "postgres"
    bundles_dir = "tests/fixtures/postgres"
    sql         = { max_connections = 100 }
  }

  expect_failures = [google_sql_database_instance.this]
}

run "unprotected_dev" {
  command   = plan
  state_key = "unprotected"

  variables {
    deletion_protection = false
  }

  assert {
    condition     = google_firestore_database.this[0].delete_protection_state == "DELETE_PROTECTION_DISABLED" && google_firestore_database.this[0].deletion_policy == "DELETE" && alltrue([for one in google_storage_bucket.this : one.force_destroy && one.deletion_policy == "DELETE"])
    error_message = "An environment for trying things cannot be taken down."
  }
  assert {
    condition     = alltrue([for one in google_secret_manager_secret.this : !one.deletion_protection])
    error_message = "A secret stays behind."
  }
}

run "unprotected_postgres" {
  command   = plan
  state_key = "unprotected"

  variables {
    store               = "postgres"
    bundles_dir         = "tests/fixtures/postgres"
    deletion_protection = false
  }

  assert {
    condition     = !google_sql_database_instance.this[0].deletion_protection && google_sql_database.this[0].deletion_policy == "DELETE"
    error_message = "An environment for trying things cannot be taken down."
  }
}

run "a_locked_trail_and_other_times" {
  command   = plan
  state_key = "times"

  variables {
    audit_days   = 30
    audit_locked = true
    backup_days  = 14
  }

  assert {
    condition     = google_storage_bucket.this["audit"].retention_policy[0].retention_period == "2592000" && google_storage_bucket.this["audit"].retention_policy[0].is_locked
    error_message = "The trail is not kept as asked."
  }
  assert {
    condition     = google_firestore_backup_schedule.daily[0].retention == "1209600s"
    error_message = "Backups are not kept as asked."
  }
}

run "a_key_of_our_own" {
  state_key = "key"

  variables {
    cmek        = true
    analytics   = "bigquery"
    bundles_dir = "tests/fixtures/bigquery"
  }

  assert {
    condition     = alltrue([for one in google_storage_bucket.this : one.encryption[0].default_kms_key_name == google_kms_crypto_key.data[0].id])
    error_message = "A bucket is encrypted with another key."
  }
  assert {
    condition     = google_firestore_database.this[0].cmek_config[0].kms_key_name == google_kms_crypto_key.data[0].id
    error_message = "Records are encrypted with another key."
  }
  assert {
    condition     = alltrue([for one in concat(values(google_pubsub_topic.event), values(google_pubsub_topic.dead), values(google_pubsub_topic.evidence), google_pubsub_topic.evidence_dead) : one.kms_key_name == google_kms_crypto_key.data[0].id])
    error_message = "Messages are encrypted with another key."
  }
  assert {
    condition     = alltrue([for one in google_secret_manager_secret.this : one.replication[0].user_managed[0].replicas[0].customer_managed_encryption[0].kms_key_name == google_kms_crypto_key.data[0].id])
    error_message = "A secret is encrypted with another key."
  }
  assert {
    condition     = google_bigquery_dataset.evidence[0].default_encryption_configuration[0].kms_key_name == google_kms_crypto_key.data[0].id && alltrue([for one in google_bigquery_table.evidence : one.encryption_configuration[0].kms_key_name == google_kms_crypto_key.data[0].id])
    error_message = "Evidence is encrypted with another key."
  }
  assert {
    condition     = toset(keys(google_kms_crypto_key_iam_member.agent)) == toset(["artifactregistry.googleapis.com", "bigquery.googleapis.com", "firestore.googleapis.com", "pubsub.googleapis.com", "secretmanager.googleapis.com", "storage.googleapis.com"])
    error_message = "One of Google's services may not use the key."
  }
  assert {
    condition     = google_kms_crypto_key.data[0].rotation_period == "7776000s" && google_kms_crypto_key.data[0].deletion_policy == "PREVENT"
    error_message = "The key is not rotated, or can be destroyed."
  }
}

run "a_key_of_our_own_for_postgres" {
  command   = plan
  state_key = "keypg"

  variables {
    cmek        = true
    store       = "postgres"
    bundles_dir = "tests/fixtures/postgres"
  }

  assert {
    condition     = contains(keys(google_kms_crypto_key_iam_member.agent), "sqladmin.googleapis.com") && contains(keys(google_project_service_identity.this), "sqladmin.googleapis.com")
    error_message = "Cloud SQL may not use the key."
  }
}
