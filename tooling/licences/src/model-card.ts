import * as v from 'valibot';

const licenceClass = v.picklist(['green', 'amber', 'red']);
const text = v.pipe(v.string(), v.minLength(1));

const score = v.looseObject({ data: text, metric: text, value: v.number() });

/** What `model-card.json` must say; see README.md. */
export const modelCard = v.looseObject({
  model: text,
  class: licenceClass,
  weights: v.pipe(v.array(v.looseObject({ file: text, bytes: v.pipe(v.number(), v.integer(), v.minValue(1)) })), v.minLength(1)),
  data: v.pipe(v.array(v.looseObject({ name: text, licence: text, class: licenceClass })), v.minLength(1)),
  recipe: text,
  command: text,
  seed: v.pipe(v.number(), v.integer()),
  metrics: v.pipe(v.array(score), v.minLength(1)),
  baselines: v.pipe(v.array(v.looseObject({ ...score.entries, name: text })), v.minLength(1)),
  parameters: v.pipe(v.number(), v.integer(), v.minValue(1)),
});

export type ModelCard = v.InferOutput<typeof modelCard>;

/** The card, or what is wrong with it, one line a field. */
export function parseModelCard(json: string): { card: ModelCard } | { problems: string[] } {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    return { problems: [`is no JSON: ${(error as Error).message}`] };
  }
  const result = v.safeParse(modelCard, value);
  if (result.success) return { card: result.output };
  return { problems: result.issues.map((issue) => `${v.getDotPath(issue) ?? 'card'}: ${issue.message}`) };
}
