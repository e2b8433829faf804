# Topics and subscriptions, from the map of the loop. What a consumer could not handle goes to its dead-letter topic,
# from where the monitor records it, and where a second subscription keeps it for people.

locals {
  # The same as FLOW in shared/messages/events.py; a test compares them.
  flow = {
    "entry.submitted"          = { producers = ["submit"], consumers = ["notify"] }
    "entry.approved"           = { producers = ["approve"], consumers = ["publish", "notify"] }
    "entry.rejected"           = { producers = ["approve"], consumers = ["notify"] }
    "entry.revision_requested" = { producers = ["approve"], consumers = ["notify"] }
    "entry.retracted"          = { producers = ["approve"], consumers = ["publish", "notify"] }
    "feedback.recorded"        = { producers = ["feedback"], consumers = ["retrain"] }
    "outcome.recorded"         = { producers = ["feedback"], consumers = ["retrain"] }
    "learning.requested"       = { producers = ["feedback", "retrain"], consumers = ["retrain"] }
    "learning.completed"       = { producers = ["retrain"], consumers = ["monitor", "notify"] }
    "learning.rolled_back"     = { producers = ["retrain"], consumers = ["monitor", "notify"] }
    "canary.started"           = { producers = ["retrain"], consumers = ["notify"] }
    "canary.ended"             = { producers = ["monitor", "retrain"], consumers = ["notify"] }
    "experiment.ended"         = { producers = ["monitor", "retrain"], consumers = ["notify"] }
    "alert.raised"             = { producers = ["monitor", "retrain"], consumers = ["notify"] }
    "alert.resolved"           = { producers = ["monitor", "retrain"], consumers = ["notify"] }
  }

  consumers = toset(flatten([for route in local.flow : route.consumers]))

  # The monitor records dead letters.
  recorder = "monitor"

  # Who publishes every event, besides its producers: the monitor, which sweeps the outbox of all functions and sends
  # again what was held back, and the console, whose pages do in its own process what the API does in others.
  stand_ins = ["monitor", "console"]
  publishers = merge([
    for type, route in local.flow : {
      for function in setunion(route.producers, local.stand_ins) :
      "${type}.${function}" => { type = type, function = function }
    }
  ]...)

  # Seconds. 600 is the longest that Pub/Sub waits for an answer.
  ack_deadlines_s = { retrain = 600 }
  ack_deadline_s  = 60
  kept            = "${7 * 24 * 3600}s"
  dead_kept       = "${31 * 24 * 3600}s"

  deliveries = merge([
    for type, route in local.flow : {
      for function in route.consumers :
      "${type}.${function}" => { type = type, function = function }
    }
  ]...)

  pubsub_agent = "serviceAccount:${google_project_service_identity.this["pubsub.googleapis.com"].email}"
}

resource "google_pubsub_topic" "event" {
  for_each = local.flow

  name         = "${var.name}.${each.key}"
  kms_key_name = local.key
  labels       = local.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}

resource "google_pubsub_topic" "dead" {
  for_each = local.consumers

  name                       = "${var.name}.dead-letter.${each.key}"
  kms_key_name               = local.key
  message_retention_duration = local.dead_kept
  labels                     = merge(local.labels, { function = each.key })

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}

# Each consumer gets the events that are for it, by push, with a token for it alone.
resource "google_pubsub_subscription" "event" {
  for_each = local.deliveries

  name                       = "${var.name}.${each.key}"
  topic                      = google_pubsub_topic.event[each.value.type].id
  ack_deadline_seconds       = lookup(local.ack_deadlines_s, each.value.function, local.ack_deadline_s)
  message_retention_duration = local.kept
  labels                     = merge(local.labels, { function = each.value.function })

  push_config {
    push_endpoint = "${module.function[each.value.function].uri}/events/${each.value.function}"

    oidc_token {
      service_account_email = google_service_account.caller["push"].email
      audience              = local.urls[each.value.function]
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead[each.value.function].id
    max_delivery_attempts = var.event_attempts
  }

  expiration_policy {
    ttl = "" # never
  }

  depends_on = [google_service_account_iam_member.push_tokens]
}

# A dead-letter topic's own subscriptions have no dead letter: there is nothing behind the last place. The recorder's
# is tried for as long as the message is kept.
resource "google_pubsub_subscription" "dead_recorded" {
  for_each = local.consumers

  name                       = "${var.name}.dead-letter.${each.key}.${local.recorder}"
  topic                      = google_pubsub_topic.dead[each.key].id
  ack_deadline_seconds       = local.ack_deadline_s
  message_retention_duration = local.kept
  labels                     = merge(local.labels, { function = local.recorder })

  push_config {
    push_endpoint = "${module.function[local.recorder].uri}/events/dead-letters/${each.key}"

    oidc_token {
      service_account_email = google_service_account.caller["push"].email
      audience              = local.urls[local.recorder]
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  expiration_policy {
    ttl = "" # never
  }

  depends_on = [google_service_account_iam_member.push_tokens]
}

resource "google_pubsub_subscription" "dead_kept" {
  for_each = local.consumers

  name                       = "${var.name}.dead-letter.${each.key}.kept"
  topic                      = google_pubsub_topic.dead[each.key].id
  ack_deadline_seconds       = local.ack_deadline_s
  message_retention_duration = local.kept
  labels                     = merge(local.labels, { function = each.key })

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  expiration_policy {
    ttl = "" # never
  }
}

# --- who may ----------------------------------------------------------------------------------

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = local.publishers

  topic  = google_pubsub_topic.event[each.value.type].id
  role   = "roles/pubsub.publisher"
  member = google_service_account.function[each.value.function].member
}

# Pub/Sub itself moves what could not be delivered: it takes it from the subscription and publishes it.
resource "google_pubsub_topic_iam_member" "dead" {
  for_each = local.consumers

  topic  = google_pubsub_topic.dead[each.key].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead" {
  for_each = local.deliveries

  subscription = google_pubsub_subscription.event[each.key].id
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# Pub/Sub signs the tokens that its pushes carry, as this one account.
resource "google_service_account_iam_member" "push_tokens" {
  service_account_id = google_service_account.caller["push"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}
