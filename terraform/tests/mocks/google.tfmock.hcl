# What the cloud would answer. Everything else that it would compute is a random text, different for each resource,
# and known when a plan is made: so a test plans and applies nothing, which takes a third of the time. For that each
# type has to be named here (a test compares them with the configuration).
mock_data "google_project" {
  defaults = { number = "123456789012" }
}

mock_resource "google_artifact_registry_repository" {}
mock_resource "google_artifact_registry_repository_iam_member" {}
mock_resource "google_bigquery_dataset" {}
mock_resource "google_bigquery_dataset_iam_member" {}
mock_resource "google_bigquery_table" {}
mock_resource "google_bigquery_table_iam_member" {}
mock_resource "google_billing_budget" {}
mock_resource "google_cloud_run_v2_service_iam_member" {}
mock_resource "google_cloud_scheduler_job" {}
mock_resource "google_cloudbuild_trigger" {}
mock_resource "google_cloudfunctions2_function" {}
mock_resource "google_compute_backend_service" {}
mock_resource "google_compute_firewall" {}
mock_resource "google_compute_global_address" {}
mock_resource "google_compute_global_forwarding_rule" {}
mock_resource "google_compute_managed_ssl_certificate" {}
mock_resource "google_compute_network" {}
mock_resource "google_compute_region_network_endpoint_group" {}
mock_resource "google_compute_security_policy" {}
mock_resource "google_compute_ssl_policy" {}
mock_resource "google_compute_subnetwork" {}
mock_resource "google_compute_target_http_proxy" {}
mock_resource "google_compute_target_https_proxy" {}
mock_resource "google_compute_url_map" {}
mock_resource "google_firestore_backup_schedule" {}
mock_resource "google_firestore_database" {}
mock_resource "google_firestore_field" {}
mock_resource "google_firestore_index" {}
mock_resource "google_iap_web_backend_service_iam_member" {}
mock_resource "google_kms_crypto_key" {}
mock_resource "google_kms_crypto_key_iam_member" {}
mock_resource "google_kms_key_ring" {}
mock_resource "google_logging_metric" {}
mock_resource "google_logging_project_sink" {}
mock_resource "google_monitoring_alert_policy" {}
mock_resource "google_monitoring_custom_service" {}
mock_resource "google_monitoring_dashboard" {}
mock_resource "google_monitoring_notification_channel" {}
mock_resource "google_monitoring_slo" {}
mock_resource "google_monitoring_uptime_check_config" {}
mock_resource "google_project_iam_audit_config" {}
mock_resource "google_project_iam_custom_role" {}
mock_resource "google_project_iam_member" {}
mock_resource "google_project_service" {}
mock_resource "google_project_service_identity" {}
mock_resource "google_pubsub_subscription" {}
mock_resource "google_pubsub_subscription_iam_member" {}
mock_resource "google_pubsub_topic" {}
mock_resource "google_pubsub_topic_iam_member" {}
mock_resource "google_secret_manager_secret" {}
mock_resource "google_secret_manager_secret_iam_member" {}
mock_resource "google_service_account" {}
mock_resource "google_service_account_iam_member" {}
mock_resource "google_service_networking_connection" {}
mock_resource "google_sql_database" {}
mock_resource "google_sql_database_instance" {}
mock_resource "google_sql_user" {}
mock_resource "google_storage_bucket" {}
mock_resource "google_storage_bucket_iam_member" {}
mock_resource "google_storage_bucket_object" {}
