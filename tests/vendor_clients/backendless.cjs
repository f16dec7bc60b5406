// Asks for one confirmation message through npm `backendless`, and prints what came of it.
//
// The argument is JSON: `library`, the package; `server`, what Backendless.serverURL is set to, if
// anything; `init`, the arguments of initApp; `identity`; `token`, a user's token, if any.

const { library, server, init, identity, token } = JSON.parse(process.argv[2])
const Backendless = require(library)

if (server) {
  Backendless.serverURL = server
}

const app = Backendless.initApp(...init)

if (token) {
  app.setCurrentUserToken(token)
}

app.Users.resendEmailConfirmation(identity).then(
  returned => ({ returned }),
  error => ({
    thrown: {
      kind: error.constructor.name,
      status: error.status,
      code: error.code,
      message: error.message,
      body: error.body,
      wait: error.headers?.['retry-after'],
    },
  }),
).then(ending => process.stdout.write(JSON.stringify(ending)))
