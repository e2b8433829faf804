mock_provider "google" {}

variables {
  project_id = "example-project"
  region     = "europe-west1"
}

run "the_state_is_kept_in_versions_and_cannot_become_public" {
  assert {
    condition     = google_storage_bucket.state.versioning[0].enabled
    error_message = "A state that was overwritten could not be brought back."
  }
  assert {
    condition     = google_storage_bucket.state.public_access_prevention == "enforced" && google_storage_bucket.state.uniform_bucket_level_access
    error_message = "The state could be made public."
  }
  assert {
    condition     = !google_storage_bucket.state.force_destroy
    error_message = "The state could be destroyed with its bucket."
  }
  assert {
    condition     = alltrue([for rule in google_storage_bucket.state.lifecycle_rule : one(rule.condition).with_state == "ARCHIVED" || one(rule.condition).matches_prefix == tolist(["plans/"])])
    error_message = "A rule would delete the state itself."
  }
  assert {
    condition     = output.state_bucket == "example-project-whetstone-state"
    error_message = "The state's bucket has another name than the environments expect."
  }
}

run "a_zone_is_refused" {
  command = plan
  variables {
    region = "europe-west1-b"
  }
  expect_failures = [var.region]
}

run "a_wrong_project_is_refused" {
  command = plan
  variables {
    project_id = "No_Project"
  }
  expect_failures = [var.project_id]
}

run "a_wrong_name_is_refused" {
  command = plan
  variables {
    name = "A name"
  }
  expect_failures = [var.name]
}
