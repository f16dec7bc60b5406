"""A middleware that reports access to the session: it adds a cookie to the response."""

#: The middlewares of a typical site, including ``LocaleMiddleware``, and the one defined here.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "tests.sessions.tell_on_touching",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

#: The headers that these middlewares add to every response that does not set them.
OF_THE_HOST = {
    "Content-Language": "en",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Accept-Language",
    "X-Frame-Options": "DENY",
}


def tell_on_touching(get_response):
    """Set a cookie if the session was read or changed."""

    def middleware(request):
        response = get_response(request)
        if request.session.accessed or request.session.modified:
            response.set_cookie("touched", "1")
        return response

    return middleware
