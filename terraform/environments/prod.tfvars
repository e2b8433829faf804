# Production. Replace the project, the domain, the addresses and the repository; fill budget.billing_account in.
environment  = "prod"
project_id   = "example-whetstone-prod"
region       = "europe-west1"
domain       = "whetstone.example.com"
alert_emails = ["oncall@example.com"]

cmek         = true
audit_locked = true

# The hot path answers its first request at once.
sizes = {
  serve   = { min_instances = 2 }
  submit  = { min_instances = 1 }
  approve = { min_instances = 1 }
}

repository   = { owner = "example", name = "whetstone" }
state_bucket = "example-whetstone-prod-whetstone-state"
