// Asks for one confirmation message through npm `strapi-sdk-js`, and prints what came of it.
//
// The argument is JSON: `library`, the package; `options`, those of its constructor; `data`, what
// sendEmailConfirmation gets; `token`, a user's token, if any.

const { library, options, data, token } = JSON.parse(process.argv[2])
const Strapi = require(library)

const strapi = new Strapi(options)

if (token) {
  strapi.setToken(token)
}

strapi.sendEmailConfirmation(data).then(
  returned => ({ returned }),
  thrown => ({ thrown }),
).then(ending => process.stdout.write(JSON.stringify(ending)))
