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

run "firestore" {
  assert {
    condition     = toset([for one in google_pubsub_topic.event : one.name]) == toset([for type in keys(local.flow) : "whetstone.${type}"])
    error_message = "There is not one topic for each type of event."
  }
  assert {
    condition     = toset(keys(google_pubsub_subscription.event)) == toset(flatten([for type, route in local.flow : [for who in route.consumers : "${type}.${who}"]]))
    error_message = "There is not one subscription for each event and consumer."
  }
  assert {
    condition = alltrue([
      for one in google_pubsub_subscription.event :
      length(one.dead_letter_policy) == 1 && one.dead_letter_policy[0].max_delivery_attempts == 5 && length(one.retry_policy) == 1
    ])
    error_message = "A subscription has no dead letter, or no pauses between tries."
  }
  assert {
    condition = alltrue([
      for key, one in google_pubsub_subscription.event :
      one.dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead[local.deliveries[key].function].id
    ])
    error_message = "A dead letter goes to the topic of another consumer."
  }
  assert {
    condition     = alltrue([for one in merge(google_pubsub_subscription.dead_recorded, google_pubsub_subscription.dead_kept) : length(one.retry_policy) == 1])
    error_message = "A subscription to dead letters has no pauses between tries."
  }
  assert {
    condition     = alltrue([for consumer in local.consumers : contains(keys(google_pubsub_subscription.dead_recorded), consumer) && contains(keys(google_pubsub_subscription.dead_kept), consumer)])
    error_message = "Dead letters of a consumer are not recorded, or not kept for people."
  }
  assert {
    condition = alltrue([
      for key, one in google_pubsub_subscription.event :
      one.push_config[0].oidc_token[0].service_account_email == google_service_account.caller["push"].email
      && one.push_config[0].oidc_token[0].audience == module.function[local.deliveries[key].function].deployed.environment["WHETSTONE_GCP__PUSH_AUDIENCE"]
    ])
    error_message = "A push carries a token that its function does not take."
  }
  assert {
    condition     = length(distinct([for one in module.function : one.deployed.environment["WHETSTONE_GCP__PUSH_AUDIENCE"]])) == length(module.function)
    error_message = "A token for one function would open another."
  }
  assert {
    condition     = alltrue([for one in google_pubsub_subscription.event : one.expiration_policy[0].ttl == ""])
    error_message = "A subscription of a quiet consumer would be deleted."
  }
  assert {
    condition = alltrue([
      for one in google_pubsub_topic_iam_member.dead : one.role == "roles/pubsub.publisher" && one.member == local.pubsub_agent
    ]) && toset(keys(google_pubsub_subscription_iam_member.dead)) == toset(keys(google_pubsub_subscription.event))
    error_message = "Pub/Sub may not move a dead letter."
  }
  assert {
    condition     = alltrue([for one in google_pubsub_topic.event : one.message_storage_policy[0].allowed_persistence_regions == toset(["europe-west1"])])
    error_message = "Messages may be kept in another region."
  }

  # --- the schedule
  assert {
    condition     = google_cloud_scheduler_job.job["retrain"].schedule == "0 2 * * *" && google_cloud_scheduler_job.job["retrain"].time_zone == "Etc/UTC"
    error_message = "Retraining is not daily at 02:00 UTC."
  }
  assert {
    condition     = toset(output.scheduler_jobs) == toset(["whetstone-retrain", "whetstone-sweep", "whetstone-check", "whetstone-backup"])
    error_message = "A job is missing: retrain, the sweeper, the monitor's check or the backup."
  }
  assert {
    condition = alltrue([
      for key, one in google_cloud_scheduler_job.job :
      one.http_target[0].oidc_token[0].service_account_email == google_service_account.caller["scheduler"].email
      && one.http_target[0].oidc_token[0].audience == local.urls[local.jobs[key].function]
      && one.retry_config[0].retry_count > 0
    ])
    error_message = "A job is called without a token, or only once."
  }
  assert {
    condition     = module.function["monitor"].deployed.environment["WHETSTONE_BACKUP__PLACE"] == "gs://example-project-whetstone-backups/daily" && module.function["monitor"].deployed.environment["WHETSTONE_BACKUP__KEEP_DAYS"] == "30" && google_storage_bucket_iam_member.backup.bucket == google_storage_bucket.this["backups"].name
    error_message = "The daily backup has no place, is not kept for 30 days, or may not be written."
  }
  assert {
    condition     = alltrue([for one in google_cloud_scheduler_job.job : tonumber(trimsuffix(one.attempt_deadline, "s")) <= 1800])
    error_message = "Cloud Scheduler does not wait as long."
  }

  # --- without BigQuery
  assert {
    condition     = length(google_bigquery_dataset.evidence) + length(google_bigquery_table.evidence) + length(google_pubsub_topic.evidence) + length(google_pubsub_subscription.evidence) == 0
    error_message = "Evidence is copied to BigQuery, which nobody asked for."
  }
}

