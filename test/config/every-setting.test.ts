// A file with every setting there is, and what it is compiled to. Runs in the test process.

import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse } from "yaml";
import { z } from "zod";
import { plainProxy } from "../../src/config/plain-proxy.ts";
import { configSchema } from "../../src/config/schema/config.ts";
import type { AppPlan, BackendPlan, ListenerTls, ProxyTimeouts } from "../../src/config/snapshot.ts";
import { parseCidr } from "../../src/core/ip.ts";
import { makeCertificates, type TestCertificate, type TestCertificates } from "../support/certificates.ts";
import { loaded } from "../support/loading.ts";

type JsonSchema = z.core.JSONSchema.BaseSchema;

const TEXT = readFileSync(new URL("every-setting.yaml", import.meta.url), "utf8");
/** What cannot stand beside something else that is in the file. */
const ELSEWHERE =
  /^(?:server\.(?:host|port)|grpc\..*|policies\.body_limit\..*|policies\.jwt\.(?:jwks_file|secret))$/;
/** What the file cannot have, or can have only in one place, in another value than the default. */
const STANDARD = /(?:\.enabled|^admin\.open)$/;

/** Every setting as a path such as `backends.<name>[].tls.verify`, with its default. `policies` are those of the file. */
function* settingsOf(
  root: JsonSchema,
  place = root,
  path = "",
): Generator<[path: string, standard: unknown]> {
  const isShared = place.$ref !== undefined && !path.includes(".");
  const schema = isShared ? root.$defs![place.$ref!.slice("#/$defs/".length)]! : place;
  const { properties, additionalProperties: each, items } = schema;
  const inside: ReadonlyArray<readonly [string, unknown]> = [
    ...Object.entries(properties ?? {}).map(
      ([key, one]) => [path === "" ? key : `${path}.${key}`, one] as const,
    ),
    ...(typeof each === "object" ? [[`${path}.<name>`, each] as const] : []),
    ...(typeof items === "object" ? [[`${path}[]`, items] as const] : []),
  ];
  if (properties === undefined) yield [path, schema.default];
  for (const [at, one] of inside) yield* settingsOf(root, one as JsonSchema, at);
}

/** The values that the file has at a path of `settingsOf`. */
function valuesAt(value: unknown, path: string): unknown[] {
  let values = [value];
  for (const [step] of path.matchAll(/<name>|\[\]|[^.[\]]+/g)) {
    values = values.flatMap((one) => {
      if (typeof one !== "object" || one === null) return [];
      if (step === "<name>" || step === "[]") return Object.values(one);
      return Object.hasOwn(one, step) ? [(one as Record<string, unknown>)[step]] : [];
    });
  }
  return values;
}

