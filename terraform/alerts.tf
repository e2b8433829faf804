# Alerts. Each names the section of docs/operations-runbook.md that says what it means and how to repair it; a test
# looks for the section.

locals {
  runbook  = var.runbook_url != "" ? var.runbook_url : "https://github.com/${var.repository.owner}/${var.repository.name}/blob/${var.repository.branch}/docs/operations-runbook.md"
  channels = [for one in google_monitoring_notification_channel.email : one.id]

  # --- the error budget, burnt too fast ---------------------------------------------------------
  # The budget of 30 days (720 hours) is (1 - goal) of their requests. A burn rate of 1 uses it up in exactly that
  # time; a rate r over h hours uses r * h / 720 of it:
  #   14.4 over  1 h: 14.4 *  1 / 720 =  2 %   page: at this rate it is gone in 50 hours
  #    6   over  6 h:  6   *  6 / 720 =  5 %   page: gone in 5 days
  #    3   over 24 h:  3   * 24 / 720 = 10 %   ticket: gone in 10 days
  # The short window, a twelfth of the long one, must burn as fast as well: so an alert ends soon after its cause does,
  # and does not come for what is over already.
  # (Google, The Site Reliability Workbook, chapter 5, table 5-8, with one day for its three: Cloud Monitoring looks
  # back 25 hours at most.)
  burns = {
    fast   = { rate = 14.4, long_s = 3600, short_s = 300, severity = "CRITICAL" }
    medium = { rate = 6, long_s = 21600, short_s = 1800, severity = "CRITICAL" }
    slow   = { rate = 3, long_s = 86400, short_s = 7200, severity = "WARNING" }
  }

  # --- jobs that have not run -------------------------------------------------------------------
  # A frequent job is missed when no call of it succeeded for a while (seconds).
  silent_after_s = { sweep = 900, check = 1800, backup = 10800 }

  # A daily one when the last 25 hours, the longest that Cloud Monitoring sums up, saw no success of it.
  daily = toset(["retrain"])

  # --- rules of our own, by their severity in shared/domain/alerts.py; a test compares them ----------
  rules = {
    quality_regression = { severity = "CRITICAL", about = "Rated quality fell after a training run" }
    agent_disabled     = { severity = "CRITICAL", about = "An agent's trust fell below the threshold" }
    dead_letters       = { severity = "CRITICAL", about = "Events were given up after all tries" }
    oldest_pending     = { severity = "WARNING", about = "The oldest entry has waited too long for a decision" }
    error_rate         = { severity = "CRITICAL", about = "Requests are answered with 5xx" }
    latency_p99        = { severity = "WARNING", about = "One request in a hundred is too slow" }
    learning_not_run   = { severity = "WARNING", about = "Evidence waits and no training run has succeeded" }
    outbox_backlog     = { severity = "WARNING", about = "Events wait to be published" }
    index_behind       = { severity = "WARNING", about = "Search does not show published changes" }
  }
}

# What the monitor's own check finds in the records reaches the same people by the same way as everything below.
resource "google_monitoring_alert_policy" "rule" {
  for_each = local.rules

  display_name          = "Whetstone ${var.environment}: ${each.value.about}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = each.key })

  conditions {
    display_name = "The check has raised ${each.key}"

    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.this["alerts_raised"].name}\" AND resource.type=\"cloud_run_revision\" AND metric.labels.rule=\"${each.key}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "The rule `${each.key}` fired in a workspace; `GET /v1/alerts` names it and has the evidence."

    links {
      display_name = "Runbook: ${each.key}"
      url          = "${local.runbook}#${each.key}"
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }
}

resource "google_monitoring_alert_policy" "burn" {
  for_each = local.burns

  display_name          = "Whetstone ${var.environment}: the error budget burns ${each.key == "slow" ? "steadily" : "fast"} (${each.value.rate} times)"
  combiner              = "AND"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "error_budget_burn" })

  dynamic "conditions" {
    for_each = { long = each.value.long_s, short = each.value.short_s }
    content {
      display_name = "Burns ${each.value.rate} times as fast as it may, over ${conditions.value / 60} minutes"

      condition_threshold {
        filter          = "select_slo_burn_rate(\"${google_monitoring_slo.availability.name}\", \"${conditions.value}s\")"
        comparison      = "COMPARISON_GT"
        threshold_value = each.value.rate
        duration        = "0s"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "At this rate the budget of 30 days is gone in ${floor(720 / each.value.rate)} hours."

    links {
      display_name = "Runbook: error_budget_burn"
      url          = "${local.runbook}#error_budget_burn"
    }
  }
}

resource "google_monitoring_alert_policy" "latency" {
  for_each = { serve = var.latency_p99_ms.serve, others = var.latency_p99_ms.others }

  display_name          = "Whetstone ${var.environment}: one request in a hundred is too slow (${each.key})"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "latency_p99" })

  conditions {
    display_name = "p99 of 15 minutes above ${each.value} ms"

    condition_threshold {
      filter = join(" AND ", [
        "metric.type=\"loadbalancing.googleapis.com/https/total_latencies\"",
        "resource.type=\"https_lb_rule\"",
        "resource.labels.url_map_name=\"${google_compute_url_map.https.name}\"",
        "resource.labels.backend_target_name${each.key == "serve" ? "" : "!"}=\"${google_compute_backend_service.function["serve"].name}\"",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = each.value
      duration        = "300s"

      aggregations {
        alignment_period     = "900s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_PERCENTILE_99"
        group_by_fields      = ["resource.label.backend_target_name"]
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Measured at the load balancer, over all routes of a function."

    links {
      display_name = "Runbook: latency_p99"
      url          = "${local.runbook}#latency_p99"
    }
  }
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

resource "google_monitoring_alert_policy" "unreachable" {
  display_name          = "Whetstone ${var.environment}: not reachable from outside"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "unreachable" })

  conditions {
    display_name = "/ready fails from two places or more, for two minutes"

    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.ready.uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "120s"

      aggregations {
        alignment_period     = "120s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Either the way in (DNS, certificate, load balancer) or what the monitor needs does not work."

    links {
      display_name = "Runbook: unreachable"
      url          = "${local.runbook}#unreachable"
    }
  }
}

resource "google_monitoring_alert_policy" "crashed" {
  display_name          = "Whetstone ${var.environment}: a request ended in a bug"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "error_rate" })

  conditions {
    display_name = "request.crashed in the log"

    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.this["requests_crashed"].name}\" AND resource.type=\"cloud_run_revision\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_SUM"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["metric.label.service"]
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "The log line `request.crashed` has the stack trace."

    links {
      display_name = "Runbook: error_rate"
      url          = "${local.runbook}#error_rate"
    }
  }
}

resource "google_monitoring_alert_policy" "database" {
  for_each = local.postgres ? {
    disk        = { metric = "disk/utilization", above = 0.85 }
    connections = { metric = "postgresql/num_backends", above = var.sql.max_connections * 0.9 }
  } : {}

  display_name          = "Whetstone ${var.environment}: the database runs out of ${each.key}"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels
  user_labels           = merge(local.labels, { runbook = "database_full" })

  conditions {
    display_name = "${each.value.metric} above ${each.value.above}"

    condition_threshold {
      filter          = "metric.type=\"cloudsql.googleapis.com/database/${each.value.metric}\" AND resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${google_sql_database_instance.this[0].name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = "300s"

      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_MEAN"
        cross_series_reducer = "REDUCE_SUM"
        group_by_fields      = ["resource.label.database_id"]
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Writes fail once it is full."

    links {
      display_name = "Runbook: database_full"
      url          = "${local.runbook}#database_full"
    }
  }
}
