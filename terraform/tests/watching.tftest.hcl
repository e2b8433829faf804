mock_provider "google" { source = "./tests/mocks" }
mock_provider "google-beta" {}

variables {
  project_id  = "example-project"
  environment = "dev"
  region      = "europe-west1"
  domain      = "whetstone.example.com"
  runbook_url = "https://example.com/runbook.md"
  bundles_dir = "tests/fixtures/firestore"
}

run "alerts" {
  variables {
    alert_emails = ["one@example.com", "two@example.com"]
    labels       = { team = "knowledge" }
  }

  assert {
    condition     = length(google_monitoring_notification_channel.email) == 2
    error_message = "Somebody is not told."
  }
  assert {
    condition = alltrue([
      for one in concat(
        values(google_monitoring_alert_policy.rule), values(google_monitoring_alert_policy.burn), values(google_monitoring_alert_policy.latency),
        values(google_monitoring_alert_policy.job_silent), values(google_monitoring_alert_policy.job_missed), [
          google_monitoring_alert_policy.dead_letters, google_monitoring_alert_policy.events_delayed,
          google_monitoring_alert_policy.unreachable, google_monitoring_alert_policy.crashed,
      ]) :
      length(one.notification_channels) == 2
      && one.documentation[0].links[0].url == "https://example.com/runbook.md#${one.user_labels["runbook"]}"
      && one.user_labels["team"] == "knowledge" && one.severity != null
    ])
    error_message = "An alert reaches nobody, or does not say where its section of the runbook is."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.dead_letters.conditions[0].condition_threshold[0].filter, "dead-letter") && google_monitoring_alert_policy.dead_letters.conditions[0].condition_threshold[0].threshold_value == 0
    error_message = "A dead letter goes unnoticed."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.events_delayed.conditions[0].condition_threshold[0].filter, "oldest_unacked_message_age") && google_monitoring_alert_policy.events_delayed.conditions[0].condition_threshold[0].threshold_value == 900
    error_message = "An event that waits too long goes unnoticed."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.rule["oldest_pending"].conditions[0].condition_threshold[0].filter, "metric.labels.rule=\"oldest_pending\"")
    error_message = "An entry that waits too long for a decision goes unnoticed."
  }
  assert {
    condition     = toset(concat(keys(google_monitoring_alert_policy.job_silent), keys(google_monitoring_alert_policy.job_missed))) == toset(keys(google_cloud_scheduler_job.job))
    error_message = "A job that has not run goes unnoticed."
  }
  assert {
    condition     = alltrue([for one in google_monitoring_alert_policy.job_missed : one.conditions[0].condition_threshold[0].evaluation_missing_data == "EVALUATION_MISSING_DATA_ACTIVE" && one.conditions[0].condition_threshold[0].aggregations[0].alignment_period == "90000s"])
    error_message = "A day without a run is not told from a day without data."
  }
  assert {
    condition = alltrue([
      for key, one in google_monitoring_alert_policy.burn :
      one.combiner == "AND" && length(one.conditions) == 2 && local.burns[key].long_s == 12 * local.burns[key].short_s
      && alltrue([for condition in one.conditions : condition.condition_threshold[0].threshold_value == local.burns[key].rate])
    ])
    error_message = "An alert on the error budget looks at one window only."
  }
  assert {
    # 2, 5 and 10 % of the budget of 720 hours.
    condition     = [for key in ["fast", "medium", "slow"] : format("%.3f", local.burns[key].rate * local.burns[key].long_s / 3600 / 720)] == ["0.020", "0.050", "0.100"]
    error_message = "The arithmetic of the error budget is not what alerts_slo.tf says."
  }
  assert {
    condition     = alltrue([for one in local.burns : one.long_s <= 90000])
    error_message = "Cloud Monitoring does not look back as far."
  }
  assert {
    condition     = google_monitoring_slo.availability.goal == 0.999 && google_monitoring_slo.availability.rolling_period_days == 30
    error_message = "The promise is another one."
  }
  assert {
    condition     = length(jsondecode(google_monitoring_dashboard.overview.dashboard_json).mosaicLayout.tiles) == 8
    error_message = "The dashboard is not whole."
  }
  assert {
    condition     = alltrue([for one in google_logging_metric.this : one.metric_descriptor[0].metric_kind == "DELTA"])
    error_message = "A metric does not count."
  }
  assert {
    condition     = length(google_billing_budget.month) == 0 && length(google_monitoring_alert_policy.database) == 0
    error_message = "There is a budget without an account, or an alert on a database that is not there."
  }
  assert {
    condition     = google_storage_bucket.this["objects"].labels == tomap({ app = "whetstone", environment = "dev", team = "knowledge" })
    error_message = "A label is missing."
  }
}

run "other_thresholds_and_a_budget" {
  variables {
    availability_goal    = 0.99
    latency_p99_ms       = { serve = 5000, others = 500 }
    oldest_event_minutes = 60
    budget               = { billing_account = "012345-6789AB-CDEF01", amount = 1000 }
    runbook_url          = ""
    repository           = { owner = "example" }
    state_bucket         = "example-state"
  }

  assert {
    condition     = google_monitoring_slo.availability.goal == 0.99
    error_message = "The promise is another one."
  }
  assert {
    condition     = google_monitoring_alert_policy.latency["serve"].conditions[0].condition_threshold[0].threshold_value == 5000 && google_monitoring_alert_policy.latency["others"].conditions[0].condition_threshold[0].threshold_value == 500
    error_message = "The threshold of latency is another one."
  }
  assert {
    condition     = google_monitoring_alert_policy.events_delayed.conditions[0].condition_threshold[0].threshold_value == 3600
    error_message = "The threshold of waiting is another one."
  }
  assert {
    condition     = google_billing_budget.month[0].amount[0].specified_amount[0].units == "1000" && length(google_billing_budget.month[0].threshold_rules) == 4
    error_message = "The budget is another one, or tells nobody before it is spent."
  }
  assert {
    condition     = google_monitoring_alert_policy.unreachable.documentation[0].links[0].url == "https://github.com/example/whetstone/blob/main/docs/operations-runbook.md#unreachable"
    error_message = "The runbook is not found in the repository."
  }
}
