# The jobs: calls at set times, with a token of the scheduler's own account. A missed tick is made up for by the next.

locals {
  # The same as JOBS in shared/messages/events.py; a test compares them.
  jobs = {
    retrain = { function = "retrain", path = "/jobs/retrain", cron = "0 2 * * *", does = "Asks for a training run in every workspace" }
    sweep   = { function = "monitor", path = "/jobs/sweep", cron = "* * * * *", does = "Publishes what waits, tries again what is due, deletes what has expired" }
    backup  = { function = "monitor", path = "/jobs/backup", cron = "20 * * * *", does = "Takes the daily backup, or goes on with it" }
    check   = { function = "monitor", path = "/jobs/check", cron = "*/5 * * * *", does = "Looks at every alert rule" }
  }
}

resource "google_cloud_scheduler_job" "job" {
  for_each = local.jobs

  name             = "${var.name}-${each.key}"
  description      = each.value.does
  region           = var.region
  schedule         = each.value.cron
  time_zone        = "Etc/UTC"
  attempt_deadline = "${min(1800, local.sizes[each.value.function].timeout_s)}s" # Cloud Scheduler waits 30 minutes at most

  http_target {
    http_method = "POST"
    uri         = "${module.function[each.value.function].uri}${each.value.path}"

    oidc_token {
      service_account_email = google_service_account.caller["scheduler"].email
      audience              = local.urls[each.value.function]
    }
  }

  # The same pauses as where everything runs on one machine: 5, 10 and 20 seconds.
  retry_config {
    retry_count          = 3
    min_backoff_duration = "5s"
    max_backoff_duration = "20s"
    max_doublings        = 2
  }

  lifecycle {
    # `whetstone schedule pause` is an operator's decision, which the next apply must not undo.
    ignore_changes = [paused]
  }

  depends_on = [google_project_service.this]
}
