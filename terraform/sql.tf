# Cloud SQL for PostgreSQL, where store is postgres: reached by a private address, and logged in to by IAM. There is no
# password anywhere. The network is for this alone; with Firestore there is none.

locals {
  sql_pool_size = 4 # postgres.pool_size: connections of one instance of a function

  # What all instances of all functions can open together.
  sql_connections = local.sql_pool_size * sum([for size in local.sizes : size.max_instances])
}

resource "google_compute_network" "this" {
  count = local.postgres ? 1 : 0

  name                    = var.name
  auto_create_subnetworks = false

  depends_on = [google_project_service.this]
}

resource "google_compute_subnetwork" "functions" {
  count = local.postgres ? 1 : 0

  name                     = "${var.name}-functions"
  region                   = var.region
  network                  = google_compute_network.this[0].id
  ip_cidr_range            = var.sql.network_cidr
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Nothing in this network listens: functions only go out through it.
resource "google_compute_firewall" "closed" {
  count = local.postgres ? 1 : 0

  name          = "${var.name}-closed"
  network       = google_compute_network.this[0].id
  direction     = "INGRESS"
  priority      = 1000
  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }
}

resource "google_compute_global_address" "sql" {
  count = local.postgres ? 1 : 0

  name          = "${var.name}-sql"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
  network       = google_compute_network.this[0].id
}

resource "google_service_networking_connection" "sql" {
  count = local.postgres ? 1 : 0

  network                 = google_compute_network.this[0].id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.sql[0].name]
}

resource "google_sql_database_instance" "this" {
  #checkov:skip=CKV_GCP_79:15 is what the tests run on; from 16 on the role that makes roles cannot set what the logins work as (postgres_roles.sql.tftpl)
  #checkov:skip=CKV_GCP_108:connections come from the connector alone, whose addresses have no host names to look up
  #checkov:skip=CKV2_GCP_13:the duration of each statement is in Query Insights; in the log it would be most of the log
  count = local.postgres ? 1 : 0

  name                = var.name
  region              = var.region
  database_version    = "POSTGRES_15"
  deletion_protection = var.deletion_protection
  encryption_key_name = local.key

  settings {
    tier                        = var.sql.tier
    edition                     = "ENTERPRISE"
    availability_type           = var.sql.standby ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.sql.disk_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection
    connector_enforcement       = "REQUIRED"
    retain_backups_on_delete    = true
    user_labels                 = local.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.this[0].id
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED" # the connector brings one
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "03:00"
      location                       = var.region
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = var.backup_days
        retention_unit   = "COUNT"
      }
    }

    maintenance_window {
      day          = 7
      hour         = 4
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled  = true
      record_application_tags = true
      record_client_address   = false
    }

    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "max_connections"
      value = tostring(var.sql.max_connections)
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
    database_flags {
      name  = "log_min_messages"
      value = "warning"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
  }

  lifecycle {
    precondition {
      # PostgreSQL keeps three connections for its administrator; twenty are for people, backups and deployments, in
      # which old and new instances are there together for a while.
      condition     = local.sql_connections + 23 <= var.sql.max_connections
      error_message = "All instances together could open ${local.sql_connections} connections: raise sql.max_connections to ${local.sql_connections + 23}, or lower max_instances in sizes."
    }
  }

  depends_on = [google_service_networking_connection.sql, google_kms_crypto_key_iam_member.agent]
}

resource "google_sql_database" "this" {
  count = local.postgres ? 1 : 0

  name            = "whetstone"
  instance        = google_sql_database_instance.this[0].name
  deletion_policy = var.deletion_protection ? "PREVENT" : "DELETE"
}

# What these may do inside the database is said there, once: see the output postgres_roles_sql.
resource "google_sql_user" "function" {
  for_each = local.postgres ? local.functions : {}

  name            = trimsuffix(google_service_account.function[each.key].email, ".gserviceaccount.com")
  instance        = google_sql_database_instance.this[0].name
  type            = "CLOUD_IAM_SERVICE_ACCOUNT"
  deletion_policy = "ABANDON"
}
