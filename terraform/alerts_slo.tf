# Alerts on the promise to callers: the error budget, and how long an answer takes.

locals {
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
