# What is measured from logs, and the page that shows all of it. Alerts are in alerts*.tf.

locals {
  # Log lines are counted by their static event name, the field `message` of the functions' JSON.
  function_log = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=~\"^${var.name}-\""

  log_metrics = {
    alerts_raised = {
      about  = "Alerts that the monitor's check has raised, by rule"
      filter = "${local.function_log} AND jsonPayload.message=\"notification\" AND jsonPayload.kind=\"alert.raised\""
      labels = { rule = "EXTRACT(jsonPayload.facts.Rule)" }
    }
    requests_crashed = {
      about  = "Requests that ended in a bug of ours, by function"
      filter = "${local.function_log} AND jsonPayload.message=\"request.crashed\""
      labels = { service = "EXTRACT(resource.labels.service_name)" }
    }
    events_failed = {
      about  = "Deliveries of events that failed and are tried again, by function"
      filter = "${local.function_log} AND jsonPayload.message=\"event.failed\""
      labels = { service = "EXTRACT(resource.labels.service_name)" }
    }
    jobs_succeeded = {
      about  = "Calls of scheduled jobs that were answered well, by job"
      filter = "resource.type=\"cloud_scheduler_job\" AND resource.labels.job_id=~\"^${var.name}-\" AND jsonPayload.\"@type\"=\"type.googleapis.com/google.cloud.scheduler.logging.AttemptFinished\" AND severity<WARNING"
      labels = { job = "EXTRACT(resource.labels.job_id)" }
    }
  }
}

resource "google_logging_metric" "this" {
  for_each = local.log_metrics

  name        = "${var.name}/${each.key}"
  description = each.value.about
  filter      = each.value.filter

  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  depends_on = [google_project_service.this]
}

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  display_name = "Whetstone: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  user_labels  = local.labels

  depends_on = [google_project_service.this]
}

# From outside, by the way that callers take.
resource "google_monitoring_uptime_check_config" "ready" {
  display_name = "${var.name} ready"
  period       = "60s"
  timeout      = "10s"
  user_labels  = local.labels

  http_check {
    path         = "/ready"
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project_id, host = var.domain }
  }

  depends_on = [google_project_service.this]
}

# --- the promise to callers -------------------------------------------------------------------

resource "google_monitoring_custom_service" "api" {
  service_id   = var.name
  display_name = "Whetstone's API"
  user_labels  = local.labels

  depends_on = [google_project_service.this]
}

# Good are all answers but 5xx: a request that is refused for what is wrong with it is answered well.
resource "google_monitoring_slo" "availability" {
  service             = google_monitoring_custom_service.api.service_id
  slo_id              = "availability"
  display_name        = "${var.availability_goal * 100} % of requests do not fail, over 30 days"
  goal                = var.availability_goal
  rolling_period_days = 30
  user_labels         = local.labels

  request_based_sli {
    good_total_ratio {
      total_service_filter = local.requests
      bad_service_filter   = "${local.requests} metric.labels.response_code_class=500"
    }
  }
}

locals {
  requests = "metric.type=\"loadbalancing.googleapis.com/https/request_count\" resource.type=\"https_lb_rule\" resource.labels.url_map_name=\"${google_compute_url_map.https.name}\""
}

resource "google_monitoring_dashboard" "overview" {
  dashboard_json = templatefile("${path.module}/dashboards/overview.json.tftpl", {
    title     = "Whetstone ${var.environment}"
    name      = var.name
    url_map   = google_compute_url_map.https.name
    functions = sort(keys(local.functions))
    slo       = google_monitoring_slo.availability.name
    goal      = var.availability_goal
  })
}
