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

run "no_repository_no_trigger" {
  command = plan

  assert {
    condition     = length(google_cloudbuild_trigger.deploy) + length(google_service_account.deployer) + length(google_project_iam_member.deployer) == 0
    error_message = "There is an account that may deploy, and nothing that uses it."
  }
}

run "dev" {
  variables {
    repository   = { owner = "example", name = "whetstone", branch = "trunk" }
    state_bucket = "example-state"
  }

  assert {
    condition     = google_cloudbuild_trigger.deploy[0].filename == "cloudbuild.yaml" && google_cloudbuild_trigger.deploy[0].github[0].push[0].branch == "^trunk$"
    error_message = "The trigger runs something else, or for another branch."
  }
  assert {
    condition     = !google_cloudbuild_trigger.deploy[0].approval_config[0].approval_required
    error_message = "dev waits for an approval."
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

run "prod_waits_for_an_approval" {
  variables {
    environment  = "prod"
    alert_emails = ["oncall@example.com"]
    repository   = { owner = "example" }
    state_bucket = "example-state"
  }

  assert {
    condition     = google_cloudbuild_trigger.deploy[0].approval_config[0].approval_required
    error_message = "prod is deployed without anybody looking."
  }
}
