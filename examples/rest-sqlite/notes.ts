// Notes over HTTP: GET and POST /notes, GET and DELETE /notes/ID.

import { resolve } from "node:path";
import type { Handler } from "sluice";
import { openNotes } from "./database.ts";

interface Variables {
  /** The folder of the database, from that of this file. */
  readonly DATA: string;
}

/** Opened with the first request of the VM, which brings `env`; the tables are made where there are none. */
let notes: ReturnType<typeof openNotes> | undefined;

export default {
  async fetch(request, { DATA }) {
    notes ??= openNotes(resolve(import.meta.dirname, DATA));
    const [, , id, ...rest] = new URL(request.url).pathname.split("/");
    if (rest.length > 0 || (id !== undefined && !/^[1-9]\d{0,14}$/.test(id)))
      return problem(404, "not found");
    switch (`${request.method} ${id === undefined ? "/notes" : "/notes/ID"}`) {
      case "GET /notes":
        return Response.json(notes.all());
      case "POST /notes": {
        const text = await textIn(request);
        if (text === null) return problem(400, 'expected JSON such as {"text": "buy tea"}');
        const note = notes.add(text);
        return Response.json(note, { status: 201, headers: { Location: `/notes/${note.id}` } });
      }
      case "GET /notes/ID": {
        const note = notes.find(Number(id));
        return note === undefined ? problem(404, `there is no note ${id}`) : Response.json(note);
      }
      case "DELETE /notes/ID":
        return notes.remove(Number(id))
          ? new Response(null, { status: 204 })
          : problem(404, `there is no note ${id}`);
      default:
        return problem(405, `${request.method} is not for this path`);
    }
  },
} satisfies Handler<Variables>;

async function textIn(request: Request): Promise<string | null> {
  const body: unknown = await request.json().catch(() => null);
  const text = (body as { readonly text?: unknown } | null)?.text;
  return typeof text === "string" && text.trim() !== "" ? text : null;
}

function problem(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
