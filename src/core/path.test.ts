// The path rules: a table of both sides of each rule, and a second reading that must agree. Runs in the test process.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { canonicalPath, isValidQuery, type PathProblem, PathProblems } from "./path.ts";

const ACCEPTED: ReadonlyArray<readonly [raw: string, canonical: string]> = [
  ["/", "/"],
  ["/a", "/a"],
  ["/a/b.c/d-e_f~g", "/a/b.c/d-e_f~g"],
  ["/!$&'()*+,;=:@[]", "/!$&'()*+,;=:@[]"],
  // Percent-encoding
  ["/%41%7a%30%2d%2E%5f%7E", "/Az0-._~"],
  ["/%61pi", "/api"],
  ["/%c3%a9", "/%C3%A9"],
  ["/%20%21%23%3f", "/%20%21%23%3F"],
  ["/%252e%252e/x", "/%252e%252e/x"],
  ["/%25%32%65", "/%252e"],
  ["/%80%ff", "/%80%FF"],
  ['/<a>"^`{|}', "/%3Ca%3E%22%5E%60%7B%7C%7D"],
  ["/%3c%22%5e%60%7b%7c%7d%3e", "/%3C%22%5E%60%7B%7C%7D%3E"],
  // Empty segments
  ["//", "/"],
  ["//a", "/a"],
  ["/a//b", "/a/b"],
  ["/a///b////", "/a/b/"],
  ["//evil.example/x", "/evil.example/x"],
  // Dot segments
  ["/.", "/"],
  ["/./", "/"],
  ["/a/.", "/a/"],
  ["/a/./b", "/a/b"],
  ["/a/..", "/"],
  ["/a/../", "/"],
  ["/a/../b", "/b"],
  ["/a/b/..", "/a/"],
  ["/a/b/../..", "/"],
  ["/a/b/../../c", "/c"],
  ["/a//../b", "/b"],
  ["/a/%2e%2E/b", "/b"],
  ["/a/.%2e/b", "/b"],
  ["/a/%2e/b", "/a/b"],
  // What only looks like one
  ["/...", "/..."],
  ["/.hidden", "/.hidden"],
  ["/..a", "/..a"],
  ["/a..", "/a.."],
  ["/.well-known/acme", "/.well-known/acme"],
  ["/..%20", "/..%20"],
  // An encoded slash is data
  ["/a%2fb", "/a%2Fb"],
  ["/a%2F", "/a%2F"],
  ["/%2f%2F/b", "/%2F%2F/b"],
  ["/a%2Fb/../c", "/c"],
  ["/a%2F.b", "/a%2F.b"],
  ["/a%2F..b", "/a%2F..b"],
  ["/a..%2Fb", "/a..%2Fb"],
  // A semicolon is an ordinary character
  ["/;", "/;"],
  ["/a;v=1/b", "/a;v=1/b"],
  ["/a;..", "/a;.."],
  ["/a;x/../b", "/b"],
  ["/..a;x", "/..a;x"],
  ["/a%3b..", "/a%3B.."],
];

const REFUSED: ReadonlyArray<readonly [raw: string, problem: PathProblem]> = [
  ["", PathProblems.start],
  ["*", PathProblems.start],
  ["a/b", PathProblems.start],
  ["%2Fa", PathProblems.start],
  ["/a b", PathProblems.character],
  ["/a\tb", PathProblems.character],
  ["/a\r\nb", PathProblems.character],
  ["/a\0", PathProblems.character],
  ["/a\x7f", PathProblems.character],
  ["/a\x80", PathProblems.character],
  ["/\xe9", PathProblems.character],
  ["/\u0141", PathProblems.character],
  ["/a#b", PathProblems.character],
  ["/a?b", PathProblems.character],
  ["/a\\b", PathProblems.character],
  ["/..\\..\\x", PathProblems.character],
  ["/%", PathProblems.encoding],
  ["/%4", PathProblems.encoding],
  ["/%4/", PathProblems.encoding],
  ["/%zz", PathProblems.encoding],
  ["/%4g", PathProblems.encoding],
  ["/%g4", PathProblems.encoding],
  ["/%%41", PathProblems.encoding],
  ["/%u0041", PathProblems.encoding],
  ["/%+1", PathProblems.encoding],
  ["/%00", PathProblems.encodedControl],
  ["/a%00.html", PathProblems.encodedControl],
  ["/%0d%0a", PathProblems.encodedControl],
  ["/%1F", PathProblems.encodedControl],
  ["/%7f", PathProblems.encodedControl],
  ["/a%5cb", PathProblems.encodedBackslash],
  ["/..%5C", PathProblems.encodedBackslash],
  ["/..", PathProblems.aboveRoot],
  ["/../", PathProblems.aboveRoot],
  ["/./..", PathProblems.aboveRoot],
  ["//..", PathProblems.aboveRoot],
  ["/a/../..", PathProblems.aboveRoot],
  ["/a/../../a", PathProblems.aboveRoot],
  ["/a//../..", PathProblems.aboveRoot],
  ["/%2e%2e/x", PathProblems.aboveRoot],
  ["/..%2f", PathProblems.ambiguous],
  ["/..%2Fetc", PathProblems.ambiguous],
  ["/a%2f..", PathProblems.ambiguous],
  ["/a%2F.", PathProblems.ambiguous],
  ["/.%2Fa", PathProblems.ambiguous],
  ["/a%2F..%2Fb", PathProblems.ambiguous],
  ["/a%2F%2e%2e%2fb", PathProblems.ambiguous],
  ["/a/..;/b", PathProblems.ambiguous],
  ["/..;", PathProblems.ambiguous],
  ["/.;x=1/a", PathProblems.ambiguous],
  ["/%2e%2e;a/b", PathProblems.ambiguous],
  ["/..%3b/a", PathProblems.ambiguous],
  ["/a%2F..;x", PathProblems.ambiguous],
  ["/..;%2Fa", PathProblems.ambiguous],
  ["/a/..;/../b", PathProblems.ambiguous],
];