run "more_attempts_hold_for_pubsub_and_the_functions_alike" {
  variables {
    event_attempts = 9
  }

  assert {
    condition     = alltrue([for one in google_pubsub_subscription.event : one.dead_letter_policy[0].max_delivery_attempts == 9])
    error_message = "Pub/Sub tries as often as before."
  }
  assert {
    condition     = alltrue([for one in module.function : one.deployed.environment["WHETSTONE_EVENTS__ATTEMPTS"] == "9"])
    error_message = "A function believes in another last try than Pub/Sub."
  }
}

run "another_name_is_told_to_the_functions" {
  command = plan

  variables {
    name = "grindstone"
  }

  assert {
    condition     = google_pubsub_topic.event["entry.submitted"].name == "grindstone.entry.submitted" && local.environment["WHETSTONE_GCP__TOPIC_PREFIX"] == "grindstone"
    error_message = "The functions publish to topics that do not exist."
  }
  assert {
    condition     = google_cloud_scheduler_job.job["sweep"].name == "grindstone-sweep" && local.environment["WHETSTONE_GCP__SCHEDULER_PREFIX"] == "grindstone"
    error_message = "The functions look for jobs that do not exist."
  }
}

run "bigquery" {
  variables {
    analytics   = "bigquery"
    bundles_dir = "tests/fixtures/bigquery"
  }

  assert {
    condition     = toset([for one in google_bigquery_table.evidence : one.table_id]) == toset(["evidence_ratings", "evidence_outcomes"])
    error_message = "A table of evidence is missing."
  }
  assert {
    condition     = alltrue([for one in google_bigquery_table.evidence : one.clustering == tolist(["workspace", "seq"])])
    error_message = "A query for one workspace would read them all."
  }
  assert {
    condition     = alltrue([for one in google_pubsub_subscription.evidence : one.bigquery_config[0].use_table_schema && length(one.dead_letter_policy) == 1 && length(one.retry_policy) == 1])
    error_message = "Rows do not go into columns, or a row that does not fit has no dead letter."
  }
  assert {
    condition     = toset(keys(google_bigquery_dataset_iam_member.reader)) == toset(["feedback", "retrain", "monitor"]) && alltrue([for one in google_bigquery_dataset_iam_member.reader : one.role == "roles/bigquery.dataViewer"])
    error_message = "Others than those who sum up evidence read it, or they write it."
  }
  assert {
    condition     = alltrue([for one in module.function : one.deployed.environment["WHETSTONE_BIGQUERY__DATASET"] == google_bigquery_dataset.evidence[0].dataset_id])
    error_message = "The functions ask another dataset."
  }
  assert {
    condition     = contains(keys(google_project_service.this), "bigquery.googleapis.com")
    error_message = "BigQuery is not turned on."
  }
}
