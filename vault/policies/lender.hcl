# A lender who lends a setup by their own login, as sensitive ones and shared accounts need: what the broker may, beside
# what the policy of their team gives them.

# Credentials made for loans: setups/SETUP/loan/LOAN.
path "setups/data/+/loan/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "setups/metadata/+/loan/*" {
  capabilities = ["read", "list", "delete"]
}
path "setups/data/+/lending/*" {
  capabilities = ["create", "read", "update"]
}

# Each loan's own token: made by this one role, with this one policy.
path "auth/token/create/loan" {
  capabilities = ["update"]
}
path "auth/token/accessors" {
  capabilities = ["list", "sudo"]
}
path "auth/token/lookup-accessor" {
  capabilities = ["update"]
}
path "auth/token/renew-accessor" {
  capabilities = ["update"]
}
path "auth/token/revoke-accessor" {
  capabilities = ["update"]
}
path "sys/leases/lookup" {
  capabilities = ["update"]
}
path "sys/leases/revoke" {
  capabilities = ["update"]
}
path "sys/leases/renew" {
  capabilities = ["update"]
}
path "ssh/sign/loan" {
  capabilities = ["update"]
}
