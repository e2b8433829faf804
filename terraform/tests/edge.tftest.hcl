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

run "https_and_nothing_else" {
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
}

run "rules_on_trial" {
  command = plan

  variables {
    waf_enforced        = false
    requests_per_minute = 50
  }

  assert {
    condition     = alltrue([for rule in google_compute_security_policy.this.rule : rule.preview if rule.priority >= 1000 && rule.priority < 4000])
    error_message = "A rule on trial refuses."
  }
  assert {
    condition     = one([for rule in google_compute_security_policy.this.rule : rule if rule.priority == 9000]).rate_limit_options[0].rate_limit_threshold[0].count == 50
    error_message = "The limit of rates is another one."
  }
}

run "another_domain_makes_another_certificate_first" {
  command = plan

  variables {
    domain = "other.example.com"
  }

  assert {
    condition     = google_compute_managed_ssl_certificate.this.name != "whetstone-${substr(sha256("whetstone.example.com"), 0, 8)}"
    error_message = "The new certificate would have the name of the one that is in use."
  }
  assert {
    condition     = google_monitoring_uptime_check_config.ready.monitored_resource[0].labels["host"] == "other.example.com" && local.environment["WHETSTONE_NOTIFY__CONSOLE_URL"] == "https://other.example.com"
    error_message = "Something still speaks of the old domain."
  }
}
