# Says when the month becomes more expensive than planned. It stops nothing.

resource "google_billing_budget" "month" {
  count = var.budget.billing_account != "" ? 1 : 0

  billing_account = var.budget.billing_account
  display_name    = "Whetstone ${var.environment}"

  budget_filter {
    projects        = ["projects/${data.google_project.this.number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      units = tostring(var.budget.amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]
    content {
      threshold_percent = threshold_rules.value
      spend_basis       = "CURRENT_SPEND"
    }
  }

  threshold_rules {
    threshold_percent = 1.2
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [for one in google_monitoring_notification_channel.email : one.id]
    disable_default_iam_recipients   = false
  }

  depends_on = [google_project_service.this]
}