describe("canonicalPath", () => {
  for (const [raw, canonical] of ACCEPTED) {
    it(`reads ${JSON.stringify(raw)} as ${canonical}`, () => assert.equal(canonicalPath(raw), canonical));
  }

  for (const [raw, problem] of REFUSED) {
    it(`refuses ${JSON.stringify(raw)}: ${problem.message}`, () => assert.equal(canonicalPath(raw), problem));
  }

  it("returns its own results unchanged", () => {
    fc.assert(
      fc.property(anyPath, (raw) => {
        const once = canonicalPath(raw);
        if (typeof once === "string") assert.equal(canonicalPath(once), once);
      }),
      { numRuns: 5000 },
    );
  });

  it("leaves only allowed bytes, one form of each encoding and no empty segment", () => {
    fc.assert(
      fc.property(anyPath, (raw) => {
        const path = canonicalPath(raw);
        if (typeof path !== "string") return;
        assert.match(path, /^(?:\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@[\]]|%[2-9A-F][0-9A-F])*)+$/);
        assert.doesNotMatch(path, /\/\/|%5C|%7F/);
      }),
      { numRuns: 5000 },
    );
  });

  it("agrees with a second reading of the rules", () => {
    fc.assert(
      fc.property(anyPath, (raw) => {
        const path = canonicalPath(raw);
        assert.equal(typeof path === "string" ? path : null, slowReading(raw));
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("isValidQuery", () => {
  for (const query of ["", "a=1&b=2", "q=%zz", "100%", "?", "/../\\", 'x="<>^`{|}']) {
    it(`accepts ${JSON.stringify(query)}`, () => assert.equal(isValidQuery(query), true));
  }
  for (const query of ["a b", "a#b", "a\0", "a\r\n", "a\t", "\x7f", "\x80", "\xff"]) {
    it(`refuses ${JSON.stringify(query)}`, () => assert.equal(isValidQuery(query), false));
  }
});

// Small alphabets, so that the rare combinations are common.
const anyPath = fc.oneof(
  pathOf(["/", ".", ".", ";", "a", "%2e", "%2F", "%2f", "%3B"]),
  pathOf(["/", "..", "/..", "a", "%2E", "b/", ";x", "%2F"]),
  pathOf(["/", "%", "2", "5", "e", "F", "%25", "%41", "%c3", "%5c", "%7f", "%0", "%00", "{", '"', "\\", "~"]),
  fc.string({ unit: "binary", maxLength: 12 }).map((text) => `/${text}`),
);

function pathOf(pieces: string[]): fc.Arbitrary<string> {
  return fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => `/${parts.join("")}`);
}

/** The same rules as one token list, read right to left. Null when refused. */
function slowReading(raw: string): string | null {
  if (!/^\/(?:%[0-9a-f]{2}|[!-~])*$/i.test(raw) || /[#?\\]/.test(raw) || /%(?![0-9a-f]{2})/i.test(raw))
    return null;
  if (/%(?:[01].|7f|5c)/i.test(raw)) return null;
  const tokens = (raw.match(/%..|./g) ?? []).map((token) => {
    const value = token.length === 3 ? String.fromCharCode(Number.parseInt(token.slice(1), 16)) : token;
    if (/[A-Za-z0-9\-._~]/.test(value)) return value;
    return token.length === 3
      ? token.toUpperCase()
      : encodeURI(token).replace(/%5B/, "[").replace(/%5D/, "]");
  });
  const segments: string[][] = [];
  for (const token of tokens) {
    if (token === "/") segments.push([]);
    else segments.at(-1)?.push(token);
  }
  let result = "";
  let skip = 0;
  for (const [fromEnd, segment] of segments.reverse().entries()) {
    const name = segment.join("");
    const isDots = name === "." || name === "..";
    if (!isDots && name.split("%2F").some((piece) => /^\.\.?(;|%3B|$)/.test(piece))) return null;
    if (fromEnd === 0 && (name === "" || isDots)) result = "/";
    if (name === "..") skip += 1;
    else if (name === "" || name === ".") continue;
    else if (skip > 0) skip -= 1;
    else result = `/${name}${result}`;
  }
  return skip > 0 ? null : result || "/";
}
