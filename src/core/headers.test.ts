// The header list: names in any case, values of repeated fields, and fields taken out.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { equalsIgnoreCase, Field, fieldId, HeaderList } from "./headers.ts";

function listOf(...fields: ReadonlyArray<readonly [string, string]>): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of fields) headers.add(name, value);
  return headers;
}

describe("the id of a field name", () => {
  const KNOWN: ReadonlyArray<readonly [string, number]> = [
    ["Connection", Field.connection],
    ["KEEP-ALIVE", Field.keepAlive],
    ["proxy-connection", Field.proxyConnection],
    ["Transfer-Encoding", Field.transferEncoding],
    ["te", Field.te],
    ["Upgrade", Field.upgrade],
    ["cOnTeNt-LeNgTh", Field.contentLength],
    ["Proxy-Authorization", Field.proxyAuthorization],
    ["Proxy-Authenticate", Field.proxyAuthenticate],
    ["HTTP2-Settings", Field.http2Settings],
    ["Expect", Field.expect],
    ["HOST", Field.host],
    ["X-Forwarded-For", Field.xForwardedFor],
    ["X-Forwarded-Proto", Field.xForwardedProto],
    ["X-Forwarded-Host", Field.xForwardedHost],
    ["X-Forwarded-Port", Field.xForwardedOther],
    ["X-Forwarded-Prefix", Field.xForwardedOther],
    ["Forwarded", Field.forwarded],
    ["Via", Field.via],
    ["Trailer", Field.trailer],
    ["Date", Field.date],
    ["Content-Type", Field.contentType],
  ];
  for (const [name, id] of KNOWN) {
    it(`is that of ${name} in any case`, () => {
      for (const form of [name, name.toLowerCase(), name.toUpperCase()]) assert.equal(fieldId(form), id);
    });
  }

  for (const name of ["", "X", "Hosts", "Hos", "Content_Length", "Transfer_Encoding", "Accept-Language"]) {
    it(`is none for "${name}"`, () => assert.equal(fieldId(name), Field.other));
  }

  it("takes no byte for a letter that is none", () => {
    // `@` and "[" stand beside the letters; 32 more makes "`" and "{" of them.
    assert.equal(fieldId("H\x4fST"), Field.host);
    assert.equal(fieldId("HO\x13T"), Field.other);
    assert.equal(equalsIgnoreCase("@[", "`{"), false);
  });

  for (const name of ["X_Forwarded_For", "x-forwarded_for", "X_FORWARDED-PROTO", "x_forwarded_prefix"]) {
    it(`is "removed" for ${name}, which a backend could take for the gateway's own`, () => {
      assert.equal(fieldId(name), Field.removed);
    });
  }
});

describe("a header list", () => {
  it("keeps order, case and repetition", () => {
    const headers = listOf(["B", "1"], ["a", "2"], ["b", "3"]);
    assert.deepEqual(headers.names, ["B", "a", "b"]);
    assert.deepEqual(headers.values, ["1", "2", "3"]);
    assert.equal(headers.length, 3);
  });

  it("finds the first value, by id and by name", () => {
    const headers = listOf(["Host", "a"], ["X-A", "1"], ["x-a", "2"], ["host", "b"]);
    assert.equal(headers.get(Field.host), "a");
    assert.equal(headers.get(Field.expect), null);
    assert.equal(headers.find("x-a"), "1");
    assert.equal(headers.find("x-b"), null);
  });

  it("finds a field that is there once, and none that is there twice", () => {
    const headers = listOf(["X-A", "1"], ["X-B", "1"], ["x-b", "2"]);
    assert.equal(headers.findOnly("x-a"), "1");
    assert.equal(headers.findOnly("x-b"), null);
    assert.equal(headers.findOnly("x-c"), null);
  });

  it("joins the values of a repeated field in their order", () => {
    const headers = listOf(["Via", "1.1 a"], ["X", ""], ["via", "1.0 b"]);
    assert.equal(headers.join(Field.via), "1.1 a, 1.0 b");
    assert.equal(headers.join(Field.te), null);
  });

  it("forgets what is removed, every time it is there", () => {
    const headers = listOf(["Via", "1"], ["X-A", "1"], ["via", "2"], ["x-a", "2"], ["X-B", "3"]);
    headers.remove(Field.via);
    headers.removeNamed("x-a");
    assert.deepEqual([headers.get(Field.via), headers.join(Field.via)], [null, null]);
    assert.deepEqual([headers.find("x-a"), headers.findOnly("x-a"), headers.find("x-b")], [null, null, "3"]);
  });

  it("removes what a backend would read as the same variable, and nothing else", () => {
    const headers = listOf(
      ["X-Real-IP", "1"],
      ["x_real_ip", "2"],
      ["X-REAL_IP", "3"],
      ["X-Real-IQ", "4"],
      ["XXReal-IP", "5"],
    );
    headers.removeVariable("x-real-ip");
    assert.deepEqual(
      headers.values.filter((_, i) => headers.ids[i] !== Field.removed),
      ["4", "5"],
    );
  });

  it("changes neither a copy nor what the copy is of", () => {
    const first = listOf(["A", "1"], ["Via", "2"]);
    const lines = first.forwardLines();
    const second = first.copy();
    const third = second.copy();
    second.remove(Field.via);
    first.add("B", "3");
    assert.equal(first.forwardLines(), `${lines}B: 3\r\n`);
    assert.equal(second.forwardLines(), "A: 1\r\n");
    assert.equal(third.forwardLines(), lines);
    third.removeNamed("a");
    assert.deepEqual([first.length, second.length, third.length], [3, 2, 2]);
    assert.deepEqual([third.forwardLines(), second.find("a")], ["Via: 2\r\n", "1"]);
  });

  it("has its lines made anew after every change", () => {
    const headers = listOf(["A", "1"], ["a_b", "2"]);
    assert.equal(headers.forwardLines(), "A: 1\r\na_b: 2\r\n");
    headers.removeVariable("a-b");
    assert.equal(headers.forwardLines(), "A: 1\r\n");
    headers.add("C", "3");
    assert.equal(headers.forwardLines(), "A: 1\r\nC: 3\r\n");
    headers.removeAt(0);
    assert.equal(headers.forwardLines(), "C: 3\r\n");
  });
});
