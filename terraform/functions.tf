# The functions: how large each is, what it is told, and the bundle that it runs.

locals {
  # Every function of the code. `public` ones are behind the load balancer; the others are called by Pub/Sub alone.
  # An instance of retrain works on one or two runs at a time; its timeout is Pub/Sub's longest acknowledgement
  # deadline. serve waits for models (serving.completion_deadline_s is 120 s) and holds the index in memory. monitor has
  # the daily backup, which works for 25 minutes of a call (backup.budget_s) and goes on at the next.
  functions = {
    submit   = { public = true, concurrency = 40, memory = "512Mi", timeout_s = 60, max_instances = 20 }
    approve  = { public = true, concurrency = 40, memory = "512Mi", timeout_s = 60, max_instances = 10 }
    feedback = { public = true, concurrency = 40, memory = "512Mi", timeout_s = 60, max_instances = 20 }
    retrain  = { public = true, concurrency = 8, memory = "2Gi", timeout_s = 600, max_instances = 5 }
    serve    = { public = true, concurrency = 60, memory = "1Gi", timeout_s = 300, max_instances = 40 }
    publish  = { public = false, concurrency = 8, memory = "1Gi", timeout_s = 60, max_instances = 5 }
    notify   = { public = false, concurrency = 20, memory = "512Mi", timeout_s = 60, max_instances = 5 }
    console  = { public = true, concurrency = 40, memory = "512Mi", timeout_s = 60, max_instances = 5 }
    monitor  = { public = true, concurrency = 40, memory = "2Gi", timeout_s = 1800, max_instances = 8 }
  }
  public = toset([for name, one in local.functions : name if one.public])

  sizes = {
    for name, one in local.functions : name => {
      min_instances = coalesce(try(var.sizes[name].min_instances, null), 0)
      max_instances = coalesce(try(var.sizes[name].max_instances, null), one.max_instances)
      concurrency   = coalesce(try(var.sizes[name].concurrency, null), one.concurrency)
      cpu           = coalesce(try(var.sizes[name].cpu, null), "1")
      memory        = coalesce(try(var.sizes[name].memory, null), one.memory)
      timeout_s     = coalesce(try(var.sizes[name].timeout_s, null), one.timeout_s)
    }
  }

  # Those who hold search indexes hold them in memory, as their disk is memory. Half of the least that one of them has is
  # for indexes; the other half is for the work, and for the second file while a newer one takes the place of the first.
  index_room_mib = floor(min([
    for name in ["serve", "publish", "monitor"] :
    tonumber(replace(local.sizes[name].memory, "/[GM]i$/", "")) * (endswith(local.sizes[name].memory, "Gi") ? 1024 : 1)
  ]...) / 2)

  # Known before a function exists: the name that Cloud Run gives each service of a project and region.
  # It is the audience of the tokens that call the function, so one for a function opens no other.
  urls = {
    for name in keys(local.functions) :
    name => "https://${var.name}-${name}-${data.google_project.this.number}.${var.region}.run.app"
  }

  manifest = jsondecode(file("${var.bundles_dir}/bundles.json"))
  bundles  = { for one in local.manifest.bundles : one.function => one }

  # What the settings of every function are (docs/configuration.md). Whatever is not here has its default.
  # The commit is left out: it would deploy every function anew with each one. Bundles carry their content's hash.
  environment = merge(
    {
      WHETSTONE_BACKEND                    = "gcp"
      WHETSTONE_STORE                      = var.store
      WHETSTONE_ANALYTICS                  = var.analytics
      WHETSTONE_EMBEDDER                   = var.embedder
      WHETSTONE_LOG_LEVEL                  = var.log_level
      WHETSTONE_JWT_SECRET                 = "secret://${local.secret_ids["jwt-secret"]}"
      WHETSTONE_EVENTS__ATTEMPTS           = tostring(var.event_attempts)
      WHETSTONE_GCP__PROJECT               = var.project_id
      WHETSTONE_GCP__REGION                = var.region
      WHETSTONE_GCP__INDEX_ROOM_MIB        = tostring(local.index_room_mib)
      WHETSTONE_GCP__BUCKET                = google_storage_bucket.this["objects"].name
      WHETSTONE_GCP__TOPIC_PREFIX          = var.name
      WHETSTONE_GCP__SCHEDULER_PREFIX      = var.name
      WHETSTONE_GCP__PUSH_SERVICE_ACCOUNTS = jsonencode([for one in ["push", "scheduler"] : google_service_account.caller[one].email])
      WHETSTONE_NOTIFY__CONSOLE_URL        = "https://${var.domain}"
    },
    length(var.model_providers) == 0 ? {} : { WHETSTONE_PROVIDERS = jsonencode(local.providers) },
    local.bigquery ? { WHETSTONE_BIGQUERY__DATASET = google_bigquery_dataset.evidence[0].dataset_id } : {},
    local.postgres ? {
      WHETSTONE_POSTGRES__INSTANCE  = google_sql_database_instance.this[0].connection_name
      WHETSTONE_POSTGRES__DATABASE  = google_sql_database.this[0].name
      WHETSTONE_POSTGRES__NETWORK   = "private"
      WHETSTONE_POSTGRES__POOL_SIZE = tostring(local.sql_pool_size)
    } : { WHETSTONE_GCP__FIRESTORE_DATABASE = google_firestore_database.this[0].name },
  )

  # What one function is told and the others are not.
  own_environment = {
    for name in keys(local.functions) : name => merge(
      { WHETSTONE_GCP__PUSH_AUDIENCE = local.urls[name] },
      local.postgres ? { WHETSTONE_POSTGRES__USER = google_sql_user.function[name].name } : {},
      name == "serve" ? { for one in local.providers : one.api_key_env => "secret://${local.secret_ids["provider-${one.name}"]}" if one.api_key_env != null } : {},
      name == "notify" ? local.notify_environment : {},
      # publish and notify are called by Pub/Sub alone: nobody else can ask them.
      name == "console" ? {
        WHETSTONE_CONSOLE__FUNCTIONS = jsonencode({ for one in local.public : one => "https://${var.domain}/functions/${one}" if one != "console" })
      } : {},
      name == "console" && var.console.iap ? {
        WHETSTONE_CONSOLE__WORKSPACE    = var.console.workspace
        WHETSTONE_CONSOLE__ROLES        = jsonencode(var.console.roles)
        WHETSTONE_CONSOLE__IAP_AUDIENCE = "/projects/${data.google_project.this.number}/global/backendServices/${google_compute_backend_service.function["console"].generated_id}"
      } : {},
      name == "monitor" ? {
        WHETSTONE_BACKUP__PLACE     = "gs://${google_storage_bucket.this["backups"].name}/daily"
        WHETSTONE_BACKUP__KEEP_DAYS = tostring(var.backup_days)
      } : {},
    )
  }

  providers = [
    for one in var.model_providers : {
      name        = one.name
      base_url    = one.base_url
      api_key_env = one.needs_key ? "${upper(replace(one.name, "-", "_"))}_API_KEY" : null
      models      = one.models
    }
  ]

  notify_environment = merge(
    length(var.notify.mail_to) == 0 ? {} : {
      WHETSTONE_NOTIFY__SMTP_HOST = var.notify.smtp_host
      WHETSTONE_NOTIFY__SMTP_PORT = tostring(var.notify.smtp_port)
      WHETSTONE_NOTIFY__MAIL_FROM = var.notify.mail_from
      WHETSTONE_NOTIFY__MAIL_TO   = jsonencode(var.notify.mail_to)
    },
    length(var.notify.mail_to) == 0 || var.notify.smtp_user == "" ? {} : {
      WHETSTONE_NOTIFY__SMTP_USER     = var.notify.smtp_user
      WHETSTONE_NOTIFY__SMTP_PASSWORD = "secret://${local.secret_ids["smtp-password"]}"
    },
    var.notify.slack ? {
      WHETSTONE_NOTIFY__SLACK_WEBHOOK_URL = "secret://${local.secret_ids["slack-webhook-url"]}"
    } : {},
    var.notify.webhook ? {
      WHETSTONE_NOTIFY__WEBHOOK_URL    = "secret://${local.secret_ids["webhook-url"]}"
      WHETSTONE_NOTIFY__WEBHOOK_SECRET = "secret://${local.secret_ids["webhook-secret"]}"
    } : {},
  )
}

