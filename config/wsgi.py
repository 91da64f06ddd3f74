import os

from django.core.wsgi import get_wsgi_application

from config.processes import die_with_my_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.prod")
die_with_my_parent()
application = get_wsgi_application()
