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

# Every wrong value is refused before anything is made. Each run gives several variables a wrong value, and fails unless
# all of them are refused.

run "first_wrong_values" {
  command = plan
  variables {
    project_id           = "Wrong_Id"
    environment          = "staging"
    region               = "europe-west1-b"
    name                 = "google-thing"
    domain               = "no domain"
    labels               = { Team = "x" }
    store                = "sqlite"
    analytics            = "excel"
    embedder             = "other"
    firestore_database   = "A"
    sql                  = { disk_gb = 5 }
    bundles_dir          = "tests/nowhere"
    sizes                = { nobody = {} }
    log_level            = "loud"
    event_attempts       = 4
    model_providers      = [{ name = "Upper", base_url = "https://x.example.com", models = [{ model = "m", usd_per_m_input = 1, usd_per_m_output = 1 }] }]
    notify               = { mail_to = ["a@example.com"] }
    requests_per_minute  = 1
    backup_days          = 3
    audit_days           = 0
    availability_goal    = 1
    latency_p99_ms       = { serve = 1 }
    oldest_event_minutes = 1
    budget               = { billing_account = "mine" }
    repository           = { owner = "a b" }
    state_bucket         = "example-state"
  }
  expect_failures = [
    var.project_id,
    var.environment,
    var.region,
    var.name,
    var.domain,
    var.labels,
    var.store,
    var.analytics,
    var.embedder,
    var.firestore_database,
    var.sql,
    var.bundles_dir,
    var.sizes,
    var.log_level,
    var.event_attempts,
    var.model_providers,
    var.notify,
    var.requests_per_minute,
    var.backup_days,
    var.audit_days,
    var.availability_goal,
    var.latency_p99_ms,
    var.oldest_event_minutes,
    var.budget,
    var.repository,
  ]
}

run "second_wrong_values" {
  command = plan
  variables {
    alert_emails      = ["nobody"]
    runbook_url       = ""
    name              = "a-name-that-is-much-too-long"
    labels            = { app = "other" }
    sql               = { network_cidr = "10.0.0.0/28" }
    sizes             = { submit = { min_instances = -1 } }
    event_attempts    = 5.5
    model_providers   = [{ name = "a", base_url = "http://x.example.com", models = [{ model = "m", usd_per_m_input = 1, usd_per_m_output = 1 }] }]
    notify            = { smtp_port = 0 }
    backup_days       = 100
    availability_goal = 0.9
    budget            = { amount = 0.5 }
  }
  expect_failures = [
    var.alert_emails,
    var.runbook_url,
    var.name,
    var.labels,
    var.sql,
    var.sizes,
    var.event_attempts,
    var.model_providers,
    var.notify,
    var.backup_days,
    var.availability_goal,
    var.budget,
  ]
}

run "third_wrong_values" {
  command = plan
  variables {
    sizes           = { submit = { min_instances = 30 } }
    model_providers = [for name in ["a", "a"] : { name = name, base_url = "https://x.example.com", models = [{ model = "m", usd_per_m_input = 1, usd_per_m_output = 1 }] }]
  }
  expect_failures = [
    var.sizes,
    var.model_providers,
  ]
}

run "fourth_wrong_values" {
  command = plan
  variables {
    # roles without a sign-in
    console = { roles = { "example.com" = "reviewer" } }
    sizes   = { submit = { concurrency = 0 } }
  }
  expect_failures = [
    var.console,
    var.sizes,
  ]
}

run "fifth_wrong_values" {
  command = plan
  variables {
    # a role that does not exist
    console = { iap = true, roles = { "example.com" = "owner" } }
    sizes   = { submit = { cpu = "0.5" } }
  }
  expect_failures = [
    var.console,
    var.sizes,
  ]
}

run "sixth_wrong_values" {
  command = plan
  variables {
    # prod without protection, and with nobody to alert
    environment         = "prod"
    deletion_protection = false
    sizes               = { submit = { memory = "lots" } }
  }
  expect_failures = [
    var.deletion_protection,
    var.alert_emails,
    var.sizes,
  ]
}

run "seventh_wrong_values" {
  command = plan
  variables {
    # a trigger without a state
    repository = { owner = "example" }
    sizes      = { submit = { timeout_s = 9000 } }
  }
  expect_failures = [
    var.state_bucket,
    var.sizes,
  ]
}

run "bundles_that_lack_a_function" {
  command = plan
  variables {
    bundles_dir = "tests/fixtures/incomplete"
  }
  expect_failures = [terraform_data.bundles_fit]
}

run "bundles_for_another_store_and_too_few_connections" {
  command = plan
  variables {
    store = "postgres"
    sql   = { max_connections = 100 }
  }
  expect_failures = [terraform_data.bundles_fit, google_sql_database_instance.this]
}

run "bundles_for_another_analytics" {
  command = plan
  variables {
    bundles_dir = "tests/fixtures/bigquery"
  }
  expect_failures = [terraform_data.bundles_fit]
}
