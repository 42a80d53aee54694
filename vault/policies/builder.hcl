# The builder: says what a bundle was built from.

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

# Signs with this key: whole messages, one at a time, never a digest.
path "signing/sign/builder" {
  capabilities = ["update"]
  allowed_parameters = {
    "input"                = []
    "key_version"          = []
    "hash_algorithm"       = ["sha2-256"]
    "marshaling_algorithm" = ["asn1"]
  }
}
path "signing/keys/builder" {
  capabilities = ["read"]
}
