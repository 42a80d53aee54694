# The broker: makes and ends what loans hand out. It never reads what a team itself uses.

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

# Credentials made for loans: setups/SETUP/loan/LOAN/ENDPOINT.
path "setups/data/+/loan/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "setups/metadata/+/loan/*" {
  capabilities = ["read", "list", "delete"]
}
