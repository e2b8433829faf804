# What the canary is judged by besides Cloud Run's own figures: people's first ratings, by the revision that routed what
# they rate. Only those of the first quarter of an hour count, so that a new revision's can be as old as any.

resource "google_logging_metric" "feedback_quality" {
  name        = "${var.name}/feedback_quality"
  description = "People's ratings, 1 to 5, of routing decisions, by the revision of serve that made them"
  filter      = "${local.function_log} AND jsonPayload.message=\"feedback.rated\" AND jsonPayload.age_s<900"

  value_extractor  = "EXTRACT(jsonPayload.quality_score)"
  label_extractors = { routed_by = "EXTRACT(jsonPayload.routed_by)" }

  bucket_options {
    explicit_buckets {
      bounds = [1, 2, 3, 4, 5]
    }
  }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "1"

    labels {
      key        = "routed_by"
      value_type = "STRING"
    }
  }

  depends_on = [google_project_service.this]
}
