# What the load balancer refuses before it reaches a function. Rules are tried in order of their number, and the first
# that fits decides; so refusals come first, and the limit of rates, which lets everything else in, comes last.

locals {
  # Bodies here are texts for people and models to read: an entry may well teach how SQL is injected, and it is stored
  # and searched, never executed. Rules about attacks in texts therefore refuse by what is in the address, the query
  # and the headers; where there is a body they only log what they would have refused.
  without_body = "request.method.matches('^(GET|HEAD|DELETE|OPTIONS)$')"
  text_rules   = ["sqli-v33-stable", "xss-v33-stable", "lfi-v33-stable", "rfi-v33-stable", "rce-v33-stable"]
  all_rules    = ["scannerdetection-v33-stable", "protocolattack-v33-stable", "sessionfixation-v33-stable"]

  waf = concat(
    [for index, set in local.text_rules : {
      priority   = 1000 + index
      preview    = !var.waf_enforced
      expression = "${local.without_body} && evaluatePreconfiguredWaf('${set}', {'sensitivity': 1})"
      about      = "${set}, in what has no body"
    }],
    [for index, set in local.text_rules : {
      priority   = 2000 + index
      preview    = true
      expression = "evaluatePreconfiguredWaf('${set}', {'sensitivity': 1})"
      about      = "${set}, in bodies as well: logged only"
    }],
    [for index, set in local.all_rules : {
      priority   = 3000 + index
      preview    = !var.waf_enforced
      expression = "evaluatePreconfiguredWaf('${set}', {'sensitivity': 1})"
      about      = set
    }],
  )
}

resource "google_compute_security_policy" "this" {
  name        = var.name
  description = "In front of every public function"
  type        = "CLOUD_ARMOR"
  labels      = local.labels

  advanced_options_config {
    json_parsing = "STANDARD"
    log_level    = "NORMAL"
  }

  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable          = true
      rule_visibility = "STANDARD"
    }
  }

  # Jobs and events come from Google by another way, and from nobody else. Their guards refuse others as well.
  rule {
    priority    = 100
    action      = "deny(404)"
    description = "Jobs and events are not for outside"

    match {
      expr {
        expression = "request.path.lower().urlDecode().matches('^/+(functions/[a-z]+/+)?(jobs|events)(/|$)')"
      }
    }
  }

  dynamic "rule" {
    for_each = local.waf
    content {
      priority    = rule.value.priority
      action      = "deny(403)"
      preview     = rule.value.preview
      description = rule.value.about

      match {
        expr {
          expression = rule.value.expression
        }
      }
    }
  }

  # Known attacks on libraries, in bodies as well: no honest text looks like one.
  rule {
    priority    = 3100
    action      = "deny(403)"
    preview     = !var.waf_enforced
    description = "cve-canary"

    match {
      expr {
        expression = "evaluatePreconfiguredWaf('cve-canary')"
      }
    }
  }

  # Whoever goes on far above the limit is shut out for ten minutes.
  rule {
    priority    = 9000
    action      = "rate_based_ban"
    description = "Requests of one address in a minute"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action   = "allow"
      exceed_action    = "deny(429)"
      enforce_on_key   = "IP"
      ban_duration_sec = 600

      rate_limit_threshold {
        count        = var.requests_per_minute
        interval_sec = 60
      }
      ban_threshold {
        count        = var.requests_per_minute * 5
        interval_sec = 300
      }
    }
  }

  # Asked for by the service; nothing gets this far.
  rule {
    priority    = 2147483647
    action      = "deny(403)"
    description = "Default"

    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [google_project_service.this]
}
