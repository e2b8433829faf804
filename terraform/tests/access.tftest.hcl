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
    condition     = toset(keys(google_storage_bucket_iam_member.writer)) == toset(["publish", "retrain"])
    error_message = "Only publish and retrain write objects."
  }
  assert {
    condition     = strcontains(google_storage_bucket_iam_member.writer["retrain"].condition[0].expression, "/objects/learning/")
    error_message = "retrain may write objects of others."
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
}

run "without_an_embedder_nobody_may_ask_for_vectors" {
  command = plan

  variables {
    embedder    = "none"
    bundles_dir = "tests/fixtures/words"
  }

  assert {
    condition     = length(google_project_iam_member.embedder) == 0 && length(google_project_iam_custom_role.embedder) == 0
    error_message = "There is a right to ask for vectors."
  }
  assert {
    condition     = !contains(keys(google_project_service.this), "aiplatform.googleapis.com")
    error_message = "Vertex AI is turned on and not used."
  }
}

run "channels_and_providers_have_a_secret_each_for_the_one_who_uses_it" {
  variables {
    notify = {
      smtp_host = "smtp.example.com", smtp_user = "whetstone", mail_from = "w@example.com", mail_to = ["r@example.com"]
      slack     = true
      webhook   = true
    }
    model_providers = [
      { name = "open-ai", base_url = "https://api.example.com/v1", models = [{ model = "m", usd_per_m_input = 1, usd_per_m_output = 2 }] },
      { name = "inside", base_url = "https://models.example.com/v1", needs_key = false, models = [{ model = "m", usd_per_m_input = 1, usd_per_m_output = 2 }] },
    ]
  }

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
}

run "mail_without_a_login_needs_no_password" {
  command = plan

  variables {
    notify = { smtp_host = "smtp.example.com", mail_from = "w@example.com", mail_to = ["r@example.com"] }
  }

  assert {
    condition     = keys(google_secret_manager_secret.this) == ["jwt-secret"]
    error_message = "There is a secret that nobody needs."
  }
}

run "google_signs_people_in" {
  variables {
    console = { iap = true, roles = { "head@example.com" = "admin", "example.com" = "reviewer" } }
  }

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
}
