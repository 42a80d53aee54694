"""The API for programs, `/api/v1`: the doors of `releaser.remote`, the files of hotfixes, and sites that check in."""
