# What has to be asked for: BigQuery, a key of our own, channels, providers, sign-in, a repository, a budget.
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

run "everything_with_postgres" {
  command = plan

  variables {
    environment  = "prod"
    store        = "postgres"
    analytics    = "bigquery"
    cmek         = true
    bundles_dir  = "tests/fixtures/postgres-bigquery"
    alert_emails = ["oncall@example.com"]
    repository   = { owner = "example" }
    state_bucket = "example-state"
    budget       = { billing_account = "012345-6789AB-CDEF01", amount = 1000 }

    model_providers = [
      { name = "open-ai", base_url = "https://api.example.com/v1", models = [{ model = "large", usd_per_m_input = 3, usd_per_m_output = 15 }] },
      { name = "inside", base_url = "https://models.example.com/v1", needs_key = false, models = [{ model = "small", usd_per_m_input = 0.1, usd_per_m_output = 0.2 }] },
    ]
    console = { iap = true, roles = { "head@example.com" = "admin", "example.com" = "reviewer" } }
    notify = {
      smtp_host = "smtp.example.com"
      smtp_user = "whetstone"
      mail_from = "whetstone@example.com"
      mail_to   = ["reviewers@example.com"]
      slack     = true
      webhook   = true
    }
  }

  # --- channels and providers have a secret each, for the one who uses it ---
  assert {
    condition = output.secrets_to_fill == tolist([
      "whetstone-jwt-secret", "whetstone-provider-open-ai", "whetstone-slack-webhook-url",
      "whetstone-smtp-password", "whetstone-webhook-secret", "whetstone-webhook-url",
    ])
    error_message = "The list of secrets is another one."
  }
  assert {
    condition = alltrue([
      for key in keys(google_secret_manager_secret_iam_member.reader) :
      startswith(key, "jwt-secret.") || endswith(key, startswith(key, "provider-") ? ".serve" : ".notify")
    ])
    error_message = "A secret is readable by a function that does not use it."
  }
  assert {
    condition     = module.function["serve"].deployed.environment["OPEN_AI_API_KEY"] == "secret://whetstone-provider-open-ai"
    error_message = "serve does not know the secret of its provider."
  }
  assert {
    condition     = !can(module.function["submit"].deployed.environment["OPEN_AI_API_KEY"]) && !can(module.function["serve"].deployed.environment["WHETSTONE_NOTIFY__SMTP_PASSWORD"])
    error_message = "A function is told of a secret that it does not use."
  }
  assert {
    condition     = jsondecode(module.function["serve"].deployed.environment["WHETSTONE_PROVIDERS"])[1].api_key_env == null
    error_message = "A provider without a key is told to have one."
  }

  # --- Google signs people in ---
  assert {
    condition     = keys(module.function["console"].invokers) == ["iap"]
    error_message = "Somebody reaches the pages past the sign-in."
  }
  assert {
    condition     = google_compute_backend_service.function["console"].iap[0].enabled && length(google_compute_backend_service.function["serve"].iap) == 0
    error_message = "Google does not sign people in, or asks machines to."
  }
  assert {
    condition     = toset([for one in google_iap_web_backend_service_iam_member.people : one.member]) == toset(["user:head@example.com", "domain:example.com"])
    error_message = "Others than those with a role get as far as the console."
  }
  assert {
    condition     = module.function["console"].deployed.environment["WHETSTONE_CONSOLE__IAP_AUDIENCE"] == "/projects/123456789012/global/backendServices/${google_compute_backend_service.function["console"].generated_id}" && !can(module.function["serve"].deployed.environment["WHETSTONE_CONSOLE__IAP_AUDIENCE"])
    error_message = "The console believes signatures for another."
  }
  assert {
    condition     = toset(keys(jsondecode(module.function["console"].deployed.environment["WHETSTONE_CONSOLE__FUNCTIONS"]))) == toset(["approve", "feedback", "monitor", "retrain", "serve", "submit"])
    error_message = "The console asks others for their health than the functions that can be asked."
  }

  # --- prod waits for an approval ---
  assert {
    condition     = google_cloudbuild_trigger.release[0].approval_config[0].approval_required
    error_message = "A plan is applied to prod without anybody having read it."
  }
  assert {
    condition     = length(google_cloudbuild_trigger.deploy[0].approval_config) == 0
    error_message = "Somebody is asked before there is a plan to read."
  }

  # --- a budget ---
  assert {
    condition     = google_billing_budget.month[0].amount[0].specified_amount[0].units == "1000" && length(google_billing_budget.month[0].threshold_rules) == 4
    error_message = "The budget is another one, or tells nobody before it is spent."
  }
}

run "bigquery_and_a_key_of_our_own" {
  command = plan

  variables {
    cmek        = true
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

  assert {
    condition     = alltrue([for one in google_storage_bucket.this : one.encryption[0].default_kms_key_name == google_kms_crypto_key.data[0].id])
    error_message = "A bucket is encrypted with another key."
  }
  assert {
    condition     = google_firestore_database.this[0].cmek_config[0].kms_key_name == google_kms_crypto_key.data[0].id
    error_message = "Records are encrypted with another key."
  }
  assert {
    condition     = alltrue([for one in concat(values(google_pubsub_topic.event), values(google_pubsub_topic.dead), values(google_pubsub_topic.evidence), google_pubsub_topic.evidence_dead) : one.kms_key_name == google_kms_crypto_key.data[0].id])
    error_message = "Messages are encrypted with another key."
  }
  assert {
    condition     = alltrue([for one in google_secret_manager_secret.this : one.replication[0].user_managed[0].replicas[0].customer_managed_encryption[0].kms_key_name == google_kms_crypto_key.data[0].id])
    error_message = "A secret is encrypted with another key."
  }
  assert {
    condition     = google_bigquery_dataset.evidence[0].default_encryption_configuration[0].kms_key_name == google_kms_crypto_key.data[0].id && alltrue([for one in google_bigquery_table.evidence : one.encryption_configuration[0].kms_key_name == google_kms_crypto_key.data[0].id])
    error_message = "Evidence is encrypted with another key."
  }
  assert {
    condition     = toset(keys(google_kms_crypto_key_iam_member.agent)) == toset(["artifactregistry.googleapis.com", "bigquery.googleapis.com", "firestore.googleapis.com", "pubsub.googleapis.com", "secretmanager.googleapis.com", "storage.googleapis.com"])
    error_message = "One of Google's services may not use the key."
  }
  assert {
    condition     = google_kms_crypto_key.data[0].rotation_period == "7776000s" && google_kms_crypto_key.data[0].deletion_policy == "PREVENT"
    error_message = "The key is not rotated, or can be destroyed."
  }
}