describe("a file with every setting", () => {
  let folder: string;
  let certificates: TestCertificates;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-every-setting-"));
    certificates = await makeCertificates(folder);
    writeFileSync(join(folder, "users"), `bob:${BOB}\n`);
    writeFileSync(join(folder, "hello.ts"), "");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("leaves none out, and repeats no default", () => {
    const file: unknown = parse(TEXT);
    for (const [path, standard] of settingsOf(z.toJSONSchema(configSchema, { io: "input" }))) {
      if (ELSEWHERE.test(path)) continue;
      const values = valuesAt(file, path);
      assert.notDeepEqual(values, [], path);
      if (standard !== undefined && !STANDARD.test(path)) assert.ok(!values.includes(standard), path);
    }
  });

  it("is compiled to what the threads work with", () => {
    const { snapshot, gateway } = loaded(TEXT, { CERTIFICATES: folder });
    assert.deepEqual(gateway, {
      workers: 2,
      reusePort: true,
      shutdownTimeoutMs: 4_000,
      files: gateway.files,
      ocsp: { responder: "http://127.0.0.1:9999/", timeoutMs: 3_000 },
      requestedMaxConnections: 5_000,
      runAs: { text: "root:root", user: "root", uid: 0, gid: 0 },
      resolver: {
        servers: ["10.0.0.53", "[fd00::53]:5353"],
        minTtlMs: 2_000,
        maxTtlMs: 180_000,
        timeoutMs: 4_000,
      },
      admin: {
        host: "10.0.0.1",
        port: 9999,
        token: "0123456789-abcdef",
        open: false,
        closed: true,
        allowedHosts: ["admin.example.com", "fd00::1"],
      },
    });
    assert.deepEqual(snapshot.server, {
      listeners: [
        {
          host: "127.0.0.1",
          port: 8000,
          backlog: 100,
          proxyProtocol: false,
          h2c: true,
          tls: tlsOf(certificates),
        },
        { host: "::1", port: 8001, backlog: 200, proxyProtocol: true, h2c: false, tls: null },
      ],
      maxConnections: 5_000,
      maxConnectionsPerClient: 50,
      unusedBackendConnections: Number.MAX_SAFE_INTEGER,
      http2: { enabled: false, maxStreams: 64, streamWindowBytes: 131_072, maxResets: 20 },
      redirectToHttps: true,
      httpsPort: 8443,
      hsts: "max-age=600; includeSubDomains; preload",
      readTimeoutMs: 1_000,
      writeTimeoutMs: 2_000,
      keepAliveTimeoutMs: 3_000,
      realIpHeader: "cf-connecting-ip",
      realIpHeaderFirst: true,
      trustedProxies: [{ bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 0], bits: 104 }],
      requestLineBytes: 4_096,
      headerBytes: 16_384,
      headerCount: 50,
    });
    assert.deepEqual(snapshot.accessLog, { path: "access.log", format: "combined" });
    assert.deepEqual(snapshot.upstreams, [
      {
        name: "web",
        backends: backendsOf(certificates),
        queue: { size: 10, timeoutMs: 1_000 },
        failureStatuses: [500, 503],
        ejection: {
          failures: 2,
          failureShare: 0.3,
          windowMs: 3_000,
          minRequests: 4,
          timeMs: 5_000,
          maxTimeMs: 6_000,
          maxShare: 0.7,
        },
        circuit: { pending: 8, failureShare: 0.9, windowMs: 1_000, minRequests: 2, openMs: 3_000 },
        retryBudget: { share: 0.4, least: 5 },
        slowStartMs: 6_000,
        panicThreshold: 0.07,
      },
      {
        name: "canary",
        backends: [{ ...PLAIN, id: "canary-::1-81", host: "::1", port: 81 }],
        queue: { size: 1_000, timeoutMs: 5_000 },
        failureStatuses: [502, 503, 504],
        ejection: null,
        circuit: null,
        retryBudget: { share: 0.2, least: 3 },
        slowStartMs: 0,
        panicThreshold: 0,
      },
    ]);
    assert.deepEqual(snapshot.policies, POLICIES);
    assert.deepEqual(snapshot.apps, [{ ...APP, entry: join(folder, "hello.ts") }]);
    assert.deepEqual(snapshot.routes, [...ROUTES, filesRoute(folder)]);
  });
});

const APP: Omit<AppPlan, "entry"> = {
  rules: {
    name: "hello",
    concurrency: 7,
    queue: { size: 8, timeoutMs: 9_000 },
    timeoutMs: 2_000,
    requestBufferBytes: 1_024,
    detailedErrors: true,
    repeatsIdempotent: true,
    upstreams: ["web", "canary"],
    websocket: { maxMessageBytes: 2_097_152, queueBytes: 3_145_728, compression: true },
  },
  instances: 3,
  memoryBytes: 67_108_864,
  hangTimeoutMs: 3_000,
  startTimeoutMs: 12_000,
  env: { GREETING: "hi", KEY: "bob:$2y$05$abcdefghijklmnopqrstuuJ1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq" },
  permissions: {
    net: true,
    read: ["/var/lib/hello"],
    write: ["/tmp/hello"],
    run: true,
    threads: true,
    sqlite: true,
  },
  maxRequests: 1_000,
  maxAgeMs: 3_600_000,
  drainTimeoutMs: 5_000,
  spare: true,
  isolation: "none",
  inspect: null,
};

const PLAIN: BackendPlan = {
  id: "",
  host: "",
  port: 0,
  srv: null,
  socketPath: null,
  weight: 100,
  backup: false,
  maxConnections: 1_000,
  protocol: "http1",
  tls: null,
  proxyProtocol: null,
  healthCheck: null,
};

/** `own` is what the first listener has of its own. */
function tlsOf({ server, otherServer, ca }: TestCertificates): ListenerTls {
  const names = ["localhost", "backend.test"];
  const specOf = ({ certFile: file, cert, key }: TestCertificate) => {
    return {
      file,
      cert,
      key,
      names,
      id: createHash("sha256").update(new X509Certificate(cert).raw).digest("hex"),
    };
  };
  return {
    certificates: [specOf(server), specOf(otherServer)],
    minVersion: "TLSv1.3",
    maxVersion: "TLSv1.3",
    ciphers: "TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES128-GCM-SHA256",
    curves: "X25519",
    client: { ca: ca.cert, required: false },
  };
}

