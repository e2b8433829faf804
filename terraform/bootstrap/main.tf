# The bucket of the state, which has to be there before anything else. Its own state is a local file: there is nothing
# else in it, and where it is lost, `terraform import google_storage_bucket.state NAME` brings it back.
terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}

variable "project_id" {
  description = "The Google Cloud project's id."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project's id has 6 to 30 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "region" {
  description = "Where the state is kept, for example europe-west1."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is one region, such as europe-west1, not a zone and not a multi-region."
  }
}

variable "name" {
  description = "What the bucket's name contains; the same as in the configuration itself."
  type        = string
  default     = "whetstone"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,16}[a-z0-9]$", var.name))
    error_message = "name has 3 to 18 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

# What Terraform itself needs to ask for everything else.
resource "google_project_service" "this" {
  for_each = toset(["cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com", "storage.googleapis.com"])

  project            = var.project_id
  service            = each.value
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62:usage logs are for public buckets; who writes the state is in Google's audit logs
  name                        = "${var.project_id}-${var.name}-state"
  location                    = upper(var.region)
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  labels                      = { app = var.name, holds = "terraform-state" }

  versioning {
    enabled = true
  }

  # Every state for ninety days, and the last ten however old.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 90
      num_newer_versions         = 10
      with_state                 = "ARCHIVED"
    }
  }

  # Plans that builds hand over (scripts/deploy hand-over): one that has waited longer is stale anyway.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 30
      matches_prefix = ["plans/"]
      with_state     = "LIVE"
    }
  }

  soft_delete_policy {
    retention_duration_seconds = 2592000
  }

  deletion_policy = "PREVENT"

  depends_on = [google_project_service.this]
}

output "state_bucket" {
  description = "For terraform init: -backend-config=bucket=NAME."
  value       = google_storage_bucket.state.name
}
