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

# Credentials made for loans: setups/SETUP/loan/LOAN.
path "setups/data/+/loan/*" {
  capabilities = ["create", "read", "update", "delete"]
}
path "setups/metadata/+/loan/*" {
  capabilities = ["read", "list", "delete"]
}
path "setups/metadata/+/loan" {
  capabilities = ["list"]
}

# The accounts by which others are made, and the passwords that shared accounts get when they come back; put there by
# their owners for this.
path "setups/data/+/lending/*" {
  capabilities = ["read"]
}

# Each loan's own token: made by this one role, with this one policy. The alias is the setup's name.
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

# Certificates whose principal names the loan.
path "ssh/sign/loan" {
  capabilities = ["update"]
}
