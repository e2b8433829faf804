# Alerts. Each names the section of docs/operations-runbook.md that says what it means and how to repair it; a test
# looks for the section.

locals {
  runbook  = var.runbook_url != "" ? var.runbook_url : "${local.repository_url}/blob/${var.repository.branch}/docs/operations-runbook.md"
  channels = [for one in google_monitoring_notification_channel.email : one.id]

  # --- rules of our own, by their severity in shared/domain/alerts.py; a test compares them ----------
  rules = {
    quality_regression = { severity = "CRITICAL", about = "Rated quality fell after a training run" }
    agent_disabled     = { severity = "CRITICAL", about = "An agent's trust fell below the threshold" }
    drift              = { severity = "WARNING", about = "A model's ratings in a pattern have fallen" }
    canary_reverted    = { severity = "CRITICAL", about = "What a run learned was worse in its canary" }
    experiment_stopped = { severity = "WARNING", about = "A guardrail stopped an experiment" }
    dead_letters       = { severity = "CRITICAL", about = "Events were given up after all tries" }
    oldest_pending     = { severity = "WARNING", about = "The oldest entry has waited too long for a decision" }
    error_rate         = { severity = "CRITICAL", about = "Requests are answered with 5xx" }
    latency_p99        = { severity = "WARNING", about = "One request in a hundred is too slow" }
    learning_not_run   = { severity = "WARNING", about = "Evidence waits and no training run has succeeded" }
    outbox_backlog     = { severity = "WARNING", about = "Events wait to be published" }
    index_behind       = { severity = "WARNING", about = "Search does not show published changes" }
    index_large        = { severity = "WARNING", about = "The search index is about to outgrow the memory of its instances" }
    raters_pushing     = { severity = "CRITICAL", about = "Raters favoured one model together, or ran it down, unlike all others" }
    raters_doubted     = { severity = "WARNING", about = "Somebody's ratings are at odds with what was expected" }
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
