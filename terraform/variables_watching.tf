# Who is told when, and who deploys.

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
