# The Google services that everything else needs, and who Google's own services are here.

data "google_project" "this" {
  project_id = var.project_id
}

locals {
  labels = merge(var.labels, { app = var.name, environment = var.environment })

  postgres = var.store == "postgres"
  bigquery = var.analytics == "bigquery"
  vertex   = var.embedder == "vertex"
  delivers = var.repository.owner != ""

  services = toset(concat(
    [
      "artifactregistry.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "cloudresourcemanager.googleapis.com",
      "cloudscheduler.googleapis.com",
      "compute.googleapis.com",
      "iam.googleapis.com",
      "iamcredentials.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "serviceusage.googleapis.com",
      "storage.googleapis.com",
    ],
    local.postgres ? ["servicenetworking.googleapis.com", "sqladmin.googleapis.com"] : ["firestore.googleapis.com"],
    local.bigquery ? ["bigquery.googleapis.com"] : [],
    local.vertex ? ["aiplatform.googleapis.com"] : [],
    var.cmek ? ["cloudkms.googleapis.com"] : [],
    var.console.iap ? ["iap.googleapis.com"] : [],
    var.budget.billing_account != "" ? ["billingbudgets.googleapis.com"] : [],
  ))

  # Google's own accounts that act for this project. Asking for one makes it where it is not yet there, so that
  # rights can be given to it before its first use.
  agents = toset(concat(
    ["pubsub.googleapis.com"],
    var.console.iap ? ["iap.googleapis.com"] : [],
    var.cmek ? ["artifactregistry.googleapis.com", "secretmanager.googleapis.com"] : [],
    var.cmek ? [local.postgres ? "sqladmin.googleapis.com" : "firestore.googleapis.com"] : [],
  ))
}

resource "google_project_service" "this" {
  for_each = local.services

  project = var.project_id
  service = each.value

  # Turning a service off would take with it what others in the project built on it.
  disable_on_destroy = false
}

resource "google_project_service_identity" "this" {
  for_each = local.agents
  provider = google-beta

  project = var.project_id
  service = each.value

  depends_on = [google_project_service.this]
}
