# The whole configuration, applied against mocks: tests/terraform reads these states and compares them with the code.
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

run "firestore" {}

run "everything_with_postgres" {
  state_key = "postgres"

  variables {
    environment  = "prod"
    store        = "postgres"
    analytics    = "bigquery"
    cmek         = true
    bundles_dir  = "tests/fixtures/postgres-bigquery"
    alert_emails = ["oncall@example.com"]
    repository   = { owner = "example" }
    state_bucket = "example-state"
    budget       = { billing_account = "012345-6789AB-CDEF01" }

    model_providers = [
      { name = "open-ai", base_url = "https://api.example.com/v1", models = [{ model = "large", usd_per_m_input = 3, usd_per_m_output = 15 }] },
      { name = "inside", base_url = "https://models.example.com/v1", needs_key = false, models = [{ model = "small", usd_per_m_input = 0.1, usd_per_m_output = 0.2 }] },
    ]
    console = { iap = true, roles = { "example.com" = "reviewer" } }
    notify = {
      smtp_host = "smtp.example.com"
      smtp_user = "whetstone"
      mail_from = "whetstone@example.com"
      mail_to   = ["reviewers@example.com"]
      slack     = true
      webhook   = true
    }
  }
}
