// A folder with files for tests, and a gateway that serves it. Runs in the test process.

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { TestGateway } from "../support/gateway.ts";

export class TestFiles {
  /** What is served. */
  readonly root: string;
  readonly #folder: string;

  constructor(files: Readonly<Record<string, string | Buffer>>) {
    // As it is where no link is followed: on some systems the folder for temporary files is behind one.
    this.#folder = realpathSync(mkdtempSync(join(tmpdir(), "sluice-static-")));
    this.root = join(this.#folder, "public");
    mkdirSync(this.root);
    for (const [path, content] of Object.entries(files)) this.write(path, content);
  }

  /** A path below the root, or beside it where it begins with `../`. */
  at(path: string): string {
    return join(this.root, path);
  }

  write(path: string, content: string | Buffer): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    writeFileSync(this.at(path), content);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A route `all` for everything; `settings` is the inside of `static`, `more` that of the route, as YAML flow. */
export function serving(root: string, settings = "", more = ""): string {
  return `routing: { all: { ${more} static: { root: ${JSON.stringify(root)}, ${settings} } } }\n`;
}

export async function startServing(root: string, settings = "", more = ""): Promise<TestGateway> {
  return await TestGateway.start(serving(root, settings, more));
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As latin1. */
  readonly body: string;
}

/** The path goes out as it is given. */
export function ask(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      response.setEncoding("latin1");
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    });
    sent.once("error", reject);
    sent.end();
  });
}
