// The files of one route as a data thread knows them: what was found at each path, looked at anew after a second.
//
//   unknown ─▶ looking (exchanges wait) ─▶ known for a second ─▶ looking …
//                                              └─▶ dropped, when others need the room

import type { StaticSpec } from "../../config/snapshot.ts";
import { GatewayError } from "../../core/errors.ts";
import { withoutPrefix } from "../actions/forwarded-head.ts";
import type { ThreadContext } from "../thread-context.ts";
import { CacheEntry } from "./file-cache.ts";
import { decodedPath, isHidden } from "./file-path.ts";
import { FileRules } from "./file-rules.ts";
import { type Found, isUnchanged, type Look, LookUp, nothing } from "./look-up.ts";
import { ReadBuffers } from "./read-buffers.ts";

/** How long what was found is taken to be there. */
const VALID_MS = 1000;

/** What stands for the path of `spa_fallback`: no request has it. */
export const FALLBACK = "";

/** Somebody who needs to know what is at a path. */
export interface Seeker {
  onFound(found: Found): void;
}

class Place extends CacheEntry {
  readonly path: string;
  readonly #places: Map<string, Place>;
  found: Found | null = null;
  looks: readonly Look[] = [];
  /** On the clock of the thread's deadlines. */
  validUntil = Number.NEGATIVE_INFINITY;
  seekers: Seeker[] | null = null;

  constructor(path: string, places: Map<string, Place>) {
    super();
    this.path = path;
    this.#places = places;
    places.set(path, this);
  }

  onDropped(): void {
    if (this.seekers === null) this.#places.delete(this.path);
  }
}

export class Site {
  readonly spec: StaticSpec;
  readonly thread: ThreadContext;
  readonly rules: FileRules;
  readonly buffers = new ReadBuffers();
  readonly #places = new Map<string, Place>();

  constructor(spec: StaticSpec, thread: ThreadContext) {
    this.spec = spec;
    this.thread = thread;
    this.rules = new FileRules(spec);
  }

  /** What is at the path, or null where that has to be looked up. `path` is that of the request, or `FALLBACK`. */
  known(path: string): Found | null {
    const place = this.#places.get(path);
    const { deadlines, files } = this.thread;
    if (place === undefined || place.validUntil <= deadlines.now) return null;
    files.used(place);
    return place.found;
  }

  /** Calls back later with what is at the path. */
  find(path: string, seeker: Seeker): void {
    const place = this.#places.get(path) ?? new Place(ownCopy(path), this.#places);
    if (place.seekers !== null) place.seekers.push(seeker);
    else {
      place.seekers = [seeker];
      this.#look(place);
    }
  }

  async #look(place: Place): Promise<void> {
    const { deadlines, files } = this.thread;
    const startedAt = deadlines.now;
    let found = place.found;
    if (found === null || !(await isUnchanged(place.looks))) {
      try {
        const looked = await this.#lookUp(place.path);
        found = looked.found;
        place.looks = looked.looks;
      } catch (bug) {
        found = {
          kind: "failed",
          error: new GatewayError("internal", "an error in the gateway itself", bug),
        };
      }
    }
    if (found.kind === "nothing" && found.error.code === "file_outside_root") {
      this.thread.reporter.report("warn", found.error.code, found.error.message, { path: place.path });
      found = nothing(place.path, false);
    }
    const seekers = place.seekers ?? [];
    place.seekers = null;
    if (found.kind === "failed") {
      files.drop(place);
      this.#places.delete(place.path);
    } else {
      place.found = found;
      place.validUntil = startedAt + VALID_MS;
      files.keep(place, bytesOf(found) + place.path.length);
    }
    for (const seeker of seekers) seeker.onFound(found);
  }

  async #lookUp(path: string): Promise<{ readonly found: Found; readonly looks: readonly Look[] }> {
    const look = new LookUp(this.spec, this.rules);
    if (path === FALLBACK) return await look.fallback(`/${this.spec.spaFallback}`);
    const { stripPrefix, dotfiles } = this.spec;
    const decoded = decodedPath(stripPrefix === null ? path : withoutPrefix(path, stripPrefix));
    if (decoded === null || (!dotfiles && isHidden(decoded)))
      return { found: nothing(path, false), looks: [] };
    // The route itself, with its prefix taken off, is the root: a folder that is not named as one.
    if (decoded === "/" && !path.endsWith("/")) return { found: { kind: "folder" }, looks: [] };
    return await look.at(decoded);
  }
}

function bytesOf(found: Found): number {
  if (found.kind !== "file") return 0;
  return [found.plain, ...found.encoded].reduce((sum, { body }) => sum + (body?.length ?? 0), 0);
}

/** A part of a text holds all of that text in memory: here the whole head of a request, for as long as the path is kept. */
function ownCopy(path: string): string {
  return Buffer.from(path, "latin1").toString("latin1");
}
