# Alerts on the work behind the answers: events that wait or were given up, jobs that have not run.

locals {
  # --- jobs that have not run -------------------------------------------------------------------
  # A frequent job is missed when no call of it succeeded for a while (seconds).
  silent_after_s = { sweep = 900, check = 1800, backup = 10800 }

  # A daily one when the last 25 hours, the longest that Cloud Monitoring sums up, saw no success of it.
  daily = toset(["retrain"])
}

# Any message in a dead-letter topic that nobody has looked at, whatever the records say.
resource "google_monitoring_alert_policy" "dead_letters" {
  display_name          = "Whetstone ${var.environment}: dead letters are present"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "dead_letters" })

  conditions {
    display_name = "A message waits in a dead-letter subscription"

    condition_threshold {
      filter          = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=monitoring.regex.full_match(\"${var.name}[.]dead-letter[.].*[.]kept\")"
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.subscription_id"]
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "The subscription's name says which consumer gave up. Its messages stay for 7 days, also after a replay: acknowledge them once they are dealt with."

    links {
      display_name = "Runbook: dead_letters"
      url          = "${local.runbook}#dead_letters"
    }
  }
}

resource "google_monitoring_alert_policy" "events_delayed" {
  display_name          = "Whetstone ${var.environment}: the oldest pending event is too old"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "events_delayed" })

  conditions {
    display_name = "An event has waited ${var.oldest_event_minutes} minutes for its consumer"

    condition_threshold {
      # Not those where messages are meant to wait.
      filter          = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=starts_with(\"${var.name}.\") AND NOT resource.labels.subscription_id=ends_with(\".kept\")"
      comparison      = "COMPARISON_GT"
      threshold_value = var.oldest_event_minutes * 60
      duration        = "120s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_MAX"
        cross_series_reducer = "REDUCE_MAX"
        group_by_fields      = ["resource.label.subscription_id"]
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Nothing is lost: the event is tried until it succeeds or becomes a dead letter."

    links {
      display_name = "Runbook: events_delayed"
      url          = "${local.runbook}#events_delayed"
    }
  }
}

resource "google_monitoring_alert_policy" "job_silent" {
  for_each = local.silent_after_s

  display_name          = "Whetstone ${var.environment}: the job ${each.key} has not run"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "job_not_run" })

  conditions {
    display_name = "No call of ${each.key} succeeded for ${each.value / 60} minutes"

    condition_absent {
      filter   = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.this["jobs_succeeded"].name}\" AND resource.type=\"cloud_scheduler_job\" AND metric.labels.job=\"${google_cloud_scheduler_job.job[each.key].name}\""
      duration = "${each.value}s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_COUNT"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Its schedule is `${local.jobs[each.key].cron}` (UTC). ${local.jobs[each.key].does}."

    links {
      display_name = "Runbook: job_not_run"
      url          = "${local.runbook}#job_not_run"
    }
  }
}

resource "google_monitoring_alert_policy" "job_missed" {
  for_each = local.daily

  display_name          = "Whetstone ${var.environment}: the job ${each.key} has not run today"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "job_not_run" })

  conditions {
    display_name = "No call of ${each.key} succeeded in 25 hours"

    condition_threshold {
      filter                  = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.this["jobs_succeeded"].name}\" AND resource.type=\"cloud_scheduler_job\" AND metric.labels.job=\"${var.name}-${each.key}\""
      comparison              = "COMPARISON_LT"
      threshold_value         = 1
      duration                = "0s"
      evaluation_missing_data = "EVALUATION_MISSING_DATA_ACTIVE"

      aggregations {
        alignment_period     = "90000s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "It runs once a day. That it was called is told here; whether a run learned something is told by `learning_not_run`."

    links {
      display_name = "Runbook: job_not_run"
      url          = "${local.runbook}#job_not_run"
    }
  }
}
