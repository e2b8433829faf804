# --- where -------------------------------------------------------------------------------------

variable "project_id" {
  description = "The Google Cloud project's id. Whetstone expects a project of its own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project's id has 6 to 30 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "environment" {
  description = "Which environment this is: labels say so, and prod is held to stricter settings."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment is dev or prod."
  }
}

variable "region" {
  description = "Where everything runs and is kept, for example europe-west1. Cannot be changed later."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is one region, such as europe-west1, not a zone and not a multi-region."
  }
}

variable "name" {
  description = "What the names of all resources begin with; the settings' topic and job prefix as well."
  type        = string
  default     = "whetstone"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,16}[a-z0-9]$", var.name)) && !startswith(var.name, "goog")
    error_message = "name has 3 to 18 lower-case letters, digits and hyphens, starts with a letter and not with goog."
  }
}

variable "domain" {
  description = "The host name that callers use; its A record must point to the output load_balancer_ip."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "domain is a full host name in lower case, such as whetstone.example.com."
  }
}

variable "labels" {
  description = "Labels on everything that can have them, besides app and environment."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key, value in var.labels :
      can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "Labels have lower-case letters, digits, hyphens and underscores, 63 characters at most."
  }

  validation {
    condition     = length(setintersection(keys(var.labels), ["app", "environment", "function"])) == 0
    error_message = "The labels app, environment and function are set here and cannot be given."
  }
}

# --- what stands behind the ports -------------------------------------------------------------

variable "store" {
  description = "Where records are: firestore, or postgres (Cloud SQL). The bundles must be made for the same."
  type        = string
  default     = "firestore"
  nullable    = false

  validation {
    condition     = contains(["firestore", "postgres"], var.store)
    error_message = "store is firestore or postgres."
  }
}

variable "analytics" {
  description = "What sums up evidence: store, or bigquery. The bundles must be made for the same."
  type        = string
  default     = "store"
  nullable    = false

  validation {
    condition     = contains(["store", "bigquery"], var.analytics)
    error_message = "analytics is store or bigquery."
  }
}

variable "embedder" {
  description = "What turns text into vectors for search: vertex, or none. The bundles must be made for the same."
  type        = string
  default     = "vertex"
  nullable    = false

  validation {
    condition     = contains(["vertex", "none"], var.embedder)
    error_message = "embedder is vertex or none."
  }
}

variable "firestore_database" {
  description = "The Firestore database's id, where store is firestore."
  type        = string
  default     = "(default)"
  nullable    = false

  validation {
    condition     = var.firestore_database == "(default)" || can(regex("^[a-z][a-z0-9-]{2,61}[a-z0-9]$", var.firestore_database))
    error_message = "firestore_database is (default), or 4 to 63 lower-case letters, digits and hyphens."
  }
}

