# Every variable with another value than its own, and what follows from it.
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

run "other_values" {
  command = plan

  variables {
    name                 = "grindstone"
    domain               = "other.example.com"
    embedder             = "none"
    bundles_dir          = "tests/fixtures/words"
    firestore_database   = "whetstone"
    deletion_protection  = false
    backup_days          = 14
    audit_days           = 30
    audit_locked         = true
    event_attempts       = 9
    log_level            = "error"
    waf_enforced         = false
    requests_per_minute  = 50
    availability_goal    = 0.99
    latency_p99_ms       = { serve = 5000, others = 500 }
    oldest_event_minutes = 60
    runbook_url          = ""
    repository           = { owner = "example", name = "whetstone", branch = "trunk" }
    state_bucket         = "example-state"

    notify = { smtp_host = "smtp.example.com", mail_from = "w@example.com", mail_to = ["r@example.com"] }
    sizes = {
      serve  = { min_instances = 3, max_instances = 50, concurrency = 20, cpu = "2", memory = "4Gi", timeout_s = 400 }
      submit = { min_instances = 1 }
    }
  }

  # --- another name is told to the functions ---
  assert {
    condition     = google_pubsub_topic.event["entry.submitted"].name == "grindstone.entry.submitted" && local.environment["WHETSTONE_GCP__TOPIC_PREFIX"] == "grindstone"
    error_message = "The functions publish to topics that do not exist."
  }
  assert {
    condition     = google_cloud_scheduler_job.job["sweep"].name == "grindstone-sweep" && local.environment["WHETSTONE_GCP__SCHEDULER_PREFIX"] == "grindstone"
    error_message = "The functions look for jobs that do not exist."
  }

  # --- another domain makes another certificate first ---
  assert {
    condition     = google_compute_managed_ssl_certificate.this.name == "grindstone-${substr(sha256("other.example.com"), 0, 8)}"
    error_message = "The new certificate would have the name of the one that is in use."
  }
  assert {
    condition     = google_monitoring_uptime_check_config.ready.monitored_resource[0].labels["host"] == "other.example.com" && local.environment["WHETSTONE_NOTIFY__CONSOLE_URL"] == "https://other.example.com"
    error_message = "Something still speaks of the old domain."
  }

  # --- without an embedder nobody may ask for vectors ---
  assert {
    condition     = length(google_project_iam_member.embedder) == 0 && length(google_project_iam_custom_role.embedder) == 0
    error_message = "There is a right to ask for vectors."
  }
  assert {
    condition     = !contains(keys(google_project_service.this), "aiplatform.googleapis.com")
    error_message = "Vertex AI is turned on and not used."
  }

  # --- a named database ---
  assert {
    condition     = google_firestore_database.this[0].name == "whetstone" && local.environment["WHETSTONE_GCP__FIRESTORE_DATABASE"] == "whetstone"
    error_message = "The functions use another database than the one that is made."
  }
  assert {
    condition     = strcontains(google_project_iam_member.firestore["submit"].condition[0].expression, "databases/whetstone")
    error_message = "The rights are on another database."
  }

  # --- an environment for trying things can be taken down ---
  assert {
    condition     = google_firestore_database.this[0].delete_protection_state == "DELETE_PROTECTION_DISABLED" && google_firestore_database.this[0].deletion_policy == "DELETE" && alltrue([for one in google_storage_bucket.this : one.force_destroy && one.deletion_policy == "DELETE"])
    error_message = "An environment for trying things cannot be taken down."
  }
  assert {
    condition     = alltrue([for one in google_secret_manager_secret.this : !one.deletion_protection])
    error_message = "A secret stays behind."
  }

  # --- a locked trail, and other times ---
  assert {
    condition     = google_storage_bucket.this["audit"].retention_policy[0].retention_period == "2592000" && google_storage_bucket.this["audit"].retention_policy[0].is_locked
    error_message = "The trail is not kept as asked."
  }
  assert {
    condition     = google_firestore_backup_schedule.daily[0].retention == "1209600s"
    error_message = "Backups are not kept as asked."
  }

  # --- more attempts hold for Pub/Sub and the functions alike ---
  assert {
    condition     = alltrue([for one in google_pubsub_subscription.event : one.dead_letter_policy[0].max_delivery_attempts == 9])
    error_message = "Pub/Sub tries as often as before."
  }
  assert {
    condition     = alltrue([for one in module.function : one.deployed.environment["WHETSTONE_EVENTS__ATTEMPTS"] == "9"])
    error_message = "A function believes in another last try than Pub/Sub."
  }

  # --- other sizes ---
  assert {
    condition     = module.function["serve"].deployed.min_instances == 3 && module.function["serve"].deployed.max_instances == 50 && module.function["serve"].deployed.concurrency == 20 && module.function["serve"].deployed.cpu == "2" && module.function["serve"].deployed.memory == "4Gi" && module.function["serve"].deployed.timeout_s == 400
    error_message = "serve has not the size that was asked for."
  }
  assert {
    condition     = module.function["submit"].deployed.min_instances == 1 && module.function["submit"].deployed.memory == "512Mi" && module.function["approve"].deployed.min_instances == 0
    error_message = "A change of one size changed another."
  }
  assert {
    condition     = module.function["monitor"].deployed.environment["WHETSTONE_LOG_LEVEL"] == "error"
    error_message = "The functions log at another level."
  }

  # --- rules on trial ---
  assert {
    condition     = alltrue([for rule in google_compute_security_policy.this.rule : rule.preview if rule.priority >= 1000 && rule.priority < 4000])
    error_message = "A rule on trial refuses."
  }
  assert {
    condition     = one([for rule in google_compute_security_policy.this.rule : rule if rule.priority == 9000]).rate_limit_options[0].rate_limit_threshold[0].count == 50
    error_message = "The limit of rates is another one."
  }

  # --- other thresholds ---
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
    condition     = google_monitoring_alert_policy.unreachable.documentation[0].links[0].url == "https://github.com/example/whetstone/blob/trunk/docs/operations-runbook.md#unreachable"
    error_message = "The runbook is not found in the repository."
  }

  # --- mail without a login needs no password ---
  assert {
    condition     = keys(google_secret_manager_secret.this) == ["jwt-secret"]
    error_message = "There is a secret that nobody needs."
  }

  # --- a repository: dev is deployed by each push ---
  assert {
    condition     = google_cloudbuild_trigger.deploy[0].filename == "cloudbuild.yaml" && google_cloudbuild_trigger.deploy[0].github[0].push[0].branch == "^trunk$"
    error_message = "The trigger runs something else, or for another branch."
  }
  assert {
    condition     = !google_cloudbuild_trigger.release[0].approval_config[0].approval_required
    error_message = "dev waits for an approval."
  }
  assert {
    condition = (
      google_cloudbuild_trigger.release[0].name == "grindstone-release" && google_cloudbuild_trigger.release[0].git_file_source[0].path == "cloudbuild-release.yaml"
      && google_cloudbuild_trigger.release[0].source_to_build[0].uri == "https://github.com/example/whetstone" && google_cloudbuild_trigger.release[0].source_to_build[0].ref == "refs/heads/trunk"
      && length(google_cloudbuild_trigger.release[0].github) == 0 && google_cloudbuild_trigger.release[0].substitutions["_NAME"] == "grindstone"
    )
    error_message = "The release is of something else, or starts by itself."
  }
  assert {
    condition     = google_service_account_iam_member.deployer_acts_as["deployer"].service_account_id == google_service_account.deployer[0].name
    error_message = "The build that plans may not ask for the build that applies."
  }
  assert {
    condition     = google_cloudbuild_trigger.deploy[0].substitutions["_BUNDLES"] == "--store=firestore --analytics=store --embedder=none"
    error_message = "The build makes bundles for another store, analytics or embedder."
  }
  assert {
    condition     = google_cloudbuild_trigger.deploy[0].substitutions["_STATE_BUCKET"] == "example-state" && google_cloudbuild_trigger.deploy[0].substitutions["_ENVIRONMENT"] == "dev"
    error_message = "The build does not know where the state is."
  }
  assert {
    condition     = !contains(google_project_iam_custom_role.secrets[0].permissions, "secretmanager.versions.access")
    error_message = "Who deploys can read secrets."
  }
  assert {
    condition     = strcontains(google_project_iam_member.deployer_grants[0].condition[0].expression, "hasOnly") && !strcontains(google_project_iam_member.deployer_grants[0].condition[0].expression, "roles/owner")
    error_message = "Who deploys can give itself every right."
  }
}
