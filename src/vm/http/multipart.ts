// A FormData as the body of a message (RFC 7578, as the HTML standard has it). VM processes.
import { randomInt } from "node:crypto";

const BOUNDARY_BASE = "----formdata-sluice-0";

/** The body, and the content type that names its boundary. */
export function encodeFormData(form: FormData): { readonly body: Blob; readonly type: string } {
  const boundary = `${BOUNDARY_BASE}${String(randomInt(1e11)).padStart(11, "0")}`;
  const parts: (string | Blob)[] = [];
  for (const [name, value] of form as Iterable<[string, string | File]>) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(lines(name))}"`;
    if (typeof value === "string") {
      parts.push(`${head}\r\n\r\n${lines(value)}\r\n`);
    } else {
      const filename = value.name === "" ? "" : `; filename="${escaped(value.name)}"`;
      parts.push(`${head}${filename}\r\nContent-Type: ${value.type || "application/octet-stream"}\r\n\r\n`);
      parts.push(value, "\r\n");
    }
  }
  parts.push(`--${boundary}--\r\n`);
  return { body: new Blob(parts), type: `multipart/form-data; boundary=${boundary}` };
}

function lines(text: string): string {
  return text.replace(/\r?\n|\r/g, "\r\n");
}

function escaped(text: string): string {
  return text.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
}
