# Where everything is, what stands behind the ports, and what is kept how long.

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
