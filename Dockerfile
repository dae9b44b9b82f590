# Two stages: wheels are built in the first, the second holds nothing but Python, Relay and a user of its own.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY relay relay
COPY sql sql
COPY .ci/constraints.txt .ci/constraints.txt
RUN pip wheel --no-cache-dir -c .ci/constraints.txt -w /wheels .

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/relay --create-home relay
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links=/wheels relay && rm -rf /wheels
USER relay
WORKDIR /var/lib/relay
ENV RELAY_HOST=0.0.0.0 RELAY_DATA_DIR=/var/lib/relay PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["relay"]
CMD ["serve"]
