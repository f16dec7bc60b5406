"""The groups of operations on the page of the OpenAPI document, one for each dialect."""

GROUPS = {
    "xsolla-oauth2": "Xsolla Login, OAuth 2.0",
    "xsolla-jwt": "Xsolla Login, JWT",
    "quiva": "quiva.ai",
    "backendless": "Backendless",
    "strapi": "Strapi 3",
    "strapi-v4": "Strapi 4 and 5",
}