variable "sql" {
  description = "Cloud SQL, where store is postgres: machine, whether it has a standby in another zone, disk, connections."
  type = object({
    tier            = optional(string, "db-custom-2-7680")
    standby         = optional(bool, true)
    disk_gb         = optional(number, 20)
    max_connections = optional(number, 500)
    network_cidr    = optional(string, "10.40.0.0/22")
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.sql.disk_gb >= 10 && var.sql.max_connections >= 25 && var.sql.max_connections <= 5000
    error_message = "sql.disk_gb is 10 or more, sql.max_connections 25 to 5000."
  }

  validation {
    condition     = can(cidrhost(var.sql.network_cidr, 0)) && tonumber(split("/", var.sql.network_cidr)[1]) <= 24
    error_message = "sql.network_cidr is a range of 256 addresses or more, such as 10.40.0.0/22: each instance of a function takes one."
  }
}

variable "cmek" {
  description = "Encrypt data at rest with a key of this project, made and rotated here, instead of Google's own."
  type        = bool
  default     = false
  nullable    = false
}

# --- the functions ----------------------------------------------------------------------------

variable "bundles_dir" {
  description = "The folder with the archives and the bundles.json that `make bundle` writes."
  type        = string
  default     = "../dist"
  nullable    = false

  validation {
    condition     = fileexists("${var.bundles_dir}/bundles.json")
    error_message = "There is no bundles.json in bundles_dir: run make bundle first, with the same --store and --analytics."
  }
}

variable "sizes" {
  description = "Changes to the size of single functions, by name; what is left out stays as functions.tf has it."
  type = map(object({
    min_instances = optional(number)
    max_instances = optional(number)
    concurrency   = optional(number)
    cpu           = optional(string)
    memory        = optional(string)
    timeout_s     = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.sizes) : contains(keys(local.functions), name)])
    error_message = "sizes names a function that does not exist; functions.tf has the list."
  }

  validation {
    condition = alltrue([
      for name, one in var.sizes :
      coalesce(one.min_instances, 0) >= 0 && coalesce(one.max_instances, 1) >= 1 && coalesce(one.max_instances, 1) <= 1000
    ])
    error_message = "min_instances is 0 or more, max_instances 1 to 1000."
  }

  validation {
    condition = alltrue([
      for name, one in var.sizes :
      coalesce(one.min_instances, 0) <= coalesce(one.max_instances, try(local.functions[name].max_instances, 1000))
    ])
    error_message = "min_instances is above max_instances."
  }

  validation {
    condition     = alltrue([for one in var.sizes : coalesce(one.concurrency, 1) >= 1 && coalesce(one.concurrency, 1) <= 1000])
    error_message = "concurrency is 1 to 1000 requests of an instance at a time."
  }

  validation {
    condition     = alltrue([for one in var.sizes : coalesce(one.concurrency, 2) == 1 || try(tonumber(coalesce(one.cpu, "1")) >= 1, false)])
    error_message = "cpu is a number such as \"2\"; an instance that takes several requests at a time needs 1 or more."
  }

  validation {
    condition     = alltrue([for one in var.sizes : can(regex("^[0-9]+(Mi|Gi)$", coalesce(one.memory, "1Gi")))])
    error_message = "memory is a number with Mi or Gi, such as 512Mi."
  }

  validation {
    condition     = alltrue([for one in var.sizes : coalesce(one.timeout_s, 60) >= 1 && coalesce(one.timeout_s, 60) <= 3600])
    error_message = "timeout_s is 1 to 3600 seconds."
  }
}

variable "log_level" {
  description = "The least severe line that the functions log."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = contains(["debug", "info", "warning", "error"], var.log_level)
    error_message = "log_level is debug, info, warning or error."
  }
}

variable "event_attempts" {
  description = "How often the delivery of an event is tried before it is a dead letter."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.event_attempts >= 5 && var.event_attempts <= 100 && floor(var.event_attempts) == var.event_attempts
    error_message = "Pub/Sub tries a delivery 5 to 100 times."
  }
}

variable "model_providers" {
  description = "Models to route to: OpenAI-compatible endpoints with list prices. A key, where needs_key, is a secret of its own."
  type = list(object({
    name      = string
    base_url  = string
    needs_key = optional(bool, true)
    models = list(object({
      model            = string
      usd_per_m_input  = number
      usd_per_m_output = number
    }))
  }))
  default  = []
  nullable = false

  validation {
    condition     = alltrue([for one in var.model_providers : can(regex("^[a-z][a-z0-9-]{0,40}$", one.name))])
    error_message = "A provider's name has lower-case letters, digits and hyphens: its secret is named after it."
  }

  validation {
    condition     = length(distinct(var.model_providers[*].name)) == length(var.model_providers)
    error_message = "Two providers have the same name."
  }

  validation {
    condition     = alltrue([for one in var.model_providers : startswith(one.base_url, "https://") && length(one.models) > 0])
    error_message = "A provider is reached by https and has at least one model."
  }
}

