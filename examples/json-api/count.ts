// Counts the words of a text.

const WORDS = new Intl.Segmenter("en", { granularity: "word" });

export default async (request: Request): Promise<Response> => {
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? ""))
    return problem(415, "expected Content-Type: application/json");
  let body: unknown;
  try {
    body = await request.json();
  } catch (error) {
    return problem(400, `not valid JSON: ${(error as Error).message}`);
  }
  const text = (body as { readonly text?: unknown } | null)?.text;
  if (typeof text !== "string") return problem(400, 'expected an object such as {"text": "one two"}');
  const words = Iterator.from(WORDS.segment(text)).filter(({ isWordLike }) => isWordLike === true);
  return Response.json({ characters: [...text].length, words: words.toArray().length });
};

function problem(status: number, error: string): Response {
  return Response.json({ error }, { status });
}
