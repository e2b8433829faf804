# One function: its bundle, the function itself, and who may call it.

resource "google_storage_bucket_object" "bundle" {
  # The name carries the hash, so other content is another object, and the function is deployed again only then.
  bucket       = var.bundle.bucket
  name         = var.bundle.object
  source       = var.bundle.file
  content_type = "application/zip"

  lifecycle {
    # The revision before needs its bundle for as long as it may come back; the bucket's own rules delete old ones.
    create_before_destroy = true
  }
}

resource "google_cloudfunctions2_function" "this" {
  project     = var.project_id
  location    = var.region
  name        = var.name
  description = "Whetstone: ${var.entry_point}"
  labels      = var.labels

  build_config {
    runtime           = var.runtime
    entry_point       = var.entry_point
    docker_repository = var.repository
    service_account   = var.accounts.builds

    source {
      storage_source {
        bucket = var.bundle.bucket
        object = google_storage_bucket_object.bundle.name
      }
    }

    # Security updates of the base image come when the function is deployed, never under a canary's feet.
    on_deploy_update_policy {}
  }

  service_config {
    service_account_email            = var.accounts.runs
    ingress_settings                 = "ALLOW_INTERNAL_AND_GCLB"
    environment_variables            = var.environment
    min_instance_count               = var.size.min_instances
    max_instance_count               = var.size.max_instances
    max_instance_request_concurrency = var.size.concurrency
    available_cpu                    = var.size.cpu
    available_memory                 = var.size.memory
    timeout_seconds                  = var.size.timeout_s

    # Traffic is the canary's business, on the Cloud Run service (docs/decisions, and UNMANAGED.md). False leaves it
    # as it is there: scripts/deploy names the revision that serves before each apply, so that a new one gets none.
    all_traffic_on_latest_revision = false

    direct_vpc_egress = length(var.networks) > 0 ? "VPC_EGRESS_PRIVATE_RANGES_ONLY" : null

    dynamic "direct_vpc_network_interface" {
      for_each = var.networks
      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
      }
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.invokers

  project  = var.project_id
  location = var.region
  name     = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = each.value
}
