# Run with -var-file=environments/NAME.tfvars: what an environment says is taken as it is.
mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}
mock_provider "google-beta" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  bundles_dir = "tests/fixtures/firestore"
}

run "can_be_planned" {
  command = plan

  assert {
    condition     = output.url == "https://${var.domain}" && local.labels["environment"] == var.environment
    error_message = "The environment is not what its file says."
  }
  assert {
    condition     = var.environment != "prod" || (var.deletion_protection && try(google_cloudbuild_trigger.release[0].approval_config[0].approval_required, false) && google_storage_bucket.this["audit"].retention_policy[0].is_locked)
    error_message = "prod is not protected, has no locked trail, or is not released by Cloud Build after an approval."
  }
}
