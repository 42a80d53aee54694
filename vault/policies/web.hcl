# The web pages: write requests for others to execute, and see no secret.

# Its own login: look at it, keep it alive, end it.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
path "auth/token/revoke-self" {
  capabilities = ["update"]
}

# Whether a borrower has opened what was handed over.
path "sys/wrapping/lookup" {
  capabilities = ["update"]
}
