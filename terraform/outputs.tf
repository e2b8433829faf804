output "url" {
  description = "Where callers reach Whetstone, once the domain points to load_balancer_ip and the certificate is made."
  value       = "https://${var.domain}"
}

output "load_balancer_ip" {
  description = "The address for the domain's A record."
  value       = google_compute_global_address.this.address
}

output "functions" {
  description = "Each function: its Cloud Run service, where it is, the account it runs as, its bundle."
  value = {
    for name, one in module.function : name => {
      service         = one.name
      uri             = one.uri
      audience        = local.urls[name]
      service_account = google_service_account.function[name].email
      bundle          = one.bundle
      public          = local.functions[name].public
    }
  }
}

output "buckets" {
  description = "The buckets of objects, bundles, backups and the audit trail."
  value       = { for kind, one in google_storage_bucket.this : kind => one.name }
}

output "database" {
  description = "What holds the records: the kind of store, and its name."
  value = {
    store     = var.store
    firestore = one(google_firestore_database.this[*].name)
    instance  = one(google_sql_database_instance.this[*].connection_name)
  }
}

output "postgres_roles_sql" {
  description = "What to run once as the database's administrator, before the first request; empty with Firestore."
  value = local.postgres ? templatefile("${path.module}/postgres_roles.sql.tftpl", {
    database = google_sql_database.this[0].name
    users    = sort([for one in google_sql_user.function : one.name])
  }) : ""
}

output "secrets_to_fill" {
  description = "Secrets whose values are given by hand: gcloud secrets versions add NAME --data-file=-."
  value       = sort([for one in google_secret_manager_secret.this : one.secret_id])
}

output "scheduler_jobs" {
  description = "The names of the scheduled jobs."
  value       = sort([for one in google_cloud_scheduler_job.job : one.name])
}

output "dead_letter_subscriptions" {
  description = "Where dead letters are kept for people, by consumer."
  value       = { for consumer, one in google_pubsub_subscription.dead_kept : consumer => one.name }
}

output "slo" {
  description = "The availability objective, for the canary and the dashboards."
  value       = google_monitoring_slo.availability.name
}

output "settings" {
  description = "The settings that an operator's whetstone command needs to work on this deployment, from a machine with the rights."
  value       = merge(local.environment, { WHETSTONE_GCP__PUSH_AUDIENCE = "https://${var.domain}" })
}
