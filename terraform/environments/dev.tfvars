# A small environment for trying things: no standing instances, nothing protected. Replace the project and the domain.
environment = "dev"
project_id  = "example-whetstone-dev"
region      = "europe-west1"
domain      = "whetstone-dev.example.com"
runbook_url = "https://example.com/whetstone/docs/operations-runbook.md"

deletion_protection = false
backup_days         = 7
audit_days          = 30
log_level           = "debug"
waf_enforced        = false

sizes = {
  submit   = { max_instances = 3 }
  approve  = { max_instances = 3 }
  feedback = { max_instances = 3 }
  retrain  = { max_instances = 2 }
  serve    = { max_instances = 5 }
  publish  = { max_instances = 2 }
  notify   = { max_instances = 2 }
  monitor  = { max_instances = 2 }
}
