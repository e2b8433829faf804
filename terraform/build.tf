# Images of the functions, and delivery: where a repository is given, Cloud Build plans each push and releases what is
# approved.

resource "google_artifact_registry_repository" "functions" {
  location      = var.region
  repository_id = "${var.name}-functions"
  description   = "Images of the functions, made from their bundles"
  format        = "DOCKER"
  kms_key_name  = local.key
  labels        = local.labels

  # A rollback needs the images of the last revisions; what is neither recent nor among the last ten can go.
  cleanup_policies {
    id     = "keep-last"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      tag_state  = "ANY"
      older_than = "7776000s" # 90 days
    }
  }

  depends_on = [google_project_service.this, google_kms_crypto_key_iam_member.agent]
}

locals {
  # What deploying takes, each for the resources in the file named. No right to read a secret's value is among them.
  deployer_roles = local.delivers ? toset(concat(
    [
      "roles/artifactregistry.admin",         # build.tf
      "roles/cloudbuild.builds.editor",       # build.tf
      "roles/cloudfunctions.admin",           # functions.tf
      "roles/cloudscheduler.admin",           # scheduler.tf
      "roles/compute.loadBalancerAdmin",      # load_balancer.tf
      "roles/compute.securityAdmin",          # armor.tf, certificates
      "roles/iam.roleAdmin",                  # iam.tf
      "roles/iam.serviceAccountAdmin",        # iam.tf
      "roles/logging.configWriter",           # monitoring.tf, storage.tf
      "roles/logging.viewer",                 # the canary reads what the functions log
      "roles/monitoring.editor",              # monitoring.tf
      "roles/pubsub.admin",                   # pubsub.tf
      "roles/run.admin",                      # the canary moves traffic
      "roles/serviceusage.serviceUsageAdmin", # services.tf
      "roles/storage.admin",                  # storage.tf, the state
    ],
    local.postgres ? ["roles/cloudsql.admin", "roles/compute.networkAdmin"] : ["roles/datastore.owner"],
    local.bigquery ? ["roles/bigquery.admin"] : [],
    var.cmek ? ["roles/cloudkms.admin"] : [],
  )) : toset([])

  # The only roles on the project that a deployment may give or take.
  grantable = concat(
    ["roles/datastore.user", "roles/cloudsql.client", "roles/cloudsql.instanceUser", "roles/bigquery.jobUser", "roles/logging.logWriter", "roles/storage.objectViewer"],
    [for role in ["embedder", "schedule_reader"] : "projects/${var.project_id}/roles/${replace(var.name, "-", "_")}_${role}"],
  )

  # A function is deployed to run as an account only by who may act as it; the same holds for the release's build,
  # which runs as the deployer and is asked for by it.
  deployed_as = local.delivers ? merge(
    { for name, one in google_service_account.function : name => one.name },
    { for name, one in google_service_account.caller : name => one.name },
    { deployer = google_service_account.deployer[0].name },
  ) : {}

  repository_url = "https://github.com/${var.repository.owner}/${var.repository.name}"
}

resource "google_service_account" "deployer" {
  count = local.delivers ? 1 : 0

  account_id   = "${var.name}-deployer"
  display_name = "Whetstone: deploys"
  description  = "Runs cloudbuild.yaml and cloudbuild-release.yaml"

  depends_on = [google_project_service.this]
}

# Secret Manager's own administrator may also read every value.
resource "google_project_iam_custom_role" "secrets" {
  count = local.delivers ? 1 : 0

  role_id     = "${replace(var.name, "-", "_")}_secrets"
  title       = "Whetstone: manage secrets without reading them"
  description = "Makes, changes and deletes secrets and says who may read them."
  permissions = [
    "secretmanager.secrets.create",
    "secretmanager.secrets.delete",
    "secretmanager.secrets.get",
    "secretmanager.secrets.getIamPolicy",
    "secretmanager.secrets.list",
    "secretmanager.secrets.setIamPolicy",
    "secretmanager.secrets.update",
    "secretmanager.versions.get",
    "secretmanager.versions.list",
  ]

  depends_on = [google_project_service.this]
}

resource "google_project_iam_member" "deployer" {
  for_each = local.deployer_roles

  project = var.project_id
  role    = each.value
  member  = google_service_account.deployer[0].member
}

resource "google_project_iam_member" "deployer_secrets" {
  count = local.delivers ? 1 : 0

  project = var.project_id
  role    = google_project_iam_custom_role.secrets[0].id
  member  = google_service_account.deployer[0].member
}

resource "google_project_iam_member" "deployer_grants" {
  count = local.delivers ? 1 : 0

  project = var.project_id
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = google_service_account.deployer[0].member

  condition {
    title       = "only_our_roles"
    description = "Gives and takes only the roles that this configuration gives."
    expression  = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([${join(", ", [for role in local.grantable : "'${role}'"])}])"
  }
}

resource "google_service_account_iam_member" "deployer_acts_as" {
  for_each = local.deployed_as

  service_account_id = each.value
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.deployer[0].member
}

locals {
  substitutions = {
    _NAME         = var.name
    _ENVIRONMENT  = var.environment
    _REGION       = var.region
    _STATE_BUCKET = var.state_bucket
  }
}

resource "google_cloudbuild_trigger" "deploy" {
  count = local.delivers ? 1 : 0

  name            = "${var.name}-deploy"
  description     = "Tests, bundles, plan; then asks for the release of that plan"
  location        = var.region
  service_account = google_service_account.deployer[0].id
  filename        = "cloudbuild.yaml"

  github {
    owner = var.repository.owner
    name  = var.repository.name

    push {
      branch = "^${var.repository.branch}$"
    }
  }

  substitutions = merge(local.substitutions, {
    _BUNDLES = "--store=${var.store} --analytics=${var.analytics} --embedder=${var.embedder}"
  })

  depends_on = [google_project_iam_member.deployer]
}

# Asked for by the build above, with the plan to apply: Cloud Build asks for an approval only before a build begins.
resource "google_cloudbuild_trigger" "release" {
  count = local.delivers ? 1 : 0

  name            = "${var.name}-release"
  description     = "Applies one plan, then canary, promote or back"
  location        = var.region
  service_account = google_service_account.deployer[0].id

  source_to_build {
    uri       = local.repository_url
    ref       = "refs/heads/${var.repository.branch}"
    repo_type = "GITHUB"
  }

  git_file_source {
    path      = "cloudbuild-release.yaml"
    uri       = local.repository_url
    revision  = "refs/heads/${var.repository.branch}"
    repo_type = "GITHUB"
  }

  substitutions = local.substitutions

  # In prod somebody reads the plan before it is applied. Who may approve is in UNMANAGED.md.
  approval_config {
    approval_required = var.environment == "prod"
  }

  depends_on = [google_project_iam_member.deployer]
}
