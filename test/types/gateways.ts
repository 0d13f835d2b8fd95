// What the types of "sluice/test" let pass and what they do not. Never run: checked as handlers.ts beside it is.

import { type Configuration, createTestGateway, type TestGateway } from "sluice/test";

export async function use(): Promise<void> {
  const configuration: Configuration = {
    apps: { a: { entry: "a.ts", timeout: "2s", permissions: { read: ["."] } } },
    routing: { a: { path: "/a", app: "a", policies: { rate_limit: { rate: "10/s" } } } },
  };
  await using gateway: TestGateway = await createTestGateway(configuration);
  const response: Response = await gateway.fetch("/a", { method: "POST", body: "hi" });
  response.headers.get("x");
  await gateway.fetch(new Request("http://a.test/"));
  gateway.port satisfies number;
  (await gateway.logged(({ level }) => level === "error")).msg satisfies string;
  await gateway.reload({ handler: new URL("file:///a.ts"), memory: "64mb" });
  await gateway.reload();
  await createTestGateway({ handler: "a.ts", env: { A: "1" } });
  await createTestGateway("routing: {}");
  // @ts-expect-error: a handler is a file, which VMs load
  await createTestGateway({ handler: () => new Response() });
  // @ts-expect-error: there is no such key
  await createTestGateway({ apps: { a: { entree: "a.ts" } } });
  // @ts-expect-error: durations have units
  await createTestGateway({ handler: "a.ts", timeout: 5 });
}
