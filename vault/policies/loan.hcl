# A loan's own token: makes what the loan hands out, and ends with it. It never leaves the process that made it.
# TOKEN_ACCESSOR becomes that of the login token/ of this server. Each token has an alias there, named as its setup; so it
# reaches that setup's databases and loans, and nothing of another one, nor what a team uses.

path "database/creds/{{identity.entity.aliases.TOKEN_ACCESSOR.name}}.*" {
  capabilities = ["read"]
}
path "setups/data/{{identity.entity.aliases.TOKEN_ACCESSOR.name}}/loan/*" {
  capabilities = ["read"]
}
