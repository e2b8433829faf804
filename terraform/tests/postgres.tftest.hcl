# Cloud SQL instead of Firestore.
mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}
mock_provider "google-beta" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  project_id  = "example-project"
  environment = "dev"
  region      = "europe-west1"
  domain      = "whetstone.example.com"
  runbook_url = "https://example.com/runbook.md"
  bundles_dir = "tests/fixtures/firestore"
}

run "postgres" {
  command = plan

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

run "one_zone_unprotected_and_a_key_of_our_own" {
  command = plan

  variables {
    store               = "postgres"
    bundles_dir         = "tests/fixtures/postgres"
    sql                 = { standby = false, tier = "db-custom-1-3840", disk_gb = 10 }
    deletion_protection = false
    cmek                = true
  }

  assert {
    condition     = google_sql_database_instance.this[0].settings[0].availability_type == "ZONAL" && google_sql_database_instance.this[0].settings[0].tier == "db-custom-1-3840" && google_sql_database_instance.this[0].settings[0].disk_size == 10
    error_message = "The size of the database is not what was asked for."
  }

  assert {
    condition     = !google_sql_database_instance.this[0].deletion_protection && google_sql_database.this[0].deletion_policy == "DELETE"
    error_message = "An environment for trying things cannot be taken down."
  }

  assert {
    condition     = contains(keys(google_kms_crypto_key_iam_member.agent), "sqladmin.googleapis.com") && contains(keys(google_project_service_identity.this), "sqladmin.googleapis.com")
    error_message = "Cloud SQL may not use the key."
  }
}
