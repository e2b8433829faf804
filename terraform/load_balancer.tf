# The one way in from outside: HTTPS, and each path to its function. A test sends every path of the code through this
# table and expects the function that serves it.

locals {
  # The beginnings of paths, per function; the longest that fits decides. Everything else goes to the monitor, which
  # answers 404 in our own words to what nobody has.
  paths = {
    submit   = ["/v1/entries", "/v1/recommendations", "/api/v3.4/kb/"]
    approve  = ["/v1/approvals", "/v1/audit", "/v1/knowledge/", "/api/v3.4/approval/"]
    feedback = ["/v1/feedback", "/v1/raters", "/v1/outcomes", "/v1/conversations/", "/feedback", "/admin/feedback/"]
    retrain  = ["/v1/learning/", "/v1/experiments", "/v1/agents", "/v1/patterns", "/v1/insights", "/admin/learning/", "/admin/performance/", "/api/v1/learning/"]
    serve    = ["/v1/route", "/v1/routing/", "/v1/complete", "/v1/search", "/complete", "/recommendation", "/routing/metrics", "/api/v1/troubleshoot"]
    console  = ["/sign-", "/static/", "/queue", "/trust", "/patterns", "/learning", "/knowledge", "/routing", "/monitor"]
  }

  # One template that lies within another function's beginning, so it is looked at first.
  templates = { serve = ["/v1/agents/*/boost"] }

  # The one path that is the beginning of all others.
  home = "/"

  front = "monitor"

  # Rules in the order in which they are tried: templates, then one function's own /health, /ready and /metrics, then
  # beginnings, the longest first.
  prefix_rules = [
    for key in reverse(sort(flatten([
      for function, prefixes in local.paths : [for prefix in prefixes : format("%04d %s %s", length(prefix), prefix, function)]
    ]))) : { prefix = split(" ", key)[1], function = split(" ", key)[2] }
  ]
  template_rules = flatten([
    for function, templates in local.templates : [for template in templates : { template = template, function = function }]
  ])
}

resource "google_compute_global_address" "this" {
  name = var.name

  depends_on = [google_project_service.this]
}

resource "google_compute_region_network_endpoint_group" "function" {
  for_each = local.public

  name                  = "${var.name}-${each.key}"
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  # By name: the console is told of its backend, so the backend does not wait for the console.
  cloud_run {
    service = "${var.name}-${each.key}"
  }
}

resource "google_compute_backend_service" "function" {
  for_each = local.public

  name                  = "${var.name}-${each.key}"
  protocol              = "HTTPS"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  security_policy       = google_compute_security_policy.this.id

  backend {
    group = google_compute_region_network_endpoint_group.function[each.key].id
  }

  # Where it is asked for, Google signs people in before they reach the pages.
  dynamic "iap" {
    for_each = each.key == "console" && var.console.iap ? [true] : []
    content {
      enabled = true
    }
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

resource "google_compute_url_map" "https" {
  name            = var.name
  description     = "Each path to its function"
  default_service = google_compute_backend_service.function[local.front].id

  host_rule {
    hosts        = ["*"]
    path_matcher = "functions"
  }

  path_matcher {
    name            = "functions"
    default_service = google_compute_backend_service.function[local.front].id

    dynamic "route_rules" {
      for_each = local.template_rules
      content {
        priority = 1 + route_rules.key
        service  = google_compute_backend_service.function[route_rules.value.function].id

        match_rules {
          path_template_match = route_rules.value.template
        }
      }
    }

    route_rules {
      priority = 50
      service  = google_compute_backend_service.function["console"].id

      match_rules {
        full_path_match = local.home
      }
    }

    # /functions/<name>/health is that function's /health.
    dynamic "route_rules" {
      for_each = sort(local.public)
      content {
        priority = 100 + route_rules.key
        service  = google_compute_backend_service.function[route_rules.value].id

        match_rules {
          prefix_match = "/functions/${route_rules.value}/"
        }

        route_action {
          url_rewrite {
            path_prefix_rewrite = "/"
          }
        }
      }
    }

    dynamic "route_rules" {
      for_each = local.prefix_rules
      content {
        priority = 200 + route_rules.key
        service  = google_compute_backend_service.function[route_rules.value.function].id

        match_rules {
          prefix_match = route_rules.value.prefix
        }
      }
    }
  }
}

resource "google_compute_managed_ssl_certificate" "this" {
  # A certificate cannot be changed, and not be deleted while in use: another domain makes another one first.
  name = "${var.name}-${substr(sha256(var.domain), 0, 8)}"

  managed {
    domains = [var.domain]
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [google_project_service.this]
}

resource "google_compute_ssl_policy" "this" {
  name            = var.name
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"

  depends_on = [google_project_service.this]
}

resource "google_compute_target_https_proxy" "this" {
  name             = var.name
  url_map          = google_compute_url_map.https.id
  ssl_certificates = [google_compute_managed_ssl_certificate.this.id]
  ssl_policy       = google_compute_ssl_policy.this.id
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "${var.name}-https"
  target                = google_compute_target_https_proxy.this.id
  ip_address            = google_compute_global_address.this.id
  port_range            = "443"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  labels                = local.labels
}

# Whoever has a role gets as far as the console, which looks at the role itself.
resource "google_iap_web_backend_service_iam_member" "people" {
  for_each = var.console.roles

  web_backend_service = google_compute_backend_service.function["console"].name
  role                = "roles/iap.httpsResourceAccessor"
  member              = "${strcontains(each.key, "@") ? "user" : "domain"}:${each.key}"
}

# HTTP only says where HTTPS is.
resource "google_compute_url_map" "http" {
  name = "${var.name}-http"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "MOVED_PERMANENTLY_DEFAULT"
    strip_query            = false
  }

  depends_on = [google_project_service.this]
}

resource "google_compute_target_http_proxy" "this" {
  name    = "${var.name}-http"
  url_map = google_compute_url_map.http.id
}

resource "google_compute_global_forwarding_rule" "http" {
  name                  = "${var.name}-http"
  target                = google_compute_target_http_proxy.this.id
  ip_address            = google_compute_global_address.this.id
  port_range            = "80"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  labels                = local.labels
}
