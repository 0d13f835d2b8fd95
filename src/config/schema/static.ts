// The action `static` of a route: which files are served, and how. Runs anywhere.

import { z } from "zod";
import { choice, fieldValue, oneOrMore, text, textLike, truth } from "../values.ts";

const FILE_NAME = /^(?!\.{1,2}$)[^/\\\0]+$/;
/** Below the root: no empty segment, no `.` and no `..`. */
const FILE_PATH = /^(?:(?!\.{1,2}(?:\/|$))[^/\\\0]+(?:\/(?!$)|$))+$/;
/** RFC 9110 section 8.3.1, without quoted parameters. */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:; *[\w!#$&^.+-]+=[\w!#$&^.+-]+)*$/;

export const ENCODINGS = ["br", "zstd", "gzip"] as const;

const NAME = 'expected the name of a file such as "index.html", without a path';

export const staticFiles = z
  .strictObject({
    root: text().describe("Folder with the files; a relative path is one from the working directory."),
    index: oneOrMore(textLike(FILE_NAME, NAME), "expected the name of a file, or a list of names")
      .prefault("index.html")
      .describe("File that stands for its folder; of several, the first one that is there."),
    spa_fallback: textLike(FILE_PATH, 'expected the path of a file below the root, such as "index.html"')
      .optional()
      .describe(
        "File below the root that is served with 200 where a browser opens an address without a file.",
      ),
    precompressed: z
      .union([truth(), z.array(choice(ENCODINGS)).min(1, { error: "expected at least one" })], {
        error: "expected true, false or a list of br, zstd, gzip",
      })
      .prefault(false)
      .describe(
        "Serves `<file>.br`, `.zst` or `.gz` from beside the file to clients that take it. `true` for `[br, zstd, gzip]`; of those that a client likes best, the first one.",
      ),
    cache_control: z
      .union([fieldValue(), z.record(text(), fieldValue())], {
        error: "expected text, or a mapping of patterns to texts",
      })
      .optional()
      .describe(
        "The Cache-Control field: one for all files, or by pattern, of which the first that fits counts. `*` stands for any text; a pattern with a `/` is about the path below the root, one without about the name alone.",
      ),
    types: z
      .record(
        textLike(/^\.[^./\\]+$/, 'expected an extension such as ".txt"'),
        textLike(MEDIA_TYPE, 'expected a media type such as "text/plain; charset=utf-8"'),
      )
      .prefault({})
      .describe("Media types by extension, before those that are known."),
    list: truth().prefault(false).describe("Lists a folder that has no index file."),
    dotfiles: truth()
      .prefault(false)
      .describe("Serves files and folders whose name starts with a dot too. `.well-known` always is."),
  })
  .describe("Serves files (docs/static-files.md).");
