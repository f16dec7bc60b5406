// Asks for one confirmation message through npm `@xsolla/login-sdk`, and prints what came of it.
//
// The argument is JSON: `config`, the options of Api; `username`. The library keeps its
// configuration for as long as the process lives, so a process asks once.

const { JSDOM } = require('jsdom')

const { config, username } = JSON.parse(process.argv[2])

// The library looks for a browser when it is loaded: a page of the site itself, so that a site
// without CORS may be asked.
const { window } = new JSDOM('', { url: config.apiUrl })

for (const name of ['window', 'document', 'navigator', 'location', 'XMLHttpRequest', 'sessionStorage', 'addEventListener']) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true })
}

const { Api, APIError } = require('@xsolla/login-sdk')

const api = new Api(config)

api.resendEmail(username).then(
  returned => ({ returned }),
  error => ({ thrown: { ofTheApi: error instanceof APIError, code: error.code, message: error.message } }),
).then(ending => process.stdout.write(JSON.stringify({ oauth2: api.getConfig().is_oauth2, ...ending })))
