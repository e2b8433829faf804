# Accounts and what each may do. Every function has an account of its own; no account has a basic role, and what can be
# given on one resource is not given on the project.

locals {
  # Accounts that are no function's.
  callers = {
    push      = "Pub/Sub's pushes to the functions"
    scheduler = "Cloud Scheduler's calls of the jobs"
    build     = "Builds the functions' images"
  }

  # Who may call a function: everybody where the load balancer is in front (it adds no token of its own; ingress lets
  # in nothing else from outside, and every route has its guard), Pub/Sub and Cloud Scheduler where they have to. Where
  # Identity-Aware Proxy signs people in it calls the console, and nobody else does.
  called = {
    push      = setunion(local.consumers, [local.recorder])
    scheduler = toset([for job in local.jobs : job.function])
  }
  invokers = {
    for name, one in local.functions : name => merge(
      one.public && !(name == "console" && var.console.iap) ? { load_balancer = "allUsers" } : {},
      name == "console" && var.console.iap ? { iap = "serviceAccount:${google_project_service_identity.this["iap.googleapis.com"].email}" } : {},
      { for who, which in local.called : who => google_service_account.caller[who].member if contains(which, name) },
    )
  }

  # Objects, by what each function does with them: `writes` are the beginnings of the names that it may write and
  # replace (publish: objects, vectors and the saved index; retrain: snapshots and their sums).
  # The console's pages start runs in its own process, as retrain does.
  object_readers = toset(["feedback", "retrain", "serve", "publish", "monitor", "console"])
  object_writers = {
    publish = ["workspaces/", "index/"]
    retrain = ["learning/"]
    console = ["learning/"]
  }

  database_condition = "projects/${var.project_id}/databases/${var.firestore_database}"
  schedule_readers   = toset(["retrain", "console"])
  embedding          = local.vertex ? toset(["serve", "publish"]) : toset([])
}

resource "google_service_account" "function" {
  for_each = local.functions

  account_id   = "${var.name}-${each.key}"
  display_name = "Whetstone: the function ${each.key}"

  depends_on = [google_project_service.this]
}

resource "google_service_account" "caller" {
  for_each = local.callers

  account_id   = "${var.name}-${each.key}"
  display_name = "Whetstone: ${each.key}"
  description  = each.value

  depends_on = [google_project_service.this]
}

# --- records ----------------------------------------------------------------------------------

# Every function reads keys and settings and writes what it has done, with its audit record.
resource "google_project_iam_member" "firestore" {
  for_each = local.postgres ? {} : local.functions

  project = var.project_id
  role    = "roles/datastore.user"
  member  = google_service_account.function[each.key].member

  condition {
    title       = "this_database"
    description = "Only the database of Whetstone."
    expression  = "resource.name == \"${local.database_condition}\" || resource.name.startsWith(\"${local.database_condition}/\")"
  }
}

resource "google_project_iam_member" "sql_client" {
  for_each = local.postgres ? local.functions : {}

  project = var.project_id
  role    = "roles/cloudsql.client"
  member  = google_service_account.function[each.key].member

  condition {
    title       = "this_instance"
    description = "Only the instance of Whetstone."
    expression  = "resource.service == \"sqladmin.googleapis.com\" && resource.name == \"projects/${var.project_id}/instances/${google_sql_database_instance.this[0].name}\""
  }
}

resource "google_project_iam_member" "sql_login" {
  for_each = local.postgres ? local.functions : {}

  project = var.project_id
  role    = "roles/cloudsql.instanceUser"
  member  = google_service_account.function[each.key].member

  condition {
    title       = "this_instance"
    description = "Only the instance of Whetstone."
    expression  = "resource.service == \"sqladmin.googleapis.com\" && resource.name == \"projects/${var.project_id}/instances/${google_sql_database_instance.this[0].name}\""
  }
}

# --- objects ----------------------------------------------------------------------------------

resource "google_storage_bucket_iam_member" "reader" {
  for_each = local.object_readers

  bucket = google_storage_bucket.this["objects"].name
  role   = "roles/storage.objectViewer"
  member = google_service_account.function[each.key].member
}

# Replacing an object (the pointer to the newest index, a damaged object) needs the right to delete it; versions keep
# what was there.
resource "google_storage_bucket_iam_member" "writer" {
  for_each = local.object_writers

  bucket = google_storage_bucket.this["objects"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.function[each.key].member

  condition {
    title       = "own_objects"
    description = "Only what ${each.key} writes."
    expression = join(" || ", [
      for prefix in each.value :
      "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.this["objects"].name}/objects/${prefix}\")"
    ])
  }
}

# The daily backup is written by the monitor's job, which removes what is too old as well.
resource "google_storage_bucket_iam_member" "backup" {
  bucket = google_storage_bucket.this["backups"].name
  role   = "roles/storage.objectUser"
  member = google_service_account.function["monitor"].member
}

# --- secrets, models, the schedule ------------------------------------------------------------

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.secret_readers

  secret_id = google_secret_manager_secret.this[each.value.secret].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.function[each.value.function].member
}

resource "google_project_iam_custom_role" "embedder" {
  count = local.vertex ? 1 : 0

  role_id     = "${replace(var.name, "-", "_")}_embedder"
  title       = "Whetstone: embed texts"
  description = "Asks a model for vectors, and nothing else of Vertex AI."
  permissions = ["aiplatform.endpoints.predict"]

  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "embedder" {
  for_each = local.embedding

  project = var.project_id
  role    = google_project_iam_custom_role.embedder[0].id
  member  = google_service_account.function[each.key].member
}

# `GET /v1/learning/status` says when the next run is.
resource "google_project_iam_custom_role" "schedule_reader" {
  role_id     = "${replace(var.name, "-", "_")}_schedule_reader"
  title       = "Whetstone: read the schedule"
  description = "Sees when a job runs next; starts and stops none."
  permissions = ["cloudscheduler.jobs.get"]

  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "schedule_reader" {
  for_each = local.schedule_readers

  project = var.project_id
  role    = google_project_iam_custom_role.schedule_reader.id
  member  = google_service_account.function[each.key].member
}

# --- builds -----------------------------------------------------------------------------------

resource "google_project_iam_member" "build" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = google_service_account.caller["build"].member
}

# Cloud Functions hands a bundle to the build through a bucket of its own.
resource "google_project_iam_member" "build_sources" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.caller["build"].member

  condition {
    title       = "function_sources"
    description = "Only the bucket through which Cloud Functions hands over sources."
    expression  = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-${var.region}\")"
  }
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = google_storage_bucket.this["bundles"].name
  role   = "roles/storage.objectViewer"
  member = google_service_account.caller["build"].member
}

resource "google_artifact_registry_repository_iam_member" "build" {
  location   = var.region
  repository = google_artifact_registry_repository.functions.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.caller["build"].member
}

# --- who did what in the project --------------------------------------------------------------

# Reading a secret's value leaves a trace, as does every change of a right (which Google always logs).
resource "google_project_iam_audit_config" "secrets" {
  project = var.project_id
  service = "secretmanager.googleapis.com"

  audit_log_config {
    log_type = "DATA_READ"
  }
  audit_log_config {
    log_type = "ADMIN_READ"
  }
}

# So does every object that is written or deleted.
resource "google_project_iam_audit_config" "objects" {
  project = var.project_id
  service = "storage.googleapis.com"

  audit_log_config {
    log_type = "DATA_WRITE"
  }
}
