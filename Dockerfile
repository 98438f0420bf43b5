# PostgreSQL is not in it: set DATABASE_URL. compose.yaml shows the whole set.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/ecompredictor
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements-image.txt ./
RUN pip install --require-hashes --requirement requirements-image.txt
COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY alembic alembic
COPY app app
# Editable: the migrations stand beside the package, in the folder that is copied below.
RUN pip install --no-deps --no-build-isolation --editable . && python -m compileall -q /opt/venv app alembic

FROM python:3.13-slim
RUN useradd --system --no-create-home --shell /usr/sbin/nologin ecompredictor
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/ecompredictor /srv/ecompredictor
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 ENVIRONMENT=production HOST=0.0.0.0 PORT=8000
WORKDIR /srv/ecompredictor
USER ecompredictor
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/readyz', timeout=4)"]
ENTRYPOINT ["ecompredictor"]
CMD ["serve"]
