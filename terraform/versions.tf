# What this configuration needs, and where its state is.
terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.0"
    }
    google-beta = { # for google_project_service_identity alone
      source  = "hashicorp/google-beta"
      version = "~> 8.0"
    }
  }

  # The bucket is made by bootstrap/, and named at `terraform init -backend-config=bucket=…`.
  backend "gcs" {
    prefix = "whetstone"
  }
}

provider "google" {
  project               = var.project_id
  region                = var.region
  billing_project       = var.project_id
  user_project_override = true
  default_labels        = local.labels
}

provider "google-beta" {
  project               = var.project_id
  region                = var.region
  billing_project       = var.project_id
  user_project_override = true
  default_labels        = local.labels
}