variable "notify" {
  description = "Channels to people. Passwords and addresses of webhooks are secrets that are filled by hand; true asks for one."
  type = object({
    smtp_host = optional(string, "")
    smtp_port = optional(number, 587)
    smtp_user = optional(string, "")
    mail_from = optional(string, "")
    mail_to   = optional(list(string), [])
    slack     = optional(bool, false)
    webhook   = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(var.notify.mail_to) == 0 || (var.notify.smtp_host != "" && var.notify.mail_from != "")
    error_message = "notify.mail_to needs smtp_host and mail_from as well."
  }

  validation {
    condition     = var.notify.smtp_port >= 1 && var.notify.smtp_port <= 65535
    error_message = "notify.smtp_port is 1 to 65535."
  }
}

# --- the edge ---------------------------------------------------------------------------------

variable "requests_per_minute" {
  description = "Requests that one address may make in a minute before it gets 429."
  type        = number
  default     = 600
  nullable    = false

  validation {
    condition     = var.requests_per_minute >= 10 && var.requests_per_minute <= 100000
    error_message = "requests_per_minute is 10 to 100000."
  }
}

variable "waf_enforced" {
  description = "Refuse what the preconfigured rules find; false only logs it, to try the rules on real traffic."
  type        = bool
  default     = true
  nullable    = false
}

# --- keeping ----------------------------------------------------------------------------------

variable "deletion_protection" {
  description = "Refuse to destroy what holds data: the database, buckets with objects, keys, tables."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.deletion_protection || var.environment != "prod"
    error_message = "prod keeps its deletion_protection."
  }
}

variable "backup_days" {
  description = "Days for which daily backups are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 98
    error_message = "backup_days is 7 to 98: Firestore keeps a backup 14 weeks at most."
  }
}

variable "audit_days" {
  description = "Days for which nobody can delete an object of the audit bucket."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.audit_days >= 1 && var.audit_days <= 3650
    error_message = "audit_days is 1 to 3650."
  }
}

variable "audit_locked" {
  description = "Lock the audit bucket's retention: it can then never be shortened, nor the bucket deleted before."
  type        = bool
  default     = false
  nullable    = false
}

# --- watching ---------------------------------------------------------------------------------

variable "alert_emails" {
  description = "Who gets Cloud Monitoring's alerts and the budget's, by mail."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for one in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", one))])
    error_message = "alert_emails are mail addresses."
  }

  validation {
    condition     = var.environment != "prod" || length(var.alert_emails) > 0
    error_message = "prod needs somebody in alert_emails."
  }
}

variable "availability_goal" {
  description = "The share of requests that must not fail over 30 days; 1 minus it is the error budget."
  type        = number
  default     = 0.999
  nullable    = false

  validation {
    # At 14.4 times a budget of 6 % or more the fast alert could never fire.
    condition     = var.availability_goal >= 0.95 && var.availability_goal < 1
    error_message = "availability_goal is 0.95 or more, and below 1."
  }
}

variable "latency_p99_ms" {
  description = "Milliseconds that one request in a hundred may take before an alert; serve has its own, as it waits for models."
  type = object({
    serve  = optional(number, 60000)
    others = optional(number, 2000)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.latency_p99_ms.serve >= 100 && var.latency_p99_ms.others >= 100
    error_message = "latency_p99_ms is 100 or more."
  }
}

variable "runbook_url" {
  description = "Where people read docs/operations-runbook.md; empty for its page in the repository."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = startswith(var.runbook_url, "https://") || (var.runbook_url == "" && var.repository.owner != "")
    error_message = "runbook_url is an https address; it can be left out where there is a repository."
  }
}

variable "oldest_event_minutes" {
  description = "Minutes that an event may wait for its consumer before an alert."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.oldest_event_minutes >= 5 && var.oldest_event_minutes <= 1440
    error_message = "oldest_event_minutes is 5 to 1440."
  }
}

variable "budget" {
  description = "The month's budget. Without a billing account no budget is made; amount is in the account's currency."
  type = object({
    billing_account = optional(string, "")
    amount          = optional(number, 200)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.budget.billing_account == "" || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account))
    error_message = "budget.billing_account reads 012345-6789AB-CDEF01."
  }

  validation {
    condition     = var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount
    error_message = "budget.amount is a whole number, 1 or more."
  }
}

# --- delivery ---------------------------------------------------------------------------------

variable "repository" {
  description = "The GitHub repository that Cloud Build is connected to; an empty owner makes no trigger."
  type = object({
    owner  = optional(string, "")
    name   = optional(string, "whetstone")
    branch = optional(string, "main")
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]*$", var.repository.owner)) && can(regex("^[A-Za-z0-9._-]+$", var.repository.name))
    error_message = "repository.owner and repository.name are GitHub's."
  }
}

variable "state_bucket" {
  description = "The bucket of this state, which bootstrap/ made; Cloud Build needs it where there is a repository."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.repository.owner == "" || var.state_bucket != ""
    error_message = "A trigger needs state_bucket, to keep the state where it is."
  }
}
