# The functions: bundles, sizes, what they are told; and the way to them.

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
  description = "How often the delivery of an event is tried before it is a dead letter; 10 tries take about 40 minutes."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.event_attempts >= 5 && var.event_attempts <= 100 && floor(var.event_attempts) == var.event_attempts
    error_message = "Pub/Sub tries a delivery 5 to 100 times."
  }
}

variable "console" {
  description = "Who uses the pages: with iap, Google signs people in and roles gives each e-mail, or domain, a role; without it people sign in by a link."
  type = object({
    iap       = optional(bool, false)
    roles     = optional(map(string), {})
    workspace = optional(string, "default")
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for who, role in var.console.roles : can(regex("^([^@\\s]+@)?[^@\\s]+\\.[^@\\s]+$", who)) && contains(["viewer", "reviewer", "admin"], role)])
    error_message = "console.roles gives e-mails or domains one of viewer, reviewer and admin."
  }

  validation {
    condition     = var.console.iap == (length(var.console.roles) > 0)
    error_message = "console.iap and console.roles go together: IAP without roles lets nobody in, roles without IAP mean nothing."
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