# Nothing is deployed from bundles that were made for other adapters: they would lack the ones chosen here.
resource "terraform_data" "bundles_fit" {
  input = local.manifest.choices

  lifecycle {
    precondition {
      condition     = toset(keys(local.bundles)) == toset(keys(local.functions))
      error_message = "bundles.json and functions.tf have different functions: run make bundle again."
    }
    precondition {
      condition = (
        local.manifest.choices.store == var.store
        && local.manifest.choices.analytics == var.analytics
        && local.manifest.choices.embedder == var.embedder
        && local.manifest.choices.bus == "pubsub"
        && local.manifest.choices.blobs == "gcs"
        && local.manifest.choices.secrets == "secret_manager"
        && local.manifest.choices.schedule == "cloud_scheduler"
      )
      error_message = "The bundles are made for other adapters: make bundle ARGS=\"--store ${var.store} --analytics ${var.analytics} --embedder ${var.embedder}\"."
    }
    precondition {
      condition     = contains(["3.11", "3.12"], local.manifest.python)
      error_message = "The bundles are made for a Python that no runtime here has."
    }
  }
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  project_id  = var.project_id
  region      = var.region
  name        = "${var.name}-${each.key}"
  entry_point = each.key
  runtime     = "python${replace(local.manifest.python, ".", "")}"
  repository  = google_artifact_registry_repository.functions.id
  environment = merge(local.environment, local.own_environment[each.key])
  size        = local.sizes[each.key]
  networks    = [for one in google_compute_subnetwork.functions : { network = one.network, subnetwork = one.id }]
  invokers    = local.invokers[each.key]
  labels      = merge(local.labels, { function = each.key })

  bundle = {
    file   = "${var.bundles_dir}/${local.bundles[each.key].file}"
    bucket = google_storage_bucket.this["bundles"].name
    object = local.bundles[each.key].object
  }
  accounts = {
    runs   = google_service_account.function[each.key].email
    builds = google_service_account.caller["build"].id
  }

  depends_on = [
    google_project_service.this,
    google_project_iam_member.build,
    google_artifact_registry_repository_iam_member.build,
    google_storage_bucket_iam_member.build,
    terraform_data.bundles_fit,
  ]
}
