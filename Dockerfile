# Sluice in a container: not as root, on ports 8080 and 8443. docs/running.md tells how to use it.
# Built from this repository: docker build -t sluice .

# The package, as npm would publish it.
FROM node:26-slim AS package
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json README.md CHANGELOG.md LICENSE ./
COPY bin bin/
COPY docs docs/
COPY packaging packaging/
COPY src src/
RUN npm pack
RUN mkdir packed && tar -xzf sluice-*.tgz --strip-components=1 -C packed && cp package-lock.json .npmrc packed/

# The package and what it needs to run, in the versions of the lock file.
FROM node:26-slim AS install
WORKDIR /opt/sluice
COPY --from=package /build/packed ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:26-slim
COPY --from=install /opt/sluice /opt/sluice
COPY packaging/docker.yaml /etc/sluice/sluice.yaml
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/sluice && ln -s /opt/sluice/bin/sluice.js /usr/local/bin/sluice
ENV STATE_DIRECTORY=/var/lib/sluice
USER node
WORKDIR /var/lib/sluice
EXPOSE 8080 8443
# Ends what is under way: stop with a grace period above server.shutdown_timeout.
STOPSIGNAL SIGTERM
# Asks the admin API, which the configuration has to have, at its usual address.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["node", "-e", "fetch('http://127.0.0.1:9091/readyz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["sluice"]
CMD ["run", "-c", "/etc/sluice/sluice.yaml"]