function backendsOf({ ca, client }: TestCertificates): BackendPlan[] {
  return [
    {
      id: "first",
      host: "one.example.com",
      port: 8443,
      srv: null,
      socketPath: null,
      weight: 7,
      backup: false,
      maxConnections: 9,
      protocol: "http1",
      tls: { ca: ca.cert, cert: client.cert, key: client.key, serverName: "web.example.com", verify: false },
      proxyProtocol: 2,
      healthCheck: {
        path: "/health?full=1",
        grpc: null,
        method: "HEAD",
        host: "health.example.com",
        port: 8081,
        statuses: [
          [204, 204],
          [300, 399],
        ],
        body: null,
        intervalMs: 1_000,
        timeoutMs: 2_000,
        failures: 4,
        successes: 5,
      },
    },
    {
      ...PLAIN,
      id: "web-10.0.0.3-80",
      host: "10.0.0.3",
      port: 80,
      backup: true,
      proxyProtocol: 1,
      healthCheck: {
        path: "/",
        grpc: null,
        method: "GET",
        host: null,
        port: null,
        statuses: [[418, 418]],
        body: "I'm fine",
        intervalMs: 10_000,
        timeoutMs: 5_000,
        failures: 3,
        successes: 1,
      },
    },
    { ...PLAIN, id: "web-/run/web.sock", socketPath: "/run/web.sock", protocol: "h2" },
    { ...PLAIN, id: "web-_http._tcp.example.com", srv: "_http._tcp.example.com" },
  ];
}

const FILE_TIMEOUTS: ProxyTimeouts = {
  connectMs: 10_000,
  responseMs: 20_000,
  idleMs: 30_000,
  websocketIdleMs: 40_000,
  sseIdleMs: 50_000,
  backendKeepAliveMs: 55_000,
};

const BOB = "$2y$05$abcdefghijklmnopqrstuuJ1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq";

const POLICIES = {
  cache: {
    store: "",
    maxBytes: 33_554_432,
    maxObjectBytes: 2_097_152,
    ttlMs: 10_000,
    key: { scheme: false, host: false, query: true, ignoredQuery: ["utm_*", "fbclid"] },
    staleWhileRevalidateMs: 20_000,
    staleIfErrorMs: 30_000,
    waitMs: 1_000,
    bypassCookies: ["session_*"],
    bypassFields: ["x-preview"],
    requestDirectives: false,
    statusField: false,
  },
  compress: {
    encodings: ["gzip", "br"],
    types: [
      ["text/", ""],
      ["application/", "+json"],
      ["font/woff", null],
    ],
    minBytes: 2_048,
    level: "fast",
  },
  error_pages: {
    pages: [
      {
        type: "text/html; charset=utf-8",
        mediaType: "text/html",
        parts: ["<p>", { variable: "status" }, "</p>"],
      },
      { type: "Text/Plain; charset=x", mediaType: "text/plain", parts: ["down"] },
    ],
    byStatus: Array.from({ length: 200 }, (_, i) => (i === 4 ? 0 : i < 100 ? -1 : 1)),
    intercept: true,
  },
  headers: {
    request: {
      set: [{ name: "X-Client", lowerName: "x-client", value: [{ variable: "client" }] }],
      add: [{ name: "X-Seen", lowerName: "x-seen", value: ["by ", { field: "user-agent" }] }],
      remove: ["x-secret"],
      host: ["inner.example.com"],
    },
    response: {
      set: [{ name: "X-Frame-Options", lowerName: "x-frame-options", value: ["DENY"] }],
      add: [{ name: "X-By", lowerName: "x-by", value: ["sluice"] }],
      remove: ["server"],
    },
  },
  ip_filter: { allow: [parseCidr("10.0.0.0/8")], deny: [parseCidr("10.0.0.66")] },
  cors: {
    origins: {
      exact: ["https://app.example.com", "null"],
      below: [{ start: "http://", end: ".example.com:8080" }],
    },
    credentials: true,
    methods: "PUT",
    headers: "X-A, X-B",
    expose: "X-Total",
    maxAge: "300",
  },
  basic_auth: {
    realm: "zone",
    users: [
      ["alice", "$2b$10$abcdefghijklmnopqrstuuJ1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq1Vq"],
      ["bob", BOB],
    ],
    forward: true,
  },
  jwt: {
    keys: {
      kind: "url",
      url: "https://id.example.com/jwks.json",
      refreshMs: 3_600_000,
      cooldownMs: 60_000,
    },
    algorithms: ["ES256", "EdDSA"],
    issuers: ["https://id.example.com"],
    audiences: ["api", "web"],
    clockToleranceMs: 5_000,
    required: [
      { claim: "role", values: ["admin", 7, true] },
      { claim: "sub", values: null },
    ],
    fields: [{ claim: "sub", name: "X-User", lowerName: "x-user" }],
    from: [
      { from: "bearer" },
      { from: "header", name: "x-token" },
      { from: "cookie", name: "Session" },
      { from: "query", name: "token" },
    ],
  },
  forward_auth: {
    proxy: plainProxy("canary", 2_000),
    path: "/verify",
    query: "?x=1",
    timeoutMs: 2_000,
    requestFields: ["cookie"],
    responseFields: [
      { name: "X-User", lowerName: "x-user" },
      { name: "X-Groups", lowerName: "x-groups" },
    ],
  },
  rate_limit: {
    rules: [
      {
        name: "keys",
        requests: 600,
        periodMs: 60_000,
        burst: 50,
        by: { from: "header", name: "x-key" },
        keys: 5_000,
        id: '["",0,{"requests":600,"periodMs":60000,"burst":50,"by":{"from":"header","name":"x-key"},"keys":5000},48]',
        shared: null,
      },
      {
        name: "everybody",
        requests: 5,
        periodMs: 10_000,
        burst: 7,
        by: { from: "all" },
        keys: 1,
        id: '["",1,{"requests":5,"periodMs":10000,"burst":7,"by":{"from":"all"},"keys":1},48]',
        shared: null,
      },
    ],
    ipv6Bits: 48,
    tells: false,
    dryRun: true,
  },
};

