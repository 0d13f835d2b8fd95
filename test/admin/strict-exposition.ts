// A reading of the text format of Prometheus that forgives nothing, written from its description. Runs in tests.
// https://prometheus.io/docs/instrumenting/exposition_formats/

import assert from "node:assert/strict";

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** By name and labels as in the text, such as `a_total{code="2xx"}`. */
  readonly samples: Map<string, number>;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\[\\\\n"])*)"';
const SAMPLE = new RegExp(`^(${NAME})(\\{${LABEL}(?:,${LABEL})*\\})? (-?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)$`);

/** Fails on anything that is not exactly as it should be. */
export function readExposition(text: string): ReadonlyMap<string, Family> {
  assert.ok(text.endsWith("\n") && !text.endsWith("\n\n"), "expected one line feed at the end");
  const families = new Map<string, Family>();
  let family: Family | null = null;
  let help: readonly [name: string, text: string] | null = null;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      assert.equal(help, null, `two HELP in a row: ${line}`);
      help = [name, rest];
    } else if (keyword === "TYPE") {
      assert.equal(help?.[0], name, `expected HELP before ${line}`);
      assert.match(rest, /^(counter|gauge|histogram)$/);
      assert.ok(!families.has(name), `${name} is there twice`);
      family = { name, type: rest, help: help![1], samples: new Map() };
      families.set(name, family);
      help = null;
    } else {
      assert.ok(family !== null && help === null, `expected a TYPE before ${line}`);
      readSample(line, family);
    }
  }
  for (const one of families.values()) checkFamily(one);
  return families;
}

function readSample(line: string, { name, type, samples }: Family): void {
  const found = SAMPLE.exec(line);
  assert.ok(found !== null, `no sample: ${line}`);
  const suffix = type === "histogram" ? "(_bucket|_sum|_count)" : "";
  assert.match(found[1]!, new RegExp(`^${name}${suffix}$`), `${line} stands among those of ${name}`);
  const series = line.slice(0, line.lastIndexOf(" "));
  assert.ok(!samples.has(series), `${series} is there twice`);
  const labels = [...(found[2] ?? "").matchAll(new RegExp(LABEL, "g"))].map(([, label]) => label);
  assert.equal(new Set(labels).size, labels.length, `a label twice: ${line}`);
  samples.set(series, Number(line.slice(line.lastIndexOf(" ") + 1)));
}

function checkFamily({ name, type, samples }: Family): void {
  assert.ok(samples.size > 0, `${name} has no samples`);
  assert.equal(name.endsWith("_total"), type === "counter", `${name} is a ${type}`);
  if (type !== "gauge") for (const [series, value] of samples) assert.ok(value >= 0, `${series} is ${value}`);
  if (type === "histogram") checkHistogram(name, samples);
}

/** One for each set of labels beside `le`, which stands last. */
function checkHistogram(name: string, samples: ReadonlyMap<string, number>): void {
  const buckets = Map.groupBy(
    [...samples].filter(([series]) => series.startsWith(`${name}_bucket`)),
    ([series]) => /\{(.*?),?le="[^"]+"\}$/.exec(series)?.[1] ?? assert.fail(`${series} has no bound`),
  );
  for (const [labels, own] of buckets) {
    const bounds = own.map(([series]) => /le="([^"]+)"\}$/.exec(series)?.[1]);
    assert.equal(bounds.at(-1), "+Inf");
    const numbers = bounds.map((bound) => (bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound)));
    for (let i = 1; i < own.length; i++) {
      assert.ok(numbers[i]! > numbers[i - 1]!, `${name}: bounds that do not ascend`);
      assert.ok(own[i]![1] >= own[i - 1]![1], `${name}: buckets that are not cumulative`);
    }
    const among = labels === "" ? "" : `{${labels}}`;
    assert.equal(own.at(-1)![1], samples.get(`${name}_count${among}`));
    assert.ok(samples.has(`${name}_sum${among}`));
  }
  assert.equal(
    samples.size,
    [...buckets.values()].reduce((sum, own) => sum + own.length + 2, 0),
  );
}
