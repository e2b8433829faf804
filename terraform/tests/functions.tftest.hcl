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

run "as_they_ship" {
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
}

run "other_sizes" {
  variables {
    sizes = {
      serve  = { min_instances = 3, max_instances = 50, concurrency = 20, cpu = "2", memory = "4Gi", timeout_s = 400 }
      submit = { min_instances = 1 }
    }
    log_level = "error"
  }

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
}

run "bundles_for_another_store_are_refused" {
  command = plan
  variables {
    bundles_dir = "tests/fixtures/postgres"
  }
  expect_failures = [terraform_data.bundles_fit]
}

run "bundles_for_another_analytics_are_refused" {
  command = plan
  variables {
    bundles_dir = "tests/fixtures/bigquery"
  }
  expect_failures = [terraform_data.bundles_fit]
}
