# What ships, with Firestore: every promise that needs nothing to be asked for. One plan, since a plan is what takes time.
mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}
mock_provider "google-beta" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  project_id  = "example-project"
  environment = "dev"
  region      = "europe-west1"
  domain      = "whetstone.example.com"
  runbook_url = "https://example.com/runbook.md"
  bundles_dir = "tests/fixtures/firestore"
}

run "firestore" {
  command = plan

  variables {
    alert_emails = ["one@example.com", "two@example.com"]
    labels       = { team = "knowledge" }
  }

  # --- who may do what ---
  # --- nothing public but through the load balancer
  assert {
    condition     = alltrue([for one in module.function : one.deployed.ingress == "ALLOW_INTERNAL_AND_GCLB"])
    error_message = "A function can be reached from outside without the load balancer."
  }
  assert {
    condition = toset([for name, one in module.function : name if contains(values(one.invokers), "allUsers")]) == toset(
      ["submit", "approve", "feedback", "retrain", "serve", "monitor", "console"]
    )
    error_message = "Everybody may call exactly the functions that are behind the load balancer."
  }
  assert {
    condition = alltrue(flatten([
      for one in module.function : [for who, member in one.invokers : who == "load_balancer" || startswith(who, "push") || startswith(who, "scheduler")]
    ]))
    error_message = "Somebody else may call a function."
  }
  assert {
    condition     = keys(module.function["publish"].invokers) == ["push"] && keys(module.function["notify"].invokers) == ["push"]
    error_message = "publish and notify are called by Pub/Sub alone."
  }
  assert {
    condition     = toset([for name, one in module.function : name if contains(keys(one.invokers), "scheduler")]) == toset(["retrain", "monitor"])
    error_message = "Cloud Scheduler may call exactly the functions that have jobs."
  }
  assert {
    condition     = toset(keys(google_compute_backend_service.function)) == toset([for name, one in local.functions : name if one.public])
    error_message = "The load balancer leads to other functions than the public ones."
  }

  # --- every function its own account
  assert {
    condition     = length(distinct([for one in module.function : one.deployed.service_account])) == length(module.function)
    error_message = "Two functions share an account."
  }
  assert {
    condition     = alltrue([for name, one in module.function : one.deployed.service_account == google_service_account.function[name].email])
    error_message = "A function runs as an account that is not its own."
  }

  # --- least rights
  assert {
    condition     = alltrue([for one in google_project_iam_member.firestore : strcontains(one.condition[0].expression, "databases/(default)")])
    error_message = "A right on records is not limited to the one database."
  }
  assert {
    condition     = toset(keys(google_storage_bucket_iam_member.writer)) == toset(["publish", "retrain", "console"])
    error_message = "Only publish and retrain write objects, and the console, whose runs are made in its own process."
  }
  assert {
    condition     = alltrue([for who in ["retrain", "console"] : endswith(google_storage_bucket_iam_member.writer[who].condition[0].expression, "/objects/learning/\")")])
    error_message = "retrain or the console may write objects of others."
  }
  assert {
    condition     = !contains(keys(google_storage_bucket_iam_member.reader), "notify") && !contains(keys(google_storage_bucket_iam_member.reader), "submit")
    error_message = "A function without objects may read them."
  }
  assert {
    condition     = toset(keys(google_project_iam_member.embedder)) == toset(["serve", "publish"])
    error_message = "Only serve and publish ask for vectors."
  }
  assert {
    condition     = google_project_iam_custom_role.embedder[0].permissions == toset(["aiplatform.endpoints.predict"])
    error_message = "The right to ask for vectors grew."
  }
  assert {
    condition     = length([for key in keys(google_pubsub_topic_iam_member.publisher) : key if endswith(key, ".serve")]) == 0
    error_message = "serve produces no event and may publish none."
  }
  assert {
    condition     = toset(keys(google_secret_manager_secret_iam_member.reader)) == toset([for name in keys(local.functions) : "jwt-secret.${name}"])
    error_message = "A function reads another secret than its settings name."
  }

  # --- secrets without values
  assert {
    condition     = alltrue(flatten([for one in module.function : [for name, value in one.deployed.environment : startswith(value, "secret://") if can(regex("SECRET$|PASSWORD$|_API_KEY$|WEBHOOK_URL$", name))]]))
    error_message = "A secret's value is in the environment."
  }

  # --- the way in ---
  assert {
    condition     = google_compute_url_map.http.default_url_redirect[0].https_redirect
    error_message = "HTTP is answered instead of sent to HTTPS."
  }
  assert {
    condition     = google_compute_ssl_policy.this.min_tls_version == "TLS_1_2" && google_compute_target_https_proxy.this.ssl_policy == google_compute_ssl_policy.this.id
    error_message = "Old versions of TLS are taken."
  }
  assert {
    condition     = tolist(google_compute_managed_ssl_certificate.this.managed[0].domains) == tolist(["whetstone.example.com"])
    error_message = "The certificate is for another name."
  }
  assert {
    condition     = alltrue([for one in google_compute_backend_service.function : one.security_policy == google_compute_security_policy.this.id && one.log_config[0].enable])
    error_message = "A way in has no Cloud Armor in front, or leaves no log."
  }
  assert {
    condition     = alltrue([for one in google_compute_region_network_endpoint_group.function : one.network_endpoint_type == "SERVERLESS"])
    error_message = "A way in leads to something that is no function."
  }

  # --- Cloud Armor
  assert {
    condition     = one([for rule in google_compute_security_policy.this.rule : rule if rule.priority == 100]).action == "deny(404)"
    error_message = "Jobs and events can be asked for from outside."
  }
  assert {
    condition     = one([for rule in google_compute_security_policy.this.rule : rule if rule.priority == 9000]).rate_limit_options[0].rate_limit_threshold[0].count == 600
    error_message = "There is no limit of rates."
  }
  assert {
    condition     = alltrue([for set in ["sqli", "xss", "lfi", "rfi", "rce", "scannerdetection", "protocolattack", "sessionfixation"] : anytrue([for rule in google_compute_security_policy.this.rule : strcontains(try(rule.match[0].expr[0].expression, ""), "'${set}-v33-stable'") && rule.action == "deny(403)" && !rule.preview if rule.priority != 100])])
    error_message = "A set of preconfigured rules refuses nothing."
  }
  assert {
    condition     = alltrue([for rule in google_compute_security_policy.this.rule : rule.preview if rule.priority >= 2000 && rule.priority < 3000])
    error_message = "A text that teaches about attacks would be refused."
  }
  assert {
    condition     = one([for rule in google_compute_security_policy.this.rule : rule if rule.priority == 2147483647]).action == "deny(403)"
    error_message = "What no rule is about is let in."
  }

  # --- events, jobs, dead letters ---
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
      length(one.dead_letter_policy) == 1 && one.dead_letter_policy[0].max_delivery_attempts == 10 && length(one.retry_policy) == 1
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

  # --- functions ---
  assert {
    condition     = toset(keys(module.function)) == toset(["submit", "approve", "feedback", "retrain", "serve", "publish", "notify", "monitor", "console"])
    error_message = "A function is missing, or one too many."
  }
  assert {
    condition     = alltrue([for name, one in module.function : one.bundle == local.bundles[name].object && can(regex("-[0-9a-f]{16}\\.zip$", one.bundle))])
    error_message = "A bundle is not named by its content."
  }
  assert {
    condition     = alltrue([for one in module.function : one.deployed.runtime == "python311"])
    error_message = "The runtime is not the one that the bundles are made for."
  }
  assert {
    condition     = alltrue([for one in module.function : one.deployed.min_instances == 0])
    error_message = "An idle function costs something."
  }
  assert {
    condition     = module.function["retrain"].deployed.timeout_s == 600 && google_pubsub_subscription.event["learning.requested.retrain"].ack_deadline_seconds == 600
    error_message = "A training run ends before Pub/Sub gives up waiting, or after."
  }
  assert {
    condition     = module.function["serve"].deployed.timeout_s > 120
    error_message = "serve is ended before its completion_deadline_s."
  }
  assert {
    condition     = alltrue([for name, one in module.function : one.deployed.environment["WHETSTONE_BACKEND"] == "gcp" && one.deployed.environment["WHETSTONE_GCP__BUCKET"] == google_storage_bucket.this["objects"].name])
    error_message = "A function is told another backend or bucket."
  }
  assert {
    condition     = google_artifact_registry_repository.functions.format == "DOCKER"
    error_message = "There is no place for the images."
  }

  # --- records and buckets ---
  assert {
    condition     = google_firestore_database.this[0].point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    error_message = "Records cannot be brought back to a point in time."
  }
  assert {
    condition     = google_firestore_database.this[0].delete_protection_state == "DELETE_PROTECTION_ENABLED" && google_firestore_database.this[0].deletion_policy == "PREVENT"
    error_message = "The records can be destroyed."
  }
  assert {
    condition     = length(google_firestore_index.this) == length(local.index_file.indexes) && length(google_firestore_field.this) == length(local.index_file.fieldOverrides)
    error_message = "An index or an override of firestore.indexes.json is missing, or there twice."
  }
  assert {
    condition     = toset([for key, one in google_firestore_field.this : key if length(one.ttl_config) == 1]) == toset([for one in local.index_file.fieldOverrides : "${one.collectionGroup}.${one.fieldPath}" if try(one.ttl, false)])
    error_message = "Something does not expire that should, or the other way round."
  }
  assert {
    condition     = google_firestore_backup_schedule.daily[0].retention == "2592000s" && length(google_firestore_backup_schedule.daily[0].daily_recurrence) == 1
    error_message = "There is no daily backup that is kept for 30 days."
  }
  assert {
    condition     = length(google_sql_database_instance.this) + length(google_compute_network.this) + length(google_sql_user.function) == 0
    error_message = "There is a PostgreSQL beside Firestore."
  }
  assert {
    condition     = output.postgres_roles_sql == "" && output.database.store == "firestore"
    error_message = "The outputs speak of PostgreSQL."
  }
  assert {
    condition     = alltrue([for one in module.function : one.deployed.networks == 0])
    error_message = "A function is in a network that it does not need."
  }

  # --- buckets
  assert {
    condition     = alltrue([for one in google_storage_bucket.this : one.public_access_prevention == "enforced" && one.uniform_bucket_level_access])
    error_message = "A bucket can become public, or has rights on single objects."
  }
  assert {
    condition     = alltrue([for kind, one in google_storage_bucket.this : kind == "audit" || try(one.versioning[0].enabled, false)])
    error_message = "What is replaced in a bucket cannot be brought back."
  }
  assert {
    condition     = google_storage_bucket.this["audit"].retention_policy[0].retention_period == "31536000" && !google_storage_bucket.this["audit"].retention_policy[0].is_locked
    error_message = "The audit trail can be deleted."
  }
  assert {
    condition     = alltrue([for one in google_storage_bucket.this : length(one.lifecycle_rule) >= 2 && !one.force_destroy && one.deletion_policy == "PREVENT"])
    error_message = "A bucket keeps old versions for ever, or can be destroyed with what is in it."
  }
  assert {
    condition     = alltrue([for one in google_storage_bucket.this : length(one.encryption) == 0])
    error_message = "A key is used that nobody asked for."
  }

  # --- watching ---
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

  # --- delivery ---
  assert {
    condition     = length(google_cloudbuild_trigger.deploy) + length(google_cloudbuild_trigger.release) + length(google_service_account.deployer) + length(google_project_iam_member.deployer) == 0
    error_message = "There is an account that may deploy, and nothing that uses it."
  }
}