const { headers: _, ...NOT_HEADERS } = POLICIES;

const EVERY_REQUEST = {
  hosts: [],
  path: "/",
  pathKind: "prefix",
  methods: null,
  headers: [],
  priority: 0,
  policies: POLICIES,
  bodyBytes: 2_097_152,
  minBodyRate: 200,
};

const ROUTES = [
  {
    name: "proxied",
    hosts: ["example.com", "*.example.com"],
    path: "/api",
    pathKind: "exact",
    methods: ["GET", "POST"],
    headers: [
      { name: "x-version", value: "2" },
      { name: "x-any", value: null },
    ],
    priority: 3,
    policies: NOT_HEADERS,
    action: {
      kind: "proxy",
      targets: [{ upstream: "web", weight: 1 }],
      splitBy: { from: "client" },
      balancers: { http: "random", https: "least_time", websocket: "ip_hash", sse: "sticky" },
      hashKey: { from: "header", name: "x-user" },
      sticky: { cookie: "who", secret: "0123456789-abcdef", maxAge: 7_200, secure: true },
      retry: {
        attempts: 2,
        onClosed: true,
        onMalformed: false,
        onTimeout: false,
        statuses: [503, 429],
        perTryMs: 3_000,
        bodyBytes: 4_096,
      },
      mirror: { upstream: "canary", share: 0.01, bodyBytes: 1_024 },
      stripPrefix: "/api",
      rewrite: ["/v2", { variable: "path" }, { variable: "query" }],
      timeouts: {
        connectMs: 1_000,
        responseMs: 2_000,
        idleMs: 3_000,
        websocketIdleMs: 4_000,
        sseIdleMs: 5_000,
        backendKeepAliveMs: 6_000,
      },
    },
    bodyBytes: 1_048_576,
    minBodyRate: 100,
  },
  {
    ...EVERY_REQUEST,
    name: "split",
    action: {
      kind: "proxy",
      targets: [
        { upstream: "web", weight: 95 },
        { upstream: "canary", weight: 5 },
      ],
      splitBy: { from: "cookie", name: "Session" },
      balancers: { http: "weight", https: "weight", websocket: "weight", sse: "weight" },
      hashKey: { from: "path" },
      sticky: { cookie: "sluice_backend", secret: null, maxAge: null, secure: false },
      retry: {
        attempts: 3,
        onClosed: true,
        onMalformed: true,
        onTimeout: true,
        statuses: [],
        perTryMs: null,
        bodyBytes: 65_536,
      },
      mirror: null,
      stripPrefix: null,
      rewrite: null,
      timeouts: FILE_TIMEOUTS,
    },
  },
  {
    ...EVERY_REQUEST,
    name: "answered",
    action: {
      kind: "respond",
      status: 418,
      headers: [
        ["X-Pot", "tea"],
        ["Content-Type", "text/plain; charset=utf-8"],
      ],
      body: "short and stout",
    },
  },
  {
    ...EVERY_REQUEST,
    name: "sent_away",
    action: { kind: "redirect", status: 308, location: ["https://example.com", { variable: "uri" }] },
  },
  {
    ...EVERY_REQUEST,
    name: "handled",
    action: {
      kind: "app",
      app: "hello",
      stripPrefix: null,
      timeouts: { ...FILE_TIMEOUTS, idleMs: 7_000 },
    },
  },
];

function filesRoute(root: string) {
  return {
    ...EVERY_REQUEST,
    name: "files",
    path: "/files",
    action: {
      kind: "static",
      root,
      index: ["index.htm", "default.htm"],
      spaFallback: "ca.pem",
      encodings: ["zstd", "br"],
      cacheControl: [
        ["*.html", "no-cache"],
        ["assets/*", "max-age=31536000, immutable"],
      ],
      types: [[".log", "text/plain"]],
      list: true,
      dotfiles: true,
      stripPrefix: "/files",
    },
  };
}
