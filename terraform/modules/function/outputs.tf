output "name" {
  description = "The function's name, and that of the Cloud Run service below it."
  value       = google_cloudfunctions2_function.this.name
}

output "uri" {
  description = "Where Pub/Sub and Cloud Scheduler reach the function."
  value       = google_cloudfunctions2_function.this.service_config[0].uri
}

output "bundle" {
  description = "The bundle that it runs."
  value       = google_storage_bucket_object.bundle.name
}

output "deployed" {
  description = "What the function was given, as it was given."
  value = {
    ingress         = google_cloudfunctions2_function.this.service_config[0].ingress_settings
    environment     = google_cloudfunctions2_function.this.service_config[0].environment_variables
    service_account = google_cloudfunctions2_function.this.service_config[0].service_account_email
    min_instances   = google_cloudfunctions2_function.this.service_config[0].min_instance_count
    max_instances   = google_cloudfunctions2_function.this.service_config[0].max_instance_count
    concurrency     = google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency
    cpu             = google_cloudfunctions2_function.this.service_config[0].available_cpu
    memory          = google_cloudfunctions2_function.this.service_config[0].available_memory
    timeout_s       = google_cloudfunctions2_function.this.service_config[0].timeout_seconds
    egress          = google_cloudfunctions2_function.this.service_config[0].direct_vpc_egress
    networks        = length(google_cloudfunctions2_function.this.service_config[0].direct_vpc_network_interface)
    runtime         = google_cloudfunctions2_function.this.build_config[0].runtime
  }
}

output "invokers" {
  description = "Who may call the function."
  value       = { for who, one in google_cloud_run_v2_service_iam_member.invoker : who => one.member }
}
