// The order of a benchmark: every contestant once a round, each round beginning one contestant further along, so that
// a machine that grows slower or faster meanwhile does so for all of them, and nobody always follows the same one.

/** Returns the samples of each contestant, one per round, in the order of `contestants`. */
export async function runRounds<Contestant, Sample>(
  contestants: readonly Contestant[],
  rounds: number,
  measure: (contestant: Contestant) => Promise<Sample>,
): Promise<Sample[][]> {
  const samples = new Map<Contestant, Sample[]>(contestants.map((contestant) => [contestant, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of rotate(contestants, round)) {
      samples.get(contestant)?.push(await measure(contestant));
    }
  }
  return [...samples.values()];
}

function rotate<Item>(items: readonly Item[], by: number): Item[] {
  const start = by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
