"""The console: the page `GET /console` and the files that it is made of.

`static/` holds our own modules and styles, as a browser runs them; `vendor/` what `local/vendor_console.py` took from
npm. Only the two functions of the console carry this package.
"""
