# What the cloud would answer; everything else that it would compute is a random text, different for each resource.
mock_data "google_project" {
  defaults = { number = "123456789012" }
}
