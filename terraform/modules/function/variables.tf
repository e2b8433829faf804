variable "project_id" {
  description = "The project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Where the function runs."
  type        = string
  nullable    = false
}

variable "name" {
  description = "The name of the function and of the Cloud Run service below it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}[a-z0-9]$", var.name))
    error_message = "A function's name has 2 to 49 lower-case letters, digits and hyphens, and starts with a letter."
  }
}

variable "entry_point" {
  description = "The target in the bundle's main.py."
  type        = string
  nullable    = false
}

variable "runtime" {
  description = "The runtime, python311 or python312."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["python311", "python312"], var.runtime)
    error_message = "runtime is python311 or python312."
  }
}

variable "bundle" {
  description = "The bundle: its file on this machine, its bucket, and its name there, which carries the hash of its content."
  type        = object({ file = string, bucket = string, object = string })
  nullable    = false

  validation {
    condition     = can(regex("-[0-9a-f]{16,64}\\.zip$", var.bundle.object))
    error_message = "A bundle is named by the hash of its content: name-0123456789abcdef.zip."
  }
}

variable "repository" {
  description = "The Artifact Registry repository of the built images."
  type        = string
  nullable    = false
}

variable "accounts" {
  description = "The e-mail of the account that the function runs as, its own and no other's; and who builds the image, as projects/…/serviceAccounts/…."
  type        = object({ runs = string, builds = string })
  nullable    = false
}

variable "environment" {
  description = "Environment variables. Secrets are named in them, never held."
  type        = map(string)
  nullable    = false
}

variable "size" {
  description = "Instances, requests of an instance at a time, cpu, memory, seconds for a request."
  type = object({
    min_instances = number
    max_instances = number
    concurrency   = number
    cpu           = string
    memory        = string
    timeout_s     = number
  })
  nullable = false
}

variable "networks" {
  description = "The network, at most one, through which private addresses are reached."
  type        = list(object({ network = string, subnetwork = string }))
  nullable    = false

  validation {
    condition     = length(var.networks) <= 1
    error_message = "A function is in one network at most."
  }
}

variable "invokers" {
  description = "Who may call the function: a name for each, and the IAM member."
  type        = map(string)
  nullable    = false
}

variable "labels" {
  description = "Labels on the function."
  type        = map(string)
  nullable    = false
}
