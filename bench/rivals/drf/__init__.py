"""djangorestframework-jsonapi, under gunicorn."""
